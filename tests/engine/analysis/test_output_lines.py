"""The lines that users came for."""

from __future__ import annotations

import rfscale as rf
from rfscale.engine.analysis.output_lines import output_lines


def test_one_line_per_output():
    net = rf.Network.sequential({"kernel": 3, "dilation": 2}, {"kernel": [3, 1]}, input_size=32)
    (line,) = output_lines(net)
    assert line.startswith("conv2: extent 7×5, stride 1, padding 0, holes (density 0.6, longest gap 1), overlap ")
    assert "effective 95 % box" in line
    assert "first pixel" in output_lines(net, input_size=32)[0]


def test_an_output_that_sees_everything_is_followed_by_the_last_map_that_does_not():
    lines = output_lines(rf.load("resnet50"))
    assert lines[0].endswith("global receptive field")
    assert "extent 427, stride 32" in lines[1]


def test_an_output_with_a_global_receptive_field_says_which_share_of_the_image_it_misses():
    net = rf.Network.sequential({"kernel": 1, "stride": 2}, {"op": "global_pool"})
    assert output_lines(net, input_size=6)[0] == "global_pool2: global receptive field, 9 of the image's 36 pixels"
    assert output_lines(net)[0] == "global_pool2: global receptive field"
