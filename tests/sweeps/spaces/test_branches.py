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
    with pytest.raises(InputError, match="'shared', which is no figure"):
        rf.count(space(), "shared")


CELL = {
    "inputs": ["x"],
    "edges": [{"from": "x", "to": ["a", "out"], "op": ["c", "s"]}, {"from": "a", "to": "out", "op": "c"}],
}


def with_cell(cell=None, stage=None, **more):
    ops = {"c": {"kernel": 3}, "s": [], "e": {"kernel": 2}, "d": {"kernel": 3, "stride": 2}}
    cells = {"c": {**CELL, **(cell or {})}}
    return Space.from_dict(
        {"ops": ops, "cells": cells, "stages": [{"name": "s", "cell": "c", **(stage or {})}], **more}
    )


def edges(*given):
    return {"edges": [dict(zip(("from", "to", "op"), edge, strict=True)) for edge in given]}


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (edges(("x", "a", "c"), ("a", "b", "c"), ("b", "a", "c")), "cell 'c' has a cycle among the nodes a, b"),
        (edges(("x", "a", "q")), "op of edge 0 of cell 'c' is 'q'; "),
        (edges(("x", "a", [])), r"op of edge 0 of cell 'c' is \[\]; give at least one op"),
        (edges(("x", "a", ["c", "c"])), "op of edge 0 of cell 'c' is .*; an op may stand once"),
        (edges(("y", "a", "c")), "cell 'c': no edge leads to node 'y'"),
        (edges(("x", "x", "c")), "edge 0 of cell 'c' leads to the input 'x'"),
        (edges(("x", "a", "c"), ("x", "a", "s")), "cell 'c' has two edges from 'x' to 'a'"),
        (edges(("x", 3, "c")), "a node of edge 0 of cell 'c' is 3"),
        ({"edges": [{"from": "x"}]}, "edge 0 of cell 'c' is .*; it must be such as"),
        ({"edges": []}, "cell 'c' has no edges and no nodes"),
        ({"output": "z"}, "output of cell 'c' has 'z'"),
        ({"output": {"concat": ["a", "z"]}}, "output of cell 'c' has 'z'"),
        ({"inputs": ["a0", "a1", "a2"]}, r"cell 'c' has inputs .*; a cell has one input, such as \[x\], or two"),
        ({"inputs": ["x", "x"]}, r"cell 'c' has inputs \['x', 'x'\]; a cell has one input"),
        ({"inputs": ["x", "c1"], **edges(("x", "a", "d"))}, "op 'd' of cell 'c' has stride 2; in a cell of two inputs"),
        ({"adapt": "crop"}, "adapt of cell 'c' is 'crop'"),
        ({"aligned": 2}, "aligned of cell 'c' is 2; it must be true or false"),
        ({"edge": []}, "cell 'c' has an unknown key 'edge'"),
        ({"nodes": [{"name": "n", "pick": 1, "of": ["x"], "op": "c"}]}, "cell 'c' has both edges and nodes"),
        (
            {"edges": [], "nodes": [{"name": "n", "of": "any", "op": "c"}]},
            r"node 0 of cell 'c' has no pick; give pick: 2 and of, or for all graphs nodes: {most: 5, of: any",
        ),
        (
            {"edges": [], "nodes": [{"name": "n", "pick": 1, "of": ["m"], "op": "c"}]},
            "of of node 0 of cell 'c' has 'm'",
        ),
        ({"edges": [], "nodes": [{"name": "n", "pick": 2, "of": ["x"], "op": "c"}]}, "pick of node 0 of cell 'c' is 2"),
        (
            {"edges": [], "nodes": [{"name": "x", "pick": 1, "of": ["x"], "op": "c"}]},
            "name of node 0 of cell 'c' is 'x'",
        ),
        ({"edges": [], "nodes": [3]}, "node 0 of cell 'c' is 3; it must have name, pick, of and op"),
    ],
)
def test_what_is_no_cell(cell, message):
    with pytest.raises(InputError, match=message):
        with_cell(cell)


def test_what_is_no_use_of_a_cell():
    with pytest.raises(InputError, match="cell of stage 's' is 'k'; "):
        with_cell(stage={"cell": "k"})
    with pytest.raises(InputError, match="own of stage 's' is 1; it must be true or false"):
        with_cell(stage={"own": 1})
    with pytest.raises(InputError, match="stage 's' with a cell has an unknown key 'kernel'"):
        with_cell(stage={"kernel": 3})
    for what, given in (("ops", 3), ("cells", [])):
        with pytest.raises(InputError, match=f"{what} is .*; it must be a mapping"):
            Space.from_dict({what: given, "stages": [{"kernel": 3}]})
    with pytest.raises(InputError, match=r"name of an op is 'a\+b'"):
        with_cell(ops={"a+b": []})
    with pytest.raises(InputError, match="cell 'd' is like 'x'"):
        with_cell(cells={"c": CELL, "d": {"like": "x"}})
    with pytest.raises(InputError, match="two factors are named 'c_x_a'; rename the cell"):
        with_cell(factors={"c_x_a": [1]})
    with pytest.raises(InputError, match="cell 'c' is 3; it must be a mapping with edges or nodes"):
        with_cell(cells={"c": 3})


def test_paths_of_a_cell_that_do_not_fit():
    strides = with_cell(edges(("x", "a", "d"), ("x", "out", "c"), ("a", "out", "c")))
    with pytest.raises(InputError, match=r"stage 's': paths that meet in node 'out' of cell 'c' have strides"):
        rf.count(strides)
    centres = edges(("x", "a", "e"), ("x", "out", "c"), ("a", "out", "c"))
    with pytest.raises(InputError, match=r"node 'out' of cell 'c' have centres 0\.5 entries apart; .*aligned: false"):
        rf.count(with_cell(centres))
    assert rf.count(with_cell({**centres, "aligned": False})) == 1


def test_a_cell_of_many_choices_is_known_by_its_effects():
    nodes = [
        {"name": f"n{i}", "pick": 2, "of": ["x", *(f"n{j}" for j in range(i))], "op": ["c", "s", "d"]}
        for i in range(1, 6)
    ]
    nodes.insert(0, {"name": "n0", "pick": 1, "of": ["x"], "op": ["c", "s", "d"]})
    cell = {"edges": [], "nodes": nodes, "output": {"concat": ["n5"]}}
    with pytest.raises(InputError, match=r"stage 's': paths that meet in cell 'c' have strides 2 \(op 'd'\) and 1"):
        rf.count(with_cell(cell))
    for node in nodes:
        node["op"] = ["c", "s"]
    space = with_cell(cell)
    assert space.size > 2**20
    assert rf.count(space, "extent").values.sum() == space.size
    with pytest.raises(
        InputError, match=r"c_n1_op1 belongs to cells of more than 2\^20 choices in all.*ask rf\.sample"
    ):
        rf.count(space, "c_n1_op1")
    assert rf.count(with_cell(cell, channels=8), "extent").values.sum() == space.size
    with pytest.raises(InputError, match=r"has node 'n0', which its output need not read; its costs need layers that"):
        rf.count(with_cell(cell, channels=8), "params")
    with pytest.raises(InputError, match=r"repeat of stage 's' is a choice, and its cell 'c' has .*; give one number"):
        rf.count(with_cell(cell, {"repeat": [1, 2]}))
