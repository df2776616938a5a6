"""Stages that skip, go back or upsample: what they are read as, the network that they make, and what is refused."""

from __future__ import annotations

import json

import pytest

import rfscale as rf
from rfscale.engine import InputError
from rfscale.sweeps import Space

DOWN = [{"name": "a", "kernel": 3}, {"name": "p", "op": "max_pool", "kernel": 2}, {"name": "b", "kernel": 3}]
UP = {"name": "u", "op": "upsample", "scale": 2}


def space(*stages, **more):
    return Space.from_dict({"stages": [*DOWN, *stages], **more})


def test_network_is_the_graph():
    found = space(
        UP, {"name": "j", "skip": "a", "merge": "concat", "through": {"kernel": 1}}, {"name": "d", "kernel": 3}
    )
    assert found.branching
    assert found.scaled
    assert [(x.name, x.op, x.inputs) for x in found.network(0).layers] == [
        ("a", "conv", ("input",)),
        ("p", "max_pool", ("a",)),
        ("b", "conv", ("p",)),
        ("u", "upsample", ("b",)),
        ("j.1", "conv", ("a",)),
        ("j.2", "concat", ("u", "j.1")),
        ("d", "conv", ("j.2",)),
    ]
    assert found.outputs(0) == {"a": "a", "p": "p", "b": "b", "u": "u", "j": "j.2", "d": "d"}


def test_a_skip_may_be_a_choice():
    found = space(UP, {"name": "j", "skip": ["none", "a"]})
    assert found.dims == {"j_skip": ("none", "a")}
    assert [x.name for x in found.network({"j_skip": "none"}).layers] == ["a", "p", "b", "u"]
    assert found.outputs({"j_skip": "none"})["j"] == "u"
    assert found.network({"j_skip": "a"}).layers[-1].inputs == ("u", "a")


def test_stages_that_go_back():
    found = space({"name": "c", "from": "a", "kernel": 5}, {"name": "d", "from": "b", "kernel": 1, "repeat": [0, 1]})
    assert found.network({"d_repeat": 1}).layers[-2].inputs == ("a",)
    assert found.network({"d_repeat": 1}).layers[-1].inputs == ("b",)
    assert found.outputs({"d_repeat": 0})["d"] == "b"
    tree = rf.sweep(found)
    assert tree["c"].extent.item() == 7
    assert tree["d"].extent.values.tolist() == [8, 8]


def test_transposed_convolutions_make_stride_entries_of_each():
    for kernel, stride in ((2, 2), (3, 2), (4, 2), (5, 2), (3, 3), (4, 3), (1, 1)):
        up = {"op": "conv_transpose", "kernel": kernel, "stride": stride}
        network = Space.from_dict({"stages": [{"name": "u", **up}], "input_size": 7}).network(0)
        assert rf.profile(network, input_size=7).map_size.values.tolist() == [[7 * stride, 7 * stride]]


def test_round_trip_and_files(tmp_path):
    for spec in (rf.cells.unet(2, optional=True, channels=4), rf.cells.fpn(3, up="bilinear")):
        one = Space.from_dict(spec)
        assert Space.from_dict(one.to_dict()) == one
        path = tmp_path / "space.json"
        path.write_text(json.dumps(spec))
        assert Space.from_file(path) == one
    assert not Space.from_dict({"stages": DOWN}).scaled


def test_costs_add_up_over_skips():
    """Channels by hand: 4; 8 at the bottom; upsampling takes a stride back, and the skip has a map of its own."""
    found = space(UP, {"name": "j", "skip": "a", "merge": "concat"}, {"name": "d", "kernel": 3},
                  channels={"base": 4, "growth": 2}, input_size=10)  # fmt: skip
    layers = {layer.name: layer.params.get("channels") for layer in found.network(0).layers}
    assert (layers["a"], layers["b"], layers["d"]) == (4, 8, 4)
    params = [3 * 9 * 4 + 4, 4 * 9 * 8 + 8, (8 + 4) * 9 * 4 + 4]
    assert rf.sweep(found)["d"].params.item() == sum(params)
    macs = 3 * 9 * 4 * 100 + 4 * 9 * 8 * 25 + 12 * 9 * 4 * 100
    assert rf.sweep(found)["d"].macs.item() == macs


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({"skip": "q"}, "skip of stage 'x' is 'q', which is no earlier stage; "),
        ({"skip": "x"}, "skip of stage 'x' is 'x', which is no earlier stage; "),
        ({"skip": "none"}, "skip of stage 'x' is 'none', which is no earlier stage; "),
        ({"skip": 3}, "skip of stage 'x' is 3, which is no earlier stage; "),
        ({"skip": []}, r"skip of stage 'x' is \[\]; give the name of an earlier stage"),
        ({"skip": ["a", "a"]}, "skip of stage 'x' is .*; its names must differ"),
        ({"skip": "a", "merge": "multiply"}, "merge of stage 'x' is 'multiply'; it must be add or concat"),
        ({"skip": "a", "aligned": 0}, "aligned of stage 'x' is 0; it must be true or false"),
        ({"skip": "a", "kernel": 3}, "stage 'x' with a skip has an unknown key 'kernel'"),
        ({"skip": "a", "through": 3}, "through of stage 'x' is 3; it must be a layer or a list of layers"),
        ({"skip": "a", "through": [{"kernel": 0}]}, "kernel of through of stage 'x' is 0"),
        ({"from": "y", "kernel": 3}, "from of stage 'x' is 'y', which is no earlier stage; "),
        ({"op": "upsample"}, r"stage 'x' needs 'scale' \(op upsample\)"),
        ({"op": "upsample", "scale": 2, "mode": "area"}, "mode of stage 'x' is 'area'; it must be nearest or bilinear"),
        ({"op": "upsample", "scale": [[2, 3], [1, 2, 1]]}, r"a value of x_scale is .*; .* one for each of the 2 axes"),
        ({"op": "conv_transpose", "stride": 2}, r"stage 'x' needs 'kernel' \(op conv_transpose\)"),
    ],
)  # fmt: skip
def test_what_is_no_such_stage(stage, message):
    with pytest.raises(InputError, match=message):
        space({"name": "x", **stage})


