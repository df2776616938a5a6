"""The survey of models of libraries, as it ships: complete, labelled, and read without any of these libraries."""

import subprocess
import sys

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.zoo.survey.zoo_survey import FILE, survey_dataset
from tests import ROOT

LIBRARIES = {"timm": 1371, "torchvision": 121}  # all that the pinned versions list


@pytest.fixture(scope="module")
def data():
    return rf.zoo_survey()


def test_it_is_read_without_torch():
    code = "import sys, rfscale as rf; rf.zoo_survey(); print({'torch', 'timm', 'onnx'} & {*sys.modules})"
    out = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "set()\n"


def test_the_file_is_small():
    assert (ROOT / "engine" / "zoo" / "survey" / FILE).stat().st_size < 400_000


def test_every_model_has_a_status_and_those_that_are_read_a_map(data):
    assert len(set(data.model.values.tolist())) == data.sizes["model"]
    for library, models in LIBRARIES.items():
        assert int((data.library == library).sum()) == models
    assert set(data.status.values.tolist()) <= {"whole", "part", "not", "unmade"}
    assert (data.reason.values[data.status != "whole"] != "").all()
    assert (data.reason.values[data.status == "whole"] == "").all()
    found = data.role.values != ""
    read = np.isin(data.status.values, ("whole", "part"))
    assert not found[~read].any()
    assert np.isfinite(data.extent.values[found]).any(-1).mean() > 0.99
    assert (found[:, :-1] >= found[:, 1:]).all()  # the levels of a model are its first


DIFFERING = {  # what docs/models.md says of them
    "kornia:Canny": 6,  # the judge does not get through its comparisons
}


def test_what_differs_from_the_judges_is_named(data):
    differs = data.wrong.values > 0
    found = dict(zip(data.model.values[differs].tolist(), data.wrong.values[differs].tolist(), strict=True))
    assert found == DIFFERING
    assert (data.compared.values[~np.isin(data.status.values, ("whole", "part"))] == 0).all()


def test_figures_are_those_of_the_zoo():
    for name in ("resnet50", "vgg16", "densenet121"):
        last = rf.zoo_survey(f"torchvision:{name}").isel(model=0, level=0)
        row = rf.profile(name, global_ops="skip").sel(layer=~rf.profile(name).is_global).isel(layer=-1)
        for ours, theirs in (("extent", "extent"), ("stride", "jump"), ("max_gap", "max_gap")):
            assert last[ours].sel(axis=["y", "x"]).values.tolist() == row[theirs].values.tolist()


def test_patterns(data):
    one = rf.zoo_survey("timm:resnet50")
    assert one.model.values.tolist() == ["timm:resnet50"]
    assert one.role.values.tolist() == [["last", "stage", "stage", "stage", "stage"]]
    assert one.stride.sel(axis="x").values.tolist() == [[32, 16, 8, 4, 2]]
    assert np.isnan(one.input_size.sel(axis="z")).all()
    assert rf.zoo_survey("RESNET50").library.values.tolist() == ["timm", "torchvision", "keras"]
    assert set(rf.zoo_survey("torchvision:*").library.values) == {"torchvision"}
    one.extent[:] = 0
    assert data.sel(model="timm:resnet50", level=0).extent.sel(axis="x") == 427  # a copy


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ("timm:resnet5", "the survey has no model 'timm:resnet5'; did you mean"),
        ("§", "has no model '§'; give a pattern of names, such as 'resnet"),
        (50, "models is 50; give a name or a pattern"),
    ],
)
def test_names_that_it_lacks(models, message):
    with pytest.raises(rf.InputError, match=message):
        rf.zoo_survey(models)


def test_axes_and_levels_that_models_lack_are_not_a_number():
    """A model that was not read, one of one axis, and one whose axes differ."""
    models = {
        "model": ["a:x", "a:y", "a:z"], "library": ["a"] * 3, "family": [""] * 3, "status": ["not", "whole", "whole"],
        "reason": ["broken", "", ""], "unjudged": [""] * 3, "seconds": [None, 1, 2], "layers": [None, 3, 4],
        "params": [None, 5, 6], "macs": [None] * 3, "compared": [0, 3, 0], "wrong": [0] * 3, "interior": [True] * 3,
        "rank": [0, 1, 2], "input_size": [None, 16, [8, 9]],
    }  # fmt: skip
    figures = ("map_size", "stride", "padding", "effective", "max_gap", "overlap")
    maps = {
        "model": [1, 2, 2], "level": [0, 0, 1], "layer": ["u", "v", "w"], "pyramid": [""] * 3, "role": ["last"] * 3,
        "density": [1, None, 1], "is_global": [False] * 3, "extent": [7, [3, 5], 1],
    } | {name: [1] * 3 for name in figures}  # fmt: skip
    data = survey_dataset({"attrs": {"date": "d", "versions": "v"}, "models": models, "maps": maps})
    none = float("nan")
    expected = [[[none] * 3] * 2, [[none, none, 7], [none] * 3], [[none, 3, 5], [none, 1, 1]]]
    np.testing.assert_array_equal(data.extent.values, expected)
    np.testing.assert_array_equal(data.input_size.values, [[none] * 3, [none, none, 16], [none, 8, 9]])
    assert data.layer.values.tolist() == [["", ""], ["u", ""], ["v", "w"]]
