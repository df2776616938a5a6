"""ONNX operators that say where entries come from or go to, judged by onnx's reference evaluator."""

from __future__ import annotations

import numpy as np
import pytest

import rfscale as rf
from tests.engine.readers.onnx.given_graphs import g
from tests.engine.readers.onnx.test_onnx import equals_the_reference_evaluator

pytestmark = pytest.mark.onnx

SMOOTH = {"keep rows": (8, 4), "both": (3, 5), "one row": (1, 4), "one axis grows": (16, 3)}


def rows(*numbers, width=9):
    """One table for each column of a map."""
    return np.broadcast_to(np.array(numbers, np.int64).reshape(1, 1, -1, 1), (1, 1, len(numbers), width)).copy()


def graphs():
    """(name, model) of small graphs."""
    conv = g().node("Conv", "x", "w", to="c", pads=[1, 1, 1, 1])
    w = g().weights(1, 1, 3, 3)
    for reverse in (0, 1):
        for axis in (2, -1):
            sums = g().node("CumSum", "c", "a", exclusive=1, reverse=reverse)
            yield f"sums of others {axis} {reverse}", g().model([conv, sums], w=w, a=np.array(axis, np.int64))
    yield "rows picked", g().model([conv, g().node("GatherElements", "c", "i", axis=2)], w=w, i=rows(3, 1, 1, 0))
    part = g().node("Slice", "c", "a", "b", "d", to="u")
    given = {"w": w, "a": g().ints(5), "b": g().ints(7), "d": g().ints(2), "i": rows(3, 0)}
    yield "rows put", g().model([conv, part, g().node("ScatterElements", "c", "i", "u", axis=2)], **given)
    added = g().node("ScatterElements", "c", "i", "u", axis=2, reduction="add")
    yield "rows added", g().model([conv, part, added], opset=18, **given)
    yield "rows added to one", g().model([conv, part, added], opset=18, **{**given, "i": rows(3, 3)})
    keeps = np.arange(9) % 3 != 1
    yield "columns that stay", g().model([conv, g().node("Compress", "c", "k", axis=3)], w=w, k=keeps)
    for word, axes in (("absent", ()), ("empty", ("none",))):
        nothing = g().node("ReduceMean", "c", *axes, noop_with_empty_axes=1)
        yield f"a mean over no axes, {word}", g().model([conv, nothing], opset=18, w=w, none=g().ints())
    for mode in ("linear", "cubic"):
        for word, size in SMOOTH.items():
            smooth = g().node("Resize", "x", "", "", "s", mode=mode, antialias=1)  # alone: its weights may cancel
            yield f"smoothed, {mode}, {word}", g().model([smooth], opset=18, s=g().ints(1, 1, *size))


def test_footprints():
    for name, proto in graphs():
        equals_the_reference_evaluator(name, proto)


def test_nodes_in_any_order():
    """Runtimes sort them; the model that was given stays as it is."""
    nodes = [
        g().node("Conv", "x", "w", to="a"),
        g().node("Relu", "a", to="b"),
        g().node("MaxPool", "b", kernel_shape=[2, 2]),
    ]
    proto = g().model(nodes[::-1], w=g().weights(1, 1, 3, 3))
    assert rf.load(proto).layers == rf.load(g().model(nodes, w=g().weights(1, 1, 3, 3))).layers
    assert [n.op_type for n in proto.graph.node] == ["MaxPool", "Relu", "Conv"]


@pytest.mark.parametrize("domain", ["", "com.microsoft"])
def test_a_norm_of_onnxruntime_along_a_row(domain):
    from onnx import helper

    norm = helper.make_node("SimplifiedLayerNormalization", ["c", "s"], ["y"], domain=domain, axis=-1)
    conv = g().node("Conv", "x", "w", to="c", pads=[1, 1, 1, 1])
    proto = g().model([conv, norm], w=g().weights(1, 1, 3, 3), s=np.ones(9, np.float32))
    proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", 1, [1, 1, 8, 9]))
    net = rf.load(proto)
    found = rf.footprint(net, net.outputs[0], (4, 0), (8, 9)).values
    np.testing.assert_array_equal(found, (abs(np.arange(8) - 4) <= 1)[:, None] & np.ones(9, bool))


