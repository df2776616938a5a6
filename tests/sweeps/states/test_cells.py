"""Cells have the figures and costs of their networks."""

from __future__ import annotations

import random

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError
from rfscale.sweeps import Space
from tests.sweeps.states.branching_spaces import EDGES, FIGURES, NASBENCH201, OPS, PICKS, paths


@pytest.mark.parametrize("spec", [EDGES, PICKS, NASBENCH201], ids=lambda s: s["name"])
def test_cells_have_the_figures_of_their_networks(spec):
    space = Space.from_dict(spec)
    last = space.stages[-1].name
    rows = rf.sweep(space, stages=[last], costs=False)[last]
    figures = {name: rows[name].values.ravel() for name in rows.data_vars}
    none = 0
    for index in random.Random(5).sample(range(space.size), 60):
        if figures["area"][index] == 0:
            none += 1
            assert [figures[name][index] for name in ("extent", "pixels", "jump", "terms")] == [0] * 4
            assert np.isnan(figures["overlap"][index])
            with pytest.raises(InputError, match="no path leads through stage"):
                space.network(index)
            continue
        network = space.network(index)
        layer = space.outputs(index)[last]
        want = rf.profile(network).sel(layer=layer)
        for name in FIGURES[:-1]:
            assert figures[name][index] == np.ravel(want[name].values)[0], (index, name)
        if len(network.layers) < 40:
            found = {frozenset(s) for s in paths(network, layer)}
            assert figures["terms"][index] == sum(not any(a < b for b in found) for a in found)
            assert figures["pixels"][index] == len(frozenset().union(*found))
    assert none == 0 or spec is not PICKS


def test_nas_bench_201_is_five_footprints():
    space = Space.from_dict(NASBENCH201)
    assert space.size == 15625
    counts = rf.count(space, "area")
    # stem and r1 reach 9 pixels; each 3x3 of the longest path adds 2 in the cells of s1, and 4 in those of s2
    sides = {0: 341, 9: 1642, 9 + 30: 7122, 9 + 60: 5520, 9 + 90: 1000}
    found = dict(zip(counts.area.values.tolist(), counts.values.tolist(), strict=True))
    assert found == {side**2: n for side, n in sides.items()}
    assert (rf.count(space, "extent").values == counts.values).all()


def test_costs_of_cells_are_those_of_their_networks():
    spec = {**NASBENCH201, "cells": {"cell": {**NASBENCH201["cells"]["cell"], "edges": EDGES["cells"]["c"]["edges"]}}}
    spec["ops"] = {**OPS, "two": [{"kernel": 3}, {"kernel": 3, "dilation": 4}]}
    space = Space.from_dict(spec)
    rows = rf.sweep(space)["s2"]
    for index in range(space.size):
        if rows.area.values.ravel()[index]:
            profile = rf.profile(space.network(index))
            assert rows.params.values.ravel()[index] == profile.params.sum()
            assert rows.macs.values.ravel()[index] == profile.macs.sum()
    best = rf.best(space, "params", k=3, where="extent >= 40")
    fits = rows.extent.values.ravel() >= 40
    assert best.objective.values.tolist() == sorted(rows.params.values.ravel()[fits].tolist())[:3]


@pytest.mark.parametrize("own", [False, True])
def test_costs_of_repeated_cells_are_those_of_their_networks(own):
    """The first use reads other channels than the next ones, and stages use one cell at other sizes."""
    edges = [
        {"from": "x", "to": ["a", "out"], "op": ["none", "c3", "wide"]},
        {"from": "a", "to": "out", "op": ["none", "c3", "wide", "pool"]},
    ]
    ops = {"none": "none", "c3": {"kernel": 3}, "wide": {"kernel": 5, "groups": 2, "bias": False}}
    stages = [
        {"name": "up", "kernel": 1, "channels": 4},
        {"name": "s1", "cell": "c", "repeat": [1, 3]},
        {"name": "down", "kernel": 3, "stride": 2},
        {"name": "s2", "cell": "c", "repeat": 2, **({"own": True} if own else {})},
    ]
    spec = {"name": "repeated", "channels": {"base": 8, "growth": 2}, "input_size": 12, "stages": stages}
    spec |= {"ops": {**ops, "pool": {"op": "avg_pool", "kernel": 3, "stride": 1}}}
    space = Space.from_dict(spec | {"cells": {"c": {"inputs": ["x"], "edges": edges, "output": "out"}}})
    rows, compared = rf.sweep(space)["s2"], 0
    for index in range(0, space.size, 17 if own else 1):
        if rows.area.values.ravel()[index]:
            profile = rf.profile(space.network(index))
            for name in ("params", "macs"):
                assert rows[name].values.ravel()[index] == profile[name].sum(), (name, space.labels(index))
            compared += 1
    assert compared > 20


def test_a_shared_cell_is_one_choice_and_an_own_one_its_own():
    assert list(Space.from_dict(EDGES).dims) == [
        *["s1_repeat", "c_x_a", "c_x_out", "c_a_out"],
        *["r_x_a", "r_x_out", "r_a_out"],
    ]
    dims = Space.from_dict(PICKS).dims
    assert dims["c_n2_inputs"] == ("x+n1",)
    assert dims["s3_n3_inputs"] == ("x+n1", "x+n2", "n1+n2")
    assert len(dims) == 1 + 2 * 8