def test_maps_that_do_not_fit_are_named():
    jumps = space({"name": "j", "skip": "a"})
    with pytest.raises(
        InputError, match=r"stage 'j': .* before and that of stage 'a', entries are 2 and 1 pixels apart"
    ):
        rf.sweep(jumps)
    odd = Space.from_dict({"stages": [{"name": "a", "kernel": 3}, {"kernel": 3, "stride": 2}, UP, {"skip": "a"}]})
    with pytest.raises(InputError, match=r"stage 'stage4': .* centres are 0\.5 pixels apart; .*aligned: false"):
        rf.count(odd, "extent")
    strides = space({"name": "x", "branches": [[UP | {"name": "y"}], []]})
    with pytest.raises(
        InputError, match=r"'x': branches that end at x\.1 and the stage's input have strides 0\.5 and 1"
    ):
        rf.sweep(strides)
    centres = space(UP, {"name": "x", "branches": [{"kernel": 2}, []]})
    with pytest.raises(
        InputError, match=r"x\.1 and the stage's input have centres 0\.5 entries apart; .*aligned: false"
    ):
        rf.sweep(centres)


def test_what_has_no_figures():
    with pytest.raises(InputError, match=r"stage 'u': neighbouring entries are 1/2 pixels apart; .*NetworkSpace"):
        rf.sweep(Space.from_dict({"stages": [{"name": "a", "kernel": 3}, UP]}))
    gaps = {"name": "x", "op": "conv_transpose", "kernel": 2, "stride": 3}
    with pytest.raises(
        InputError, match=r"kernel 2 and stride 3 makes entries that read nothing; .*at least the stride"
    ):
        rf.sweep(space(gaps))
    far = [{"name": f"s{i}", "kernel": 3, "stride": 32, "dilation": 9} for i in range(6)]
    with pytest.raises(InputError, match=r"stage 's\d': .*extents of more than 67108864 pixels"):
        rf.count(Space.from_dict({"stages": [*far, {"name": "u", "op": "upsample", "scale": 32}]}), "extent")
    cells = {"c": {"inputs": ["x"], "edges": [{"from": "x", "to": "out", "op": ["none", "c3"]}]}}
    spec = {"ops": {"none": "none", "c3": {"kernel": 3}}, "cells": cells}
    with pytest.raises(InputError, match=r"stage 'k' has a choice without a path; .*leave the op none out"):
        rf.count(space({"name": "k", "cell": "c"}, UP, {"name": "j", "skip": "a"}, **spec), "extent")


def test_sizes_that_do_not_fit():
    spec = {"channels": 4, "input_size": 9}
    with pytest.raises(
        InputError, match=r"stage 'j': branches with maps of 10x10 and 9x9 entries meet; .*input_size that"
    ):
        rf.sweep(space(UP, {"name": "j", "skip": "a", "merge": "concat"}, **spec))
    without_costs = space(UP, {"name": "j", "skip": "a"}, input_size=9)
    with pytest.raises(InputError, match=r"stage 'j': branches with maps of 10x10 and 9x9 entries meet"):
        rf.count(without_costs, "extent")
    assert rf.count(space(UP, {"name": "j", "skip": "a"}, input_size=8)) == 1


def test_templates_say_what_they_need():
    with pytest.raises(
        InputError, match="up is 'cubic'; it must be nearest or bilinear, some of them, or conv_transpose"
    ):
        rf.cells.unet(up="cubic")
    with pytest.raises(InputError, match="depth is 0"):
        rf.cells.unet(0)
    assert rf.cells.unet(up=["nearest", "bilinear"], optional=True, depth=1)["stages"][3]["mode"] == [
        "nearest",
        "bilinear",
    ]
    assert Space.from_dict(rf.cells.unet(2, up="conv_transpose")).size == 4**5
    assert list(rf.sweep(Space.from_dict(rf.cells.fpn(2)))) == ["stem", "c2", "c3", "m3", "p3", "u2", "m2", "p2"]
