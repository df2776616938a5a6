"""Where an entry lies: arithmetic that people do by hand, plain sets, and gradients of the real model."""

from __future__ import annotations

import random
from itertools import product
from math import inf, isnan, nan

import numpy as np
import pytest

import rfscale as rf
from tests.engine import strategies
from tests.oracles import plain_sets


def chain_centre(layers, entry):
    """The formula of tutorials: jump and centre of entry 0, layer by layer (kernel, stride, padding)."""
    jump, centre = 1, 0.0
    for kernel, stride, padding in layers:
        centre += ((kernel - 1) / 2 - padding) * jump
        jump *= stride
    return centre + jump * entry


ALEXNET = [(11, 4, 2), (3, 2, 0), (5, 1, 2), (3, 2, 0), (3, 1, 1), (3, 1, 1), (3, 1, 1), (3, 2, 0)]


@pytest.mark.parametrize("entry", [0, 3, 5])
def test_centres_by_the_formula_of_tutorials(entry):
    layers = [{"kernel": k, "stride": s, "padding": p, "name": f"l{i}"} for i, (k, s, p) in enumerate(ALEXNET)]
    found = rf.where(rf.Network.sequential(*layers), "l7", (entry, 0), 224)
    assert found.centre.values.tolist() == [[chain_centre(ALEXNET, entry), chain_centre(ALEXNET, 0)]]


def test_the_centre_of_the_first_entry_of_a_backbone():
    """Kernels 7 and 3 at strides 2 with paddings 3 and 1: every centre of ResNet's first entry is pixel 0."""
    found = rf.where("resnet50", "layer4", (0, 0))
    assert found.centre.values.tolist() == [[0, 0]]
    assert found.start.values.tolist() == [[-213, -213]]
    assert found.end.values.tolist() == [[213, 213]]
    third = rf.where("resnet50", "layer4", (3, 5), 224)
    assert third.centre.values.tolist() == [[96, 160]]
    assert (third.start.values.tolist(), third.end.values.tolist()) == ([[0, 0]], [[223, 223]])
    assert third.padding_start.values.tolist() == [[213 - 96, 213 - 160]]
    assert third.padding_end.values.tolist() == [[96 + 213 - 223, 160 + 213 - 223]]
    assert third.inside.item() == pytest.approx(224 * 224 / 427**2)


