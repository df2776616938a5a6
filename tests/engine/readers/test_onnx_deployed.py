"""ONNX files as packages ship them: open sizes, channels last, recurrent layers, branches, loops, quantized graphs."""

from __future__ import annotations

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError

pytestmark = pytest.mark.onnx

FLOAT, UINT8, INT64, FLOAT16, BOOL = 1, 2, 7, 10, 9


def g():
    from tests.engine.readers import graphs

    return graphs


def named(*names):
    """Values by name, of any type."""
    return [g().onnx.helper.make_empty_tensor_value_info(n) for n in names]


def inner(nodes, inputs=(), outputs=("y",), **constants):
    """A graph inside a node."""
    from onnx import helper, numpy_helper

    made = [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    return helper.make_graph(list(nodes), "inner", named(*inputs), named(*outputs), initializer=made)


def image(proto, dims, kind=FLOAT, name="x"):
    """The model with another type and other dims of its image: numbers, names, or None for open ones."""
    proto.graph.input[0].CopyFrom(g().onnx.helper.make_tensor_value_info(name, kind, list(dims)))
    return proto


# recurrent layers ---------------------------------------------------------------------------------------------------


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


# quantized graphs, other numbers ------------------------------------------------------------------------------------


def scaled(nodes, **more):
    return g().model(nodes, opset=19, s=np.float32(1), z=np.uint8(0), w=np.ones((1, 1, 3, 3), np.uint8), **more)


def test_quantized_operators_equal_the_reference_evaluator():
    from tests.engine.readers.test_onnx import equals_the_reference_evaluator

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


# sizes that a file leaves open --------------------------------------------------------------------------------------


def text_line(height="height"):
    """A recognizer of text: a convolution and a pooling that leaves one row, then all along it both ways."""
    nodes = [
        g().node("Conv", "x", "w", to="c", strides=[2, 2], pads=[1] * 4),
        g().node("MaxPool", "c", to="m", kernel_shape=[16, 1], strides=[16, 1]),
        g().node("Squeeze", "m", "two", to="q"),
        g().node("Transpose", "q", to="t", perm=[0, 2, 1]),
        g().node("MatMul", "t", "v"),
    ]
    proto = g().model(nodes, w=g().weights(4, 3, 3, 3), two=g().ints(2), v=g().weights(4, 7))
    return image(proto, ("N", -1, height, None))


def test_a_size_is_tried_until_the_graph_fits():
    net = rf.load(text_line())
    assert net.input_size == (48, 320)
    assert net.input_channels == 3
    assert rf.load(text_line(32)).input_size == (32, 320)
    with pytest.warns(rf.PartlyReadWarning, match="Squeeze"):
        assert rf.load(text_line(), input_size=224).layers[-1].op == "max_pool"


@pytest.mark.parametrize("sizes", [((96, 128), None), ((64, 64), (224, 320))])
def test_interior_figures_do_not_depend_on_the_size_that_was_chosen(sizes):
    nodes = [
        g().node("Conv", "x", "w", to="c", strides=[2, 2], pads=[1] * 4),
        g().node("Resize", "c", "", "f", to="r", mode="nearest"),
        g().node("Conv", "r", "v", to="d", pads=[2] * 4, dilations=[2, 2]),
        g().node("Shape", "d", to="s"),
        g().node("Reshape", "d", "s", to="e"),
        g().node("Add", "e", "x"),
    ]
    factors = np.array([1, 1, 2, 2], np.float32)
    proto = g().model(nodes, w=g().weights(3, 3, 3, 3), v=g().weights(3, 3, 3, 3), f=factors)
    image(proto, (None, 3, 0, "w"))
    nets = [rf.load(proto, input_size=size) for size in sizes]
    first, second = map(rf.profile, nets)
    for variable in ("jump", "extent", "start", "area", "overlap", "max_gap", "phases"):
        np.testing.assert_array_equal(first[variable], second[variable])


def test_the_command_says_what_was_chosen(tmp_path, capsys):
    from rfscale.sweeps.cli.main import main

    g().onnx.save(text_line(), tmp_path / "line.onnx")
    assert main(["profile", str(tmp_path / "line.onnx")]) == 0
    said = capsys.readouterr().err
    assert (
        said == "rfscale: line is read with size of 'x': 48×320 (the file leaves it open); --input-size sets the size\n"
    )
    assert main(["profile", str(tmp_path / "line.onnx"), "--input-size", "48x320"]) == 0
    assert capsys.readouterr().err == ""


def test_the_image_is_not_the_state_of_a_recurrence_and_has_the_size_that_the_exporter_notes():
    conv = [g().node("Unsqueeze", "x", "one", to="u"), g().node("Conv", "u", "w", strides=[4])]
    proto = image(g().model(conv, one=g().ints(1), w=g().weights(2, 1, 8)), ("batch", 512))
    proto.graph.input.insert(0, g().onnx.helper.make_tensor_value_info("state", FLOAT, [2, "batch", 64]))
    net = rf.load(proto)
    assert net.input_size == (512,)
    assert list(net.assumed) == ["dims of 'x'"]
    proto = image(g().model([g().node("Conv", "x", "w")], w=g().weights(1, 3, 3, 3)), ("b", 3, "h", "w"))
    g().onnx.helper.set_model_props(proto, {"imgsz": "[96, 160]"})
    assert rf.load(proto).input_size == (96, 160)
    with pytest.raises(InputError, match=r"no input 'z' \(inputs: x\)"):
        rf.load(proto, image="z")


# entries by tables --------------------------------------------------------------------------------------------------


def grid(rows, columns):
    """Positions (1, 1, row, column) of a grid, as an index of GatherND and ScatterND."""
    cells = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1)
    zeros = np.zeros((*cells.shape[:2], 2), np.int64)
    return np.concatenate([zeros, cells], -1)[None, None]


