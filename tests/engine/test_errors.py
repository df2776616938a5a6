"""Errors are kept in fields; Python, the shell and a batch file make their own texts of them."""

from __future__ import annotations

import pickle

import pytest

import rfscale as rf
from rfscale.engine.errors import (
    EXAMPLE_INPUT,
    INPUT_SIZE,
    SKIP_GLOBAL_OPS,
    FactoryArguments,
    InputError,
    Parameter,
    UnequalJumpsError,
    python_wording,
)
from rfscale.sweeps.batch.entries import file_wording
from rfscale.sweeps.cli.options import shell_wording

WORDS = {
    "name": (INPUT_SIZE, "input_size", "--input-size", "input_size"),
    "value": (SKIP_GLOBAL_OPS, "global_ops='skip'", "--global-ops skip", "global_ops: skip"),
    "key": (Parameter("unknown", key="aten.x"), "unknown['aten.x']", "--unknown aten.x", "unknown of aten.x"),
    "mapping": (
        Parameter("unknown", {"aten.x": "pointwise"}),
        "unknown={'aten.x': 'pointwise'}",
        "--unknown aten.x=pointwise",
        "unknown: {aten.x: pointwise}",
    ),
    "arguments": (
        FactoryArguments(("width", "depth")),
        "width=…, depth=…",
        "--arg width=… --arg depth=…",
        "arg: {width: …, depth: …}",
    ),
}


@pytest.mark.parametrize("case", WORDS)
def test_each_front_end_has_its_words(case):
    reference, *expected = WORDS[case]
    assert [wording(reference) for wording in (python_wording, shell_wording, file_wording)] == expected


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (InputError("plain text"), "plain text"),
        (InputError(argument="k", value=0, remedy="give 1 or more"), "k is 0; give 1 or more"),
        (InputError("is empty", argument="layers", remedy="name one"), "layers is empty; name one"),
        (InputError("but the map has 8", argument="entry", value=None), "entry is None, but the map has 8"),
        (InputError("no", remedy=("give another ", EXAMPLE_INPUT)), "no; give another example_input"),
        (InputError("no").within("layer 'a'").within("net.yaml"), "net.yaml: layer 'a': no"),
    ],
)
def test_texts_are_made_of_fields(error, text):
    assert str(error) == text
    assert error.args == (text,)


def test_an_error_survives_the_way_from_another_process():
    error = UnequalJumpsError("it merges", layer="add", remedy=("give ", INPUT_SIZE)).within("layer 'add'")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.layer, again.remedy, again.where) == (
        UnequalJumpsError,
        "add",
        error.remedy,
        error.where,
    )
    assert again.text(shell_wording) == "layer 'add': it merges; give --input-size"


def test_settled_errors_have_one_text():
    error = InputError(argument=INPUT_SIZE, value=0, remedy=("leave ", INPUT_SIZE, " out")).settled()
    assert error.text(shell_wording) == str(error) == "input_size is 0; leave input_size out"
    assert error.value == 0


def test_fields_of_an_error_that_was_raised():
    with pytest.raises(InputError) as caught:
        rf.profile(rf.load("vgg16"), 0)
    assert (caught.value.argument, caught.value.value) == (INPUT_SIZE, 0)
    branches = [{"name": "a", "kernel": 1, "stride": 2}, {"name": "b", "kernel": 1, "inputs": "input"}]
    both = {"name": "both", "op": "add", "inputs": ["a", "b"]}
    with pytest.raises(UnequalJumpsError, match=r"layer 'both' \(add\): it merges maps of different jumps") as merged:
        rf.profile(rf.Network.sequential(*branches, both))
    assert merged.value.layer == "both"


def test_a_reason_is_the_message_without_its_remedy():
    error = InputError("shrinks to nothing; or less", remedy=("give ", INPUT_SIZE)).within("layer 'a'")
    assert (error.reason, str(error)) == (
        "layer 'a': shrinks to nothing; or less",
        "layer 'a': shrinks to nothing; or less; give input_size",
    )
