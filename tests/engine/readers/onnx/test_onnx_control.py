"""Recurrent layers, branches, loops and sequences in ONNX files."""

from __future__ import annotations

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError
from tests.engine.readers.onnx.given_graphs import INT64, g, inner

pytestmark = pytest.mark.onnx


def recurrent(op, rows, **attrs):
    """A recurrent layer over the columns of a map, its rows as the batch or as channels."""
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    count = 2 if attrs.get("direction") == "bidirectional" else 1
    features = 1 if rows == "batch" else 4
    to_columns = [3, 2, 0, 1] if rows == "batch" else [3, 0, 1, 2]
    given = {"w": (count, gates * 2, features), "r": (count, gates * 2, 2)}
    nodes = [
        g().node("Transpose", "x", to="t", perm=to_columns),
        g().node("Reshape", "t", "s", to="u"),
        g().onnx.helper.make_node(op, ["u", "w", "r"], ["l", "h"], hidden_size=2, **attrs),
    ]
    shape = g().ints(5, 4, 1) if rows == "batch" else g().ints(5, 1, 4)
    rng = np.random.default_rng(3)
    weights = {name: rng.uniform(0.1, 0.5, size).astype(np.float32) for name, size in given.items()}
    return nodes, {"s": shape, **weights}


@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
def test_a_recurrent_layer_both_ways_reads_all_of_a_row(op):
    nodes, constants = recurrent(op, "batch", direction="bidirectional")
    nodes.append(g().node("Transpose", "l", perm=[1, 3, 2, 0]))
    proto = g().model(nodes, (1, 1, 4, 5), **constants)
    net = rf.load(proto)
    found = rf.footprint(net, net.outputs[0], (2, 3), net.input_size).values
    assert found.sum() == 5
    assert found[2].all()
    from onnx.reference import ReferenceEvaluator

    run, x = ReferenceEvaluator(proto), np.zeros((1, 1, 4, 5), np.float32)
    before = run.run(None, {"x": x})[0]
    if op != "LSTM":  # the evaluator runs only the LSTM both ways
        return
    for pixel in np.ndindex(4, 5):
        moved = x.copy()
        moved[0, 0, *pixel] = 1
        changes = np.abs(run.run(None, {"x": moved})[0] - before)[:, :, 2, 3].any()
        assert changes == found[pixel], pixel


def test_rows_as_channels_and_the_last_state():
    nodes, constants = recurrent("LSTM", "channels")
    proto = g().model([*nodes, g().node("Identity", "h")], (1, 1, 4, 5), **constants)
    net = rf.load(proto)
    assert rf.footprint(net, net.outputs[0], (0, 0), net.input_size).values.all()  # one entry, which sees all
    along_channels, constants = recurrent("GRU", "batch")
    along_channels[0] = g().node("Transpose", "x", to="t", perm=[1, 2, 3, 0])
    constants["s"] = g().ints(1, 20, 1)
    last = [g().node("Reshape", "l", "b", to="v"), g().node("ReduceSum", "v", "d", keepdims=0, to="r"),
        g().node("Unsqueeze", "r", "o")]  # fmt: skip
    more = {"b": g().ints(1, 4, 5, 2), "d": g().ints(3), "o": g().ints(1)}
    proto = g().model([*along_channels, *last], (1, 1, 4, 5), **more, **constants)
    proto.graph.node.append(g().node("MaxPool", "y", to="p", kernel_shape=[2, 2]))
    proto.graph.output[0].name = "p"
    net = rf.load(proto)
    assert [layer.op for layer in net.layers] == ["max_pool"]


def test_one_way_along_an_axis_is_a_half_line():
    nodes, constants = recurrent("LSTM", "batch")
    proto = g().model([*nodes, g().node("Transpose", "l", perm=[1, 3, 2, 0])], (1, 1, 4, 5), **constants)
    assert "cumulative" in {layer.op for layer in rf.load(proto).layers}


# branches, loops, sequences -----------------------------------------------------------------------------------------


