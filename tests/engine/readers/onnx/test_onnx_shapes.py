"""ONNX: sizes by the operators' own rules, shapes that a file declares, and what does not depend on a map."""

from __future__ import annotations

import random

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError

pytestmark = pytest.mark.onnx


def graphs():
    from tests.engine.readers.onnx import graphs

    return graphs


@pytest.mark.parametrize("seed", range(40))
def test_windows_of_a_rounded_up_pooling_begin_in_the_map_or_before_it(seed):
    """The onnx package's shape inference counts windows that lie in the padding at the end, too."""
    g, rng = graphs(), random.Random(seed)
    size = [rng.randrange(5, 12) for _ in range(2)]
    kernel = [rng.randrange(1, 5) for _ in range(2)]
    stride = [rng.randrange(1, 5) for _ in range(2)]
    pads = [rng.randrange(k) for k in kernel * 2]
    given = {"kernel_shape": kernel, "strides": stride, "pads": pads, "ceil_mode": 1}
    nodes = [g.node(rng.choice(["MaxPool", "AveragePool"]), "x", to="p", **given), g.node("Relu", "p", to="r")]
    nodes.append(g.node("Conv", "r", "w", pads=[1] * 4))
    net = rf.load(g.model(nodes, (1, 1, *size), opset=19, w=g.weights(1, 1, 3, 3)))
    sizes = []
    for a, n in enumerate(size):
        starts = range(-pads[a], n, stride[a])
        last = n + pads[2 + a] - kernel[a]  # the last window that is whole
        sizes.append(sum(1 for i, s in enumerate(starts) if i == 0 or starts[i - 1] < last))
    assert net.map_sizes()[net.outputs[0]] == tuple(sizes)


def test_an_unknown_way_of_padding_is_refused():
    g = graphs()
    for op, given in (("Conv", {}), ("ConvTranspose", {}), ("MaxPool", {"kernel_shape": [3, 3]})):
        inputs = ["x"] if given else ["x", "w"]
        proto = g.model([g.node(op, *inputs, auto_pad="SAME_SIDEWAYS", **given)], w=g.weights(1, 1, 3, 3))
        with pytest.raises(InputError, match="SAME_SIDEWAYS"):
            rf.load(proto)


