"""Valid input sizes as a user asks for them."""

from __future__ import annotations

import pytest

import rfscale as rf


def test_what_to_pad_a_volume_to():
    """Strides 1·2, 4·2 and 1·4 along the axes: 45×101×83 needs multiples of 2, 8 and 4."""
    pools = [{"op": "max_pool", "kernel": k} for k in ([2, 2, 2], [1, 2, 2], [1, 2, 1])]
    ups = [{"op": "upsample", "scale": [2, 8, 4]}, {"op": "add", "inputs": ["input", "upsample4"]}]
    found = rf.valid_sizes(rf.Network.sequential(*pools, *ups), near=(45, 101, 83)).sel(rule="fits")
    assert found.step.values.tolist() == [2, 8, 4]
    assert found.above.values.tolist() == [46, 104, 84]
    assert found.to_add.values.tolist() == [1, 3, 1]
    assert found.below.values.tolist() == [44, 96, 80]
    assert found.to_cut.values.tolist() == [1, 5, 3]
    assert "layer 'add5' merges maps of different sizes" in found.attrs["not_near"]


def test_the_smallest_size_and_what_stops_smaller_ones():
    found = rf.valid_sizes("unet")
    assert found.smallest.values.tolist() == [[188, 188]] * 3
    assert found.listed.sel(rule="fits", axis="x").values.tolist() == [188, 204, 220, 236, 252, 268]
    assert rf.load("unet").map_sizes(188)["output"] == (4, 4)
    deep = rf.valid_sizes(rf.Network.sequential(*[{"kernel": 3}] * 20, axes=1))
    assert deep.smallest.sel(rule="fits").item() == 41  # 1 + 20·2
    assert deep.attrs["too_small"] == ["x: layer 'conv20' (conv) leaves nothing of its 2 input"]


def test_there_is_nothing_to_cut_to_below_the_smallest_size():
    found = rf.valid_sizes("unet", near=100).sel(rule="fits", axis="x")
    assert (found.below.item(), found.to_cut.item(), found.above.item(), found.to_add.item()) == (0, -1, 188, 88)


def test_a_linear_layer_keeps_the_size_of_its_map():
    """Five halvings of 224 are a map of 7; so are those of 225 to 255."""
    net = {
        "input_size": 224,
        "layers": [{"op": "max_pool", "kernel": 32, "name": "pool"}, {"op": "linear", "name": "fc"}],
    }
    found = rf.valid_sizes(net, near=256)
    assert found.smallest.sel(rule="fits").values.tolist() == [224, 224]
    assert found.below.sel(rule="fits").values.tolist() == [255, 255]
    assert found.above.sel(rule="fits").values.tolist() == [0, 0]
    assert found.to_add.sel(rule="fits").values.tolist() == [-1, -1]
    wants = "layer 'fc' (linear) reads a map of 8×8 entries where it has weights for 7×7"
    assert found.attrs["not_near"] == wants


def test_no_size_at_all():
    found = rf.valid_sizes({"layers": [{"op": "resize", "size": 4}, {"kernel": 5, "name": "c"}]}, near=9)
    assert found.valid.values.tolist() == [["none", "none"]] * 3
    assert found.smallest.max() == found.step.max() == found.listed.max() == 0
    assert "leaves nothing" in found.attrs["not_near"]
    found = rf.valid_sizes(
        {"layers": [{"op": "max_pool", "kernel": 9}, {"op": "resize", "size": 4}, {"kernel": 5}]}, near=8
    )
    assert found.attrs["not_near"] == "layer 'max_pool1' (max_pool) leaves nothing of its 8×8 input"


def test_bad_arguments():
    with pytest.raises(rf.InputError, match="near is 0; it must lie between"):
        rf.valid_sizes("resnet50", near=0)
    with pytest.raises(rf.InputError, match="count is 0; it must lie between"):
        rf.valid_sizes("resnet50", count=0)


