"""What fields that the user gives add to a check: how much of the footprint is used, and how evenly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rfscale.engine.analysis.check.context import Context
from rfscale.engine.analysis.check.rules import Finding
from rfscale.engine.fields.field_figures import PERIODS, field_figures
from rfscale.engine.footprints.figures import Figures

SHARE = 0.95  # of the mass, in the box


def small_field(context: Context) -> Iterator[Finding]:
    """The box of most of the mass is far smaller than the footprint."""
    for index, field in context.fields.items():
        extents = _extents(context, index)
        if extents is None:
            continue
        boxes = field_figures(field, [SHARE]).box_extent.values[0]
        ratios = boxes / np.array(extents)
        worst = int(ratios.argmin())
        message = (
            f"{SHARE:.0%} of its field lies in {'×'.join(map(str, boxes))} pixels, its footprint has "
            f"{'×'.join(map(str, extents))}"
        )
        yield from context.finding("small_field", index, float(ratios[worst]), message)


def uneven_field(context: Context) -> Iterator[Finding]:
    """The mass lies on some pixel numbers modulo a period, and not on those between."""
    for index, field in context.fields.items():
        figures = field_figures(field, [SHARE])
        wide = figures["std"].values > np.array(PERIODS)[:, None]  # a narrow field is uneven anyway
        index_of = np.where(wide, figures.gridding.values, 0.0)
        row, axis = np.unravel_index(int(index_of.argmax()), index_of.shape)
        name = figures.axis.values[axis]
        message = f"its field lies unevenly on pixel numbers modulo {PERIODS[row]} along {name}"
        yield from context.finding("uneven_field", index, float(index_of[row, axis]), message)


def _extents(context: Context, index: int) -> tuple[int, ...] | None:
    """Extents of the footprint: of the image where a size is known, else without borders."""
    figures: Figures | None = context.figures[index]
    size = context.size
    if figures is None:
        return tuple(size) if size else None
    extent = tuple(int(e) for e in figures.extent)
    return tuple(min(e, n) for e, n in zip(extent, size, strict=True)) if size else extent
