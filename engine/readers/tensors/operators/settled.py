"""Tensors that views and permutations laid out, as layers whose maps have their very shape."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from rfscale.engine.readers.tensors.layout import (
    NEUTRAL,
    Factor,
    UnreadableError,
    check_fit,
    has_whole_axes,
    length,
    neutral,
    spatial,
    whole_axis,
)
from rfscale.engine.readers.tensors.operators.spatial_ops import whole_dim
from rfscale.engine.readers.tensors.rearranged import Rearranged
from rfscale.engine.readers.tensors.tracking import Joined, Tracked, Tracker


def settle(k: Tracker, t: Tracked) -> Tracked:
    """Return the tensor as a layer whose map has its very shape, if its layout allows that.

    Views and permutations leave the map as it was: a pixel shuffle written with them, the last operator of a model, is
    a layer only here. What stays as it is: sequences of pixels, and windows in the batch.
    """
    if isinstance(t, Joined | Rearranged) or has_whole_axes(t.dims, t.map) or (t.dims, t.map) in k.unsettled:
        return t
    layers = len(k.drafts)
    out = _settled(k, t)
    if out is t and len(k.drafts) == layers:  # tokens come by at every module
        k.unsettled.add((t.dims, t.map))
    return out


def _settled(k: Tracker, t: Tracked) -> Tracked:
    strides = {f.axis: max(g.stride for dim in t.dims for g in spatial(dim) if g.axis == f.axis) for f in _all(t)}
    low = [d for d, dim in enumerate(t.dims) if spatial(dim) and all(f.stride < strides[f.axis] for f in spatial(dim))]
    parts = [f for d in low for f in spatial(t.dims[d])]
    if len({f.axis for f in parts}) < len(parts) or any(f.stride > 1 for f in parts):
        return t
    try:
        out = k.reduce(t, low, "space_to_depth") if low else t
        out = replace(out, dims=tuple(neutral(length(t.dims[d])) if d in low else x for d, x in enumerate(out.dims)))
        out = _shuffled(k, out)
        for d in range(len(out.dims)):
            out = whole_dim(k, out, d)
        check_fit(out.dims, out.map, t.shape)
    except UnreadableError:
        return t
    return out


def keeps_entries(before: Tracked, after: Tracked) -> bool:
    """Whether a settled tensor has the entries of the map as dims as before: what lies in channels has one map."""
    if isinstance(before, Joined | Rearranged):
        return before is after
    return prod(f.size for f in _all(before)) <= prod(f.size for f in _all(after))


def _shuffled(k: Tracker, t: Tracked) -> Tracked:
    """Write the pixels that lie inside the entries of several axes as one pixel shuffle."""
    scale = [1] * len(t.map)
    for dim in t.dims:
        if (
            len(dim) == 2
            and dim[1].axis == NEUTRAL
            and dim[1].stride
            and (dim[0].size, dim[0].stride) == (t.map[dim[0].axis], 1)
        ):
            scale[dim[0].axis] = dim[1].size
    if sum(s > 1 for s in scale) < 2:
        return t
    dims = tuple(
        whole_axis(dim[0].axis, length(dim)) if spatial(dim) and scale[dim[0].axis] > 1 else dim for dim in t.dims
    )
    return k.after(t, "pixel_shuffle", dims, scale=scale)


def _all(t: Tracked) -> list[Factor]:
    return [f for dim in t.dims for f in spatial(dim)]
