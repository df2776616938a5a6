"""Statements 10 to 13 of docs/theory.md: bounding boxes, path counts, global layers, expected squared gradients."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from fractions import Fraction
from math import inf, prod, sqrt

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.analysis.path_counts import chain_variance
from rfscale.engine.footprints.plan import resolve
from rfscale.engine.network.network import Network
from rfscale.engine.zoo.registry import build
from tests.docs.theory.sets import net, paths, pixels_of, row, square
from tests.engine.strategies import random_network
from tests.oracles import plain_sets as reference

# 10 intervals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["chain", "residual", "aspp", "fpn", "inception"])
def test_10_1_bounding_boxes(family: str) -> None:
    rng = random.Random(f"101 {family}")
    for _ in range(20):
        network = Network.from_dict(random_network(rng, family, 2))
        plan = resolve(network, global_ops="skip")
        step = rng.choice([s for s in plan.steps if s.intervals])
        entry = (rng.randint(-3, 3), rng.randint(-3, 3))
        pixels = reference.footprint(network, step.layer.name, entry, None, "skip")
        hull = [(min(c), max(c)) for c in zip(*pixels, strict=True)] if pixels else None
        if hull:
            assert [i.at(e) for i, e in zip(step.intervals, entry, strict=True)] == hull


def test_10_1_exception_of_empty_terms() -> None:
    a = {"name": "a", "op": "conv_transpose", "kernel": [1, 9], "stride": 2, "padding": [0, 4], "output_padding": 1}
    b = {"name": "b", "op": "conv_transpose", "kernel": 2, "stride": 2, "inputs": "input"}
    network = net({**a, "inputs": "input"}, b, {"name": "s", "op": "add", "inputs": ["a", "b"]})
    interval = resolve(network).steps[-1].intervals[1].at(0)
    assert interval == (-2, 2)
    assert {x for _, x in pixels_of(network, "s", (0, 0))} == {-2, -1, 0, 1, 2}
    assert {x for _, x in pixels_of(network, "s", (1, 0))} == {0}


def test_10_2_chains() -> None:
    rng = random.Random(102)
    for _ in range(60):
        layers = [
            {
                "kernel": rng.randint(1, 5),
                "stride": rng.randint(1, 3),
                "dilation": rng.randint(1, 3),
                "padding": rng.randint(0, 4),
            }
            for _ in range(rng.randint(1, 5))
        ]
        jumps = list(itertools.accumulate([1, *(v["stride"] for v in layers)], lambda a, b: a * b))
        ds = rf.profile(net(*layers)).isel(layer=-1, axis=0)
        pairs = list(zip(layers, jumps, strict=False))
        assert float(ds.extent) == 1 + sum(v["dilation"] * (v["kernel"] - 1) * j for v, j in pairs)
        assert float(ds.jump) == jumps[-1] == prod(v["stride"] for v in layers)
        assert float(ds.start) == -sum(v["padding"] * j for v, j in pairs)


def test_10_3_tiles() -> None:
    network = net({"kernel": 7, "stride": 2, "padding": 3}, {"op": "max_pool", "kernel": 3, "stride": 2, "padding": 1})
    last = row(network).isel(axis=0)
    start, extent, jump = int(last.start), int(last.extent), int(last.jump)
    for a, b in ((0, 1), (2, 5), (3, 4)):
        needed = {x for e in range(a, b) for _, x in pixels_of(network, "max_pool2", (0, e))}
        assert (min(needed), max(needed) + 1) == (start + a * jump, start + (b - 1) * jump + extent)
        assert a * jump - min(needed) == -start
        assert max(needed) + 1 - b * jump == start + extent - jump


def test_10_3_a_tile_with_its_halo_gives_the_entries_of_the_whole_image() -> None:
    network = net(
        {"kernel": 3, "stride": 2, "padding": 1},
        {"kernel": 3, "dilation": 4, "padding": 4},
        {"kernel": 3, "stride": 2, "padding": 1},
    )
    last = row(network).isel(axis=0)
    start, extent, jump = int(last.start), int(last.extent), int(last.jump)
    a, b = 9, 12  # entries wanted
    skipped = -(start // jump)  # the halo before, in whole entries
    first, end = (a - skipped) * jump, (b - 1) * jump + start + extent
    whole = [pixels_of(network, "conv3", (e, e), 100) for e in range(a, b)]
    tile = [pixels_of(network, "conv3", (e + skipped, e + skipped), end - first) for e in range(b - a)]
    assert whole == [{(y + first, x + first) for y, x in pixels} for pixels in tile]


def test_10_4_alignment() -> None:
    two = {"name": "two", "op": "max_pool", "kernel": 2, "inputs": "input"}
    three = {"name": "three", "kernel": 3, "stride": 2, "padding": 1, "inputs": "input"}
    one = {"name": "one", "kernel": 1, "stride": 2, "inputs": "input"}
    centres = {s.layer.name: s.intervals[0].centre for s in resolve(net(two, three, one)).steps}
    assert centres == {"two": Fraction(1, 2), "three": 0, "one": 0}
    assert not row(net(two, three, {"op": "add", "inputs": ["two", "three"]})).aligned
    assert row(net(one, three, {"op": "add", "inputs": ["one", "three"]})).aligned
    for mode in ("nearest", "bilinear"):
        step = resolve(net({"op": "upsample", "scale": 2, "mode": mode})).steps[0]
        assert step.intervals[0].centre == Fraction(-1, 4)


# 11 path counts ----------------------------------------------------------------------------------------------------


def variance(counts: Counter[int]) -> Fraction:
    total = sum(counts.values())
    mean = Fraction(sum(x * n for x, n in counts.items()), total)
    return Fraction(sum(x * x * n for x, n in counts.items()), total) - mean**2


def test_11_1_variance() -> None:
    rng = random.Random(111)
    for _ in range(200):
        layers = [(rng.randint(1, 5), rng.randint(1, 3), rng.randint(1, 3)) for _ in range(rng.randint(1, 5))]
        expected, jump = Fraction(0), 1
        for k, s, d in layers:
            expected += Fraction((d * jump) ** 2 * (k * k - 1), 12)
            jump *= s
        counts = paths(layers)
        assert variance(counts) == expected
        assert Fraction(sum(x * n for x, n in counts.items()), sum(counts.values())) == Fraction(max(counts), 2)


def test_11_1_the_engine_counts_the_same() -> None:
    rng = random.Random(112)
    for _ in range(20):
        layers = [(rng.randint(1, 4), rng.randint(1, 2), rng.randint(1, 3)) for _ in range(rng.randint(1, 4))]
        network = net(*({"kernel": k, "stride": s, "dilation": d} for k, s, d in layers))
        name, counts = network.layers[-1].name, paths(layers)
        line = np.array([counts[x] for x in range(max(counts) + 1)], float) / sum(counts.values())
        weights = rf.path_counts(network, name)
        np.testing.assert_allclose(weights.values, np.multiply.outer(line, line), rtol=1e-12)
        np.testing.assert_allclose(chain_variance(network, name), [float(variance(counts))] * 2)


def test_11_2_counts_add_at_merges() -> None:
    block = [{"name": "a", "kernel": 3, "padding": 1}, {"name": "b", "kernel": 3, "dilation": 2, "padding": 2}]
    network = net(*block, {"name": "sum", "op": "add", "inputs": ["b", "input"]}, {"name": "end", "kernel": 3}, axes=1)
    counts = reference.path_counts(network, "end", (0,))
    weights = rf.path_counts(network, "end")
    total = sum(counts.values())
    assert total == 3 * (9 + 1)
    found = {int(x): float(v) for x, v in zip(weights.x.values, weights.values, strict=True)}
    assert found == pytest.approx({x: n / total for (x,), n in counts.items()})


def normal_distance(counts: Counter[int]) -> float:
    """Total variation between path counts and the normal of the same variance, cut into pixels."""
    from statistics import NormalDist

    normal, total = NormalDist(max(counts) / 2, sqrt(variance(counts))), sum(counts.values())
    return sum(abs(counts[x] / total - normal.cdf(x + 0.5) + normal.cdf(x - 0.5)) for x in range(max(counts) + 1)) / 2


def test_11_3_gaussian_limit() -> None:
    counts = paths([(3, 1, 1)] * 20)
    assert sqrt(variance(counts)) == pytest.approx(3.65, abs=5e-3)
    assert max(counts) + 1 == 41
    total = sum(counts.values())
    held = {r: sum(n for x, n in counts.items() if abs(x - 20) <= r) / total for r in range(21)}
    assert 2 * min(r for r, share in held.items() if share >= 0.95) + 1 == 15
    field = rf.field_figures(rf.path_counts(build("stack20"), "conv20"))
    assert field.box_extent.sel(share=0.95).values.tolist() == [17, 17]
    distances = [normal_distance(paths([(3, 1, 1)] * n)) for n in (2, 5, 10, 20, 40)]
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 0.002


def test_11_4_strides_have_no_gaussian_limit() -> None:
    for n in range(1, 8):
        assert paths([(2, 2, 1)] * n) == dict.fromkeys(range(2**n), 1)
    assert normal_distance(paths([(2, 2, 1)] * 10)) > 0.1


def test_11_5_sigma_does_not_notice_holes() -> None:
    counts = paths([(3, 1, 2)] * 5)
    assert variance(counts) == variance(paths([(3, 1, 1)] * 20)) == Fraction(40, 3)
    assert (len(counts), max(counts) + 1) == (11, 21)


# 12 global receptive fields -------------------------------------------------------------------------------------------

SQUEEZE = [
    {"name": "conv", "kernel": 3, "padding": 1},
    {"name": "squeeze", "op": "global_pool"},
    {"name": "excite", "op": "multiply", "inputs": ["conv", "squeeze"]},
]


@pytest.mark.parametrize("op", ["global_pool", "attention", "linear"])
def test_12_1_global_layers_read_their_whole_map(op: str) -> None:
    network = net({"kernel": 3, "padding": 1}, {"op": op})
    assert len(pixels_of(network, network.layers[1].name, size=9)) == 81
    last = row(network)
    assert (float(last.area), last.extent.values.tolist()) == (inf, [inf, inf])
    assert (float(last.density), last.overlap.values.tolist()) == (1, [1, 1])
    assert bool(last.is_global)
    strided = net({"kernel": 1, "stride": 2}, {"op": op})
    assert pixels_of(strided, strided.layers[1].name, size=6) == square({0, 2, 4})


def test_12_2_globals_can_be_skipped() -> None:
    network = net(*SQUEEZE)
    assert float(row(network).area) == inf
    skipped = rf.profile(network, global_ops="skip")
    assert float(skipped.area.sel(layer="excite")) == 9
    assert skipped.attrs["dropped"] == ["squeeze"]
    assert bool(skipped.is_global.sel(layer="squeeze"))


# 13 expected squared gradients ----------------------------------------------------------------------------------------


def test_13_1_random_signs_square_the_weights() -> None:
    rng = np.random.default_rng(131)
    first, second = rng.normal(size=(3, 2)), rng.normal(size=(2, 3))  # image of 2, 3 units, 2 entries
    total, draws = np.zeros(2), list(itertools.product((-1, 1), repeat=12))
    for draw in draws:
        a, b = np.reshape(draw[:6], (3, 2)), np.reshape(draw[6:], (2, 3))
        total += ((second * b)[0] @ (first * a)) ** 2
    np.testing.assert_allclose(total / len(draws), second[0] ** 2 @ first**2, rtol=1e-12)


def test_13_2_slopes_count_by_their_mean_square() -> None:
    from statistics import NormalDist

    normal = NormalDist()
    z = np.array([normal.inv_cdf((i + 0.5) / 20000) for i in range(20000)])
    for a in (0.0, 0.1, 0.25):
        for scale in (0.1, 7.0):
            assert (np.where(scale * z > 0, 1.0, a) ** 2).mean() == pytest.approx((1 + a * a) / 2)
    for mean, spread in ((0.4, 1.0), (-2.0, 0.7)):
        assert (mean + spread * z > 0).mean() == pytest.approx(normal.cdf(mean / spread), abs=1e-3)


def test_13_3_a_max_pool_chooses_evenly() -> None:
    rng = np.random.default_rng(133)
    windows, gradient = rng.normal(size=(60000, 4)), 3.0
    chosen = np.eye(4)[windows.argmax(axis=1)] * gradient
    np.testing.assert_allclose((chosen**2).mean(axis=0), gradient**2 / 4, rtol=0.03)


def test_13_4_second_moments_of_the_gradient() -> None:
    """Two layers of slopes: over all slopes, by the recursion of second moments, and over all signs."""
    rng = np.random.default_rng(134)
    first, second, last = rng.normal(size=(3, 2)), rng.normal(size=(3, 3)) + 0.5, rng.normal(size=3)
    slope, share = 0.2, 0.3  # above 0 with this chance
    a, b = share + (1 - share) * slope, share + (1 - share) * slope**2
    total, of_signs = np.zeros(2), np.zeros(2)
    for draw in itertools.product((True, False), repeat=6):
        chance = np.prod([share if above else 1 - share for above in draw])
        for weight, values, into in (
            (chance, np.where(draw, 1, slope), total),
            (1 / 64, a + np.sqrt(b - a * a) * np.where(draw, 1, -1), of_signs),
        ):
            into += weight * (first.T @ (values[:3] * (second.T @ (values[3:] * last)))) ** 2
    moments = np.outer(last, last)
    for weights in (second, first):
        moments = a * a * moments + np.diag((b - a * a) * np.diag(moments))
        moments = weights.T @ moments @ weights
    np.testing.assert_allclose(np.diag(moments), total, rtol=1e-12)
    np.testing.assert_allclose(of_signs, total, rtol=1e-12)
    squares = b * (first.T**2 @ (b * (second.T**2 @ last**2)))
    assert np.abs(squares / total - 1).max() > 0.2


def test_13_5_norms_of_the_image_itself() -> None:
    rng = np.random.default_rng(135)
    n = 6
    x = rng.normal(size=(40000, n))
    x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
    projection = np.eye(n) - (1 + x[:, :, None] * x[:, None, :]) / n
    np.testing.assert_allclose(projection[0] @ projection[0], projection[0], atol=1e-12)
    assert np.trace(projection[0]) == pytest.approx(n - 2)
    squares = (projection**2).mean(0)
    own = 1 - 4 / n + (3 + 3 * (n - 1) / (n + 1)) / n**2
    np.testing.assert_allclose(np.diag(squares), own, rtol=0.01)
    np.testing.assert_allclose(squares[~np.eye(n, dtype=bool)], (1 - 2 / n - own) / (n - 1), rtol=0.03)


def test_13_6_factors_of_a_gate() -> None:
    rng = np.random.default_rng(136)
    a, b, g = rng.normal(0.5, 1, 400000), 1 / (1 + np.exp(-rng.normal(size=400000))), rng.choice((-2.0, 2.0), 400000)
    assert ((g * b) ** 2).mean() == pytest.approx(4 * (b**2).mean(), rel=0.01)
    assert ((g * a) ** 2).mean() == pytest.approx(4 * 1.25, rel=0.01)
    mean, square = a.mean() * b.mean(), (a**2).mean() * (b**2).mean()
    assert ((a * b).mean(), ((a * b) ** 2).mean()) == pytest.approx((mean, square), rel=0.02)


def test_13_7_attention() -> None:
    """Exact gradients of one row of attention, over draws of scores and values."""
    rng = np.random.default_rng(137)
    keys, channels, draws = 7, 5, 20000
    scores, values = rng.normal(0, 1.5, (draws, keys)), 0.4 + 1.3 * rng.normal(size=(draws, keys, channels))
    shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    g = rng.choice((-1.0, 1.0), (draws, channels))
    output = np.einsum("dk,dkc->dc", shares, values)
    exact = shares * np.einsum("dkc,dc->dk", values - output[:, None], g)
    step = 1e-6  # the slope of the first score, by differences
    moved = np.exp(scores + step * (np.arange(keys) == 0))
    moved /= moved.sum(1, keepdims=True)
    slope = np.einsum("dk,dkc,dc->d", (moved - shares) / step, values, g)
    np.testing.assert_allclose(slope, exact[:, 0], atol=1e-4)
    squares = shares**2
    others = squares.sum(1, keepdims=True) - squares
    predicted = (squares * ((1 - shares) ** 2 + others)).mean(0) * channels * 1.3**2
    np.testing.assert_allclose((exact**2).mean(0), predicted, rtol=0.1)
