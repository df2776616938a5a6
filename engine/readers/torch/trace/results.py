"""Results of operators on tensors without values, by rules of shape.

Torch works many of these out in Python, operator by operator: most of the time of a run (a relu takes 650 µs, its rule
5). A rule gives the result that the operator has on the CPU, its strides included, or None where it does not apply: the
operator is run then, and says itself what is wrong with its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch

from rfscale.engine.readers.torch.trace.strides import (
    Ints,
    channels_last,
    contiguous,
    elementwise_strides,
    is_channels_last,
)

Rule: TypeAlias = Callable[..., Any]
RULES: dict[str, Rule] = {}  # by the name of the operator and its overload, without namespace
META = torch.device("meta")


def _rule(*names: str) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, rule))
        return rule

    return register


def made(func: Any, args: Any, kwargs: Any) -> Any:
    """Return what an operator makes of tensors without values by its rule, or None where none applies.

    Parameters
    ----------
    func : OpOverload
    args, kwargs
        Its arguments, every tensor on the meta device.
    """
    rule = RULES.get(func.__name__)
    return None if rule is None else rule(*args, **kwargs)


def _new(like: Any, shape: Ints, strides: Ints | None = None) -> Any:
    strides = contiguous(shape) if strides is None else strides
    return torch.empty_strided(shape, strides, dtype=like.dtype, device=META)


def _is_plain(*tensors: Any) -> bool:
    """Whether these are floating tensors of one type."""
    kind = tensors[0].dtype
    return kind.is_floating_point and all(t.dtype is kind and t.layout is torch.strided for t in tensors)


def _in_order(*tensors: Any) -> bool:
    """Whether the entries of each of these lie one after another."""
    return all(t.is_contiguous() for t in tensors)


def _channels_first(t: Any) -> bool:
    """Whether the entries lie one after another, and torch takes them for nothing else."""
    return t.is_contiguous() and not is_channels_last(t)


# entry by entry -------------------------------------------------------------------------------------------------------


def _elementwise(*operands: Any) -> Any:
    """A result entry by entry, of floating tensors of one type and of numbers."""
    tensors = [x for x in operands if isinstance(x, torch.Tensor)]
    others = [x for x in operands if not isinstance(x, torch.Tensor)]
    if not tensors or not _is_plain(*tensors) or not all(x is None or type(x) in (int, float) for x in others):
        return None
    shape = tensors[0].shape
    if 0 in shape:
        return None
    if all(t.shape == shape for t in tensors):
        if _in_order(*tensors):
            return _new(tensors[0], shape)
    else:
        shape = _broadcast([t.shape for t in tensors])
        if shape is None:
            return None
    return _new(tensors[0], shape, elementwise_strides(shape, [(t.shape, t.stride()) for t in tensors]))


def _broadcast(shapes: Sequence[Ints]) -> Any:
    rank = max(map(len, shapes))
    out = [1] * rank
    for shape in shapes:
        for d, n in enumerate(shape, rank - len(shape)):
            if n != 1 and out[d] not in (1, n):
                return None
            out[d] = n if n != 1 else out[d]
    return None if 0 in out else tuple(out)


for _name in """
    relu relu6 silu sigmoid tanh hardswish hardsigmoid hardtanh leaky_relu elu selu celu mish softplus
    hardshrink softshrink threshold abs neg exp log sqrt rsqrt reciprocal square sin cos erf clamp clamp_min clamp_max
