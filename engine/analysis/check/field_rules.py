"""What fields that the user gives add to a check: how much of the footprint is used, and how evenly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.analysis.check.context import Context
from rfscale.engine.analysis.check.rules import Finding
from rfscale.engine.errors import InputError, Parameter
from rfscale.engine.fields.field_figures import PERIODS, field_figures, field_of
from rfscale.engine.footprints.figures import Figures
from rfscale.engine.network.modules import module_layer
from rfscale.engine.network.network import Network

if TYPE_CHECKING:
    import xarray as xr

SHARE = 0.95  # of the mass, in the box


def given_fields(network: Network, fields: Any) -> dict[int, xr.DataArray]:
    """Return fields by the position of their layer: each says in its attrs what layer it is of.

    Raises
    ------
    InputError
        For what is no field, and for fields that do not say their layer.
    """
    several = [fields] if hasattr(fields, "attrs") or not isinstance(fields, Sequence) else fields
    found = {}
    for field in several:
        given = field.isel(kind=-1) if hasattr(field, "dims") and "kind" in field.dims else field
        array = field_of(given)
        layer = array.attrs.get("layer")
        if layer is None:
            remedy = "give what effective_field, predicted_field or all_fields returns"
            raise InputError("does not say what layer it is of", argument=Parameter("fields"), remedy=remedy)
        found[network.index(module_layer(network, layer))] = array
    return found


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
