"""Tensors that broadcast, and lay out the axes of their maps in different ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from rfscale.engine.network.axis_maps import AxisMap
from rfscale.engine.network.ops import OPS
from rfscale.engine.readers.tensors.layout import (
    Dim,
    Dims,
    Factor,
    has_no_place,
    is_repeated,
    is_whole,
    length,
    lengthened,
    neutral,
    parts_of,
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
            dims = [keys(k, p, d) if d - len(p.dims) in pairs else dim for d, dim in enumerate(p.dims)]
            p = replace(k.reduce(p, pairs, shrink=False), dims=tuple(dims))
        held.update({part: d for part, d in places.items() if d not in pairs})
        out.append(p)
    return out


def keys(k: Tracker, t: Tracked, d: int) -> Dim:
    """The dim of all entries of an axis, read at once beside the axis itself: which entry is where is not followed.

    Extra tokens that hold nothing beside the pixels may be cut off.
    """
    dim, base = t.dims[d], k.base(t.layer)
    if len(dim) != 1 or not dim[0].inner:
        return without_place(length(dim), of=(base,) if all(not f.inner for f in dim) else ())
    f = dim[0]
    tokens = [n for n in f.extra if n >= 0]
    if tokens and not _hold(k, base, tokens):
        return without_place(f.size)
    return without_place(f.size, f.lead, length(f.inner), (base,))


def _hold(k: Tracker, layer: int, others: Sequence[int]) -> bool:
    """Whether all entries of a layer together surely read all that other layers do."""
    held = dict.fromkeys(_read_whole(k, layer), True)
    todo = list(others)
    while todo:
        n = todo[-1]
        sources = k.drafts[n].sources if n >= 0 else ()
        missing = [] if n in held else [s for s in sources if s not in held]
        if missing:
            todo += missing
        else:
            held.setdefault(n, bool(sources) and all(held[s] for s in sources))
            todo.pop()
    return all(held[n] for n in others)


def _read_whole(k: Tracker, layer: int) -> set[int]:
    """Layers of which all entries are read by those of a layer together, itself included."""
    whole: set[int] = set()
    some: set[int] = set()  # at least one entry is read
    todo = [(layer, True)]
    while todo:
        n, every = todo.pop()
        every = every or max(k.map_of(n)) == 1
        if n in whole or (n in some and not every):
            continue
        (whole if every else some).add(n)
        if n < 0:
            continue
        op = OPS[k.drafts[n].op]
        if op.kind == "global":
            todo += [(source, True) for source in k.drafts[n].sources]
        elif op.kind == "merge" or _reads(k, n).some:
            todo += [(source, every and (op.kind == "merge" or _reads(k, n).every)) for source in k.drafts[n].sources]
    return whole


class Reads(NamedTuple):
    """What the entries of a layer read: all entries of its input together, or at least one each."""

    every: bool
    some: bool


def _reads(k: Tracker, layer: int) -> Reads:
    if layer not in k.coverage:
        draft = k.drafts[layer]
        sizes = zip(k.map_of(draft.sources[0]), draft.size, strict=True)
        axes = [_of_axis(OPS[draft.op].axis_map(draft.params, a, n), n, m) for a, (n, m) in enumerate(sizes)]
        k.coverage[layer] = Reads(all(each.every for each in axes), all(each.some for each in axes))
    return k.coverage[layer]


def _of_axis(each: AxisMap, n: int, m: int) -> Reads:
    """What m entries of an axis read of another of n."""
    if each.reads_all:
        return Reads(True, True)
    read = [{each.down * (o // each.up) + tap for tap in each.taps[o % each.up]} for o in range(m)]
    entries = set(range(n))
    return Reads(entries <= set().union(*read), all(entries & found for found in read))


def all_alike(k: Tracker, t: Tracked, dims: Dims) -> Dims:
    """The dims of all entries of a tensor as one: it holds all parts of a layer of which each entry holds one."""
    if not any(map(has_no_place, dims)):
        return dims
    own, todo = set(), [t.layer]
    while todo:
        layer = k.base(todo.pop())
        own.add(layer)
        if layer >= 0 and OPS[k.drafts[layer].op].kind == "merge":
            todo += k.drafts[layer].sources
    return tuple(neutral(length(dim)) if parts_of(dim) and own.issuperset(parts_of(dim)) else dim for dim in dims)
