"""Tensors one after another along a dim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rfscale.engine.readers.tensors.combined import common
from rfscale.engine.readers.tensors.layout import (
    NEUTRAL,
    Dim,
    UnreadableError,
    length,
    mixed,
    neutral,
    one_of,
    spatial,
    whole_axis,
    with_dim,
)
from rfscale.engine.readers.tensors.naming import jump_of
from rfscale.engine.readers.tensors.operators.channel_parts import arranged
from rfscale.engine.readers.tensors.operators.extra_tokens import join_tokens
from rfscale.engine.readers.tensors.operators.spatial_ops import as_axis, lengthened_dim, pad_dim, roll, whole_dim
from rfscale.engine.readers.tensors.tracking import Joined, Tracked, Tracker


def concatenate(k: Tracker, values: Sequence[Any], d: int) -> Tracked:
    """Tensors one after another along a dim: channels, one axis, tokens, or maps of their own."""
    d %= len(k.shape)
    parts = [v for v in values if isinstance(v, Tracked)]
    if len(values) == 1 and parts:
        return parts[0]
    if any(isinstance(p, Joined) for p in parts):
        return k.join(values, d)
    if not any(spatial(p.dims[d]) for p in parts):
        found = _along_a_lost_axis(k, values, d)
        if found is not None:
            return found
        parts = k.aligned(parts)
        shape = [*k.shape[:d], 1, *k.shape[d + 1 :]]
        dims = common([with_dim(p.dims, d, ()) for p in parts], shape)
        out = k.merge("concat", parts, with_dim(dims, d, _beside(values, d)))
        changed = iter(parts)
        return arranged(k, out, [next(changed) if isinstance(v, Tracked) else v for v in values], d)
    if not k.joins_axes:
        return k.join(values, d)
    try:
        values = [_on_an_axis(k, v, d, parts) if isinstance(v, Tracked) else v for v in values]
        return _in_one_map(k, values, [v for v in values if isinstance(v, Tracked)], d)
    except UnreadableError:
        return k.join(values, d)


def _along_a_lost_axis(k: Tracker, values: Sequence[Any], d: int) -> Tracked | None:
    """Tensors one after another along an axis of which all hold one entry, or repeat it; None where it is no axis."""
    parts = [v for v in values if isinstance(v, Tracked)]
    ndim, first = len(k.image), len(k.shape) - len(k.image)
    others = [e for e in range(first, len(k.shape)) if e != d]
    if first != 2 or d < first or not others or len({p.layer for p in parts}) < 2:
        return None
    if any(p.dims[e] != whole_axis(e - first, p.map[e - first]) for p in parts for e in others):
        return None
    if any(len(p.map) != ndim or spatial(dim) for p in parts for dim in p.dims[:first]):
        return None
    try:
        values = [as_axis(k, v, d) if isinstance(v, Tracked) else v for v in values]
        return _in_one_map(k, values, [v for v in values if isinstance(v, Tracked)], d)
    except UnreadableError:
        return None


def _beside(values: Sequence[Any], d: int) -> Dim:
    """The dim that tensors without pixels along it make, one after another."""
    tracked = [i for i, v in enumerate(values) if isinstance(v, Tracked)]
    n = sum(v.shape[d] for v in values)
    if len(tracked) == len(values) and len({v.layer for v in values}) == 1:
        return mixed(n) if any(f.stride != 1 for v in values for f in v.dims[d]) else neutral(n)
    first = values[tracked[0]]
    at = sum(v.shape[d] for v in values[: tracked[0]])
    return one_of(n, at) if len(tracked) == 1 and first.shape[d] == 1 else mixed(n)


def _on_an_axis(k: Tracker, t: Tracked, d: int, parts: Sequence[Tracked]) -> Tracked:
    """What is joined with others along an axis: one entry that was selected has lost it, or was repeated."""
    axes = {f.axis for p in parts for f in spatial(p.dims[d])}
    if len(t.dims[d]) == 2 and t.dims[d][1].axis == NEUTRAL != t.dims[d][0].axis:
        return whole_dim(k, t, d)
    if spatial(t.dims[d]) or len(axes) > 1 or t.layer < 0 or k.drafts[t.layer].is_global:
        return t
    (axis,) = axes
    if t.map[axis] > 1 or axis in {f.axis for dim in t.dims for f in spatial(dim)}:
        return t
    n = length(t.dims[d])
    if n > 1:
        t = k.after(t, "resize", t.dims, size=[n if a == axis else m for a, m in enumerate(t.map)])
    return replace(t, dims=with_dim(t.dims, d, whole_axis(axis, n)))


def _in_one_map(k: Tracker, values: Sequence[Any], parts: list[Tracked], d: int) -> Tracked:
    """Tensors one after another along a dim that holds pixels, as one map."""
    if sum(bool(spatial(p.dims[d])) for p in parts) == 1:
        out = join_tokens(k, values, parts, d)
        if out is not None:
            return out
    rolled = _rolled(k, parts, d) if len(parts) == len(values) == 2 else None
    if rolled is not None:
        return rolled
    total, offset, placed = k.shape[d], 0, []
    for v in values:
        n = v.shape[d]
        if isinstance(v, Tracked):
            if not spatial(v.dims[d]):
                raise UnreadableError("it joins pixels and other entries along one axis")
            placed.append(pad_dim(k, v, d, offset, total - n - offset, "zeros"))
        offset += n
    if (
        len(k.image) == 1 and len({jump_of(k, v.layer) for v in parts} - {None}) > 1
    ):  # levels; on more axes they are rows
        raise UnreadableError("it joins maps of different jumps along their axis")
    return k.merge("concat", placed, common([p.dims for p in placed], k.shape))


def _rolled(k: Tracker, parts: list[Tracked], d: int) -> Tracked | None:
    """The end of a map put before its start: a roll, as ONNX writes it; None for anything else."""
    tail, head = (k.drafts[p.layer] if p.layer >= 0 else None for p in parts)
    if tail is None or head is None or not tail.op == head.op == "slice" or tail.sources != head.sources:
        return None
    axis, n = parts[0].dims[d][0].axis, k.shape[d]
    start, size = tail.params["start"][axis], k.map_of(tail.sources[0])
    both = tuple(n if a == axis else m for a, m in enumerate(tail.size))
    stop = head.params["stop"][axis] or 0
    if start == 0 or start != (stop + size[axis] if stop < 0 else stop) or size != both or max(tail.params["step"]) > 1:
        return None
    if any(s for a, s in enumerate(tail.params["start"]) if a != axis):
        return None
    source = Tracked(tail.sources[0], size, common([lengthened_dim(p, d, n) for p in parts], k.shape))
    return roll(k, source, d, -start if 2 * start <= n else n - start)
