"""Operators of onnxruntime that stand for several of ONNX: written as those."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rfscale.engine.readers.onnx.graph.image import NHWC
from rfscale.engine.readers.onnx.graph.node import Node
from rfscale.engine.readers.onnx.operators.registry import onnx, rewritten
from rfscale.engine.readers.tensors.layout import UnreadableError, neutral, spatial, with_dim
from rfscale.engine.readers.tensors.operators.left_out import NO_WEIGHT, far_below
from rfscale.engine.readers.tensors.operators.products import attend, weighted
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker

POINTWISE = """
Gelu FastGelu QuickGelu BiasGelu BiasAdd BiasDropout BitmaskDropout BitmaskBiasDropout Swish QuantizeLinear
DequantizeLinear ReorderInput ReorderOutput QLinearLeakyRelu QLinearSigmoid Scale
""".split()
FAR_BELOW = 100 * NO_WEIGHT  # which no bias lifts
_NCHWC = "com.microsoft.nchwc"
_MOVED = """
Conv MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool ConvTranspose QLinearConv BatchNormalization
InstanceNormalization DepthToSpace SpaceToDepth Resize Upsample GridSample LRN
""".split()


def made(op: str, inputs: Sequence[str], outputs: Sequence[str], like: Any = None, **attrs: Any) -> Any:
    """Return a node of ONNX's own operators; the attributes of `like` come with it, those given aside."""
    import onnx as library

    node = library.helper.make_node(
        op, list(inputs), list(outputs), name=like.name if like is not None else "", **attrs
    )
    if like is not None:
        node.attribute.extend(a for a in like.attribute if a.name not in attrs)
    return node


def between(node: Any, what: str) -> str:
    """Return a name for what a rewritten node makes on the way."""
    return f"{next(iter(node.output), '')}/{what}"


def rank_of(value: Any) -> int:
    """Dims of an input."""
    if not isinstance(value, Tracked | Constant):
        raise UnreadableError("it reads what is no tensor")
    return len(value.shape)


def channels_last(node: Any, read: Node, op: str, inputs: Sequence[str], like: Any) -> list[Any]:
    """An operator on a map whose channels come last: moved to the front, and back."""
    rank = rank_of(read.inputs[0])
    first, back = [0, rank - 1, *range(1, rank - 1)], [0, *range(2, rank), 1]
    into, out = between(node, "first"), between(node, "made")
    return [
        made("Transpose", [inputs[0]], [into], perm=first),
        made(op, [into, *inputs[1:]], [out, *node.output[1:]], like),
        made("Transpose", [out], [node.output[0]], perm=back),
    ]


def _rewrite_channels_last(op: str) -> Callable[[Any, Node], list[Any]]:
    return lambda node, read: channels_last(node, read, op, node.input, node)


for _op in _MOVED:
    rewritten(_op, domain=NHWC)(_rewrite_channels_last(_op))
for _fused, _op in (("NhwcMaxPool", "MaxPool"), ("NhwcConv", "Conv")):
    rewritten(_fused)(_rewrite_channels_last(_op))


def _renamed(op: str, count: int | None = None) -> Callable[[Any, Node], list[Any]]:
    """The same operator by another name, of its first inputs."""
    return lambda node, read: [made(op, node.input[:count], node.output, node)]


for _op in ("Conv", "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool", "Upsample"):
    rewritten(_op, domain=_NCHWC)(_renamed(_op, 3))
rewritten("MaxpoolWithMask")(_renamed("MaxPool", 1))
rewritten("DynamicQuantizeLSTM")(_renamed("LSTM", 7))
rewritten("GemmFloat8", "FusedGemm")(_renamed("Gemm", 3))


@rewritten("FusedConv", "NhwcFusedConv")
def _fused_conv(node: Any, read: Node) -> list[Any]:
    inputs, out = list(node.input[:3]), node.output[0]
    added = node.input[3] if len(node.input) > 3 else ""
    target = between(node, "conv") if added else out
    if node.op_type == "FusedConv":
        nodes = [made("Conv", inputs, [target], node)]
    else:
        moved = made("Conv", inputs, [target], node)
        nodes = channels_last(moved, read, "Conv", inputs, node)
    return [*nodes, made("Add", [target, added], [out])] if added else nodes


@rewritten("FusedMatMul", "TransposeMatMul")
def _fused_matmul(node: Any, read: Node) -> list[Any]:
    nodes, inputs = [], list(node.input[:2])
    for i, side in enumerate("AB"):
        rank, turned = rank_of(read.inputs[i]), bool(read.attrs.get(f"trans{side}"))
        order = list(range(rank))
        if read.attrs.get(f"transBatch{side}"):
            order = [*order[1:-1], 0, order[-1]]
        if turned and rank > 1:
            order[-2:] = order[:-3:-1]
        if order != list(range(rank)):
            name = between(node, side)
            nodes.append(made("Transpose", [inputs[i]], [name], perm=order))
            inputs[i] = name
    return [*nodes, made("MatMul", inputs, node.output)]


@rewritten("MatMulIntegerToFloat", "GemmFastGelu", "DynamicQuantizeMatMul")
def _matmul(node: Any, read: Node) -> list[Any]:
    inputs = list(node.input[:2])
    nodes = []
    if node.op_type == "DynamicQuantizeMatMul":
        scaled = between(node, "quantized")
        nodes.append(made("DynamicQuantizeLinear", inputs[:1], [scaled]))
        inputs[0] = scaled
    return [*nodes, made("MatMul", inputs, node.output)]