def branches():
    """Two branches of one convolution each: of 3 and of 5 pixels."""
    conv = {n: g().node("Conv", "x", f"w{n}", pads=[n // 2] * 4) for n in (3, 5)}
    return {
        "then_branch": inner([conv[3]], w3=g().weights(1, 1, 3, 3)),
        "else_branch": inner([conv[5]], w5=g().weights(1, 1, 5, 5)),
    }


def test_a_constant_condition_takes_its_branch():
    for value, extent in ((True, 3), (False, 5)):
        net = rf.load(g().model([g().node("If", "c", **branches())], c=np.array(value)))
        assert rf.profile(net).extent.values[-1].tolist() == [extent] * 2
        assert not net.assumed
    shape = [
        g().node("Shape", "x", to="s"),
        g().node("Gather", "s", "i", to="n"),
        g().node("Greater", "n", "ten", to="c"),
        g().node("If", "c", **branches()),
    ]
    for size, extent in ((8, 5), (12, 3)):  # what the size of the image decides
        proto = g().model(shape, (1, 1, size, 9), i=np.array(2), ten=np.array(10))
        assert rf.profile(rf.load(proto)).extent.values[-1].tolist() == [extent] * 2


def test_a_condition_on_another_input_takes_the_first_branch_and_says_so():
    proto = g().model(
        [g().node("Equal", "sr", "k", to="c"), g().node("If", "c", name="rate", **branches())], k=np.array(8)
    )
    proto.graph.input.append(g().onnx.helper.make_tensor_value_info("sr", INT64, []))
    net = rf.load(proto)
    assert rf.profile(net).extent.values[-1].tolist() == [3, 3]
    assert list(net.assumed) == ["If at rate"]
    assert "then_branch was taken" in net.assumed["If at rate"]


def test_a_condition_on_the_image_needs_branches_that_agree():
    decide = [
        g().node("ReduceMax", "x", to="m", keepdims=0),
        g().node("Greater", "m", "one", to="c"),
    ]
    differ = g().model([*decide, g().node("If", "c", **branches())], one=np.float32(1))
    with pytest.warns(rf.PartlyReadWarning, match="If .*branches differ"):
        assert len(rf.load(differ)) == 1  # what the condition reads
    same = {
        key: inner([g().node("Conv", "x", "w", pads=[1] * 4)], w=np.full((1, 1, 3, 3), n, np.float32))
        for n, key in enumerate(("then_branch", "else_branch"))
    }
    net = rf.load(g().model([*decide, g().node("If", "c", **same)], one=np.float32(1)))
    assert rf.profile(net).is_global.values[-1]  # which of the weights: every pixel decides
    assert rf.profile(net, global_ops="skip").extent.values[-1].tolist() == [3, 3]
    views = {key: inner([g().node("Identity", "v")]) for key in same}
    nodes = [g().node("Conv", "x", "w", to="v"), *decide, g().node("If", "c", **views)]
    net = rf.load(g().model(nodes, one=np.float32(1), w=g().weights(1, 1, 3, 3)))
    assert rf.profile(net).extent.values[-1].tolist() == [3, 3]


def test_loops_of_known_length_are_followed_turn_by_turn():
    body = inner(
        [g().node("Conv", "v", "w", to="o", pads=[1] * 4), g().node("Identity", "on", to="on2")],
        ("i", "on", "v"),
        ("on2", "o"),
    )
    loop = g().node("Loop", "m", "c", "x", body=body)
    net = rf.load(g().model([loop], m=np.array(3), c=np.array(True), w=g().weights(1, 1, 3, 3)))
    assert rf.profile(net).extent.values[-1].tolist() == [7, 7]
    unknown = g().model([loop], c=np.array(True), w=g().weights(1, 1, 3, 3))
    unknown.graph.input.append(g().onnx.helper.make_tensor_value_info("m", INT64, []))
    with pytest.raises(InputError, match="number of its turns is not known"):
        rf.load(unknown)


def test_a_scan_over_channels_is_followed_and_one_over_rows_ends():
    body = inner([g().node("Add", "s", "v", to="t"), g().node("Identity", "t", to="o")], ("s", "v"), ("t", "o"))
    conv = g().node("Conv", "x", "w", to="c", pads=[1] * 4)

    def scan(axis, state):
        nodes = [conv, g().onnx.helper.make_node(
            "Scan", ["z", "c"], ["last", "y"], body=body, num_scan_inputs=1, scan_input_axes=[axis],
            scan_output_axes=[axis],
        )]  # fmt: skip
        return g().model(nodes, w=g().weights(3, 1, 3, 3), z=np.zeros(state, np.float32))

    net = rf.load(scan(1, (1, 8, 9)))
    assert rf.profile(net).extent.values[-1].tolist() == [3, 3]
    with pytest.warns(rf.PartlyReadWarning, match="Scan .*along a spatial axis one way"):
        assert rf.load(scan(2, (1, 3, 9))).layers[-1].op == "conv"


def test_sequences():
    nodes = [
        g().node("Conv", "x", "w", to="c", pads=[1] * 4),
        g().node("SplitToSequence", "c", "two", to="s", axis=1),
        g().node("SequenceAt", "s", "one", to="b"),
        g().node("Conv", "b", "v", to="d", pads=[1] * 4),
        g().node("SequenceInsert", "s", "d", to="s2"),
        g().node("ConcatFromSequence", "s2", axis=1),
    ]
    net = rf.load(
        g().model(nodes, w=g().weights(4, 1, 3, 3), v=g().weights(2, 2, 3, 3), two=np.array(2), one=np.array(1))
    )
    assert net.map_sizes()[net.outputs[0]] == (8, 9)
    assert rf.profile(net).extent.values[-1].tolist() == [5, 5]
