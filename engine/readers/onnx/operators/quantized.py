"""Quantized operators: those of numbers without their scales and zero points, which are constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rfscale.engine.readers.onnx.graph.node import Node
from rfscale.engine.readers.onnx.operators.fused import between, channels_last, made
from rfscale.engine.readers.onnx.operators.registry import onnx, rewritten
from rfscale.engine.readers.tensors.layout import UnreadableError
from rfscale.engine.readers.tensors.tracking import Constant, Tracker


@onnx("DynamicQuantizeLinear")
def _dynamic(k: Tracker, node: Node) -> list[Any]:
    """Entries by a scale that is the range of all of them."""
    x = node.inputs[0]
    every = range(len(x.dims))
    scale = k.reduction(x, every)
    scale = type(scale)(scale.layer, scale.map, ())
    return [k.statistic(x, every), scale, scale][: node.outputs]


def _of(op: str, *positions: int) -> Callable[[Any, Node], list[Any]]:
    """The operator of floats on some of the inputs."""

    def rewrite(node: Any, read: Node) -> list[Any]:
        inputs = [node.input[i] for i in positions if i < len(node.input)]
        if read.attrs.get("channels_last"):
            return channels_last(node, read, op, inputs, node)
        return [made(op, inputs, node.output[:1], node)]

    return rewrite


for _name in ("Add", "Mul"):
    rewritten(f"QLinear{_name}")(_of(_name, 0, 3))
rewritten("QLinearMatMul", domain="")(_of("MatMul", 0, 3))
rewritten("QLinearMatMul", domain="ai.onnx")(_of("MatMul", 0, 3))
rewritten("QLinearConv")(_of("Conv", 0, 3, 8))
rewritten("ConvInteger")(_of("Conv", 0, 1))
rewritten("QGemm")(_of("Gemm", 0, 3, 6))
rewritten("QLinearAveragePool")(_of("AveragePool", 0))
rewritten("QLinearGlobalAveragePool")(_of("GlobalAveragePool", 0))
rewritten("QLinearReduceMean")(_of("ReduceMean", 0))
rewritten("QLinearWhere")(_of("Where", 0, 1, 4))


@rewritten("QLinearSoftmax")
def _softmax(node: Any, read: Node) -> list[Any]:
    """Before opset 13, which it has as an attribute, over all dims from the axis on."""
    axis = read.attrs.get("axis", -1)
    if read.attrs.get("opset", 13) >= 13:
        return [made("Softmax", node.input[:1], node.output, axis=axis)]
    flat = between(node, "statistic")
    rank = len(read.inputs[0].shape)
    return [made("LayerNormalization", node.input[:1], [flat], axis=axis % rank), made("Relu", [flat], node.output)]


@rewritten("QLinearConcat")
def _concat(node: Any, read: Node) -> list[Any]:
    """Scale and zero point of what it makes, then each part with its own."""
    return [made("Concat", node.input[2::3], node.output, node)]


@onnx("QEmbedLayerNormalization", "EmbedLayerNormalization", domain="com.microsoft")
def _embedded(k: Tracker, node: Node) -> Any:
    if any(not isinstance(v, Constant | None) for v in node.inputs[1:]):
        raise UnreadableError("its tables depend on the image")
    raise UnreadableError("it embeds tokens")
