"""The picture of a design."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rfscale.engine.objects.histogram import shares

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from rfscale.sweeps.report.pictures.style import Place


def design_figure(found: xr.Dataset, sizes: xr.Dataset, place: Place = None) -> Figure:
    """Return the picture of `rf.design`: object sizes with the maps of the best design, and fit against cost of all."""
    from matplotlib.ticker import FuncFormatter, PercentFormatter

    from rfscale.sweeps.report.pictures.style import BLUE, GREEN, ORANGE, figure, label, title

    attrs = found.attrs
    cost, fit = attrs["cost"], attrs["objective"]
    with figure(11.0, 4.4, 1, 2, place=place, width_ratios=[3, 2]) as (fig, axes):
        left, *beside = axes[0]
        share, low, high = shares(sizes)[1], sizes.bin_low.values, sizes.bin_high.values
        left.bar(low, share, high - low, align="edge", color=BLUE, alpha=0.8, lw=0)
        best = found.isel(rank=-1 if attrs["pareto"] else 0)
        values = best[f"map_{attrs['by']}"].values
        for i, (layer, value) in enumerate(zip(best.map_layer.values, values, strict=True)):
            left.axvline(value, color=ORANGE, lw=1.6)
            at = (value, 0.96 - 0.07 * (i % 3))
            left.annotate(f" {label(layer, 30)} {value:.4g} px", at, xycoords=("data", "axes fraction"), fontsize=8.5)
        left.set_xscale("log", base=2)
        left.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        left.set_ylim(0, 1.3 * float(share.max()))
        left.set_xlabel(f"pixels; objects by √(width·height), {label(attrs['source'])}")
        left.yaxis.set_major_formatter(PercentFormatter(1.0))
        held = f"{float(best.coverage):.0%} of the objects within a factor of {attrs['factor']:g} of a map"
        title(left, f"the best design: {held}", size=10)
        y = found[fit].values
        x = found[cost].values if cost in found else np.arange(len(y))
        for right in beside:
            right.plot(x, y, "o-" if attrs["pareto"] else "o", color=GREEN, ms=5, lw=1, drawstyle="steps-post")
            right.set_xlabel(cost if cost in found else "rank")
            right.set_ylabel("mean |log2(map / object)|" if fit == "tightness" else "share of objects covered")
            title(right, _title(fit, y, attrs["pareto"]), size=10)
    return fig


def _title(fit: str, values: np.ndarray, pareto: bool) -> str:
    """How far the designs are apart in fit."""
    low, high = (f"{v:.1%}" if fit == "coverage" else f"{v:.3g}" for v in (values.min(), values.max()))
    kind = "non-dominated designs" if pareto else "best designs"
    return f"{len(values)} {kind}, {fit} {low}" if low == high else f"{len(values)} {kind}, {fit} {low} to {high}"
