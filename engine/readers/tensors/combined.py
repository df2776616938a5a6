"""How the dims of an elementwise operation on several tensors hold the axes: what the tensors' dims have in common."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from rfscale.engine.readers.tensors.layout import (
    CACHED,
    NO_PLACE,
    NOT_ALIKE,
    ONE_OF_THEM,
    Dim,
    Dims,
    UnreadableError,
    check_alike,
    length,
    mixed,
    neutral,
    parts_of,
    spatial,
    together,
    with_tokens,
    without_place,
)


def common(every: Sequence[Dims], shape: Sequence[int]) -> Dims:
    """Return the dims of an elementwise operation on tensors that broadcast to `shape`.

    Raises
    ------
    UnreadableError
        Where one dim carries different axes in different tensors, or two dims the same axis.
    """
    return _common(tuple(every), tuple(shape))


@lru_cache(maxsize=CACHED)
def _common(every: tuple[Dims, ...], shape: tuple[int, ...]) -> Dims:
    out: list[Dim] = []
    for position in range(-len(shape), 0):
        here = [dims[position] if len(dims) >= -position else () for dims in every]
        long = [
            dim for dim in here if spatial(dim) and not length(dim) == 1 < shape[position]
        ]  # one entry goes with all
        if not long:
            out.append(_without_axes(here, shape[position]))
            continue
        kept = _as_one(long)
        if kept is None:
            raise UnreadableError("it combines tensors whose dims carry different parts of the spatial axes")
        if length(kept) != shape[position]:
            raise UnreadableError("it repeats a spatial axis")
        if len(long) < len(here):
            for dim in here:
                check_alike(dim)
            kept = with_tokens(kept, together([*(f.extra for f in kept), (NOT_ALIKE,)]))
        out.append(kept)
    held = [(f.axis, f.stride) for dim in out for f in spatial(dim)]
    if len(set(held)) < len(held):
        raise UnreadableError("it pairs the entries of one axis with each other")
    return tuple(out)


def _without_axes(every: Sequence[Dim], size: int) -> Dim:
    """The dim without spatial factors that tensors have together; what holds different maps in one does in the sum."""
    long = [dim for dim in every if length(dim) == size > 1]
    strides = {f.stride for dim in long for f in dim}
    if strides <= {1}:
        return neutral(size)
    if len(long) == 1 and (len(every) == 1 or ONE_OF_THEM not in strides):  # what is added is at each of the entries
        return long[0]
    if NO_PLACE not in strides:
        return mixed(size)
    return without_place(size, of=parts_of(f for dim in long for f in dim if f.stride != 1))


def _as_one(dims: Sequence[Dim]) -> Dim | None:
    """The dim of tensors with the same entries along it, whatever their extra tokens hold; None where they differ."""
    first = dims[0]
    if all(dim == first for dim in dims[1:]):
        return first
    if len({with_tokens(dim, ()) for dim in dims}) > 1:
        return None
    return with_tokens(first, together(f.extra for dim in dims for f in dim))
