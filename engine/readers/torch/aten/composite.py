"""ATen operators that are short for others: gates, distances, differences, products of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rfscale.engine.readers.tensors.layout import UnreadableError, length, some_of, spatial, with_dim
from rfscale.engine.readers.tensors.operators import spatial_ops as sp
from rfscale.engine.readers.tensors.operators.joins import concatenate
from rfscale.engine.readers.tensors.operators.moves import flattened, repeated
from rfscale.engine.readers.tensors.operators.products import contract, matmul, tensordot
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker
from rfscale.engine.readers.torch.registry import aten, listed


@aten("glu")
def _glu(k: Tracker, x: Tracked, dim: int = -1) -> Tracked:
    d = dim % len(x.dims)
    half = length(x.dims[d]) // 2
    parts = sp.split(k, x, d, [half, half])
    return k.merge("multiply", parts, parts[0].dims)


@aten("channel_shuffle", "native_channel_shuffle")
def _channel_shuffle(k: Tracker, x: Tracked, *_: Any) -> Tracked:
    if spatial(x.dims[1]):
        raise UnreadableError("it shuffles channels that hold pixels")
    return replace(x, dims=with_dim(x.dims, 1, some_of(x.dims[1], length(x.dims[1]))))


@aten("cosine_similarity")
def _cosine(k: Tracker, a: Any, b: Any, dim: int = 1, *_: Any) -> Any:
    return _along(k, a, b, dim)


@aten("pairwise_distance")
def _distance(k: Tracker, a: Any, b: Any, *_: Any, **__: Any) -> Any:
    return _along(k, a, b, -1)


def _along(k: Tracker, a: Any, b: Any, dim: int) -> Any:
    """A figure of two tensors over one dim, which may stay with one entry."""
    both = _broadcast(a.shape, b.shape)
    return k.reduction(k.elementwise([a, b], shape=both), [dim])


def _broadcast(*shapes: Sequence[int]) -> tuple[int, ...]:
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(s)) + tuple(s) for s in shapes]
    return tuple(next((n for n in column if n != 1), 1) for column in zip(*padded, strict=True))


@aten("dist")
def _dist(k: Tracker, a: Any, b: Any, *_: Any) -> Any:
    both = k.elementwise([a, b], shape=_broadcast(a.shape, b.shape))
    return k.reduction(both, range(len(both.shape)))


@aten("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div", "soft_margin_loss", "binary_cross_entropy")
def _loss(k: Tracker, a: Any, b: Any, *others: Any, **_: Any) -> Any:
    """Entry by entry, or over all of them: the shape of the result says it."""
    both = k.elementwise([a, b, *others], shape=_broadcast(a.shape, b.shape))
    return k.reduction(both, range(len(both.shape))) if not k.shape else both


@aten("cdist", "_cdist_forward", "_euclidean_dist")
def _every_distance(k: Tracker, a: Any, b: Any, *_: Any, **__: Any) -> Tracked:
    batch = "abcdefgh"[: max(len(a.shape), len(b.shape)) - 2]
    labels = [batch[len(batch) - len(v.shape) + 2 :] for v in (a, b)]
    return contract(k, [a, b], [labels[0] + "mk", labels[1] + "nk"], batch + "mn")


@aten("diff")
def _diff(k: Tracker, x: Any, n: int = 1, dim: int = -1, before: Any = None, after: Any = None) -> Any:
    d = dim % len(k.shape)
    around = [v for v in (before, x, after) if v is not None]
    if len(around) > 1:
        shape, total = k.shape, sum(v.shape[d] for v in around)
        k.shape = (*shape[:d], total, *shape[d + 1 :])
        x = concatenate(k, [v for v in around if 0 not in v.shape], d)
        k.shape = shape
    for _ in range(n):
        size = x.shape[d]
        pair = [sp.narrow(k, x, d, i, size - 1 + i) for i in range(2)]
        x = k.elementwise(pair, shape=(*x.shape[:d], size - 1, *x.shape[d + 1 :]))
    return x


@aten("cross", "linalg_cross")
def _cross(k: Tracker, a: Any, b: Any, dim: int | None = None, **named: Any) -> Any:
    shape = _broadcast(a.shape, b.shape)
    dim = named.get("dim", dim)
    d = shape.index(3) if dim is None else dim % len(shape)
    out = k.elementwise([a, b], shape=shape)
    return k.statistic(out, [d]) if isinstance(out, Tracked) else out


@aten("tensordot")
def _tensordot(k: Tracker, a: Any, b: Any, of_a: Sequence[int], of_b: Sequence[int]) -> Tracked:
    return tensordot(k, a, b, of_a, of_b)


@aten("inner")
def _inner(k: Tracker, a: Any, b: Any) -> Any:
    if not a.shape or not b.shape:
        return k.elementwise([a, b], "multiply")
    return tensordot(k, a, b, [len(a.shape) - 1], [len(b.shape) - 1])


@aten("outer", "ger")
def _outer(k: Tracker, a: Any, b: Any) -> Tracked:
    return contract(k, [a, b], ["a", "b"], "ab")


@aten("addmv", "addr")
def _added_product(k: Tracker, bias: Any, a: Any, b: Any, *_: Any, **__: Any) -> Any:
    product = matmul(k, a, b) if len(a.shape) > 1 else _outer(k, a, b)
    return k.elementwise([bias, product])


@aten("chain_matmul", "linalg_multi_dot")
def _chain(k: Tracker, values: Sequence[Any]) -> Any:
    out, *rest = values
    shape = k.shape
    for v in rest:
        k.shape = (*out.shape[:-1], *v.shape[1:])
        tracked = isinstance(out, Tracked) or isinstance(v, Tracked)
        out = matmul(k, out, v) if tracked else Constant(k.shape)
    k.shape = shape
    return out


@aten("bilinear")
def _bilinear(k: Tracker, a: Any, b: Any, *_: Any) -> Any:
    """Every output channel reads all channels of both."""
    shape = k.shape
    parts = [k.reduce(v, [-1]) if isinstance(v, Tracked) else Constant((*v.shape[:-1], 1)) for v in (a, b)]
    out = k.elementwise(parts, shape=(*shape[:-1], 1))
    return k.elementwise([out], shape=shape)


@aten("repeat_interleave")
def _repeat_interleave(k: Tracker, x: Tracked, times: Any, dim: int | None = None, **_: Any) -> Tracked:
    if not isinstance(times, int):
        raise UnreadableError("it repeats entries by a tensor")
    if dim is None:
        x, dim = replace(x, dims=flattened(x.dims)), 0
    d = dim % len(x.dims)
    return replace(x, dims=with_dim(x.dims, d, repeated(x.dims[d], times)))


def reduction(k: Tracker, x: Tracked, dims: Any) -> Tracked:
    """Mean, sum, maximum, … over some dims, or over all (None, or no dims)."""
    every = dims is None or isinstance(dims, bool) or dims == []
    return k.reduction(x, range(len(x.dims)) if every else listed(dims, 1))
