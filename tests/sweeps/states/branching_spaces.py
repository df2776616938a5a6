"""Spaces with branches and with cells, whole or drawn, and the paths of their networks."""

from __future__ import annotations

import random

import rfscale as rf

ASPP = {"choose": [1, 2, 3], "of": [{"name": f"d{d}", "kernel": 3, "dilation": d} for d in (1, 4, 7)]}
HEAD = {
    "name": "head",
    "input_size": 96,
    "channels": {"base": 4, "growth": 2},
    "factors": {"k": [1, 3, 5]},
    "stages": [
        {"name": "stem", "kernel": "$k", "stride": [1, 2]},
        {"name": "aspp", "branches": ASPP, "repeat": [1, 2]},
        {
            "name": "down",
            "aligned": False,
            "branches": [
                [{"kernel": 3, "stride": 2}, {"kernel": "$k"}],
                [{"op": "avg_pool", "kernel": 2}, {"kernel": 1}],
            ],
        },
        {"name": "out", "merge": "concat", "branches": {"choose": [1, 2], "of": [[], {"kernel": 3, "dilation": 5}]}},
    ],
}
NESTED = {
    "name": "nested",
    "stages": [
        {
            "name": "block",
            "choices": [
                {"name": "plain", "kernel": 3},
                {"name": "split", "branches": [{"kernel": 2}, {"kernel": 4, "dilation": 3}]},
                [
                    {"kernel": 3, "dilation": 4},
                    {"branches": [[], [{"kernel": 3}, {"branches": [{"kernel": 3, "dilation": 9}, []]}]]},
                ],
            ],
        },
        {"name": "wide", "kernel": [2, 3], "dilation": [1, 3], "stride": [1, 3]},
        {"name": "last", "branches": [{"kernel": 5, "dilation": 2}, {"kernel": 3, "dilation": 5}, {"kernel": 3}]},
    ],
}
VOLUME = {**NESTED, "name": "volume", "axes": 3}
LINE = {**HEAD, "name": "line", "axes": 1}
FIGURES = ("area", "extent", "jump", "overlap", "max_gap", "terms")


def random_space(seed: int, axes: int = 2) -> dict:
    """Stages of branches and chains, odd and even kernels, strides, slices, identities."""
    draw = random.Random(seed)

    def layer() -> dict:
        if draw.random() < 0.1:
            return {"op": "slice", "start": draw.choice([0, 1])}
        return {"kernel": draw.choice([1, 2, 3, 3, 5]), "dilation": draw.choice([1, 1, 2, 3, 6])}

    stages = []
    for i in range(draw.randint(2, 3)):
        stage: dict = {"name": f"s{i}"}
        if draw.random() < 0.7:
            of = [[layer() for _ in range(draw.choice([0, 1, 1, 2]))] for _ in range(draw.randint(2, 4))]
            stage |= {"branches": {"choose": draw.choice([1, 2, [1, 2]]), "of": of}, "aligned": False}
        else:
            stage |= {"kernel": draw.sample([1, 2, 3, 5], 2), "dilation": draw.sample([1, 2, 5], 2)}
            stage |= {"stride": draw.choice([1, 2, [1, 2]])}
        stages.append(stage)
    stages.append({"name": "end", "branches": [[], {"kernel": 3, "dilation": 2}]})
    return {"name": f"random{seed}", "axes": axes, "stages": stages}


def pixels(network: rf.Network, layer: str) -> set[int]:
    """Pixels on an axis of each path to entry 0 of a layer, united path by path: sets of tuples would be too many."""
    return set().union(*paths(network, layer))


def paths(network: rf.Network, layer: str) -> list[set[int]]:
    """The 1-D set of each path from the image to entry 0 of a layer, by the definition of a window."""
    reads: dict[str, list[frozenset[int]]] = {"input": [frozenset({0})]}
    jump = {"input": 1}
    for x in network.layers:
        sources = [s for name in x.inputs for s in reads[name]]
        before = jump[x.inputs[0]]
        p = x.params
        kernel, stride, dilation = (p.get(key, (1,))[0] for key in ("kernel", "stride", "dilation"))
        start = p["padding"][0] if "padding" in p else -p.get("start", (0,))[0]
        taps = [(i * dilation - start) * before for i in range(kernel)]
        reads[x.name] = list({frozenset(a + t for a in s for t in taps) for s in sources})
        jump[x.name] = before * p.get("step", (stride,))[0]
    return [set(s) for s in reads[layer]]


OPS = {
    "none": "none",
    "skip": [],
    "c1": {"kernel": 1},
    "c3": {"kernel": 3},
    "d3": {"kernel": 3, "dilation": 2},
    "two": [{"kernel": 3}, {"kernel": 3, "dilation": 4}],
}
EDGES = {
    "name": "edges",
    "ops": OPS,
    "cells": {
        "c": {
            "inputs": ["x"],
            "edges": [
                {"from": "x", "to": ["a", "out"], "op": ["none", "skip", "d3", "two"]},
                {"from": "a", "to": "out", "op": ["none", "c3", "two"]},
            ],
            "output": "out",
        },
        "r": {"like": "c", "stride": 2, "adapt": "factorized_reduce"},
    },
    "stages": [
        {"name": "stem", "kernel": 3},
        {"name": "s1", "cell": "c", "repeat": [1, 2]},
        {"name": "down", "cell": "r"},
        {"name": "s2", "cell": "c"},
    ],
}
PICKS = {
    "name": "picks",
    "ops": OPS,
    "cells": {
        "c": {
            "inputs": ["x"],
            "nodes": [
                {"name": "n1", "pick": 1, "of": ["x"], "op": ["skip", "d3", "two"]},
                {"name": "n2", "pick": 2, "of": ["x", "n1"], "op": ["c3", "d3"]},
                {"name": "n3", "pick": 2, "of": ["x", "n1", "n2"], "op": ["skip", "d3"]},
            ],
            "output": {"concat": ["n2", "n3"]},
        }
    },
    "stages": [
        {"name": "stem", "kernel": [1, 3]},
        {"name": "s1", "cell": "c"},
        {"name": "p", "op": "max_pool", "kernel": 3, "stride": 2},
        {"name": "s2", "cell": "c"},
        {"name": "s3", "cell": "c", "own": True},
    ],
}
NASBENCH201 = {
    "name": "nas-bench-201",
    "channels": {"base": 16, "growth": 2},
    "input_size": 32,
    "ops": {
        "none": "none",
        "skip": [],
        "conv1": {"kernel": 1},
        "conv3": {"kernel": 3},
        "pool3": {"op": "avg_pool", "kernel": 3, "stride": 1},
    },
    "cells": {
        "cell": {
            "inputs": ["x"],
            "edges": [
                {"from": "x", "to": ["a", "b", "out"], "op": ["none", "skip", "conv1", "conv3", "pool3"]},
                {"from": "a", "to": ["b", "out"], "op": ["none", "skip", "conv1", "conv3", "pool3"]},
                {"from": "b", "to": "out", "op": ["none", "skip", "conv1", "conv3", "pool3"]},
            ],
            "output": "out",
        }
    },
    "stages": [
        {"name": "stem", "kernel": 3},
        {"name": "s1", "cell": "cell", "repeat": 5},
        {
            "name": "r1",
            "aligned": False,
            "branches": [
                [{"kernel": 3, "stride": 2}, {"kernel": 3}],
                [{"op": "avg_pool", "kernel": 2}, {"kernel": 1}],
            ],
        },
        {"name": "s2", "cell": "cell", "repeat": 5},
    ],
}
