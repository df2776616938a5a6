"""Which entry the figures of a map with several phases are of, and their centres: against plain sets."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.footprints.footprint_figures import FootprintFigures
from rfscale.engine.footprints.forward import trace
from rfscale.engine.footprints.plan import resolve
from rfscale.engine.network.network import Network
from rfscale.engine.zoo.registry import NETWORKS
from tests.engine.footprints.test_footprints import entries, pixels
from tests.engine.strategies import random_network
from tests.oracles import plain_sets as reference

FAMILIES = ("fpn", "unet", "chain")  # with upsampling, transposed convolutions and other phases


def middles(footprint: set[tuple[int, ...]]) -> list[float]:
    return [(min(axis) + max(axis)) / 2 for axis in zip(*footprint, strict=True)]


@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_profile_row_is_of_one_entry_and_knows_where_it_looks(family, ndim):
    rng = random.Random(f"centre {family} {ndim}")
    phased = 0
    for _ in range(12):
        net = Network.from_dict(random_network(rng, family, ndim))
        ds = rf.profile(net, global_ops="skip")
        for layer in net.layers:
            row = ds.sel(layer=layer.name)
            if row.is_global or not row.area:
                assert np.isnan(row.centre).all()
                continue
            at = tuple(row.entry.values.tolist())
            footprint = reference.footprint(net, layer.name, at, None, "skip")
            assert len(footprint) == row.area
            assert row.centre.values.tolist() == middles(footprint)
            np.testing.assert_array_equal(row.centre, row.start + (row.extent - 1) / 2)
            drawn = rf.footprint(net, layer.name, global_ops="skip")
            assert (pixels(drawn), tuple(drawn.attrs["entry"])) == (footprint, at)
            phased += int(row.phases) > 1
            # an entry whole periods away has its centre as many jumps away
            step = resolve(net, None, "skip").steps[net.index(layer.name)]
            away = tuple(i + 2 * len(intervals.bounds) for i, intervals in zip(at, step.intervals, strict=True))
            moved = middles(pixels(rf.footprint(net, layer.name, away, global_ops="skip")))
            np.testing.assert_allclose(moved, row.centre + (np.array(away) - at) * row.jump, rtol=1e-12)
    assert phased


@pytest.mark.parametrize("family", FAMILIES)
def test_entries_of_a_finite_map_look_where_their_unclipped_footprints_have_their_middle(family):
    rng = random.Random(f"entry centre {family}")
    for _ in range(12):
        net = Network.from_dict(random_network(rng, family, 2))
        layer = rng.choice(net.layers).name
        ds = rf.entry_map(net, layer, net.input_size)
        maps = [m for step in resolve(net, net.input_size).steps for m in step.maps or ()]
        if not all(taps for m in maps for taps in m.taps):
            continue  # intervals count a branch that reads nothing along one axis along the others
        if layer in reference.global_nodes(net):
            assert np.isnan(ds.centre).all()
            continue
        for at in entries(rng, reference.map_sizes(net, net.input_size)[layer]):
            footprint = reference.footprint(net, layer, at)
            found = ds.centre.isel(entry_y=at[0], entry_x=at[1]).values
            if footprint:
                assert found.tolist() == middles(footprint)
            row = rf.profile(net, net.input_size).sel(layer=layer)
        center = row.entry.values
        np.testing.assert_array_equal(row.centre, ds.centre.isel(entry_y=center[0], entry_x=center[1]))


@pytest.mark.parametrize("ndim", [1, 2])
def test_the_entry_is_the_first_of_the_largest_that_share_least(ndim):
    rng = random.Random(f"largest {ndim}")
    for _ in range(25):
        net = Network.from_dict(random_network(rng, "unet", ndim))
        row = rf.profile(net).isel(layer=-1)
        if not 1 < int(row.phases) <= 64:
            continue
        name = net.layers[-1].name
        step = resolve(net).steps[-1]
        phases = list(itertools.product(*(range(len(i.bounds)) for i in step.intervals)))
        sets = {at: reference.footprint(net, name, at) for at in phases}
        largest = max(map(len, sets.values()))

        def shared(at, name=name, net=net, sets=sets):
            nexts = [tuple(o + (a == axis) for a, o in enumerate(at)) for axis in range(len(at))]
            return sum(len(sets[at] & reference.footprint(net, name, n)) for n in nexts)

        best = [at for at in phases if len(sets[at]) == largest]
        least = min(map(shared, best))
        assert tuple(row.entry.values) == next(at for at in best if shared(at) == least)


def test_path_counts_take_the_same_entry():
    net = Network.sequential({"kernel": 3, "stride": 4}, {"op": "upsample", "scale": 2}, {"kernel": 2}, axes=1)
    row = rf.profile(net).isel(layer=-1)
    counts = rf.path_counts(net, "conv3")
    assert counts.attrs["entry"] == row.entry.values.tolist() == [1]
    assert int((counts > 0).sum()) == int(row.area) == 6
    assert rf.path_counts(net, "conv3", [0]).attrs["entry"] == [0]
    assert rf.footprint(net, "conv3", [0]).sum() == 3


@pytest.mark.parametrize("name", list(NETWORKS))
def test_profile_and_footprint_agree_on_every_network_of_the_zoo(name):
    net = rf.load(name)
    ds = rf.profile(net, global_ops="skip")
    counted = FootprintFigures(trace(net, global_ops="skip"))  # as footprint does, once for all layers
    known: set[tuple[float, ...]] = set()
    rows = zip(ds.extent.values, ds.start.values, ds.entry.values, strict=True)
    for index, (extent, start, entry) in enumerate(rows):
        figures = (*extent, *start, *entry)
        if np.isinf(extent).any() or figures in known:
            continue
        known.add(figures)
        at = counted.entry(index)
        grid, origin = counted.pixels(index, at)
        assert (grid.shape, origin, at) == (tuple(extent), tuple(start), tuple(entry))
    drawn = rf.footprint(net, net.layers[0].name)
    assert drawn.shape == tuple(ds.extent.values[0])
