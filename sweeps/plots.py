"""Pictures of one network: the style of all pictures, profiles, footprints and path weights.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart. matplotlib is imported in the functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeps.output import replacing

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, SKY, ORANGE, RED = "#0072B2", "#56B4E9", "#E69F00", "#D55E00"
GREEN, PURPLE, INK, GREY = "#009E73", "#CC79A7", "#222222", "#8A8A8A"
PAPER = "#F4F4F0"
HOLLOW: dict[str, Any] = {"marker": "o", "ms": 6.5, "mfc": "none", "mew": 1.3, "ls": ""}  # the published formula
CROSS: dict[str, Any] = {"marker": "x", "ms": 4.5, "mew": 1.3, "ls": ""}  # the closed form
STAR: dict[str, Any] = {"marker": "*", "ms": 13, "mec": INK, "mew": 0.8, "ls": "", "color": ORANGE, "zorder": 6}
WEIGHTS = "paths, share of the busiest pixel"
TICKS = 26  # layer names that fit on an axis

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "figure.dpi": 110,
    "savefig.dpi": 160,
    "svg.hashsalt": "rfscale",  # the same picture is the same file
    "svg.fonttype": "none",
}


@contextmanager
def figure(width: float, height: float, rows: int = 1, columns: int = 1, **grid: Any) -> Iterator[tuple[Figure, Any]]:
    """Yield a figure of the house style, in inches, and its axes as an array of rows × columns."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        fig = Figure(figsize=(width, height), layout="constrained", facecolor="white")
        yield fig, fig.subplots(rows, columns, squeeze=False, **grid)


def save(fig: Figure, path: Path) -> None:
    """Write a figure, whole or not at all."""
    from matplotlib import rc_context

    metadata = {"Date": None} if path.suffix == ".svg" else {"Software": "rfscale"}
    with rc_context(_STYLE), replacing(path) as temporary:
        fig.savefig(temporary, metadata=metadata)


def profile_figure(ds: xr.Dataset) -> Figure:
    """Return the picture of `rfscale profile --plot`: widths and extents by layer, and overlaps below."""
    from sweeps.tables import per_axis

    steps = list(range(ds.sizes["layer"]))
    wide = min(14.0, max(7.0, 0.16 * len(steps)))
    with figure(wide, 6.4, 2, 1, sharex=True, height_ratios=[3, 1]) as (fig, axes):
        top, bottom = axes[:, 0]
        draw_profile(top, steps, ds)
        size = f", image {per_axis(ds.attrs['input_size'])}" if "input_size" in ds.attrs else ", no borders"
        top.set_title(f"{ds.attrs['network']}: what each layer sees{size}")
        top.set_ylabel("pixels of the image")
        top.legend(loc="upper left")
        overlap = ds.overlap.where(~ds.everything)
        for axis, dash in zip(ds.axis.values, ("-", "--", ":"), strict=False):
            bottom.plot(steps, overlap.sel(axis=axis), dash, color=GREEN, lw=1.5, label=f"along {axis}")
        if any(per_axis(row) != per_axis(row[:1]) for row in overlap.values.tolist()):
            bottom.legend(loc="lower right")
        bottom.set_ylim(-0.02, 1.02)
        bottom.set_ylabel("overlap")
        _layer_ticks(bottom, [str(n) for n in ds.layer.values])
    return fig


def draw_profile(ax: Axes, steps: Sequence[int], ds: xr.Dataset) -> None:
    """Draw the extents and widths of a profile, with both formulas on top, over `steps`."""
    import numpy as np

    seen = ~ds.everything.values
    extent = np.where(seen[:, None], ds.extent.values, np.nan)
    width = np.where(seen, ds.width.values, np.nan)
    flat = ds.sizes["axis"] == 2
    equal = bool((np.nan_to_num(extent) == np.nan_to_num(extent[:, :1])).all())
    for i, axis in enumerate(ds.axis.values[:1] if equal else ds.axis.values):
        label = "extent (bounding box)" if equal else f"extent along {axis}"
        ax.plot(steps, extent[:, i], ("-", "--", ":")[i], color=SKY, lw=5 if equal else 2.5, alpha=0.7, label=label)
    if flat:
        with np.errstate(invalid="ignore"):
            ax.plot(steps, width, color=BLUE, label="width = √pixels, exact")
            ax.plot(steps, np.sqrt(ds.published_area), color=RED, label="published formula", **HOLLOW)
            ax.plot(steps, np.sqrt(ds.closed_form_area), color=INK, label="closed form", **CROSS)
    for at in np.array(steps)[~seen].tolist():
        ax.axvspan(at - 0.5, at + 0.5, color=GREY, alpha=0.18, lw=0, label="sees the whole image")
    handles, labels = ax.get_legend_handles_labels()
    if len(set(labels)) < len(labels):  # one entry for all spans
        for handle in handles[labels.index("sees the whole image") + 1 :]:
            handle.set_label("_")
    ax.set_ylim(bottom=0)


