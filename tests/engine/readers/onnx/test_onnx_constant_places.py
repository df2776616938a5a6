"""Entries of maps at constant places in ONNX files: gather, slices by tables, spectra."""

from __future__ import annotations

import numpy as np
import pytest

import rfscale as rf
from tests.engine.readers.onnx.given_graphs import g, image

pytestmark = pytest.mark.onnx


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
    from tests.engine.readers.onnx.test_onnx import equals_the_reference_evaluator

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
