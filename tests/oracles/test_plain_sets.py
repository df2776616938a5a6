"""The oracle and the generators, pinned down by hand, by properties and by PyTorch."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, reject, settings

from rfscale.engine.network.network import Network
from tests.engine import strategies
from tests.oracles import plain_layers
from tests.oracles import plain_sets as reference

EVERY_KIND = list(itertools.product(strategies.FAMILIES, (1, 2, 3)))


def network(*layers: dict[str, Any], **more: Any) -> Network:
    named = [{"name": f"l{i}", **layer} for i, layer in enumerate(layers, start=1)]
    return Network.from_dict({"layers": named, **more})


def line(*layers: dict[str, Any], size: int = 20) -> Network:
    return network(*layers, input_size=[size])


def pixels_of(net: Network, entry: int, size: int | None = None, layer: str | None = None, **more: Any) -> list[int]:
    """Footprint on one axis, of the last layer by default."""
    finite = None if size is None else (size,)
    pixels = reference.footprint(net, layer or net.layers[-1].name, (entry,), finite, **more)
    assert pixels is not None
    return sorted(x for (x,) in pixels)


def square(values: set[int]) -> set[tuple[int, ...]]:
    return set(itertools.product(values, values))


# ------------------------------------------------------------------ by hand: sets


def test_five_dilated_layers_leave_holes() -> None:
    net = network(*[{"kernel": 3, "dilation": 2}] * 5)
    figures = reference.figures(net, "l5", (0, 0))
    assert figures is not None
    assert (figures["area"], figures["extent"], figures["start"]) == (121, (21, 21), (0, 0))
    assert (figures["max_gap"], figures["density"]) == ((1, 1), 121 / 441)
    # entry 1 reads the odd pixels
    assert figures["overlap"] == (0.0, 0.0)
    assert reference.footprint(net, "l5", (0, 0)) == square(set(range(0, 21, 2)))


def test_cross_of_bars_then_pool() -> None:
    net = network(
        {"kernel": [1, 7], "padding": [0, 3], "inputs": "input"},
        {"kernel": [7, 1], "padding": [3, 0], "inputs": "input"},
        {"op": "add", "inputs": ["l1", "l2"]},
        {"op": "max_pool", "kernel": 2},
    )
    pixels = reference.footprint(net, "l4", (0, 0))
    rows = {(y, x) for y in (0, 1) for x in range(-3, 5)}
    columns = {(y, x) for y in range(-3, 5) for x in (0, 1)}
    assert pixels == rows | columns
    assert len(rows | columns) == 28


def test_dilation_after_solid_layers_is_solid() -> None:
    net = network(*[{"kernel": 3}] * 4, {"kernel": 3, "dilation": 2})
    figures = reference.figures(net, "l5", (5, -5))
    assert figures is not None
    assert (figures["area"], figures["extent"], figures["start"]) == (169, (13, 13), (5, -5))
    assert (figures["density"], figures["max_gap"], figures["overlap"]) == (1.0, (0, 0), (12 / 13, 12 / 13))


def test_padding_is_padding_at_every_layer() -> None:
    net = network({"kernel": 3, "dilation": 3, "padding": 3}, {"kernel": 3, "padding": 1})
    # entry 0 reads 0 and 1 of the first map (-1 is padding), and those read {0, 3} and {1, 4}
    assert reference.footprint(net, "l2", (0, 0), (12, 12)) == square({0, 1, 3, 4})
    # the interior set, clipped at the image alone, would have 2 in it
    assert reference.footprint(net, "l2", (0, 0)) == square({-4, -3, -2, -1, 0, 1, 2, 3, 4})


def test_kernel_below_stride_skips_pixels() -> None:
    net = line({"kernel": 1, "stride": 3}, {"kernel": 2, "stride": 2})
    assert pixels_of(net, 1) == [6, 9]
    assert reference.jump(net, "l2") == (Fraction(6),)
    assert reference.map_sizes(net, (20,)) == {"input": (20,), "l1": (7,), "l2": (3,)}


def test_asymmetric_padding_and_anisotropy() -> None:
    net = network({"kernel": [2, 3], "stride": [2, 1], "dilation": [3, 1], "padding": [1, 0, 4, 2]})
    assert reference.map_sizes(net, (5, 4)) == {"input": (5, 4), "l1": (4, 4)}
    assert reference.footprint(net, "l1", (1, 2)) == set(itertools.product({1, 4}, {2, 3, 4}))
    assert reference.footprint(net, "l1", (3, 3), (5, 4)) == set()  # rows 5 and 8 of 5
    assert reference.figures(net, "l1", (3, 3), (5, 4)) == {
        "area": 0,
        "extent": (0, 0),
        "start": (None, None),
        "density": 0.0,
        "max_gap": (0, 0),
        "overlap": (None, None),
    }


def test_figures_of_a_set_with_holes() -> None:
    net = line({"kernel": 3, "stride": 2}, {"kernel": 2, "dilation": 3})
    # {0, 1, 2} and {6, 7, 8}; the next entry reads {2, 3, 4} and {8, 9, 10}
    figures = reference.figures(net, "l2", (0,))
    assert figures == {
        "area": 6,
        "extent": (9,),
        "start": (0,),
        "density": 6 / 9,
        "max_gap": (3,),
        "overlap": (2 / 6,),
    }
    last = reference.figures(net, "l2", (5,), (20,))
    assert last is not None
    assert last["overlap"] == (None,)  # the map has 6 entries


# ------------------------------------------------------------------ by hand: ops


def test_bilinear_upsampling() -> None:
    net = line({"op": "upsample", "scale": 3, "mode": "bilinear"}, size=4)
    assert [pixels_of(net, o) for o in (3, 4, 5)] == [[0, 1], [1], [1, 2]]
    assert [pixels_of(net, o, 4) for o in (0, 11)] == [[0], [3]]
    assert reference.path_counts(net, "l1", (0,), (4,)) == {(0,): 1}
    even = line({"op": "upsample", "scale": 2, "mode": "bilinear"}, size=4)
    assert [pixels_of(even, o) for o in (2, 3)] == [[0, 1], [1, 2]]
    assert reference.jump(even, "l1") == (Fraction(1, 2),)


def test_nearest_upsampling_and_pixel_shuffle() -> None:
    for layer in ({"op": "upsample", "scale": 3}, {"op": "pixel_shuffle", "scale": 3}):
        net = line({"kernel": 3}, layer)
        assert [pixels_of(net, o) for o in (2, 3)] == [[0, 1, 2], [1, 2, 3]]
        assert reference.map_sizes(net, (6,))["l2"] == (12,)


def test_transposed_convolution() -> None:
    net = line({"op": "conv_transpose", "kernel": 3, "stride": 2, "padding": 1, "output_padding": 1}, size=4)
    assert reference.map_sizes(net, (4,))["l1"] == (8,)
    # entry o gets t·2 - 1 + i: even entries the middle tap of one t, odd ones the outer taps of two
    assert [pixels_of(net, o, 4) for o in range(8)] == [[0], [0, 1], [1], [1, 2], [2], [2, 3], [3], [3]]
    gaps = line({"op": "conv_transpose", "kernel": 1, "stride": 3}, size=4)
    assert [pixels_of(gaps, o) for o in (3, 4, 5, 6)] == [[1], [], [], [2]]
    assert reference.map_sizes(gaps, (4,))["l1"] == (10,)


@pytest.mark.parametrize(
    ("n", "kernel", "stride", "padding", "floor", "ceil"),
    [
        (6, 2, 2, 0, 3, 3),
        (7, 2, 2, 0, 3, 4),
        (7, 3, 2, 1, 4, 4),
        (8, 3, 2, 1, 4, 5),
        (5, 1, 3, 0, 2, 2),
        (2, 3, 2, 0, 0, 1),  # the one window overhangs
        (6, 1, 3, 0, 2, 2),  # ceil says 3, and the third window would start at 6
        (6, 4, 3, 1, 2, 3),
        (5, 2, 3, 1, 2, 2),  # ceil says 3, and the third window would start at 6 = n + p0
        (3, 2, 2, 1, 2, 2),  # ceil says 3, and the third window would start at 4 = n + p0
    ],
)
def test_ceil_mode_sizes(n: int, kernel: int, stride: int, padding: int, floor: int, ceil: int) -> None:
    for ceil_mode, expected in ((False, floor), (True, ceil)):
        pool = {"op": "max_pool", "kernel": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}
        net = network(pool, axes=1)
        if expected == 0:
            with pytest.raises(ValueError, match="cannot take maps"):
                reference.map_sizes(net, (n,))
            continue
        assert reference.map_sizes(net, (n,))["l1"] == (expected,)
        assert pixels_of(net, expected - 1, n) != []


def test_ceil_mode_pool_wider_than_its_map() -> None:
    net = line({"op": "max_pool", "kernel": 3, "stride": 2, "ceil_mode": True}, size=2)
    assert net.map_sizes() == reference.map_sizes(net, (2,))


def test_same_puts_the_odd_one_at_the_end_and_same_lower_at_the_start() -> None:
    for padding, even, odd in (("same", [4, 5, 6], [3, 4, 5]), ("same_lower", [3, 4, 5], [3, 4, 5])):
        net = line({"kernel": 3, "stride": 2, "padding": padding}, size=8)
        assert reference.map_sizes(net, (8,))["l1"] == (4,)
        assert pixels_of(net, 2) == even  # t = 1
        assert pixels_of(net, 2, 9) == odd  # t = 2, whatever the size that the spec carries
    assert pixels_of(network({"kernel": 2, "padding": "same"}, axes=1), 0) == [0, 1]
    assert pixels_of(network({"kernel": 2, "padding": "same_lower"}, axes=1), 0) == [-1, 0]
    wide = line({"kernel": 2, "stride": 4, "padding": "same"}, size=8)
    assert pixels_of(wide, 1) == [4, 5]  # t is never below 0


def test_sizes_unknown_are_an_error() -> None:
    net = network({"op": "crop", "size": 3}, axes=1)
    with pytest.raises(ValueError, match="input_size"):
        pixels_of(net, 0)


def test_pad_modes() -> None:
    expected = {"zeros": [], "reflect": [2], "replicate": [0], "circular": [3]}
    for mode, pixels in expected.items():
        net = line({"op": "pad", "padding": [2, 1], "mode": mode}, size=5)
        assert reference.map_sizes(net, (5,))["l1"] == (8,)
        assert pixels_of(net, 0, 5) == pixels
        assert pixels_of(net, 2, 5) == [0]
        assert pixels_of(net, 0) == [-2]


def test_crop_slice_and_windows() -> None:
    assert pixels_of(line({"op": "crop", "amount": [2, 1]}), 0) == [2]
    by_size = line({"op": "crop", "size": 5})
    assert (pixels_of(by_size, 0), pixels_of(by_size, 0, 8)) == ([7], [1])
    cut = line({"op": "slice", "start": 2, "stop": 9, "step": 3})
    assert reference.map_sizes(cut, (20,))["l1"] == (3,)
    assert reference.map_sizes(cut, (6,))["l1"] == (2,)
    assert pixels_of(cut, 1) == [5]
    windows = line({"op": "window_attention", "window": 4}, size=10)
    assert [pixels_of(windows, o, 10) for o in (3, 4, 9)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert pixels_of(windows, -1) == [-4, -3, -2, -1]
    blocks = line({"op": "space_to_depth", "scale": 4})
    assert pixels_of(blocks, 2) == [8, 9, 10, 11]


def test_resize_and_adaptive_pool() -> None:
    pool = line({"op": "adaptive_pool", "size": 3}, size=7)
    assert [pixels_of(pool, o) for o in range(4)] == [[0, 1, 2], [2, 3, 4], [4, 5, 6], [7, 8, 9]]
    assert reference.jump(pool, "l1") == (Fraction(7, 3),)
    nearest = line({"op": "resize", "size": 5}, size=3)
    assert [pixels_of(nearest, o) for o in range(5)] == [[0], [0], [1], [1], [2]]
    bilinear = line({"op": "resize", "size": 5, "mode": "bilinear"}, size=3)
    # positions -0.2, 0.4, 1, 1.6, 2.2
    assert [pixels_of(bilinear, o, 3) for o in range(5)] == [[0], [0, 1], [1], [1, 2], [2]]
    assert pixels_of(bilinear, 0) == [-1, 0]


# ------------------------------------------------------------------ by hand: merges, global_ops, paths


def squeeze_and_excitation() -> Network:
    return network(
        {"kernel": 3},
        {"op": "global_pool"},
        {"op": "multiply", "inputs": ["l1", "l2"]},
        {"kernel": 2},
        input_size=[8],
    )


def test_globals() -> None:
    net = squeeze_and_excitation()
    assert reference.map_sizes(net, (8,))["l3"] == (6,)
    assert reference.footprint(net, "l4", (0,)) is None
    assert reference.figures(net, "l4", (0,)) is None
    assert pixels_of(net, 0, 8) == list(range(8))
    assert pixels_of(net, 0, global_ops="skip") == pixels_of(net, 0, 8, global_ops="skip") == [0, 1, 2, 3]
    # the receptive field of a node that has only global branches is global, skip or not
    assert pixels_of(net, 0, 8, layer="l2", global_ops="skip") == list(range(8))
    assert reference.footprint(net, "l2", (0,), global_ops="skip") is None
    assert reference.jump(net, "l4") == (Fraction(1),)
    assert reference.jump(net, "l2") is None
    one = network({"kernel": 1, "stride": 2}, {"op": "adaptive_pool", "size": 1})
    assert reference.footprint(one, "l2", (0, 0), (6, 6)) == square({0, 2, 4})  # the pool's map reads no odd pixel
    assert set(reference.path_counts(one, "l2", (0, 0), (6, 6))) == square({0, 2, 4})


def test_path_counts() -> None:
    two = line({"kernel": 3}, {"kernel": 3})
    assert reference.path_counts(two, "l2", (0,)) == {(0,): 1, (1,): 2, (2,): 3, (3,): 2, (4,): 1}
    twice = network({"kernel": 2}, {"op": "add", "inputs": ["l1", "l1", "input"]}, axes=1)
    assert reference.path_counts(twice, "l2", (0,)) == {(0,): 3, (1,): 2}
    net = squeeze_and_excitation()
    # each of two entries: l1's own three pixels, and all of l1 through the pool
    pooled = {0: 1, 1: 2, 2: 3, 3: 3, 4: 3, 5: 3, 6: 2, 7: 1}
    local = {0: 1, 1: 2, 2: 2, 3: 1}
    expected = {(x,): 2 * pooled[x] + local.get(x, 0) for x in range(8)}
    assert reference.path_counts(net, "l4", (0,), (8,)) == expected
    assert reference.path_counts(net, "l4", (0,), global_ops="skip") == {(x,): c for x, c in local.items()}
    with pytest.raises(ValueError, match="infinitely many"):
        reference.path_counts(net, "l4", (0,))


def test_jump_of_mixed_layers() -> None:
    net = network(
        {"kernel": 3, "stride": [2, 1]},
        {"op": "upsample", "scale": [3, 2]},
        {"op": "max_pool", "kernel": 2},
        {"op": "slice", "step": [1, 3]},
    )
    assert reference.jump(net, "l4") == (Fraction(4, 3), Fraction(3))


# ------------------------------------------------------------------ the generators


@pytest.mark.parametrize(("family", "ndim"), EVERY_KIND)
def test_random_networks_are_valid_in_both_modes(family: str, ndim: int) -> None:
    for seed in range(30):
        rng = random.Random(f"{family} {ndim} {seed}")
        spec, layer, entry = strategies.random_case(rng, family, ndim)
        net = Network.from_dict(spec)
        size = net.input_size
        assert size is not None
        assert len(size) == len(net.axes) == ndim
        sizes = reference.map_sizes(net, size)
        wholly_global = reference.global_nodes(net, "skip")
        for node in net.layers:
            if node.op in plain_layers.MERGES:
                local = [name for name in node.inputs if name not in wholly_global]
                assert len({reference.jump(net, name) for name in local if name != "input"}) <= 1
                assert len({sizes[name] for name in local}) <= 1
        for skip in ("include", "skip"):
            for finite in (size, None):
                pixels = reference.footprint(net, layer, entry, finite, skip)
                if layer in reference.global_nodes(net, skip) and finite is None:
                    assert pixels is None
                else:
                    assert pixels == set(reference.path_counts(net, layer, entry, finite, skip))


def test_all_ops_has_every_op_and_mode() -> None:
    ops: Counter[str] = Counter()
    modes: Counter[tuple[str, str]] = Counter()
    for seed in range(300):
        for node in Network.from_dict(strategies.random_network(random.Random(seed), "all_ops", 2)).layers:
            ops[node.op] += 1
            if "mode" in node.params:
                modes[node.op, node.params["mode"]] += 1
    assert set(ops) >= set(strategies.OPS)
    pads = {("pad", mode) for mode in ("zeros", "reflect", "replicate", "circular")}
    assert set(modes) == pads | set(itertools.product(("upsample", "resize"), ("nearest", "bilinear", "bicubic")))


def test_random_networks_repeat() -> None:
    first, second = (strategies.random_network(random.Random(7), "all_ops", 2) for _ in range(2))
    assert first == second


def _follows_any_size(net: Network) -> bool:
    """Whether the interior does not depend on the image's size."""
    for node in net.layers:
        same = node.params.get("padding") in ("same", "same_lower") and max(node.params["stride"]) > 1
        if same or node.params.get("size") or max((stop or 0) for stop in node.params.get("stop", (0,))) > 0:
            return False
    return True


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(strategies.cases(ndims=(1,)))
def test_finite_is_interior_far_from_borders(case: tuple[strategies.Spec, str, strategies.Size]) -> None:
    spec, layer, _ = case
    net = Network.from_dict({key: value for key, value in spec.items() if key != "input_size"})
    assume(_follows_any_size(net))
    big = (2520,)
    try:
        middle = reference.map_sizes(net, big)[layer][0] // 2
        interior = reference.footprint(net, layer, (middle,), None, "skip")
    except ValueError:  # crops that make merges fit on the small image, not on every one; flips, which need a size
        reject()
    assume(interior is not None)
    assert reference.footprint(net, layer, (middle,), big, "skip") == interior


# ------------------------------------------------------------------ PyTorch


@pytest.mark.torch
@pytest.mark.parametrize(("family", "ndim"), EVERY_KIND)
def test_autograd_agrees(family: str, ndim: int) -> None:
    pytest.importorskip("torch")
    from tests.oracles.autograd import torch_footprint, torch_sizes

    for seed in range(8 if ndim == 2 else 3):
        spec, layer, entry = strategies.random_case(random.Random(f"torch {family} {ndim} {seed}"), family, ndim)
        net = Network.from_dict(spec)
        size = net.input_size
        assert size is not None
        assert torch_sizes(net, size) == reference.map_sizes(net, size)
        pixels = torch_footprint(net, layer, entry, size)
        assert pixels == set(reference.path_counts(net, layer, entry, size)), (spec, layer, entry)
        assert pixels == reference.footprint(net, layer, entry, size)
