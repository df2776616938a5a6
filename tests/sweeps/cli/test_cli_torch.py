"""PyTorch modules and programs on the command line. They need torch alone."""

from __future__ import annotations

import pytest

import rfscale as rf

pytestmark = pytest.mark.torch


def test_torch_modules_are_read_at_the_size_asked_for(here, rfscale):
    code, out, err = rfscale("profile", "torchnet:Net", "--arg", "depth=3", "--input-size", "24x32")
    assert (code, err) == (0, "")
    assert out.startswith("Net: image 24×32")
    assert " 24×32 " in out
    assert rfscale("profile", "torchnet:net", "--finite")[1].startswith("Net: image 224×224") is False
    assert "image 40×40" in rfscale("profile", "torchnet:net", "--finite", "--example-input", "2,3,40,40")[1]
    shape = ("--example-input", "1,3,8,8", "--input-size", "16")  # channels of one, pixels of the other
    assert "image 16×16" in rfscale("profile", "torchnet:net", *shape)[1]


def test_options_reach_the_reader(here, rfscale):
    _, out, _ = rfscale("profile", "torchnet:Last", "--axes", "1,2", "--example-input", "1,32,48,3")
    assert " 32×48 " in out
    _, out, _ = rfscale("profile", "torchnet:Ranked", "--unknown", "argsort=pointwise")
    assert "body.1: extent 5" in out
    assert rfscale("profile", "torchnet:Ranked", "--unknown", "argsort={kernel: 3, padding: 1}")[0] == 0
    _, out, _ = rfscale("profile", "torchnet:Last", "--axes", "1,2", "--input-size", "8")
    assert "image 8×8" in out
    for text in ("40", "1,3,40,40", "x=1,3,40,40", "3,40,40"):
        _, out, _ = rfscale("profile", "torchnet:Net", "--example-input", text, "--finite")
        assert "image 40×40" in out
    _, out, _ = rfscale("profile", "torchnet:Pair", "--example-input", "1,3,8,8", "--example-input", "1,4,8,8")
    assert "body.1: extent 5" in out


def test_a_model_that_is_read_in_part_says_so_on_stderr(here, rfscale):
    code, out, err = rfscale("profile", "torchnet:Ordered", "--out", "part.json")
    assert code == 0
    assert out.startswith("Ordered: interior")
    assert err.count("\n") == 1
    assert "Ordered is read in part" in err
    assert "sort: aten.sort" in err
    assert "--unknown says" in err
    assert "left_out" in (here / "part.json").read_text()
    with pytest.warns(rf.PartlyReadWarning):
        rf.load("torchnet:Ordered")


def test_tensors_made_in_forward_follow_a_module_on_the_meta_device(here, rfscale):
    code, out, err = rfscale("profile", "torchnet:Coordinates", "--arg", "depth=1", "--input-size", "16")
    assert (code, err) == (0, "")
    assert out.startswith("Coordinates: image 16×16")
    net = rf.load("torchnet:Coordinates", depth=1, input_size=16)
    assert rf.profile(net).extent.values[-1].tolist() == [3, 3]


def test_programs_of_torch_export(here, rfscale):
    import torch

    made = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1))
    shape = (torch.zeros(1, 3, 20, 24),)
    torch.export.save(torch.export.export(made, shape), "fixed.pt2")
    code, out, err = rfscale("profile", "fixed.pt2")
    assert (code, err) == (0, "")
    assert out.startswith("fixed: interior")
    open_sizes = ({2: torch.export.Dim("h"), 3: torch.export.Dim("w")},)
    torch.export.save(torch.export.export(made, shape, dynamic_shapes=open_sizes), "open.pt2")
    assert "leaves the sizes of its input open" in rfscale("profile", "open.pt2")[2]


WRONG_TORCH = {
    "unknown operator": (
        ["torchnet:OrderedFirst"],
        "OrderedFirst has torch operators that are not known: aten.sort",
    ),
    "how to go on": (
        ["torchnet:OrderedFirst"],
        "or one by one --unknown aten.sort",
    ),
    "treatment": (["torchnet:Ranked", "--unknown", "argsort=sideways"], "--unknown argsort is 'sideways'; it must be"),
    "arguments": (["torchnet:Net", "--arg", "widht=3"], "takes no argument 'widht'; did you mean 'width'?"),
    "channels": (
        ["torchnet:Net", "--example-input", "1,5,8,8"],
        "give --example-input (1, 3, 8, 8): it wants 3 channels",
    ),
    "axes": (["torchnet:Last", "--axes", "1,9", "--input-size", "8"], "--axes is [1, 9]; give other dims"),
    "sizes": (
        ["torchnet:Net", "--example-input", "1,3,8,8", "--input-size", "8x8x8"],
        "--input-size is [8, 8, 8]",
    ),
    "image": (["torchnet:Net", "--image", "y"], "--image is 'y'; known: x"),
    "name of an input": (["torchnet:Net", "--example-input", "y=1,3,8,8"], "name its parameters in --example-input: x"),
    "size of a program": (["no.pt2", "--example-input", "1,3,8,8"], "is of the size that it was exported with"),
    "no program": (["broken.pt2"], "broken.pt2 is not a program of torch.export.save"),
    "nowhere": (["no.pt2"], "no.pt2: No such file or directory"),
}


@pytest.mark.parametrize("case", WRONG_TORCH)
def test_bad_torch_models_are_one_line_and_exit_2(here, rfscale, case):
    (here / "broken.pt2").write_text("no archive")
    args, message = WRONG_TORCH[case]
    code, out, err = rfscale("profile", *args)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert message in err
