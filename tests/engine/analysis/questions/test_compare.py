"""Two networks side by side: known differences, and nothing where there is none."""

from __future__ import annotations

import numpy as np
import pytest

import rfscale as rf

BASE = [
    {"name": "stem", "kernel": 3, "padding": 1},
    {"name": "body", "kernel": 3, "padding": 1},
    {"name": "out", "kernel": 1},
]


def changed(**change):
    """The base network with another second layer."""
    return rf.Network.sequential(BASE[0], {**BASE[1], **change}, BASE[2])


@pytest.mark.parametrize("name", ["resnet18", "fpn-resnet50", "unet", "efficientnet_b0"])
def test_a_network_is_equal_to_itself(name):
    found = rf.compare(name, name, effective=False)
    assert set(found.differs.values) == {""}
    assert set(found.matched.values) == {"name"}
    assert np.array_equal(found.extent.sel(network="a"), found.extent.sel(network="b"), equal_nan=True)


@pytest.mark.parametrize(
    ("change", "differs", "figure", "values"),
    [
        ({"kernel": 5, "padding": 2}, "extent, padding, effective", "extent", [5, 7]),  # 3 + 2, 3 + 4
        ({"stride": 2}, "jump", "jump", [1, 2]),
        ({"padding": 0}, "padding", "padding", [2, 1]),
        ({"dilation": 2, "padding": 2}, "extent, padding, effective", "extent", [5, 7]),
        ({"channels": 8}, "", "jump", [1, 1]),
    ],
)
def test_one_change_at_a_time(change, differs, figure, values):
    found = rf.compare(changed(), changed(**change))
    assert found.differs.sel(layer="stem").item() == ""
    assert found.differs.sel(layer="out").item() == differs
    assert found[figure].sel(layer="out", axis="x").values.tolist() == values
    assert found.is_output.values.tolist() == [False, False, True]


def test_holes_and_costs():
    def dilated(rate, channels):
        layers = [{"kernel": 3, "dilation": rate, "padding": rate, "channels": channels}] * 2
        return rf.Network.sequential(*layers, input_size=16)

    found = rf.compare(dilated(1, 4), dilated(2, 8)).isel(layer=-1)
    assert found.max_gap.sel(axis="y").values.tolist() == [0, 1]
    assert found.density.values.tolist() == [1, 25 / 81]
    assert found.differs.item().split(", ") == ["extent", "padding", "holes", "effective", "density", "params", "macs"]
    assert found.total_params.values.tolist() == [(27 * 4 + 4) + (36 * 4 + 4), (27 * 8 + 8) + (72 * 8 + 8)]
    assert found.total_macs.values.tolist() == [256 * (27 * 4 + 36 * 4), 256 * (27 * 8 + 72 * 8)]


def test_two_depths_of_one_network():
    """ResNet-101 has 17 more units in its third stage, of 32 pixels each: 427 + 17·32 = 971."""
    found = rf.compare("resnet50", "resnet101", effective=False)
    assert found.extent.sel(layer="layer4", axis="y").values.tolist() == [427, 427 + 17 * 32]
    assert found.is_output.sel(layer=["layer4", "fc"]).all()
    assert (found.matched == "only b").sum() == 17 * 4
    row = found.sel(layer="layer3.21.conv1")
    assert np.isnan(row.extent.sel(network="a")).all()
    assert row.name.values.tolist()[0] == ""
    assert found.layers.values.tolist() == [76, 144]


def test_figures_of_one_size():
    found = rf.compare("resnet18", "resnet34", 224, effective=False)
    assert "padding" not in found
    assert found.extent.sel(layer="layer4", axis="y").values.tolist() == [224, 224]
    assert found.attrs["input_size"] == [224, 224]


def test_the_effective_boxes_are_those_of_path_counts():
    found = rf.compare("stack20", changed())
    field = rf.field_figures(rf.path_counts("stack20", "conv20"), [0.95]).box_extent.values[0]
    ends = found.isel(layer=found.is_output.values)
    assert ends.effective.sel(network="a").dropna("layer").values.tolist() == [field.tolist()]


def test_networks_of_different_axes():
    with pytest.raises(rf.InputError, match=r"resnet18 has the axes y, x, tcn x; compare networks of one kind"):
        rf.compare("resnet18", "tcn")


@pytest.mark.torch
def test_two_checkpoints_of_one_model_are_equal():
    """Weights do not matter; a kernel that was pruned does."""
    from torch import nn

    def model(kernel=3):
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, kernel), nn.ReLU(), nn.Conv2d(4, 2, 3)).eval()

    found = rf.compare(model(), model(), example_input=(1, 3, 32, 32))
    assert set(found.differs.values) == {""}
    found = rf.compare(model(), model(1), example_input=(1, 3, 32, 32))
    assert found.extent.isel(layer=-1, axis=0).values.tolist() == [7, 5]
    assert found.differs.values[0] == ""
    assert "params" in found.differs.values[1]
