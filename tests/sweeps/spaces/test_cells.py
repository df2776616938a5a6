"""Spaces of the literature: every architecture of small ones, and samples of large ones, against plain sets."""

from __future__ import annotations

import numpy as np
import pytest

import rfscale as rf
from tests.oracles.branching_sets import Architecture

SMALL = {
    "aspp": rf.cells.aspp([1, 2, 6], [1, 2], blocks=3, stem=2),
    "rates of one size": rf.cells.aspp([1, 2, 3, 4], [2, 3], blocks=2),
    "inception": rf.cells.inception(choose=[1, 2, 3], blocks=2),
}
LARGE = {
    "multi-dilation": rf.cells.aspp(blocks=5),
    "aspp at stride 8": rf.cells.aspp([2, 4, 6, 12, 18, 24], [2, 3], blocks=2, stem=8),
}


def equal(row, found):
    """Whether a row of figures is what plain sets make."""
    shared = row["overlap"] * row["area"]
    names = ("area", "extent", "pixels", "max_gap", "jump", "terms")
    assert [int(row[n]) for n in names] == [getattr(found, n) for n in names]
    assert shared == pytest.approx(found.shared, rel=1e-12)


@pytest.mark.parametrize("name", SMALL)
def test_every_map_of_small_spaces(name):
    space = rf.Space.from_dict(SMALL[name])
    tree = rf.sweep(space)
    for i in range(space.size):
        row = space.labels(i)
        architecture = Architecture(SMALL[name], row)
        for stage in architecture.stages:
            ds = tree[stage].dataset
            values = ds.sel({d: row[d] for d in ds.dims})
            equal({n: v.item() for n, v in values.data_vars.items()}, architecture.figures(stage))


@pytest.mark.parametrize("name", LARGE)
def test_samples_of_large_spaces(name):
    space = rf.Space.from_dict(LARGE[name])
    found = rf.sample(space, 40, seed=15)
    for i in range(found.sizes["sample"]):
        one = found.isel(sample=i)
        row = {d: one[d].item() for d in space.dims}
        equal({n: v.item() for n, v in one.data_vars.items()}, Architecture(LARGE[name], row).figures())
    network = space.network(found.isel(sample=0))
    assert rf.profile(network).area.values[-1] == found.area.values[0]


def test_counts_are_those_of_every_architecture():
    space = rf.Space.from_dict(SMALL["rates of one size"])
    last = rf.sweep(space)["aspp2"].dataset
    counted = rf.count(space, ["extent", "terms"])
    for extent in counted.extent.values:
        for terms in counted.terms.values:
            expected = int(np.sum((last.extent.values == extent) & (last.terms.values == terms)))
            assert counted.sel(extent=extent, terms=terms).item() == expected


def test_what_they_are_made_of():
    assert rf.Space.from_dict(rf.cells.aspp(blocks=6)).size == 162**6
    assert rf.Space.from_dict(rf.cells.aspp([6, 12], 2)).size == 1
    assert rf.Space.from_dict(rf.cells.inception(blocks=4)).size == 15**4
    assert not rf.Space.from_dict(rf.cells.inception(pool=False, choose=3, blocks=1)).dims["block1_branches"][1:]
