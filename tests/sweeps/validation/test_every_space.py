"""`rf.validate` of spaces with skips, upsampling and cells of two inputs: as their networks say one by one."""

from __future__ import annotations

import json

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError
from rfscale.sweeps import Space
from rfscale.sweeps.spaces.graphs import cell as cells
from rfscale.sweeps.validation.branches.drawn import choices_of, drawn_choices
from tests.sweeps.states.branching_spaces import HEAD
from tests.sweeps.states.test_cells_of_two_inputs import small
from tests.sweeps.states.test_scales import CELLS, GOES_BACK
from tests.sweeps.states.test_scales import random_space as scales
from tests.sweeps.unlike_axes import INCEPTION
from tests.sweeps.unlike_cells import SPACES as UNLIKE_CELLS
from tests.sweeps.unlike_scales import CELLS as UNLIKE_UPSAMPLED
from tests.sweeps.unlike_scales import PYRAMID, SHIFTED, UNET, VOLUME
from tests.sweeps.validation.one_by_one import same_as_networks

OWN = {
    "thirds": lambda S, P, kernel: (kernel**2 * S, P / 2),
    "box": lambda extent, jump, kernel, stride, dilation: (extent + (kernel - 1) * dilation * jump, jump * stride),
    "convs": (lambda S, P, kernel, op: (S + kernel, P), lambda S, P, kernel, op: op == "conv"),
}
# the same map is read twice; skips of the image; a skip wider than what comes from below; stages without layers
TWICE = {
    "name": "twice",
    "factors": {"k": [1, 3]},
    "stages": [
        {"name": "c0", "kernel": "$k", "repeat": [0, 1]},
        {"name": "c1", "kernel": "$k", "repeat": [0, 1]},
        {"name": "again", "skip": ["none", "c0"]},
        {"name": "image", "skip": "input", "merge": "concat"},
        {"name": "p", "op": "avg_pool", "kernel": 2},
        {"name": "u", "op": "upsample", "scale": [1, 2], "mode": ["nearest", "bilinear"]},
        {"name": "back", "from": "c1", "kernel": 1, "repeat": [0, 1]},
        {"name": "wide", "skip": "c1", "through": {"kernel": 15}, "merge": "concat"},
    ],
}
UP = {
    "name": "up",
    "stages": [
        {"name": "e", "kernel": [3, 5]},
        {"name": "p", "op": "max_pool", "kernel": 2},
        {"name": "b", "kernel": 3, "dilation": [1, 4]},
        {"name": "u", "choices": [
            {"op": "upsample", "scale": 2}, {"op": "conv_transpose", "kernel": 4, "stride": 2},
            [{"op": "conv_transpose", "kernel": 3, "stride": 1}, {"op": "upsample", "scale": 2, "mode": "bilinear"}],
        ]},
        {"name": "wide", "skip": "e", "through": [{"kernel": [21, 21]}]},
        {"name": "out", "kernel": [1, 3], "stride": [1, 2]},
        {"name": "last", "op": "avg_pool", "kernel": 2},
    ],
}  # fmt: skip
FPN = {**rf.cells.fpn(levels=2, repeats=[1, 2], kernels=[1, 3])}
SPACES = {
    "u-net": rf.cells.unet(2, kernels=[3], dilations=[1, 3], convs=1),
    "fpn": FPN,
    "twice": TWICE,
    "up": UP,
    "back": {**GOES_BACK, "stages": GOES_BACK["stages"][:-1]},
    "cells": CELLS,
    "volume": {**scales(3, axes=3), "name": "volume"},
    "line": {**scales(4, axes=1), "name": "line"},
    **{f"random{seed}": scales(seed) for seed in (1, 2)},
    "pairs": small(ops=("none", "skip", "dil3"), repeat=(2, 1)),
    "pooled": small("max_pool", ops=("even", "odd"), repeat=(1, 2)),
    "pointwise": small("pointwise", ops=("none", "sep3"), repeat=(1, 1)),
    **{f"unlike {spec['name']}": spec for spec in (UNET, PYRAMID, VOLUME, UNLIKE_UPSAMPLED, SHIFTED, *UNLIKE_CELLS)},
}


def few(space: Space, most: int) -> Space:
    """The space of as many of its first stages as have so few architectures, where it has more."""
    spec = space.to_dict()
    while space.size > most:
        spec["stages"] = spec["stages"][:-1]
        space = Space.from_dict(spec)
    return space


@pytest.mark.parametrize("name", SPACES)
def test_a_space_is_what_its_networks_say(name):
    space = few(Space.from_dict(SPACES[name]), 70)
    same_as_networks(space, OWN, rf.validate(space, formulas=OWN))


def indices(space: Space, random: int, seed: int) -> list[int]:
    """Numbers of the architectures that are drawn."""
    out = np.zeros(random, object)
    for column, n in zip(drawn_choices(space, random, seed).T, choices_of(space), strict=True):
        out = out * n + column
    return [int(i) for i in out]


@pytest.mark.parametrize("name", ["twice", "fpn", "pairs", "folded", "darts", "unlike u-net", "unlike folded"])
def test_a_sample_is_what_its_networks_say(name, monkeypatch):
    folded = {
        "folded": SPACES["pairs"], "darts": rf.cells.darts(cells=3, nodes=2), "unlike folded": UNLIKE_CELLS[0]
    }  # fmt: skip
    spec = {**SPACES, **folded}[name]
    if name in folded:
        monkeypatch.setattr(cells, "FOLDED_FROM", 5)
    space = Space.from_dict({**spec, "name": name})
    assert bool(space.folded) == (name in folded)
    drawn = 4 if name == "darts" else 30
    report = rf.validate(space, random=drawn, seed=1)
    assert report.attrs["random"] == drawn
    same_as_networks(space, {}, report, indices(space, drawn, 1))


