"""What the terminal shows: tables, footprints in block characters, progress bars.

Tables read well at 100 columns, and in a pipe: no colour codes, nothing cut off.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import isinf, isnan, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.layers import OPS

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from rich.table import Table

    from engine.network import Layer, Network

WIDEST = 60  # pixels that are drawn in the terminal
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
    """A column of a table; if all its cells are `quiet`, the table leaves it out and `said` stands below it."""

    header: str
    cells: Sequence[str]
    justify: str = "right"
    quiet: tuple[str, ...] = ()
    said: str = ""


def folded(columns: Sequence[Column]) -> tuple[Table, list[str]]:
    """Return the table of the columns that say something, and the sentences of those that do not."""
    loud = _fitted([c for c in columns if not c.cells or any(cell not in c.quiet for cell in c.cells)])
    table = plain_table(*((c.header, c.justify) for c in loud))
    for row in zip(*(c.cells for c in loud), strict=True):
        table.add_row(*row)
    headers = {c.header for c in loud}
    return table, [c.said for c in columns if c.header not in headers and c.said]


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


# one footprint ------------------------------------------------------------------------------------------------------


def footprint_report(fp: xr.DataArray) -> list[Any]:
    """Return what `rfscale footprint` prints: the figures, and the footprint itself where it is small."""
    import numpy as np

    area = int(fp.sum())
    if not area:
        return [f"{fp.attrs['long_name']}: none, it reads only padding"]
    inside = _boxed(fp)
    lines: list[Any] = [
        f"{fp.attrs['network']}: {fp.attrs['long_name']}",
        f"area {area} pixels, width {number(sqrt(area), 1)}, extent {'×'.join(map(str, inside.shape))}, "
        f"first pixel {_place(inside)}, density {number(area / inside.size, 4)}",
    ]
    if inside.ndim <= 2 and inside.shape[-1] <= WIDEST:
        lines += ["", *blocks(np.atleast_2d(inside.values))]
    return lines


def _boxed(data: xr.DataArray) -> xr.DataArray:
    """Return the part of an array in the bounding box of what is not 0."""
    import numpy as np

    cut = {}
    for dim in data.dims:
        rows = np.flatnonzero((data.values != 0).any(axis=tuple(a for a, d in enumerate(data.dims) if d != dim)))
        cut[dim] = slice(int(rows[0]), int(rows[-1]) + 1)
    return data.isel(cut)


def _place(data: xr.DataArray) -> str:
    return ", ".join(number(float(data[dim].values[0])) for dim in data.dims)


def blocks(grid: np.ndarray) -> list[str]:
    """Draw a grid of bool with half blocks: one character is one pixel wide and two high."""
    import numpy as np

    padded = np.vstack([grid, np.zeros((len(grid) % 2, grid.shape[1]), bool)])
    return ["".join(" ▀▄█"[int(a) + 2 * int(b)] for a, b in zip(*rows, strict=True)) for rows in _pairs(padded)]


def _pairs(grid: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    return zip(grid[::2], grid[1::2], strict=True)


def weights_report(weights: xr.DataArray, field: xr.Dataset) -> list[Any]:
    """Return what `rfscale footprint --weights` prints."""
    import numpy as np

    inside = _boxed(weights)
    share = f"{number(100 * float(field.mass), 1)} %"
    centre, start = (", ".join(number(v, 1) for v in field[name].values) for name in ("mean", "box_start"))
    lines: list[Any] = [
        f"{weights.attrs['network']}: {weights.attrs['long_name']}",
        f"extent {'×'.join(map(str, inside.shape))}, first pixel {_place(inside)}",
        f"centre of mass {centre}, standard deviation {per_axis(field['std'].values)} pixels",
        f"{share} of the paths lie in {'×'.join(map(str, field.box_extent.values))} pixels from {start} on",
    ]
    if inside.ndim <= 2 and inside.shape[-1] <= WIDEST:
        lines += ["", *shades(np.atleast_2d(inside.values))]
    return lines


def shades(grid: np.ndarray) -> list[str]:
    """Draw a grid of weights in five shades, two characters a pixel; the darkest is the largest weight."""
    import numpy as np

    level = np.ceil(grid / grid.max() * 4).astype(int)
    return ["".join(" ░▒▓█"[i] * 2 for i in row) for row in level]


# the zoo ------------------------------------------------------------------------------------------------------------


def zoo_table() -> Table:
    """Return the table of all networks that come along."""
    from engine.networks import NETWORKS

    table = plain_table(("name", "left"), ("network", "left"))
    for entry in NETWORKS.values():
        table.add_row(entry.name, entry.summary)
    return table


def layer_report(name: str, network: Network) -> list[Any]:
    """Return what `rfscale networks NAME` prints: source, parameters, and the layers."""
    import inspect

    from engine.networks import NETWORKS

    lines: list[Any] = []
    if name in NETWORKS:
        entry = NETWORKS[name]
        takes = [
            f"{p.name}={p.default!r}"
            for p in inspect.signature(entry.build).parameters.values()
            if p.default is not p.empty and p.name != "name"
        ]
        lines += [f"{entry.name}: {entry.summary}", f"from {entry.citation}", f"parameters: {', '.join(takes)}"]
    sizes = network.map_sizes() if network.input_size else {}
    columns = [
        Column("layer", [layer.name for layer in network.layers], "left"),
        Column("op", [layer.op for layer in network.layers], "left"),
        *(
            Column(key, [_param(layer, key) for layer in network.layers], quiet=("",))
            for key in ("kernel", "stride", "dilation", "padding")
        ),
        Column("other", [_others(layer) for layer in network.layers], "left", quiet=("",)),
        Column("map", [per_axis(sizes[x.name]) if sizes else "–" for x in network.layers], quiet=("–",)),
        Column("channels", [_param(layer, "channels") for layer in network.layers], quiet=("",)),
        Column("reads", [", ".join(layer.inputs) for layer in network.layers], "left"),
    ]
    table, _ = folded(columns)
    size = f"input {per_axis(network.input_size)}" if network.input_size else "no input size"
    return [*lines, f"{len(network)} layers, {size}, outputs {', '.join(network.outputs)}", table]


def _param(layer: Layer, key: str) -> str:
    value = layer.params.get(key, "")
    return per_axis(value) if isinstance(value, tuple) else str(value)


def _others(layer: Layer) -> str:
    """Parameters without a column of their own, where they are not the default."""
    shown = {"kernel", "stride", "dilation", "padding", "channels", "bias", "groups"}
    known = OPS[layer.op].params
    cells = []
    for key in layer.params:
        default = known[key].default if key in known else None
        cell = _param(layer, key)
        if key not in shown and cell != str(default):
            cells.append(f"{key} {cell}")
    return ", ".join(cells)
