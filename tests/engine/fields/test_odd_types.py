"""Arguments of a kind that the functions of fields do not take: one error that names the argument and its value."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.fields.mass_box import mass_box

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
ODD = {
    "a number": 3,
    "a fraction": 2.5,
    "no number": float("nan"),
    "a word": "x",
    "an empty text": "",
    "an empty list": [],
    "a list": ["a"],
    "a list of nothing": [None],
    "an empty dict": {},
    "a dict": {"a": 1},
    "an object": object(),
    "an array": np.zeros((2, 2)),
    "a function": lambda *_: 1,
    "bytes": b"x",
    "a set": {1},
    "a type": int,
}
READING = ("axes", "image", "name", "trust", "arguments")
FUNCTIONS = ("effective_field", "predicted_field", "all_fields", "field_profile")
TAKES = {  # what is a good value after all
    "progress": ("a function", "a type"),
    "layer": ("an empty text",),  # the model itself
    "count": ("a number",),
    "seed": ("a number",),
    "draws": ("a number",),
    "batch": ("a number",),
    "name": ("a word", "an empty text"),
    "arguments": ("an empty dict",),  # as none
}

WORDS = {  # of the message, where it is not the argument's name
    "model": "weights|network",
    "layer": "layer|module",
    "layers": "layer",
    "checkpoint": "checkpoint|state dict",
}


def model():
    import torch
    from torch import nn

    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3)).eval()


def base(function, module):
    options = {"model": module, "layer": "2", "images": "noise", "count": 2, "input_size": 16, "layers": ["2"]}
    known = inspect.signature(function).parameters
    return {key: value for key, value in options.items() if key in known}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_argument_of_each_function(name):
    function, module = getattr(rf, name), model()
    plain = base(function, module)
    own = [p for p, v in inspect.signature(function).parameters.items() if v.kind is not v.VAR_KEYWORD]
    assert len(own) > 6
    wrong = []
    for argument in (*own, *READING):
        for label, value in ODD.items():
            more = {"checkpoint": module.state_dict()} if argument == "trust" else {}
            if label in TAKES.get(argument, ()):
                continue
            try:
                function(**plain | more | {argument: value})
                text = "taken"
            except rf.InputError as error:
                text = str(error)
            words = WORDS.get(argument, argument).split("|")
            if "\n" in text or not any(word in text for word in words):
                wrong.append((argument, label, text))
    assert not wrong


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_what_is_no_field(value):
    module = model()
    field = rf.predicted_field(module, "2", input_size=12)
    with pytest.raises(rf.InputError, match="field is"):
        rf.field_figures(value)
    with pytest.raises(rf.InputError, match="first is"):
        rf.compare_fields(value, field)
    with pytest.raises(rf.InputError, match="second is"):
        rf.compare_fields(field, value)
    with pytest.raises(rf.InputError, match="counts is"):
        mass_box(value)
    with pytest.raises(rf.InputError, match="mass is"):
        mass_box(field.field, value)


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_options_of_a_network(value):
    net = rf.Network.sequential({"kernel": 3})
    with pytest.raises(rf.InputError, match="global_ops is"):
        rf.path_counts(net, "conv1", global_ops=value)
    with pytest.raises(rf.InputError, match="axes is"):
        rf.load(model(), axes=value)
    with pytest.raises(rf.InputError, match="trust is"):
        rf.load("whatever.pt2", trust=value)


def test_numbers_and_names_of_numpy_are_taken():
    module = model()
    plain = rf.predicted_field(module, "2", input_size=12)
    of_numpy = {"axes": np.array([2, 3]), "borders": np.True_, "signs": np.str_("random")}
    same = rf.predicted_field(module, "2", input_size=12, **of_numpy)
    assert np.array_equal(plain.field, same.field)
