"""Operators that act along the spatial axes: windows, resampling, borders, cuts, joins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from rfscale.engine.readers.tensors.layout import (
    NEUTRAL,
    ONE_OF_THEM,
    Dims,
    Factor,
    UnreadableError,
    check_alike,
    check_place,
    cut_without_place,
    has_no_place,
    is_repeated,
    is_sequence,
    joined,
    length,
    mixed,
    neutral,
    one_of,
    picked,
    restrided,
    some_of,
    spatial,
    whole_axis,
    with_dim,
    with_extra_entries,
)
from rfscale.engine.readers.tensors.operators.channel_parts import cut_out
from rfscale.engine.readers.tensors.operators.extra_tokens import narrow_tokens
from rfscale.engine.readers.tensors.rearranged import Rearranged, cut, padded
from rfscale.engine.readers.tensors.tracking import Constant, Joined, Tracked, Tracker, axis_values

Axes = list[int | None]
MAX_RECTANGLES = 32  # each of which is a slice put back to its place
MAX_PART = 1000  # denominator of a factor: a number of three decimals, as people write them, has no larger one


def clean(k: Tracker, t: Tracked, ndim: int, mixes: bool = False) -> tuple[Tracked, Axes]:
    """Return the tensor with each of its last `ndim` dims one whole axis, and which axis each is.

    A dim that carries no axis gets one that no other dim carries, if the map has that many entries along it; otherwise
    None: a neutral dim, along which operators do not matter.

    Parameters
    ----------
    mixes : bool
        The operator reads all channels at once, so pixels that views put there move to the map.
    """
    first = len(t.dims) - ndim
    if first >= 1 and spatial(t.dims[first - 1]):
        if not mixes:
            raise UnreadableError("it acts on a map whose channels hold pixels")
        t = k.reduce(t, [first - 1], "space_to_depth")
    for d in range(first, len(t.dims)):
        check_place(t.dims[d])
        t = whole_dim(k, t, d)
    axes: Axes = [next((f.axis for f in spatial(dim)), None) for dim in t.dims[first:]]
    taken = {f.axis for dim in t.dims for f in spatial(dim)}
    if len(set(axes) - {None}) < len([a for a in axes if a is not None]) or any(
        f.axis in axes for dim in t.dims[:first] for f in spatial(dim)
    ):
        raise UnreadableError("it acts inside windows of the map")
    free = [a for a in range(len(t.map)) if a not in taken]
    for j, axis in enumerate(axes):
        n = length(t.dims[first + j])
        if axis is None and free and (fits := [a for a in free if t.map[a] == n or n == 1]):
            check_alike(t.dims[first + j])
            axes[j] = a = fits[0]
            free.remove(a)
            if t.map[a] != n:
                t = _sliced(k, t, a, 0, 1, 1, t.dims)
            t = replace(t, dims=with_dim(t.dims, first + j, whole_axis(a, n)))
    return t, axes


def whole_dim(k: Tracker, t: Tracked, d: int) -> Tracked:
    """Make one dim a whole axis, if it carries any part of one."""
    dim = t.dims[d]
    if not spatial(dim):
        return t
    f = dim[0]
    if f.axis == NEUTRAL or f.inner or len(dim) > 2 or (len(dim) == 2 and (dim[1].axis != NEUTRAL or dim[1].inner)):
        raise UnreadableError("it acts along a dim that holds several axes or extra tokens")
    if (f.size, f.stride) != (t.map[f.axis], 1):
        if any(g.axis == f.axis for e, other in enumerate(t.dims) if e != d for g in spatial(other)):
            raise UnreadableError("it acts inside windows of the map")
        dims = tuple((whole_axis(f.axis, f.size) + x[1:]) if e == d else x for e, x in enumerate(t.dims))
        t = _sliced(k, t, f.axis, 0, min(f.size * f.stride, t.map[f.axis]), f.stride, dims)
    if len(dim) == 2:
        if dim[1].stride != 1:
            return _apart(k, t, d)
        scale = [dim[1].size if a == f.axis else 1 for a in range(len(t.map))]
        dims = tuple(whole_axis(f.axis, length(dim)) if e == d else x for e, x in enumerate(t.dims))
        t = k.after(t, "pixel_shuffle", dims, scale=scale)
    return t


def _apart(k: Tracker, t: Tracked, d: int) -> Tracked:
    """Make pixels of entries of which one holds the map: nothing is between the pixels of the map."""
    (f, between) = t.dims[d]
    if between.stride != ONE_OF_THEM:
        raise UnreadableError("it makes pixels of entries that hold different maps")
    ndim, n = len(t.map), f.size * between.size
    dims = with_dim(t.dims, d, whole_axis(f.axis, n))
    t = k.after(t, "conv_transpose", dims, kernel=1, stride=axis_values([f.axis], [between.size], ndim, 1))
    around = [axis_values([f.axis], [i], ndim, 0) for i in (between.place, between.size - 1 - between.place)]
    return k.after(t, "pad", dims, padding=around[0] + around[1])


def _sliced(
    k: Tracker, t: Tracked, axis: int, start: int, stop: int, step: int, dims: Dims, from_end: bool = False
) -> Tracked:
    ndim = len(t.map)

    def per_axis(value: Any, default: Any) -> list[Any]:
        return [value if a == axis else default for a in range(ndim)]

    last = None if stop >= t.map[axis] else stop - from_end * t.map[axis]  # up to the end, of a map of any size
    given: dict[str, Any] = {"start": per_axis(start, 0), "stop": per_axis(last, None), "step": per_axis(step, 1)}
    return k.after(t, "slice", dims, **given)


def write_along(
    k: Tracker, t: Tracked, axes: Axes, op: str, channels: int | None = None, before: int | None = None, **given: Any
) -> Tracked:
    """Write a layer that acts along the last dims, and check that its map has the shape that the model says."""
    first = len(t.dims) - len(axes)
    out = k.after(t, op, t.dims, before, **given, **({"channels": channels} if channels else {}))
    dims = list(t.dims)
    if channels and first >= 1:
        apart = given.get("groups", 1) > 1 and not spatial(dims[first - 1])
        dims[first - 1] = some_of(dims[first - 1], channels) if apart else neutral(channels)
    for j, axis in enumerate(axes):
        n = k.shape[first + j]
        if axis is not None and out.map[axis] != n:
            raise UnreadableError(f"{op} makes a map of {out.map[axis]} entries where the model says {n}")
        dims[first + j] = some_of(dims[first + j], n) if axis is None else whole_axis(axis, n)
    return Tracked(out.layer, out.map, tuple(dims))


def resize(k: Tracker, t: Tracked, rank: int, mode: str, **coordinates: Any) -> Tracked:
    """Resampling to the shape that the model says."""
    t, axes = clean(k, t, rank)
    target = target_size(t, axes, k.shape[-rank:])
    if target == list(t.map):
        return t
    if all(new % old == 0 for new, old in zip(target, t.map, strict=True)):
        scale = [new // old for new, old in zip(target, t.map, strict=True)]
        return write_along(k, t, axes, "upsample", scale=scale, mode=mode, **coordinates)
    return write_along(k, t, axes, "resize", size=target, mode=mode, **coordinates)


def factor(value: float) -> Fraction:
    """Return the simple fraction that a float of a model's file or code stands for."""
    simple = Fraction(value).limit_denominator(MAX_PART)
    if abs(simple - Fraction(value)) > 1e-6 * abs(value):
        raise UnreadableError(f"it resamples by {value:g}, which is no simple fraction")
    return simple


