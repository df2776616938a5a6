"""Statements 1 to 5 of docs/theory.md: layers, unions of products, maps inside and at the border."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from fractions import Fraction
from math import gcd, lcm

import pytest

import rfscale as rf
from rfscale.engine.errors import InputError
from rfscale.engine.footprints.forward import trace
from rfscale.engine.network.network import Network
from rfscale.engine.network.ops import OPS
from rfscale.engine.zoo.registry import build
from tests.docs.theory.sets import moved, net, overlap, pixels_of, random_map, row, square
from tests.engine.strategies import random_network
from tests.oracles import plain_layers

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
            assert set(plain_layers.axis_reads(op, layer.params, 0, o, n, False)) == expected, (params, o)


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
