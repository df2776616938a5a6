"""ONNX files with open sizes: a size is chosen, and said."""

from __future__ import annotations

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError
from tests.engine.readers.onnx.given_graphs import FLOAT, g, image

pytestmark = pytest.mark.onnx


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
