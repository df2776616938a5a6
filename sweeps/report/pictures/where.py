"""Pictures of places: where the entries of layers lie on the image, and what a network reads along time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rfscale.sweeps.report.pictures.style import BLUE, GREY, INK, ORANGE, figure, label, title

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rfscale.sweeps.report.pictures.style import Place

MOST_NAMES = 60  # of layers that are written beside their rows


def where_figure(found: xr.Dataset, place: Place = None) -> Figure:
    """Return the picture of `rf.where`: for each layer the bounding box of an entry, and its centre, along one axis."""
    import numpy as np

    rows = found if "layer" in found.dims else found.expand_dims("layer")
    axis = str(rows.axis.values[-1])
    along = rows.isel(axis=-1)
    low, high, centre = (along[name].values.astype(float) for name in ("box_start", "box_end", "centre"))
    known = np.isfinite(low) & np.isfinite(high)
    places = np.arange(len(low))
    with figure(8.0, min(12.0, 1.6 + 0.2 * len(low)), place=place) as (fig, grid):
        ax = grid[0, 0]
        ax.barh(places[known], (high - low + 1)[known], left=low[known] - 0.5, height=0.6, color=BLUE, alpha=0.75)
        ax.plot(centre[known], places[known], marker="|", ms=8, mew=2, ls="", color=INK, label="centre")
        _names(ax, [str(n) for n in np.atleast_1d(rows.layer.values)])
        ax.set_xlabel(f"pixels along {axis}")
        ax.legend(loc="upper right")
        title(ax, _place_of_last(found.attrs["network"], rows, known, axis))
    return fig


def _names(ax: Axes, names: list[str]) -> None:
    """Write the names of layers beside their rows, the first one on top."""
    step = -(-len(names) // MOST_NAMES)
    ax.set_yticks(range(0, len(names), step), [label(n, 30) for n in names[::step]])
    ax.set_ylim(len(names) - 0.4, -0.6)


def _place_of_last(network: Any, rows: xr.Dataset, known: Any, axis: str) -> str:
    """The finding: where the entry of the last layer with bounds lies."""
    if not known.any():
        return f"{label(network)}: no layer has bounds along {axis}"
    last = rows.isel(layer=int(known.nonzero()[0][-1]), axis=-1)
    low, high, entry = int(last.box_start), int(last.box_end), int(last.entry)
    return (
        f"{label(network)}: entry {entry} of {label(last.layer.item(), 40)} reads pixels {low} to {high} along {axis}"
    )


def context_figure(found: xr.Dataset, place: Place = None) -> Figure:
    """Return the picture of `rf.context`: past, lookahead and hop of each output, in ms where a rate is known."""
    import numpy as np

    timed = "past_ms" in found
    unit = "ms" if timed else "samples"
    past, ahead, hop = (found[f"{name}_ms" if timed else name].values for name in ("past", "lookahead", "hop"))
    names = [str(n) for n in found.layer.values]
    places = np.arange(len(names))
    with figure(8.0, 1.9 + 0.45 * len(names), place=place) as (fig, grid):
        ax = grid[0, 0]
        back, on = (np.where(np.isfinite(v), v, 0.0) for v in (past, ahead))  # without bounds: no bar
        ax.barh(places, back, left=-back, color=BLUE, label="past")
        ax.barh(places, on, color=ORANGE, hatch="//", edgecolor="white", label="lookahead")
        ax.plot(hop, places, marker="D", ms=6, ls="", color=INK, label="hop")
        ax.axvline(0, color=GREY, lw=1)
        _names(ax, names)
        ax.set_ylim(len(names) - 0.4, -1.4)
        ax.set_xlabel(f"{unit}, before and after the newest sample of an output")
        ax.legend(loc="upper left", ncols=3)
        said = f"{past[-1]:.3g} {unit} of past, {ahead[-1]:.3g} {unit} of lookahead, every {hop[-1]:.3g} {unit}"
        title(ax, f"{label(found.attrs['network'])}: {label(names[-1], 40)} has {said}")
    return fig
