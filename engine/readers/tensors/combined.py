"""How the dims of an elementwise operation on several tensors hold the axes: what the tensors' dims have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rfscale.engine.readers.tensors.layout import (
    CACHED,
    NO_PLACE,
    NOT_ALIKE,
    ONE_OF_THEM,
    Dim,
    Dims,
    Factor,
    UnreadableError,
    check_alike,
    has_some_gone,
    is_alike,
    length,
    mixed,
    neutral,
    number_of,
    parts_of,
    spatial,
    together,
    with_dim,
    with_tokens,
    without_place,
)

if TYPE_CHECKING:
    from rfscale.engine.readers.tensors.tracking import Shape, Tracked


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
    if len(long) == 1 and len(every) == 1:
        return long[0]
    if len(long) == 1 and ONE_OF_THEM not in strides:  # what is added is at each of the entries
        return tuple(f._replace(number=0) if f.stride == 0 else f for f in long[0])
    if NO_PLACE not in strides:
        return mixed(size, any(map(has_some_gone, long)))
    (first, *others) = [dim for dim in long if not is_alike(dim)]
    number = first[0].number if len(first) == 1 and not others else 0
    return without_place(size, of=parts_of(f for dim in long for f in dim if f.stride != 1), number=number)


def _as_one(dims: Sequence[Dim]) -> Dim | None:
    """The dim of tensors with the same entries along it, whatever their extra tokens hold; None where they differ."""
    first = dims[0]
    if all(dim == first for dim in dims[1:]):
        return first
    if len({with_tokens(dim, ()) for dim in dims}) > 1:
        return None
    return with_tokens(first, together(f.extra for dim in dims for f in dim))


# channels of several layers ------------------------------------------------------------------------------------------


@dataclass
class Arrangement:
    """Tensors one after another along a dim without pixels.

    Attributes
    ----------
    lengths : tuple of int
        Entries of each along the dim.
    parts : tuple of (int, Dim) or None
        Layer of each, and how it holds the dim; None for constants.
    layers : set of int
        The layer of all of them, and those that hold it with something added to each channel, or scaled.
    first : int
        The first of these.
    """

    lengths: Shape
    parts: tuple[tuple[int, Dim] | None, ...]
    layers: set[int]

    def __post_init__(self) -> None:
        (self.first,) = self.layers


def still_arranged(out: Tracked, parts: Sequence[Tracked], known: Sequence[Arrangement]) -> Tracked:
    """Keep what is known of channels that hold different maps, where an operation changed each by itself."""
    for d, dim in enumerate(out.dims):
        n = length(dim)
        if dim != mixed(n) or n == 1:
            continue
        places = [d - len(out.dims) + len(p.dims) for p in parts]
        here = [p.dims[at] if at >= 0 else () for p, at in zip(parts, places, strict=True)]
        numbers = {number_of(x) for x in here if length(x) == n and not is_alike(x)}
        if len(numbers) > 1 or 0 in numbers:
            continue
        (number,) = numbers
        layers = known[number - 1].layers
        if all((p.layer in layers) == (number_of(x) == number) for p, x in zip(parts, here, strict=True)):
            layers.add(out.layer)  # no other part reads along the channels what is in them
            out = replace(out, dims=with_dim(out.dims, d, (Factor(n, stride=0, number=number),)))
    return out


def still_scores(out: Tracked, parts: Sequence[Tracked], known: list[Any]) -> Tracked:
    """Keep what is known of scores to which something was added, the same for all keys of a query."""
    for d, dim in enumerate(out.dims):
        number = dim[0].number if len(dim) == 1 and dim[0].stride == NO_PLACE else 0
        if number:
            places = [d - len(out.dims) + len(p.dims) for p in parts]
            others = [p for p, at in zip(parts, places, strict=True) if at < 0 or is_alike(p.dims[at])]
            scores = known[number - 1]
            known.append(scores._replace(layer=out.layer, beside=(*scores.beside, *others)))
            out = replace(out, dims=with_dim(out.dims, d, (dim[0]._replace(number=len(known)),)))
    return out