def by_tables():
    """(name, model) of what picks, writes and reverses entries at constant places."""
    n, m, w = g().node, g().model, g().weights(1, 1, 3, 3)
    conv = n("Conv", "x", "w", to="c", pads=[1] * 4)
    yield (
        "reversed",
        m([n("Slice", "x", "a", "b", "d", "e")], a=g().ints(-1), b=g().ints(-99), d=g().ints(3), e=g().ints(-2)),
    )
    numbers = {"one": 1, "three": 3, "four": 4, "five": 5, "eight": 8, "least": -99, "minus": -1}
    mirror = [n("Slice", "x", "one", "four", "three", to="a"),
        n("Slice", "a", "minus", "least", "three", "minus", to="b"),
        n("Slice", "x", "five", "eight", "three", to="f"),
        n("Slice", "f", "minus", "least", "three", "minus", to="h"),
        n("Concat", "b", "x", "h", axis=3, to="p"), n("Conv", "p", "w")]  # fmt: skip
    yield "reflection by slices", m(mirror, w=w, **{name: g().ints(number) for name, number in numbers.items()})
    yield "table", m([n("Gather", "x", "i", axis=2)], i=g().ints(5, 0, 0, 3))
    yield "table of tables", m([n("Gather", "x", "i", axis=3, to="t"), n("ReduceMean", "t", axes=[4], keepdims=0)],
        i=np.array([[0, 5], [3, 4], [8, 8]]))  # fmt: skip
    yield "GatherND", m([n("GatherND", "x", "i")], i=grid([0, 2, 4], [8, 1]))
    yield "ScatterND", m([conv, n("Slice", "c", "a", "b", to="u"), n("ScatterND", "x", "i", "u")],
        i=grid([2, 3, 4], [1, 3]), w=w, a=g().ints(0, 0, 0, 0), b=g().ints(1, 1, 3, 2))  # fmt: skip
    yield "ScatterND that adds", m([conv, n("Slice", "c", "a", "b", to="u"),
        n("ScatterND", "x", "i", "u", reduction="add")],
        i=grid([2, 3, 4], [1, 3]), w=w, a=g().ints(0, 0, 0, 0), b=g().ints(1, 1, 3, 2), opset=18)  # fmt: skip
    yield (
        "CenterCropPad",
        m(
            [n("CenterCropPad", "x", "i", axes=[2, 3], to="t"), n("Identity", "t")], i=g().ints(5, 12), opset=18
        ),  # fmt: skip,
    )
    yield "GatherElements", m([n("Conv", "x", "v", to="c"), n("GatherElements", "c", "i", axis=1)],
        v=g().weights(4, 1, 3, 3), i=np.tile(np.array([3, 1]).reshape(1, 2, 1, 1), (1, 1, 6, 7)))  # fmt: skip
    yield "Col2Im", m([n("Reshape", "x", "r", to="t"), n("Col2Im", "t", "size", "block", pads=[0, 1, 0, 1])],
        (1, 6, 4, 5),
        r=g().ints(1, 6, 20), size=g().ints(5, 5), block=g().ints(2, 3), opset=18)  # fmt: skip


