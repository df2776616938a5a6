"""Tensors that broadcast, and lay out the axes of their maps in different ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rfscale.engine.readers.tensors.layout import (
    Factor,
    is_repeated,
    is_whole,
    length,
    lengthened,
    neutral,
    spatial,
    whole_axis,
    with_dim,
    without_place,
)

if TYPE_CHECKING:
    from rfscale.engine.readers.tensors.tracking import Shape, Tracked, Tracker


def reconciled(k: Tracker, parts: Sequence[Tracked], shape: Shape) -> list[Tracked]:
    """Return tensors whose dims carry the same axes, as far as that can be made."""
    return _without_pairs(k, _as_channels(k, [repeated_on_the_map(k, p) for p in parts], shape))


def repeated_on_the_map(k: Tracker, t: Tracked) -> Tracked:
    """Make entries that a view repeats along an axis, one after another, entries of the map."""
    for d, dim in enumerate(t.dims):
        if is_repeated(dim) and dim[0] == Factor(t.map[dim[0].axis], dim[0].axis) and dim[1].stride == 1:
            axis = dim[0].axis
            scale = [dim[1].size if a == axis else 1 for a in range(len(t.map))]
            dims = with_dim(lengthened(t.dims, scale), d, whole_axis(axis, length(dim)))
            t = k.after(t, "pixel_shuffle", dims, scale=scale)
    return t


def _as_channels(k: Tracker, parts: Sequence[Tracked], shape: Shape) -> list[Tracked]:
    """Read pixels that a view left where another tensor has its channels: an entry sees what its channels see."""
    whole = next((p for p in parts if p.shape == shape and is_whole(p.dims, p.map)), None)
    if whole is None:
        return list(parts)
    channels = [d for d, dim in enumerate(whole.dims) if not spatial(dim)]
    return [p if p.shape != shape or is_whole(p.dims, p.map) else k.reduce(p, channels) for p in parts]


def _without_pairs(k: Tracker, parts: Sequence[Tracked]) -> list[Tracked]:
    """Read all entries that one axis has in two dims of the sum: scores of keys by themselves, beside those of queries.

    The first tensor keeps its entries; along the other dim all entries are read at once.
    """
    held: dict[tuple[int, int], int] = {}  # dims, counted from the last, by parts of the axes
    out: list[Tracked] = []
    for p in parts:
        places = {(f.axis, f.stride): d - len(p.dims) for d, dim in enumerate(p.dims) for f in spatial(dim)}
        pairs = {d for part, d in places.items() if held.get(part, d) != d}
        if pairs:
            alike = all(holds_all(k, before, p) for before in out)
            along = [neutral(length(dim)) if alike else without_place(length(dim)) for dim in p.dims]
            dims = [along[d] if d - len(p.dims) in pairs else dim for d, dim in enumerate(p.dims)]
            p = replace(k.reduce(p, pairs, shrink=False), dims=tuple(dims))
        held.update({part: d for part, d in places.items() if d not in pairs})
        out.append(p)
    return out


def holds_all(k: Tracker, holder: Tracked, t: Tracked) -> bool:
    """Whether all entries of a tensor together surely read what all entries of another one do."""
    base, met, todo = k.base(t.layer), set(), [holder.layer]
    while todo:
        layer = k.base(todo.pop())
        if layer == base:
            return True
        if layer not in met and layer >= 0:
            met.add(layer)
            op = k.drafts[layer].op
            todo += k.drafts[layer].sources if op in _HOLDING else ()
    return False


_HOLDING = ("window_attention", "global_pool", "add", "multiply", "concat")  # of whose inputs every entry is read
