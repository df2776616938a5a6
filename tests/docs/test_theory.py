"""Every numbered statement of docs/theory.md, by plain Python sets, by the engine or both."""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from math import gcd, inf, isnan, lcm, prod, sqrt
from pathlib import Path

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.analysis.path_counts import chain_variance
from rfscale.engine.errors import InputError
from rfscale.engine.footprints.forward import trace
from rfscale.engine.footprints.plan import resolve
from rfscale.engine.formulas.registry import PUBLISHED, START, advance, closed_form
from rfscale.engine.network.network import Network
from rfscale.engine.network.ops import OPS
from rfscale.engine.zoo.registry import build
from tests import ROOT
from tests.engine.strategies import random_network
from tests.oracles import plain_sets as reference

THEORY = (ROOT / "docs" / "theory.md").read_text(encoding="utf-8")
PIXEL = (frozenset({0}), 1)
Map = tuple[frozenset[int], int]  # the set of entry 0 on one axis, and the jump

# plain sets on one axis ---------------------------------------------------------------------------------------------


def apply_layer(before: Map, k: int, s: int = 1, d: int = 1) -> Map:
    """Interior footprint after a window layer, without its padding."""
    pixels, jump = before
    return frozenset(x + i * d * jump for x in pixels for i in range(k)), jump * s


def moved(pixels: frozenset[int], by: int) -> frozenset[int]:
    return frozenset(x + by for x in pixels)


def figures(at: Map) -> tuple[int, int]:
    """Pixels w and new pixels u."""
    pixels, jump = at
    return len(pixels), len(pixels - moved(pixels, jump))


def overlap(at: Map) -> Fraction:
    w, u = figures(at)
    return Fraction(w - u, w)


def solid(pixels: frozenset[int]) -> bool:
    return len(pixels) == max(pixels) - min(pixels) + 1