@rewritten("SkipLayerNormalization", "SkipSimplifiedLayerNormalization")
def _skip_norm(node: Any, read: Node) -> list[Any]:
    total = node.output[3] if len(node.output) > 3 and node.output[3] else between(node, "sum")
    return [made("Add", node.input[:2], [total]), made("LayerNormalization", [total], node.output[:1])]


@rewritten("GroupNorm", "SkipGroupNorm")
def _group_norm(node: Any, read: Node) -> list[Any]:
    nodes, name = [], node.input[0]
    if node.op_type == "SkipGroupNorm":
        name = between(node, "sum")
        nodes = [made("Add", [node.input[0], node.input[3]], [name])]
    return [
        *nodes,
        made("InstanceNormalization", [name], node.output[:1], axes=list(range(1, rank_of(read.inputs[0])))),
    ]


@onnx(*POINTWISE, domain="com.microsoft")
@onnx("ReorderInput", "ReorderOutput", domain=_NCHWC)
def _pointwise(k: Tracker, node: Node) -> Any:
    if node.op.startswith("Reorder") and node.attrs.get("channels_last"):
        raise UnreadableError("it moves the channels of a blocked layout")
    parts = [v for v in node.inputs if isinstance(v, Tracked)]
    k.shape = max((v.shape for v in parts), key=len, default=())
    return k.elementwise(node.inputs)


@onnx("RotaryEmbedding", domain="com.microsoft")
@onnx("RotaryEmbedding")
def _rotated(k: Tracker, node: Node) -> Any:
    return k.elementwise(node.inputs[:1], shape=node.inputs[0].shape)


@onnx("MatMulNBits", "MatMulBnb4", "MatMulFpQ4", domain="com.microsoft")
def _matmul_packed(k: Tracker, node: Node) -> Tracked:
    """A linear layer whose weights are packed; its attributes say their shape."""
    x, before, after = node.inputs[0], node.attrs["K"], node.attrs["N"]
    k.shape = (*x.shape[:-1], after)
    return weighted(k, x, -1, before, after, bias=False)


@onnx("Attention", "QAttention", domain="com.microsoft")
def _attention(k: Tracker, node: Node) -> list[Any]:
    """Attention among all entries of a sequence (batch, entries, channels), its linear layers included."""
    x, weights = node.inputs[:2]
    if not isinstance(x, Tracked) or not isinstance(weights, Constant) or len(x.dims) != 3:
        raise UnreadableError("its weights depend on the image, or it is no sequence")
    after = weights.shape[-1] // 3
    k.shape = (*x.shape[:-1], after)
    t = weighted(k, x, -1, x.shape[-1], after)
    given = [*node.inputs, *[None] * 6]
    mask, bias = (given[5], None) if node.op == "QAttention" else (given[3], given[5])
    out = _attended(k, node, t, t, t, mask, bias)
    return [out, *[Constant(())] * (node.outputs - 1)]


def _attended(k: Tracker, node: Node, q: Any, key: Any, v: Any, mask: Any, bias: Any) -> Any:
    """Attention with a mask and a bias of the scores; a key stays that any head or image reads."""
    keeps, more = (c.value if isinstance(c, Constant) else None for c in (mask, bias))
    one_way = bool(node.attrs.get("unidirectional"))
    if keeps is None and more is None:
        return attend(k, q, key, v, causal=one_way)
    total = np.zeros((1, 1, q.shape[1], key.shape[1]))
    if keeps is not None:
        total = total + np.where(_keys_kept(keeps, *total.shape[2:]), 0, FAR_BELOW)
    if more is not None:
        total = total + more
    if one_way:
        total = np.where(np.tri(*total.shape[2:]) > 0, total, -np.inf)
    left = ~far_below(total, -1).all((0, 1))
    return attend(k, q, key, v, Constant(left.shape, left))


def _keys_kept(keeps: np.ndarray, queries: int, count: int) -> np.ndarray:
    """Which keys a mask keeps, for each image, head and query: 1 for those that stay, or how many of the first do."""
    if keeps.shape == (1,):
        return (np.arange(count) < keeps)[None, None, None]
    if keeps.ndim == 2 and keeps.shape[1] == count:
        return (keeps != 0)[:, None, None]
    if keeps.ndim == 3 and keeps.shape[1:] == (queries, count):
        return (keeps != 0)[:, None]
    raise UnreadableError(f"its mask has the shape {'×'.join(map(str, keeps.shape))}, which has no rule")


@onnx("MultiHeadAttention", domain="com.microsoft")
def _multi_head(k: Tracker, node: Node) -> list[Any]:
    q, key, v = (list(node.inputs[:3]) + [None] * 3)[:3]
    if key is None or v is None or len(q.shape) != 3 or len(key.shape) != 3:
        raise UnreadableError("its queries, keys and values are packed, or kept from before")
    if any(isinstance(x, Tracked) and spatial(x.dims[-1]) for x in (q, key, v)):
        raise UnreadableError("it reads pixels as channels")
    k.shape = (*q.shape[:-1], v.shape[-1])
    mask, bias = [*node.inputs, *[None] * 6][4:6]
    out = _attended(k, node, q, key, v, mask, bias)
    out = Tracked(out.layer, out.map, with_dim(out.dims, 2, neutral(v.shape[-1])))
    return [out, *[Constant(())] * (node.outputs - 1)]
