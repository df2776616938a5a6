"""Footprints walked back over grids: the kernels against plain loops, the walk against the slow oracle."""

from __future__ import annotations

import itertools
import random
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rfscale as rf
from rfscale.engine.errors import InputError
from rfscale.engine.footprints import backward as walk
from rfscale.engine.footprints.figures import Figures
from rfscale.engine.footprints.plan import resolve
from rfscale.engine.kernels import arrays, grids
from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from tests.engine.strategies import FAMILIES, cases, random_network
from tests.oracles import plain_sets as reference

SEEDS = 12
SETTINGS = settings(max_examples=100, deadline=None)


def random_bits(rng: np.random.Generator, shape: tuple[int, ...], share: float = 0.1) -> np.ndarray:
    return rng.random(shape) < share


def pixels(grid: np.ndarray, origin: tuple[int, ...]) -> set[tuple[int, ...]]:
    return {tuple(int(i) + o for i, o in zip(cell, origin, strict=True)) for cell in np.argwhere(grid)}


# ------------------------------------------------------------------ kernels


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 64), (1, 7, 65), (2, 3, 130), (3, 1, 200)])
def test_packing_is_lossless_and_leaves_the_tail_empty(shape):
    grid = random_bits(np.random.default_rng(0), shape, 0.5)
    bits = arrays.pack(grid)
    assert bits.shape == (*shape[:2], -(-shape[2] // 64))
    assert int(np.bitwise_count(bits).sum()) == grid.sum()
    assert (arrays.unpack(bits, shape[2]) == grid).all()


@SETTINGS
@given(
    st.lists(st.integers(1, 5), min_size=3, max_size=3),
    st.lists(st.integers(-70, 70), min_size=3, max_size=3),
    st.lists(st.integers(1, 40), min_size=3, max_size=3),
    st.lists(st.integers(1, 6), min_size=3, max_size=3),
    st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 140)),
    st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 200)),
    st.integers(0, 99),
)
def test_windows_back_equal_plain_loops(strides, starts, steps, counts, shape, target, seed):
    grid = random_bits(np.random.default_rng(seed), shape)
    expected = np.zeros(target, bool)
    for cell in np.argwhere(grid):
        reads = [
            [e for i in range(k) if 0 <= (e := s * int(o) + start + step * i) < n]
            for o, s, start, step, k, n in zip(cell, strides, starts, steps, counts, target, strict=True)
        ]
        expected[np.ix_(*reads)] = True
    windows = arrays.Windows(*map(tuple, (strides, starts, steps, counts)))
    found = grids.window_back(arrays.pack(grid), shape[2], windows, target)
    assert (found == arrays.pack(expected)).all()


def test_measuring_counts_and_projects():
    grid = random_bits(np.random.default_rng(0), (4, 9, 100), 0.01)
    area, any_a, any_b, any_last = grids.measure(arrays.pack(grid))
    assert area == grid.sum()
    assert (any_a == grid.any(axis=(1, 2))).all()
    assert (any_b == grid.any(axis=(0, 2))).all()
    assert (any_last == arrays.pack(grid.any(axis=(0, 1))[None, None])[0, 0]).all()


# ------------------------------------------------------------------ against the oracle


def check(net: Network, layer: str, at: tuple[int, ...], size: tuple[int, ...] | None, skip: str) -> bool:
    """Compare one entry; False where there is nothing to walk."""
    plan, index = resolve(net, size, skip), net.index(layer)
    if plan.steps[index].is_global and size is None:
        return False
    expected = reference.footprint(net, layer, at, size, skip)
    figures = reference.figures(net, layer, at, size, skip)
    where = (net.to_dict(), layer, at, size, skip)
    grid, origin = walk.grid_pixels(plan, index, at)
    assert pixels(grid, origin) == expected, where
    assert grid.shape == (size or figures["extent"]), where
    found = walk.grid_figures(plan, index, at)
    assert (found.area, found.extent, found.max_gap) == (figures["area"], figures["extent"], figures["max_gap"]), where
    for axis, overlap in enumerate(figures["overlap"]):
        beyond = size is not None and at[axis] + 1 == plan.steps[index].size[axis]
        assert (found.shared[axis] == -1) == beyond, where
        if found.area:
            assert found.first[axis] == figures["start"][axis], where
            assert overlap is None or found.shared[axis] / found.area == overlap, where
    return True


