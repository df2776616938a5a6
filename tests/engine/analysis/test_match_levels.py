"""Levels of a network, and how many entries objects have on each."""

from __future__ import annotations

import re

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.analysis.match.levels import find_levels
from rfscale.engine.analysis.match.match import match
from rfscale.engine.network.network import Network
from tests.engine.analysis.matched import LARGE, SMALL, pyramid, squares

# ------------------------------------------------------------------ levels

UNET = "output up3.conv2 up4.conv2 bottom.conv2"


@pytest.mark.parametrize(
    ("name", "levels", "layers"),
    [
        ("fpn-resnet50", "P2 P3 P4 P5 P6", ["P2", "P3", "P4", "P5", "P6"]),
        ("yolov5s", "P3 P4 P5", ["model.17", "model.20", "model.23"]),
        ("resnet50", "P2 P3 P4 P5", ["layer1", "layer2", "layer3", "layer4"]),
        ("densenet121", "P2 P3 P4 P5", [f"features.denseblock{n}" for n in (1, 2, 3, 4)]),
        ("swin_t", "P2 P3 P4 P5", ["features.1", "features.3", "features.5", "features.7"]),
        ("vgg16", "P2 P3 P4", ["conv3_3", "conv4_3", "conv5_3"]),  # no stage of pool5 alone
        ("unet", UNET, UNET.split()),  # it goes back to stride 1: no pyramid
        ("dilated5", "conv5", ["conv5"]),
    ],
)
def test_levels_are_outputs_of_a_pyramid_or_ends_of_stages(name, levels, layers):
    found = find_levels(rf.load(name)).levels
    assert [level.name for level in found] == levels.split()
    assert [level.layer for level in found] == layers


def test_levels_of_one_stride_have_their_size_in_the_name():
    found = find_levels(rf.load("ssd300")).levels
    assert [level.name for level in found] == ["P3", "P4", "P5", "P6 5×5", "P6 3×3", "P6 1×1"]
    assert [level.layer for level in found] == ["conv4_3", "fc7", "conv6_2", "conv7_2", "conv8_2", "conv9_2"]


def test_outputs_of_one_stride_are_one_level_and_the_widest_stands_for_it():
    found = find_levels(pyramid(8, 16)).levels
    assert [(level.name, level.layer, level.stride, level.extent) for level in found] == [
        ("P3", "box8", 8.0, 31.0),
        ("P4", "box16", 16.0, 63.0),
    ]
    assert find_levels(pyramid(8, 16), ["score16", "c4"]).levels[0].name == "P2"


def test_outputs_without_the_name_of_a_level_are_none_where_others_have_one():
    """A segmenting YOLO has prototypes of masks at stride 4 besides boxes at 8, 16 and 32: no P2."""
    net = pyramid(4, 8, 16)
    assert [level.name for level in find_levels(net).levels] == ["P2", "P3", "P4"]
    modules = {f"{what}:p{n}": f"{layer}{2**n}" for n in (3, 4) for what, layer in (("a", "box"), ("b", "score"))}
    found = find_levels(Network.from_dict(net.to_dict() | {"modules": modules}))
    assert [level.name for level in found.levels] == ["P3", "P4"]
    assert found.stages[4.0] == "c4"


def test_strides_that_are_no_power_of_two_keep_the_names_of_layers():
    net = Network.sequential({"name": "a", "kernel": 3, "stride": 3}, {"name": "b", "kernel": 3, "stride": [2, 4]})
    found = find_levels(net, ["a", "b"]).levels
    assert [(level.name, level.stride) for level in found] == [("a", 3.0), ("b", pytest.approx(3 * 8**0.5))]


def test_a_stage_ends_where_no_connection_passes_by():
    """Of a residual stage the end is the addition, not the first layer of the next block, which has the same stride."""
    stages = find_levels(rf.load("resnet18")).stages
    assert [stages[s] for s in (4.0, 8.0, 16.0, 32.0)] == ["layer1", "layer2", "layer3", "layer4"]