def resize_by(k: Tracker, t: Tracked, rank: int, mode: str, scales: Sequence[Fraction], **coordinates: Any) -> Tracked:
    """Resampling by factors that need not make whole sizes: what sticks out at the end is not made.

    The entries lie where they would if the map went on, its last entry repeated, to the next whole size.
    """
    t, axes = clean(k, t, rank)
    ndim = len(t.map)
    per_axis = {axis: s for axis, s in zip(axes, scales, strict=True) if axis is not None}
    extra = [-n % per_axis[a].denominator if a in per_axis else 0 for a, n in enumerate(t.map)]
    longer = [n + e for n, e in zip(t.map, extra, strict=True)]
    size = [int(n * per_axis.get(a, 1)) for a, n in enumerate(longer)]
    if any(extra):
        t = k.after(t, "pad", all_whole(t, axes, longer), padding=[0] * ndim + extra, mode="replicate")
    t = k.after(t, "resize", all_whole(t, axes, size), size=size, mode=mode, **coordinates)
    over = [n - m for n, m in zip(size, target_size(t, axes, k.shape[-rank:]), strict=True)]
    if min(over) < 0:
        raise UnreadableError("it makes more entries than its factors say")
    return write_along(k, t, axes, "crop", amount=[0] * ndim + over) if any(over) else t


def all_whole(t: Tracked, axes: Axes, size: Sequence[int]) -> Dims:
    """Dims of a tensor whose map has another size."""
    first = len(t.dims) - len(axes)
    last = (t.dims[first + j] if axis is None else whole_axis(axis, size[axis]) for j, axis in enumerate(axes))
    return (*t.dims[:first], *last)


def target_size(t: Tracked, axes: Axes, size: Sequence[int]) -> list[int]:
    """Entries per axis of a map whose last dims become `size`."""
    target = list(t.map)
    for axis, n in zip(axes, size, strict=True):
        if axis is not None:
            target[axis] = n
    return target


