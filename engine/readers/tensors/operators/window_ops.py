"""Convolutions, poolings, and what moves pixels between the map and its channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

import numpy as np

from rfscale.engine.readers.tensors.layout import (
    NEUTRAL,
    Factor,
    UnreadableError,
    length,
    neutral,
    regroup,
    some_of,
    spatial,
    with_dim,
    without_place,
)
from rfscale.engine.readers.tensors.operators.products import weighted
from rfscale.engine.readers.tensors.operators.spatial_ops import clean, pad, target_size, write_along
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker, axis_values


def window(
    k: Tracker,
    op: str,
    t: Tracked,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int] | str,
    dilation: Sequence[int],
    *,
    ceil_mode: bool = False,
    extra: Sequence[int] | None = None,
    mixes: bool = False,
    weights: tuple[int, int, int, bool] | None = None,
) -> Tracked:
    """A convolution or pooling; `padding` per side, all starts first.

    Parameters
    ----------
    extra : sequence of int, optional
        Output padding of a transposed convolution.
    weights : tuple, optional
        Channels in, channels out, groups, and whether there is a bias.
    """
    rank = len(kernel)
    if weights is None and not isinstance(padding, str):
        across = _pooled_rows(k, t, op, list(zip(kernel, stride, dilation, padding[:rank], strict=True)))
        if across is not None:
            return across
    blocks = _blocks_of(t, rank) if op != "conv_transpose" else None
    t, axes = (t, blocks.axes) if blocks else clean(k, t, rank, mixes)
    if not isinstance(padding, str) and op != "conv_transpose":
        _check_neutral(k, t, axes, list(zip(kernel, stride, dilation, padding[:rank], strict=True)))
    ndim = len(t.map)
    given: dict[str, Any] = {
        "kernel": axis_values(axes, kernel, ndim, 1),
        "stride": axis_values(axes, stride, ndim, 1),
        "dilation": axis_values(axes, dilation, ndim, 1),
        "padding": padding
        if isinstance(padding, str)
        else axis_values(axes, padding[:rank], ndim, 0) + axis_values(axes, padding[rank:], ndim, 0),
    }
    if ceil_mode:
        given["ceil_mode"] = True
    if extra is not None:
        given["output_padding"] = axis_values(axes, extra, ndim, 0)
    channels = before = None
    if weights is not None:
        before, channels, groups, bias = weights
        given |= {"bias": bias} | ({"groups": groups} if groups > 1 else {})
    if blocks:
        return _write_in_blocks(k, t, op, blocks, channels, before, given)
    return write_along(k, t, axes, op, channels, before, **given)


def _pooled_rows(k: Tracker, t: Tracked, op: str, windows: Sequence[tuple[int, ...]]) -> Tracked | None:
    """A pool along the rows of a map laid one after another, if it is one.

    Where its windows stay in their rows it is one along them. Else they run from row to row: what they make has no
    place on the map, and only all of it at once can be read.
    """
    first = len(t.dims) - len(windows)
    long = [d for d, w in enumerate(windows, first) if w != (1, 1, 1, 0)]
    if len(long) != 1 or len(t.dims[long[0]]) < 2 or any(f.axis == NEUTRAL or f.inner for f in t.dims[long[0]]):
        return None
    (d,) = long
    size, stride, dilation, lead = windows[d - first]
    n, count = length(t.dims[d]), k.shape[d]
    if (size, dilation, lead, n) == (stride, 1, 0, count * size):
        with suppress(UnreadableError):
            split = regroup(t.dims, [*t.shape[:d], count, size, *t.shape[d + 1 :]])
            out = k.reduce(replace(t, dims=split), [d + 1], op)
            return replace(out, dims=(*out.dims[: d + 1], *out.dims[d + 2 :]))
    read = {o * stride + i * dilation - lead for o in range(count) for i in range(size)}
    if any(spatial(dim) for e, dim in enumerate(t.dims) if e != d) or not read.issuperset(range(n)):
        return None
    return k.after(t, "global_pool", with_dim(t.dims, d, without_place(count)))


def _check_neutral(k: Tracker, t: Tracked, axes: Sequence[int | None], windows: Sequence[tuple[int, ...]]) -> None:
    """Along a dim without an axis all entries are alike; windows must not read padding alone there."""
    first = len(t.dims) - len(axes)
    for j, (axis, (size, stride, dilation, lead)) in enumerate(zip(axes, windows, strict=True)):
        n = length(t.dims[first + j])
        starts = (stride * o - lead for o in range(k.shape[first + j]))
        if axis is None and not all(any(0 <= s + dilation * i < n for i in range(size)) for s in starts):
            raise UnreadableError("it pads a dim that holds no axis with entries that read nothing")


class Blocks(NamedTuple):
    """Blocks of a map in the last dims of a tensor, their numbers in the dims before: which axes, and their entries."""

    axes: list[int | None]
    size: list[int]


def _blocks_of(t: Tracked, rank: int) -> Blocks | None:
    """The blocks that the last dims are, at least one of them no whole axis; None for anything else."""
    first = len(t.dims) - rank
    if not all(len(dim) == 1 and dim[0].axis != NEUTRAL and dim[0].stride == 1 for dim in t.dims[first:]):
        return None
    inside = [dim[0] for dim in t.dims[first:]]
    size = [0] * len(t.map)
    for f in inside:
        outer = [g for dim in t.dims[:first] for g in spatial(dim) if g.axis == f.axis]
        if f.inner or any(g.stride % f.size for g in outer):
            return None
        if f.size * prod(g.size for g in outer) != t.map[f.axis]:
            return None
        size[f.axis] = f.size if outer else 0
    axes: list[int | None] = [f.axis for f in inside]
    alone = len(set(axes)) == rank and (first < 1 or not spatial(t.dims[first - 1]))
    return Blocks(axes, size) if any(size) and alone else None


def _write_in_blocks(
    k: Tracker, t: Tracked, op: str, blocks: Blocks, channels: int | None, before: int | None, given: dict[str, Any]
) -> Tracked:
    """A window that keeps to its block: the map has borders every so many entries."""
    first = len(t.dims) - len(blocks.axes)
    after = {a: k.shape[first + j] for j, a in enumerate(blocks.axes)}

    def moved(f: Factor) -> Factor:
        block = blocks.size[f.axis] if f.axis != NEUTRAL else 0
        if f.inner:
            raise UnreadableError("it acts inside windows of a sequence")
        if f.stride >= block > 0:
            return f._replace(stride=f.stride // block * after[f.axis])
        return f._replace(size=after[f.axis]) if f.axis in after else f

    dims = [tuple(map(moved, dim)) for dim in t.dims]
    if channels and first >= 1:
        apart = given.get("groups", 1) > 1
        dims[first - 1] = some_of(dims[first - 1], channels) if apart else neutral(channels)
    given |= {"block": blocks.size} | ({"channels": channels} if channels else {})
    return k.after(t, op, tuple(dims), before, **given)


def convolve(
    k: Tracker,
    x: Any,
    w: Any,
    bias: bool,
    stride: Sequence[int],
    padding: Sequence[int] | str,
    dilation: Sequence[int],
    groups: int,
) -> Tracked:
    """Convolution by weights of shape (channels out, channels in / groups, kernel…)."""
    if isinstance(w, Tracked):
        out = convolve(k, x, Constant(w.shape), bias, stride, padding, dilation, groups)
        return _by_weights(k, out, w, all_taps=not isinstance(padding, str) and not any(padding))
    _check_map(x)
    kernel = w.shape[2:]
    before, channels = w.shape[1] * groups, w.shape[0]
    if max(kernel) == max(stride) == 1 and (isinstance(padding, str) or not any(padding)):
        return weighted(k, x, -len(kernel) - 1, before, channels, groups, bias)
    if w.taps is not None:
        return _convolve_masked(k, x, w, bias, stride, padding, dilation, groups)
    weights = (before, channels, groups, bias)
    return window(k, "conv", x, kernel, stride, padding, dilation, mixes=groups == 1, weights=weights)


def _convolve_masked(
    k: Tracker,
    x: Tracked,
    w: Constant,
    bias: bool,
    stride: Sequence[int],
    padding: Sequence[int] | str,
    dilation: Sequence[int],
    groups: int,
) -> Tracked:
    """Convolution of which only some taps are not zero: the sum of one without holes for each block of them."""
    taps = w.taps
    rank = taps.ndim
    if isinstance(padding, str):  # stride 1: half of the span on each side, the odd pixel at the end
        spans = [d * (n - 1) for d, n in zip(dilation, taps.shape, strict=True)]
        padding = [s // 2 for s in spans] + [s - s // 2 for s in spans]
    t, _ = clean(k, x, rank, groups == 1)
    parts: list[Tracked] = []
    for first, last in _blocks(taps):
        starts = [padding[a] - dilation[a] * first[a] for a in range(rank)]
        ends = [padding[rank + a] - dilation[a] * (taps.shape[a] - last[a]) for a in range(rank)]
        kept = [0] * (len(t.dims) - rank)
        cut = pad(k, t, kept + [min(0, s) for s in starts], kept + [min(0, e) for e in ends])
        sides = [max(0, s) for s in starts + ends]
        kernel = [b - a for a, b in zip(first, last, strict=True)]
        weights = (w.shape[1] * groups, w.shape[0], groups, bias and not parts)
        parts.append(window(k, "conv", cut, kernel, stride, sides, dilation, mixes=groups == 1, weights=weights))
    if not parts:
        raise UnreadableError("its mask leaves no weights")
    return k.merge("add", parts, parts[0].dims)


def _blocks(taps: np.ndarray) -> Iterator[tuple[list[int], list[int]]]:
    """Blocks that hold each tap once: first taps, and those after the last, per axis."""
    left = taps.copy()
    while left.any():
        first = [int(i) for i in np.argwhere(left)[0]]
        last = [i + 1 for i in first]
        for axis in reversed(range(taps.ndim)):
            while last[axis] < taps.shape[axis]:
                longer = [slice(a, b + (axis == e)) for e, (a, b) in enumerate(zip(first, last, strict=True))]
                if not left[tuple(longer)].all():
                    break
                last[axis] += 1
        left[tuple(map(slice, first, last))] = False
        yield first, last


def convolve_transposed(
    k: Tracker,
    x: Any,
    w: Any,
    bias: bool,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    extra: Sequence[int],
) -> Tracked:
    """Transposed convolution by weights of shape (channels in, channels out / groups, kernel…)."""
    if isinstance(w, Tracked):
        out = convolve_transposed(k, x, Constant(w.shape), bias, stride, padding, dilation, groups, extra)
        return _by_weights(k, out, w, all_taps=False)
    _check_map(x)
    weights = (w.shape[0], w.shape[1] * groups, groups, bias)
    mixes = groups == 1
    return window(
        k, "conv_transpose", x, w.shape[2:], stride, padding, dilation, extra=extra, mixes=mixes, weights=weights
    )


def _by_weights(k: Tracker, out: Tracked, w: Tracked, *, all_taps: bool) -> Tracked:
    """What a convolution makes whose weights depend on the image: each entry reads all that the weights read."""
    if not all_taps and any(spatial(dim) or any(f.stride != 1 for f in dim) for dim in w.dims[2:]):
        raise UnreadableError("its weights hold pixels, and entries near a border read some of them")
    weights = k.reduce(w, range(len(w.dims)))
    if max(weights.map) > 1:
        weights = k.after(weights, "global_pool", ())
    return k.merge("multiply", [out, replace(weights, dims=())], out.dims)


def _check_map(x: Any) -> None:
    if not isinstance(x, Tracked):
        raise UnreadableError("only its weights depend on the image")


def adaptive_pool(k: Tracker, t: Tracked, rank: int) -> Tracked:
    """Pooling to a size; to one entry per axis it reads the whole map."""
    size = k.shape[-rank:]
    if max(size) == 1 and {f.axis for dim in t.dims[-rank:] for f in spatial(dim)}:
        return k.reduce(t, range(-rank, 0))
    t, axes = clean(k, t, rank)
    target = target_size(t, axes, size)
    return write_along(k, t, axes, "adaptive_pool", size=target) if target != list(t.map) else t


def shuffle(k: Tracker, x: Tracked, op: str, factor: int) -> Tracked:
    """``pixel_shuffle`` or ``space_to_depth`` of the last two dims, channels before them."""
    if op == "pixel_shuffle" and any(f.stride != 1 for f in x.dims[-3]):
        raise UnreadableError("it makes pixels of channels that hold different maps")
    x, axes = clean(k, x, 2)
    out = write_along(k, x, axes, op, scale=axis_values(axes, [factor] * 2, len(x.map), 1))
    return replace(out, dims=with_dim(out.dims, len(out.dims) - 3, some_of(x.dims[-3], k.shape[-3])))
