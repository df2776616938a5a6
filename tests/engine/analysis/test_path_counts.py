"""Path counts against the oracle's path counts, and the field they make against its definition in fractions."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction
from math import log2, prod

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings

import rfscale as rf
from rfscale.engine.analysis.path_counts import ADDED, chain_variance, path_counts
from rfscale.engine.errors import InputError
from rfscale.engine.fields.mass_box import mass_box
from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from tests.engine.strategies import FAMILIES, cases, random_case, random_network
from tests.oracles import plain_sets as reference

SEEDS = 12
SETTINGS = settings(max_examples=100, deadline=None)


def shares(weights: xr.DataArray) -> dict[tuple[int, ...], float]:
    pixels = [weights[d].values for d in weights.dims]
    return {
        tuple(int(p[i]) for p, i in zip(pixels, cell, strict=True)): float(weights.values[tuple(cell)])
        for cell in np.argwhere(weights.values)
    }


def check(net: Network, layer: str, at: tuple[int, ...], size: tuple[int, ...] | None, skip: str) -> None:
    where = (net.to_dict(), layer, at, size, skip)
    if size is None and layer in reference.global_nodes(net, skip):
        with pytest.raises(InputError, match="has a global receptive field, without bounds; give input_size"):
            path_counts(net, layer, at, size, skip)
        return
    counts = reference.path_counts(net, layer, at, size, skip)
    if not counts:
        with pytest.raises(InputError, match="has no paths, it reads only padding"):
            path_counts(net, layer, at, size, skip)
        return
    weights = path_counts(net, layer, at, size, skip)
    total = sum(counts.values())
    found = shares(weights)
    assert found.keys() == counts.keys(), where
    for pixel, paths in counts.items():
        assert found[pixel] == pytest.approx(paths / total, rel=1e-12), where
    assert weights.attrs["log2_paths"] == pytest.approx(log2(total), abs=1e-9), where
    if size is not None:
        assert weights.shape == size, where


# ------------------------------------------------------------------ against the oracle


@pytest.mark.parametrize("mode", ["finite", "interior"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_weights_equal_the_oracle(family, ndim, mode):
    rng = random.Random(f"{mode} {family} {ndim}")
    for _ in range(SEEDS):
        net = Network.from_dict(random_network(rng, family, ndim))
        sizes = reference.map_sizes(net, net.input_size)
        layer = rng.choice([*net.layers, net.layers[-1]]).name
        skip = rng.choice(["include", "skip"])
        if mode == "finite":
            check(net, layer, tuple(rng.randrange(n) for n in sizes[layer]), net.input_size, skip)
        else:
            check(net, layer, tuple(rng.randint(-9, 9) for _ in net.axes), None, skip)


@SETTINGS
@given(cases())
def test_any_case_equals_the_oracle(case):
    spec, layer, at = case
    net = Network.from_dict(spec)
    check(net, layer, at, net.input_size, "include")
    check(net, layer, at, None, "skip")


def squeeze(**network) -> Network:
    b = NetworkBuilder("squeeze", **network)
    x = b.conv("x", kernel=3, padding=1)
    gate = b.linear("gate", inputs=b.global_pool("pool", inputs=x))
    b.multiply("y", inputs=[x, gate])
    b.attention("mix")
    b.add("out", inputs=["y", "mix", "y"])
    return b.build()


@pytest.mark.parametrize("layer", ["x", "pool", "gate", "y", "mix", "out"])
@pytest.mark.parametrize("skip", ["include", "skip"])
def test_global_ops_read_every_entry_once(layer, skip):
    net = squeeze(input_size=[5, 4])
    at = (0, 0) if layer in ("pool", "gate") else (4, 1)
    check(net, layer, at, (5, 4), skip)
    check(net, layer, at, None, skip)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_borders_that_copy(mode):
    pad = {"op": "pad", "padding": [3, 2, 2, 3], "mode": mode}
    net = Network.sequential(pad, {"kernel": 3, "dilation": 2}, pad, {"kernel": [2, 4]}, input_size=(4, 7))
    for at in np.ndindex(*net.map_sizes()["conv4"]):
        check(net, "conv4", tuple(map(int, at)), net.input_size, "include")


@pytest.mark.parametrize("shift", [1, -4, 23, [5, -9]])
def test_rolls_and_reads_beyond_the_edge_that_copy(shift):
    bicubic = {"op": "upsample", "scale": 2, "mode": "bicubic"}
    net = Network.sequential(
        {"op": "roll", "shift": shift}, bicubic, {"op": "roll", "shift": shift}, {"kernel": 3}, input_size=(4, 7)
    )
    for at in np.ndindex(*net.map_sizes()["conv4"]):
        check(net, "conv4", tuple(map(int, at)), net.input_size, "include")
    check(net, "conv4", (-5, 3), None, "include")


def test_a_layer_named_twice_counts_twice():
    net = Network.from_dict(
        {
            "axes": 1,
            "layers": [
                {"kernel": 2, "name": "a"},
                {"op": "concat", "inputs": ["a", "input", "a"], "name": "b"},
            ],
        }
    )
    assert path_counts(net, "b").values.tolist() == [0.6, 0.4]


def test_the_default_entry_is_the_centre():
    net = Network.sequential({"kernel": 3}, {"kernel": 2, "stride": 2}, input_size=(11, 14))
    assert path_counts(net, "conv2", input_size=(11, 14)).equals(path_counts(net, "conv2", (2, 3), (11, 14)))
    assert path_counts(net, "conv2").equals(path_counts(net, "conv2", (0, 0)))


def test_finite_equals_interior_away_from_borders():
    net = rf.load("resnet18")
    inner = path_counts(net, "layer3", (50, 51))
    outer = path_counts(net, "layer3", (50, 51), input_size=1600)
    assert np.array_equal(outer.sel(y=inner.y, x=inner.x), inner)
    assert outer.sum() == pytest.approx(1)


def test_weights_are_more_than_0_just_on_the_footprint():
    net = rf.load("resnet18")
    for size in (None, 100):
        weights, footprint = (
            path_counts(net, "layer2", input_size=size),
            rf.footprint(net, "layer2", input_size=size),
        )
        assert footprint.equals((weights > 0).rename("footprint"))


def test_exchanging_the_axes_exchanges_the_weights():
    spec = {"kernel": [3, 5], "dilation": [2, 1], "stride": [1, 2]}
    swapped = {k: v[::-1] for k, v in spec.items()}
    a, b = Network.sequential(spec, spec), Network.sequential(swapped, swapped)
    assert np.array_equal(path_counts(a, "conv2"), path_counts(b, "conv2").T)


# ------------------------------------------------------------------ deep networks


def trinomials(n: int, square: int) -> list[int]:
    """Coefficients of (1 + square·x + x²)ⁿ."""
    row = [1]
    for _ in range(n):
        padded = [0, 0, *row, 0, 0]
        row = [padded[i] + square * padded[i + 1] + padded[i + 2] for i in range(len(row) + 2)]
    return row


def test_a_chain_of_1200_layers_does_not_overflow():
    weights = path_counts(Network.sequential(*[{"kernel": 3}] * 1200), "conv1200")
    assert weights.shape == (2401, 2401)
    assert weights.attrs["log2_paths"] == pytest.approx(2400 * log2(3))
    total = 3**1200
    row = [Fraction(c, total) for c in trinomials(1200, 1)]
    marginal = weights.sum("x").values
    for i in range(0, 2401, 75):
        if row[i] > 1e-280:
            assert marginal[i] == pytest.approx(float(row[i]), rel=1e-11)
    field = mass_box(weights)
    assert (field["std"] ** 2).values == pytest.approx(
        chain_variance(Network.sequential(*[{"kernel": 3}] * 1200), "conv1200")
    )
    assert (field["std"] ** 2).values == pytest.approx([800, 800])


@pytest.mark.parametrize("size", [None, 3001])
def test_merges_of_very_many_paths_do_not_overflow(size):
    b = NetworkBuilder("deep", axes=1)
    x = "input"
    for _ in range(700):
        x = b.add(inputs=[x, b.conv(kernel=3, padding=1, inputs=x)])
    late = b.add("late", inputs=[x, "input"])  # two branches whose counts are 1400 powers of two apart
    net = b.build()
    counts = trinomials(700, 2)
    for layer in (x, late):
        counts[700] += layer == late
        total = sum(counts)
        weights = path_counts(net, layer, input_size=size)
        start = 0 if size is None else 800
        assert weights.attrs["log2_paths"] == pytest.approx(log2(total))
        for i in range(0, 1401, 20):
            expected = float(Fraction(counts[i], total))
            if expected > 1e-280:
                assert weights.values[start + i] == pytest.approx(expected, rel=1e-12)


# ------------------------------------------------------------------ the field


def boxed(counts: dict[tuple[int, ...], int], mass: Fraction) -> tuple[list[int], list[int], Fraction]:
    """The box by its definition, every tail tried."""
    total, ndim = sum(counts.values()), len(next(iter(counts)))
    lines = []
    for axis in range(ndim):
        marginal: dict[int, int] = {}
        for pixel, c in counts.items():
            marginal[pixel[axis]] = marginal.get(pixel[axis], 0) + c
        lines.append(sorted(marginal.items()))
    tails = {0}
    for line in lines:
        for way in (line, line[::-1]):
            tails.update(itertools.accumulate(c for _, c in way))
    best = None
    for tail in sorted(tails):
        box = []
        for line in lines:
            ends = []
            for way in (line, line[::-1]):
                sums = itertools.accumulate(c for _, c in way)
                ends.append(next((p for (p, _), s in zip(way, sums, strict=True) if s > tail), None))
            box.append(ends)
        if any(None in ends for ends in box):
            continue
        held = sum(
            c for pixel, c in counts.items() if all(lo <= p <= hi for p, (lo, hi) in zip(pixel, box, strict=True))
        )
        if Fraction(held, total) >= mass:
            best = [lo for lo, _ in box], [hi - lo + 1 for lo, hi in box], Fraction(held, total)
    assert best is not None
    return best


@pytest.mark.parametrize("mass", [Fraction(95, 100), Fraction(1, 2), Fraction(1)])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_the_box_is_the_smallest_of_equal_tails(ndim, mass):
    rng = random.Random(f"{ndim} {mass}")
    checked = 0
    for _ in range(25):
        net = Network.from_dict(random_network(rng, None, ndim))
        layer = net.layers[-1].name
        at = tuple(rng.randrange(n) for n in reference.map_sizes(net, net.input_size)[layer])
        counts = reference.path_counts(net, layer, at, net.input_size)
        if not counts or len(counts) > 3000:
            continue
        field = mass_box(path_counts(net, layer, at, net.input_size), float(mass))
        starts, extents, held = boxed(counts, mass)
        assert field.box_start.values.tolist() == starts
        assert field.box_extent.values.tolist() == extents
        assert float(field.mass) == pytest.approx(float(held), rel=1e-12)
        total = sum(counts.values())
        for axis in range(ndim):
            mean = sum(Fraction(p[axis] * c, total) for p, c in counts.items())
            variance = sum((p[axis] - mean) ** 2 * Fraction(c, total) for p, c in counts.items())
            assert float(field["mean"][axis]) == pytest.approx(float(mean), abs=1e-9)
            assert float(field["std"][axis]) == pytest.approx(float(variance) ** 0.5, abs=1e-7)
        checked += 1
    assert checked > 10


def test_the_box_of_a_symmetric_field_is_symmetric():
    rng = np.random.default_rng(0)
    for n in (40, 41, 300):
        quarter = rng.random((n, n))
        values = sum(np.rot90(quarter, k) for k in range(4))
        values = values + values.T
        field = mass_box(xr.DataArray(values, dims=("y", "x")))
        assert (2 * field.box_start + field.box_extent == n).all()


def test_the_field_says_what_it_is():
    field = mass_box(path_counts(rf.load("resnet18"), "layer1"))
    assert {v: field[v].attrs["units"] for v in field} == {
        "mean": "pixel",
        "std": "pixel",
        "box_start": "pixel",
        "box_extent": "pixel",
        "mass": "1",
    }
    assert field.axis.values.tolist() == ["y", "x"]
    assert field.attrs["network"] == "resnet18"
    assert (field.box_extent < 43).all()
    assert 0.95 <= float(field.mass) < 1


@pytest.mark.parametrize("kernels", [(3, 3, 5), (2, 7, 1, 4)])
def test_the_variance_of_a_chain_has_a_closed_form(kernels):
    layers = [{"kernel": [k, 3], "stride": [1 + i % 2, 2], "dilation": [1 + i, 1]} for i, k in enumerate(kernels)]
    net = Network.sequential(
        *layers, {"op": "pointwise"}, {"op": "slice", "start": 2, "step": 3}, {"op": "avg_pool", "kernel": 2}
    )
    name = net.layers[-1].name
    field = mass_box(path_counts(net, name))
    assert (field["std"] ** 2).values == pytest.approx(chain_variance(net, name), rel=1e-12)


# ------------------------------------------------------------------ refused


NET = Network.sequential({"kernel": 3}, {"name": "deep", "kernel": 3, "padding": 5}, input_size=(9, 8))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layer": "dep"}, r"no layer 'dep'; did you mean 'deep'"),
        ({"entry": (0,)}, r"entry is \(0,\); it must be 'center' or 2 whole numbers"),
        ({"entry": (0, 0.5)}, r"entry is 0.5; it must be a whole number"),
        ({"entry": (15, 0), "input_size": (9, 8)}, r"entry \(15, 0\) lies outside the 15×14 map of layer 'deep'"),
        ({"entry": (0, -1), "input_size": (9, 8)}, r"entry \(0, -1\) lies outside"),
        (
            {"entry": (0, 3), "input_size": (9, 8)},
            r"entry \(0, 3\) of layer 'deep' has no paths, it reads only padding",
        ),
        ({"input_size": (9, 8, 7)}, r"input_size is \(9, 8, 7\)"),
        ({"global_ops": "all"}, r"global_ops is 'all'; it must be 'include' or 'skip'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(InputError, match=message) as error:
        path_counts(NET, **{"layer": "deep", **arguments})
    assert "\n" not in str(error.value)


def test_grids_that_are_too_large_are_refused():
    wide = Network.sequential({"kernel": 2, "dilation": 2**15})
    with pytest.raises(InputError, match="grid of 32769×32769 entries of the image; at most 268435456"):
        path_counts(wide, "conv1")
    b = NetworkBuilder("merged", input_size=4)
    up = b.upsample("up", scale=2**15)
    b.add("sum", inputs=[up, up])
    b.avg_pool("out", kernel=2**15)
    with pytest.raises(InputError, match="grid of 32768×32768 entries of layer 'sum'; at most 268435456"):
        path_counts(b.build(), "out", input_size=4)


@pytest.mark.parametrize("bad", [[-0.1, 1.1], [0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_weights_that_are_no_shares(bad):
    with pytest.raises(InputError, match=r"path counts sum to .*; they must be"):
        mass_box(xr.DataArray(np.array(bad), dims="x"))


@pytest.mark.parametrize("mass", [0, 1.5, -1])
def test_a_mass_that_is_no_share(mass):
    with pytest.raises(InputError, match=r"mass is .*; it must be more than 0 and at most 1"):
        mass_box(xr.DataArray(np.ones(3), dims="x"), mass)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([{"op": "add", "inputs": ["input", "input"]}], r"'add1' \(add\) reads several maps"),
        ([{"op": "upsample", "scale": 2}], r"'upsample1' \(upsample\) is no window of evenly spaced taps"),
        ([{"op": "conv_transpose", "kernel": 3, "stride": 2}], r"\(conv_transpose\) is no window"),
        ([{"op": "global_pool"}, {"kernel": 1}], r"'conv2' \(conv\) reads the whole map"),
    ],
)
def test_networks_that_are_no_chain_of_windows(layers, message):
    net = Network.sequential(*layers)
    with pytest.raises(InputError, match=message):
        chain_variance(net, net.layers[-1].name)


def test_a_path_for_each_product_of_taps():
    net = Network.sequential({"kernel": [3, 2, 4]}, {"op": "max_pool", "kernel": 2})
    assert 2 ** path_counts(net, "max_pool2").attrs["log2_paths"] == pytest.approx(prod((3, 2, 4)) * 8)


@pytest.mark.parametrize("seed", range(12))
def test_counts_without_kernels_are_the_same(seed, monkeypatch):
    """Bit for bit: few reads are listed and added up by numpy, in the order of the kernels."""
    spec, layer, at = random_case(random.Random(seed), FAMILIES[seed % len(FAMILIES)], 1 + seed % 3)
    net = rf.Network.from_dict(spec)
    monkeypatch.setattr(ADDED, "most", 1 << 62)
    few = _counts_of(net, layer, at)
    monkeypatch.setattr("rfscale.engine.footprints.backward.FEW_READS", -1)
    monkeypatch.setattr(ADDED, "few", -1)
    monkeypatch.setattr(ADDED, "most", -1)
    assert few == _counts_of(net, layer, at)


def _counts_of(net, layer, at):
    try:
        return rf.path_counts(net, layer, at, net.input_size).values.tobytes()
    except rf.InputError as error:
        return str(error)
