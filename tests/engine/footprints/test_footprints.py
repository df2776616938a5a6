"""Exact footprints against the slow oracle: equal to the last pixel, on every family of random networks."""

from __future__ import annotations

import random
from math import inf, nan, prod

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.errors import InputError
from rfscale.engine.footprints.figures import Figures, share
from rfscale.engine.footprints.plan import resolve
from rfscale.engine.network.network import Network
from tests.engine.strategies import FAMILIES, random_network
from tests.oracles import plain_sets as reference

SEEDS = 30


def pixels(array) -> set[tuple[int, ...]]:
    coords = [array[d].values for d in array.dims]
    return {tuple(int(c[i]) for c, i in zip(coords, index, strict=True)) for index in np.argwhere(array.values)}


def entries(rng: random.Random, size: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Centre, corner, a border and one anywhere."""
    return [
        tuple(n // 2 for n in size),
        (0,) * len(size),
        tuple(n - 1 for n in size),
        tuple(rng.randrange(n) for n in size),
    ]


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_finite_footprints_equal_the_oracle(family, ndim):
    rng = random.Random(f"finite {family} {ndim}")
    for _ in range(SEEDS):
        net = Network.from_dict(random_network(rng, family, ndim))
        sizes = reference.map_sizes(net, net.input_size)
        assert net.map_sizes() == sizes
        for layer in rng.sample(net.layers, min(3, len(net))):
            skip = rng.choice(["include", "skip"])
            for entry in entries(rng, sizes[layer.name]):
                expected = reference.footprint(net, layer.name, entry, net.input_size, skip)
                found = rf.footprint(net, layer.name, entry, net.input_size, skip)
                assert pixels(found) == expected, (net.to_dict(), layer.name, entry)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_interior_footprints_equal_the_oracle(family, ndim):
    rng = random.Random(f"interior {family} {ndim}")
    for _ in range(SEEDS):
        net = Network.from_dict(random_network(rng, family, ndim))
        for layer in rng.sample(net.layers, min(3, len(net))):
            entry = tuple(rng.randint(-5, 5) for _ in net.axes)
            skip = rng.choice(["include", "skip"])
            expected = reference.footprint(net, layer.name, entry, None, skip)
            if expected is None:
                with pytest.raises(InputError, match="global receptive field"):
                    rf.footprint(net, layer.name, entry, None, skip)
            else:
                found = rf.footprint(net, layer.name, entry, None, skip)
                assert pixels(found) == expected, (net.to_dict(), layer.name, entry)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_entry_maps_equal_the_oracle(family, ndim):
    rng = random.Random(f"map {family} {ndim}")
    for _ in range(SEEDS // 3):
        net = Network.from_dict(random_network(rng, family, ndim))
        sizes = reference.map_sizes(net, net.input_size)
        layer = rng.choice(net.layers).name
        skip = rng.choice(["include", "skip"])
        ds = rf.entry_map(net, layer, net.input_size, skip)
        for entry in entries(rng, sizes[layer]):
            at = {f"entry_{a}": i for a, i in zip(net.axes, entry, strict=True)}
            check(ds.isel(at), reference.figures(net, layer, entry, net.input_size, skip))


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_profiles_equal_the_oracle(family, ndim):
    rng = random.Random(f"profile {family} {ndim}")
    for _ in range(SEEDS // 3):
        net = Network.from_dict(random_network(rng, family, ndim))
        skip = rng.choice(["include", "skip"])
        ds = rf.profile(net, net.input_size, global_ops=skip)
        sizes = reference.map_sizes(net, net.input_size)
        for layer in rng.sample(net.layers, min(3, len(net))):
            center = tuple(n // 2 for n in sizes[layer.name])
            row = ds.sel(layer=layer.name)
            check(row, reference.figures(net, layer.name, center, net.input_size, skip))
            assert tuple(row.map_size.values) == sizes[layer.name]


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_interior_profiles_equal_the_oracle(family, ndim):
    rng = random.Random(f"interior profile {family} {ndim}")
    for _ in range(SEEDS // 3):
        net = Network.from_dict(random_network(rng, family, ndim))
        ds = rf.profile(net, global_ops="skip")
        for layer in rng.sample(net.layers, min(3, len(net))):
            row = ds.sel(layer=layer.name)
            if row.is_global:
                assert row.area == np.inf
                assert (row.extent == np.inf).all()
                continue
            jump = reference.jump(net, layer.name)
            assert row.jump.values.tolist() == [float(j) for j in jump]
            step = resolve(net, global_ops="skip").steps[net.index(layer.name)]
            periods = [range(-1, len(i.bounds)) for i in step.intervals]  # one more than the phases that are claimed
            assert int(row.phases) == prod(len(p) - 1 for p in periods)
            if int(row.phases) > 200:
                continue
            every = [reference.figures(net, layer.name, e, None, "skip") for e in product_of(periods)]
            largest = max(f["area"] for f in every)
            assert row.area == largest
            assert any(matches(row, f) for f in every if f["area"] == largest)


def product_of(ranges):
    out = [()]
    for r in ranges:
        out = [(*head, i) for head in out for i in r]
    return out


def matches(row, figures) -> bool:
    overlap = [nan if o is None else o for o in figures["overlap"]]
    return (
        tuple(row.extent.values) == tuple(figures["extent"])
        and tuple(row.max_gap.values) == tuple(figures["max_gap"])
        and np.allclose(row.overlap.values, overlap, rtol=1e-14, equal_nan=True)
    )


def check(row, figures) -> None:
    assert int(row.area) == figures["area"]
    assert matches(row, figures), (row, figures)
    if figures["area"]:
        assert tuple(row.start.values) == tuple(figures["start"])
        assert float(row.density) == pytest.approx(figures["density"], rel=1e-15)
    else:
        assert np.isnan(float(row.density))


def test_shares_of_single_footprints_and_of_arrays_follow_one_rule():
    cases = {(3, 4): 0.75, (0, 4): 0.0, (inf, inf): 1.0, (0, 0): nan, (-1, 4): nan, (-1, 0): nan}
    parts, wholes = (np.array(v, float) for v in zip(*cases, strict=True))
    np.testing.assert_array_equal(share(parts, wholes), list(cases.values()))
    np.testing.assert_array_equal([share(*pair) for pair in cases], list(cases.values()))


def test_figures_that_follow_from_a_record():
    found = Figures(6, (0, 1), (3, 4), (0, 1), (2, -1))
    assert (found.width, found.density, found.overlap[0]) == (6**0.5, 0.5, 1 / 3)
    assert np.isnan(found.overlap[1])
