"""What a space may say, how its architectures are numbered, and one clear line for all else."""

from __future__ import annotations

import json

import pytest
import yaml

import rfscale as rf
from rfscale.engine import InputError, Network
from rfscale.sweeps import NetworkSpace, Space
from tests.oracles.spaces import architectures
from tests.sweeps.some_spaces import ALL, DEMO, MIXED, random_space


def one(**stage):
    return {"stages": [{"name": "s1", "kernel": 3, **stage}]}


def test_design_example():
    space = Space.from_dict(DEMO)
    assert space.size == 324
    assert list(space.dims) == ["stem_kernel", "s1_dilation", "s1_repeat", "k", "s2_repeat", "s3_choice"]
    assert space.dims["s3_choice"] == ("none", "dense", "holes")
    assert space.square
    assert space.stage_sizes == (3, 36, 108, 324)
    network = space.network(
        {"stem_kernel": 7, "s1_dilation": 2, "s1_repeat": 2, "k": 3, "s2_repeat": 2, "s3_choice": "holes"}
    )
    assert [x.name for x in network.layers] == ["stem", "s1.1", "s1.2", "s2.1", "s2.2", "s3.1"]
    assert [x.params["stride"][0] for x in network.layers] == [2, 1, 1, 2, 1, 1]
    assert [x.params["padding"][0] for x in network.layers] == [3, 2, 2, 1, 1, 2]
    assert network.map_sizes()["s3.1"] == (16, 16)


@pytest.mark.parametrize("spec", [*ALL, *(random_space(s) for s in range(20))], ids=lambda s: s["name"])
def test_networks_are_those_of_the_reference(spec):
    space = Space.from_dict(spec)
    for index, (places, stages) in enumerate(architectures(spec, len(space.axes))):
        labels = space.labels(index)
        assert labels == {n: space.dims[n][p] for n, p in places.items()}
        assert space.index(labels) == index
        layers = [x for stage in stages for x in stage]
        network = space.network(index)
        made = [x for x in network.layers if x.name != "nothing"]
        assert [x.op for x in made] == [x.op for x in layers]
        for got, want in zip(made, layers, strict=True):
            if "kernel" in got.params:
                assert (got.params["kernel"], got.params["stride"]) == (want.kernel, want.stride)
                assert all(
                    k == 1 or d == e for k, d, e in zip(want.kernel, got.params["dilation"], want.dilation, strict=True)
                )


def test_absent_everywhere_is_a_network_that_changes_nothing():
    space = Space.from_dict(one(repeat=[0, 1]))
    assert rf.profile(space.network(0)).area.values.tolist() == [1]
    assert space.outputs(0) == {"s1": "input"}


