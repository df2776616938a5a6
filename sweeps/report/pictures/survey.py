"""The picture of the survey of models: how many of each library are read, and how large their extents are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rfscale.sweeps.report.pictures.style import BLUE, GREY, INK, ORANGE, SKY, figure, label, title

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from rfscale.sweeps.report.pictures.style import Place

STATUS: dict[str, dict[str, Any]] = {  # how a model was read, and how that is drawn
    "whole": {"color": BLUE},
    "part": {"color": SKY, "hatch": "//", "edgecolor": "white"},
    "not": {"color": ORANGE, "hatch": "xx", "edgecolor": "white"},
    "unmade": {"color": GREY},
}


def survey_figure(found: xr.Dataset, place: Place = None) -> Figure:
    """Return the picture of `rf.zoo_survey`: models of each library by how they are read, and their largest extents."""
    import numpy as np

    library, status = found.library.values.astype(str), found.status.values.astype(str)
    names = sorted(set(library.tolist()), key=lambda name: -(library == name).sum())
    places = np.arange(len(names))
    with figure(11.0, 1.8 + 0.36 * len(names), 1, 2, place=place) as (fig, grid):
        ax, *beside = grid[0]
        left = np.zeros(len(names))
        for kind, style in STATUS.items():
            numbers = np.array([((library == name) & (status == kind)).sum() for name in names])
            if numbers.any():
                ax.barh(places, numbers, left=left, label=kind, **style)
            left += numbers
        ax.set_yticks(places, [label(n, 24) for n in names])
        ax.invert_yaxis()
        ax.set_xlabel("models")
        ax.legend(loc="lower right")
        whole = (status == "whole").sum() / max(1, len(status))
        title(ax, f"{len(status):,} models: {100 * whole:.3g} % are read whole")
        largest = _largest_extents(found)
        for other in beside:
            known = [largest[(library == name) & np.isfinite(largest)] for name in names]
            for at, values in zip(places, known, strict=True):
                other.plot(values, np.full(len(values), at), marker="|", ms=9, ls="", color=INK, alpha=0.4)
            other.set_xscale("log")
            other.set_yticks(places, [""] * len(names))
            other.set_ylim(ax.get_ylim())
            other.set_xlabel("largest extent with bounds, pixels")
    return fig


def _largest_extents(found: xr.Dataset) -> Any:
    """The largest finite extent of each model, nan where it has none."""
    import numpy as np

    extents = found.extent.values.reshape(found.sizes["model"], -1)
    largest = np.where(np.isfinite(extents), extents, -np.inf).max(axis=1)
    return np.where(largest > 0, largest, np.nan)
