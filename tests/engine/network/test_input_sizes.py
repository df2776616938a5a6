"""Valid input sizes: for every size what `map_sizes` says of it, and the sizes that papers and arithmetic give."""

from __future__ import annotations

import random

import pytest

import rfscale as rf
from rfscale.engine.network.input_sizes import RULES, AxisSizes, input_sizes
from tests.engine import strategies

TRIED = 70


def takes(net: rf.Network, size: list[int]) -> bool:
    """What the network itself says of one size; a linear layer has weights for the map of the network's own size."""
    try:
        sizes = net.map_sizes(size)
    except rf.InputError:
        return False
    own = net.map_sizes()
    read = [layer.inputs[0] for layer in net.layers if layer.op == "linear"]
    return all(sizes[name] == own[name] for name in read)


@pytest.mark.parametrize("family", strategies.FAMILIES)
def test_sizes_of_random_networks_are_those_at_which_the_maps_fit(family):
    rng = random.Random(family)
    for _ in range(15):
        net = rf.Network.from_dict(strategies.random_network(rng, family))
        assert net.input_size is not None
        for axis, sizes in enumerate(input_sizes(net)):
            for n in range(1, TRIED):
                size = [*net.input_size[:axis], n, *net.input_size[axis + 1 :]]
                assert (n in sizes) == takes(net, size), (net.to_dict(), axis, n)


def line(*layers, **more):
    return rf.Network.sequential(*layers, axes=1, **more)


CONV3_S2 = {"kernel": 3, "stride": 2}
FACTOR_3 = {"op": "upsample", "scale": 3}
POOL = {"op": "max_pool", "kernel": 2}
LINEAR = [POOL, {"op": "linear"}]
QUARTER = {"name": "quarter", "kernel": 4, "stride": 4, "padding": [0, 3]}
TO_8 = {"name": "eight", "op": "resize", "size": 8, "inputs": "input"}
SUM = {"op": "add", "inputs": ["quarter", "eight"]}


@pytest.mark.parametrize(
    ("net", "texts"),
    [
        # the article of U-Net: every 2x2 max-pooling is "applied to a layer with an even x- and y-size"
        (rf.load("unet"), ["16k + 12 from 188"] * 3),
        (rf.load("unet-padded"), ["16k from 16"] * 3),
        (rf.load("resnet50"), ["any from 1", "any from 1", "32k from 32"]),
        # five pools of 2 without padding: 32 pixels, and what is no multiple of 32 loses the rest
        (rf.load("vgg16"), ["any from 32", "32k from 32", "32k from 32"]),
        # without padding a window of 3 at stride 2 ends at the edge of odd maps
        (line(CONV3_S2), ["any from 3", "2k + 1 from 3", "2k from 4"]),
        (line({**CONV3_S2, "padding": 1}), ["any from 1", "any from 1", "2k from 2"]),
        (line({**CONV3_S2, "padding": "same"}), ["any from 1", "any from 1", "2k from 2"]),
        # of two pixels at stride 2 a kernel of 1 leaves one out anyway
        (line({"kernel": 1, "stride": 2}), ["any from 1", "any from 1", "2k from 2"]),
        (line({"op": "max_pool", "kernel": 2, "ceil_mode": True}), ["any from 1", "any from 1", "2k from 2"]),
        # windows at the end of a map may be shorter
        (line(POOL, {"op": "window_attention", "window": 7}), ["any from 2", "2k from 2", "2k from 2"]),
        (rf.load("swin_t"), ["any from 4", "4k from 4", "32k from 32"]),
        (line({"op": "space_to_depth", "scale": 4}), ["4k from 4"] * 3),
        (line(FACTOR_3, POOL), ["any from 1", "2k from 2", "2k from 2"]),
        # the weights of a linear layer are for a map of 16, which 32 and 33 pixels make
        (line(*LINEAR, input_size=32), ["32, 33", "32", "32"]),
        (line(*LINEAR), ["any from 2", "2k from 2", "2k from 2"]),
        (line({"op": "global_pool"}, *LINEAR[1:], input_size=32), ["any from 1"] * 3),
        # a resize to a fixed size, added to a map of 1/4: 8 entries are 29 to 32 pixels
        (
            line(QUARTER, TO_8, SUM),
            ["29, 30, 31, 32", "29, 30, 31, 32", "32"],
        ),
        (line({"op": "slice", "start": 3, "stop": 9}, {"kernel": 6}), ["any from 9"] * 3),
        (line({"op": "pad", "padding": 5, "mode": "reflect"}), ["any from 6"] * 3),
        (line({"op": "crop", "size": 10}), ["any from 10"] * 3),
        (line({"op": "resize", "size": 4}, {"kernel": 5}), ["none"] * 3),
    ],
    ids=str,
)  # fmt: skip
def test_sizes_by_each_rule(net, texts):
    assert [input_sizes(net, rule)[0].text for rule in RULES] == texts


def test_the_sizes_of_one_axis():
    sizes = AxisSizes((5, 9), 20, 8, (1, 6))  # 5, 9, then 22, 25, 30, 33, …
    assert sizes.first(7) == [5, 9, 22, 25, 30, 33, 38]
    assert [sizes.near(n) for n in (4, 5, 6, 21, 22, 24, 1000)] == [
        (None, 5), (5, 5), (5, 9), (9, 22), (22, 22), (22, 25), (998, 1001)
    ]  # fmt: skip
    assert (25 in sizes, 17 in sizes, 0 in sizes, -7 in sizes) == (True, False, False, False)
    assert sizes.text == "5, 9, and 8k + 1 or 8k + 6 from 22"
    assert AxisSizes((5,), 20, 1, ()).near(7) == (5, None)
    assert AxisSizes.multiples(16).near(45) == (32, 48)
    assert AxisSizes.multiples(16).near(9) == (None, 16)
    assert [AxisSizes.multiples(16).nearest(n) for n in (1, 24, 23, 32, 39)] == [16, 32, 16, 32, 32]
    assert [AxisSizes((5,), 20, 1, ()).nearest(n) for n in (1, 9)] == [5, 5]


def test_a_period_without_end_is_refused():
    net = line(*[{"op": "conv", "kernel": 1, "stride": s} for s in (127, 131, 137)])
    with pytest.raises(rf.InputError, match="repeat after 2279269 pixels"):
        input_sizes(net)
