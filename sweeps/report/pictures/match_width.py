"""The picture of a match by width: the profile of a network beside the histogram of object sizes, on one log axis."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.objects.fit import covered_ranges

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rfscale.sweeps.report.pictures.style import Place

Ranges = Sequence[tuple[float, float]]


def width_figure(found: xr.Dataset, place: Place = None) -> Figure:
    """Return the picture of a match by the rule `width`."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    from rfscale.sweeps.report.pictures.style import figure, label, title

    wide = min(13.0, max(9.0, 5.0 + 0.06 * found.sizes["layer"]))
    covered = covered_ranges(found.chosen_figure.values, found.attrs["factor"])
    with figure(wide, 5.6, 1, 2, place=place, sharey=True, width_ratios=[5, 3]) as (fig, axes):
        left, *beside = axes[0]
        _profile(left, found, covered)
        left.set_yscale("log", base=2)
        left.set_ylim(_limits(found))
        left.yaxis.set_major_locator(LogLocator(base=2))
        left.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        left.yaxis.set_minor_formatter(NullFormatter())
        left.set_ylabel("pixels of the image")
        image = "no borders" if found.attrs["mode"] == "interior" else str(found.attrs["mode"])
        figure_name = {"effective": "effective box"}.get(found.attrs["by"], found.attrs["by"])
        near = f"{float(found.coverage):.0%} of the objects near the {figure_name} of a chosen map"
        title(left, f"{label(found.attrs['network'], 40)}: {near}")
        left.set_xlabel(f"layers, {image}")
        for right in beside:
            _histogram(right, found, covered)
            rule = "" if found.attrs["resize"] == "none" else f"resized by {found.attrs['resize']}"
            title(right, label(Path(found.attrs["source"]).name), rule, size=10)
            fig.supxlabel(
                f"{float(found.coverage):.0%} of {found.attrs['objects']} objects lie within a factor of "
                f"{found.attrs['factor']:g} of a chosen map; "
                f"mean |log2({found.attrs['by']} / size)| = {float(found.tightness):.2f}",
                fontsize=10,
            )
    return fig


def _limits(found: xr.Dataset) -> tuple[float, float]:
    used = found.bin.values[found.share.values > 2e-4]
    top = max(used.max(), np.nanmax(found.extent.values))
    return max(1.0, min(used.min(), 8.0)) / 1.2, float(top) * 1.25


def _profile(ax: Axes, found: xr.Dataset, covered: Ranges) -> None:
    from rfscale.sweeps.report.pictures.style import BLUE, ORANGE, PURPLE, SKY, STAR, TICK_LETTERS, TICKS, label

    steps = np.arange(found.sizes["layer"])
    names = [str(n) for n in found.layer.values]
    ax.plot(steps, found.extent, color=SKY, lw=5, alpha=0.7, label="extent (bounding box)")
    ax.plot(steps, found.width, color=BLUE, label="width = √pixels")
    if np.isfinite(found.effective.values).any():
        ax.plot(steps, found.effective, "--", color=PURPLE, label="effective (95 % of the paths)")
    at = [names.index(str(n)) for n in found.chosen.values]
    ax.plot(at, found.chosen_figure, label="chosen maps", **STAR)
    for low, high in covered:
        ax.axhspan(low, high, color=ORANGE, alpha=0.10, lw=0)
    every = -(-len(names) // TICKS)
    picked = list(range(0, len(names), every))
    ax.set_xticks(picked, [label(names[i], TICK_LETTERS) for i in picked], rotation=90, fontsize=7.5)
    ax.set_xlim(-0.7, len(names) + 0.4)
    ax.legend(loc="upper left")


def _histogram(ax: Axes, found: xr.Dataset, covered: Ranges) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    from rfscale.sweeps.report.pictures.style import BLUE, GREY, INK, ORANGE, TICK_LETTERS, label

    centres, share = found.bin.values, found.share.values
    inside = np.array([any(low <= x <= high for low, high in covered) for x in centres])
    step = 2 ** (np.log2(centres[1] / centres[0]) / 2) if len(centres) > 1 else 2 ** (1 / 32)
    height = centres * step - centres / step
    for mask, color in ((inside, BLUE), (~inside, GREY)):
        ax.barh(centres[mask], share[mask], height[mask], color=color, alpha=0.85, lw=0)
    for low, high in covered:
        ax.axhspan(low, high, color=ORANGE, alpha=0.10, lw=0)
    ax.set_xlim(0, 1.5 * float(share.max()))
    figures = found.chosen_figure.values
    places = _spread(np.log2(figures), 0.035 * np.log2(np.divide(*_limits(found)[::-1])))
    for name, figure, place in zip(found.chosen.values.tolist(), figures.tolist(), places.tolist(), strict=True):
        ax.axhline(figure, color=ORANGE, lw=1.2)
        style: dict[str, Any] = {"ha": "right", "va": "center", "fontsize": 8.5, "color": INK}
        box = {"facecolor": "white", "alpha": 0.75, "lw": 0, "pad": 0.6}
        ax.annotate(
            f"{label(name, TICK_LETTERS)} {figure:.0f} px",
            (0.99, 2**place),
            xycoords=("axes fraction", "data"),
            bbox=box,
            **style,
        )
    for low, high, part in zip(found.gap_low.values, found.gap_high.values, found.gap_share.values, strict=True):
        if part >= 0.005:
            text = f"gap {low:.3g}–{high:.4g} px: {part:.1%}"
            at = (0.62, np.sqrt(max(low, _limits(found)[0]) * min(high, _limits(found)[1])))
            ax.annotate(text, at, xycoords=("axes fraction", "data"), ha="center", va="center", fontsize=8.5)
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel("objects, by √(width·height)")


def _spread(values: np.ndarray, least: float) -> np.ndarray:
    """Places of labels: the values, moved apart where two are nearer than `least`."""
    order = np.argsort(values, kind="stable")
    places = values[order].astype(float)
    for _ in range(200):
        gap = np.diff(places)
        if (gap >= least * 0.999).all():
            break
        push = np.maximum(0, least - gap) / 2
        places[:-1] -= push
        places[1:] += push
    out = np.empty(len(values))
    out[order] = places
    return out
