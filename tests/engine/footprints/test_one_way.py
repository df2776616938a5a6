"""Layers that read one way: exact with an image size, half-lines without."""

from __future__ import annotations

import random
from math import inf

import rfscale as rf
from rfscale.engine.footprints.intervals import BEYOND
from rfscale.engine.footprints.plan import resolve
from tests.oracles import plain_sets as reference

LAYERS = (
    lambda rng: {"op": "conv", "kernel": rng.randint(1, 4), "stride": rng.randint(1, 2), "padding": rng.randint(0, 2)},
    lambda rng: {"op": "conv", "kernel": 2, "dilation": rng.randint(1, 3)},
    lambda rng: {"op": "upsample", "scale": 2, "mode": rng.choice(["nearest", "bilinear"])},
    lambda rng: {"op": "conv_transpose", "kernel": 3, "stride": 2},
    lambda rng: {"op": "slice", "start": 1, "step": 2},
    lambda rng: {"op": "flip", "reverse": 1},
)
SIZE = 160


def test_half_lines_end_where_footprints_far_from_the_borders_do():
    rng, compared = random.Random(0), 0
    for _ in range(60):
        layers = [rng.choice(LAYERS)(rng) for _ in range(rng.randint(1, 4))]
        side = rng.choice(["earlier", "later"])
        layers.insert(rng.randint(0, len(layers)), {"op": "cumulative", side: 1})
        net = rf.Network.from_dict({"axes": 1, "input_size": [SIZE], "layers": layers})
        last = net.layers[-1].name
        entry = net.map_sizes()[last][0] // 2
        seen = [x for (x,) in reference.footprint(net, last, (entry,), (SIZE,))]
        (lines,) = resolve(net).steps[-1].half_lines
        low, high = lines.at(entry) or (0, 0)
        assert (low < -BEYOND) != (high > BEYOND)
        assert (min(seen) if high > BEYOND else max(seen)) == (low if high > BEYOND else high), layers
        compared += 1
    assert compared == 60


def test_profiles_tell_context_from_lookahead():
    layers = [{"kernel": 3, "padding": 1}, {"op": "cumulative", "earlier": [0, 1]}, {"kernel": 3}]
    net = rf.Network.from_dict({"axes": 2, "layers": layers})
    last = rf.profile(net).isel(layer=-1)
    assert last.extent.values.tolist() == [5, inf]
    assert last.start.values.tolist() == [-1, -inf]
    assert last.end.values.tolist() == [3, 3]
    assert bool(last.is_global)
    assert "x: everything before, up to pixel 3 of entry 0" in rf.output_lines(net)[0]