def runs(at: Map) -> list[list[int]]:
    """Per residue class modulo the jump, the lengths of its runs."""
    pixels, jump = at
    out = []
    for r in {x % jump for x in pixels}:
        places = sorted(x // jump for x in pixels if x % jump == r)
        ends = [i for i, x in enumerate(places) if i + 1 == len(places) or places[i + 1] != x + 1]
        out.append([b - a for a, b in itertools.pairwise([-1, *ends])])
    return out


def gaps(at: Map) -> list[int]:
    """Missing places between the runs of each class."""
    pixels, jump = at
    out = []
    for r in {x % jump for x in pixels}:
        places = sorted(x // jump for x in pixels if x % jump == r)
        out += [b - a - 1 for a, b in itertools.pairwise(places) if b > a + 1]
    return out


def regular(at: Map) -> bool:
    lengths = runs(at)
    every = [n for row in lengths for n in row]
    return all(len(row) == 1 for row in lengths) and max(every) - min(every) <= 1


def random_map(rng: random.Random) -> Map:
    return frozenset({0} | {rng.randint(1, 24) for _ in range(rng.randint(0, 12))}), rng.randint(1, 5)


def net(*layers: dict, **more: object) -> Network:
    return Network.sequential(*layers, **more)


def pixels_of(network: Network, layer: str, entry: object = "center", size: int | None = None) -> set[tuple[int, ...]]:
    """Pixels of an engine footprint."""
    fp = rf.footprint(network, layer, entry, size)
    coords = [fp[d].values for d in fp.dims]
    return {tuple(int(c[i]) for c, i in zip(coords, at, strict=True)) for at in np.argwhere(fp.values)}


def square(pixels: set[int] | range) -> set[tuple[int, int]]:
    return set(itertools.product(pixels, pixels))


def row(network: Network, layer: str | int = -1, **more: object):
    name = network.layers[layer].name if isinstance(layer, int) else layer
    return rf.profile(network, **more).sel(layer=name)


# 1 conventions ------------------------------------------------------------------------------------------------------


def test_1_1_axes_separate() -> None:
    rng = random.Random(11)
    for _ in range(200):
        (ys, jy), (xs, jx) = random_map(rng), random_map(rng)
        pixels = set(itertools.product(ys, xs))
        down, right = {(y + jy, x) for y, x in pixels}, {(y, x + jx) for y, x in pixels}
        assert len(pixels) == len(ys) * len(xs)
        assert Fraction(len(pixels & down), len(pixels)) == overlap((ys, jy))
        assert Fraction(len(pixels & right), len(pixels)) == overlap((xs, jx))


# 2 layers as axis maps ----------------------------------------------------------------------------------------------


def _window_row(p: dict) -> tuple[int, int, list]:
    return 1, p["stride"], [[p["dilation"] * i - p["padding"] for i in range(p["kernel"])]]


def _transposed_row(p: dict) -> tuple[int, int, list]:
    s, d, pad = p["stride"], p["dilation"], p["padding"]
    whole = [[(r + pad - d * i) // s for i in range(p["kernel"]) if (r + pad - d * i) % s == 0] for r in range(s)]
    return s, 1, whole


def _resized_row(n: int, m: int, mode: str) -> tuple[int, int, list]:
    up, down = m // gcd(n, m), n // gcd(n, m)
    if mode == "nearest":
        return up, down, [[r * down // up] for r in range(up)]
    if mode == "adaptive":
        return up, down, [list(range(r * down // up, -(-(r + 1) * down // up))) for r in range(up)]
    taps = []
    for r in range(up):
        position = Fraction((2 * r + 1) * down, 2 * up) - Fraction(1, 2)
        low = position.__floor__()
        taps.append([low] if position == low else [low, low + 1])
    return up, down, taps


def _table(op: str, p: dict, n: int) -> tuple[int, int, list]:
    """The rows of the table of 2.1, as it prints them."""
    if op in ("conv", "max_pool", "avg_pool", "lp_pool"):
        return _window_row(p)
    if op == "conv_transpose":
        return _transposed_row(p)
    if op == "pixel_shuffle" or (op == "upsample" and p["mode"] == "nearest"):
        return p["scale"], 1, [[0]] * p["scale"]
    if op == "upsample":
        return _resized_row(1, p["scale"], "bilinear")
    if op == "resize":
        return _resized_row(n, p["size"], p["mode"])
    if op == "adaptive_pool":
        return _resized_row(n, p["size"], "adaptive")
    if op == "space_to_depth":
        return 1, p["scale"], [list(range(p["scale"]))]
    if op == "slice":
        return 1, p["step"], [[p["start"]]]
    if op == "window_attention":
        return p["window"], p["window"], [list(range(p["window"]))] * p["window"]
    return 1, 1, [[{"pad": -p.get("padding", 0), "crop": p.get("amount", 0), "pointwise": 0}[op]]]


AXIS_CASES: list[tuple[str, dict]] = [
    *(
        (op, {"kernel": k, "stride": s, "dilation": d, "padding": p})
        for op in ("conv", "max_pool", "conv_transpose")
        for k, s, d, p in itertools.product((1, 2, 3, 4), (1, 2, 3), (1, 2, 3), (0, 1, 2))
    ),
    *((op, {"scale": f}) for op in ("pixel_shuffle", "space_to_depth") for f in (1, 2, 3, 4)),
    *(("upsample", {"scale": f, "mode": m}) for f in range(1, 6) for m in ("nearest", "bilinear")),
    *(("resize", {"size": n, "mode": m}) for n in range(1, 31) for m in ("nearest", "bilinear")),
    *(("adaptive_pool", {"size": n}) for n in range(2, 31)),
    *(("slice", {"start": a, "step": s}) for a in range(3) for s in range(1, 4)),
    *(("window_attention", {"window": f}) for f in range(1, 5)),
    *(("pad", {"padding": p}) for p in range(3)),
    *(("crop", {"amount": a}) for a in range(3)),
    ("pointwise", {}),
]


@pytest.mark.parametrize("op", sorted({op for op, _ in AXIS_CASES}))
def test_2_1_axis_maps(op: str) -> None:
    """The table, the engine's maps and the oracle agree."""
    n = 12
    for params in (p for name, p in AXIS_CASES if name == op):
        up, down, taps = _table(op, params, n)
        network = net({"op": op, **params}, axes=1, input_size=[n])
        layer = network.layers[0]
        axis_map = OPS[op].axis_map(layer.params, 0, n)
        for o in range(-7, 8):
            m, r = divmod(o, up)
            expected = {down * m + t for t in taps[r]}
            assert set(axis_map.reads(o)) == expected, (params, o)
            assert set(reference.axis_reads(op, layer.params, 0, o, n, False)) == expected, (params, o)


# 3 unions of products -----------------------------------------------------------------------------------------------


def test_3_1_layers_act_on_the_axes_of_a_term() -> None:
    rng = random.Random(31)
    for _ in range(100):
        sets = {
            e: [random_map(rng)[0] for _ in range(3)] for e in itertools.product("yx", range(4))
        }  # 3 terms, 4 entries
        reads_y, reads_x = rng.sample(range(4), rng.randint(1, 4)), rng.sample(range(4), rng.randint(1, 4))
        direct = {
            pixel
            for a, b in itertools.product(reads_y, reads_x)
            for t in range(3)
            for pixel in itertools.product(sets["y", a][t], sets["x", b][t])
        }
        terms = [
            (set().union(*(sets["y", a][t] for a in reads_y)), set().union(*(sets["x", b][t] for b in reads_x)))
            for t in range(3)
        ]
        assert direct == {pixel for ys, xs in terms for pixel in itertools.product(ys, xs)}


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet152"])
def test_3_2_residual_networks_keep_one_term(name: str) -> None:
    assert all(len(terms) == 1 for terms in trace(build(name, classes=None)).terms if terms)


def test_3_3_joining() -> None:
    rng = random.Random(33)
    for _ in range(100):
        network = Network.from_dict(random_network(rng, None, 1))
        assert all(len(terms) == 1 for terms in trace(network, network.input_size).terms if terms)
    aspp = row(build("aspp"), "aspp")
    assert (int(aspp.terms), float(aspp.area)) == (3, 25)


CROSS = [
    {"name": "h", "kernel": [1, 7], "padding": [0, 3], "inputs": "input"},
    {"name": "v", "kernel": [7, 1], "padding": [3, 0], "inputs": "input"},
    {"name": "cross", "op": "add", "inputs": ["h", "v"]},
]


def test_3_4_areas_by_masks() -> None:
    rng = random.Random(34)
    for _ in range(200):
        terms = [(random_map(rng)[0], random_map(rng)[0]) for _ in range(rng.randint(1, 5))]
        masks = [
            Counter(sum(1 << t for t, term in enumerate(terms) if p in term[axis]) for p in range(25))
            for axis in (0, 1)
        ]
        counted = sum(a * b for (m, a), (n, b) in itertools.product(*(c.items() for c in masks)) if m & n)
        assert counted == len({pixel for ys, xs in terms for pixel in itertools.product(ys, xs)})
    network = net(*CROSS, {"name": "pool", "op": "max_pool", "kernel": 2})
    assert [float(row(network, n).area) for n in ("cross", "pool")] == [13, 28]
    assert row(network, "cross").extent.values.tolist() == [7, 7]


def test_3_4_more_than_64_terms_are_still_exact() -> None:
    steps = [{"name": f"b{i}", "kernel": [i, 71 - i], "inputs": "input"} for i in range(1, 71)]
    network = net(*steps, {"name": "stairs", "op": "add", "inputs": [s["name"] for s in steps]})
    stairs = {pixel for i in range(1, 71) for pixel in itertools.product(range(i), range(71 - i))}
    assert float(row(network).area) == len(stairs) == 70 * 71 // 2
    assert pixels_of(network, "stairs") == stairs


# 4 interior maps ----------------------------------------------------------------------------------------------------


def test_4_1_phases() -> None:
    rng = random.Random(41)
    for _ in range(150):
        maps = []
        for _ in range(rng.randint(1, 4)):
            up, down = rng.randint(1, 4), rng.randint(1, 4)
            maps.append((up, down, [[rng.randint(-2, 3) for _ in range(rng.randint(0, 3))] for _ in range(up)]))

        def pixels(o: int, depth: int, maps: list = maps) -> frozenset[int]:
            if depth < 0:
                return frozenset({o})
            up, down, taps = maps[depth]
            return frozenset().union(*(pixels(down * (o // up) + t, depth - 1) for t in taps[o % up]))

        u, shift, jump = 1, 1, Fraction(1)
        for up, down, _ in maps:
            m = u // gcd(u, down)
            assert m == min(i for i in range(1, u + 1) if down * i % u == 0)
            assert down * m == lcm(u, down)
            assert shift * down * m % u == 0
            u, shift = up * m, shift * down * m // u
            jump = jump * down / up
        assert jump == Fraction(shift, u)
        for o in range(-3, u + 3):
            assert pixels(o + u, len(maps) - 1) == moved(pixels(o, len(maps) - 1), shift)


def test_4_2_branches_need_one_jump() -> None:
    layers = [{"name": "a", "kernel": 2, "stride": 2, "inputs": "input"}, {"name": "b", "kernel": 3, "inputs": "input"}]
    with pytest.raises(InputError, match=r"'a' has 2×2, 'b' has 1×1"):
        rf.profile(net(*layers, {"name": "s", "op": "add", "inputs": ["a", "b"]}))
    third = {"op": "conv_transpose", "kernel": 6, "stride": 3, "inputs": "input"}
    half = {"op": "conv_transpose", "kernel": 4, "stride": 2}
    network = net(
        {"name": "a", **third}, {"name": "b", **half}, {"name": "c", **third}, {"name": "d", **half, "inputs": "c"}
    )
    merged = Network.from_dict(
        {"layers": [*network.to_dict()["layers"], {"name": "s", "op": "add", "inputs": ["b", "d"]}]}
    )
    assert row(merged).phases == 36
    assert row(merged).jump.values.tolist() == pytest.approx([1 / 6, 1 / 6])


def test_4_3_figures_of_several_phases() -> None:
    network = net({"op": "upsample", "scale": 2}, {"kernel": 3, "padding": 1})
    assert pixels_of(network, "conv2", (0, 0)) == square({-1, 0})
    assert pixels_of(network, "conv2", (1, 1)) == square({0, 1})
    last = row(network)
    assert (float(last.area), int(last.phases), last.jump.values.tolist()) == (4, 4, [0.5, 0.5])
    assert last.entry.values.tolist() == [0, 0]  # all four are alike: the first that shares least with the next


# 5 finite maps ------------------------------------------------------------------------------------------------------


def test_5_1_cutting_at_the_image_is_wrong_with_holes() -> None:
    network = net({"kernel": 3, "dilation": 3, "padding": 3}, {"kernel": 3, "padding": 1})
    cut = {p for p in pixels_of(network, "conv2", (0, 0)) if min(p) >= 0}
    assert cut == square(range(5))
    assert pixels_of(network, "conv2", (0, 0), 32) == square({0, 1, 3, 4})
    assert (len(cut), int(rf.entry_map(network, "conv2", 32).area[0, 0])) == (25, 16)


def test_5_2_cutting_at_the_image_is_wrong_without_holes() -> None:
    network = net({"kernel": 3, "stride": 2}, {"kernel": 3, "padding": 1}, input_size=[6, 6])
    assert network.map_sizes() == {"input": (6, 6), "conv1": (2, 2), "conv2": (2, 2)}
    cut = {p for p in pixels_of(network, "conv2", (1, 1)) if min(p) >= 0 and max(p) < 6}
    assert cut == square(range(6))
    assert pixels_of(network, "conv2", (1, 1), 6) == square(range(5))


@pytest.mark.parametrize(("name", "layer", "size"), [("dilated5", "conv5", 41), ("resnet18", "layer2", 224)])
def test_5_3_the_middle_of_a_large_map_is_interior(name: str, layer: str, size: int) -> None:
    network = build(name)
    entry = tuple(n // 2 for n in network.map_sizes(size)[layer])
    assert pixels_of(network, layer, entry, size) == pixels_of(network, layer, entry)


def test_5_4_zeros_are_no_path_and_copies_are() -> None:
    def corner(mode: str) -> set[int]:
        network = net({"op": "pad", "padding": 1, "mode": mode}, {"kernel": 2}, axes=1)
        return {x for (x,) in pixels_of(network, "conv2", 0, 8)}

    assert {m: corner(m) for m in ("zeros", "reflect", "replicate", "circular")} == {
        "zeros": {0},
        "reflect": {0, 1},
        "replicate": {0},
        "circular": {0, 7},
    }


# 6 sumsets ----------------------------------------------------------------------------------------------------------


def test_6_1_chains_are_sumsets_and_commute() -> None:
    rng = random.Random(61)
    for _ in range(200):
        layers = [(rng.randint(1, 4), rng.randint(1, 3), rng.randint(1, 3)) for _ in range(rng.randint(1, 4))]
        at, steps = PIXEL, []
        for k, s, d in layers:
            steps.append((k, d * at[1]))
            at = apply_layer(at, k, s, d)
        rng.shuffle(steps)
        assert at[0] == {sum(c) for c in itertools.product(*([i * a for i in range(k)] for k, a in steps))}


def test_6_2_overlap_is_a_sumset() -> None:
    rng = random.Random(62)
    for _ in range(300):
        (x, _), j = random_map(rng), rng.randint(1, 9)
        assert len(x & moved(x, j)) == 2 * len(x) - len({a + b for a in x for b in (0, j)})


def test_6_3_solid_stays_solid() -> None:
    for w, jump, k, d, s in itertools.product(range(1, 10), range(1, 6), range(2, 5), range(1, 4), range(1, 4)):
        out = apply_layer((frozenset(range(w)), jump), k, s, d)
        a = d * jump
        assert solid(out[0]) == (a <= w)
        if a <= w:
            assert figures(out) == (w + (k - 1) * a, min(w + (k - 1) * a, jump * s))
        else:
            assert set(gaps((out[0], 1))) == {a - w}


def test_6_4_holes_close_again() -> None:
    assert apply_layer((frozenset({0, 2, 4}), 1), 2)[0] == set(range(6))


def free_of_holes(steps: list[tuple[int, int]]) -> bool:
    """The criterion of 6.5, on (kernel, step) pairs."""
    length = 1
    for a, k in sorted((a, k) for k, a in steps if k > 1):
        if a > length:
            return False
        length += (k - 1) * a
    return True


def test_6_5_criterion_for_holes() -> None:
    kinds = list(itertools.product((1, 2, 3, 4), (1, 2, 3, 4, 5, 7, 10)))
    for depth in (1, 2, 3):
        for steps in itertools.combinations_with_replacement(kinds, depth):
            at = PIXEL
            for k, a in steps:
                at = apply_layer((at[0], 1), k, 1, a)
            assert free_of_holes(list(steps)) == solid(at[0]), steps


def hdc(rates: tuple[int, ...], kernel: int = 3) -> bool:
    """Wang et al. 2018, eq. 2: M_i = max(M_{i+1} - 2 r_i, 2 r_i - M_{i+1}, r_i), and M_2 <= K."""
    m = rates[-1]
    for r in rates[-2:0:-1]:
        m = max(m - 2 * r, m - 2 * (m - r), r)
    return m <= kernel


def test_6_6_dilation_rates() -> None:
    def after_rates(rates: tuple[int, ...]) -> frozenset[int]:
        at = PIXEL
        for r in rates:
            at = apply_layer(at, 3, 1, r)
        return at[0]

    assert after_rates((1, 2, 5)) == set(range(17))
    assert not solid(after_rates((1, 2, 9)))
    assert after_rates((2, 2, 2)) == set(range(0, 13, 2))
    assert hdc((2, 2, 2))  # it does not use the first rate
    for n in (2, 3, 4):
        for rates in itertools.combinations_with_replacement(range(1, 11), n - 1):
            assert hdc((1, *rates)) == free_of_holes([(3, r) for r in (1, *rates)])
    assert free_of_holes([(3, r) for r in (1, 1, 2, 4, 8, 16, 1)])  # Yu and Koltun


# 7 closed form ------------------------------------------------------------------------------------------------------


def test_7_1_fresh_pixels_are_runs() -> None:
    rng = random.Random(71)
    for _ in range(500):
        at = random_map(rng)
        assert figures(at)[1] == sum(map(len, runs(at)))


def regular_maps() -> Iterator[Map]:
    """Solid sets, what undilated layers make of them, and bare patterns of runs of two neighbouring lengths."""
    for w, jump in itertools.product(range(1, 13), range(1, 6)):
        yield frozenset(range(w)), jump
    for jump, length in itertools.product(range(1, 5), range(1, 5)):
        for pattern in itertools.product((None, 0, 1), repeat=jump):
            lengths = [(r, length + more) for r, more in enumerate(pattern) if more is not None]
            if lengths:
                yield frozenset(r + jump * (i + r) for r, n in lengths for i in range(n)), jump


LAYERS = list(itertools.product(range(1, 8), range(1, 5), range(1, 9)))


def test_7_2_closed_form_on_regular_maps() -> None:
    """Any k up to 7, s up to 4, d up to 8 (7.5 for solid sets), and 7.3, 7.6 on what they leave."""
    for at in regular_maps():
        assert regular(at)
        w, u = figures(at)
        for k, s, d in LAYERS:
            out = apply_layer(at, k, s, d)
            assert advance(w, u, k, s, d) == figures(out), (at, k, s, d)
            if d * u <= w or s % d == 0:
                assert regular(out), (at, k, s, d)


def test_7_2_the_sum_is_the_minimum_where_both_hold() -> None:
    for u, k, s, d in itertools.product(range(1, 5), range(1, 5), range(1, 5), range(1, 5)):
        w = d * u
        wider = w + (k - 1) * w
        shared = sum((k - abs(i)) * max(0, w - abs(s - i * d) * u) for i in range(1 - k, k))
        assert wider - shared == min(wider, s * u)


def test_7_3_regular_maps_stay_regular() -> None:
    for at in regular_maps():
        w, u = figures(at)
        for k, s, d in itertools.product(range(1, 5), range(1, 8), range(1, 4)):
            if d * u <= w:
                assert regular(apply_layer(at, k, s, d))


def test_7_4_undilated_chains() -> None:
    count = 0
    layers = [(k, s, 1) for k in range(1, 5) for s in range(1, 4)]
    states = [(PIXEL, (1, 1))]
    for _ in range(4):
        after = []
        for (at, (w, u)), (k, s, d) in itertools.product(states, layers):
            out, value = apply_layer(at, k, s, d), advance(w, u, k, s, d)
            assert value == figures(out)
            assert regular(out)
            after.append((out, value))
        states = after
        count += len(states)
    assert count == 22620
    gappy = apply_layer(apply_layer(PIXEL, 2, 3), 2, 3)
    assert gappy == ({0, 1, 3, 4}, 9)
    assert figures(gappy) == (4, 4)


def test_7_5_dilated_chains_until_holes() -> None:
    rng = random.Random(75)
    inside = 0
    for _ in range(3000):
        at, value, still = PIXEL, (1, 1), True
        for _ in range(rng.randint(1, 5)):
            if not still:
                break
            k, s, d = rng.randint(1, 5), rng.randint(1, 3), rng.randint(1, 4)
            still = k == 1 or d * value[1] <= value[0]
            at, value = apply_layer(at, k, s, d), advance(*value, k, s, d)
            assert value == figures(at)
            inside += 1
    assert inside > 4000


def test_7_6_what_a_wide_layer_leaves() -> None:
    assert not regular(apply_layer(PIXEL, 3, 1, 2))
    assert apply_layer(PIXEL, 3, 2, 2) == ({0, 2, 4}, 2)
    assert regular(apply_layer(PIXEL, 3, 2, 2))
    assert figures(apply_layer(apply_layer(PIXEL, 3, 2, 2), 3)) == advance(3, 1, 3)


def test_7_6_in_shares() -> None:
    """The same in P, as the page and the registry print it."""
    for (k, s, d), (w, u) in itertools.product(LAYERS[::3], [(1, 1), (9, 1), (9, 4), (12, 5), (7, 7)]):
        q = Fraction(u, w)
        if d * q <= 1:
            wider, shared = 1 + (k - 1) * d * q, max(Fraction(0), 1 - s * q / (1 + (k - 1) * d * q))
        else:
            wider = Fraction(k)
            shared = sum((k - abs(i)) * max(Fraction(0), 1 - abs(s - i * d) * q) for i in range(1 - k, k)) / k
        found = closed_form(w, 1 - u / w, k, s, d)
        assert found == pytest.approx((float(w * wider), float(shared)), abs=1e-12)
        pixels, new = advance(w, u, k, s, d)
        assert (pixels, 1 - Fraction(new, pixels)) == (w * wider, shared)


@pytest.mark.parametrize("family", ["chain", "residual", "aspp", "inception", "all_ops"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_7_7_closed_form_in_profiles_is_exact_or_absent(family: str, ndim: int) -> None:
    rng = random.Random(f"77 {family} {ndim}")
    inside = 0
    for _ in range(25):
        network = Network.from_dict(random_network(rng, family, ndim))
        ds = rf.profile(network, global_ops="skip")
        for name in ds.layer.values:
            at = ds.sel(layer=name)
            if "closed_form" in str(at.formula_domain.values):
                assert isnan(at.closed_form_area)
                assert np.isnan(at.closed_form_overlap.values).all()
            else:
                assert float(at.closed_form_area) == float(at.area), (network.to_dict(), name)
                assert at.closed_form_overlap.values == pytest.approx(at.overlap.values, abs=1e-12)
                inside += 1
    assert inside > 20


def test_7_7_parallel_dilations_are_outside_the_domain() -> None:
    """Three branches of equal w and u, and not of equal pixels."""
    at = row(build("aspp"), "aspp")
    assert float(at.area) == 25
    assert isnan(at.closed_form_area)


# 8 the limits of formulas -------------------------------------------------------------------------------------------


def test_8_1_equal_figures_unequal_outcome() -> None:
    holes, apart = apply_layer(PIXEL, 3, 1, 2), apply_layer(PIXEL, 3, 3)
    assert (holes, apart) == (({0, 2, 4}, 1), ({0, 1, 2}, 3))
    assert figures(holes) == figures(apart) == (3, 3)
    assert [figures(apply_layer(at, 3))[0] ** 2 for at in (holes, apart)] == [49, 81]
    assert float(row(net({"kernel": 3, "dilation": 2}, {"kernel": 3})).area) == 49
    assert float(row(net({"kernel": 3, "stride": 3}, {"kernel": 3})).area) == 81


def test_8_2_any_map_after_an_undilated_layer() -> None:
    rng = random.Random(82)
    for _ in range(1000):
        at = random_map(rng)
        w, u = figures(at)
        for k in range(1, 6):
            missing = gaps(at)
            wider = w + (k - 1) * u - sum(max(0, k - 1 - g) for g in missing)
            new = u - sum(g <= k - 1 for g in missing)
            assert figures(apply_layer(at, k)) == (wider, new)


def small_maps() -> Iterator[Map]:
    """All sets of pixels 0..9 that hold pixel 0, at jumps 1 to 3."""
    for bits in range(1, 1 << 10, 2):
        for jump in (1, 2, 3):
            yield frozenset(i for i in range(10) if bits >> i & 1), jump


def test_8_3_when_the_area_of_a_3x3_is_exact() -> None:
    for x, j in small_maps():
        w, u = figures((x, j))
        exact = figures(apply_layer((x, j), 3))[0] == w + 2 * u
        assert exact == (x & moved(x, 2 * j) <= moved(x, j)) == (1 not in gaps((x, j)))


def test_8_4_when_the_overlap_of_a_3x3_is_exact() -> None:
    for x, j in small_maps():
        w, u = figures((x, j))
        exact = overlap(apply_layer((x, j), 3)) == 1 - Fraction(u, w + 2 * u)
        one = x & moved(x, 2 * j) <= moved(x, j)
        two = x & moved(x, 3 * j) <= moved(x, j) | moved(x, 2 * j)
        assert exact == (one and two)
    after = apply_layer(apply_layer(PIXEL, 2, 1, 3), 3)
    assert figures(after)[0] == advance(2, 2, 3)[0] == 6
    assert (overlap(after), closed_form(2, 0.0, 3)[1]) == (Fraction(5, 6), pytest.approx(2 / 3))


def test_8_5_order() -> None:
    assert (
        apply_layer(apply_layer(PIXEL, 3), 3, 1, 2) == apply_layer(apply_layer(PIXEL, 3, 1, 2), 3) == (set(range(7)), 1)
    )
    assert advance(*advance(1, 1, 3), 3, 1, 2)[0] ** 2 == 49
    assert advance(*advance(1, 1, 3, 1, 2), 3)[0] ** 2 == 81


# 9 published formulas -----------------------------------------------------------------------------------------------

SHAPES = {  # name -> layers (k, s, d)
    "pool2": [(2, 2, 1)],
    "conv3": [(3, 1, 1)],
    "conv3_s2": [(3, 2, 1)],
    "conv1": [(1, 1, 1)],
    "conv1_s2": [(1, 2, 1)],
    "conv3_pool2": [(3, 1, 1), (2, 2, 1)],
    "dilated3": [(3, 1, 2)],
}
Q = np.linspace(0, 1, 101)[1:]


def through(at: Map, name: str) -> Map:
    for k, s, d in SHAPES[name]:
        at = apply_layer(at, k, s, d)
    return at


def published_exact(name: str, at: Map) -> tuple[bool, bool]:
    """Whether a published formula gives the true area, and the true overlap, after a map."""
    out = through(at, name)
    S, P = PUBLISHED[name](float(figures(at)[0] ** 2), float(overlap(at)))
    return abs(S - figures(out)[0] ** 2) < 1e-6 * max(1, abs(S)), abs(P - float(overlap(out))) < 1e-9


def test_9_table() -> None:
    """The columns w'/w and P' of the table are the published formulas."""
    P = 1 - Q
    table = {
        "pool2": (1 + Q, 1 - 2 * Q / (1 + Q), 2 - P, P / (2 - P)),
        "conv3": (1 + 2 * Q, 1 - Q / (1 + 2 * Q), 1 + 2 * Q, (1 + Q) / (1 + 2 * Q)),
        "conv3_s2": (1 + 2 * Q, 1 - 2 * Q / (1 + 2 * Q), 1 + 2 * Q, 1 / (1 + 2 * Q)),
        "conv1_s2": (1 + 0 * Q, np.maximum(0, 1 - 2 * Q), 1 + 0 * Q, 2 * np.maximum(P - 0.5, 0)),
        "conv1": (1 + 0 * Q, P, 1 + 0 * Q, P),
        "conv3_pool2": (1 + 3 * Q, (1 + Q) / (1 + 3 * Q), 4 - 3 * P, (2 - P) / (4 - 3 * P)),
    }
    for name, (scale, overlaps, scale_too, overlaps_too) in table.items():
        area, shared = PUBLISHED[name](1.0, P)
        for printed, ours in ((area, scale**2), (area, scale_too**2), (shared, overlaps), (shared, overlaps_too)):
            np.testing.assert_allclose(printed, ours, atol=1e-14)


@pytest.mark.parametrize("first", [None, "conv7_s2_first"])
def test_9_1_to_9_7_undilated_square_chains(first: str | None) -> None:
    """All chains of the published undilated layers up to depth 5, formula upon formula; 9.5 gaps included."""
    names = [n for n in SHAPES if n != "dilated3"]
    states = [(apply_layer(PIXEL, 7, 2), PUBLISHED[first](*START)) if first else (PIXEL, START)]
    count = 0
    for _ in range(4 if first else 5):
        after = []
        for (at, value), name in itertools.product(states, names):
            out, values = through(at, name), PUBLISHED[name](*value)
            assert values[0] == pytest.approx(figures(out)[0] ** 2, rel=1e-12)
            assert values[1] == pytest.approx(float(overlap(out)), abs=1e-12)
            after.append((out, values))
        states = after
        count += len(after)
    assert count == sum(6**n for n in range(1, 5 if first else 6))


def test_9_4_first_layer() -> None:
    assert PUBLISHED["conv7_s2_first"](*START) == (49, 5 / 7)
    assert figures(apply_layer(PIXEL, 7, 2)) == (7, 2)


def test_9_6_pointwise_is_always_exact() -> None:
    rng = random.Random(96)
    for _ in range(100):
        assert published_exact("conv1", random_map(rng)) == (True, True)


def test_9_8_dilated_on_regular_maps() -> None:
    beyond = 0
    for at in regular_maps():
        P = overlap(at)
        w = figures(at)[0]
        out = through(at, "dilated3")
        high = 2 * P > 1
        scale, shared = (5 - 4 * P, (4 - 3 * P) / (5 - 4 * P)) if high else (Fraction(3), 5 * P / 3)
        assert (figures(out)[0], overlap(out)) == (w * scale, shared)
        assert published_exact("dilated3", at) == (not high, not high)
        beyond += high
    assert beyond > 20


def test_9_9_what_the_dilated_formula_drops() -> None:
    P = 1 - Q
    m = np.maximum(0, 2 * P - 1)
    area, _ = PUBLISHED["dilated3"](1.0, P)
    np.testing.assert_allclose(area, 9 - 12 * m, atol=1e-13)
    np.testing.assert_allclose((3 - 2 * m) ** 2 - area, 4 * m**2, atol=1e-13)
    np.testing.assert_allclose((3 - 2 * m)[P >= 0.5], (5 - 4 * P)[P >= 0.5], atol=1e-13)
    assert ((area < -1e-12) == (P > 7 / 8)).all()


def test_9_10_negative_area() -> None:
    layers = [{"kernel": 3}] * 4 + [{"kernel": 3, "dilation": 2}]
    at = PIXEL
    for layer in layers[:4]:
        at = apply_layer(at, layer["kernel"])
    assert figures(at) == (9, 1)
    assert PUBLISHED["dilated3"](81, 8 / 9)[0] == pytest.approx(-27)
    last = row(net(*layers))
    assert (float(last.area), float(last.published_area)) == (169, pytest.approx(-27))
    assert float(last.closed_form_area) == 169


def test_9_11_overlap_of_the_dilated_formula() -> None:
    q = Q[Q < 0.5]
    printed, truth = PUBLISHED["dilated3"](1.0, 1 - q)[1], (1 + 3 * q) / (1 + 4 * q)
    off_pole = abs(q - 1 / 8) > 1e-9
    np.testing.assert_allclose(printed[off_pole], ((4 * q**2 + 15 * q - 1) / (24 * q - 3))[off_pole], rtol=1e-9)
    assert (abs(printed - truth) > 1e-5).all()
    assert PUBLISHED["dilated3"](1.0, 0.5)[1] == pytest.approx(5 / 6) == 2.5 / 3
    root = (sqrt(241) - 15) / 8
    assert 1 - root == pytest.approx(0.934, abs=5e-4)
    p = np.linspace(0.5, 1, 5001)
    p = p[p != 0.875]
    values = PUBLISHED["dilated3"](1.0, p)[1]
    assert ((values > 1 + 1e-12) == ((p > 0.75) & (p < 0.875))).all()
    assert ((values < 0) == ((p > 0.875) & (p < 1 - root))).all()
    assert values[-1] == pytest.approx(1 / 3)
    low = np.linspace(0, 0.499, 50)
    np.testing.assert_allclose(PUBLISHED["dilated3"](1.0, low)[1], 5 * low / 3)


def test_9_12_five_dilated_layers() -> None:
    value = START
    for _ in range(5):
        value = PUBLISHED["dilated3"](*value)
    assert value == (59049, 0)
    assert sqrt(value[0]) == 243
    last = row(build("dilated5"))
    assert (float(last.area), last.extent.values.tolist(), round(float(last.density), 2)) == (121, [21, 21], 0.27)
    assert pixels_of(build("dilated5"), "conv5", (10, 10)) == square(range(0, 21, 2))
    assert float(last.published_area) == 59049
    plain, strided = row(build("plain5")), row(build("strided5"))
    assert (float(plain.area), float(plain.density)) == (11**2, 1)
    assert (float(strided.area), float(strided.density)) == (63**2, 1)


def test_9_13_other_numbers_of_the_article() -> None:
    assert [overlap(apply_layer(PIXEL, 3, s)) for s in (1, 2, 3)] == [Fraction(2, 3), Fraction(1, 3), 0]
    assert PUBLISHED["pool2"](9, 2 / 3)[1] == pytest.approx(1 / 2)
    ds = rf.profile(build("stack20"))
    assert ds.area.values.tolist() == [(2 * n + 1) ** 2 for n in range(1, 21)]
    np.testing.assert_allclose(ds.published_area, ds.area)
    assert float(ds.width[-1]) == 41
    stages = rf.profile(build("resnet50-v1")).sel(layer=[f"layer{i}" for i in (1, 2, 3, 4)])
    assert stages.extent.sel(axis="x").values.tolist() == [35, 99, 291, 483]
    np.testing.assert_allclose(stages.published_area, stages.area)


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


def paths(layers: list[tuple[int, int, int]]) -> Counter[int]:
    """Number of paths from each pixel, along one axis of a chain."""
    counts, jump = Counter({0: 1}), 1
    for k, s, d in layers:
        wider: Counter[int] = Counter()
        for x, n in counts.items():
            for i in range(k):
                wider[x + i * d * jump] += n
        counts, jump = wider, jump * s
    return counts


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


# the docs themselves ------------------------------------------------------------------------------------------------


def test_every_statement_has_a_test() -> None:
    numbers = re.findall(r"\*\*(\d+\.\d+)\*\*", THEORY)
    assert numbers == sorted(set(numbers), key=lambda n: [int(i) for i in n.split(".")])
    tests = Path(__file__).read_text(encoding="utf-8")
    for number in numbers:
        section, item = number.split(".")
        if section == "9" and int(item) <= 7:
            item = "1_to_9_7"
        assert f"def test_{section}_{item}_" in tests, number


# 14 spaces with branches ----------------------------------------------------------------------------------------------


def test_14_1_a_stage_is_a_structuring_element() -> None:
    draw = random.Random(141)
    for _ in range(50):
        jump = draw.randint(1, 3)
        terms = [frozenset(draw.sample(range(8), 3)) for _ in range(2)]
        paths = [frozenset(draw.sample(range(-4, 5), 2)) for _ in range(2)]
        entries = {(y, x) for p in paths for y in p for x in p}
        footprint = {(y + a * jump, x + b * jump) for t in terms for y in t for x in t for a, b in entries}
        moved = [{x + jump * a for x in t for a in p} for t in terms for p in paths]
        assert footprint == {(y, x) for s in moved for y in s for x in s}


def test_14_2_nas_bench_201_has_five_effects() -> None:
    longest = Counter()
    for xa, xb, xo, ab, ao, bo in itertools.product((None, 0, 0, 1, 1), repeat=6):  # none, skip, 1x1, 3x3, pool 3x3
        a = xa
        b = max((n for n in (xb, None if None in (a, ab) else a + ab) if n is not None), default=None)
        ends = (xo, None if None in (a, ao) else a + ao, None if None in (b, bo) else b + bo)
        longest[max((n for n in ends if n is not None), default=None)] += 1
    assert longest == {None: 341, 0: 1642, 1: 7122, 2: 5520, 3: 1000}


def test_14_3_a_skip_beside_an_odd_window_costs_nothing() -> None:
    for k, d in itertools.product((3, 5), (1, 2, 5)):
        assert 0 in {d * i - d * (k - 1) // 2 for i in range(k)}
    assert {2 * i - 1 for i in range(2)} == {-1, 1}


def test_14_4_hulls_and_axes_are_states() -> None:
    draw = random.Random(144)
    for _ in range(50):
        terms = [set(draw.sample(range(9), 3)) for _ in range(3)]
        paths = [set(draw.sample(range(-3, 4), 2)) for _ in range(3)]
        jump = draw.randint(1, 3)
        after = set().union(*({x + jump * a for x in t for a in p} for t in terms for p in paths))
        whole, effect = set().union(*terms), set().union(*paths)
        assert after == {x + jump * a for x in whole for a in effect}
        extent, reach = max(whole) - min(whole) + 1, max(effect) - min(effect) + 1
        assert max(after) - min(after) + 1 == extent + (reach - 1) * jump


def test_14_5_antichains_are_no_minimal_key() -> None:
    pairs = [set(pair) for pair in itertools.combinations((1, 2, 3), 2)]
    union = set().union(*({(y, x) for y in p for x in p} for p in pairs))
    assert union == set(itertools.product((1, 2, 3), repeat=2))
    assert not any({1, 2, 3} <= p for p in pairs)


def test_14_6_masks_of_down_sets_are_antichains() -> None:
    draw = random.Random(146)
    universe = [frozenset(draw.sample(range(6), draw.randint(1, 4))) for _ in range(12)]

    def mask(terms: set[frozenset[int]]) -> int:
        return sum(1 << i for i, e in enumerate(universe) if any(e <= t for t in terms))

    def maximal(terms: set[frozenset[int]]) -> set[frozenset[int]]:
        return {t for t in terms if not any(t < other for other in terms)}

    for _ in range(200):
        a, b = (set(draw.sample(universe, 3)) for _ in range(2))
        assert mask(a | b) == mask(a) | mask(b) == mask(maximal(a | b))
        assert (mask(a) == mask(b)) == (maximal(a) == maximal(b))
        assert maximal({e for i, e in enumerate(universe) if mask(a) >> i & 1}) == maximal(a)


def test_14_7_shared_choices_are_one_where_effects_are() -> None:
    ops = {
        "skip": [],
        "conv1": {"kernel": 1},
        "conv3": {"kernel": 3},
        "pool3": {"op": "avg_pool", "kernel": 3, "stride": 1},
    }
    cell = {"inputs": ["x"], "edges": [{"from": "x", "to": "out", "op": list(ops)}]}
    stages = [{"name": f"s{i}", "cell": "c"} for i in range(3)]
    space = rf.Space.from_dict({"ops": ops, "cells": {"c": cell}, "stages": stages})
    counts = rf.count(space, "extent")
    assert dict(zip(counts.extent.values.tolist(), counts.values.tolist(), strict=True)) == {1: 2, 7: 2}


def test_14_8_stages_of_stride_1_can_be_exchanged() -> None:
    draw = random.Random(148)
    differ = 0
    for _ in range(100):
        terms = {frozenset(draw.sample(range(9), 3)) for _ in range(2)}
        one, other = ({frozenset(draw.sample(range(-3, 4), 2)) for _ in range(2)} for _ in range(2))
        jump, stride = draw.randint(1, 3), draw.randint(1, 2)

        def after(state: set[frozenset[int]], effect: set[frozenset[int]], jump: int) -> set[frozenset[int]]:
            return {frozenset(x + jump * a for x in t for a in p) for t in state for p in effect}

        there = after(after(terms, one, jump), other, jump * stride)  # the first stage has the stride
        back = after(after(terms, other, jump), one, jump)
        assert stride > 1 or there == back
        differ += there != back
    assert differ  # strides count


def test_14_10_axes_that_differ() -> None:
    draw = random.Random(1410)
    Pair = tuple[frozenset[int], frozenset[int]]

    def some() -> Pair:
        return frozenset(draw.sample(range(4), draw.randint(1, 3))), frozenset(draw.sample(range(4), 2))

    def grown(term: Pair, path: Pair, jumps: tuple[int, int]) -> Pair:
        x, y = (frozenset(a + j * b for a in s for b in p) for s, p, j in zip(term, path, jumps, strict=True))
        return x, y

    def pixels(terms: set[Pair]) -> set[tuple[int, int]]:
        return {point for term in terms for point in itertools.product(*term)}

    within = 0
    for _ in range(300):
        one, other, path, again = some(), some(), some(), some()
        inside = one[0] <= other[0] and one[1] <= other[1]
        assert inside == (pixels({one}) <= pixels({other}))
        lines = [x | {10 + b for b in y} for x, y in (one, other)]  # side by side
        assert inside == (lines[0] <= lines[1])
        jumps = draw.randint(1, 3), draw.randint(1, 3)
        moved = {(y + jumps[0] * a, x + jumps[1] * b) for y, x in pixels({one}) for a, b in pixels({path})}
        assert pixels({grown(one, path, jumps)}) == moved
        assert not inside or pixels({grown(one, path, jumps)}) <= pixels({grown(other, path, jumps)})
        both = grown(grown(one, path, jumps), again, jumps)
        assert both == grown(grown(one, again, jumps), path, jumps)
        within += inside
    assert within
    corner, right, below = ({1}, {1}), ({1}, {2}), ({2}, {1})
    two_ways = [[({1}, {1, 2}), below], [right, ({1, 2}, {1})]]
    union = {point for term in (corner, right, below) for point in itertools.product(*term)}
    for way in two_ways:
        assert {point for term in way for point in itertools.product(*term)} == union


def test_14_9_blocks_count_every_choice_once() -> None:
    draw = random.Random(149)
    merged = alike = 0
    for _ in range(100):
        effects = {i: frozenset(draw.sample(range(4), draw.randint(1, 3))) for i in range(8)}
        choices = {i: draw.randint(1, 9) for i in effects}

        def after(state: frozenset[int], effect: frozenset[int], jump: int) -> frozenset[int]:
            return frozenset(x + jump * p for x in state for p in effect)

        jumps, width = [draw.randint(1, 3) for _ in range(3)], draw.randint(1, 3)
        start = frozenset(range(width)) | frozenset(range(5, 5 + width + draw.randint(0, 2)))
        run = frozenset(range(width))
        nodes = {(start, frozenset(effects))}
        for jump in jumps:
            parts: set[tuple[frozenset[int], frozenset[int]]] = set()
            for state, block in nodes:
                split: dict[frozenset[int], set[int]] = {}
                for i in block:
                    split.setdefault(after(state, effects[i], jump), set()).add(i)
                parts |= {(end, frozenset(part)) for end, part in split.items()}
            nodes = parts
        counted: Counter[frozenset[int]] = Counter()
        for state, block in nodes:
            counted[state] += sum(choices[i] for i in block)
        expected: Counter[frozenset[int]] = Counter()
        for i, effect in effects.items():
            state = start
            for jump in jumps:
                state = after(state, effect, jump)
            expected[state] += choices[i]
        assert counted == expected
        merged += len(nodes) < len(effects)
        for p, q in itertools.combinations(effects.values(), 2):  # alike on a run: alike on unions
            for jump in jumps:
                if after(run, p, jump) == after(run, q, jump):
                    assert after(start, p, jump) == after(start, q, jump)
                    alike += p != q
    assert merged
    assert alike


# 15 skips and upsampling ----------------------------------------------------------------------------------------------


def test_15_1_families_compose() -> None:
    draw = random.Random(151)

    def reads(family: tuple[int, int, list[set[int]]], entry: int) -> set[int]:
        up, down, sets = family
        return {x + entry // up * down for x in sets[entry % up]}

    def through(entry: int) -> set[int]:
        return set().union(*(reads(inner, e) for e in reads(outer, entry)))

    for _ in range(60):
        outer, inner = (
            (up, draw.randint(1, 4), [set(draw.sample(range(-4, 5), 2)) for _ in range(up)])
            for up in (draw.randint(1, 4), draw.randint(1, 6))
        )

        times = inner[0] // gcd(inner[0], outer[1])
        period, shift = outer[0] * times, inner[1] * outer[1] * times // inner[0]
        for entry in range(-7, 9):
            assert through(entry + period) == {x + shift for x in through(entry)}


def test_15_2_terms_go_where_another_contains_them_at_every_phase() -> None:
    """At each phase of both axes by itself, a term may lie in one other, and in none at pairs of phases."""
    small, one, other = [{1}, {9}], [{1, 2}, {7}], [{4}, {9, 10}]
    for u in (0, 1):
        assert any(small[u] <= large[u] for large in (one, other))
    pixel = {(y, x) for y in small[0] for x in small[1]}
    union = {(y, x) for large in (one, other) for y in large[0] for x in large[1]}
    assert not pixel & union


def test_15_3_the_largest_entry_may_have_two_phases() -> None:
    x, y = [{0, 1, 2}, {0, 1}], [{0, 1, 2}, {2, 3}]

    def area(u: int, v: int) -> int:
        return len({(a, b) for s in (x, y) for a in s[u] for b in s[v]})

    assert [area(0, 0), area(1, 1), area(0, 1), area(1, 0)] == [9, 8, 12, 12]
