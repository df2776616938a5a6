"""Hostile ONNX files: cut off, cyclic, absurdly large, damaged: each ends in one clear line."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError
from tests.engine.readers.onnx.test_onnx import graphs, resizes

pytestmark = pytest.mark.onnx


def hostile():
    """(what, model or bytes, message)."""
    from onnx import TensorProto, helper

    from tests.engine.readers.onnx.graphs import model, node, weights

    good = model([node("Conv", "x", "w")], w=weights(1, 1, 3, 3)).SerializeToString()
    yield "truncated", good[: len(good) // 2], "cut off"
    yield "empty", b"", "empty"
    yield "text", b"hello, this is no model", "not an ONNX model"
    loop = [node("Add", "x", "b", to="a"), node("Relu", "a", to="b"), node("Relu", "b")]
    yield "cyclic", model(loop), "cycle"
    cut = [node("Slice", "x", starts=[0], ends=[0], axes=[2], to="a"), node("Relu", "a")]
    yield "nothing left", model(cut, opset=9), "no output depends"
    weird = model([node("Conv", "x", "w")])
    weird.graph.initializer.append(TensorProto(name="w", data_type=1, dims=[-8, 3, 3, 3]))
    yield "negative weight", weird, "must not be negative"
    broken = model([node("Reshape", "x", "w")])
    broken.graph.initializer.append(TensorProto(name="w", data_type=7, dims=[4], raw_data=b"123"))
    yield "broken weight", broken, "cannot be read"
    branch = helper.make_graph([node("Relu", "x")], "b", [], [helper.make_empty_tensor_value_info("y")])
    empty = helper.make_graph([node("Relu", "x", to="z")], "b", [], [helper.make_empty_tensor_value_info("y")])
    yield (
        "control flow",
        model([node("If", "c", then_branch=branch, else_branch=empty)], c=np.array(False)),
        "no node makes the output 'y'",
    )
    yield "kernel", model([node("MaxPool", "x", kernel_shape=[2**40, 3])]), "no window fits"
    yield "no kernel", model([node("MaxPool", "x")]), "MaxPool"
    yield "no weights", model([node("Conv", "x")]), "Conv"
    yield "no output", model([node("Relu", "x", to="z")]), "output 'y'"
    both = [helper.make_node("Foo", ["x"], ["a"], domain="my"), helper.make_node("Bar", ["x"], ["b"], domain="my")]
    yield "two unknown", model([*both, node("Add", "a", "b")]), r"my\.Foo.*my\.Bar"
    yield "nodes", model([node("Relu", "x")] * 100_001), "at most 100000"
    yield "a million nodes", million(), "has 1000000 nodes; at most 100000"
    yield "a cycle of one", model([node("Add", "x", "y")]), "cycle"
    body = helper.make_graph([node("Relu", "v", to="w")], "b", [helper.make_empty_tensor_value_info("v")], [])
    yield (
        "loop",
        model([node("Loop", "m", "c", "x", body=body)], m=np.array(10**12), c=np.array(True)),
        "Loop .*not those",
    )
    yield "scan", model([node("Scan", "x", body=branch, num_scan_inputs=1)]), "Scan .*not those"
    names = [helper.make_empty_tensor_value_info(n) for n in ("i", "on", "v", "on", "w")]
    body = helper.make_graph([node("Relu", "v", to="w")], "b", names[:3], names[3:])
    turns = model([node("Loop", "m", "c", "x", body=body)], m=np.array(10**12), c=np.array(True))
    yield "a loop of 10^12 turns", turns, "more than 256 turns"
    inner = model([node("Relu", "x")]).graph
    for _ in range(60):
        deeper = node("If", "c", then_branch=inner, else_branch=inner)
        inner = helper.make_graph([deeper], "b", [], [helper.make_empty_tensor_value_info("y")])
        if len(inner.SerializeToString()) > 1 << 20:
            break
    yield "branches in branches", model([node("If", "u", then_branch=inner, else_branch=inner)]), "reads 'u'"
    away = model([node("Reshape", "x", "s")], s=np.array([1, 1, 72]))
    away.graph.initializer[0].ClearField("raw_data")
    away.graph.initializer[0].data_location = TensorProto.EXTERNAL
    yield "shape elsewhere", away, "'s' is kept in another file"
    foreign = [helper.make_node("Shaped", ["w"], ["c"], domain="my"), node("Add", "x", "c", to="a"), node("Relu", "a")]
    open_shape = model(foreign, shape=(1, 1, 1, 9), w=weights(8, 1))  # c may be as large as it likes
    open_shape.opset_import.append(helper.make_opsetid("my", 1))
    yield "a constant of unknown shape", open_shape, "Add .*the shape of its output cannot be inferred"
    for code in (TensorProto.STRING, 777):
        typed = model([node("Conv", "x", "w")], w=weights(1, 1, 3, 3))
        typed.graph.initializer[0].data_type = code
        yield f"weights of type {code}", typed, "'w' cannot be read"
    yield "no rank", model([node("Conv", "x", "w")], shape=(), w=weights(1, 1, 3, 3)), "could be an image"
    yield "no kernel entries", model([node("Conv", "x", "w")], w=weights(1, 1, 0, 3)), "Conv"
    yield "stride 0", model([node("Conv", "x", "w", strides=[0, 1])], w=weights(1, 1, 3, 3)), "Conv"
    yield "rank", model([node("Conv", "x", "w")], w=weights(1, 1, 3)), "Conv"
    wrong = node("Transpose", "x", perm=[0, 1, 2, 7])
    yield "axes out of range", model([wrong, node("Conv", "y", "w", to="z")], w=weights(1, 1, 3, 3)), "Transpose"
    endless = np.array([1, 1, np.nan, np.inf], np.float32)
    yield "factors", model([node("Resize", "x", "", "s")], s=endless), "Resize .*cannot be inferred"
    yield "functions in a cycle", functions(("F", "F")), "in a cycle"
    doubling = [(f"F{i}", f"F{i + 1}", f"F{i + 1}") for i in range(40)]
    yield "2^40 nodes of functions", functions(*doubling), "has 1099511627776 nodes"
    yield from absurd_constants()


def absurd_constants():
    """Graphs that make 2^40 elements of a few numbers, and hand them on as if they were a shape."""
    from onnx import helper, numpy_helper

    from tests.engine.readers.onnx.graphs import ints, model, node

    def one(op, *made, **constants):
        cast = helper.make_node("Cast", ["c"], ["d"], to=1)
        return op, model([*made, cast, node("Add", "x", "d")], **constants), f"{op}.* makes a constant of the shape"

    huge, whole = ints(2**40), numpy_helper.from_array(ints(1))
    yield one("ConstantOfShape", node("ConstantOfShape", "s", to="c", value=whole), s=huge)
    yield one("ConstantOfShape", node("ConstantOfShape", "s", to="c", value=whole), s=ints(2**20, 2**20))
    product = node("Mul", "m", "m", to="s"), node("ConstantOfShape", "s", to="c", value=whole)
    yield one("ConstantOfShape", *product, m=ints(2**20))
    said = helper.make_node("Constant", [], ["s"], value_ints=[2**40])
    yield one("ConstantOfShape", said, node("ConstantOfShape", "s", to="c", value=whole))
    yield one("Range", node("Range", "a", "b", "by", to="c"), a=np.array(0), b=np.array(2**40), by=np.array(1))
    yield one("Expand", node("Expand", "v", "s", to="c"), v=ints(1), s=huge)
    yield one("Tile", node("Tile", "v", "s", to="c"), v=ints(1), s=huge)
    yield one("Pad", node("Pad", "v", "s", to="c"), v=ints(1), s=ints(0, 2**40))
    doubled = [node("Concat", f"c{i}", f"c{i}", to=f"c{i + 1}" if i < 39 else "c", axis=0) for i in range(40)]
    yield one("Concat", *doubled, c0=ints(1))


def million() -> bytes:
    """A million nodes, written byte by byte."""
    from onnx import ModelProto

    from tests.engine.readers.onnx.graphs import model, node

    proto = model([node("Relu", "x")])
    one = proto.graph.node[0].SerializeToString()
    graph = (b"\x0a" + bytes([len(one)]) + one) * 1_000_000
    size, varint = len(graph), []
    while size:
        size, rest = divmod(size, 128)
        varint.append(rest | (128 if size else 0))
    return ModelProto(opset_import=proto.opset_import).SerializeToString() + b"\x3a" + bytes(varint) + graph


def functions(*calls: tuple[str, ...]):
    """A model of functions (name, what it calls one after another)."""
    from onnx import helper

    from tests.engine.readers.onnx.graphs import model

    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("my", 1)]
    proto = model([helper.make_node(calls[0][0], ["x"], ["y"], domain="my")])
    proto.opset_import.append(opsets[1])
    for name, *called in calls:
        steps = ["a", *(f"t{i}" for i in range(len(called) - 1)), "b"]
        nodes = [helper.make_node(c, [steps[i]], [steps[i + 1]], domain="my") for i, c in enumerate(called)]
        proto.functions.append(helper.make_function("my", name, ["a"], ["b"], nodes, opsets))
    return proto


@pytest.mark.parametrize("index", range(41))
def test_hostile_models_end_in_one_clear_line(index, tmp_path):
    every = list(hostile())
    assert len(every) == 41
    _, given, message = every[index]
    if isinstance(given, bytes):
        path = tmp_path / "hostile.onnx"
        path.write_bytes(given)
        given = str(path)
    with pytest.raises(InputError, match=message) as caught:
        rf.load(given)
    assert "\n" not in str(caught.value)


def outcomes(models) -> tuple[int, set[str]]:
    """How many of some damaged models are read, and the different messages of those that are not, or in part."""
    read, messages = 0, set()
    for given in models:
        try:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always", rf.PartlyReadWarning)
                net = rf.load(given)
            messages.update(str(warning.message) for warning in said)
        except InputError as error:
            messages.add(str(error))
        else:
            read += 1
            assert len(net) == len(net.map_sizes()) - 1  # what is read is a network, with the image beside its layers
    assert not any("\n" in message for message in messages)
    return read, messages


def test_damaged_bytes_never_end_in_a_traceback(tmp_path):
    from tests.engine.readers.onnx.graphs import model, node, weights

    good = model([node("Conv", "x", "w", to="a"), node("MaxPool", "a", kernel_shape=[2, 2])], w=weights(1, 1, 3, 3))
    raw, path = good.SerializeToString(), tmp_path / "damaged.onnx"
    rng = random.Random(5)

    def damaged():
        for _ in range(300):
            data = bytearray(raw)
            for _ in range(rng.randrange(1, 6)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            path.write_bytes(bytes(data))
            yield str(path)

    read, messages = outcomes(damaged())
    assert 3 < read < 100  # some bytes are names; most say how long the next field is
    assert len(messages) > 5


def test_nodes_that_break_the_rules_never_end_in_a_traceback():
    """Attributes, inputs, types and sizes changed at random, in every small graph above."""
    from copy import deepcopy

    rng = random.Random(7)
    numbers = [0, -1, 1, 2, 99, 2**31, 2**40, -(2**33)]
    every = [proto for _, proto in [*graphs(), *resizes()]]

    def damaged():
        proto = deepcopy(rng.choice(every))
        node, constants = rng.choice(proto.graph.node), proto.graph.initializer
        names = ["x", "", "y", "nothing", *(i.name for i in constants)]
        if rng.random() < 0.5:
            node.input[rng.randrange(len(node.input))] = rng.choice(names)
        for attribute in node.attribute:
            if rng.random() < 0.5 and attribute.ints:
                attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(numbers)
            elif rng.random() < 0.3:
                attribute.i, attribute.s = rng.choice(numbers), rng.choice([b"", b"nope", b"SAME_UPPER", b"\xff"])
        for tensor in constants:
            if rng.random() < 0.2:
                tensor.data_type = rng.choice([1, 6, 7, 8, 9, 11, 99])
            if tensor.dims and rng.random() < 0.2:
                tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(numbers)
        proto.opset_import[0].version = rng.choice([7, 9, 10, 11, 13, 17, 18, 22, 999])
        return proto

    read, messages = outcomes(damaged() for _ in range(300))
    assert 20 < read < 150
    assert len(messages) > 50
