"""The figures and footprints of one network for one input size, or without borders."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from rfscale.engine.analysis.explore.families import FamilyTable
from rfscale.engine.analysis.profile import profile
from rfscale.engine.errors import InputError
from rfscale.engine.footprints.forward import Route, kept_trace
from rfscale.engine.footprints.plan import GlobalOps, Plan, resolve
from rfscale.engine.network.axis_maps import AxisMap
from rfscale.engine.network.network import Network, Size

PER_AXIS = ("map_size", "jump", "extent", "start", "overlap", "max_gap", "closed_form_overlap")
PER_LAYER = (
    "area",
    "width",
    "density",
    "phases",
    "is_global",
    "published_area",
    "published_overlap",
    "closed_form_area",
    "params",
    "macs",
)
WHY_NONE = {
    Route.INFINITE: "a global receptive field: without borders it has no bounds",
    Route.GRIDS: "a union of more than 64 products, which the page does not hold; rfscale footprint draws it",
}


def figures_at(network: Network, size: Size | None, global_ops: GlobalOps, table: FamilyTable) -> dict[str, Any]:
    """Return figures of every layer, and its footprints as terms: a family of `table` for each axis.

    Parameters
    ----------
    network : Network
    size : tuple of int or None
        Pixels per axis; None: without borders.
    global_ops : {"include", "skip"}
    table : FamilyTable
        Takes the families.

    Raises
    ------
    InputError
        As `profile`: where branches of different jumps merge without borders, and for a size that does not fit.
    """
    traced = kept_trace(network, size, global_ops)
    ds = profile(network, size, global_ops=global_ops)
    terms: list[Any] = []
    reasons: dict[str, str] = {}
    for index, layer in enumerate(network.layers):
        route = traced.route(index)
        if route in WHY_NONE:
            terms.append(None)
            reasons[layer.name] = WHY_NONE[route]
        else:
            terms.append([[table.number(family) for family in term] for term in traced.products(index)])
    figures = {name: _plain(ds[name].values) for name in (*PER_AXIS, *PER_LAYER) if name in ds}
    return {
        "input_size": None if size is None else list(size),
        "dropped": list(traced.plan.dropped),
        "figures": figures,
        "terms": terms,
        "without_terms": reasons,
        "as_without_borders": _as_without_borders(traced.plan),
    }


def _as_without_borders(plan: Plan) -> list[bool]:
    """Whether the footprints of each layer are, up to borders, those that a plan without an input size has.

    Not so downstream of layers whose windows depend on the size of the image, where the network carries another one.
    """
    if plan.input_size is None or plan.input_size == plan.network.input_size:
        return [True] * len(plan.steps)
    try:
        interior = resolve(plan.network, None, "skip" if plan.dropped else "include")
    except InputError:
        return [False] * len(plan.steps)
    alike: list[bool] = []
    for step, other in zip(plan.steps, interior.steps, strict=True):
        same = step.maps is None or other.maps is None or all(map(_same, step.maps, other.maps))
        alike.append(same and all(alike[source] for source in step.sources if source >= 0))
    return alike


def _same(one: AxisMap, other: AxisMap) -> bool:
    return one is other or (one.up, one.down, one.taps, one.border) == (other.up, other.down, other.taps, other.border)


def _plain(values: np.ndarray) -> list[Any]:
    """Numbers that JSON has: whole ones without a point, None for what is no number and for infinity."""
    if values.dtype == bool or values.dtype.kind in "iu":
        return values.tolist()
    flat = [_number(v) for v in values.astype(float).ravel().tolist()]
    if values.ndim == 1:
        return flat
    width = values.shape[1]
    return [flat[i : i + width] for i in range(0, len(flat), width)]


def _number(value: float) -> float | int | None:
    if not isfinite(value):
        return None
    return int(value) if value.is_integer() else float(f"{value:.6g}")
