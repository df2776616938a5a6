"""ATen operators that pick or write entries by their numbers, and those where values decide which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

import numpy as np

from rfscale.engine.readers.tensors.layout import (
    Dims,
    UnreadableError,
    joined,
    length,
    picked,
    regroup,
    some_of,
    spatial,
    with_dim,
)
from rfscale.engine.readers.tensors.operators.entries import column, cut_to, gather, numbered, put, scatter, take
from rfscale.engine.readers.tensors.operators.grid import VALUES_DECIDE, sampled
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker
from rfscale.engine.readers.torch.registry import aten

DECIDED_BY_VALUES = """
argwhere bincount ctc_loss deform_conv2d fractional_max_pool2d fractional_max_pool3d histc histogram masked_scatter
masked_select multinomial nms nonzero nonzero_static ps_roi_align ps_roi_pool put roi_align roi_pool take
unique_consecutive unique_dim _unique _unique2
""".split()


@aten(*DECIDED_BY_VALUES)
def _decided_by_values(k: Tracker, *_: Any, **__: Any) -> Any:
    raise UnreadableError(VALUES_DECIDE)


@aten("grid_sampler", "grid_sampler_2d", "grid_sampler_3d", "_grid_sampler_2d_cpu_fallback", "cudnn_grid_sampler")
def _grid_sampler(k: Tracker, x: Any, grid: Any, mode: int = 0, padding: int = 0, corners: bool = True) -> Any:
    """By numbers: bilinear, nearest, bicubic; zeros, border, reflection."""
    way = ("bilinear", "nearest", "bicubic")[mode]
    return sampled(k, x, grid, way, ("zeros", "border", "reflection")[padding], corners)


class Indices(NamedTuple):
    """What indexes some dims of a tensor: one array of numbers for each, which broadcast to one shape."""

    dims: list[int]
    arrays: list[Any]
    shape: tuple[int, ...]
    place: int  # of the new dims among those of the result


def _indices(indices: Sequence[Any]) -> Indices:
    dims: list[int] = []
    arrays: list[Any] = []
    d = 0
    for index in indices:
        value = index.value if isinstance(index, Constant) else None
        if value is not None and value.dtype == bool:
            found = np.nonzero(value)
            arrays += [Constant(f.shape, f) for f in found]
            dims += range(d, d + value.ndim)
            d += value.ndim
            continue
        if index is not None:
            dims.append(d)
            arrays.append(index)
        d += 1
    shape = np.broadcast_shapes(*(a.shape for a in arrays))
    adjacent = dims == list(range(dims[0], dims[0] + len(dims)))
    return Indices(dims, arrays, shape, dims[0] if adjacent else 0)


@aten("index", "_unsafe_index")
def _index(k: Tracker, x: Any, indices: Sequence[Any]) -> Any:
    ix = _indices(indices)
    if isinstance(x, Tracked) and any(spatial(x.dims[d]) for d in ix.dims):
        return _picked(k, x, ix)
    parts = []
    if isinstance(x, Tracked):
        rest = [dim for d, dim in enumerate(x.dims) if d not in ix.dims]
        parts.append(replace(x, dims=(*rest[: ix.place], *_new_dims(x, ix), *rest[ix.place :])))
    after = len(k.shape) - ix.place - len(ix.shape)
    for a in ix.arrays:
        if isinstance(a, Tracked):
            missing = len(ix.shape) - len(a.dims)
            parts.append(replace(a, dims=((),) * (ix.place + missing) + a.dims + ((),) * after))
    return k.elementwise(parts)


def _new_dims(x: Tracked, ix: Indices) -> Dims:
    """The dims that take the place of those without axes that are indexed."""
    dims = [x.dims[d] for d in ix.dims]
    if len(dims) == 1 and len(ix.shape) == 1 and isinstance(ix.arrays[0], Constant) and ix.arrays[0].value is not None:
        return (picked(dims[0], numbered(ix.arrays[0].value, x, ix.dims[0])),)
    return tuple(some_of(joined(f for dim in dims for f in dim), n) for n in ix.shape)


def _picked(k: Tracker, x: Tracked, ix: Indices) -> Tracked:
    """Entries along axes, by tables of which each says one dim of the result."""
    of_dim: list[int | None] = [None] * len(ix.shape)
    for d, a in zip(ix.dims, ix.arrays, strict=True):
        table, along = _table(a, ix.shape, len(ix.dims) == 1)
        for j in along:
            if of_dim[j] is not None:
                raise UnreadableError("it picks entries one by one, not by rows and columns")
            of_dim[j] = d
        x = take(k, x, d, table)
    dims = list(x.dims)
    if len(ix.dims) == 1:
        new = regroup((dims[ix.dims[0]],), ix.shape)
    else:
        new = tuple(() if d is None else dims[d] for d in of_dim)
    rest = [dim for d, dim in enumerate(dims) if d not in ix.dims]
    return replace(x, dims=(*rest[: ix.place], *new, *rest[ix.place :]))


def _table(index: Any, shape: tuple[int, ...], alone: bool) -> tuple[list[int], list[int]]:
    """Numbers of a table, and along which of the dims of the result they change."""
    if isinstance(index, Tracked):
        raise UnreadableError(VALUES_DECIDE)
    if index.value is None:
        raise UnreadableError("it picks entries by a table whose values are not known")
    if alone:
        return index.value.ravel().tolist(), []
    along = [j + len(shape) - index.value.ndim for j, n in enumerate(index.value.shape) if n > 1]
    if len(along) > 1:
        raise UnreadableError("it picks entries one by one, not by rows and columns")
    return index.value.ravel().tolist(), along


@aten("index_select")
def _index_select(k: Tracker, x: Any, dim: int, index: Any) -> Any:
    return _index(k, x, [None] * (dim % len(x.shape)) + [index])


@aten("gather", "take_along_dim")
def _gather(k: Tracker, x: Any, dim: Any, index: Any = None, **named: Any) -> Any:
    if not isinstance(dim, int):  # take_along_dim has the index first
        dim, index = named.get("dim", index), dim
    if dim is None:
        raise UnreadableError(VALUES_DECIDE)
    d = dim % len(x.shape)
    if not isinstance(x, Tracked) or not spatial(x.dims[d]):
        values = [_any_of(cut_to(k, v, d, k.shape), d, k.shape[d]) for v in (x,) if isinstance(v, Tracked)]
        return k.elementwise([*values, *([index] if isinstance(index, Tracked) else [])])
    return gather(k, x, d, index, k.shape, VALUES_DECIDE)


def _any_of(x: Tracked, d: int, n: int) -> Tracked:
    return replace(x, dims=with_dim(x.dims, d, some_of(x.dims[d], n)))


def _without(x: Tracked, d: int) -> Tracked:
    return replace(x, dims=with_dim(x.dims, d, ()))


# writes ---------------------------------------------------------------------------------------------------------------


@aten("index_put", "_index_put_impl", "_unsafe_index_put")
def _index_put(k: Tracker, base: Any, indices: Sequence[Any], new: Any, adds: bool = False, *_: Any) -> Any:
    first = indices[0]
    if isinstance(first, Tracked) and len(indices) == 1 and first.shape == tuple(base.shape) and not new.shape:
        return k.elementwise([base, first, new])  # a mask of all entries
    ix = _indices(indices)
    free = not isinstance(base, Tracked) or not any(spatial(base.dims[d]) for d in ix.dims)
    if free and not isinstance(new, Tracked) and not any(isinstance(a, Tracked) for a in ix.arrays):
        return k.elementwise([base])
    tables, order = [], []
    for d, a in zip(ix.dims, ix.arrays, strict=True):
        table, along = _table(a, ix.shape, False)
        tables.append((d, table))
        order += along
    if order != sorted(set(order)) or sum(len(t) > 1 for _, t in tables) < sum(n > 1 for n in ix.shape):
        raise UnreadableError("it writes entries one by one, not by rows and columns")
    return _put_all(k, base, tables, _laid_out(k, base, ix, tables, new), adds)


def _laid_out(k: Tracker, base: Any, ix: Indices, tables: list[tuple[int, list[int]]], new: Any) -> Any:
    """What is written, with the dims of the tensor that it is written to."""
    if not isinstance(new, Tracked):
        return new
    rest = [n for d, n in enumerate(base.shape) if d not in ix.dims]
    shape = (*rest[: ix.place], *ix.shape, *rest[ix.place :])
    new = k.elementwise([new], shape=shape)
    others = iter([dim for e, dim in enumerate(new.dims) if not ix.place <= e < ix.place + len(ix.shape)])
    long = iter([dim for dim in new.dims[ix.place : ix.place + len(ix.shape)] if length(dim) > 1])
    entries = {d: next(long) if len(t) > 1 else () for d, t in tables}
    return replace(new, dims=tuple(entries[d] if d in entries else next(others) for d in range(len(base.shape))))


def _put_all(k: Tracker, base: Any, tables: list[tuple[int, list[int]]], new: Any, adds: bool) -> Any:
    (d, table), *rest = tables
    if rest:
        part = take(k, base, d, table) if isinstance(base, Tracked) else _shorter(base, d, len(table))
        part = Constant(part.shape) if adds else part
        new = _put_all(k, part, rest, new, adds)
    return put(k, base, d, table, new, adds)


def _shorter(base: Constant, d: int, n: int) -> Constant:
    return Constant((*base.shape[:d], n, *base.shape[d + 1 :]))


@aten("index_copy", "index_fill")
def _index_write(k: Tracker, base: Any, dim: int, index: Any, new: Any) -> Any:
    return _put_rows(k, base, dim, index, new, adds=False)


@aten("index_add", "index_reduce")
def _index_add(k: Tracker, base: Any, dim: int, index: Any, new: Any, *_: Any, **named: Any) -> Any:
    base = base if named.get("include_self", True) else _not_written(k, base, dim, index)
    return _put_rows(k, base, dim, index, new, adds=True)


def _not_written(k: Tracker, base: Any, dim: int, index: Any) -> Any:
    """What `include_self=False` leaves of a tensor: nothing of the entries that others are combined at."""
    d = dim % len(base.shape)
    return put(k, base, d, sorted({*column(index, min(d, len(index.shape) - 1), VALUES_DECIDE)}), None)


def _put_rows(k: Tracker, base: Any, dim: int, index: Any, new: Any, adds: bool) -> Any:
    d = dim % len(base.shape)
    if not isinstance(new, Tracked) and not isinstance(index, Tracked) and not spatial(base.dims[d]):
        return base
    size = prod(index.shape)
    known = isinstance(index, Constant) and index.value is not None
    row = Constant((size,), index.value.reshape(size)) if known else index
    return put(k, base, d, column(row, 0, VALUES_DECIDE), new, adds)


@aten("scatter", "scatter_reduce")
def _scatter(k: Tracker, base: Any, dim: int, index: Any, new: Any, *rest: Any, **named: Any) -> Any:
    """Entries written, or with `reduce` combined with those that are there."""
    base = base if named.get("include_self", True) else _not_written(k, base, dim, index)
    return _scattered(k, base, dim, index, new, adds=bool(rest or named))


@aten("scatter_add")
def _scatter_add(k: Tracker, base: Any, dim: int, index: Any, new: Any) -> Any:
    return _scattered(k, base, dim, index, new, adds=True)


def _scattered(k: Tracker, base: Any, dim: int, index: Any, new: Any, adds: bool) -> Any:
    d = dim % len(base.shape)
    held = [v for v in (base, index, new) if isinstance(v, Tracked)]
    if any(spatial(v.dims[d]) for v in held):
        return scatter(k, base, d, index, new, VALUES_DECIDE, adds)
    if any(n != m for e, (n, m) in enumerate(zip(index.shape, base.shape, strict=True)) if e != d):
        raise UnreadableError("it writes a part of a map by a table")
    return k.elementwise([_without(v, d) for v in held])
