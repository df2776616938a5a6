"""Layers shared among networks: the same figures as those of each network by itself."""

from __future__ import annotations

import random

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.footprints import shared_layers
from rfscale.engine.footprints.footprint_figures import FootprintFigures
from rfscale.engine.footprints.forward import trace
from rfscale.engine.footprints.shared_layers import SharedLayers
from rfscale.engine.network.costs import layer_costs
from tests.engine.strategies import FAMILIES, random_network


def alone(network):
    """Figures of the last output and costs, by the network itself."""
    traced = trace(network)
    layer = network.index(network.outputs[-1])
    found = FootprintFigures(traced).figures(layer)
    costs = layer_costs(network, network.map_sizes() if network.input_size else None)
    return found, traced.plan.steps[layer].jump, sum(c[0] for c in costs), sum(c[1] for c in costs)


def variants(spec, rng):
    """A network, and others that begin alike: with other numbers in one of its layers, or one layer less."""
    yield spec
    for _ in range(3):
        layers = [dict(layer) for layer in spec["layers"]]
        layer = rng.choice(layers)
        for key in ("kernel", "dilation", "channels"):
            if isinstance(layer.get(key), int):
                layer[key] = layer[key] + 1
        yield {**spec, "layers": layers}
    if len(spec["layers"]) > 1 and not spec.get("outputs"):
        yield {**spec, "layers": spec["layers"][:-1]}


def failure(function, network):
    """The error of a function of a network; empty where there is none."""
    try:
        function(network)
    except rf.InputError as error:
        return str(error)
    return ""


def compare(shared, network):
    message = failure(alone, network)
    assert failure(shared.of, network) == message
    if message:
        return False
    figures, jump, params, macs = alone(network)
    found, *costs = shared.of(network)
    np.testing.assert_equal(found.figures._replace(terms=0), figures._replace(terms=0))
    np.testing.assert_equal([found.jump, *costs], [jump or (np.nan,) * len(network.axes), params, macs])
    return True


def test_random_networks_that_share_layers():
    rng = random.Random(15)
    shared, judged = SharedLayers(), 0
    for _ in range(20):
        for family in FAMILIES:
            for spec in variants(random_network(rng, family), rng):
                try:
                    network = rf.Network.from_dict(spec)
                except rf.InputError:
                    continue
                judged += compare(shared, network)
    assert judged > 300
    assert len(shared._maps) < len(shared._after)  # maps that meet again


def test_costs_and_sizes_belong_to_a_map():
    shared = SharedLayers()
    for channels in (4, 8):
        for size in (None, 32, 33):
            for image in (1, 3):
                spec = {"input_size": size, "input_channels": image, "layers": [
                    {"name": "a", "kernel": 3, "stride": 2, "padding": 1, "channels": channels},
                    {"name": "g", "op": "global_pool"},
                    {"name": "e", "kernel": 1, "channels": channels},
                    {"name": "m", "op": "multiply", "inputs": ["a", "e"]},
                    {"name": "z", "kernel": 3, "padding": 1, "channels": 2, "inputs": "a"},
                ], "outputs": ["z"]}  # fmt: skip
                assert compare(shared, rf.Network.from_dict(spec))


def test_unions_of_too_many_products_are_counted_through_the_network():
    layers = [{"name": f"b{i}", "kernel": [2 * i + 1, 141 - 2 * i], "padding": [i, 70 - i], "inputs": "input"}
              for i in range(70)]  # fmt: skip
    spec = {"layers": [*layers, {"name": "join", "op": "concat", "inputs": [x["name"] for x in layers]}]}
    shared = SharedLayers()
    for padding in (1, 2):
        network = rf.Network.from_dict(
            {"layers": [*spec["layers"], {"kernel": 3, "padding": padding, "dilation": padding}]}
        )
        assert trace(network).terms[-1] is None
        assert compare(shared, network)


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(shared_layers, "MAX_MAPS", 3)
    shared = SharedLayers()
    for kernel in (1, 3, 5, 3, 1):
        assert compare(shared, rf.Network.sequential({"kernel": kernel}, {"kernel": 3}, {"kernel": 5, "dilation": 2}))
    assert len(shared._maps) < 10


def test_layers_are_read_once_and_types_matter():
    a, b = (rf.Network.sequential({"kernel": 3, "name": "a"}, {"kernel": [1, 3]}) for _ in range(2))
    assert all(x is y for x, y in zip(a.layers, b.layers, strict=True))
    for wrong in (True, 3.0, [1, 3.0], [True, 3]):
        with pytest.raises(rf.InputError, match=r"kernel of layer 'a' is .*; it must be a whole number"):
            rf.Network.sequential({"kernel": wrong, "name": "a"})
    assert rf.Network.sequential({"kernel": np.int64(3), "name": "a"}).layers[0].params == a.layers[0].params


def test_layers_of_builders_are_read_once_and_types_matter():
    def built(kernel, **more):
        b = rf.NetworkBuilder()
        b.conv("a", kernel=kernel, **more)
        b.conv("b", kernel=[1, 3])
        return b.build()

    first, again = built(3, bias=True), built(3, bias=True)
    assert all(x is y for x, y in zip(first.layers, again.layers, strict=True))
    assert first == rf.Network.sequential({"name": "a", "kernel": 3, "bias": True}, {"name": "b", "kernel": [1, 3]})
    for wrong in (True, 3.0, "3", [1, 3.0], [True, 3], None):
        with pytest.raises(rf.InputError, match="kernel"):
            built(wrong)
    with pytest.raises(rf.InputError, match="bias of layer 'a' is 1"):
        built(3, bias=1)
    assert built(np.int64(3), bias=True).layers[0].params == first.layers[0].params


def test_a_layer_of_a_builder_stays_as_it_was_written():
    kernel, maps = [3, 5], ["input"]
    for _ in range(2):
        b = rf.NetworkBuilder()
        b.conv("a", kernel=kernel, inputs=maps)
        kernel[0] = 7
        assert b.build().layers[0].params["kernel"] == (3, 5)
        kernel[0] = 3
    for source in ("x", "y"):  # the layer before belongs to what was written
        b = rf.NetworkBuilder()
        b.conv("x", kernel=3)
        b.conv("y", kernel=3, inputs="input")
        b.conv("z", kernel=3, inputs=source)
        assert b.build()["z"].inputs == (source,)
    for axes in (1, 3):  # one layer, read for several numbers of axes
        b = rf.NetworkBuilder(axes=axes)
        b.conv("z", kernel=3)
        assert b.build()["z"].params["kernel"] == (3,) * axes


def test_merges_of_the_same_maps_in_another_order_are_one():
    shared = SharedLayers()
    for order in (["a", "b", "c"], ["c", "a", "b"], ["b", "c", "a"]):
        b = rf.NetworkBuilder(input_channels=2)
        for name, rate in (("a", 1), ("b", 5), ("c", 9)):
            b.conv(name, kernel=3, dilation=rate, padding=rate, channels=rate, inputs="input")
        b.concat("join", inputs=order)
        b.conv("z", kernel=3, channels=4)
        assert compare(shared, b.build())
    assert len(shared._after) == 5


def test_an_error_leaves_nothing_for_the_next_network():
    shared = SharedLayers()
    good = [{"name": "a", "kernel": 3, "stride": 2}, {"name": "b", "kernel": 5, "inputs": "input"}]
    bad = [*good, {"name": "z", "op": "add", "inputs": ["a", "b"]}]
    for layers in (good, bad, good, [*good, {"name": "z", "kernel": 3, "dilation": 2, "inputs": "b"}], bad):
        compare(shared, rf.Network.from_dict({"layers": layers}))
