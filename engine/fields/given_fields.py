"""Fields that a user gives to other questions, by the layer that they are of."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from rfscale.engine.errors import InputError, Parameter
from rfscale.engine.fields.field_figures import field_figures, field_of
from rfscale.engine.network.modules import module_layer
from rfscale.engine.network.network import Network

if TYPE_CHECKING:
    import xarray as xr


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
        array = field_of(given, Parameter("fields"))
        layer = array.attrs.get("layer")
        if layer is None:
            remedy = "give what effective_field, predicted_field or all_fields returns"
            raise InputError("does not say what layer it is of", argument=Parameter("fields"), remedy=remedy)
        found[network.index(module_layer(network, layer))] = array
    return found


def box_sides(network: Network, fields: Any, share: float = 0.95) -> dict[str, float]:
    """Return the side of the box that holds a share of each field, the mean of its axes on a log scale, by layer."""
    sides = {}
    for index, field in given_fields(network, fields).items():
        box = field_figures(field, [share]).box_extent.values[0].tolist()
        sides[network.layers[index].name] = float(prod(box) ** (1 / len(box)))
    return sides
