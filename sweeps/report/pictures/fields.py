"""The fields of one entry in one frame: the exact footprint, and beside it each field on the same axes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rfscale.sweeps.report.pictures.style import BLUE, GREY, INK, ORANGE, PAPER, PURPLE, box, figure, label, title
from rfscale.sweeps.report.tables.fields import NAMES

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rfscale.sweeps.report.pictures.style import Place

SHARE = 0.95  # of the mass, in the box that is drawn
KIND_STYLES = (
    {"color": BLUE, "ls": "--", "marker": "s"},
    {"color": ORANGE, "ls": "-.", "marker": "^"},
    {"color": PURPLE, "ls": ":", "marker": "x"},
)


def field_figure(mass: xr.DataArray, figures: xr.Dataset, place: Place = None) -> Figure:
    """Return the picture of one field, of `rf.effective_field` or `rf.predicted_field`: its pixels, and a box.

    Parameters
    ----------
    mass : xr.DataArray
        Over two axes, whose coordinates are pixels.
    figures : xr.Dataset
        Of the field, as from `rf.field_figures`: the box with 95 % of the mass is drawn.
    place
        As in `style.figure`.
    """
    from rfscale.sweeps.report.terminal import box as size_text

    at = figures.sel(share=SHARE)
    start, extent = at.box_start.values, at.box_extent.values
    high, wide = mass.shape
    with figure(6.4, min(max(5.2 * high / wide, 1.5), 9.0) + 0.6, place=place) as (fig, axes):
        ax = axes[0, 0]
        y, x = (mass[d].values for d in mass.dims)
        edges = (float(x[0]) - 0.5, float(x[-1]) + 0.5, float(y[-1]) + 0.5, float(y[0]) - 0.5)
        share = (mass / mass.max()).values
        image = ax.imshow(share, cmap="magma_r", vmin=0, vmax=1, extent=edges, interpolation="nearest")
        ax.figure.colorbar(image, ax=ax, shrink=0.75, label="share of the busiest pixel")
        box(ax, start, start + extent, BLUE, lw=1.4, ls="--")
        _pixels(ax)
        ax.set_xlabel("x, pixels")
        ax.set_ylabel("y, pixels")
        held = f"{SHARE:.0%} of its mass lies in {size_text(extent)} of {size_text(mass.shape)} pixels"
        of = mass.attrs.get("model") or mass.attrs.get("network") or "field"
        title(
            ax,
            f"{label(of)}: {label(mass.attrs.get('long_name', 'share of the mass on each pixel'), 90)}",
            held,
            size=10,
        )
    return fig


def fields_figure(
    found: xr.Dataset, over: Path | None = None, other: xr.Dataset | None = None, place: Place = None
) -> Figure:
    """Return the picture of `rf.all_fields`.

    Parameters
    ----------
    found : xr.Dataset
        As from `rfscale.engine.analysis.fields.all_fields.all_fields`, of two axes.
    over : path, optional
        A picture to lie under the fields.
    other : xr.Dataset, optional
        The same of another checkpoint, as a second row.
    """
    rows = [found] if other is None else [found, other]
    kinds = [str(k) for k in found.kind.values]
    low, high = _frame(found.footprint.values)
    tall = min(max((high[0] - low[0]) / (high[1] - low[1]), 0.3), 2.0)
    under = None if over is None else _picture(over, found.footprint.shape)
    columns = len(kinds) + 1
    with figure(3.1 * columns, (2.7 * tall + 0.7) * len(rows), len(rows), columns, place=place) as (fig, axes):
        for row, data in zip(axes, rows, strict=True):
            _footprint(row[0], data.footprint.values, under)
            if len(row) > 1:
                row[0].set_title("exact footprint", fontsize=10)
            for ax, kind in zip(row[1:], kinds, strict=False):
                if kind in data.kind.values:
                    _field(ax, data, kind, under)
                ax.set_title(NAMES[kind], fontsize=10)
            for ax in row:
                _framed(ax, low, high)
            row[0].set_ylabel(label(data.attrs.get("checkpoint") or data.attrs["layer"], 40))
        what = f"{label(found.attrs['model'])}: {label(found.attrs['layer'], 50)}"
        if axes.size > 1:
            fig.suptitle(what, fontsize=11)
        else:
            title(axes[0, 0], f"{what}, exact footprint", size=10)
    return fig


def _frame(filled: np.ndarray) -> tuple[list[int], list[int]]:
    """The bounding box of the footprint, and a margin."""
    import numpy as np

    low, high = [], []
    for axis in range(2):
        places = np.flatnonzero(filled.any(axis=1 - axis))
        a, b = (int(places[0]), int(places[-1]) + 1) if len(places) else (0, filled.shape[axis])
        margin = max(1, (b - a) // 20)
        low.append(max(0, a - margin))
        high.append(min(filled.shape[axis], b + margin))
    return low, high


def _picture(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    from rfscale.engine.fields.measuring.images import read_image

    return read_image(path, (1, 3, *shape), None).transpose(1, 2, 0)


def _footprint(ax: Axes, filled: np.ndarray, under: np.ndarray | None) -> None:
    import numpy as np
    from matplotlib.colors import ListedColormap

    if under is None:
        ax.imshow(filled, cmap=ListedColormap([PAPER, BLUE]), vmin=0, vmax=1, interpolation="nearest")
    else:
        ax.imshow(under)
        ax.imshow(np.where(filled, np.nan, 1.0), cmap=ListedColormap([GREY]), alpha=0.75, interpolation="nearest")


def _field(ax: Axes, data: xr.Dataset, kind: str, under: np.ndarray | None) -> None:
    """A field: what the footprint leaves out in grey, pixels of the footprint without mass in the colour of paper."""
    import numpy as np
    from matplotlib.colors import ListedColormap

    mass, filled = data.mass.sel(kind=kind).values, data.footprint.values
    share = mass / mass.max()
    if under is None:
        ax.imshow(np.where(filled, share, np.nan), cmap="magma_r", vmin=0, vmax=1, interpolation="nearest")
        ax.imshow(np.where(filled, np.nan, 1.0), cmap=ListedColormap(["#DDDDDD"]), interpolation="nearest")
    else:
        ax.imshow(under)
        ax.imshow(np.zeros_like(share), cmap="gray", alpha=0.8 * (1 - np.sqrt(share)), interpolation="nearest")
    at = data.sel(kind=kind, share=SHARE)
    start, extent = at.box_start.values, at.box_extent.values
    box(ax, start, start + extent, BLUE if under is None else "white", lw=1.2, ls="--")


def _pixels(ax: Axes) -> None:
    """Axes over whole pixels of equal scale."""
    from matplotlib.ticker import MaxNLocator

    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    ax.set_aspect("equal")
    ax.grid(False)


def _framed(ax: Axes, low: list[int], high: list[int]) -> None:
    _pixels(ax)
    ax.set_xlim(low[1] - 0.5, high[1] - 0.5)
    ax.set_ylim(high[0] - 0.5, low[0] - 0.5)


def field_profile_figure(found: xr.Dataset, place: Place = None) -> Figure:
    """Return the picture of `rf.field_profile`: the exact extent of each layer, and the boxes of each kind of field."""
    import numpy as np

    from rfscale.sweeps.report.pictures.network import layer_ticks

    names = [str(n) for n in found.layer.values]
    steps = np.arange(len(names))
    share = f"{float(found.attrs['share']):.0%}"
    with figure(min(14.0, max(7.0, 0.3 * len(names) + 4)), 4.6, place=place) as (fig, grid):
        ax = grid[0, 0]
        extent = found.extent.max("axis").values
        ax.plot(steps, np.where(np.isfinite(extent), extent, np.nan), color=INK, marker="o", ms=4, label="exact extent")
        for kind, style in zip(found.kind.values.tolist(), KIND_STYLES, strict=False):
            boxes = found.box_extent.sel(kind=kind).max("axis").values
            if np.isfinite(boxes).any():
                ax.plot(steps, boxes, ms=5, label=f"{NAMES[kind]}, box of {share}", **style)
        ax.set_yscale("log", base=2)
        ax.set_ylabel("pixels")
        ax.legend(loc="upper left")
        layer_ticks(ax, names)
        last = found.isel(layer=-1)
        boxes = last.box_extent.max("axis").values
        known = [
            f"{NAMES[k]} {b:.0f}" for k, b in zip(found.kind.values.tolist(), boxes, strict=True) if np.isfinite(b)
        ]
        of = f"{label(found.attrs['model'])}: boxes of {share} of {label(names[-1], 40)}"
        title(ax, f"{of}, pixels: {'; '.join(known)}")
    return fig


def field_comparison_figure(found: xr.Dataset, place: Place = None) -> Figure:
    """Return the picture of `rf.compare_fields`: on which pixels the second field has more, and on which less."""
    difference = found.difference
    y, x = (difference[d].values for d in difference.dims)
    most = float(abs(difference).max()) or 1.0
    with figure(6.4, 5.6, place=place) as (fig, grid):
        ax = grid[0, 0]
        edges = (float(x[0]) - 0.5, float(x[-1]) + 0.5, float(y[-1]) + 0.5, float(y[0]) - 0.5)
        image = ax.imshow(
            difference.values, cmap="cividis", vmin=-most, vmax=most, extent=edges, interpolation="nearest"
        )
        ax.figure.colorbar(image, ax=ax, shrink=0.75, label=label(difference.attrs.get("long_name", "difference")))
        _pixels(ax)
        ax.set_xlabel("x, pixels")
        ax.set_ylabel("y, pixels")
        ratio = float(found.std_ratio.mean())
        title(ax, f"correlation {float(found.correlation):.3g}, widths in the ratio {ratio:.3g}")
    return fig
