"""What the terminal shows: tables, footprints in block characters, progress bars.

Tables read well at 100 columns, and in a pipe: no colour codes, nothing cut off.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import isinf, isnan
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rich.table import Table

    from rfscale.sweeps.runs.store.store import Progress
    from rfscale.sweeps.spaces.network_space import NetworkSpace
    from rfscale.sweeps.spaces.space import Space

PIPE_WIDTH = 1000  # of a table nobody looks at in a terminal: as wide as it needs to be


ROOMY = 12  # columns; a table of more stands closer, to fit into 100 characters


NARROWEST = 10  # characters of a long name that a narrow terminal cuts


CLOSE = 1e-9  # relative: formulas are floats


def say(*parts: Any) -> None:
    """Print texts and tables to stdout; in a pipe without colours and as wide as they need to be."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    console = Console(highlight=False, markup=False, soft_wrap=False, width=None if terminal else PIPE_WIDTH)
    with console.capture() as capture:
        for i, part in enumerate(parts):
            table = not isinstance(part, str)
            if i and (table or not isinstance(parts[i - 1], str)):  # air above and below a table
                console.print()
            console.print(part, soft_wrap=not table)
    text = "\n".join(line.rstrip() for line in capture.get().splitlines())
    try:
        print(text, flush=True)
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Callable[[str], None]]:
    """Show a bar on stderr when it is a terminal and the work takes more than a second.

    Yields a function to call with the name of each step that begins.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    # the terminal as it is now, whatever stderr is redirected to while the work goes on
    console = Console(file=sys.stderr)
    bar = Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
    task = bar.add_task(label, total=total)
    steps = iter(range(1 << 62))

    def step(name: str) -> None:
        bar.update(task, description=f"{label}: {name}", completed=next(steps))

    timer = threading.Timer(1.0, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield step
    finally:
        timer.cancel()
        timer.join()
        bar.stop()


# cells --------------------------------------------------------------------------------------------------------------


def number(value: float, digits: int = 3) -> str:
    """Return a number as a cell: whole ones without a point, NaN as a dash, infinity as `all` (of the image)."""
    if isnan(value):
        return "–"
    if isinf(value):
        return "all"
    if abs(value - round(value)) <= CLOSE * max(1.0, abs(value)):
        return str(round(value)).replace("-", "−")
    return f"{value:.{digits}f}".replace("-", "−")


def per_axis(values: Iterable[float], digits: int = 3) -> str:
    """Return the values of all axes as one cell: once if they are equal, else joined by ×."""
    cells = [number(v, digits) for v in values]
    return cells[0] if len(set(cells)) == 1 else "×".join(cells)


def same(a: float, b: float) -> bool:
    """Whether two figures are equal but for rounding; infinities are, NaN is equal to nothing."""
    return a == b or abs(a - b) <= CLOSE * max(1.0, abs(b))


def plain_table(*headers: tuple[str, str]) -> Table:
    """Return an empty table of the house style; a header is (text, "left" or "right")."""
    from rich import box
    from rich.table import Table

    gap = 1 if len(headers) <= ROOMY else 0  # beside the one blank between columns
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
    excess = sum(widths) + (2 if len(columns) <= ROOMY else 1) * (len(columns) - 1) - get_terminal_size().columns
    for i in sorted(range(len(columns)), key=lambda i: -widths[i]):
        if excess <= 0 or columns[i].justify != "left" or widths[i] <= NARROWEST:
            continue
        room = max(NARROWEST, widths[i] - excess)
        excess -= widths[i] - room
        cells = [text if len(text) <= room else "…" + text[1 - room :] for text in columns[i].cells]
        columns[i] = columns[i]._replace(cells=cells)
    return columns


@contextmanager
def _bar(space: Space | NetworkSpace) -> Iterator[Progress | None]:
    """Show architectures per second and the time left, on stderr when it is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    import time

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rate]}"))
    bar = Progress(*columns, TextColumn("left:"), TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    task = bar.add_task(f"sweep of {space.name}", total=None, rate="")
    begun: list[float] = []  # when, and the share that was there already

    def tick(done: int, total: int) -> None:
        share = done / total
        if not begun:
            begun.extend((time.perf_counter(), share))
            bar.reset(task, total=1)
            bar.update(task, completed=share)
        seconds = time.perf_counter() - begun[0]
        rate = (share - begun[1]) * space.size / seconds if share > begun[1] else 0
        bar.update(task, completed=share, rate=f"{rate:,.0f} architectures/s" if rate else "")

    with bar:
        yield tick


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show the share that is done and the time left, on stderr when it is a terminal."""
    import sys

    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown_bar:
        task = shown_bar.add_task(label, total=1)
        yield lambda done, total: shown_bar.update(task, completed=done / total)
