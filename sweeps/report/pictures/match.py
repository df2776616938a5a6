"""The picture of a match: the objects by size, and the range of sizes that each level is right for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rfscale.sweeps.report.pictures.style import Place

USED = 2e-4  # share of the objects in a bin that counts for the limits of the axis


def match_figure(found: xr.Dataset, place: Place = None) -> Figure:
    """Return the picture of a match (a dataset of `rf.match`)."""
    if found.attrs["rule"] == "width":
        from rfscale.sweeps.report.pictures.match_width import width_figure

        return width_figure(found, place)
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    from rfscale.sweeps.report.pictures.style import figure, label, title

    rows = found.sizes["level"] + found.sizes["finer"]
    heights = [2.4, 0.42 * rows + 0.5]
    with figure(9.0, 3.6 + 0.42 * rows, 2, 1, place=place, sharex=True, height_ratios=heights) as (fig, axes):
        top, bottom = axes[0, 0], axes[-1, 0]
        _objects(top, found)
        if bottom is not top:
            _levels(bottom, found)
        bottom.set_xscale("log", base=2)
        bottom.set_xlim(*_limits(found))
        bottom.xaxis.set_major_locator(LogLocator(base=2))
        bottom.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        bottom.xaxis.set_minor_formatter(NullFormatter())
        resized = "" if found.attrs["resize"] == "none" else f", images resized by {found.attrs['resize']}"
        bottom.set_xlabel(f"√(width·height) of an object, pixels{resized}")
        name, source = label(found.attrs["network"], 40), label(Path(found.attrs["source"]).name)
        title(top, f"{name} on {source}", _finding(found))
        if "scale" in found:
            _original_axis(top, float(found.scale))
    return fig


def _finding(found: xr.Dataset) -> str:
    """The first answer with the share of the objects that it follows from."""
    if not found.sizes["question"]:
        return ""
    share = str(found.why.values[0]).partition("), ")[0]
    return f"{found.question.values[0]} {str(found.answer.values[0]).capitalize()}: {share})"


def _limits(found: xr.Dataset) -> tuple[float, float]:
    used = found.bin.values[found.share.values > USED]
    low = min(found.smallest.min().item(), *used[:1], *(found.finer_stride.values * found.attrs["entries"]))
    high = max(np.nanmax(np.append(found.largest.values, 0)), found.smallest.max().item() * 2, *used[-1:])
    return float(low) / 1.5, float(high) * 1.5


def _objects(ax: Axes, found: xr.Dataset) -> None:
    """The histogram: below the finest level's limit, above the largest effective box, and between."""
    from matplotlib.ticker import PercentFormatter

    from rfscale.sweeps.report.pictures.style import BLUE, ORANGE, PURPLE

    centres, share = found.bin.values, found.share.values
    half = 2 ** (np.log2(centres[1] / centres[0]) / 2) if len(centres) > 1 else 2 ** (1 / 32)
    low, high = float(found.smallest.min()), float(np.nanmax(np.append(found.largest.values, 0)) or np.inf)
    under, over = centres < low, centres > high
    n = found.attrs["entries"]
    parts = (
        (under, ORANGE, f"under {n:g} entries on {found.level.values[0]}: {float(found.under[0]):.1%}", "//"),
        (~under & ~over, BLUE, "in the range of a level", ""),
        (over, PURPLE, f"larger than any effective box: {float(np.nanmin(np.append(found.over, 1))):.1%}", "\\\\"),
    )
    for mask, color, text, hatch in parts:
        if mask.any():
            width = centres[mask] * (half - 1 / half)
            ax.bar(centres[mask], share[mask], width, color=color, lw=0, label=text, hatch=hatch, edgecolor="white")
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_ylabel("objects")
    ax.set_ylim(0, 1.4 * float(share.max() or 1))  # room for the legend
    ax.legend(loc="upper right")


def _levels(ax: Axes, found: xr.Dataset) -> None:
    """A bar for each level, from its smallest to its largest object; dashed ones for levels that are not there."""
    from rfscale.sweeps.report.pictures.style import BLUE, GREY, INK, ORANGE, label

    names: list[str] = []
    ends = _limits(found)
    inside: dict[str, Any] = {"va": "center", "fontsize": 9}
    missing = [found[name].values.tolist() for name in ("finer", "finer_stride", "finer_gain")]
    for row, (name, stride, gain) in enumerate(list(zip(*missing, strict=True))[::-1]):
        names.append(f"{name}? stride {stride:g}")
        low = stride * found.attrs["entries"]
        ax.barh(row, low, left=low, height=0.6, fill=False, edgecolor=ORANGE, ls="--", lw=1.5)
        ax.text(low * 2.1, row, f"{gain:.1%} more objects", color=INK, ha="left", **inside)
    levels = [found[name].values.tolist() for name in ("level", "stride", "smallest", "largest")]
    for row, (name, stride, low, high) in enumerate(zip(*levels, strict=True), start=len(names)):
        names.append(f"{label(name, 24)} stride {stride:g}")
        right = ends[1] if high != high else high
        level = row - found.sizes["finer"]
        if right > low:
            ax.barh(row, right - low, left=low, height=0.6, color=BLUE, alpha=0.85, lw=0)
        else:  # two entries are wider than what the level depends on
            ax.plot([right, low], [row, row], color=GREY, lw=1.5, ls=":")
        text = f"{float(found.fit[level]):.0%} of the objects"
        wide = right / low > 3
        ax.text(low * 1.06 if wide else low / 1.06, row, text, color="white" if wide else INK,
                ha="left" if wide else "right", **inside)  # fmt: skip
    ax.axvline(float(found.smallest.min()), color=ORANGE, lw=1.2)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.grid(False, axis="y")


def _original_axis(ax: Axes, scale: float) -> None:
    """A second axis above: pixels of the original image."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    def to_original(pixels: Any) -> Any:
        return pixels / scale

    def to_resized(pixels: Any) -> Any:
        return pixels * scale

    upper = ax.secondary_xaxis("top", functions=(to_original, to_resized))
    upper.xaxis.set_major_locator(LogLocator(base=2))
    upper.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    upper.xaxis.set_minor_formatter(NullFormatter())
    upper.set_xlabel("pixels of the original image, at the mean resize", fontsize=8.5)
