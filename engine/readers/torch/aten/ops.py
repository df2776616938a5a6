"""What each ATen operator does to a tracked tensor. A handler takes the tracker and the operator's own arguments.

Here are those that lay out the entries of a tensor otherwise; importing this file fills the table with all others but
the windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rfscale.engine.readers.tensors.layout import (
    UnreadableError,
    is_alike,
    length,
    mixed,
    neutral,
    regroup,
    some_of,
    spatial,
    whole_axis,
    with_dim,
    without_place,
)
from rfscale.engine.readers.tensors.operators import spatial_ops as sp
from rfscale.engine.readers.tensors.operators.joins import concatenate
from rfscale.engine.readers.tensors.operators.moves import flip, tile
from rfscale.engine.readers.tensors.rearranged import Rearranged, permuted, viewed
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker
from rfscale.engine.readers.torch.aten import (
    composite,
    elementwise,
    index,
    mixing,
    quantized,
    sequence,
    spectral,
    write,
)
from rfscale.engine.readers.torch.registry import ATEN, aten, listed

_FILLED_BY = composite, elementwise, index, mixing, quantized, sequence, spectral, write

# layout -------------------------------------------------------------------------------------------------------------


@aten("view", "reshape", "flatten", "unflatten", "_unsafe_view", "squeeze", "unsqueeze", "view_as", "reshape_as")
@aten("_reshape_alias", "atleast_1d", "atleast_2d", "atleast_3d", "ravel", "unsafe_view")
def _view(k: Tracker, x: Any, *_: Any, **__: Any) -> Any:
    return viewed(x, k.shape) if isinstance(x, Tracked) else Constant(k.shape)


@aten("permute")
def _permute(k: Tracker, x: Tracked, order: Sequence[int]) -> Tracked:
    if isinstance(x, Rearranged):
        return permuted(x, order)
    return replace(x, dims=tuple(x.dims[d] for d in order))


@aten("transpose", "swapaxes", "swapdims")
def _transpose(k: Tracker, x: Tracked, a: int, b: int) -> Tracked:
    order = list(range(len(x.shape)))
    order[a], order[b] = order[b], order[a]
    return _permute(k, x, order)


@aten("numpy_T")
def _reversed_dims(k: Tracker, x: Tracked) -> Tracked:
    return replace(x, dims=x.dims[::-1])


@aten("t", "mT", "mH", "adjoint", "matrix_H")
def _t(k: Tracker, x: Tracked) -> Tracked:
    return _transpose(k, x, -1, -2) if len(x.dims) > 1 else x


@aten("movedim", "moveaxis")
def _movedim(k: Tracker, x: Tracked, source: Any, target: Any) -> Tracked:
    rank = len(x.dims)
    placed = {b % rank: a % rank for a, b in zip(listed(source, 1), listed(target, 1), strict=True)}
    rest = iter(d for d in range(rank) if d not in placed.values())
    return _permute(k, x, [placed[d] if d in placed else next(rest) for d in range(rank)])


@aten("expand", "expand_as", "broadcast_to")
def _expand(k: Tracker, x: Any, *_: Any, **__: Any) -> Any:
    return k.elementwise([x])


@aten("repeat", "tile")
def _repeat(k: Tracker, x: Tracked, *_: Any, **__: Any) -> Tracked:
    out: Tracked = tile(k, x)
    return out


@aten("slice")
def _slice(k: Tracker, x: Tracked, dim: int = 0, start: Any = None, stop: Any = None, step: int = 1) -> Tracked:
    d, from_end = dim % len(x.shape), stop is not None and stop < 0
    start, stop, step = slice(start, stop, step).indices(x.shape[d])
    return sp.narrow(k, x, d, start, stop, step, from_end)


@aten("narrow")
def _narrow(k: Tracker, x: Tracked, dim: int, start: int, size: int) -> Tracked:
    return _slice(k, x, dim, start, start + size)


@aten("select")
def _select(k: Tracker, x: Tracked, dim: int, index: int) -> Tracked:
    d = dim % len(x.dims)
    return sp.select(k, x, d, index % length(x.dims[d]))


@aten("unbind")
def _unbind(k: Tracker, x: Tracked, dim: int = 0) -> list[Tracked]:
    return [_select(k, x, dim, i) for i in range(length(x.dims[dim]))]


@aten("split", "split_with_sizes", "chunk", "tensor_split", "unsafe_split", "unsafe_chunk", "unsafe_split_with_sizes")
def _split(k: Tracker, x: Tracked, parts: Any, dim: int = 0) -> list[Any]:
    return sp.split(k, x, dim, [shape[dim] for shape in k.shape])  # one shape per part


for _name, _dim in (("vsplit", 0), ("hsplit", 1), ("dsplit", 2)):
    ATEN[_name] = lambda k, x, parts, d=_dim: _split(k, x, parts, min(d, len(x.dims) - 1))


@aten("cat", "concat", "concatenate")
def _cat(k: Tracker, values: Sequence[Any], dim: int = 0) -> Tracked:
    return concatenate(k, [v for v in values if 0 not in v.shape], dim)


@aten("stack")
def _stack(k: Tracker, values: Sequence[Any], dim: int = 0) -> Tracked:
    d = dim % len(k.shape)

    def grown(v: Any) -> Any:
        if isinstance(v, Tracked):
            return replace(v, dims=(*v.dims[:d], (), *v.dims[d:]))
        return Constant((*v.shape[:d], 1, *v.shape[d:]))

    return concatenate(k, [grown(v) for v in values], d)


def _of_rank(v: Any, rank: int) -> Any:
    """A tensor with the dims that `atleast_2d` and the like give it."""
    if len(v.shape) >= rank:
        return v
    lead, last = (1, 1) if (rank, len(v.shape)) == (3, 1) else (rank - len(v.shape), 0) if rank < 3 else (0, 1)
    if isinstance(v, Tracked):
        return replace(v, dims=((),) * lead + v.dims + ((),) * last)
    return Constant((1,) * lead + v.shape + (1,) * last)


for _name, _dim, _rank in (("vstack", 0, 2), ("row_stack", 0, 2), ("hstack", 1, 1), ("dstack", 2, 3)):
    ATEN[_name] = lambda k, values, d=_dim, r=_rank: _cat(k, [_of_rank(v, r) for v in values], min(d, len(k.shape) - 1))


@aten("column_stack")
def _columns(k: Tracker, values: Sequence[Any]) -> Tracked:
    return _cat(k, [_transpose(k, _of_rank(v, 2), 0, 1) if len(v.shape) < 2 else v for v in values], 1)


@aten("flip")
def _flip(k: Tracker, x: Tracked, dims: Any) -> Tracked:
    for d in listed(dims, 1):
        x = flip(k, x, d % len(x.dims))
    return x


@aten("fliplr")
def _flip_columns(k: Tracker, x: Tracked) -> Tracked:
    return flip(k, x, 1)


@aten("flipud")
def _flip_rows(k: Tracker, x: Tracked) -> Tracked:
    return flip(k, x, 0)


@aten("rot90")
def _rotate(k: Tracker, x: Tracked, times: int = 1, dims: Sequence[int] = (0, 1)) -> Tracked:
    """Quarter turns: a flip, an exchange of the two dims, or both."""
    a, b = (d % len(x.dims) for d in dims)
    times %= 4
    if times == 2:
        return flip(k, flip(k, x, a), b)
    if times == 1:
        return _transpose(k, flip(k, x, b), a, b)
    return _transpose(k, flip(k, x, a), a, b) if times == 3 else x


@aten("tril", "triu")
def _triangle(k: Tracker, x: Tracked, *_: Any) -> Tracked:
    if spatial(x.dims[-1]) or spatial(x.dims[-2]):
        raise UnreadableError("it cuts a triangle out of a map")
    return replace(x, dims=(*x.dims[:-2], *map(mixed, k.shape[-2:])))


@aten("diagonal", "diag_embed", "diag", "trace")
def _diagonal(k: Tracker, x: Tracked, *_: Any, **__: Any) -> Tracked:
    if any(map(spatial, x.dims)):
        raise UnreadableError("it takes a diagonal of a map")
    alike = all(map(is_alike, x.dims)) and len(k.shape) < len(x.dims)  # else there are zeros beside the diagonal
    return replace(x, dims=tuple(map(neutral if alike else mixed, k.shape)))


@aten("unfold")
def _windows(k: Tracker, x: Tracked, dim: int, size: int, step: int) -> Tracked:
    """Windows along a dim as a last dim; side by side they are a view, and stay exact entry by entry."""
    d = dim % len(x.dims)
    count = k.shape[d]
    if not spatial(x.dims[d]):
        return replace(x, dims=(*with_dim(x.dims, d, some_of(x.dims[d], count)), some_of(x.dims[d], size)))
    if size == step:
        x = sp.narrow(k, x, d, 0, count * step)
        split = regroup(x.dims, [*x.shape[:d], count, step, *x.shape[d + 1 :]])
        return replace(x, dims=(*split[: d + 1], *split[d + 2 :], split[d + 1]))
    x = sp.whole_dim(k, x, d)
    axis = x.dims[d][0].axis
    kernel, stride = ([n if a == axis else 1 for a in range(len(x.map))] for n in (size, step))
    dims = with_dim(x.dims, d, whole_axis(axis, count))
    read = k.after(x, "avg_pool", dims, kernel=kernel, stride=stride)
    return replace(read, dims=(*dims, without_place(size, of=(read.layer,))))