def test_interior_entries_of_any_number():
    """Upsampled maps have phases: entry 2i and 2i + 1 read one and the same pixel."""
    net = rf.Network.sequential({"op": "upsample", "scale": 2, "name": "up"}, {"kernel": 3, "name": "c"}, axes=1)
    for entry in (-5, 0, 3, 1000):
        read = {(entry + i) // 2 for i in range(3)}
        found = rf.where(net, "c", entry)
        assert (found.start.item(), found.end.item()) == (min(read), max(read))


def test_every_layer_in_one_table():
    found = rf.where("resnet50", entry=(10, 10), input_size=224)
    assert "layer3" in found.layer
    assert "layer4" not in found.layer  # 7×7 entries
    assert found.attrs["outside"] == sum(max(s) <= 10 for n, s in rf.load("resnet50").map_sizes(224).items())
    with pytest.raises(rf.InputError, match=r"entry \(300, 0\) lies outside"):
        rf.where("resnet50", entry=(300, 0), input_size=224)
    with pytest.raises(rf.InputError, match="one per axis"):
        rf.where("resnet50", entry=(1, 2, 3), input_size=224)


def test_ends_without_bounds():
    net = rf.Network.sequential(
        {"kernel": 3, "padding": 1, "name": "c"}, {"op": "cumulative", "earlier": 1, "name": "past"}, axes=1
    )
    found = rf.where(net, "past", 4)
    assert (found.start.item(), found.end.item(), isnan(found.centre.item())) == (-inf, 5, True)
    assert found.jump.item() == 1
    found = rf.where(net, "past", 4, input_size=20)
    assert (found.start.item(), found.end.item()) == (0, 5)
    squeezed = rf.Network.sequential({"kernel": 3, "name": "c"}, {"op": "global_pool", "name": "g"})
    assert rf.where(squeezed, "g", (0, 0)).extent.values.tolist() == [[inf, inf]]
    assert rf.where(squeezed, "g", (0, 0), 9).extent.values.tolist() == [[9, 9]]


@pytest.mark.parametrize("family", strategies.FAMILIES)
def test_boxes_of_random_networks(family):
    rng = random.Random(f"where {family}")
    for _ in range(12):
        spec, layer, entry = strategies.random_case(rng, family)
        net = rf.Network.from_dict(spec)
        pixels = plain_sets.footprint(net, layer, entry, net.input_size)
        found = rf.where(net, layer, entry, net.input_size).isel(layer=0)
        for axis, (start, end) in enumerate(zip(found.start.values, found.end.values, strict=True)):
            along = [pixel[axis] for pixel in pixels]
            assert (start, end) == (min(along), max(along)) if pixels else (isnan(start) and isnan(end))


# from pixels to entries -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["chain", "residual", "unet", "all_ops"])
def test_entries_of_random_networks_whose_box_has_a_pixel(family):
    rng = random.Random(f"at {family}")
    for _ in range(6):
        spec, layer, _ = strategies.random_case(rng, family, rng.choice([1, 2]))
        net = rf.Network.from_dict(spec)
        assert net.input_size is not None
        pixel = tuple(rng.randrange(n) for n in net.input_size)
        meets = []
        for entry in product(*map(range, net.map_sizes()[layer])):
            pixels = plain_sets.footprint(net, layer, entry, net.input_size)
            columns = list(zip(*pixels, strict=True))
            if pixels and all(min(c) <= p <= max(c) for c, p in zip(columns, pixel, strict=True)):
                meets.append(entry)
        found = rf.entries_at(net, pixel, layer, net.input_size).isel(layer=0)
        expected = [(min(c), max(c)) for c in zip(*meets, strict=True)] or [(nan, nan)] * len(pixel)
        assert np.array_equal(np.stack([found.first_entry, found.last_entry], 1), expected, equal_nan=True)


def test_entries_without_borders():
    """Extent 7 at stride 4 from pixel −3 on: pixel p is in entries ⌈(p − 3)/4⌉ … ⌊(p + 3)/4⌋."""
    net = rf.Network.sequential({"kernel": 7, "stride": 4, "padding": 3, "name": "c"}, axes=1)
    for p in range(-20, 20):
        found = rf.entries_at(net, p, "c")
        assert (found.first_entry.item(), found.last_entry.item()) == (-((3 - p) // 4), (p + 3) // 4)
        assert abs(found.offset.item()) <= 2
        assert found.nearest.item() * 4 + found.offset.item() == p
    box = rf.entries_at(net, 10, "c", size=20)
    assert (box.first_entry.item(), box.last_entry.item(), box.nearest.item(), box.offset.item()) == (2, 8, 5, -0.5)


@pytest.mark.parametrize(("pixel", "nearest", "offset"), [(0, 0, -3), (3, 0, 0), (16, 13, 0), (19, 13, 3)])
def test_the_nearest_entry_to_a_pixel_outside_all_centres(pixel, nearest, offset):
    """Without padding a kernel of 7 has its centres at pixels 3 to 16 of 20."""
    net = rf.Network.sequential({"kernel": 7, "name": "c"}, axes=1)
    found = rf.entries_at(net, pixel, "c", 20)
    assert (found.nearest.item(), found.offset.item()) == (nearest, offset)


def test_the_entry_that_is_responsible_for_an_object():
    """YOLO's rule is the cell that holds the centre; at stride 32 the object's middle 340 lies nearest to entry 11."""
    found = rf.entries_at("resnet50", (300, 300), "layer4", 640, size=81)
    assert found.nearest.values.tolist() == [[11, 11]]
    assert found.offset.values.tolist() == [[340 - 11 * 32] * 2]


def test_one_way_and_mirrored_maps():
    past = rf.Network.sequential({"op": "cumulative", "earlier": 1, "name": "p"}, axes=1)
    found = rf.entries_at(past, 4, "p")
    assert (found.first_entry.item(), found.last_entry.item(), isnan(found.nearest.item())) == (4, inf, True)
    with pytest.raises(rf.InputError, match="pixel along x is 40; it must lie between 0 and 29"):
        rf.entries_at(past, 40, "p", 30)


@pytest.mark.parametrize("size", [None, 12])
def test_entries_of_mirrored_maps(size):
    """The same entries, counted from the other end: of a map of 6 entry o is that of number 5 - o."""
    layers = [{"kernel": 3, "stride": 2, "padding": 1}, {"op": "flip", "reverse": 1}]
    net = rf.Network.sequential(*layers, axes=1, input_size=12)
    for pixel in range(12):
        plain, mirrored = (rf.entries_at(net, pixel, name, size, size=2) for name in ("conv1", "flip2"))
        assert mirrored.first_entry.item() == 5 - plain.last_entry.item()
        assert mirrored.last_entry.item() == 5 - plain.first_entry.item()
        assert abs(mirrored.offset.item()) == abs(plain.offset.item())
        assert mirrored.nearest.item() in (5 - plain.nearest.item(), 4 - plain.nearest.item())  # of two the first


@pytest.mark.torch
def test_the_box_is_where_gradients_are_not_zero():
    import torch

    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 5, stride=2, padding=1), torch.nn.MaxPool2d(3, 2, 1), torch.nn.Conv2d(2, 1, 3, dilation=2)
    )
    net = net.double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1.0)
    net[1] = torch.nn.AvgPool2d(3, 2, 1)
    image = torch.rand(1, 1, 41, 53, dtype=torch.float64, requires_grad=True)
    out = net(image)
    for entry in [(0, 0), (2, 3), tuple(n - 1 for n in out.shape[-2:])]:
        (gradient,) = torch.autograd.grad(out[0, 0][entry], image, retain_graph=True)
        ys, xs = np.nonzero(gradient[0, 0].numpy())
        found = rf.where(net.float(), "2", entry, (41, 53), example_input=(1, 1, 41, 53)).isel(layer=0)
        net.double()
        assert found.start.values.tolist() == [ys.min(), xs.min()]
        assert found.end.values.tolist() == [ys.max(), xs.max()]
