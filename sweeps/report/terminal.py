"""What the terminal shows: texts, tables and their cells.

Tables read well at 100 columns, and in a pipe: no colour codes, nothing cut off.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from math import isinf, isnan
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rich.table import Table

PIPE_WIDTH = 1000  # characters: a table in a pipe is as wide as it needs to be
MAX_SPACED_COLUMNS = 12  # a table of more columns has narrower gaps, to fit into 100 characters
MIN_NAME_WIDTH = 10  # characters that a narrow terminal leaves of a long name
RELATIVE_TOLERANCE = 1e-9  # formulas are floats


def say(*parts: Any) -> None:
    """Print texts and tables to stdout; in a pipe without colours and as wide as they need to be."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    console = Console(highlight=False, markup=False, soft_wrap=False, width=None if terminal else PIPE_WIDTH)
    with console.capture() as capture:
        for i, part in enumerate(parts):
            table = not isinstance(part, str)
            if i and (table or not isinstance(parts[i - 1], str)):  # an empty line above and below a table
                console.print()
            console.print(part, soft_wrap=not table)
    text = "\n".join(line.rstrip() for line in capture.get().splitlines())
    try:
        print(text, flush=True)
    except BrokenPipeError:  # the reader of the pipe has ended, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None


# cells --------------------------------------------------------------------------------------------------------------


def number(value: float, digits: int = 3) -> str:
    """Return a number as a cell: whole ones without a point, NaN as a dash, infinity as `all` (of the image)."""
    if isnan(value):
        return "–"
    if isinf(value):
        return "all"
    if abs(value - round(value)) <= RELATIVE_TOLERANCE * max(1.0, abs(value)):
        return str(round(value)).replace("-", "−")
    return f"{value:.{digits}f}".replace("-", "−")


def per_axis(values: Iterable[float], digits: int = 3) -> str:
    """Return the values of all axes as one cell: once if they are equal, else joined by ×."""
    cells = [number(v, digits) for v in values]
    return cells[0] if len(set(cells)) == 1 else "×".join(cells)


def same(a: float, b: float) -> bool:
    """Whether two figures are equal but for rounding; infinities are, NaN is equal to nothing."""
    return a == b or abs(a - b) <= RELATIVE_TOLERANCE * max(1.0, abs(b))


def plain_table(*headers: tuple[str, str]) -> Table:
    """Return an empty table of the house style; a header is (text, "left" or "right")."""
    from rich import box
    from rich.table import Table

    gap = 1 if len(headers) <= MAX_SPACED_COLUMNS else 0  # beside the one blank between columns
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, gap, 0, 0))
    for text, justify in headers:
        table.add_column(text, justify=justify, overflow="fold", no_wrap=justify == "right")  # type: ignore[arg-type]
    return table


class Column(NamedTuple):
    """A column of a table, which leaves it out if all its cells are `quiet`."""

    header: str
    cells: Sequence[str]
    justify: str = "right"
    quiet: tuple[str, ...] = ()


def folded(columns: Sequence[Column]) -> Table:
    """Return the table of the columns that have a cell which is not quiet."""
    kept = _fitted([c for c in columns if not c.cells or any(cell not in c.quiet for cell in c.cells)])
    table = plain_table(*((c.header, c.justify) for c in kept))
    for row in zip(*(c.cells for c in kept), strict=True):
        table.add_row(*row)
    return table


def _fitted(columns: list[Column]) -> list[Column]:
    """The columns with long names cut at their start, where the terminal is too narrow; a pipe gets them whole."""
    if not sys.stdout.isatty():
        return columns
    from shutil import get_terminal_size

    widths = [max(len(text) for text in (c.header, *c.cells)) for c in columns]
    excess = (
        sum(widths)
        + (2 if len(columns) <= MAX_SPACED_COLUMNS else 1) * (len(columns) - 1)
        - get_terminal_size().columns
    )
    for i in sorted(range(len(columns)), key=lambda i: -widths[i]):
        if excess <= 0 or columns[i].justify != "left" or widths[i] <= MIN_NAME_WIDTH:
            continue
        room = max(MIN_NAME_WIDTH, widths[i] - excess)
        excess -= widths[i] - room
        cells = [text if len(text) <= room else "…" + text[1 - room :] for text in columns[i].cells]
        columns[i] = columns[i]._replace(cells=cells)
    return columns