""".split():
    RULES[f"{_name}.default"] = _elementwise
for _name in ("mul.Tensor", "div.Tensor", "true_divide.Tensor", "maximum.default", "minimum.default"):
    RULES[_name] = _elementwise
RULES["pow.Tensor_Scalar"] = _elementwise


@_rule("gelu.default")
def _gelu(x: Any, *, approximate: str = "none") -> Any:
    return _elementwise(x) if approximate in ("none", "tanh") else None


@_rule("add.Tensor", "sub.Tensor")
def _sum(x: Any, y: Any, *, alpha: Any = 1) -> Any:
    return _elementwise(x, y, alpha)


# norms and products ---------------------------------------------------------------------------------------------------


@_rule("batch_norm.default")
def _batch_norm(x: Any, *rest: Any) -> Any:
    return _normed(x, [a for a in rest if isinstance(a, torch.Tensor)], x.shape[1]) if x.dim() > 1 else None


@_rule("group_norm.default")
def _group_norm(x: Any, groups: int, *rest: Any) -> Any:
    if x.dim() < 2 or groups < 1 or x.shape[1] % groups:
        return None
    return _normed(x, [a for a in rest if isinstance(a, torch.Tensor)], x.shape[1])


def _normed(x: Any, weights: Sequence[Any], channels: int) -> Any:
    fits = all(w.shape == (channels,) for w in weights) and _is_plain(x, *weights)
    return _new(x, x.shape) if fits and 0 not in x.shape and _in_order(x) else None


@_rule("layer_norm.default")
def _layer_norm(x: Any, shape: Any, weight: Any = None, bias: Any = None, *_: Any) -> Any:
    weights = [w for w in (weight, bias) if w is not None]
    own = tuple(shape)
    fits = tuple(x.shape[-len(own) :]) == own and all(tuple(w.shape) == own for w in weights)
    return _new(x, x.shape) if own and fits and 0 not in x.shape and _is_plain(x, *weights) else None


@_rule("linear.default")
def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    weights = [weight] if bias is None else [weight, bias]
    fits = x.dim() > 1 and weight.dim() == 2 and x.shape[-1] == weight.shape[1] and 0 not in x.shape
    if not fits or not _is_plain(x, *weights) or (bias is not None and bias.shape != weight.shape[:1]):
        return None
    return _new(x, (*x.shape[:-1], weight.shape[0]))


@_rule("matmul.default", "bmm.default")
def _matmul(a: Any, b: Any) -> Any:
    if a.dim() < 3 or a.dim() != b.dim() or a.shape[-1] != b.shape[-2] or not _is_plain(a, b):
        return None
    batch = _broadcast([a.shape[:-2], b.shape[:-2]])
    if batch is None or 0 in a.shape or 0 in b.shape or (a.dim() == 3 and a.shape[0] != b.shape[0]):
        return None
    return _new(a, (*batch, a.shape[-2], b.shape[-1]))


@_rule("softmax.int")
def _softmax(x: Any, dim: int, dtype: Any = None) -> Any:
    fits = dtype is None and -x.dim() <= dim < x.dim() and _is_plain(x) and 0 not in x.shape and _in_order(x)
    return _new(x, x.shape) if fits else None


@_rule("scaled_dot_product_attention.default")
def _attention(
    q: Any, k: Any, v: Any, mask: Any = None, dropout: float = 0.0, is_causal: bool = False, **more: Any
) -> Any:
    if more.get("enable_gqa") or (is_causal and mask is not None) or dropout or min(q.dim(), k.dim(), v.dim()) < 3:
        return None
    if q.shape[:-2] != k.shape[:-2] or k.shape[:-1] != v.shape[:-1] or q.shape[-1] != k.shape[-1]:
        return None
    if not _is_plain(q, k, v) or 0 in q.shape or 0 in v.shape:
        return None
    if mask is not None:
        scores = (*q.shape[:-1], k.shape[-2])
        if mask.dtype not in (torch.bool, q.dtype) or _broadcast([mask.shape, scores]) != scores:
            return None
    return _new(q, (*q.shape[:-1], v.shape[-1]))


# along the axes -------------------------------------------------------------------------------------------------------


@_rule("conv1d.default", "conv2d.default", "conv3d.default")
def _conv(x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1) -> Any:
    n = w.dim() - 2
    weights = [w] if b is None else [w, b]
    fits = n > 0 and x.dim() == w.dim() and x.shape[1] == w.shape[1] * groups and w.shape[0] % groups == 0
    if not fits or 0 in x.shape or 0 in w.shape or not _is_plain(x, *weights):
        return None
    if b is not None and b.shape != w.shape[:1]:
        return None
    every = [_per_axis(value, n) for value in (stride, padding, dilation)]
    if None in every:
        return None
    size = [
        (m + 2 * p - d * (k - 1) - 1) // s + 1
        for m, k, s, p, d in zip(x.shape[2:], w.shape[2:], *every, strict=True)
        if s > 0 and p >= 0 and d > 0
    ]
    if len(size) < n or min(size) < 1:
        return None
    shape = (x.shape[0], w.shape[0], *size)
    by_channels = [is_channels_last(t) for t in (x, w)]
    if not any(by_channels):
        first = [t.is_contiguous() and (n > 1 or t.stride() == contiguous(t.shape)) for t in (x, w)]
        return _new(x, shape) if all(first) else None
    known = n == 2 and all(last or _in_order(t) for last, t in zip(by_channels, (x, w), strict=True))
    return _new(x, shape, channels_last(shape)) if known else None


def _per_axis(value: Any, n: int) -> Any:
    """One number for each axis; None where these are no numbers."""
    values = [value] * n if isinstance(value, int) else value
    if isinstance(values, str) or not all(isinstance(v, int) for v in values):
        return None
    values = list(values) * n if len(values) == 1 else values
    return values if len(values) == n else None


@_rule("adaptive_avg_pool2d.default")
def _adaptive_pool(x: Any, size: Any) -> Any:
    fits = x.dim() in (3, 4) and len(size) == 2 and min(size) > 0 and 0 not in x.shape
    return _new(x, (*x.shape[:-2], *size)) if fits and _is_plain(x) and _channels_first(x) else None


@_rule("mean.dim", "sum.dim_IntList")
def _reduced(x: Any, dims: Any, keepdim: bool = False, *, dtype: Any = None) -> Any:
    if dtype is not None or not _is_plain(x) or 0 in x.shape or not _in_order(x):
        return None
    rank = x.dim()
    given = [dims] if isinstance(dims, int) else dims or range(rank)
    if any(not -rank <= d < rank for d in given):
        return None
    gone = {d % rank for d in given}
    if len(gone) != len(given):
        return None
    return _new(x, [1 if d in gone else n for d, n in enumerate(x.shape) if keepdim or d not in gone])


@_rule("cat.default")
def _cat(tensors: Any, dim: int = 0) -> Any:
    if not tensors or not _is_plain(*tensors):
        return None
    rank = tensors[0].dim()
    if not rank or not -rank <= dim < rank or any(t.dim() != rank or 0 in t.shape for t in tensors):
        return None
    d = dim % rank
    others = {(*t.shape[:d], *t.shape[d + 1 :]) for t in tensors}
    if len(others) > 1:
        return None
    shape = (*tensors[0].shape[:d], sum(t.shape[d] for t in tensors), *tensors[0].shape[d + 1 :])
    return _new(tensors[0], shape, channels_last(shape) if all(map(is_channels_last, tensors)) else None)


@_rule("roll.default")
def _roll(x: Any, shifts: Any, dims: Any = ()) -> Any:
    by, along = ([v] if isinstance(v, int) else v for v in (shifts, dims))
    fits = along and len(by) == len(along) and all(-x.dim() <= d < x.dim() for d in along)
    return _new(x, x.shape) if fits and _is_plain(x) and 0 not in x.shape and _in_order(x) else None


@_rule("upsample_bilinear2d.vec", "upsample_bicubic2d.vec")
def _resampled(x: Any, size: Any, corners: bool, scales: Any) -> Any:
    if x.dim() != 4 or (size is None) == (scales is None) or not _is_plain(x) or not _channels_first(x) or 0 in x.shape:
        return None
    new = size if size is not None else [int(n * s) for n, s in zip(x.shape[2:], scales, strict=False)]
    return _new(x, (*x.shape[:2], *new)) if len(new) == 2 and min(new) > 0 else None


# one step after another -----------------------------------------------------------------------------------------------

_GATES = {  # weights of one step are so many times as long as its state
    "lstm": 4,
    "gru": 3,
    "rnn_tanh": 1,
    "rnn_relu": 1,
}


def _recurrent(gates: int, states: int) -> Rule:
    """Rule of a recurrent layer: the outputs of all steps, and the last states."""

    def rule(
        x: Any, before: Any, weights: Any, biases: bool, layers: int, _dropout: float, _train: bool, both: bool,
        batch_first: bool,
    ) -> Any:  # fmt: skip
        given = list(before) if isinstance(before, list | tuple) else [before]
        if x.dim() != 3 or 0 in x.shape or not weights or not _is_plain(x, *given, *weights):
            return None
        ways, hidden = 1 + both, given[0].shape[-1]
        steps, batch = x.shape[:2][:: -1 if batch_first else 1]
        wanted: list[tuple[int, ...]] = []  # a projection has one more
        for layer in range(layers):
            entries = ways * hidden if layer else x.shape[2]
            one = [(gates * hidden, entries), (gates * hidden, hidden), *[(gates * hidden,)] * (2 * biases)]
            wanted += one * ways
        state = (layers * ways, batch, hidden)
        if [tuple(w.shape) for w in weights] != wanted or [tuple(s.shape) for s in given] != [state] * states:
            return None
        shape = (steps, batch, ways * hidden)
        out = _new(x, shape)
        return (out.transpose(0, 1) if batch_first else out, *(_new(x, state) for _ in given))

    return rule


for _name, _gates in _GATES.items():
    RULES[f"{_name}.input"] = _recurrent(_gates, 2 if _name == "lstm" else 1)
