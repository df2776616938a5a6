"""What must hold for any network: properties that need no oracle, and the known hard cases."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rfscale as rf
from rfscale.engine.footprints.forward import trace
from rfscale.engine.footprints.intervals import Intervals
from rfscale.engine.footprints.plan import resolve
from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from tests.engine.footprints.test_footprints import pixels
from tests.engine.strategies import FAMILIES, networks, random_network
from tests.oracles import plain_sets as reference

SETTINGS = settings(max_examples=60, deadline=None)


def same(a: Network, b: Network, layer_a: str, layer_b: str) -> None:
    x, y = rf.footprint(a, layer_a), rf.footprint(b, layer_b)
    assert pixels(x) == pixels(y)


@SETTINGS
@given(networks(), st.integers(0, 10**9))
def test_interior_entries_are_moved_by_the_jump(spec, seed):
    net = Network.from_dict(spec)
    rng = random.Random(seed)
    layer = rng.choice(net.layers).name
    step = resolve(net, global_ops="skip").steps[net.index(layer)]
    if step.is_global:
        return
    entry = [rng.randint(-3, 3) for _ in net.axes]
    here = pixels(rf.footprint(net, layer, entry, global_ops="skip"))
    for axis, intervals in enumerate(step.intervals):
        there = list(entry)
        there[axis] += len(intervals.bounds)
        moved = pixels(rf.footprint(net, layer, there, global_ops="skip"))
        assert moved == {(*p[:axis], p[axis] + intervals.shift, *p[axis + 1 :]) for p in here}


@SETTINGS
@given(networks(ndims=(2,)))
def test_swapping_the_axes_transposes_the_footprint(spec):
    net = Network.from_dict(spec)
    swapped = Network.from_dict(transposed(net.to_dict()))
    layer = net.layers[-1].name
    a = rf.entry_map(net, layer, net.input_size)
    b = rf.entry_map(swapped, layer, net.input_size[::-1])
    np.testing.assert_array_equal(a.area.values, b.area.values.T)
    np.testing.assert_array_equal(a.extent.values, b.extent.values.transpose(1, 0, 2)[..., ::-1])


def transposed(spec):
    def swap(value):
        if isinstance(value, list) and len(value) == 2:
            return value[::-1]
        return [value[1], value[0], value[3], value[2]] if isinstance(value, list) and len(value) == 4 else value

    keep = ("name", "op", "inputs")
    layers = [{k: v if k in keep else swap(v) for k, v in layer.items()} for layer in spec["layers"]]
    return {**spec, "layers": layers, "input_size": spec["input_size"][::-1]}


@SETTINGS
@given(networks())
def test_the_interval_is_the_bounding_box(spec):
    net = Network.from_dict(spec)
    traced = trace(net, global_ops="skip")
    for step, terms in zip(traced.plan.steps, traced.terms, strict=True):
        if terms is None or step.intervals is None:
            continue
        for axis, intervals in enumerate(step.intervals):
            assert bounds(terms, axis, len(intervals.bounds)) == intervals.bounds


def bounds(terms, axis, n):
    families = [term[axis].listed(n) for term in terms]
    out = []
    for i in range(n):
        rows = [row for f in families if len(row := f.pixels(i))]
        out.append((min(int(r[0]) for r in rows), max(int(r[-1]) for r in rows)) if rows else None)
    return tuple(out)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_finite_equals_interior_away_from_the_borders(ndim):
    """An entry whose every path stays inside every map has the same pixels in both modes."""
    rng = random.Random(f"borders {ndim}")
    compared = 0
    for family in FAMILIES * 6:
        net = Network.from_dict(random_network(rng, family, ndim))
        local = [layer.name for layer in net.layers if layer.name not in reference.global_nodes(net)]
        for layer in rng.sample(local, min(3, len(local))):
            size = net.map_sizes()[layer]
            for entry in (tuple(n // 2 for n in size), tuple(rng.randrange(n) for n in size)):
                if reference.stays_inside(net, layer, entry):
                    interior = pixels(rf.footprint(net, layer, entry))
                    assert interior == pixels(rf.footprint(net, layer, entry, net.input_size)), (net.to_dict(), entry)
                    compared += len(interior) > 1
    assert compared > 40


def test_five_dilated_layers_see_121_pixels():
    ds = rf.profile(Network.sequential(*[{"kernel": 3, "dilation": 2}] * 5)).isel(layer=-1)
    assert ds.area == 121
    assert ds.extent.values.tolist() == [21, 21]
    assert ds.published_area == 243**2
    assert np.isnan(ds.closed_form_area)
    assert "holes" in str(ds.formula_domain.values)


def test_a_union_that_is_no_product():
    b = NetworkBuilder()
    b.conv("wide", kernel=[1, 7], padding=[0, 3], inputs="input")
    b.conv("tall", kernel=[7, 1], padding=[3, 0], inputs="input")
    b.add("sum", inputs=["wide", "tall"])
    b.max_pool("pool", kernel=2)
    ds = rf.profile(b.build())
    assert ds.terms.values.tolist() == [1, 1, 2, 2]
    assert ds.area.sel(layer="pool") == 28
    assert ds.area.sel(layer="sum") == 13


def test_four_3x3_then_one_dilated():
    ds = rf.profile(Network.sequential(*[{"kernel": 3}] * 4, {"kernel": 3, "dilation": 2})).isel(layer=-1)
    assert ds.area == 169
    assert float(ds.published_area) == pytest.approx(-27)
    assert ds.closed_form_area == 169


def test_an_interior_footprint_cut_at_the_border_is_not_the_finite_one():
    net = Network.sequential({"kernel": 3, "dilation": 3, "padding": 3}, {"kernel": 3, "padding": 1})
    corner = rf.footprint(net, "conv2", (0, 0), (12, 12))
    assert pixels(corner) == {(y, x) for y in (0, 1, 3, 4) for x in (0, 1, 3, 4)}
    cut = {p for p in pixels(rf.footprint(net, "conv2", (0, 0))) if min(p) >= 0}
    assert len(cut) == 25


def test_a_neighbour_of_weight_zero_is_no_path():
    net = Network.sequential({"op": "upsample", "scale": 3, "mode": "bilinear"}, axes=1)
    assert [len(pixels(rf.footprint(net, "upsample1", [i]))) for i in range(3)] == [2, 1, 2]


def test_a_max_pool_is_a_window_like_any_other():
    for op in ("max_pool", "avg_pool", "lp_pool"):
        one = Network.sequential({"op": op, "kernel": 3, "stride": 2, "dilation": 2, "padding": 1}, {"kernel": 3})
        same(
            one,
            Network.sequential({"kernel": 3, "stride": 2, "dilation": 2, "padding": 1}, {"kernel": 3}),
            f"{op}1",
            "conv1",
        )
        same(
            one,
            Network.sequential({"kernel": 3, "stride": 2, "dilation": 2, "padding": 1}, {"kernel": 3}),
            "conv2",
            "conv2",
        )


def test_merged_maps_of_different_jumps_are_exact_in_finite_mode():
    """An odd map resized back: 9 -> 5 -> 9 has jump 18/5 · 1/2 beside 1, yet its entries are well defined."""
    b = NetworkBuilder(input_size=(9,))
    b.conv("down", kernel=3, stride=2, padding=1)
    b.resize("up", size=[9])
    b.add("sum", inputs=["up", "input"])
    ds = rf.profile(b.build(), 9)
    assert not ds.aligned.sel(layer="sum")
    assert np.isnan(ds.jump.sel(layer="sum")).all()
    assert ds.area.sel(layer="sum") == 3


def test_entries_that_see_only_padding_have_no_footprint():
    net = Network.sequential({"kernel": [1, 1], "padding": 2})
    ds = rf.entry_map(net, "conv1", (3, 3))
    assert ds.area.values.sum() == 9
    assert ds.extent.sel(entry_y=0, entry_x=3).values.tolist() == [0, 0]
    assert np.isnan(ds.density.sel(entry_y=0, entry_x=3))


@pytest.mark.parametrize("ndim", [2, 3])
def test_unions_of_very_many_terms_are_counted_on_grids(ndim, monkeypatch):
    """With room for one term only, every union of several products is counted on grids and gives the same figures."""
    rng = random.Random(ndim)
    for _ in range(12):
        net = Network.from_dict(random_network(rng, rng.choice(["inception", "aspp"]), ndim))
        layer = net.layers[-1].name
        usual, usual_map = rf.profile(net), rf.entry_map(net, layer, net.input_size)
        with monkeypatch.context() as patch:
            patch.setattr("rfscale.engine.footprints.unions.MAX_TERMS", 1)
            walked, walked_map = rf.profile(net), rf.entry_map(net, layer, net.input_size)
            drawn = rf.footprint(net, layer, input_size=net.input_size)
        for name in ("area", "max_gap", "overlap", "extent"):
            np.testing.assert_array_equal(usual[name], walked[name])
            np.testing.assert_array_equal(usual_map[name], walked_map[name])
        assert (drawn == rf.footprint(net, layer, input_size=net.input_size)).all()


def test_phases_of_an_upsampled_map():
    net = Network.sequential({"kernel": 3, "stride": 4}, {"op": "upsample", "scale": 2}, {"kernel": 2}, axes=1)
    ds = rf.profile(net)
    assert ds.phases.values.tolist() == [1, 2, 2]
    assert ds.jump.values.ravel().tolist() == [4, 2, 2]
    assert ds.area.values.tolist() == [3, 3, 6]  # the larger phase: it reads two entries of the strided layer


def test_intervals_know_their_jump_as_a_fraction():
    net = Network.sequential({"op": "upsample", "scale": 3})
    assert resolve(net).steps[0].intervals[0].jump == (1, 3)
    assert Intervals(((0, 0), (2, 2)), 4).jump == (2, 1)


def test_a_global_op_is_a_layer_whose_window_is_its_map():
    """A pool with a floor leaves the last row over, and so does all that follows a global op after it."""
    net = Network.from_dict(
        {
            "input_size": [7, 9],
            "layers": [
                {"name": "pool", "op": "max_pool", "kernel": 2},
                {"name": "squeeze", "op": "global_pool"},
                {"name": "scale", "op": "multiply", "inputs": ["pool", "squeeze"]},
                {"name": "attend", "op": "attention"},
            ],
        }
    )
    ds = rf.profile(net, (7, 9))
    assert ds.area.values.tolist() == [4, 48, 48, 48]
    assert ds.is_global.values.tolist() == [False, True, True, True]
    assert np.isinf(rf.profile(net).area.values[1:]).all()
    assert rf.coverage(net, "attend").values.tolist() == [[12] * 8 + [0]] * 6 + [[0] * 9]
    seen_by_all = rf.entry_map(net, "scale", (7, 9))
    assert (seen_by_all.area == 48).all()
    assert (seen_by_all.overlap.isel(entry_x=0, axis=1) == 1).all()
    assert (rf.footprint(net, "attend", (0, 0), (7, 9)) == (rf.path_counts(net, "attend", (0, 0), (7, 9)) > 0)).all()


def test_full_attention_makes_no_table_of_all_pairs():
    maps = resolve(Network.sequential({"op": "attention"}, axes=1), 100_000).steps[0].maps
    assert maps[0].table.taps.size == 100_000
    assert rf.profile(Network.sequential({"op": "attention"}, axes=1), 10_000).area.values.tolist() == [10_000]


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_global_ops_on_maps_that_miss_pixels_are_counted_on_grids_alike(ndim, monkeypatch):
    """With room for one term only, unions that a global op reads fall back to grids and give the same figures."""
    rng = random.Random(f"global grids {ndim}")
    for _ in range(12):
        net = Network.from_dict(random_network(rng, "global_ops", ndim))
        usual = rf.profile(net, net.input_size)
        with monkeypatch.context() as patch:
            patch.setattr("rfscale.engine.footprints.unions.MAX_TERMS", 1)
            walked = rf.profile(net, net.input_size)
        for name in ("area", "max_gap", "overlap", "extent", "start", "centre"):
            np.testing.assert_array_equal(usual[name], walked[name])
