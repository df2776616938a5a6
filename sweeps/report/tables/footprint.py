"""A footprint, or path counts, drawn with characters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rfscale.sweeps.report.terminal import box, number, per_axis, terminal_width

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

WIDEST = 60  # pixels that are drawn in the terminal


# one footprint ------------------------------------------------------------------------------------------------------


def footprint_report(fp: xr.DataArray, figures: xr.Dataset) -> list[Any]:
    """Return what `rfscale footprint` prints: the figures, and the footprint itself where it is small."""
    import numpy as np

    if not figures.area:
        return [f"{fp.attrs['long_name']}: none, it reads only padding"]
    area, width, density = (float(figures[name]) for name in ("area", "width", "density"))
    start = ", ".join(number(float(v)) for v in figures.start.values)
    lines: list[Any] = [
        f"{fp.attrs['network']}: {fp.attrs['long_name']}",
        f"area {number(area)} px, width {number(width, 1)} px, extent {box(figures.extent.values)} px, "
        f"first pixel {start}, density {number(density, 4)}",
    ]
    if fp.ndim <= 2 and figures.extent.values[-1] <= WIDEST:
        lines += ["", *_fitting(blocks(np.atleast_2d(_boxed(fp).values)))]
    return lines


def _fitting(*drawings: list[str]) -> list[str]:
    """The first drawing that the terminal has room for, or a line that says that it is too narrow."""
    room = terminal_width()
    for drawn in drawings:
        width = max(map(len, drawn))
        if room is None or width <= room:
            return drawn
    return [f"its drawing is {width} characters wide; --plot draws it too"]


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


def path_counts_report(counts: xr.DataArray, field: xr.Dataset) -> list[Any]:
    """Return what `rfscale footprint --path-counts` prints."""
    import numpy as np

    inside = _boxed(counts)
    share = f"{number(100 * float(field.mass), 1)} %"
    centre, start = (", ".join(number(v, 1) for v in field[name].values) for name in ("mean", "box_start"))
    lines: list[Any] = [
        f"{counts.attrs['network']}: {counts.attrs['long_name']} (all weights taken as equal)",
        f"extent {box(inside.shape)} px, first pixel {_place(inside)}",
        f"centre of mass {centre}, standard deviation {per_axis(field['std'].values)} px",
        f"{share} of the paths lie in {box(field.box_extent.values)} px from {start} on",
    ]
    if inside.ndim <= 2 and inside.shape[-1] <= WIDEST:
        grid = np.atleast_2d(inside.values)
        lines += ["", *_fitting(shades(grid), shades(grid, 1))]
    return lines


def shades(grid: np.ndarray, across: int = 2) -> list[str]:
    """Draw a grid of weights in five shades, so many characters a pixel; the darkest is the largest weight."""
    import numpy as np

    level = np.ceil(grid / grid.max() * 4).astype(int)
    return ["".join(" ░▒▓█"[i] * across for i in row) for row in level]