def pad(k: Tracker, t: Tracked, before: Sequence[int], after: Sequence[int], mode: str = "zeros") -> Any:
    """Padding of any dims, one number per dim and side; negative numbers cut."""
    for d, (lo, hi) in enumerate(zip(before, after, strict=True)):
        if (lo or hi) and isinstance(t, Tracked):
            t = pad_dim(k, t, d, lo, hi, mode)
    return t if isinstance(t, Tracked) else Constant(k.shape)


def pad_dim(k: Tracker, t: Tracked, d: int, lo: int, hi: int, mode: str = "zeros") -> Any:
    """Padding of one dim: of an axis, of a sequence by extra tokens, or of channels."""
    n = t.shape[d]
    if lo < 0 or hi < 0:
        t = narrow(k, t, d, max(0, -lo), n - max(0, -hi), 1)
        return pad_dim(k, t, d, max(0, lo), max(0, hi), mode) if max(lo, hi) > 0 and isinstance(t, Tracked) else t
    if not lo and not hi:
        return t
    if isinstance(t, Rearranged) and mode == "zeros":
        return padded(t, d, lo, hi)
    t = as_axis(k, t, d)
    if not spatial(t.dims[d]):
        longer = (
            some_of(t.dims[d], n + lo + hi)
            if mode != "zeros"
            else one_of(1 + lo + hi, lo)
            if n == 1
            else mixed(n + lo + hi)
        )
        return replace(t, dims=with_dim(t.dims, d, longer))
    if mode == "zeros" and is_sequence(t.dims[d]) and not is_repeated(t.dims[d], alike=True):
        return replace(t, dims=with_dim(t.dims, d, with_extra_entries(t.dims[d], lo, hi)))
    t = whole_dim(k, t, d)
    axis, ndim = t.dims[d][0].axis, len(t.map)
    sides = axis_values([axis], [lo], ndim, 0) + axis_values([axis], [hi], ndim, 0)
    given: dict[str, Any] = {} if mode == "zeros" else {"mode": mode}
    return k.after(t, "pad", lengthened_dim(t, d, n + lo + hi), padding=sides, **given)


def as_axis(k: Tracker, t: Tracked, d: int) -> Tracked:
    """Give a dim that stands where an axis does, and carries none, the axis that no dim carries.

    Such a dim is what a slice of one entry leaves, or a map that was expanded.
    """
    check_place(t.dims[d])
    ndim, n = len(t.map), length(t.dims[d])
    axis = d - (len(t.dims) - ndim)
    held = {f.axis for dim in t.dims for f in spatial(dim)}
    if spatial(t.dims[d]) or axis < 0 or len(held) == ndim or (n > 1 and len(t.dims) < ndim + 2):
        return t
    check_alike(t.dims[d])
    if axis in held:
        axis = next(a for a in range(ndim) if a not in held)
    if t.map[axis] > 1 and t.map[axis] != n:
        t = _sliced(k, t, axis, 0, 1, 1, t.dims)
    if t.map[axis] != n:
        t = k.after(t, "resize", t.dims, size=[n if a == axis else m for a, m in enumerate(t.map)])
    return replace(t, dims=with_dim(t.dims, d, whole_axis(axis, n)))


def lengthened_dim(t: Tracked, d: int, n: int) -> Dims:
    """Return the dims of a tensor whose axis along one of them has `n` entries."""
    return with_dim(t.dims, d, whole_axis(t.dims[d][0].axis, n))


def roll(k: Tracker, t: Tracked, d: int, shift: int) -> Tracked:
    """Entries that leave at one end come back at the other."""
    if not shift:
        return t
    if not spatial(t.dims[d]):
        n = length(t.dims[d])
        return replace(t, dims=with_dim(t.dims, d, picked(t.dims[d], [(i - shift) % n for i in range(n)])))
    t = whole_dim(k, t, d)
    return k.after(t, "roll", t.dims, shift=axis_values([t.dims[d][0].axis], [shift], len(t.map), 0))


