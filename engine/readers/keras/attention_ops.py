"""Attention of Keras: among tokens, along some axes of a map, one way, or as constant masks leave it."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from rfscale.engine.readers.keras.registry import Call, constant, keras, per_axis
from rfscale.engine.readers.tensors.layout import UnreadableError, regroup
from rfscale.engine.readers.tensors.operators.products import attend, weighted
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker

_SOME = "it attends to some entries only"
_MASKS = ("query_mask", "value_mask", "key_mask")


@keras("MultiHeadAttention", "MultiHeadAttentionV2", "GroupedQueryAttention", "GroupQueryAttention")
def _attention(k: Tracker, call: Call) -> Tracked:
    query, value = call.argument("query", 0), call.argument("value", 1)
    keys = call.argument("key", 2)
    keys = value if keys is None else keys
    if not all(isinstance(v, Tracked) for v in (query, keys, value)):
        raise UnreadableError("it attends to what does not depend on the image")
    rank = len(query.dims)
    along = [a % rank for a in call.get("attention_axes", range(1, rank - 1))]
    causal = bool(call.options.get("use_causal_mask"))
    mask = _mask(call, "attention_mask")
    if call.get("sliding_window") or (mask is not None and (causal or len(along) > 1)):
        raise UnreadableError(_SOME)
    heads = per_axis(call.get("num_heads", call.get("num_query_heads")), 1)[0]
    width = call.get("key_dim", call.get("head_dim"))
    bias, values = bool(call.get("use_bias", True)), call.get("value_dim", width)
    order = [d for d in range(rank) if d not in along and d < rank - 1] + along + [rank - 1]
    q, key, v = (
        _tokens(weighted(k, t, -1, t.shape[-1], heads * n, bias=bias), order, len(along))
        for t, n in ((query, width), (keys, width), (value, values))
    )
    k.shape = (*q.shape[:-1], v.shape[-1])
    out = attend(k, q, key, v, mask, causal)
    ordered = (*(query.shape[d] for d in order[:-1]), v.shape[-1])
    dims = regroup(out.dims, ordered)
    out = replace(out, dims=tuple(dims[order.index(d)] for d in range(rank)))
    wanted = call.get("output_shape", query.shape[-1])
    return weighted(k, out, -1, v.shape[-1], per_axis(wanted, 1)[0], bias=bias)


def _tokens(t: Tracked, order: list[int], along: int) -> Tracked:
    """A tensor of (batch, other axes…, tokens, channels)."""
    moved = replace(t, dims=tuple(t.dims[d] for d in order))
    shape = moved.shape
    first = len(shape) - 1 - along
    return replace(moved, dims=regroup(moved.dims, (*shape[:first], prod(shape[first:-1]), shape[-1])))


@keras("Attention", "AdditiveAttention")
def _dot_attention(k: Tracker, call: Call) -> Tracked:
    query, value = call.inputs[:2]
    keys = call.inputs[2] if len(call.inputs) > 2 and 2 not in call.named.values() else value
    if len(query.shape) != 3:
        raise UnreadableError("attention is read with 3 dims only")
    causal = bool(call.options.get("use_causal_mask"))
    mask = _mask(call, "mask")
    if causal and mask is not None:
        raise UnreadableError(_SOME)
    k.shape = (*query.shape[:2], value.shape[2])
    return attend(k, query, keys, value, mask, causal)


def _mask(call: Call, name: str) -> Any:
    """Which keys each query may read, of a layer's mask: all where the values are not known."""
    if any(isinstance(call.inputs[i], Tracked) for key, i in call.named.items() if key.partition("[")[0] in _MASKS):
        raise UnreadableError("its mask depends on the image")
    if name in call.named:
        given = call.inputs[call.named[name]]
        return given if isinstance(given, Tracked) else None
    option = call.options.get(name)
    if isinstance(option, list | tuple):  # of queries, and of values
        option = option[1] if len(option) > 1 else None
    found = constant(option)
    if found is None:
        return None
    keeps = found.value.astype(bool)
    keeps = keeps.any(axis=tuple(range(max(0, keeps.ndim - 2)))) if keeps.ndim > 2 else keeps.any(0)[None]
    return None if keeps.all() else Constant(keeps.shape, keeps)
