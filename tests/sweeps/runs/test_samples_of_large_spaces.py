"""Seeded samples of the ready-made spaces and examples: every figure and cost against `rf.profile` of the network.

A few of each here; 200 of each take ten minutes: ``python -m pytest -m exhaustive
tests/sweeps/runs/test_samples_of_large_spaces.py``.
"""

from __future__ import annotations

import math
from pathlib import Path
from runpy import run_path

import numpy as np
import pytest

import rfscale as rf

EXAMPLES = Path(__file__).parents[3] / "examples"
FIGURES = ("area", "density", "terms", "width")
PER_AXIS = ("extent", "jump", "max_gap", "overlap")


def ready(name, *args, **kwargs):
    return lambda: rf.Space.from_dict(getattr(rf.cells, name)(*args, **kwargs))


def example(name):
    return lambda: run_path(str(EXAMPLES / name))["space"]()


SPACES = {
    "aspp": ready("aspp", blocks=4, stem=8),
    "darts, 8 cells": ready("darts", channels=16),
    "darts, 20 cells": ready("darts", 20),
    "fpn": ready("fpn", kernels=(1, 3, 5), channels=8),
    "fpn, bilinear": ready("fpn", kernels=(1, 3), up="bilinear"),
    "inception": ready("inception", kernels=(1, 3, 5, 7)),
    "nas-bench-101": ready("nasbench101"),
    "nas-bench-201": ready("nasbench201", own=True),
    "ofa-mobilenet-v3": example("ofa_mobilenet_v3.py"),
    "regnet": example("regnet.py"),
    "unet": ready("unet", channels=8, optional=True),
    "unet, both modes": ready("unet", 3, up=["nearest", "bilinear"], dilations=[1, 2, 5], convs=1),
    "multi-dilation": lambda: rf.Space.from_file(EXAMPLES / "multi-dilation.yaml"),
}


def once_more(network):
    """The same map, added to itself: at merges, products within another are dropped; `terms` does not count them."""
    spec = network.to_dict()
    last = spec["layers"][-1]["name"]
    return rf.Network.from_dict(
        {**spec, "layers": [*spec["layers"], {"name": "end", "op": "add", "inputs": [last] * 2}]}
    )


def compared(space, number, seed):
    """Compare a sample with the profiles of its networks; return how many figures were compared."""
    drawn, compared = rf.sample(space, number, seed=seed), 0
    for i in range(number):
        row = drawn.isel(sample=i)
        if not row.extent:  # no path: no network
            assert (row.area, row.terms, row.jump) == (0, 0, 0)
            assert np.isnan(row.overlap)
            continue
        network = space.network(row)
        last = rf.profile(once_more(network)).isel(layer=-1)
        expected = {name: last[name].item() for name in FIGURES}
        expected |= {name: last[name].values[0].item() for name in PER_AXIS}
        costs = ("params", "macs") if "macs" in row else ("params",) if "params" in row else ()
        for name in costs:
            expected[name] = int(rf.profile(network)[name].sum())
        for name, value in expected.items():
            if name in row:
                assert math.isclose(row[name].item(), value, rel_tol=1e-12), (name, row[name].item(), value)
                compared += 1
    return compared


@pytest.mark.parametrize(
    "name", [name for name in SPACES if not name.startswith("ofa")]
)  # its costs take half a minute
def test_a_few_of_each(name):
    assert compared(SPACES[name](), 1 if "20 cells" in name else 3, seed=5) >= 5


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", SPACES)
def test_two_hundred_of_each(name):
    found = compared(SPACES[name](), 200, seed=15)
    print(f"{name}: {found} figures of 200 networks are those of rf.profile")
    assert found >= 1000
