"""The main job: every figure and number of the article beside its own formula, the closed form and the exact pixels.

`sweeps.reproduction.claims` holds what the article prints; here each claim gets its formula value, its exact value and
a verdict, all computed. The results are a table, a labelled tree of datasets, and pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from math import isnan, nan, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.errors import InputError
from sweeps.output import check_folder, check_target, need_package, write, write_text
from sweeps.reproduction.claims import CLAIMS, Claim, networks
from sweeps.reproduction.pictures import DRAWN, FIELD_LAYERS, draw_all
from sweeps.tables import number, per_axis, plain_table, progress, same, say

if TYPE_CHECKING:
    import xarray as xr

    from engine.network import Network

STORE, TABLE, PICTURES = "claims.zarr", "claims.md", "pictures"
LISTED = 4  # so many members of a group are listed in its row, more are cut to first … last
HEADERS = ("claim", "published", "formula", "exact", "exact pixels", "exact extent", "verdict")
COUNTED = ("position", "maps", "map_height", "map_width")  # no footprint, no formula: a matter of counting


class Values(NamedTuple):
    """One quantity by the article's formula, by the closed form, and exactly; NaN where there is none."""

    formula: float
    closed: float
    exact: float


class Result(NamedTuple):
    """A claim, its three values, the exact footprint it is about, and the verdict."""

    claim: Claim
    values: Values
    area: float
    extent: tuple[float, ...]
    verdict: str


# quantities ---------------------------------------------------------------------------------------------------------


def _root(area: float) -> float:
    return sqrt(area) if area >= 0 else nan


def _area(ds: xr.Dataset, claim: Claim, network: Network) -> Values:
    row = ds.sel(layer=claim.layer)
    return Values(float(row.published_area), float(row.closed_form_area), float(row.area))


def _width(ds: xr.Dataset, claim: Claim, network: Network) -> Values:
    return Values(*map(_root, _area(ds, claim, network)))


def _overlap(ds: xr.Dataset, claim: Claim, network: Network) -> Values:
    row = ds.sel(layer=claim.layer).isel(axis=0)
    return Values(float(row.published_overlap), float(row.closed_form_overlap), float(row.overlap))


def _layers_to(ds: xr.Dataset, claim: Claim, network: Network) -> Values:
    """Layers until a width is reached."""
    areas = (ds.published_area, ds.closed_form_area, ds.area)
    return Values(*(int((a.values >= claim.target**2).argmax()) + 1 for a in areas))


def _position(ds: xr.Dataset, claim: Claim, network: Network) -> Values:
    """Convolutions and pools along the main path up to a layer."""
    path = network.layers[: network.index(claim.layer)]
    return Values(nan, nan, sum(x.op in ("conv", "max_pool") and "downsample" not in x.name for x in path))


def _maps(ds: xr.Dataset, claim: Claim, network: Network) -> Values:
    return Values(nan, nan, len(network.outputs))


def _map_size(axis: int) -> Callable[[xr.Dataset, Claim, Network], Values]:
    return lambda ds, claim, network: Values(nan, nan, float(ds.map_size.sel(layer=claim.layer)[axis]))


QUANTITIES: dict[str, tuple[str, Callable[[xr.Dataset, Claim, Network], Values]]] = {
    "width": ("pixel", _width),
    "area": ("pixel", _area),
    "overlap": ("1", _overlap),
    "layers_to": ("1", _layers_to),
    "position": ("1", _position),
    "maps": ("1", _maps),
    "map_height": ("1", _map_size(0)),
    "map_width": ("1", _map_size(1)),
}


def verdict(printed: float | None, rounding: float, formula: float, exact: float) -> str:
    """Return what a claim is worth.

    Parameters
    ----------
    printed : float or None
        The article's number, or None where it prints none.
    rounding : float
        Half a unit of its last digit.
    formula : float
        The article's formula along the network; NaN where it has none.
    exact : float

    Examples
    --------
    >>> verdict(50, 0, 41.0, 41.0)
    'formula exact, print wrong'
    >>> verdict(243, 0, 243.0, 11.0)
    'formula wrong'
    """
    known, right = not isnan(formula), same(formula, exact)
    if printed is None:
        return "formula exact" if right else "formula wrong" if known else "no formula"
    if abs(printed - exact) <= rounding + 1e-9:
        return "exact" if right else "print exact, formula wrong" if known else "print exact, no formula"
    if right:
        return "formula exact, print wrong"
    if known and abs(printed - formula) <= rounding + 1e-9:
        return "formula wrong"
    return "formula and print wrong" if known else "print wrong"


