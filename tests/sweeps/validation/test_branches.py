"""`rf.validate` of spaces with branches: as the networks of the space say one by one."""

from __future__ import annotations

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError
from rfscale.sweeps import Space
from tests.sweeps.states.branching_spaces import EDGES, HEAD, NESTED, random_space
from tests.sweeps.unlike_axes import VOLUME
from tests.sweeps.unlike_axes import random_space as unlike
from tests.sweeps.validation.one_by_one import same_as_networks

FIRST_SKIP = {
    "name": "first-skip",
    "factors": {"k": [1, 3]},
    "stages": [
        {"name": "none", "kernel": "$k", "repeat": [0, 1]},
        {"name": "split", "branches": {"choose": [1, 2], "of": [[], {"kernel": 1}, {"kernel": 3, "dilation": 2}]}},
        {"name": "after", "kernel": "$k", "stride": 2},
        {"name": "same", "branches": [[{"kernel": 3}], [{"kernel": 1}]]},
    ],
}
OWN = {
    "thirds": lambda S, P, kernel: (kernel**2 * S, P / 2),
    "box": lambda extent, jump, kernel, stride, dilation: (extent + (kernel - 1) * dilation * jump, jump * stride),
    "convs": lambda S, P, kernel, op: (S + kernel, P) if op == "conv" else (float("nan"), P),
}


BENT = {
    "name": "bent",
    "stages": [
        {"name": "stem", "kernel": 3, "stride": [1, [2, 1]]},
        {"name": "split", "branches": {"choose": [1, 2], "of": [
            [], {"kernel": 3}, [{"kernel": [1, 3]}, {"kernel": [3, 1]}], {"kernel": [1, 5], "dilation": [1, 2]}]}},
        {"name": "after", "kernel": 3},
    ],
}  # fmt: skip
SPACES = [
    BENT,
    {**VOLUME, "stages": VOLUME["stages"][1:2]},
    unlike(1),
    unlike(6),
    FIRST_SKIP,
    NESTED,
    EDGES,
    random_space(3),
    {**FIRST_SKIP, "name": "line", "axes": 1},
]


@pytest.mark.parametrize("spec", SPACES, ids=lambda s: s["name"])
def test_a_space_is_what_its_networks_say(spec):
    space = Space.from_dict(spec)
    if space.size > 200:
        space = Space.from_dict({**spec, "stages": spec["stages"][:2]})
    assert space.size <= 300
    same_as_networks(space, OWN, rf.validate(space, formulas=OWN))


def test_a_sample_is_of_the_maps_of_the_space():
    space = Space.from_dict(HEAD)
    drawn, whole = rf.validate(space, random=500, seed=3), rf.validate(space)
    assert drawn.maps.sum("kind").sum("overlap_bin").values.tolist() == [500] * 4
    for name in ("valued", "inexact", "inside"):
        share = drawn[name].sum(["kind", "overlap_bin"]) / 500
        expected = whole[name].sum(["kind", "overlap_bin"]) / whole.maps.sum(["kind", "overlap_bin"])
        assert float(abs(share - expected).max()) < 0.1
    with pytest.raises(InputError, match="at most 1,000,000 architectures are drawn"):
        rf.validate(space, random=2_000_000)


def test_the_formulas_of_a_shared_cell_tell_apart_what_its_footprints_do_not():
    """A 3×3 twice and a 5×5 are one effect; by the article they are two values, also at a later stage of that cell."""
    ops = {"two": [{"kernel": 3}, {"kernel": 3}], "five": {"kernel": 5}}
    cell = {"inputs": ["x"], "edges": [{"from": "x", "to": "out", "op": ["two", "five"]}], "output": "out"}
    space = Space.from_dict(
        {"ops": ops, "cells": {"c": cell}, "stages": [{"name": "s1", "cell": "c"}, {"name": "s2", "cell": "c"}]}
    )
    report = rf.validate(space).sum(["kind", "overlap_bin"]).sel(formula="published", figure="area")
    assert report.valued.values.tolist() == [1, 1]
    assert report.maps.values.tolist() == [2, 2]


def test_infinite_errors_are_infinite():
    """Those of a formula of the user, with branches as without."""
    branches = {"name": "b", "branches": [[{"kernel": 3}], [{"kernel": 5}]]}
    for stage in (branches, {"name": "b", "kernel": 3}):
        space = Space.from_dict({"stages": [stage, {"name": "c", "kernel": [1, 3]}]})
        report = rf.validate(space, formulas={"far": lambda S, P: (np.inf, P)})
        assert report.max_error.sel(formula="far", figure="area").max().item() == np.inf
