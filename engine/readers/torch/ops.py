"""What each ATen operator does to a tracked tensor. A handler takes the tracker and the operator's own arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rfscale.engine.readers.tensors import spatial_ops as sp
from rfscale.engine.readers.tensors.layout import UnreadableError, length, neutral, regroup, spatial, with_dim
from rfscale.engine.readers.tensors.products import attend, einsum, matmul, weighted
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker
from rfscale.engine.readers.torch import write_ops
from rfscale.engine.readers.torch.registry import aten, listed

_FILLED_BY = (write_ops,)  # importing them fills the table

POINTWISE = """
abs acos alias asin atan bernoulli bitwise_not ceil celu clamp clamp_max clamp_min clip cos cosh dropout elu erf erfc
exp expm1 alpha_dropout feature_dropout floor frac gelu hardshrink hardsigmoid hardswish hardtanh isfinite isinf isnan
leaky_relu log log10 log1p log2 log_sigmoid logical_not logit mish nan_to_num neg negative pow positive reciprocal
relu relu6 round rrelu rsqrt selu sigmoid sign silu sin sinh softplus softshrink softsign sqrt square tan tanh
tanhshrink threshold trunc native_dropout float_power heaviside prelu dropout1d dropout2d dropout3d
feature_alpha_dropout fake_quantize_per_tensor_affine conj real resolve_conj
""".split()
# the first tensor's entries, in another layout, type or memory: what else is given says only which
COPIES = """
alias clone contiguous detach detach_copy lift_fresh lift_fresh_copy to type_as _to_copy
""".split()
ADDED = "add sub rsub maximum minimum fmax fmin where lerp addcmul addcdiv logaddexp hypot atan2 remainder fmod".split()
COMPARED = "eq ne lt le gt ge logical_and logical_or logical_xor bitwise_and bitwise_or masked_fill copysign".split()
MULTIPLIED = "mul div multiply divide true_divide floor_divide xlogy".split()


@aten(*POINTWISE)
def _pointwise(k: Tracker, x: Any, *others: Any, **_: Any) -> Any:
    values = [x, *(o for o in others if isinstance(o, Tracked))]
    return k.elementwise(values)


@aten(*COPIES)
def _copy(k: Tracker, x: Any, *_: Any, **__: Any) -> Any:
    return k.elementwise([x])


@aten("copy")
def _overwritten(k: Tracker, _old: Any, new: Any, *_: Any, **__: Any) -> Any:
    return k.elementwise([new])


@aten("fill", "zero", "normal", "uniform", "exponential")
def _filled(k: Tracker, _old: Any, *values: Any, **__: Any) -> Any:
    return k.elementwise(values)


@aten("batch_norm", "native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training")
@aten("cudnn_batch_norm", "miopen_batch_norm")
def _batch_norm(k: Tracker, x: Any, w: Any, b: Any, *rest: Any, **named: Any) -> Any:
    """By running statistics entry by entry; by those of the batch, which training takes, over the whole map."""
    shapes = k.shape if isinstance(k.shape, list) else [k.shape]
    k.shape = shapes[0]
    training = named.get("training", next((v for v in rest if isinstance(v, bool)), False))
    if training and isinstance(x, Tracked):
        x = k.statistic(x, [0, *range(2, len(x.dims))])
    out = k.elementwise([x, w, b])
    return [out, *map(Constant, shapes[1:])] if len(shapes) > 1 else out


@aten(*ADDED, *COMPARED)
def _added(k: Tracker, *values: Any, **_: Any) -> Any:
    return k.elementwise(values)


@aten(*MULTIPLIED)
def _multiplied(k: Tracker, *values: Any, **_: Any) -> Any:
    return k.elementwise(values, "multiply")


@aten(*(f"{kind}_like" for kind in ("zeros", "ones", "full", "empty", "rand", "randn", "randint")))
@aten("new_zeros", "new_ones", "new_full", "new_empty", "new_empty_strided", "new_tensor", "empty_permuted")
def _without_values(k: Tracker, *_: Any, **__: Any) -> Constant:
    return Constant(k.shape)


@aten("_assert_tensor_metadata", "_assert_async")
def _nothing(k: Tracker, *_: Any, **__: Any) -> None:
    return None


# layout -------------------------------------------------------------------------------------------------------------


@aten("view", "reshape", "flatten", "unflatten", "_unsafe_view", "squeeze", "unsqueeze", "view_as", "reshape_as")
def _view(k: Tracker, x: Any, *_: Any, **__: Any) -> Any:
    return replace(x, dims=regroup(x.dims, k.shape)) if isinstance(x, Tracked) else Constant(k.shape)


@aten("permute")
def _permute(k: Tracker, x: Tracked, order: Sequence[int]) -> Tracked:
    return replace(x, dims=tuple(x.dims[d] for d in order))


@aten("transpose", "swapaxes", "swapdims")
def _transpose(k: Tracker, x: Tracked, a: int, b: int) -> Tracked:
    dims = list(x.dims)
    dims[a], dims[b] = dims[b], dims[a]
    return replace(x, dims=tuple(dims))


@aten("t", "numpy_T", "mT", "adjoint")
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
    return sp.tile(k, x)


@aten("repeat_interleave")
def _repeat_interleave(k: Tracker, x: Tracked, times: Any, dim: int | None = None, **_: Any) -> Tracked:
    if dim is None or not isinstance(times, int):
        raise UnreadableError("it repeats entries by a tensor")
    d = dim % len(x.dims)
    return replace(
        x, dims=with_dim(x.dims, d, (*x.dims[d], *neutral(times)) if spatial(x.dims[d]) else neutral(k.shape[d]))
    )


@aten("slice")
def _slice(k: Tracker, x: Tracked, dim: int = 0, start: Any = None, stop: Any = None, step: int = 1) -> Tracked:
    d = dim % len(x.dims)
    start, stop, step = slice(start, stop, step).indices(length(x.dims[d]))
    return sp.narrow(k, x, d, start, stop, step)


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


@aten("split", "split_with_sizes", "chunk", "tensor_split")
def _split(k: Tracker, x: Tracked, parts: Any, dim: int = 0) -> list[Tracked]:
    return sp.split(k, x, dim, [shape[dim] for shape in k.shape])  # one shape per part


@aten("cat", "concat", "concatenate")
def _cat(k: Tracker, values: Sequence[Any], dim: int = 0) -> Tracked:
    return sp.concatenate(k, [v for v in values if 0 not in v.shape], dim)


@aten("stack")
def _stack(k: Tracker, values: Sequence[Any], dim: int = 0) -> Tracked:
    d = dim % len(k.shape)

    def grown(v: Any) -> Any:
        if isinstance(v, Tracked):
            return replace(v, dims=(*v.dims[:d], (), *v.dims[d:]))
        return Constant((*v.shape[:d], 1, *v.shape[d:]))

    return sp.concatenate(k, [grown(v) for v in values], d)


@aten("index")
def _index(k: Tracker, x: Any, indices: Sequence[Any]) -> Tracked:
    if not isinstance(x, Tracked) or any(isinstance(i, Tracked) for i in indices):
        raise UnreadableError("it picks entries by their values")
    used = [d for d, i in enumerate(indices) if i is not None]
    if len(used) != 1 or spatial(x.dims[used[0]]) or len(indices[used[0]].shape) != 1:
        raise UnreadableError("it picks entries by a table")
    d = used[0]
    return replace(x, dims=with_dim(x.dims, d, neutral(k.shape[d])))


@aten("index_select")
def _index_select(k: Tracker, x: Any, dim: int, index: Any) -> Tracked:
    return _index(k, x, [None] * (dim % len(x.shape)) + [index])


# what mixes ---------------------------------------------------------------------------------------------------------


@aten("mean", "sum", "amax", "amin", "var", "std", "norm", "logsumexp", "prod", "nansum", "any", "all", "count_nonzero")
def _reduction(k: Tracker, x: Tracked, dims: Any = None, *rest: Any, **named: Any) -> Tracked:
    dims = named.get("dim", dims)
    return reduction(k, x, dims)


@aten("linalg_vector_norm", "norm_except_dim")
def _vector_norm(k: Tracker, x: Tracked, order: Any = 2, dims: Any = None, *_: Any, **__: Any) -> Tracked:
    return reduction(k, x, dims)


@aten("var_mean", "std_mean", "max", "min", "median", "mode", "kthvalue")
def _pairs(k: Tracker, x: Tracked, *rest: Any, **named: Any) -> Any:
    if rest and isinstance(rest[0], Tracked | Constant):
        return k.elementwise([x, *rest])
    shapes = k.shape
    if not shapes or isinstance(shapes[0], int):
        return reduction(k, x, rest[0] if rest else None)
    k.shape = shapes[0]
    dims = named.get("dim", rest[0] if rest else None)
    out = reduction(k, x, dims)
    return [out] * len(shapes)


@aten("sort", "cumsum", "cumprod", "flip")
def _ordered(k: Tracker, x: Tracked, dims: Any = -1, *_: Any, **named: Any) -> Any:
    """What orders entries along a dim: harmless along channels."""
    several = not isinstance(k.shape[0], int)
    if any(spatial(x.dims[d]) for d in listed(named.get("dim", dims), 1)):
        raise UnreadableError("it orders or picks entries along a spatial axis")
    shape = k.shape[0] if several else k.shape
    out = replace(x, dims=tuple(d if spatial(d) else neutral(n) for d, n in zip(x.dims, shape, strict=True)))
    return [out] * len(k.shape) if several else out


@aten("topk")
def _topk(k: Tracker, x: Tracked, _count: int, dim: int = -1, *rest: Any, **named: Any) -> Any:
    return _ordered(k, x, dim, **named)


@aten("argmax", "argmin", "softmax", "log_softmax", "_softmax")
def _along(k: Tracker, x: Tracked, dim: Any = None, *_: Any, **__: Any) -> Tracked:
    if len(k.shape) == len(x.dims) and k.shape == x.shape:
        return k.statistic(x, [dim])
    return reduction(k, x, dim)


def reduction(k: Tracker, x: Tracked, dims: Any) -> Tracked:
    """Mean, sum, maximum, … over some dims, or over all."""
    return k.reduction(x, range(len(x.dims)) if dims is None or dims == [] else listed(dims, 1))


@aten("group_norm", "native_group_norm")
def _group_norm(k: Tracker, x: Tracked, *_: Any, **__: Any) -> Tracked:
    return k.statistic(x, range(1, len(x.dims)))


@aten("instance_norm")
def _instance_norm(
    k: Tracker, x: Tracked, w: Any, b: Any, mean: Any, var: Any, use_input_stats: bool, *_: Any
) -> Tracked:
    return k.statistic(x, range(2, len(x.dims))) if use_input_stats else x


@aten("layer_norm", "rms_norm", "native_layer_norm")
def _layer_norm(k: Tracker, x: Tracked, shape: Sequence[int], *_: Any, **__: Any) -> Tracked:
    return k.statistic(x, range(-len(shape), 0))


@aten("linear")
def _linear(k: Tracker, x: Any, w: Any, b: Any = None) -> Tracked:
    if not isinstance(x, Tracked) or isinstance(w, Tracked):
        return matmul(k, x, _transpose(k, w, -1, -2) if isinstance(w, Tracked) else Constant(w.shape[::-1]))
    return weighted(k, x, -1, w.shape[1], w.shape[0], bias=b is not None)


aten("matmul", "bmm", "mm", "mv", "dot")(matmul)


@aten("baddbmm", "addmm", "addbmm")
def _addmm(k: Tracker, bias: Any, a: Any, b: Any, *_: Any, **__: Any) -> Tracked:
    if not isinstance(a, Tracked) and not isinstance(b, Tracked):
        return k.elementwise([bias])
    return k.elementwise([bias, matmul(k, a, b)])


@aten("einsum")
def _einsum(k: Tracker, equation: str, values: Sequence[Any], **_: Any) -> Tracked:
    return einsum(k, equation, values)


@aten("scaled_dot_product_attention")
def _attention(k: Tracker, q: Any, key: Any, value: Any, mask: Any = None, *_: Any, **__: Any) -> Tracked:
    return attend(k, q, key, value)


@aten("lstm", "gru", "rnn_tanh", "rnn_relu")
def _recurrent(k: Tracker, x: Any, states: Any, weights: Sequence[Any], *rest: Any, **_: Any) -> list[Tracked]:
    """Recurrent layers: read both ways, every entry reads all along the axis of time."""
    _bias, _count, _dropout, _train, both_ways, batch_first = rest
    if not isinstance(x, Tracked) or any(isinstance(v, Tracked) for v in (*listed(states, 1), *weights)):
        raise UnreadableError("its states or weights depend on the image")
    time = len(x.dims) - 2 if batch_first else 0
    if spatial(x.dims[time]) and not both_ways:
        raise UnreadableError("it reads a spatial axis one way")
    if spatial(x.dims[-1]):
        raise UnreadableError("it reads pixels as channels")
    out = k.reduce(x, [time], shrink=False)
    last = k.reduce(x, [time])
    others = [d for d in range(len(x.dims) - 1) if d != time]
    ends = [replace(last, dims=(neutral(s[0]), *(last.dims[d] for d in others), neutral(s[-1]))) for s in k.shape[1:]]
    return [replace(out, dims=(*x.dims[:-1], neutral(k.shape[0][-1]))), *ends]