def fused(size=None):
    """Two operators of another domain; the file may declare the shape of the second."""
    g = graphs()
    given = {"domain": "com.microsoft"}
    nodes = [g.node("FusedConv", "x", to="t", name="first", **given), g.node("FusedConv", "t", name="second", **given)]
    proto = g.model(nodes, (1, 1, 32, 32))
    if size:
        proto.graph.value_info.append(g.onnx.helper.make_tensor_value_info("t", 1, [1, 8, size, size]))
        proto.graph.output[0].CopyFrom(g.onnx.helper.make_tensor_value_info("y", 1, [1, 8, size // 2, size // 2]))
    return proto


STRIDED = {"kernel": 3, "stride": 2, "padding": 1}


@pytest.mark.parametrize("declared", [None, 16])
def test_a_layer_in_place_of_an_unknown_operator_has_the_declared_shape_or_its_own(declared):
    for key in ("FusedConv", "com.microsoft.FusedConv"):
        net = rf.load(fused(declared), unknown={key: STRIDED})
        assert list(net.map_sizes().values())[1:] == [(16, 16), (8, 8)]
    if declared:
        with pytest.raises(InputError, match="makes a map of 32 entries where the model says 16"):
            rf.load(fused(declared), unknown={"FusedConv": {"kernel": 3, "padding": 1}})


def test_unknown_nodes_by_name():
    net = rf.load(fused(), unknown={"first": STRIDED, "second": {"kernel": 5, "padding": 2}})
    assert rf.profile(net).extent.values[-1].tolist() == [11, 11]
    assert any(line.startswith("first: ") for line in rf.profile(net).attrs["assumed"])
    with pytest.warns(rf.PartlyReadWarning, match=r"second: com\.microsoft\.FusedConv"):
        net = rf.load(fused(), unknown={"first": STRIDED})
    assert list(net.left_out) == ["second: com.microsoft.FusedConv"]
    assert len(net) == 1


def test_batch_norm_in_training_is_over_the_whole_map():
    g = graphs()
    vectors = {n: np.ones(1, np.float32) for n in "sbmv"}
    for opset, given, extra in ((17, {"training_mode": 1}, 2), (9, {}, 4), (17, {}, 0), (9, {}, 0)):
        outputs = ["y", *(f"o{i}" for i in range(extra))]
        norm = g.onnx.helper.make_node("BatchNormalization", ["c", *"sbmv"], outputs, **given)
        proto = g.model([g.node("Conv", "x", "w", to="c"), norm], opset=opset, w=g.weights(1, 1, 3, 3), **vectors)
        net = rf.load(proto)
        assert rf.footprint(net, net.outputs[0], (1, 1), (8, 9)).sum() == (72 if extra else 9)


def test_constants_cast_like_a_map_do_not_depend_on_it():
    g = graphs()
    nodes = [
        g.node("Conv", "x", "w", to="c"),
        g.node("GlobalAveragePool", "c", to="m"),
        g.node("CastLike", "one", "m", to="k"),
        g.node("Add", "c", "k"),
    ]
    net = rf.load(g.model(nodes, opset=17, w=g.weights(1, 1, 3, 3), one=np.ones((1, 1, 1, 1), np.int64)))
    assert rf.footprint(net, net.outputs[0], (1, 1), (8, 9)).sum() == 9


def test_outputs_made_by_views_are_layers_of_their_shape():
    g = graphs()
    nodes = [
        g.node("Conv", "x", "w", pads=[1] * 4, to="c"),
        g.node("Reshape", "c", "a", to="t"),
        g.node("Transpose", "t", to="u", perm=[0, 1, 4, 2, 5, 3]),
        g.node("Reshape", "u", "b"),
    ]
    shapes = {"a": g.ints(1, 1, 2, 2, 8, 9), "b": g.ints(1, 1, 16, 18)}
    net = rf.load(g.model(nodes, w=g.weights(4, 1, 3, 3), **shapes))
    assert net.map_sizes()[net.outputs[0]] == (16, 18)
    nodes[2:] = [g.node("ReduceMean", "t", axes=[3, 5], keepdims=0)]
    shapes = {"a": g.ints(1, 4, 4, 2, 3, 3)}
    net = rf.load(g.model(nodes, w=g.weights(4, 1, 3, 3), opset=17, **shapes))
    assert net.map_sizes()[net.outputs[0]] == (4, 3)


def test_a_mask_of_weights_that_is_not_read_is_noted():
    g = graphs()
    nodes = [g.node("Mul", "w", "mask", to="m"), g.node("Conv", "x", "m")]
    net = rf.load(g.model(nodes, w=g.weights(1, 1, 3, 3), mask=np.tri(3, dtype=np.float32)[None, None]))
    assert any("mask of its weights was not read" in line for line in rf.profile(net).attrs["assumed"])


def test_levels_of_a_pyramid_in_a_row_are_outputs_of_their_own():
    """Two maps as rows of one tensor; some channels of both are scores."""
    g = graphs()
    first, second = (g.node("Conv", x, w, to=y, strides=[2, 2]) for x, w, y in (("x", "w", "a"), ("a", "v", "b")))
    nodes = [
        first,
        second,
        g.node("Reshape", "a", "rows", to="ra"),
        g.node("Reshape", "b", "rows", to="rb"),
        g.node("Concat", "ra", "rb", to="all", axis=2),
        g.onnx.helper.make_node("Split", ["all", "parts"], ["box", "score"], axis=1),
        g.node("Sigmoid", "score", to="s"),
        g.node("Concat", "box", "s", axis=1),
    ]
    given = {"rows": g.ints(1, 4, -1), "parts": g.ints(3, 1)}
    proto = g.model(nodes, (1, 1, 11, 13), **given, w=g.weights(4, 1, 3, 3), v=g.weights(4, 4, 3, 3))
    net = rf.load(proto)
    sizes = [net.map_sizes()[name] for name in net.outputs]
    assert sizes == [(5, 6), (2, 2)]
    assert [net.layers[net.index(name)].name for name in ("p1", "p2")] == list(net.outputs)
    truth = g.moved(proto, (11, 13))
    for name, (h, w), start in zip(net.outputs, sizes, (0, 30), strict=True):
        for y, x in ((0, 0), (h - 1, w - 1), (h // 2, 1)):
            assert np.array_equal(rf.footprint(net, name, (y, x), (11, 13)), truth[start + y * w + x]), (name, y, x)