@pytest.mark.parametrize("index", range(10))
def test_entries_at_constant_places_equal_the_reference_evaluator(index):
    from tests.engine.readers.test_onnx import equals_the_reference_evaluator

    every = list(by_tables())
    assert len(every) == 10
    equals_the_reference_evaluator(*every[index])


def test_spectra_of_windows_and_along_an_axis():
    n = g().node
    nodes = [n("Unsqueeze", "x", "two", to="u"), n("STFT", "u", "step", "", "length", to="s"),
        n("Slice", "s", "zero", "one", "three", to="re"), n("Squeeze", "re", "three", to="q"),
        n("Transpose", "q", perm=[0, 2, 1])]  # fmt: skip
    constants = {"two": g().ints(2), "zero": g().ints(0), "one": g().ints(1), "three": g().ints(3)}
    proto = g().model(nodes, step=np.array(4), length=np.array(16), **constants)
    net = rf.load(image(proto, (1, 64)))
    found = rf.profile(net).isel(layer=-1)
    assert (found.extent.values.tolist(), found.jump.values.tolist(), found.map_size.values.tolist()) == (
        [16],
        [4],
        [13],
    )
    dft = [n("Unsqueeze", "x", "d", to="u"), g().onnx.helper.make_node("DFT", ["u", "", "along"], ["f"]),
        n("ReduceMean", "f", "d", keepdims=0, to="t"), n("AveragePool", "t", kernel_shape=[3, 1])]  # fmt: skip
    net = rf.load(g().model(dft, d=g().ints(4), along=np.array(3), opset=20))
    assert rf.footprint(net, net.outputs[0], (2, 0), net.input_size).values[2:5].all()
    assert rf.footprint(net, net.outputs[0], (2, 0), net.input_size).values.sum() == 27


# the tables ---------------------------------------------------------------------------------------------------------


def test_every_operator_of_onnx_is_read_or_has_a_reason():
    from onnx import defs

    from rfscale.engine.readers.onnx import walk
    from rfscale.engine.readers.onnx.operators.ends import ENDS
    from rfscale.engine.readers.onnx.operators.registry import CONTROL, ONNX, REWRITES

    assert walk.TABLES
    names = {s.name for s in defs.get_all_schemas_with_history() if not s.domain}
    read = {name for table in (ONNX, REWRITES) for domain, name in table if not domain} | set(CONTROL)
    assert not names - read - set(ENDS)
    assert not read & set(ENDS)


def test_rules_infer_the_shapes_that_onnx_does():
    """Every node of the small graphs and of the wheel's models."""
    import onnx

    from rfscale.engine.readers.onnx.graph.rules import RULES
    from tests.engine.readers.test_onnx import LIGHT, graphs, light, resizes

    protos = [proto for _, proto in [*graphs(), *resizes()]] + [onnx.load(str(light(name))) for name in LIGHT]
    compared: dict[str, int] = {}
    for proto in protos:
        done = onnx.shape_inference.infer_shapes(proto)
        known = {i.name: i.type.tensor_type for i in (*done.graph.value_info, *done.graph.output, *done.graph.input)}
        for op, node, made in inferred(proto):
            for name, shape in zip(node.output, made, strict=False):
                dims = known[name].shape.dim if name in known and known[name].HasField("shape") else []
                if shape is None or not dims or not all(d.HasField("dim_value") for d in dims):
                    continue
                if any(a.name == "ceil_mode" and a.i for a in node.attribute):
                    continue  # where onnx counts a window that begins in the padding
                assert shape == tuple(d.dim_value for d in dims), (op, node)
                compared[op] = compared.get(op, 0) + (op in RULES)
    assert sum(compared.values()) > 1500
    assert len([op for op, count in compared.items() if count]) > 25


def inferred(proto):
    """Operator, node and shapes as the reader works them out, node by node."""
    from rfscale.engine.readers.onnx import reader
    from rfscale.engine.readers.onnx.graph.shapes import InferredShapes

    found = []

    class Noted(InferredShapes):
        def of(self, node, read, values):
            made = super().of(node, read, values)
            found.append((node.op_type, node, made))
            return made

    before, reader.InferredShapes = reader.InferredShapes, Noted
    try:
        rf.load(proto)
    except InputError:
        pass  # what is no layer has a shape all the same
    finally:
        reader.InferredShapes = before
    return found
