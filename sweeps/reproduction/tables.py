"""The claims as tables for terminal and page, and remarks on them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import isnan
from typing import TYPE_CHECKING

from rfscale.sweeps.report.terminal import Column, Table, number, per_axis
from rfscale.sweeps.reproduction.findings import Findings, PooledStack
from rfscale.sweeps.reproduction.verdicts import COUNTED, Result

if TYPE_CHECKING:
    import xarray as xr

LISTED = 4  # so many members of a group are listed in its row, more are cut to first … last
HEADERS = ("claim", "published", "formula", "exact", "exact area", "exact extent", "verdict")


# the table ----------------------------------------------------------------------------------------------------------


def rows(results: Sequence[Result]) -> list[tuple[str, list[str]]]:
    """Return the printed table: (section, cells), a group of claims as one row."""
    out = []
    keyed = [(r.claim.section, r.claim.group or str(i), r) for i, r in enumerate(results)]
    for (section, _), members in groupby(keyed, key=lambda k: k[:2]):
        group = [m[2] for m in members]
        columns = (
            [_cell(r.claim.printed, r.claim.quantity) for r in group],
            [_cell(r.values.formula, r.claim.quantity) for r in group],
            [_cell(r.values.exact, r.claim.quantity) for r in group],
            ["–" if r.claim.quantity in COUNTED else number(r.area) for r in group],
            ["–" if r.claim.quantity in COUNTED else _box(r.extent) for r in group],
        )
        verdicts = [r.verdict for r in group]
        common = verdicts[0] if len(set(verdicts)) == 1 else "; ".join(sorted(set(verdicts)))
        if len(group) > 1 and len(set(verdicts)) == 1:
            common += f" ({len(group)} of {len(group)})"
        out.append((section, [group[0].claim.text, *map(_joined, columns), common]))
    return out


def _cell(value: float | None, quantity: str) -> str:
    if value is None or isnan(value):
        return "–"
    return f"{number(100 * value, 1)} %" if quantity == "overlap" else number(value, 1)


def _box(extent: Sequence[float]) -> str:
    return "×".join(map(number, extent))


def _joined(cells: Sequence[str]) -> str:
    if len(set(cells)) == 1:
        return cells[0]
    return " · ".join(cells) if len(cells) <= LISTED else f"{cells[0]} … {cells[-1]}"


def terminal_table(table: Sequence[tuple[str, list[str]]]) -> Table:
    """Return the table for the terminal; it reads well at 120 columns."""
    sections, titles = [section for section, _ in table], {}
    for i, section in enumerate(sections):
        if i == 0 or section != sections[i - 1]:
            titles[i] = section
    columns = zip(HEADERS, zip(*(cells for _, cells in table), strict=True), strict=True)
    return Table(
        [Column(h, cells, "left" if h in ("claim", "verdict") else "right") for h, cells in columns], titles, True
    )


def markdown(table: Sequence[tuple[str, list[str]]], notes: Sequence[str]) -> str:
    """Return the table and the notes as a page of Markdown."""
    lines = [
        "# The claims of the article",
        "",
        f"| {' | '.join(HEADERS)} |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for section, members in groupby(table, key=lambda row: row[0]):
        lines.append(f"| **{section}** | | | | | | |")
        lines += [f"| {' | '.join(cell.replace('|', '∥') for cell in cells)} |" for _, cells in members]
    return "\n".join([*lines, "", *(f"- {note}" for note in notes)]) + "\n"


def remarks(found: Findings) -> list[str]:
    """Return what the table cannot say in a cell."""
    tally = "; ".join(f"{n} {text}" for text, n in found.verdicts)
    before, after = (", ".join(map(number, widths)) for widths in (found.before, found.after))
    return [
        f"{found.claims} claims: {tally}.",
        _about_pools(found.pools),
        _about_dilation(found.dilated, found.beyond),
        f"FPN levels 2 to 5 are {before} wide before the top-down path and {after} after it: what the levels can see "
        "no longer sets them apart, only how finely they sample it.",
        "Widths are square roots of exact pixel counts; footprints are interior (no borders), and where a map has "
        "several phases, the largest. A dash: nothing printed, or no formula for such a layer.",
    ]


def _about_pools(found: PooledStack) -> str:
    hits = f"only {', '.join(found.hits)}" if found.hits else "no layer of any"
    text = f"{found.printed:.0f} for the pooled stack: {hits} of the {len(found.widths)} readings of a pool every 4 "
    text += f"layers gives it; their last maps are {', '.join(map(number, sorted(found.widths.values())))} wide"
    text += f", the nearest being {number(found.widths[found.nearest])}"
    if found.digits_of_code:
        code = number(found.widths["code"])
        text += f". The article's own code makes {code}: the print has its digits in another order"
    if found.dilated_formula:
        text += f"; {found.printed:.0f} = 3⁵ is also what the dilated formula gives for five layers"
    return text + "."


def _about_dilation(five: xr.Dataset, beyond: xr.Dataset) -> str:
    return (
        f"Five 3×3 of dilation 2 see {number(float(five.area))} pixels in a box of {per_axis(five.extent.values)} per "
        f"axis ({100 * float(five.density):.0f} % of it), none of them adjacent; the formula says "
        f"{number(float(five.published_area))}. After four plain 3×3 the same formula gives "
        f"{number(float(beyond.published_area))}, where {number(float(beyond.area))} is true: it drops a term in "
        "(2P−1)² and turns negative for P > 7/8."
    )