@pytest.mark.torch
def test_a_model_is_asked_itself():
    """Its own code refuses what its network takes, and takes what its network refuses."""
    import torch
    from torch import nn
    from torch.nn.functional import interpolate, max_pool2d

    class Checks(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, x):
            assert x.shape[-1] % 32 == 0, "give multiples of 32"
            return self.conv(x)

    found = rf.valid_sizes(Checks().eval(), near=50, verify=True, example_input=(1, 3, 64, 64))
    assert found.valid.values.tolist() == [["any from 1"] * 2] * 3
    assert found.runs.sel(which="above").values.tolist() == [False] * 3
    assert "multiples of 32" in found.attrs["refused"][-1]
    assert found.attrs["takes"] == "64×64"

    class Resizes(nn.Module):
        def forward(self, x):
            return torch.cat([x, interpolate(max_pool2d(x, 2), x.shape[-2:])], 1)

    found = rf.valid_sizes(Resizes().eval(), near=33, verify=True, example_input=(1, 3, 32, 32))
    assert found.above.sel(rule="fits").values.tolist() == [34, 34]
    assert found.runs.sel(rule="fits").values.tolist() == [True] * 3


@pytest.mark.torch
def test_slices_of_a_model_go_up_to_the_end_of_its_maps():
    """Every second pixel of any image: a stop that is the size of the image is no stop."""
    import torch
    from torch import nn

    class Focus(nn.Module):
        def forward(self, x):
            return torch.cat([x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)], 1)

    net = rf.load(Focus().eval(), example_input=(1, 3, 32, 32))
    assert net.map_sizes(48)["concat"] == (24, 24)
    assert rf.valid_sizes(net).valid.sel(rule="fits").values.tolist() == ["2k from 2", "2k from 2"]


@pytest.mark.torch
def test_what_a_model_cuts_off_the_end_is_cut_off_any_size():
    """A temporal convolutional network pads both sides and cuts the end: as long as its input, whatever its length."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, rate):
            super().__init__()
            self.conv, self.cut = nn.Conv1d(2, 2, 3, padding=2 * rate, dilation=rate), 2 * rate

        def forward(self, x):
            return x + self.conv(x)[:, :, : -self.cut]

    model = nn.Sequential(Block(1), Block(2)).eval()
    net = rf.load(model, example_input=(1, 2, 32))
    assert rf.valid_sizes(net).valid.values.tolist() == [["any from 1"]] * 3
    for n in (5, 100):
        assert net.map_sizes(n)[net.outputs[0]] == tuple(model(torch.zeros(1, 2, n)).shape[2:])
    assert "notes" not in rf.valid_sizes(net).attrs
    (note,) = rf.valid_sizes(model, example_input=(1, 2, 32)).attrs["notes"]
    assert note.startswith("the model as it was read at 32: its code may refuse sizes")
    with pytest.raises(rf.InputError, match="verify runs the model at other sizes; give example_input as a shape"):
        rf.valid_sizes(model, verify=True, example_input=torch.zeros(1, 2, 32))


@pytest.mark.torch
@pytest.mark.onnx
def test_files_that_are_made_for_one_size(tmp_path):
    """An exported program, and an ONNX file that declares its pixels; with open dims the file takes others."""
    import torch
    from onnx import TensorProto, helper

    program = torch.export.export(torch.nn.Conv2d(3, 4, 2, 2).eval(), (torch.zeros(1, 3, 32, 32),))
    torch.export.save(program, tmp_path / "made.pt2")

    def graph(pixels):
        node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2])
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, n, n])
            for name, n in zip("xy", pixels, strict=True)
        ]
        return helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:]))

    for model in (tmp_path / "made.pt2", graph([32, 16])):
        found = rf.valid_sizes(model, near=33, verify=True)
        assert found.runs.sel(rule="divides").values.tolist() == [False, True, False]
        assert len(found.attrs["refused"]) == 3  # 2×2, 33×33 and 34×34
    assert rf.valid_sizes(graph(["n", "m"]), near=33, verify=True).runs.all()


def test_python_that_makes_a_network(tmp_path):
    (tmp_path / "made.py").write_text(
        "import rfscale as rf\ndef make(): return rf.Network.sequential({'kernel': 3}, input_size=32)\n"
    )
    assert rf.valid_sizes(f"{tmp_path}/made.py:make", near=33, verify=True).runs.all()
