"""The second judge: autograd with positive weights, which shares nothing with the engine or the oracle."""

from __future__ import annotations

import random

import pytest

import rfscale as rf
from rfscale.engine.network.network import Network
from tests.engine.footprints.test_footprints import entries, pixels
from tests.engine.strategies import FAMILIES, random_network

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_footprints_equal_autograd(family, ndim):
    from tests.oracles.autograd import torch_footprint

    rng = random.Random(f"torch {family} {ndim}")
    for _ in range(20):
        net = Network.from_dict(random_network(rng, family, ndim))
        for layer in rng.sample(net.layers, min(2, len(net))):
            for entry in entries(rng, net.map_sizes()[layer.name]):
                expected = torch_footprint(net, layer.name, entry, net.input_size)
                found = rf.footprint(net, layer.name, entry, net.input_size)
                assert pixels(found) == expected, (net.to_dict(), layer.name, entry)


@pytest.mark.parametrize("name", ["resnet18", "fpn-resnet50", "ssd300", "vgg11"])
def test_zoo_footprints_equal_autograd(name):
    from tests.oracles.autograd import torch_footprint

    size = (300, 300) if name == "ssd300" else (96, 128)
    net = rf.load(name, input_size=size)
    rng = random.Random(name)
    sizes = net.map_sizes(size)
    names = [x.name for x in net.layers]
    for layer in [names[-1], *rng.sample(names, 3)]:
        for entry in entries(rng, sizes[layer])[::3]:
            assert pixels(rf.footprint(net, layer, entry, size)) == torch_footprint(net, layer, entry, size)