def narrow(k: Tracker, t: Tracked, d: int, start: int, stop: int, step: int = 1, from_end: bool = False) -> Any:
    """Entries start, start + step, … before stop of one dim; where that is none, a constant without entries.

    `from_end` says that the model counts `stop` from the end of whatever map it gets.
    """
    size = max(0, -(-(stop - start) // step))
    if (start, size) == (0, t.shape[d]):
        return t
    if step < 1:
        raise UnreadableError("it reverses a dim")
    if size == 0:
        return Constant((*t.shape[:d], 0, *t.shape[d + 1 :]))
    if isinstance(t, Rearranged):
        return cut(t, d, start, stop, step)
    dim = t.dims[d]

    def become(new: tuple[Factor, ...]) -> Dims:
        return with_dim(t.dims, d, new)

    if has_no_place(dim) and step == 1 and (rest := cut_without_place(dim, start, stop)):
        return replace(t, dims=become(rest))
    check_place(dim)
    if not spatial(dim):
        part = cut_out(k, t, d, start, stop, narrow) if step == 1 else None
        return part or replace(t, dims=become(picked(dim, range(start, stop, step))))
    if len(dim) > 1:
        if is_sequence(dim) and not is_repeated(dim):
            return _narrow_rows(k, t, d, start, stop, step)
        return narrow(k, whole_dim(k, t, d), d, start, stop, step)
    f = dim[0]
    if f.inner:
        return narrow_tokens(k, t, d, start, stop, step)
    scale = [1] * len(t.map)
    others = [g for e, x in enumerate(t.dims) if e != d for g in spatial(x) if g.axis == f.axis]
    if not others:
        step, start, stop = step * f.stride, start * f.stride, min(stop * f.stride, t.map[f.axis])
        if f.stride > 1:
            stop = min(stop, start + (size - 1) * step + 1)
        return _sliced(k, t, f.axis, start, stop, step, become(whole_axis(f.axis, size)), from_end and f.stride == 1)
    if step == 1 and f.size * f.stride == t.map[f.axis]:  # whole windows
        return _sliced(k, t, f.axis, start * f.stride, stop * f.stride, 1, become(joined((f._replace(size=size),))))
    if f.stride == 1 and size == 1 and min(g.stride for g in others) == f.size:  # one entry of each window
        scale[f.axis] = f.size
        return _sliced(k, t, f.axis, start, t.map[f.axis], f.size, restrided(become(()), scale))
    raise UnreadableError("it cuts inside windows of the map")


def _narrow_rows(k: Tracker, t: Tracked, d: int, start: int, stop: int, step: int) -> Tracked:
    """Whole rows of a map whose rows lie one after another along a dim, or entries of one row."""
    first, rest = t.dims[d][:1], t.dims[d][1:]
    row = length(rest)
    within = start // row == (stop - 1) // row
    if first[0].inner or not (within or (step == 1 and start % row == stop % row == 0)):
        raise UnreadableError("it cuts a dim that holds several axes")
    out = narrow(k, replace(t, dims=with_dim(t.dims, d, first, rest)), d, start // row, -(-stop // row))
    if within:
        out = narrow(k, out, d + 1, start % row, (stop - 1) % row + 1, step)
    return replace(out, dims=with_dim(out.dims[: d + 1] + out.dims[d + 2 :], d, joined(out.dims[d] + out.dims[d + 1])))


def split(k: Tracker, t: Tracked, d: int, sizes: Sequence[int]) -> list[Any]:
    """Parts of one dim, one after another."""
    d %= len(t.dims)
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return [narrow(k, t, d, at, at + n) for at, n in zip(starts, sizes, strict=True)]


def select(k: Tracker, t: Tracked, d: int, index: int) -> Any:
    """One entry of a dim, which is left out."""
    held = t.dims[d] if not isinstance(t, Joined | Rearranged) else ()
    if len(held) == 1 and held[0].stride == ONE_OF_THEM and held[0].place != index:
        return Constant((*t.shape[:d], *t.shape[d + 1 :]))
    out = narrow(k, t, d, index, index + 1)
    if not isinstance(out, Tracked):
        return Constant((*out.shape[:d], *out.shape[d + 1 :]))
    return replace(out, dims=with_dim(out.dims, d))


def inside(k: Tracker, t: Tracked, kept: np.ndarray) -> Tracked:
    """Return the entries of a map that are kept, in some rectangles, at their places; nothing is at the others."""
    found = rectangles(kept)
    if len(found) > MAX_RECTANGLES:
        raise UnreadableError(f"it keeps {len(found)} rectangles of a map, more than {MAX_RECTANGLES}")
    pieces = []
    for rectangle in found:
        piece: Any = replace(t, dims=tuple(whole_axis(a, n) for a, n in enumerate(t.map)))
        for axis, (start, stop) in enumerate(rectangle):
            piece = narrow(k, piece, axis, start, stop)
            piece = pad_dim(k, piece, axis, start, t.map[axis] - stop)
        pieces.append(piece)
    return k.merge("concat", pieces, t.dims)


def rectangles(kept: np.ndarray) -> list[list[tuple[int, int]]]:
    """Take what is kept of a map apart into rectangles: on each axis the first entry, and the one after the last.

    >>> rectangles(np.array([[True, True, False], [True, True, True]]))
    [[(0, 1), (0, 2)], [(1, 2), (0, 3)]]
    """
    if kept.ndim == 0:
        return [[]] if kept else []
    changes = [0, *(i for i in range(1, len(kept)) if (kept[i] != kept[i - 1]).any()), len(kept)]
    return [[run, *rest] for run in pairwise(changes) for rest in rectangles(kept[run[0]])]