@pytest.mark.parametrize("spec", [HEAD, INCEPTION, SPACES["u-net"], SPACES["pooled"]], ids=lambda s: s["name"])
def test_the_worst_maps_have_the_errors_that_are_given(spec):
    space = Space.from_dict(spec)
    own = {"thirds": OWN["thirds"]}
    report = rf.validate(space, worst=2, formulas=own)
    assert "merge" in report.kind.values
    met = 0
    for formula in report.formula.values.tolist():
        for rank in range(2):
            row = report.sel(formula=formula, figure="area").isel(rank=rank)
            if np.isnan(row.worst_error.item()):
                continue
            network = rf.Network.from_dict(json.loads(row.worst_network.item()))
            there = rf.validate(network, formulas=own).sel(formula=formula)
            index = int(row.worst_index.item())
            at = there.sel(layer=space.outputs(index)[row.worst_stage.item()])
            assert abs(at.relative_error.item()) == pytest.approx(row.worst_error.item(), rel=1e-12)
            assert row.worst_labels.item() == str(space.labels(index))
            met += 1
    assert met >= 4


def test_worst_maps_of_cells_that_are_known_by_their_effects(monkeypatch):
    monkeypatch.setattr(cells, "FOLDED_FROM", 5)
    space = Space.from_dict({**SPACES["pooled"], "name": "folded"})
    row = rf.validate(space, random=50, worst=1).sel(formula="interval", figure="area").isel(rank=0)
    index = int(row.worst_index.item())
    assert row.worst_network.item()
    there = rf.validate(space.network(index)).sel(formula="interval")
    at = there.sel(layer=space.outputs(index)[row.worst_stage.item()])
    assert abs(at.relative_error.item()) == pytest.approx(row.worst_error.item(), rel=1e-12)


def test_kinds_of_maps():
    report = rf.validate(Space.from_dict(UP))
    assert {"up2", "merge", "k2 s2 d1", "k3 s1 d1"} <= set(report.kind.values.tolist())
    up = report.sel(kind="up2")
    assert (up.kernel, up.stride, up.dilation) == (0, 2, 0)
    assert up.maps.sum().item() == 2 * 2 * 3
    assert up.valued.sel(formula=["published", "closed_form"]).sum().item() == 0


def test_what_is_known_by_its_effects_is_drawn():
    space = Space.from_dict(rf.cells.darts(8))
    message = (
        r"space 'darts-8' has cells of 1\.077e\+18 choices in all, known by their effects, and formulas tell apart "
        "what has one effect; judge some architectures: give random, such as 1000"
    )
    assert f"{space.size:.4g}" == "1.077e+18"
    with pytest.raises(InputError, match=message):
        rf.validate(space)
    with pytest.raises(InputError, match="at most 1,000,000 architectures are drawn"):
        rf.validate(space, random=2_000_000)


def test_stages_of_more_choices_than_are_drawn():
    space = Space.from_dict(rf.cells.darts(3, nodes=8))
    with pytest.raises(InputError, match=r"stage 'cell1' has .* choices; architectures are drawn where a stage has"):
        rf.validate(space, random=2)


OBLONG = [
    {"name": "a", "kernel": [[1, 2], [2, 2]], "dilation": [1, [1, 3]]},
    {"name": "b", "kernel": [[1, 3], [3, 1]], "dilation": [[1, 2]], "stride": [1, [1, 2]]},
    {"name": "c", "kernel": [3, [3, 1]]},
]


@pytest.mark.parametrize(
    "space",
    [rf.chains(kernel=[2, 3], stride=[1, 2], dilation=[1, 3], depth=2), rf.Space.from_dict({"stages": OBLONG})],
    ids=["square", "oblong"],
)
def test_chains_have_the_domains_of_their_networks(space):
    assert not space.branching
    same_as_networks(space, OWN, rf.validate(space, formulas=OWN))


def test_a_box_is_known_to_be_the_footprint_by_boxes_alone():
    """A gap stays one, though later layers fill it; a merge has one branch that spans it; upsampled entries differ."""
    network = rf.Network.from_dict({"layers": [
        {"name": "gap", "kernel": 3, "dilation": 2, "padding": 2},
        {"name": "full", "kernel": 2},
        {"name": "wide", "kernel": 9, "padding": 4, "inputs": "input"},
        {"name": "spans", "op": "add", "inputs": ["gap", "wide"]},
        {"name": "apart", "op": "concat", "inputs": ["gap", "input"]},
        {"name": "pool", "op": "max_pool", "kernel": 2, "stride": 2, "inputs": "wide"},
        {"name": "up", "op": "upsample", "scale": 2},
        {"name": "wider", "kernel": 31, "padding": 15, "inputs": "wide"},
        {"name": "joined", "op": "add", "inputs": ["up", "wider"]},
        {"name": "thin", "kernel": 1, "stride": 2, "inputs": "up"},
    ]})  # fmt: skip
    report, profile = rf.validate(network), rf.profile(network)
    inside = report.in_domain.sel(formula="interval").to_series()
    assert inside.index[inside].tolist() == ["wide", "spans", "pool", "wider", "joined", "thin"]
    assert profile.density.sel(layer="full") == 1
    assert profile.closed_form_area.sel(layer="joined") == profile.area.sel(layer="joined") == 39**2
    error = abs(report.relative_error.sel(formula="interval")).where(report.in_domain.sel(formula="interval"))
    assert error.max() == 0