N = 12


def band():
    return np.abs(np.arange(N)[:, None] - np.arange(N)) <= 1


def of_two_heads():
    """A band; and keys that are all far below zero, of which softmax takes all."""
    bias = np.where(band(), 0, -1e9)[None, None].repeat(2, 1)
    bias[0, 1, 5] = -1e6
    return bias.astype(np.float32)


def every_key_of_the_fifth():
    left = band()
    left[5] = True
    return left


@pytest.mark.parametrize(
    ("op", "position", "value", "expected"),
    [
        ("MultiHeadAttention", 5, np.where(band(), 0, -1e9)[None, None].repeat(2, 1).astype(np.float32), band()),
        ("MultiHeadAttention", 4, np.array([[1] * 7 + [0] * 5], np.int32), np.tile(np.arange(N) < 7, (N, 1))),
        ("Attention", 3, np.array([7], np.int32), np.tile(np.arange(N) < 7, (N, 1))),
        ("Attention", 3, band().astype(np.int32)[None], band()),
        ("Attention", 5, np.zeros((1, 2, N, N), np.float32), np.ones((N, N), bool)),
        ("MultiHeadAttention", 5, of_two_heads(), every_key_of_the_fifth()),
        ("QAttention", 5, np.array([[1] * 7 + [0] * 5], np.int32), np.tile(np.arange(N) < 7, (N, 1))),
    ],
)
def test_constant_masks_of_fused_attention(op, position, value, expected):
    """What masks and biases of onnxruntime's attention leave of the keys; each query reads itself in its scores."""
    from onnx import helper

    inputs = {"Attention": ["t", "q", "b"], "QAttention": ["t", "q", "b", "one", "one"]}.get(op, ["t"] * 3)
    inputs += [""] * (position - len(inputs)) + ["mask"]
    nodes = [
        g().node("Transpose", "x", to="t", perm=[0, 2, 1]),
        helper.make_node(op, inputs, ["y"], domain="com.microsoft", num_heads=2),
    ]
    one = np.array([0.5], np.float32)
    proto = g().model(
        nodes, shape=(1, 4, N), mask=value, one=one, q=np.ones((4, 12), np.float32), b=np.ones(12, np.float32)
    )
    proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    net = rf.load(proto, axes=(2,))
    for entry in (0, 5, N - 1):
        found = rf.footprint(net, net.outputs[0], (entry,), (N,))
        np.testing.assert_array_equal(found.values, expected[entry] | (np.arange(N) == entry))


def test_masks_of_fused_attention_one_way():
    from onnx import helper

    def loaded(mask):
        fused = helper.make_node("Attention", ["t", "q", "b", "mask"], ["y"], domain="com.microsoft", num_heads=2)
        fused.attribute.append(helper.make_attribute("unidirectional", 1))
        nodes = [g().node("Transpose", "x", to="t", perm=[0, 2, 1]), fused]
        proto = g().model(nodes, shape=(1, 4, N), mask=mask, q=np.ones((4, 12), np.float32), b=np.ones(12, np.float32))
        proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
        return rf.load(proto, axes=(2,))

    net = loaded(np.array([7], np.int32))
    for entry in (0, 5, N - 1):
        expected = (np.arange(N) <= entry) & (np.arange(N) < 7) | (np.arange(N) == entry)
        np.testing.assert_array_equal(rf.footprint(net, net.outputs[0], (entry,), (N,)).values, expected)
    with pytest.raises(rf.InputError, match="its mask has the shape 2"):
        loaded(np.array([7, 2], np.int32))  # an end and a start
