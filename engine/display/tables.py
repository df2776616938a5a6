"""Tables as text and as HTML, for what shows itself. Every cell is escaped; no name of a file is acted on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from math import isnan
from typing import NamedTuple

from rfscale.engine.errors import visible

NONE = "–"  # a cell without a value
CELLS = 200  # characters of a cell

# colours come from the page, so that light and dark ones both can be read
STYLE = """<style>
.rfscale {font-size: 0.9em; overflow-x: auto}
.rfscale table {border-collapse: collapse; font-size: inherit; margin: 0.4em 0}
.rfscale th, .rfscale td {padding: 0.15em 0.6em; text-align: right; vertical-align: top;
  font-variant-numeric: tabular-nums}
.rfscale th {border-bottom: 1px solid currentColor; font-weight: 600}
.rfscale .left {text-align: left}
.rfscale .row {display: grid; align-items: baseline; font-variant-numeric: tabular-nums; text-align: right}
.rfscale .row > :nth-child(-n+2) {text-align: left; overflow-wrap: anywhere}
.rfscale .row {width: fit-content}
.rfscale .head {border-bottom: 1px solid currentColor; font-weight: 600}
.rfscale summary {list-style: none; cursor: pointer}
.rfscale summary > :first-child::before {content: "▸ "}
.rfscale details[open] > summary > :first-child::before {content: "▾ "}
.rfscale p {margin: 0.3em 0}
</style>"""


class Column(NamedTuple):
    """A column of a table."""

    header: str
    cells: Sequence[str]
    left: bool = False


def escaped(text: object, most: int = CELLS) -> str:
    """Return a text as HTML shows it: markup, and characters that have no shape, are written out; long ones are cut.

    Examples
    --------
    >>> escaped("<b>conv</b>")
    '&lt;b&gt;conv&lt;/b&gt;'
    """
    shown = visible(str(text))
    return escape(shown if len(shown) <= most else shown[: most - 1] + "…")


def page(*parts: str) -> str:
    """Return parts of HTML in the frame that all objects share."""
    return f'{STYLE}<div class="rfscale">{"".join(parts)}</div>'


def paragraph(text: str, strong: bool = False) -> str:
    """Return a text as a paragraph."""
    inside = escaped(text, 10 * CELLS)
    return f"<p><b>{inside}</b></p>" if strong else f"<p>{inside}</p>"


def html_table(columns: Sequence[Column]) -> str:
    """Return columns as a table of HTML."""

    def row(tag: str, cells: Iterable[str]) -> str:
        marked = zip(columns, cells, strict=True)
        return "".join(f"<{tag}{' class=left' if c.left else ''}>{escaped(cell)}</{tag}>" for c, cell in marked)

    rows = zip(*(c.cells for c in columns), strict=True)
    body = "".join(f"<tr>{row('td', cells)}</tr>" for cells in rows)
    return f"<table><thead><tr>{row('th', [c.header for c in columns])}</tr></thead><tbody>{body}</tbody></table>"


def text_table(columns: Sequence[Column]) -> list[str]:
    """Return columns as lines of text."""
    shown = [[visible(str(text)) for text in (c.header, *c.cells)] for c in columns]
    widths = [max(map(len, column)) for column in shown]
    lines = []
    for row in zip(*shown, strict=True):
        cells = (f"{text:<{w}}" if c.left else f"{text:>{w}}" for c, text, w in zip(columns, row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
    return [lines[0], "─" * (sum(widths) + 2 * (len(widths) - 1)), *lines[1:]]


def filled(columns: Iterable[Column]) -> list[Column]:
    """Return the columns that have a cell with a value."""
    return [c for c in columns if any(cell not in ("", NONE) for cell in c.cells)]


def number(value: float) -> str:
    """Return a number as a cell.

    Examples
    --------
    >>> number(9408.0), number(0.5), number(float("nan")), number(float("inf"))
    ('9,408', '0.5', '–', 'all')
    """
    if isnan(value):
        return NONE
    if value == float("inf"):
        return "all"
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def per_axis(values: Iterable[float]) -> str:
    """Return the values of all axes as one cell: once where they are equal."""
    cells = [number(v) for v in values]
    return cells[0] if len(set(cells)) == 1 else "×".join(cells)