def test_round_trip_and_hash(tmp_path):
    for spec in ALL:
        space = Space.from_dict(spec)
        assert Space.from_dict(space.to_dict()) == space
        (tmp_path / "s.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
        (tmp_path / "s.json").write_text(json.dumps(spec))
        assert Space.from_file(tmp_path / "s.yaml") == Space.from_file(tmp_path / "s.json") == space
    assert Space.from_dict(DEMO).hash != Space.from_dict(MIXED).hash


def test_any_magnitude():
    space = Space.from_dict({"stages": [{"name": f"s{i}", "kernel": [1, 3, 5, 7]} for i in range(50)]})
    assert space.size == 4**50
    assert len(space.network(4**50 - 1)) == 50
    assert "architectures" in repr(space)
    with pytest.raises(InputError, match=r"index is .*must lie between 0 and"):
        space.network(4**50)


def test_anisotropic_values():
    space = Space.from_dict(one(kernel=[[1, 7], [7, 1], 3]))
    assert space.dims == {"s1_kernel": ("1x7", "7x1", "3")}
    assert not space.square
    assert space.network({"s1_kernel": "7x1"}).layers[0].params["kernel"] == (7, 1)
    assert space.network({"s1_kernel": [7, 1]}) == space.network({"s1_kernel": "7x1"})
    assert Space.from_dict(one(kernel=[[3, 3], 5])).dims == {"s1_kernel": (3, 5)}
    assert Space.from_dict(one(kernel=[[1, 3, 5]])).axes == ("z", "y", "x")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ([], "a space must be a mapping with 'stages'"),
        ({}, "a space needs 'stages'"),
        ({"stages": []}, "a space needs 'stages'"),
        ({"stage": []}, "a space has no 'stage'; did you mean 'stages'"),
        ({"stages": ["s1"]}, "stage 1 is 's1'; it must be a mapping"),
        (one(kernel=[]), "s1_kernel has no values"),
        (one(kernel=[3, 3]), "s1_kernel has the value 3 twice"),
        (one(kernel=0), "kernel of stage 's1' is 0; it must lie between 1 and"),
        (one(kernel=[3, "x"]), "a value of s1_kernel is 'x'; it must be a whole number"),
        (one(kernel=[[1, 7, 3], 3], axes=2), "unknown key 'axes'"),
        ({"axes": 2, **one(kernel=[[1, 7, 3]])}, "give one number, or one for each of the 2 axes"),
        (one(kernle=3), "unknown key 'kernle'; did you mean 'kernel'"),
        (one(padding=1), "a space chooses it itself"),
        (one(repeat=-1), "repeat of stage 's1' is -1"),
        (one(stride=2, stride_at="middle"), "stride_at of stage 's1' is 'middle'; it must be first or last"),
        (one(stride_at="last"), "has 'stride_at' but no 'stride'"),
        (one(op="upsample"), "stage 's1' has an unknown key 'kernel'"),
        (one(op="convolution"), "op of stage 's1' is 'convolution'; did you mean 'conv'"),
        ({"stages": [{"name": "s1"}]}, "stage 's1' needs 'kernel'"),
        ({"stages": [{"name": "s1", "op": "space_to_depth"}]}, "stage 's1' needs 'scale'"),
        ({"stages": [{"name": "s 1", "kernel": 3}]}, "name of stage 1 is 's 1'; it must be a word"),
        ({"stages": [{"name": "extent", "kernel": 3}]}, "names a figure or a dimension"),
        ({"stages": [{"name": "in", "kernel": 3}]}, "it must be a word"),
        ({"factors": {"objective": [3]}, **one(kernel="$objective")}, "names a figure or a dimension"),
        ({"factors": {"published_area": [3]}, **one(kernel="$published_area")}, "names a figure or a dimension"),
        ({"factors": {"extent_y": [[3, 1]]}, **one(kernel="$extent_y")}, "names a figure or a dimension"),
        ({"stages": [{"name": "a", "kernel": 3}] * 2}, "two stages are named 'a'"),
        (one(kernel="$k"), "'factors' has no 'k'"),
        ({"factors": {"k": [3]}, **one()}, "no stage uses the factor 'k'"),
        ({"factors": {"k": []}, **one(kernel="$k")}, "factor 'k' is \\[\\]; it must be a list"),
        ({"factors": {"k": [0]}, **one(kernel="$k")}, "through \\$k: it is 0"),
        ({"factors": {"s1": [3]}, **one(kernel="$s1")}, "'s1' names both a stage and a factor"),
        (
            {"factors": {"s1_stride": [3]}, **one(kernel="$s1_stride", stride=[1, 2])},
            "two factors are named 's1_stride'",
        ),
        ({"stages": [{"name": "s1", "choices": []}]}, "choices of stage 's1' is \\[\\]"),
        ({"stages": [{"name": "s1", "choices": [3]}]}, "choice 0 of stage 's1' is 3"),
        ({"stages": [{"name": "s1", "choices": [{"name": "a"}, {"name": "a"}]}]}, "s1_choice has the value 'a' twice"),
        ({"stages": [{"name": "s1", "choices": [{"kernel": 3}], "kernel": 3}]}, "unknown key 'kernel'"),
        ({"stages": [{"name": "s1", "choices": [[{"op": "add"}]]}]}, "use rf.NetworkSpace"),
        ({"channels": {"growth": 2}, **one()}, "channels needs 'base'"),
        ({"channels": {"bse": 2}, **one()}, "channels has no 'bse'; did you mean 'base'"),
        ({"input_size": [1, 2, 3, 4], **one()}, "it needs 1, 2 or 3 numbers"),
        ({"name": 3, **one()}, "name of the space is 3"),
        (one(kernel=list(range(1, 1200)), dilation=list(range(1, 1200))), "more than 1048576 choices"),
        (one(channels=8), "stage 's1' has channels, but the space has none"),
    ],
)
def test_bad_spaces(spec, message):
    with pytest.raises(InputError, match=message) as caught:
        Space.from_dict(spec)
    assert "\n" not in str(caught.value)


