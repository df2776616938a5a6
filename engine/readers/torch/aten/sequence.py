"""ATen operators along sequences: attention, recurrent layers, cumulative sums."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rfscale.engine.readers.tensors.layout import ALL_OF_IT, UnreadableError, neutral, spatial, with_dim, with_tokens
from rfscale.engine.readers.tensors.operators.moves import cumulate
from rfscale.engine.readers.tensors.operators.products import attend, weighted
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker
from rfscale.engine.readers.torch.registry import aten, listed


@aten("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin")
def _cumulative(k: Tracker, x: Tracked, dim: int = -1, *_: Any, **named: Any) -> Any:
    out = cumulate(k, x, named.get("dim", dim) % len(x.dims))
    return [out] * len(k.shape) if isinstance(k.shape, list) else out


# attention ------------------------------------------------------------------------------------------------------------


@aten("scaled_dot_product_attention", "_scaled_dot_product_attention_math")
def _attention(
    k: Tracker, q: Any, key: Any, value: Any, mask: Any = None, _dropout: float = 0.0, causal: bool = False, *_: Any,
    **named: Any,
) -> Any:  # fmt: skip
    return _attended(k, q, key, value, mask, named.get("is_causal", causal))


@aten("_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_flash_attention")
def _flash_attention(
    k: Tracker, q: Any, key: Any, value: Any, _dropout: float = 0.0, causal: bool = False, *_: Any, **named: Any
) -> Any:
    return _attended(k, q, key, value, named.get("attn_mask"), named.get("is_causal", causal))


@aten("_scaled_dot_product_fused_attention_overrideable")
def _fused_attention(
    k: Tracker, q: Any, key: Any, value: Any, mask: Any = None, _dropout: float = 0.0, causal: bool = False, *_: Any,
    **named: Any,
) -> Any:  # fmt: skip
    return _attended(k, q, key, value, mask, named.get("is_causal", causal))


@aten("_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention")
def _efficient_attention(
    k: Tracker, q: Any, key: Any, value: Any, mask: Any, _with_sum: bool, _dropout: float = 0.0, causal: bool = False,
    *_: Any, **named: Any,
) -> Any:  # fmt: skip
    return _attended(k, q, key, value, mask, named.get("is_causal", causal))


def _attended(k: Tracker, q: Any, key: Any, value: Any, mask: Any, causal: bool) -> Any:
    """Below autograd with statistics, which only training reads."""
    several = isinstance(k.shape, list)
    shapes = k.shape if several else [k.shape]
    k.shape = shapes[0]
    out = attend(k, q, key, value, mask, causal)
    return [out, *map(Constant, shapes[1:])] if several else out


@aten("_native_multi_head_attention")
def _multi_head(
    k: Tracker, q: Any, key: Any, value: Any, width: int, _heads: int, w: Any, b: Any, out_w: Any, out_b: Any,
    mask: Any = None, *_: Any,
) -> Any:  # fmt: skip
    shapes, k.shape = k.shape, k.shape[0]
    if not all(isinstance(v, Tracked) for v in (q, key, value)):
        raise UnreadableError("its queries, keys or values are constant")
    out = _self_attention(k, q, key, value, width, mask)
    return [out, *map(Constant, shapes[1:])]


def _self_attention(k: Tracker, q: Tracked, key: Tracked, value: Tracked, width: int, mask: Any) -> Tracked:
    """Attention whose mask, where it is one of truth values, says which keys are left out."""
    if isinstance(mask, Constant) and mask.value is not None and mask.value.dtype == bool:
        mask = replace(mask, value=~mask.value)
    if q is key is value:
        joint = weighted(k, q, -1, width, 3 * width)
        q = key = value = replace(joint, dims=(*joint.dims[:-1], neutral(width)))
    else:
        q, key, value = (weighted(k, v, -1, width, width) for v in (q, key, value))
    return weighted(k, attend(k, q, key, value, mask), -1, width, width)


@aten("_transformer_encoder_layer_fwd")
def _encoder_layer(k: Tracker, x: Tracked, width: int, _heads: int, *given: Any, **named: Any) -> Tracked:
    """Attention and two linear layers, each added to what it reads; norms are over channels."""
    wide = given[13] if len(given) > 13 else named["ffn_weight_1"]
    mask = given[17] if len(given) > 17 else named.get("mask")
    if spatial(x.dims[-1]):
        raise UnreadableError("it reads pixels as channels")
    out = k.elementwise([x, _self_attention(k, x, x, x, width, mask)], shape=x.shape)
    hidden = weighted(k, out, -1, width, wide.shape[0])
    return k.elementwise([out, weighted(k, hidden, -1, wide.shape[0], width)], shape=x.shape)


# recurrent layers -----------------------------------------------------------------------------------------------------


@aten("lstm", "gru", "rnn_tanh", "rnn_relu")
def _recurrent(k: Tracker, x: Any, states: Any, weights: Any, *rest: Any, **_: Any) -> list[Tracked]:
    """Recurrent layers: read both ways, every entry reads all along the axis of time; one way all before it."""
    if isinstance(weights, bool) or len(rest) != 6:
        raise UnreadableError("it reads sequences of several lengths")
    _bias, _count, _dropout, _train, both_ways, batch_first = rest
    if not isinstance(x, Tracked) or any(isinstance(v, Tracked) for v in (*listed(states, 1), *weights)):
        raise UnreadableError("its states or weights depend on the image")
    time = len(x.dims) - 2 if batch_first else 0
    if spatial(x.dims[-1]):
        raise UnreadableError("it reads pixels as channels")
    out = _read_all(k, x, time) if both_ways else cumulate(k, x, time)
    last = k.reduce(x, [time])
    others = [d for d in range(len(x.dims) - 1) if d != time]
    ends = [replace(last, dims=(neutral(s[0]), *(last.dims[d] for d in others), neutral(s[-1]))) for s in k.shape[1:]]
    return [replace(out, dims=(*out.dims[:-1], neutral(k.shape[0][-1]))), *ends]


def _read_all(k: Tracker, x: Tracked, d: int) -> Tracked:
    out = k.reduce(x, [d], shrink=False)
    along = with_tokens(x.dims[d], (ALL_OF_IT,)) if out.map == x.map else neutral(x.shape[d])
    return replace(out, dims=with_dim(x.dims, d, along))


@aten("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")
def _cell(k: Tracker, x: Any, states: Any, w: Any, *_: Any) -> Any:
    """One step: the input and the state, channels mixed."""
    several = isinstance(k.shape, list)
    values = [v for v in (x, *(states if isinstance(states, list | tuple) else [states])) if isinstance(v, Tracked)]
    parts = [k.reduce(v, [-1], shrink=False) for v in values]
    shape = k.shape[0] if several else k.shape
    out = k.elementwise(parts, shape=(*shape[:-1], 1))
    out = replace(out, dims=(*out.dims[:-1], neutral(shape[-1])))
    return [out] * len(k.shape) if several else out
