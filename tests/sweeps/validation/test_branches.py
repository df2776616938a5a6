"""`rf.validate` of spaces with branches: as the networks of the space say one by one."""

from __future__ import annotations

import json

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError
from rfscale.sweeps import Space
from tests.sweeps.states.branching_spaces import EDGES, HEAD, NESTED, random_space
from tests.sweeps.unlike_axes import INCEPTION, VOLUME
from tests.sweeps.unlike_axes import random_space as unlike

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


def by_networks(space: Space, own: dict) -> dict[tuple[str, str, str], list[int]]:
    """Numbers of valued, inexact, inside and inside inexact maps, by stage, formula and figure; one by one."""
    out: dict = {}
    sizes = dict(zip([s.name for s in space.stages], space.stage_sizes, strict=True))
    for index in range(space.size):
        try:
            report = rf.validate(space.network(index), formulas=own)
        except InputError:
            continue  # no path
        for stage, layer in space.outputs(index).items():
            repeated = space.size // sizes[stage]
            if index % repeated:
                continue  # the same map as of an architecture before
            overlaps = {"overlap": 0} if space.square else {f"overlap_{a}": i for i, a in enumerate(space.axes)}
            for formula in report.formula.values.tolist():
                for figure in ("area", *overlaps):
                    cell = out.setdefault((stage, formula, figure), [0, 0, 0, 0])
                    if layer == "input":
                        known = formula != "published" or len(space.axes) == 2
                        cell[0] += known
                        cell[2] += known
                        continue
                    row = report.sel(layer=layer, formula=formula)
                    exact, value = row.area, row.value
                    if figure in overlaps:
                        exact, value = row.overlap[overlaps[figure]], row.overlap_value[overlaps[figure]]
                    error = float(abs(value - exact) / (exact if figure == "area" else 1))
                    valued = error == error
                    cell[0] += valued
                    cell[1] += valued and error > 1e-9
                    cell[2] += valued and bool(row.in_domain)
                    cell[3] += valued and bool(row.in_domain) and error > 1e-9
    return out


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
    report = rf.validate(space, formulas=OWN).sum(["kind", "overlap_bin"])
    names = ("valued", "inexact", "inside", "inside_inexact")
    for (stage, formula, figure), numbers in by_networks(space, OWN).items():
        if formula == "path_variance":
            continue
        found = report.sel(stage=stage, formula=formula, figure=figure)
        assert [found[name].item() for name in names] == numbers, (stage, formula, figure)


@pytest.mark.parametrize("spec", [HEAD, INCEPTION], ids=lambda s: s["name"])
def test_the_worst_maps_have_the_errors_that_are_given(spec):
    space = Space.from_dict(spec)
    report = rf.validate(space, worst=2, formulas={"thirds": OWN["thirds"]})
    assert "merge" in report.kind.values
    met = 0
    for formula in report.formula.values.tolist():
        for rank in range(2):
            row = report.sel(formula=formula, figure="area").isel(rank=rank)
            if np.isnan(row.worst_error.item()):
                continue
            network = rf.Network.from_dict(json.loads(row.worst_network.item()))
            there = rf.validate(network, formulas={"thirds": OWN["thirds"]}).sel(formula=formula).isel(layer=-1)
            assert abs(there.relative_error.item()) == pytest.approx(row.worst_error.item(), rel=1e-12)
            met += 1
    assert met >= 4


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
