"""Branches of a space: how they are written, and one clear line for what is none."""

from __future__ import annotations

import pytest

import rfscale as rf
from rfscale.engine import InputError
from rfscale.sweeps import Space
from rfscale.sweeps.states.compiled import compiled

LIST = [{"name": "near", "kernel": 3}, {"name": "far", "kernel": 3, "dilation": 6}, {"name": "skip", "layers": []}]


def space(branches=LIST, **stage):
    return Space.from_dict({"stages": [{"name": "s", "branches": branches, **stage}]})


def test_labels_are_names_or_numbers():
    chosen = {"choose": [1, 2], "of": LIST}
    assert space(chosen).dims == {"s_branches": ("near", "far", "skip", "near+far", "near+skip", "far+skip")}
    unnamed = {"choose": 2, "of": [{"kernel": 1}, {"kernel": 3}, []]}
    assert space(unnamed).dims == {"s_branches": ("0+1", "0+2", "1+2")}
    assert space().dims == {}


def test_network_is_the_graph():
    network = space({"choose": [2], "of": LIST}, merge="concat").network({"s_branches": "far+skip"})
    assert [(x.name, x.op, x.inputs) for x in network.layers] == [
        ("s.1", "conv", ("input",)),
        ("s.2", "concat", ("s.1", "input")),
    ]
    single = space({"choose": [1], "of": LIST})
    assert [x.name for x in single.network({"s_branches": "far"}).layers] == ["s.1"]
    assert single.outputs({"s_branches": "skip"}) == {"s": "input"}


def test_repeat_repeats_the_block():
    two = space(repeat=2)
    assert [x.op for x in two.network(0).layers] == ["conv", "conv", "add"] * 2
    assert two.network(0).layers[3].inputs == ("s.3",)


def test_round_trip():
    one = space({"choose": [1, 3], "of": LIST}, repeat=[1, 2], merge="concat")
    assert Space.from_dict(one.to_dict()) == one
    assert one.branching
    assert not Space.from_dict({"stages": [{"kernel": 3}]}).branching


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({"branches": []}, "branches of stage 's' is .*; it must be a list of at least one branch"),
        ({"branches": {"choose": 1}}, "branches of stage 's' is .*; it must be a list of at least one branch"),
        ({"branches": 3}, "branches of stage 's' is 3; it must be a list"),
        ({"branches": [3]}, "branch 0 of stage 's' is 3; it must be a layer or a list of layers"),
        ({"branches": [[3]]}, "a layer of branch 0 of stage 's' is 3; it must be a mapping"),
        ({"branches": {"choose": [], "of": LIST}}, "choose of stage 's' is .*; give at least one number of branches"),
        ({"branches": {"choose": [4], "of": LIST}}, r"choose of stage 's' is \[4\], but there are 3 branches"),
        ({"branches": {"choose": [0], "of": LIST}}, "choose of stage 's' is 0"),
        ({"branches": {"choose": [1, 1], "of": LIST}}, r"choose of stage 's' is \[1, 1\]; its numbers must differ"),
        ({"branches": {"chose": [1], "of": LIST}}, "branches of stage 's' has 'chose'; .*choose"),
        ({"branches": {"choose": 12, "of": [[]] * 25}}, "branches of stage 's' make 5200300 subsets; at most 1048576"),
        ({"branches": LIST, "merge": "multiply"}, "merge of stage 's' is 'multiply'; it must be add or concat"),
        ({"branches": LIST, "aligned": 1}, "aligned of stage 's' is 1; it must be true or false"),
        ({"branches": LIST, "kernel": 3}, "stage 's' with branches has an unknown key 'kernel'"),
        ({"branches": [LIST[0], LIST[0]]}, "two branches of stage 's' are named 'near'; names must differ"),
        ({"branches": [{"name": "x", "layers": [], "op": "conv"}]}, "branch 0 of stage 's' has an unknown key 'op'"),
        (
            {"branches": [{"branches": {"choose": 1, "of": LIST}}]},
            "branch 0 of stage 's' has 'choose', which goes with the branches of a stage",
        ),
        ({"branches": [{"kernel": [1, 7]}, []]}, "has branches, and windows that differ between axes; .*NetworkSpace"),
    ],
)
def test_what_is_no_stage_of_branches(stage, message):
    with pytest.raises(InputError, match=message):
        Space.from_dict({"stages": [{"name": "s", **stage}]})


def test_branches_of_different_strides_or_centres_are_named():
    strides = space([{"kernel": 3, "stride": 2}, [{"kernel": 3}, {"kernel": 3}]])
    with pytest.raises(InputError, match=r"stage 's': branches that end at s\.1 and s\.3 have strides 2 and 1;"):
        compiled(strides)
    centres = [[{"kernel": 2}], [], [{"kernel": 3, "dilation": 3}]]
    with pytest.raises(InputError, match=r"s\.1 and the stage's input have centres 0\.5 entries apart; .*aligned: fal"):
        rf.count(space(centres))
    assert rf.count(space(centres, aligned=False)) == 1


def test_channels_that_cannot_be_added():
    spec = {"channels": 8, "input_size": 9, "stages": [{"name": "s", "branches": [{"kernel": 3}, []]}]}
    for ask in (rf.sweep, lambda s: s.network(0)):
        with pytest.raises(InputError, match=r"stage 's': branches of 8 and 3 channels are added; .*merge: concat"):
            ask(Space.from_dict(spec))
    spec["stages"][0]["merge"] = "concat"
    assert rf.sweep(Space.from_dict(spec))["s"].params.item() == 9 * 3 * 8 + 8
    sizes = [{"op": "slice", "start": 3}, {"kernel": 1, "channels": 3}]
    spec["stages"] = [{"name": "s", "branches": sizes, "aligned": False}]
    with pytest.raises(InputError, match="stage 's': branches with maps of 6x6 and 9x9 entries meet"):
        rf.sweep(Space.from_dict(spec))


def test_what_goes_with_chains_only():
    with pytest.raises(InputError, match=r"formulas go with chains.* has branches; ask rf\.validate\(space\.network"):
        rf.sweep(space(), formulas=True)
    with pytest.raises(InputError, match=r"formulas are judged on chains.*rf\.validate\(space\.network\(index\)\)"):
        rf.validate(space())
    with pytest.raises(InputError, match="'shared', which is no figure"):
        rf.count(space(), "shared")