def judge(claims: Sequence[Claim], profiles: Mapping[str, xr.Dataset], nets: Mapping[str, Network]) -> list[Result]:
    """Return the values and the verdict of every claim."""
    results = []
    for claim in claims:
        network, ds = nets[claim.network], profiles[claim.network]
        full = claim if claim.layer else Claim(**{**vars(claim), "layer": network.layers[-1].name})
        values = QUANTITIES[claim.quantity][1](ds, full, network)
        formula = values.exact if claim.quantity in COUNTED else values.formula
        row = ds.sel(layer=full.layer)
        results.append(
            Result(
                full,
                values,
                float(row.area),
                tuple(row.extent.values.tolist()),
                verdict(full.printed, full.rounding, formula, values.exact),
            )
        )
    return results


# the dataset --------------------------------------------------------------------------------------------------------


def claims_dataset(results: Sequence[Result]) -> xr.Dataset:
    """Return the results as one labelled dataset over (claim[, axis])."""
    import numpy as np
    import xarray as xr

    from engine import __version__

    def text(values: list[str], meaning: str) -> tuple[str, Any, dict[str, str]]:
        return "claim", np.array(values, object), {"units": "1", "long_name": meaning}

    def figure(values: list[float], meaning: str, units: str = "see unit") -> tuple[str, Any, dict[str, str]]:
        return "claim", np.array(values, float), {"units": units, "long_name": meaning}

    extents = np.array([r.extent for r in results], float)
    data = {
        "section": text([r.claim.section for r in results], "part of the article"),
        "text": text([r.claim.text for r in results], "what is claimed"),
        "network": text([r.claim.network for r in results], "network of the claim"),
        "layer": text([r.claim.layer for r in results], "layer of the claim"),
        "quantity": text([r.claim.quantity for r in results], "what the number is"),
        "unit": text([QUANTITIES[r.claim.quantity][0] for r in results], "unit of the number"),
        "printed": figure([nan if r.claim.printed is None else r.claim.printed for r in results], "as printed"),
        "formula": figure([r.values.formula for r in results], "by the article's own formula, along the network"),
        "closed_form": figure([r.values.closed for r in results], "by the closed form"),
        "exact": figure([r.values.exact for r in results], "exact"),
        "exact_pixels": figure([r.area for r in results], "pixels of the exact footprint", "pixel"),
        "exact_extent": (
            ("claim", "axis"),
            extents,
            {"units": "pixel", "long_name": "bounding box of the exact footprint"},
        ),
        "verdict": text([r.verdict for r in results], "what the claim is worth"),
    }
    coords = {"claim": np.arange(len(results)), "axis": np.array(["y", "x"], object)}
    attrs = {"software": f"rfscale {__version__}", "command": "rfscale reproduce", "mode": "interior"}
    return xr.Dataset(data, coords, attrs)


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


def terminal_table(table: Sequence[tuple[str, list[str]]]) -> Any:
    """Return the table for the terminal; it reads well at 120 columns."""
    from rich.text import Text

    sides = ("left" if h in ("claim", "verdict") else "right" for h in HEADERS)
    out = plain_table(*((h.replace(" ", "\n"), side) for h, side in zip(HEADERS, sides, strict=True)))
    for section, members in groupby(table, key=lambda row: row[0]):
        out.add_row(Text(section, style="bold"))
        for _, cells in members:
            out.add_row(*cells)
        out.add_section()
    return out


def markdown(table: Sequence[tuple[str, list[str]]], notes: Sequence[str]) -> str:
    """Return the table and the notes as Markdown."""
    lines = [f"| {' | '.join(HEADERS)} |", "| --- | ---: | ---: | ---: | ---: | ---: | --- |"]
    for section, members in groupby(table, key=lambda row: row[0]):
        lines.append(f"| **{section}** | | | | | | |")
        lines += [f"| {' | '.join(cell.replace('|', '∥') for cell in cells)} |" for _, cells in members]
    return "\n".join([*lines, "", *(f"- {note}" for note in notes)]) + "\n"


def remarks(results: Sequence[Result], profiles: Mapping[str, xr.Dataset]) -> list[str]:
    """Return what the table cannot say in a cell, computed from the results."""
    counts: dict[str, int] = {}
    for r in results:
        counts[r.verdict] = counts.get(r.verdict, 0) + 1
    tally = "; ".join(f"{n} {text}" for text, n in sorted(counts.items(), key=lambda item: -item[1]))
    return [
        f"{len(results)} claims: {tally}.",
        _about_pools(results, profiles),
        _about_dilation(profiles),
        _about_fpn(profiles),
        "Widths are square roots of exact pixel counts; footprints are interior (no borders), and where a map has "
        "several phases, the largest. A dash: nothing printed, or no formula for such a layer.",
    ]