def _layer_ticks(ax: Axes, names: Sequence[str]) -> None:
    every = -(-len(names) // TICKS)
    picked = list(range(0, len(names), every))
    ax.set_xticks(picked, [names[i] for i in picked], rotation=90, fontsize=8)
    ax.set_xlim(-0.7, len(names) - 0.3)


# maps ---------------------------------------------------------------------------------------------------------------


def map_figure(data: xr.DataArray) -> Figure:
    """Return the picture of `rfscale footprint --plot`: pixels of a footprint, or path weights."""
    plane, _ = _plane(data)
    with figure(6.4, min(max(5.2 * plane.shape[0] / plane.shape[1], 1.5), 9.0) + 0.6) as (fig, axes):
        ax = axes[0, 0]
        if data.dtype == bool:
            draw_footprint(ax, data)
        else:
            draw_weights(ax, data)
        ax.set_title(f"{data.attrs['network']}: {data.attrs['long_name']}", fontsize=10, wrap=True)
    return fig


def _plane(data: xr.DataArray) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """Return an array as a plane, and its edges in pixels; of three axes the first is projected."""
    import numpy as np

    if data.ndim == 3:
        data = data.any(str(data.dims[0])) if data.dtype == bool else data.sum(str(data.dims[0]))
    plane = np.atleast_2d(data.values)
    x = data[data.dims[-1]].values
    y = data[data.dims[0]].values if data.ndim == 2 else np.zeros(1)
    return plane, (float(x[0]) - 0.5, float(x[-1]) + 0.5, float(y[-1]) + 0.5, float(y[0]) - 0.5)


def draw_footprint(ax: Axes, fp: xr.DataArray, color: str = BLUE) -> None:
    """Draw a footprint: seen pixels in colour, the others in the colour of paper, and a grid where it is small."""
    from matplotlib.colors import ListedColormap

    plane, edges = _plane(fp)
    ax.imshow(plane, cmap=ListedColormap([PAPER, color]), vmin=0, vmax=1, extent=edges, interpolation="nearest")
    if max(plane.shape) <= 64:
        for pixel in range(plane.shape[1] + 1):
            ax.axvline(edges[0] + pixel, color="white", lw=0.8)
        for pixel in range(plane.shape[0] + 1):
            ax.axhline(edges[3] + pixel, color="white", lw=0.8)
    _pixel_axes(ax)


def draw_weights(ax: Axes, weights: xr.DataArray, bar: bool = True) -> Any:
    """Draw path weights, as shares of the largest; the frame is their bounding box."""
    import numpy as np

    plane, edges = _plane(weights)
    shown = np.where(plane > 0, plane / plane.max(), np.nan)
    image = ax.imshow(shown, cmap="magma_r", vmin=0, vmax=1, extent=edges, interpolation="nearest")
    if bar:
        ax.figure.colorbar(image, ax=ax, shrink=0.75, label=WEIGHTS)
    _pixel_axes(ax)
    return image


def _pixel_axes(ax: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    ax.set_aspect("equal")
    ax.grid(False)
    ax.set_xlabel("x, pixels")
    ax.set_ylabel("y, pixels")


def box(ax: Axes, low: Sequence[float], high: Sequence[float], color: str, **style: Any) -> None:
    """Draw a rectangle around the pixels low … high−1 (y, x)."""
    from matplotlib.patches import Rectangle

    style = {"fill": False, "lw": 1.6, **style}
    ax.add_patch(Rectangle((low[1] - 0.5, low[0] - 0.5), high[1] - low[1], high[0] - low[0], edgecolor=color, **style))