@pytest.mark.parametrize("mode", ["finite", "interior"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_walk_equals_the_oracle(family, ndim, mode):
    rng = random.Random(f"{mode} {family} {ndim}")
    checked = 0
    for _ in range(SEEDS):
        net = Network.from_dict(random_network(rng, family, ndim))
        sizes = reference.map_sizes(net, net.input_size)
        layer = rng.choice([*net.layers, net.layers[-1]]).name
        skip = rng.choice(["include", "skip"])
        if mode == "finite":
            checked += check(net, layer, tuple(rng.randrange(n) for n in sizes[layer]), net.input_size, skip)
        else:
            checked += check(net, layer, tuple(rng.randint(-9, 9) for _ in net.axes), None, skip)
    assert checked


@SETTINGS
@given(cases())
def test_any_case_equals_the_oracle(case):
    spec, layer, at = case
    net = Network.from_dict(spec)
    check(net, layer, at, net.input_size, "include")
    check(net, layer, at, None, "skip")


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_borders_that_copy(mode):
    net = Network.from_dict(
        {
            "input_size": [9, 70],
            "layers": [
                {"op": "pad", "padding": [4, 5, 3, 6], "mode": mode},
                {"kernel": 3, "dilation": 2},
                {"op": "pad", "padding": [2, 2, 2, 2], "mode": mode},
                {"kernel": 5, "stride": 2},
            ],
        }
    )
    sizes = net.map_sizes()["conv4"]
    for at in itertools.product(range(sizes[0]), (0, 1, sizes[1] // 2, sizes[1] - 1)):
        assert check(net, "conv4", at, net.input_size, "include")


@pytest.mark.parametrize("shift", [0, 3, -4, 9, -23, [5, -71]])
def test_rolls_and_reads_beyond_the_edge_that_copy(shift):
    layers = [
        {"op": "roll", "shift": shift},
        {"op": "upsample", "scale": 2, "mode": "bicubic"},
        {"op": "roll", "shift": shift},
        {"kernel": 3},
    ]
    net = Network.sequential(*layers, input_size=(9, 70))
    sizes = net.map_sizes()["conv4"]
    for at in itertools.product((0, 1, 7, sizes[0] - 1), (0, sizes[1] // 2, sizes[1] - 1)):
        assert check(net, "conv4", at, net.input_size, "include")
    assert check(net, "conv4", (-5, 3), None, "include")


def test_several_entries_are_the_union():
    net = Network.from_dict(random_network(random.Random(6), "aspp", 2))
    layer = net.layers[-1].name
    size = net.map_sizes()[layer]
    entries = [(0, 0), (size[0] - 1, size[1] // 2), (size[0] // 2, size[1] - 1)]
    for mode in (net.input_size, None):
        expected = set().union(*(reference.footprint(net, layer, e, mode) for e in entries))
        assert pixels(*walk.grid_pixels(resolve(net, mode), net.index(layer), entries)) == expected


def test_figures_of_a_map_are_those_of_its_entries():
    net = Network.from_dict(random_network(random.Random(1), "inception", 2))
    index = len(net) - 1
    plan = resolve(net, net.input_size)
    entries = list(np.ndindex(*plan.steps[index].size))
    assert list(walk.figures_of(plan, index, entries)) == [walk.grid_figures(plan, index, e) for e in entries]


def test_finite_equals_interior_away_from_borders():
    net = Network.sequential({"kernel": 5, "dilation": 3}, {"op": "conv_transpose", "kernel": 4, "stride": 2})
    inner = walk.grid_figures(resolve(net), 1, (201, 200))
    assert walk.grid_figures(resolve(net, 300), 1, (201, 200)) == inner


def test_windows_hold_what_is_read_and_nothing_outside_the_maps():
    net = Network.sequential({"kernel": 3, "padding": 1}, {"kernel": 3, "padding": 1, "stride": 2}, input_size=10)
    assert walk.windows(resolve(net, 10), 1, (0, 4)) == {
        1: ((0, 1), (4, 5)),
        0: ((0, 2), (7, 10)),
        -1: ((0, 3), (6, 10)),
    }
    assert walk.windows(resolve(net), 1, (0, 4))[-1] == ((-2, 3), (6, 11))


# ------------------------------------------------------------------ what the forward pass cannot keep


def staircase(steps: int, **network) -> Network:
    """A merge of bars, each wider and flatter than the one before: a union of as many products."""
    b = NetworkBuilder("staircase", **network)
    bars = [
        b.conv(f"b{i}", kernel=(2 * i + 1, 2 * (steps - i) + 1), padding=(i, steps - i), inputs="input")
        for i in range(steps)
    ]
    b.concat("cat", inputs=bars)
    b.conv("out", kernel=3, padding=1)
    return b.build()


def test_more_products_than_are_kept():
    steps = 70
    net = staircase(steps)
    profile = rf.profile(net)
    assert profile.terms.sel(layer=["cat", "out"]).values.tolist() == [0, 0]
    grid = rf.footprint(net, "out")
    y, x = (abs(grid[axis]) for axis in ("y", "x"))
    corner = sum((y <= i + 1) & (x <= steps - i + 1) for i in range(steps)) > 0
    assert (grid == corner).all()
    assert profile.area.sel(layer="out") == int(corner.sum())
    assert profile.extent.sel(layer="out").values.tolist() == list(grid.shape)


def test_every_entry_of_a_map_with_more_products_than_are_kept():
    net = staircase(70, input_size=[12, 9], axes=2)
    figures = rf.entry_map(net, "out", input_size=(12, 9))
    assert figures.area.values.tolist() == [[prod((12, 9))] * 9] * 12


# ------------------------------------------------------------------ far, empty, refused


def test_windows_that_reach_far_beyond_a_finite_map():
    net = Network.sequential({"kernel": 3, "dilation": 10**6, "padding": 10**6}, {"kernel": 3}, input_size=20)
    grid, _ = walk.grid_pixels(resolve(net, 20), 1, (4, 5))
    assert pixels(grid, (0, 0)) == set(itertools.product((4, 5, 6), (5, 6, 7)))


def test_entries_far_from_the_origin():
    net = Network.sequential(
        {"kernel": 3}, {"op": "upsample", "scale": 3, "mode": "bilinear"}, {"kernel": 2, "stride": 2}
    )
    far = 3 * 10**8
    near = walk.grid_pixels(resolve(net), 2, (1, 2))
    away = walk.grid_pixels(resolve(net), 2, (1 + far, 2 - far))
    assert (near[0] == away[0]).all()
    assert away[1] == (near[1][0] + far * 2 // 3, near[1][1] - far * 2 // 3)


def test_an_entry_that_reads_only_padding():
    net = Network.sequential({"kernel": 1, "padding": 3}, input_size=5)
    assert walk.grid_figures(resolve(net, 5), 0, (0, 4)) == Figures(0, (0, 0), (0, 0), (0, 0), (0, 0))
    assert not walk.grid_pixels(resolve(net, 5), 0, (0, 4))[0].any()
    odd = Network.sequential({"op": "conv_transpose", "kernel": 1, "stride": 2})
    grid, origin = walk.grid_pixels(resolve(odd), 0, (1, 0))
    assert (grid.shape, origin) == ((0, 0), (0, 0))


def test_layers_with_a_global_receptive_field():
    net = Network.sequential({"kernel": 3}, {"op": "attention"}, {"kernel": 3}, input_size=12)
    assert walk.grid_pixels(resolve(net, 12), 2, (0, 0))[0].all()
    with pytest.raises(InputError, match=r"layer 'conv3' has a global receptive field.*give input_size"):
        walk.grid_pixels(resolve(net), 2, (0, 0))


def test_grids_that_are_too_large_are_refused_before_they_are_made():
    net = Network.sequential({"kernel": 3}, {"name": "wide", "kernel": 2, "dilation": 2**20})
    with pytest.raises(InputError, match=r"grid of 1048577×1048577 entries of layer 'conv1'; at most 2147483648"):
        walk.grid_bits(resolve(net), 1, (0, 0))


def test_pixels_out_of_bounds_are_refused():
    net = Network.sequential(*[{"kernel": 1, "stride": 2**15}] * 2)
    with pytest.raises(InputError, match=r"layer 'conv2' reaches beyond 2\^53 pixels"):
        walk.grid_bits(resolve(net), 1, (2**30, 0))