def test_bad_files(tmp_path):
    with pytest.raises(InputError, match=r"nothing.yaml: No such file"):
        Space.from_file(tmp_path / "nothing.yaml")
    (tmp_path / "bad.yaml").write_text("stages: [{name: s1, kernel: [}]")
    with pytest.raises(InputError, match=r"bad.yaml cannot be read as YAML"):
        Space.from_file(tmp_path / "bad.yaml")
    (tmp_path / "bad.yaml").write_text("stages: [{name: s1, kernel: []}]")
    with pytest.raises(InputError, match=r"bad.yaml: s1_kernel has no values"):
        Space.from_file(tmp_path / "bad.yaml")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"s1_kernel": 4}, "s1_kernel has no value 4; it has"),
        ({}, "no label for s1_kernel; give one of"),
        ({"s1_kernle": 3}, "has no factor 's1_kernle'; did you mean 's1_kernel'"),
        (-1, "index is -1"),
        ("3", "index is '3'"),
    ],
)
def test_bad_labels(labels, message):
    with pytest.raises(InputError, match=message):
        Space.from_dict(one(kernel=[3, 5])).network(labels)


def template(rate, deep):
    layers = [{"kernel": 3, "dilation": rate}] * (2 if deep else 1)
    return Network.sequential(*layers)


def test_network_space():
    space = NetworkSpace(template, {"rate": [1, 2, 4], "deep": [False, True]})
    assert space.size == 6
    assert [len(space.network(i)) for i in range(6)] == [1, 2] * 3
    assert space.network({"rate": 4, "deep": True}) == space.network(5)
    assert space.labels(3) == {"rate": 2, "deep": True}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NetworkSpace(3, {"a": [1]}), "template is 3; it must be a function"),
        (lambda: NetworkSpace(template, {}), "factors is {}; it must be a mapping"),
        (lambda: NetworkSpace(template, {"rate": []}), "factor 'rate' is \\[\\]"),
        (lambda: NetworkSpace(template, {"rate": [1, 1]}), "rate has the value 1 twice"),
        (lambda: NetworkSpace(template, {"area": [1]}), "names a figure"),
        (lambda: NetworkSpace(template, {"rate": [1]}).network(0), "template 'template' called with"),
        (lambda: NetworkSpace(template, {"max_gap": [1]}), "names a figure"),
        (lambda: NetworkSpace(lambda rate: 3 // rate, {"rate": [0]}).network(0), "called with .*: ZeroDivision"),
        (lambda: NetworkSpace(template, {"rate": [0], "deep": [1]}).network(0), "'rate': 0.*: dilation of layer"),
        (lambda: NetworkSpace(lambda rate: rate, {"rate": [1]}).network(0), "it must return an rf.Network"),
    ],
)
def test_bad_network_spaces(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_stages_of_the_same_choices_are_read_alike():
    """What is read once for two stages is what is read for each."""
    choices = [{"kernel": "$k"}, {"name": "b", "layers": [{"kernel": 3, "dilation": 2}]}, []]
    plain = [{"kernel": 3}, {"kernel": 5, "stride": 2}]
    stages = [{"name": f"s{i}", "choices": c} for i, c in enumerate((choices, choices, plain, plain, plain[::-1]))]
    space = rf.Space.from_dict({"factors": {"k": [3, 5]}, "stages": stages})
    assert [set(stage.uses) for stage in space.stages] == [
        *({"k", f"s{i}_choice"} for i in range(2)),
        *({f"s{i}_choice"} for i in range(2, 5)),
    ]
    assert [stage.own[0].name for stage in space.stages] == [f"s{i}_choice" for i in range(5)]
    for i, stage in enumerate(stages):
        alone = rf.Space.from_dict({"factors": {"k": [3, 5]} if i < 2 else {}, "stages": [stage]})
        assert alone.stages[0].choices == space.stages[i].choices
