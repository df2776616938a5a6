"""How the dims of a tensor hold the spatial axes of a map: whole, split into windows, flattened, or not at all.

A dim is a product of factors, the outer first. A factor is neutral (batch, channels, heads) or a part of one axis: the
index along the axis is the sum of ``index * stride`` over its factors. So a view into windows of 7 splits an axis of 56
into the factors (8, stride 7) and (7, stride 1), and a permutation moves them; neither changes a footprint.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import prod
from typing import NamedTuple, TypeAlias

CACHED = 4096  # layouts of which what follows is kept: most operators leave them alone
NEUTRAL = -1
ONE_OF_THEM = -1
NO_PLACE = -2
ALL_OF_IT = -1
NOT_ALIKE = -2


class UnreadableError(Exception):
    """A node that the reader cannot express as layers; the message says why."""


class Factor(NamedTuple):
    """One factor of a dim.

    Attributes
    ----------
    size : int
    axis : int
        Number of the spatial axis, or `NEUTRAL`.
    stride : int
        Entries along the axis between two of its indices; of a neutral factor 0 where its entries hold different maps,
        so that they are no pixels of one map, `ONE_OF_THEM` where all but the entry `place` hold nothing, and
        `NO_PLACE` where each holds a part of the map that is not known, and all of them together the whole.
    inner : tuple of Factor
        What a sequence holds besides extra tokens (a class token). Never split.
    lead : int
        Extra tokens before what a sequence holds besides them.
    extra : tuple of int
        Layers of one entry that the extra tokens read, none where they hold nothing of the image; `ALL_OF_IT` where
        they read all that the entries of the sequence do, `NOT_ALIKE` where each token may read other layers of these.
        Of a factor with `NO_PLACE`, the layers whose parts its entries hold; none where that is not known.
    number : int
        What the tracker knows of the entries: where they hold different maps, the `Arrangement` that says which;
        where they have no place, the `Scores` that they are, or whose weights where they hold one map; 0 for nothing.
    place : int
        Of a factor with `ONE_OF_THEM`, the entry that holds the map; of one whose entries hold different maps 1 where a
        constant took some entries out.
    apart : tuple of (int, tuple of int)
        Extra tokens in their order that read different layers, where that is known of each: how many read which.
    """

    size: int
    axis: int = NEUTRAL
    stride: int = 1
    inner: tuple[Factor, ...] = ()
    lead: int = 0
    extra: tuple[int, ...] = ()
    number: int = 0
    place: int = 0
    apart: tuple[tuple[int, tuple[int, ...]], ...] = ()


Dim: TypeAlias = tuple[Factor, ...]
Dims: TypeAlias = tuple[Dim, ...]


def neutral(size: int) -> Dim:
    """Return a dim without spatial factors."""
    return () if size == 1 else (Factor(size),)


def mixed(size: int, some_gone: bool = False) -> Dim:
    """Return a dim without spatial factors whose entries hold different maps, or nothing; a constant took some out."""
    return () if size == 1 else (Factor(size, NEUTRAL, 0, place=int(some_gone)),)


def has_some_gone(dim: Dim) -> bool:
    """Whether a constant took some entries of a dim without spatial factors out."""
    return any(f.axis == NEUTRAL and f.stride == 0 and f.place > 0 for f in dim)


def number_of(dim: Dim) -> int:
    """Return the number of the `Arrangement` of a dim whose entries hold different maps; 0 for any other."""
    return dim[0].number if len(dim) == 1 and dim[0].axis == NEUTRAL and dim[0].stride == 0 else 0


def one_of(size: int, at: int) -> Dim:
    """Return a dim without spatial factors of which one entry holds the map, and the others nothing."""
    return () if size == 1 else (Factor(size, NEUTRAL, ONE_OF_THEM, place=at),)


def without_place(size: int, lead: int = 0, needed: int = 0, of: tuple[int, ...] = (), number: int = 0) -> Dim:
    """Return a dim whose entries hold parts of the map that are not known: only all of them at once can be read.

    Where `needed` entries after the first `lead` hold all that there is, the others may be cut off; `of` are the layers
    whose parts they hold, where that is known.
    """
    inner = (Factor(needed, NEUTRAL, NO_PLACE),) if 1 < needed < size else ()
    return () if size == 1 else (Factor(size, NEUTRAL, NO_PLACE, inner, lead if inner else 0, of, number),)


def parts_of(factors: Iterable[Factor]) -> tuple[int, ...]:
    """The layers whose parts the entries of factors hold; none where one of them does not say it."""
    every = [f.extra if f.stride == NO_PLACE else () for f in factors]
    return tuple(sorted({layer for each in every for layer in each})) if all(every) else ()


def scores_of(dim: Dim) -> int:
    """Return the number of the `Scores` that the entries of a dim are; 0 for any other."""
    return dim[0].number if len(dim) == 1 and dim[0].axis == NEUTRAL and dim[0].stride == NO_PLACE else 0


def weights_of(dim: Dim) -> int:
    """Return the number of the `Scores` whose weights the entries of a dim are; 0 for any other."""
    return dim[0].number if len(dim) == 1 and dim[0].axis == NEUTRAL and dim[0].stride == 1 else 0


def as_weights_of(size: int, number: int) -> Dim:
    """Return a dim of the weights of all keys: each entry holds what all of them do."""
    return () if size == 1 else (Factor(size, number=number),)


def cut_without_place(dim: Dim, start: int, stop: int) -> Dim | None:
    """The dim of entries start to stop of one whose entries have no place; None where more than extra tokens is cut."""
    (f, *rest) = dim
    needed = length(f.inner)
    if rest or not f.inner or start > f.lead or stop < f.lead + needed:
        return None
    return without_place(stop - start, f.lead - start, needed, f.extra)


def some_of(dim: Dim, size: int) -> Dim:
    """Return a dim of so many entries of one without spatial factors, in any order, each as often as it may be."""
    if has_no_place(dim):
        return without_place(size, of=parts_of(dim))
    return neutral(size) if is_alike(dim) else mixed(size)


def picked(dim: Dim, table: Sequence[int]) -> Dim:
    """Return a dim of the entries of one without spatial factors that a table names.

    Raises
    ------
    UnreadableError
        Where these are some of several of which a constant took entries out.
    """
    if has_some_gone(dim) and len({*table}) < length(dim):
        raise UnreadableError("it reads some of the channels of which a constant took entries out")
    if len(dim) == 1 and dim[0].stride == ONE_OF_THEM:
        places = [place for place, entry in enumerate(table) if entry == dim[0].place]
        if len(places) == 1:
            return one_of(len(table), places[0])
    return some_of(dim, len(table))


def is_alike(dim: Dim) -> bool:
    """Whether the entries of a dim without spatial factors hold one map, so that it goes with any other."""
    return all(f.stride == 1 for f in dim)


def has_no_place(dim: Dim) -> bool:
    """Whether the entries of a dim hold parts of the map that are not known."""
    return any(f.axis == NEUTRAL and f.stride == NO_PLACE for f in dim)


def check_place(dim: Dim) -> None:
    """Raise UnreadableError where an operator would read some entries of a dim whose place on the map is not known."""
    if has_no_place(dim):
        raise UnreadableError("it reads some of the entries whose place on the map is not known")


def check_alike(dim: Dim) -> None:
    """Raise UnreadableError where the entries of a dim without spatial factors would be those of an axis."""
    check_place(dim)
    if not spatial(dim) and not is_alike(dim):
        raise UnreadableError("it combines the entries of an axis with others that hold different maps, or nothing")


def whole_axis(axis: int, size: int) -> Dim:
    """Return a dim that is one axis from end to end."""
    return (Factor(size, axis),)


def with_dim(dims: Dims, d: int, *new: Dim) -> Dims:
    """Return the dims with one replaced by another, by none, or by several; d must not be negative."""
    return (*dims[:d], *new, *dims[d + 1 :])


def length(dim: Dim) -> int:
    """Entries of a dim."""
    if len(dim) <= 1:
        return dim[0].size if dim else 1
    return prod(f.size for f in dim)


@lru_cache(maxsize=CACHED)
def spatial(dim: Dim) -> tuple[Factor, ...]:
    """Return the spatial factors of a dim, those of a sequence with extra tokens included."""
    return tuple(g for f in dim for g in (f.inner or (f,)) if g.axis != NEUTRAL)


def joined(factors: Iterable[Factor]) -> Dim:
    """Return the factors with neighbours that make one factor joined."""
    out: list[Factor] = []
    for f in factors:
        last = out[-1] if out else None
        if f.size == 1:
            continue
        if last is None or last.inner or f.inner or last.axis != f.axis:
            out.append(f)
        elif f.axis == NEUTRAL:
            alike = (last.stride == NO_PLACE) == (f.stride == NO_PLACE)
            out[-1:] = [_neutral(last.size * f.size, last, f)] if alike else [last, f]
        elif last.stride == f.stride * f.size:
            out[-1] = Factor(last.size * f.size, f.axis, f.stride)
        else:
            out.append(f)
    return tuple(out)


def _neutral(size: int, *factors: Factor) -> Factor:
    """A neutral factor that several others have made, or a part of one."""
    strides = {f.stride for f in factors}
    if NO_PLACE in strides:
        return Factor(size, NEUTRAL, NO_PLACE, extra=parts_of(factors))
    return mixed(size, has_some_gone(factors))[0] if strides != {1} else Factor(size)


def is_sequence(dim: Dim) -> bool:
    """Whether a dim holds more than one axis from end to end."""
    return any(f.inner for f in dim) or len({f.axis for f in dim}) > 1 or any(f.axis == NEUTRAL for f in dim)


def is_repeated(dim: Dim, alike: bool = False) -> bool:
    """Whether a dim is an axis with several entries in the place of each; `alike`: they hold one map, or nothing."""
    pair = len(dim) == 2 and dim[0].axis != NEUTRAL == dim[1].axis and not dim[1].inner
    return pair and (dim[1].stride in (1, ONE_OF_THEM) or not alike)


def together(tokens: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    """What extra tokens read that are made of several, each of which reads so much."""
    layers = {layer for read in tokens for layer in read}
    return (ALL_OF_IT,) if ALL_OF_IT in layers else tuple(sorted(layers))


def with_tokens(dim: Dim, extra: tuple[int, ...]) -> Dim:
    """The dim of a sequence whose extra tokens read something else; any other dim as it is."""
    return tuple(f._replace(extra=extra, apart=()) if f.inner else f for f in dim)


def with_extra_entries(dim: Dim, lo: int, hi: int) -> Dim:
    """A sequence with extra entries, that hold nothing, before and after it."""
    if len(dim) == 1 and dim[0].inner:
        f = dim[0]
        if ALL_OF_IT in f.extra:
            raise UnreadableError("it pads a sequence whose extra tokens hold something")
        extra = together([f.extra, (NOT_ALIKE,)]) if f.extra else ()
        return (f._replace(size=f.size + lo + hi, lead=f.lead + lo, extra=extra, apart=()),)
    if any(f.inner for f in dim):
        raise UnreadableError("it pads a sequence inside another")
    axis = next(f.axis for f in dim if f.axis != NEUTRAL)
    return (Factor(length(dim) + lo + hi, axis, 1, dim, lo),)


def regroup(dims: Dims, shape: Sequence[int]) -> Dims:
    """Return the dims of a view: the same factors in the same order under another shape.

    Raises
    ------
    UnreadableError
        Where the new shape cuts a factor into parts of unequal size.
    """
    return _regrouped(dims, tuple(shape))


@lru_cache(maxsize=CACHED)
def _regrouped(dims: Dims, shape: tuple[int, ...]) -> Dims:
    factors = list(joined(f for dim in dims for f in dim))[::-1]
    out = []
    for size in shape:
        dim, target = [], size
        while target > 1 and factors:
            f = factors.pop()
            if target % f.size == 0:
                dim.append(f)
                target //= f.size
            elif f.size % target == 0 and not f.inner:
                rest = f.size // target
                if f.axis == NEUTRAL:
                    f = _neutral(f.size, f)
                dim.append(f._replace(size=target, stride=f.stride * rest if f.axis != NEUTRAL else f.stride))
                factors.append(f._replace(size=rest))
                target = 1
            else:
                break
        if target != 1:
            raise UnreadableError(f"a view as {'×'.join(map(str, shape))} cuts across the map's axes")
        out.append(joined(dim))
    return tuple(out)


def check_fit(dims: Dims, size: Sequence[int], shape: Sequence[int]) -> None:
    """Check that the dims make a tensor of this shape, and lie within a map of this size.

    Raises
    ------
    UnreadableError
        Where they do not: the operator was read wrongly.
    """
    made = tuple([length(dim) for dim in dims])
    if made != tuple(shape):
        raise UnreadableError(f"it was read as a tensor of {_times(made)} where the model has {_times(shape)}")
    for reached, n in zip(_reached(dims, len(size)), size, strict=True):
        if reached > n:
            raise UnreadableError(f"it was read as {reached} entries along an axis where the layer's map has {n}")


@lru_cache(maxsize=CACHED)
def _reached(dims: Dims, axes: int) -> tuple[int, ...]:
    """Entries along each axis up to the last that the dims carry."""
    parts = {(f.axis, f.size, f.stride) for dim in dims for f in spatial(dim)}
    return tuple(1 + sum((n - 1) * stride for at, n, stride in parts if at == axis) for axis in range(axes))


@lru_cache(maxsize=CACHED)
def has_whole_axes(dims: Dims, size: tuple[int, ...]) -> bool:
    """Whether each dim is one axis of a map of this size from end to end, or carries none."""
    held = [dim for dim in dims if spatial(dim)]
    whole = {dim[0].axis for dim in held if dim == whole_axis(dim[0].axis, size[dim[0].axis])}
    return len(whole) == len(held)


def _times(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "one number"


def restrided(dims: Dims, scale: Sequence[int]) -> Dims:
    """Return the dims for a map whose axes are `scale` times shorter, their lowest factors gone."""

    def one(f: Factor) -> Factor:
        if f.inner:
            return f._replace(inner=tuple(map(one, f.inner)))
        return f if f.axis == NEUTRAL else f._replace(stride=max(1, f.stride // scale[f.axis]))

    return tuple(tuple(map(one, dim)) for dim in dims)


def lengthened(dims: Dims, scale: Sequence[int]) -> Dims:
    """Return the dims for a map whose axes are `scale` times longer: the inverse of `restrided`."""

    def one(f: Factor) -> Factor:
        if f.inner:
            return f._replace(inner=tuple(map(one, f.inner)))
        return f if f.axis == NEUTRAL else f._replace(stride=f.stride * scale[f.axis])

    return tuple(tuple(map(one, dim)) for dim in dims)


def in_blocks(dims: Dims, block: Sequence[int]) -> bool:
    """Whether all parts of the axes count whole blocks of so many entries."""
    return all(f.stride % block[f.axis] == 0 for dim in dims for f in spatial(dim))


def one_per_axis(factors: Iterable[Factor]) -> list[dict[int, Factor]]:
    """Return factors in rounds that hold each axis at most once."""
    rounds: list[dict[int, Factor]] = []
    for f in factors:
        free = next((r for r in rounds if f.axis not in r), None)
        if free is None:
            rounds.append(free := {})
        free[f.axis] = f
    return rounds


@lru_cache(maxsize=CACHED)
def is_whole(dims: Dims, size: tuple[int, ...]) -> bool:
    """Whether each axis lies from end to end in a dim of its own."""
    held = [dim[0] for dim in dims if len(dim) == 1 and spatial(dim) and not dim[0].inner]
    whole = {f.axis for f in held if (f.size, f.stride) == (size[f.axis], 1)}
    return len(held) == len(whole) == sum(1 for dim in dims if spatial(dim)) and len(whole) == len(size)
