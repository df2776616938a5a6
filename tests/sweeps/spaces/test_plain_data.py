"""Specs copied and written as JSON: what `copy.deepcopy` and `json.dumps` make of them."""

from __future__ import annotations

import copy
import json
from collections import OrderedDict

import numpy as np
import pytest

from rfscale.sweeps.spaces.plain_data import copied, json_text
from tests.sweeps.some_spaces import ALL

LAYERS = [{"stride": 1, "kernel": [1, 7], "name": 'é "1"'}, [], {}, [{"branches": [{"op": "conv"}], "a": (1, 2)}]]
ODD = {
    "name": "odd",
    "b": None,
    "a": {"x": 1.5, "shared": LAYERS},
    "stages": [{"name": "s", "choices": LAYERS}, {"name": "t", "choices": LAYERS}, {}, [], "text", True],
}


def default(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray) else str(value)


@pytest.mark.parametrize(
    "spec", [*ALL, ODD, {}, {"stages": [{1: {2: [3]}}], "k": np.arange(3), "s": {"t": np.int64(1)}}]
)
def test_are_what_python_makes_of_them(spec):
    made = copied(spec)
    assert json.dumps(made, default=default) == json.dumps(spec, default=default)
    for sort in (False, True):
        assert json_text(spec, default, sort_keys=sort) == json.dumps(spec, default=default, sort_keys=sort)


def test_a_copy_shares_nothing_and_keeps_what_is_one_object_one():
    odd = {**ODD, "ordered": OrderedDict(a=LAYERS), "array": np.arange(3)}
    odd["itself"] = odd
    made, slow = copied(odd), copy.deepcopy(odd)
    assert made["stages"][0]["choices"] is made["stages"][1]["choices"] is made["a"]["shared"] is made["ordered"]["a"]
    assert made["stages"][0]["choices"] == slow["stages"][0]["choices"] is not LAYERS
    assert made["itself"] is made
    assert type(made["ordered"]) is OrderedDict
    made["stages"][0]["choices"][0]["kernel"][0] = 9
    made["array"][0] = 9
    assert LAYERS[0]["kernel"] == [1, 7]
    assert odd["array"][0] == 0
