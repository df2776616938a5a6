"""Pairs of layers of two networks: by name, by output, by order."""

from __future__ import annotations

import rfscale as rf
from rfscale.engine.analysis.questions.compare import aligned


def net(*layers):
    return rf.Network.sequential(*({"name": name, "kernel": kernel} for name, kernel in layers))


def named(a, b):
    return [
        (a.layers[p.a].name if p.a is not None else "", b.layers[p.b].name if p.b is not None else "", p.how)
        for p in aligned(a, b)
    ]


def test_a_network_and_itself():
    a = rf.load("resnet18")
    assert [tuple(p) for p in aligned(a, a)] == [(i, i, "name") for i in range(len(a))]


def test_names_outputs_and_order():
    a = net(("stem", 7), ("x1", 3), ("x2", 5), ("out", 1))
    b = net(("stem", 7), ("y0", 9), ("y1", 3), ("y2", 5), ("head", 2))
    assert named(a, b) == [
        ("stem", "stem", "name"),
        ("", "y0", "only b"),
        ("x1", "y1", "order"),
        ("x2", "y2", "order"),
        ("out", "head", "output"),
    ]


def test_layers_of_other_kernels_in_the_same_place():
    assert named(net(("a", 3), ("b", 3), ("o", 1)), net(("c", 5), ("d", 5), ("o", 1))) == [
        ("a", "c", "order"),
        ("b", "d", "order"),
        ("o", "o", "name"),
    ]


def test_every_layer_is_in_one_pair():
    names = ("vgg16", "resnet18", "googlenet", "fpn-resnet50")
    for a in map(rf.load, names):
        for b in map(rf.load, names):
            pairs = aligned(a, b)
            assert sorted(p.a for p in pairs if p.a is not None) == list(range(len(a)))
            assert sorted(p.b for p in pairs if p.b is not None) == list(range(len(b)))
            assert [p.a for p in pairs if p.a is not None] == list(range(len(a)))


def test_an_output_is_compared_with_the_output():
    """A deeper network has a layer of the output's name, which is not its output."""
    assert [tuple(p) for p in aligned(rf.load("stack", n=2), rf.load("stack", n=3))] == [
        (0, 0, "name"),
        (None, 1, "only b"),
        (1, 2, "output"),
    ]
