"""Quantized, fused and half-precision operators in ONNX files."""

from __future__ import annotations

import numpy as np
import pytest

import rfscale as rf
from tests.engine.readers.onnx.given_graphs import FLOAT, FLOAT16, UINT8, g, image

pytestmark = pytest.mark.onnx


def scaled(nodes, **more):
    return g().model(nodes, opset=19, s=np.float32(1), z=np.uint8(0), w=np.ones((1, 1, 3, 3), np.uint8), **more)


def test_quantized_operators_equal_the_reference_evaluator():
    from tests.engine.readers.onnx.test_onnx import equals_the_reference_evaluator

    into, back = g().node("QuantizeLinear", "x", "s", "z", to="q"), g().node("DequantizeLinear", "r", "s", "z")
    conv = g().node("QLinearConv", "q", "s", "z", "w", "s", "z", "s", "z", to="r", strides=[2, 1])
    equals_the_reference_evaluator("QLinearConv", scaled([into, conv, back]))
    whole = g().node("ConvInteger", "q", "w", "z", to="r", pads=[0, 1, 0, 1])
    as_float = g().onnx.helper.make_node("Cast", ["r"], ["y"], to=FLOAT)
    equals_the_reference_evaluator("ConvInteger", scaled([into, whole, as_float]))
    product = g().node("QLinearMatMul", "q", "s", "z", "v", "s", "z", "s", "z", to="r")
    equals_the_reference_evaluator("QLinearMatMul", scaled([into, product, back], v=np.ones((1, 1, 9, 1), np.uint8)))


def test_a_scale_of_all_entries_is_read_by_every_entry():
    nodes = [
        g().onnx.helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        g().node("ConvInteger", "q", "w", "z", to="r"),
        g().onnx.helper.make_node("Cast", ["r"], ["f"], to=FLOAT),
        g().node("Mul", "f", "s"),
    ]
    net = rf.load(g().model(nodes, w=np.ones((1, 1, 3, 3), np.uint8)))
    assert rf.profile(net).is_global.values[-1]
    assert rf.profile(net, global_ops="skip").extent.values[-1].tolist() == [3, 3]


def fused():
    """(name, nodes of onnxruntime's operators, the same in ONNX's, shape of the image)."""
    h = g().onnx.helper

    def ms(op, *inputs, to="y", domain="com.microsoft", **attrs):
        return h.make_node(op, list(inputs), [to], domain=domain, **attrs)

    n, square = g().node, (1, 4, 8, 9)
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    last = [n("Transpose", "x", to="t", perm=[0, 3, 1, 2])]
    back = [n("Transpose", "c", perm=[0, 2, 3, 1])]
    yield "FusedConv", [ms("FusedConv", "x", "w", "b", "x", activation="Relu", pads=[1] * 4)], [
        n("Conv", "x", "w", "b", to="c", pads=[1] * 4), n("Add", "c", "x")], square  # fmt: skip
    yield "NhwcConv", [ms("NhwcConv", "x", "w")], [*last, n("Conv", "t", "w", to="c"), *back], (1, 8, 9, 4)
    nhwc = "com.ms.internal.nhwc"
    yield (
        "nhwc",
        [ms("MaxPool", "x", domain=nhwc, **pool)],
        [*last, n("MaxPool", "t", to="c", **pool), *back],
        (1, 8, 9, 4),
    )
    scales = ("x", "s", "z", "x", "s", "z", "s", "z")
    yield (
        "QLinearAdd",
        [ms("QLinearAdd", *scales, to="t"), n("MaxPool", "t", **pool)],
        [n("MaxPool", "x", **pool)],
        square,
    )
    yield (
        "QLinearMul",
        [ms("QLinearMul", *scales, to="t"), n("MaxPool", "t", **pool)],
        [n("MaxPool", "x", **pool)],
        square,
    )
    yield "QLinearConcat", [n("MaxPool", "x", to="m", kernel_shape=[3, 3], pads=[1] * 4),
        ms("QLinearConcat", "s", "z", "x", "s", "z", "m", "s", "z", axis=1)], [
        n("MaxPool", "x", to="m", kernel_shape=[3, 3], pads=[1] * 4), n("Concat", "x", "m", axis=1),
        ], square  # fmt: skip
    yield "QLinearGlobalAveragePool", [ms("QLinearGlobalAveragePool", "x", "s", "z", "s", "z", channels_last=1)], [
        *last, n("GlobalAveragePool", "t", to="c"), *back], (1, 8, 9, 4)  # fmt: skip
    yield "QLinearAveragePool", [ms("QLinearAveragePool", "x", "s", "z", "s", "z", **pool)], [
        n("AveragePool", "x", **pool)], square  # fmt: skip
    tokens = (1, 6, 4)
    yield "FusedMatMul", [ms("FusedMatMul", "x", "x", transB=1, alpha=0.5)], [
        n("Transpose", "x", to="t", perm=[0, 2, 1]), n("MatMul", "x", "t")], tokens  # fmt: skip
    yield "SkipLayerNormalization", [n("AveragePool", "x", to="m", kernel_shape=[3], pads=[1, 1]),
        ms("SkipLayerNormalization", "x", "m", "b")], [
        n("AveragePool", "x", to="m", kernel_shape=[3], pads=[1, 1]), n("Add", "x", "m", to="a"),
        n("LayerNormalization", "a", "b")], tokens  # fmt: skip
    yield (
        "Gelu",
        [ms("BiasGelu", "x", "b", to="t"), n("MaxPool", "t", **pool)],
        [n("MaxPool", "x", **pool)],
        square,
    )
    yield "GroupNorm", [ms("GroupNorm", "x", "b", "b", groups=2, epsilon=0.1, activation=1, channels_last=1)], [
        n("InstanceNormalization", "x", "b", "b", axes=[1, 2, 3])], (1, 8, 9, 4)  # fmt: skip
    yield "MatMulNBits", [n("MaxPool", "x", to="m", kernel_shape=[2]), n("Transpose", "m", to="t", perm=[0, 2, 1]),
        ms("MatMulNBits", "t", "p", "s", K=6, N=3, bits=4, block_size=16)], [
        n("MaxPool", "x", to="m", kernel_shape=[2]), n("Transpose", "m", to="t", perm=[0, 2, 1]),
        n("MatMul", "t", "k")], (1, 6, 5)  # fmt: skip