@pytest.mark.parametrize(
    ("names", "end"),
    [
        (["stem", "s.0.a", "s.0.b", "s.1.pw", "s.1.dw.pad", "s.1.dw", "s.1.pool"], "s.0.b"),  # a block with a stride
        (["stem", "s.0.a", "s.0.b", "s.0.c", "s.0.c.pad", "s.0.dw", "s.0.pool"], "s.0.c"),  # no module ends there
        (["a", "b", "c", "d", "pad", "dw", "pool"], "d"),
    ],
)
def test_a_stage_ends_with_its_last_module(names, end):
    made = [
        {"kernel": 3, "stride": 4, "padding": 1},
        {"kernel": 3, "padding": 1},
        {"kernel": 3, "padding": 1},
        {"kernel": 1},
        {"op": "pad", "padding": [0, 0, 1, 1]},
        {"kernel": 3, "stride": 2},
        {"op": "max_pool", "kernel": 2, "stride": 2},
    ]
    layers = [{"name": name} | layer for name, layer in zip(names, made, strict=True)]
    found = find_levels(Network.from_dict({"input_size": 64, "layers": [*layers, {"op": "global_pool"}]}))
    assert list(found.stages) == [4.0, 8.0]
    assert found.stages[4.0] == end


@pytest.mark.parametrize("name", ["fpn-resnet50", "ssd300", "yolov5n"])
def test_effective_boxes_are_those_of_output_lines(name):
    net = rf.load(name)
    found = match(net, SMALL)
    lines = {line.partition(":")[0]: line for line in rf.output_lines(net)}
    for layer, side in zip(found.layer.values, found.effective.values, strict=True):
        assert float(re.search(r"box (\d+)", lines[layer])[1]) == side


# ------------------------------------------------------------------ shares


@pytest.mark.parametrize("name", ["fpn-resnet50", "ssd300", "resnet18"])
@pytest.mark.parametrize("boxes", [SMALL, LARGE], ids=["small", "large"])
def test_shares_equal_a_count_of_all_objects(name, boxes):
    """Limits of entries are edges of bins, where strides are powers of two; those of boxes are exact within a bin."""
    found = match(rf.load(name), boxes)
    assert found.smallest.values.tolist() == (2 * found.stride).values.tolist()
    assert found.largest.values.tolist() == found.effective.values.tolist()
    for level in range(found.sizes["level"]):
        low, high = float(found.smallest[level]), float(found.largest[level])
        under = over = near = 0
        for width, height in boxes:
            size = (width * height) ** 0.5
            under += size < low
            over += size > high
            near += abs(np.log2(size / high)) < 1 / 16
        assert float(found.under[level]) == pytest.approx(under / len(boxes), abs=1e-12)
        assert abs(float(found.over[level]) - over / len(boxes)) <= near / len(boxes) + 1e-9
        fit = 1 - float(found.under[level]) - float(found.over[level])
        assert float(found.fit[level]) == pytest.approx(max(0, fit), abs=1e-9)


def test_entries_are_counted_across_the_objects():
    boxes = squares(15.9, 16.1, 31.9, 32.1, 63.9, 64.1)
    for entries, under in ((2, [1 / 6, 3 / 6]), (4, [3 / 6, 5 / 6]), (1, [0, 1 / 6])):
        found = match(pyramid(8, 16), boxes, entries=entries, effective=False)
        assert found.under.values.tolist() == pytest.approx(under)
        assert found.smallest.values.tolist() == [8 * entries, 16 * entries]
    assert np.isnan(found.over).all()
    assert np.isnan(found.largest).all()


def test_strides_of_mirrored_maps_are_lengths():
    layers = [{"kernel": 3, "stride": 2, "padding": 1}] * 2
    plain = Network.sequential(*layers, input_size=64)
    mirrored = Network.sequential(*layers, {"op": "flip", "reverse": [0, 1]}, input_size=64)
    for rule in ("entries", "width"):
        one, other = (match(net, rule=rule, layers=[net.outputs[0]]) for net in (plain, mirrored))
        name = "stride" if rule == "entries" else "jump"
        assert other[name].values[-1] == one[name].values[-1] == 4
