"""ONNX operators that pick, sort, write and transform entries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rfscale.engine.readers.onnx.graph.node import Node
from rfscale.engine.readers.onnx.operators.registry import onnx
from rfscale.engine.readers.tensors.combined import common
from rfscale.engine.readers.tensors.layout import (
    Dim,
    UnreadableError,
    length,
    mixed,
    neutral,
    regroup,
    some_of,
    spatial,
    with_dim,
)
from rfscale.engine.readers.tensors.operators import spatial_ops as sp
from rfscale.engine.readers.tensors.operators import window_ops as wd
from rfscale.engine.readers.tensors.operators.entries import gather, put, scatter, take
from rfscale.engine.readers.tensors.operators.grid import sampled
from rfscale.engine.readers.tensors.operators.moves import cumulate
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker

_PICKS = "which entries it picks depends on their values"


@onnx("GatherElements", "ScatterElements", "Scatter")
def _elements(k: Tracker, node: Node) -> Any:
    """Entries picked or put along one dim: of a map where a constant names rows, else the others as they are."""
    parts = [v for v in node.inputs if isinstance(v, Tracked)]
    d = node.attrs.get("axis", 0) % len(k.shape)
    x, index, *new = node.inputs
    if any(spatial(t.dims[d]) for t in parts):
        if new:
            adds = node.attrs.get("reduction", "none") != "none"
            return scatter(k, x, d, index, new[0], _PICKS, adds)
        return gather(k, node.inputs[0], d, index, k.shape, _PICKS)
    others = [n for e, n in enumerate(k.shape) if e != d]
    for t in parts:
        if [n for e, n in enumerate(t.shape) if e != d] != others:
            raise UnreadableError("it picks or puts only some of the entries of a map")
    made = some_of if node.op == "GatherElements" else lambda _, n: mixed(n)
    return k.elementwise([replace(t, dims=with_dim(t.dims, d, made(t.dims[d], k.shape[d]))) for t in parts])


@onnx("GridSample")
def _grid_sample(k: Tracker, node: Node) -> Any:
    """Bilinear by default; linear and cubic have other names in old opsets."""
    way = node.attrs.get("mode", "bilinear")
    way = {"linear": "bilinear", "cubic": "bicubic"}.get(way, way)
    corners = bool(node.attrs.get("align_corners", 0))
    return sampled(k, node.inputs[0], node.inputs[1], way, node.attrs.get("padding_mode", "zeros"), corners)


@onnx("Compress")
def _compressed(k: Tracker, node: Node) -> Any:
    """Entries of a dim that constant truth values leave."""
    x, keeps = node.inputs
    axis = node.attrs.get("axis")
    if axis is None or not isinstance(x, Tracked) or not isinstance(keeps, Constant) or keeps.value is None:
        raise UnreadableError(_PICKS)
    d = axis % len(x.dims)
    return take(k, x, d, np.flatnonzero(keeps.value[: length(x.dims[d])]).tolist())


@onnx("GatherND")
def _picked(k: Tracker, node: Node) -> Any:
    """Entries by a table of positions, which must be rows and columns."""
    x, index = node.inputs[:2]
    if not isinstance(x, Tracked) or node.attrs.get("batch_dims"):
        raise UnreadableError(_PICKS)
    shape, tables = _tables(index)
    for d, (table, _) in enumerate(tables):
        x = take(k, x, d, table)
    new: list[Dim] = [neutral(n) for n in shape]
    for d, (_, along) in enumerate(tables):
        if along is not None:
            new[along] = x.dims[d]
    return replace(x, dims=(*new, *x.dims[len(tables) :]))


@onnx("ScatterND")
def _put(k: Tracker, node: Node) -> Any:
    """Entries written at a table of positions, which must be rows and columns in their order."""
    base, index, new = node.inputs[:3]
    shape, tables = _tables(index)
    order = [along for _, along in tables if along is not None]
    if order != sorted(order) or len(order) < sum(n > 1 for n in shape):
        raise UnreadableError("it writes entries one by one, not by rows and columns")
    if isinstance(new, Tracked):
        entries = tuple(() if along is None else new.dims[along] for _, along in tables)
        new = replace(new, dims=(*entries, *new.dims[len(shape) :]))
    adds = node.attrs.get("reduction", "none") != "none"
    return _put_all(k, base, [(d, table) for d, (table, _) in enumerate(tables)], new, adds)


def _put_all(k: Tracker, base: Any, tables: list[tuple[int, list[int]]], new: Any, adds: bool) -> Any:
    (d, table), *rest = tables
    if table == list(range(base.shape[d])) and rest:
        return _put_all(k, base, rest, new, adds)
    if rest:
        part: Any = Constant((*base.shape[:d], len(table), *base.shape[d + 1 :]))
        if isinstance(base, Tracked) and not adds:
            part = take(k, base, d, table)
        new = _put_all(k, part, rest, new, adds)
    return put(k, base, d, table, new, adds)


def _tables(index: Any) -> tuple[list[int], list[tuple[list[int], int | None]]]:
    """Positions as a table for each dim, with the dim of the index along which it changes."""
    if not isinstance(index, Constant):
        raise UnreadableError(_PICKS)
    if index.value is None:
        raise UnreadableError("it picks or puts entries by a table whose values are not known")
    *shape, count = index.value.shape
    tables: list[tuple[list[int], int | None]] = []
    for c in range(count):
        column = index.value[..., c]
        along = [j for j in range(len(shape)) if (np.diff(column, axis=j) != 0).any()]
        if len(along) > 1 or any(a == along[0] for _, a in tables if along):
            raise UnreadableError("it picks or puts entries one by one, not by rows and columns")
        first = tuple(slice(None) if j in along else 0 for j in range(len(shape)))
        tables.append((np.ravel(column[first]).tolist(), along[0] if along else None))
    return shape, tables


@onnx("CumSum", "CumProd", "ReverseSequence")
def _one_way(k: Tracker, node: Node) -> Any:
    """What goes along one dim in an order; along channels each entry reads itself."""
    x = node.inputs[0]
    dims = [node.attrs.get("time_axis", 0)] if node.op == "ReverseSequence" else node.ints("axis", 1) or [0]
    if node.op == "ReverseSequence":
        if any(spatial(x.dims[d]) for d in dims):
            raise UnreadableError("how much of each sequence it reverses depends on values")
        return x
    d, backwards = dims[0] % len(x.dims), bool(node.attrs.get("reverse"))
    if not node.attrs.get("exclusive") or not spatial(x.dims[d]):
        return cumulate(k, x, d, backwards)
    n = x.shape[d]  # each entry without itself: those before it, moved by one
    if n == 1:
        return Constant(x.shape)
    before = cumulate(k, sp.narrow(k, x, d, int(backwards), n - 1 + backwards), d, backwards)
    return sp.pad_dim(k, before, d, int(not backwards), int(backwards))


@onnx("Trilu")
def _triangle(k: Tracker, node: Node) -> Any:
    x = node.inputs[0]
    if isinstance(x, Tracked) and (spatial(x.dims[-1]) or spatial(x.dims[-2])):
        raise UnreadableError("it cuts a triangle out of a map")
    return k.elementwise([x])


@onnx("Bernoulli", "BitCast")
def _itself(k: Tracker, node: Node) -> Any:
    return k.elementwise(node.inputs[:1])


@onnx("OneHot")
def _one_hot(k: Tracker, node: Node) -> Any:
    index = node.inputs[0]
    if not isinstance(index, Tracked):
        raise UnreadableError("its values depend on the image")
    d = node.attrs.get("axis", -1) % len(k.shape)
    dims = (*index.dims[:d], neutral(k.shape[d]), *index.dims[d:])
    return replace(index, dims=dims)


@onnx("SwiGLU")
def _halves(k: Tracker, node: Node) -> Any:
    x = node.inputs[0]
    changed = [d for d, (m, n) in enumerate(zip(x.shape, k.shape, strict=True)) if m != n]
    if any(spatial(x.dims[d]) for d in changed):
        raise UnreadableError("it multiplies the halves of a map")
    return replace(x, dims=tuple(some_of(dim, k.shape[d]) if d in changed else dim for d, dim in enumerate(x.dims)))


@onnx("Det")
def _determinant(k: Tracker, node: Node) -> Any:
    x = node.inputs[0]
    return k.reduction(x, [len(x.dims) - 2, len(x.dims) - 1])


@onnx("CenterCropPad")
def _centered(k: Tracker, node: Node) -> Any:
    """Each axis cut or padded to a size, as much at the start as at the end, rounded down."""
    x = node.inputs[0]
    wanted = k.shape
    for d, (n, m) in enumerate(zip(x.shape, wanted, strict=True)):
        if m < n:
            x = sp.narrow(k, x, d, (n - m) // 2, (n - m) // 2 + m)
        elif m > n:
            before = [(m - n) // 2 if e == d else 0 for e in range(len(wanted))]
            after = [m - n - (m - n) // 2 if e == d else 0 for e in range(len(wanted))]
            x = sp.pad(k, x, before, after)
    return x


@onnx("STFT")
def _spectra(k: Tracker, node: Node) -> Any:
    """Spectra of windows: batch, samples, parts → batch, windows, frequencies, parts."""
    x, shape = node.inputs[0], tuple(k.shape)
    step, given = node.ints("frame_step", 1), node.ints("frame_length", 3)
    kernel = given[0] if given else length(_window(node))
    if step is None or any(isinstance(v, Tracked) for v in node.inputs[1:]):
        raise UnreadableError("its windows depend on the image")
    dims = (x.dims[0], x.dims[2], x.dims[1]) if len(x.dims) == 3 else (x.dims[0], (), x.dims[1])
    before, channels = length(dims[1]), shape[2] * shape[3]
    k.shape = (shape[0], channels, shape[1])
    t = wd.window(
        k, "conv", replace(x, dims=dims), [kernel], step, [0, 0], [1], mixes=True, weights=(before, channels, 1, False)
    )
    k.shape = shape
    return replace(t, dims=(t.dims[0], t.dims[2], neutral(shape[2]), neutral(shape[3])))


def _window(node: Node) -> Any:
    if len(node.inputs) < 3 or not isinstance(node.inputs[2], Constant) or len(node.inputs[2].shape) != 1:
        raise UnreadableError("the length of its windows is not known")
    return neutral(node.inputs[2].shape[0])


@onnx("DFT")
def _spectrum(k: Tracker, node: Node) -> Any:
    """Each frequency reads all along the axis."""
    x, shape = node.inputs[0], tuple(k.shape)
    given = node.ints("axis", 2)
    d = (given[0] if given else 1 if node.opset < 20 else -2) % len(x.dims)
    out = k.reduce(x, [d], shrink=False)
    return replace(
        out, dims=(*(neutral(shape[e]) if e in (d, len(shape) - 1) else out.dims[e] for e in range(len(shape))),)
    )


@onnx("Col2Im")
def _fold(k: Tracker, node: Node) -> Any:
    """Windows added up on the map that they were cut from."""
    x, shape = node.inputs[0], tuple(k.shape)
    size, kernel = node.ints("image_shape", 1), node.ints("block_shape", 2)
    if size is None or kernel is None or len(size) != 2:
        raise UnreadableError("its sizes are not constant, or not of two axes")
    ones = [1] * len(size)
    stride, dilation = node.attrs.get("strides", ones), node.attrs.get("dilations", ones)
    pads = node.attrs.get("pads", [0] * (2 * len(size)))
    spans = list(zip(size, kernel, dilation, pads, pads[len(size) :], stride, strict=False))
    count = [(n + p + q - d * (f - 1) - 1) // s + 1 for n, f, d, p, q, s in spans]
    batch, channels = shape[:2]
    if kernel == stride and max(dilation) == 1 and not any(pads) and spatial(x.dims[1]):
        split = regroup(x.dims, [batch, channels, *kernel, *count])
        return replace(x, dims=regroup(tuple(split[d] for d in (0, 1, 4, 2, 5, 3)), shape))
    x = replace(x, dims=regroup(x.dims, [batch, x.shape[1], *count]))
    extra = [n - ((c - 1) * s - p - q + d * (f - 1) + 1) for c, (n, f, d, p, q, s) in zip(count, spans, strict=True)]
    out = wd.window(k, "conv_transpose", x, kernel, stride, pads, dilation, extra=extra)
    return replace(out, dims=(out.dims[0], some_of(x.dims[1], channels), *out.dims[2:]))


def joined_along_new(k: Tracker, values: Sequence[Any], d: int, shape: Sequence[int]) -> Any:
    """Tensors of one shape side by side along a new dim."""
    parts = [v for v in values if isinstance(v, Tracked)]
    if not parts:
        return Constant(tuple(shape))
    one = [n for e, n in enumerate(shape) if e != d]
    parts = k.aligned(parts)
    dims = common([p.dims for p in parts], one)
    alike = len(parts) == len(values) and len({p.layer for p in parts}) == 1
    return k.merge("concat", parts, (*dims[:d], (neutral if alike else mixed)(shape[d]), *dims[d:]))