@pytest.mark.parametrize("index", range(13))
def test_fused_operators_are_what_they_are_made_of(index):
    every = list(fused())
    assert len(every) == 13
    name, nodes, same, shape = every[index]
    constants = {"w": g().weights(4, 4, 3, 3), "b": np.ones(4, np.float32), "s": np.float32(1), "z": np.uint8(0)}
    constants |= {"p": np.ones((3, 1, 8), np.uint8), "k": g().weights(6, 3)}
    protos = [g().model(part, shape, opset=20, **constants) for part in (nodes, same)]
    protos[0].opset_import.extend(g().onnx.helper.make_opsetid(d, 1) for d in ("com.microsoft", "com.ms.internal.nhwc"))
    nets = [rf.load(proto) for proto in protos]
    for global_ops in ("include", "skip"):
        first, second = (rf.profile(net, global_ops=global_ops).isel(layer=-1) for net in nets)
        for variable in ("op", "jump", "extent", "start", "area", "map_size"):
            np.testing.assert_array_equal(first[variable], second[variable], err_msg=f"{name} {variable}")


def test_half_precision_and_images_of_bytes_with_channels_last():
    cast = g().onnx.helper.make_node("Cast", ["x"], ["f"], to=FLOAT16)
    nodes = [cast, g().node("Transpose", "f", to="t", perm=[0, 3, 1, 2]), g().node("Conv", "t", "w", pads=[1] * 4)]
    proto = g().model(nodes, w=np.ones((2, 3, 3, 3), np.float16))
    net = rf.load(image(proto, (1, 10, 12, 3), UINT8))
    assert net.input_size == (10, 12)
    assert net.input_channels == 3
    assert net.assumed == {"dims of 'x'": "1, 2 are spatial"}
    assert rf.profile(net).extent.values[-1].tolist() == [3, 3]
    assert rf.load(proto, axes=(1, 2)).assumed == {}
    nodes = [cast, g().node("Transpose", "f", to="t", perm=[2, 0, 1]), g().node("Unsqueeze", "t", "d", to="u")]
    proto = g().model([*nodes, g().node("Conv", "u", "w")], d=g().ints(0), w=np.ones((2, 3, 3, 3), np.float16))
    net = rf.load(image(proto, (None, None, 3), UINT8))
    assert net.assumed == {"dims of 'x'": "0, 1 are spatial", "size of 'x'": "224×224 (the file leaves it open)"}
