"""Pictures of one network: its profile, and maps of pixels and of entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rfscale.sweeps.report.pictures.style import (
    BLUE,
    CROSS,
    GREEN,
    GREY,
    HOLLOW,
    INK,
    PAPER,
    PATHS,
    RED,
    SKY,
    TICK_LETTERS,
    TICKS,
    figure,
    label,
    title,
)

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rfscale.sweeps.report.pictures.style import Place


def profile_figure(ds: xr.Dataset, place: Place = None) -> Figure:
    """Return the picture of `rf.profile`: widths and extents by layer, and overlaps below."""
    from rfscale.sweeps.report.terminal import per_axis

    steps = list(range(ds.sizes["layer"]))
    wide = min(14.0, max(7.0, 0.16 * len(steps)))
    with figure(wide, 6.4, 2, 1, place=place, sharex=True, height_ratios=[3, 1]) as (fig, axes):
        top, *below = axes[:, 0]
        draw_profile(top, steps, ds)
        size = f", image {per_axis(ds.attrs['input_size'])}" if "input_size" in ds.attrs else ", no borders"
        title(top, f"{_reached(ds)}{size}")
        top.set_ylabel("pixels of the image")
        top.legend(loc="upper left")
        for bottom in below:
            _draw_overlap(bottom, steps, ds)
        layer_ticks(axes[-1, 0], [str(n) for n in ds.layer.values])
    return fig


def _draw_overlap(ax: Axes, steps: Sequence[int], ds: xr.Dataset) -> None:
    from rfscale.sweeps.report.terminal import per_axis

    overlap = ds.overlap.where(~ds.is_global)
    for axis, dash in zip(ds.axis.values, ("-", "--", ":"), strict=False):
        ax.plot(steps, overlap.sel(axis=axis), dash, color=GREEN, lw=1.5, label=f"along {axis}")
    if any(per_axis(row) != per_axis(row[:1]) for row in overlap.values.tolist()):
        ax.legend(loc="lower right")
    ax.set_ylim(-0.02, 1.02)
    ax.set_ylabel("overlap")


def _reached(ds: xr.Dataset) -> str:
    """The receptive field of the last layer that has no global one, and whether all of it is read."""
    from rfscale.sweeps.report.terminal import box, number

    network = label(ds.attrs["network"], 40)
    local = [i for i, is_global in enumerate(ds.is_global.values.tolist()) if not is_global]
    if not local:
        return f"{network}: every layer has a global receptive field"
    last = ds.isel(layer=local[-1])
    density = float(last.density)
    holes = "" if density == 1 else f", {number(float(last.area))} pixels of it read"
    return f"{network}, {label(last.layer.item(), 30)}: receptive field {box(last.extent.values)}{holes}"


def draw_profile(ax: Axes, steps: Sequence[int], ds: xr.Dataset) -> None:
    """Draw the extents and widths of a profile, with both formulas on top, over `steps`."""
    import numpy as np

    local = ~ds.is_global.values
    extent = np.where(local[:, None], ds.extent.values, np.nan)
    width = np.where(local, ds.width.values, np.nan)
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
    for at in np.array(steps)[~local].tolist():
        ax.axvspan(at - 0.5, at + 0.5, color=GREY, alpha=0.18, lw=0, label="global receptive field")
    handles, labels = ax.get_legend_handles_labels()
    if len(set(labels)) < len(labels):  # one entry for all spans
        for handle in handles[labels.index("global receptive field") + 1 :]:
            handle.set_label("_")
    ax.set_ylim(bottom=0)


def layer_ticks(ax: Axes, names: Sequence[str]) -> None:
    """Write names of layers under an axis, as many as there is room for."""
    every = max(1, -(-len(names) // TICKS))
    picked = list(range(0, len(names), every))
    ax.set_xticks(picked, [label(names[i], TICK_LETTERS) for i in picked], rotation=90, fontsize=8)
    ax.set_xlim(-0.7, len(names) - 0.3)


# maps ---------------------------------------------------------------------------------------------------------------


def map_figure(data: xr.DataArray, field: xr.Dataset | None = None, place: Place = None) -> Figure:
    """Return the picture of `rf.footprint` and `rf.path_counts`: pixels of a footprint, or path counts with their box.

    `field` is that of `rfscale.engine.fields.mass_box.mass_box`.
    """
    with figure(6.4, _height(data), place=place) as (fig, axes):
        ax = axes[0, 0]
        if data.dtype == bool:
            draw_footprint(ax, data)
        else:
            draw_path_counts(ax, data)
        title(ax, _subject(data), _held(data, field), size=10)
    return fig


def _height(data: xr.DataArray) -> float:
    """Inches of a picture of a map that is 6.4 wide."""
    rows, columns = _plane(data)[0].shape
    return min(max(5.2 * rows / columns, 1.5), 9.0) + 0.6


def _subject(data: xr.DataArray) -> str:
    return f"{label(data.attrs['network'])}: {label(data.attrs['long_name'], 90)}"


def coverage_figure(data: xr.DataArray, place: Place = None) -> Figure:
    """Return the picture of `rf.coverage`: how many footprints each pixel is in."""
    from rfscale.sweeps.report.terminal import number

    least, most = int(data.min()), int(data.max())
    with figure(6.8, _height(data), place=place) as (fig, axes):
        ax = axes[0, 0]
        plane, edges = _plane(data)
        what = "footprints that have the pixel" + (", summed along z" if data.ndim == 3 else "")
        image = ax.imshow(plane, cmap="viridis", vmin=0, extent=edges, interpolation="nearest")
        ax.figure.colorbar(image, ax=ax, shrink=0.75, label=what)
        _pixel_axes(ax, data.dims)
        unread = int((data == 0).sum())
        left_out = f"{number(unread)} pixels in none" if unread else "no pixel in none"
        held = f"each pixel is in {number(least)} to {number(most)}" if least < most else f"all in {number(most)}"
        title(ax, _subject(data), f"{held}; {left_out}", size=10)
    return fig


def entry_map_figure(ds: xr.Dataset, place: Place = None) -> Figure:
    """Return the picture of `rf.entry_map`: the pixels that each entry reads, less at the borders."""
    from rfscale.sweeps.report.terminal import number

    area = ds.area
    with figure(6.8, _height(area), place=place) as (fig, axes):
        ax = axes[0, 0]
        plane, edges = _plane(area)
        image = ax.imshow(plane, cmap="viridis", vmin=0, extent=edges, interpolation="nearest")
        what = "pixels of the footprint" + (", summed along z" if area.ndim == 3 else "")
        ax.figure.colorbar(image, ax=ax, shrink=0.75, label=what)
        _pixel_axes(ax, area.dims, "entry")
        full = float((area == area.max()).mean())
        layer = label(str(ds.attrs["call"]).partition(" ")[2], 40)
        held = f"{full:.0%} of the entries read {number(int(area.max()))} pixels, the most; the least is "
        title(ax, f"{label(ds.attrs['network'])}: every entry of {layer}", held + number(int(area.min())), size=10)
    return fig


def _held(data: xr.DataArray, field: xr.Dataset | None) -> str:
    """How many pixels of its box a footprint reads, or in which part of it most paths lie."""
    import numpy as np

    from rfscale.sweeps.report.terminal import box, number

    read = data.values != 0
    if not read.any():
        return "it reads only padding"
    places = [
        np.flatnonzero(read.any(axis=tuple(a for a in range(read.ndim) if a != axis))) for axis in range(read.ndim)
    ]
    sides = [int(p[-1] - p[0]) + 1 for p in places]
    if field is not None and "mass" in field:
        return (
            f"{100 * float(field.mass):.0f} % of the paths lie in {box(field.box_extent.values)} of {box(sides)} pixels"
        )
    count, whole = int(read.sum()), int(np.prod(sides))
    return (
        f"all {number(whole)} pixels of {box(sides)}"
        if count == whole
        else f"{number(count)} of the {number(whole)} pixels of {box(sides)}"
    )


def _plane(data: xr.DataArray) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """Return an array as a plane, and its edges in pixels; of three axes the first is projected."""
    import numpy as np

    if data.ndim == 3:
        data = data.any(str(data.dims[0])) if data.dtype == bool else data.sum(str(data.dims[0]))
    plane = np.atleast_2d(data.values)
    x = data[data.dims[-1]].values
    y = data[data.dims[0]].values if data.ndim == 2 else np.zeros(1)
    return plane, (float(x[0]) - 0.5, float(x[-1]) + 0.5, float(y[-1]) + 0.5, float(y[0]) - 0.5)


def draw_footprint(ax: Axes, fp: xr.DataArray) -> None:
    """Draw a footprint: its pixels in colour, the others in the colour of paper, and a grid where it is small."""
    from matplotlib.colors import ListedColormap

    plane, edges = _plane(fp)
    ax.imshow(plane, cmap=ListedColormap([PAPER, BLUE]), vmin=0, vmax=1, extent=edges, interpolation="nearest")
    if max(plane.shape) <= 64:
        for pixel in range(plane.shape[1] + 1):
            ax.axvline(edges[0] + pixel, color="white", lw=0.8)
        for pixel in range(plane.shape[0] + 1):
            ax.axhline(edges[3] + pixel, color="white", lw=0.8)
    _pixel_axes(ax, fp.dims)


def draw_path_counts(ax: Axes, weights: xr.DataArray, bar: bool = True) -> Any:
    """Draw path counts, as shares of the largest; the frame is their bounding box."""
    import numpy as np

    plane, edges = _plane(weights)
    shown = np.where(plane > 0, plane / plane.max(), np.nan)
    image = ax.imshow(shown, cmap="magma_r", vmin=0, vmax=1, extent=edges, interpolation="nearest")
    if bar:
        ax.figure.colorbar(image, ax=ax, shrink=0.75, label=PATHS)
    _pixel_axes(ax, weights.dims)
    return image


def _pixel_axes(ax: Axes, dims: Sequence[Any] = ("y", "x"), unit: str = "pixels") -> None:
    """Axes over whole numbers of equal scale; of one dim alone the upright one says nothing."""
    from matplotlib.ticker import MaxNLocator

    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    ax.set_aspect("equal")
    ax.grid(False)
    names = [str(d).removeprefix("entry_") for d in dims[-2:]]
    ax.set_xlabel(f"{names[-1]}, {unit}")
    if len(names) == 2:
        ax.set_ylabel(f"{names[0]}, {unit}")
    else:
        ax.set_yticks([])