def _about_pools(results: Sequence[Result], profiles: Mapping[str, xr.Dataset]) -> str:
    ends = {r.claim.network.removeprefix("pooled-"): r for r in results if r.claim.network.startswith("pooled-")}
    printed = next(iter(ends.values())).claim.printed
    assert printed is not None
    hits = [key for key in ends if any(same(w, printed) for w in profiles[f"pooled-{key}"].width.values)]
    exact = {key: r.values.exact for key, r in ends.items()}
    nearest = min(exact, key=lambda key: abs(exact[key] - printed))
    found = f"only {', '.join(hits)}" if hits else "no layer of any"
    text = f"{printed:.0f} for the pooled stack: {found} of the {len(ends)} readings of a pool every 4 layers gives it"
    text += f"; their last maps are {', '.join(number(v) for v in sorted(exact.values()))} wide"
    text += f", the nearest being {number(exact[nearest])}"
    if sorted(number(exact["code"])) == sorted(number(printed)):
        text += f". The article's own code makes {number(exact['code'])}: the print has its digits in another order"
    dilated = next(r for r in results if r.claim.network == "dilated5" and r.claim.quantity == "width")
    if same(dilated.values.formula, printed):
        text += f"; {printed:.0f} = 3⁵ is also what the dilated formula gives for five layers"
    return text + "."


def _about_dilation(profiles: Mapping[str, xr.Dataset]) -> str:
    row = profiles["dilated5"].sel(layer="conv5")
    beyond = profiles["plain4-dilated1"].isel(layer=-1)
    return (
        f"Five 3×3 of dilation 2 see {number(float(row.area))} pixels in a box of {per_axis(row.extent.values)} per "
        f"axis ({100 * float(row.density):.0f} % of it), none of them adjacent; the formula says "
        f"{number(float(row.published_area))}. Behind four plain 3×3 the same formula gives "
        f"{number(float(beyond.published_area))}, where {number(float(beyond.area))} is true: it drops a term in "
        "(2P−1)² and turns negative for P > 7/8."
    )


def _about_fpn(profiles: Mapping[str, xr.Dataset]) -> str:
    ds = profiles["fpn-resnet50"]
    levels = (2, 3, 4, 5)
    before = ", ".join(number(float(ds.width.sel(layer=f"lateral{i}"))) for i in levels)
    after = ", ".join(number(float(ds.width.sel(layer=f"P{i}"))) for i in levels)
    return (
        f"FPN levels 2 to 5 are {before} wide before the top-down path and {after} after it: what the levels can see "
        "no longer sets them apart, only how finely they sample it."
    )


# the run ------------------------------------------------------------------------------------------------------------


def run(out: Path, pictures: bool = True) -> None:
    """Compute everything, write it to the folder `out`, and print the table."""
    _prepare(out, pictures)
    import xarray as xr

    from engine.footprints import footprint
    from engine.loading import load
    from engine.profiles import profile

    nets = networks()
    nets |= {name: load(name) for name in FIELD_LAYERS if name not in nets}
    with progress("reproduce", total=len(nets) + len(FIELD_LAYERS) + 10) as step:
        profiles = {}
        for name, network in nets.items():
            step(name)
            profiles[name] = profile(network)
        results = judge(CLAIMS, profiles, nets)
        notes = remarks(results, profiles)
        weights = {}
        for name, layer in FIELD_LAYERS.items():
            step(f"path weights of {name}")
            weights[name] = _field(nets[name], layer)
        holes = footprint(nets["dilated5"], "conv5")
        tree = xr.DataTree.from_dict(
            {"/": claims_dataset(results)}
            | {f"/profiles/{name}": profiles[name] for name in DRAWN}
            | {f"/path_weights/{name}": ds for name, ds in weights.items()}
            | {"/footprints/dilated5": holes.to_dataset()},
            name="reproduction",
        )
        step("dataset")
        write(tree, out / STORE)
        write_text(markdown(rows(results), notes), out / TABLE)
        written = [out / STORE, out / TABLE]
        if pictures:
            written += draw_all(results, profiles, weights, holes, out / PICTURES, step)
    say(terminal_table(rows(results)), *notes, *(f"written: {path}" for path in written))


def _prepare(out: Path, pictures: bool) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a folder")
    check_folder(next(p for p in (out.absolute(), *out.absolute().parents) if p.exists()), "--out")
    if pictures:
        need_package("matplotlib", "plot", "for the pictures; install it, or say --no-pictures")
    for folder in (out, out / PICTURES) if pictures else (out,):
        folder.mkdir(parents=True, exist_ok=True)
    check_target(out / STORE, (".zarr",), "--out")


def _field(network: Network, layer: str) -> xr.Dataset:
    """Return the path weights of the centre entry and the figures of that field, as one dataset."""
    from engine.weights import effective_field, path_weights

    weights = path_weights(network, layer)
    return effective_field(weights).assign(path_weights=weights)
