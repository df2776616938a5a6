"""The picture of object sizes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rfscale.engine.objects.histogram import shares
from rfscale.sweeps.report.pictures.style import BLUE, INK, figure, label, title

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from rfscale.sweeps.report.pictures.style import Place

DRAWN = [0.05, 0.5, 0.95]  # quantiles


def sizes_figure(found: xr.Dataset, place: Place = None) -> Figure:
    """Return the picture of `rf.object_sizes`: the histogram of sizes, with quantiles."""
    from matplotlib.ticker import FuncFormatter, PercentFormatter

    share = shares(found)[1]
    edges = [found[f"bin_{end}"].values for end in ("low", "high")]
    with figure(7.4, 4.2, place=place) as (fig, axes):
        ax = axes[0, 0]
        ax.bar(edges[0], share, edges[1] - edges[0], align="edge", color=BLUE, alpha=0.85, lw=0)
        low, middle, high = found.quantiles.sel(measure="size", q=DRAWN).values.tolist()
        for value in (low, middle, high):
            ax.axvline(value, color=INK, lw=1.1, ls="--")
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))
        resized = "" if found.attrs["resize"] == "none" else f", images resized by {found.attrs['resize']}"
        ax.set_xlabel(f"√(width·height) of an object, pixels{resized}")
        ax.set_ylabel("objects")
        name = label(Path(str(found.attrs["source"])).name)
        half = f"half of {found.attrs['objects']:,} objects are under {middle:.3g} pixels"
        title(ax, f"{name}: {half}, nine of ten between {low:.3g} and {high:.3g}")
    return fig
