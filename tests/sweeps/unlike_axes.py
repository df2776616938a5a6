"""Spaces that branch and whose axes differ, and their figures: listed, and by plain sets of pixels."""

from __future__ import annotations

import random
from itertools import pairwise, product

import numpy as np

import rfscale as rf
from rfscale.engine import InputError
from rfscale.sweeps import Space

BLOCK = [
    {"name": "point", "kernel": 1},
    {"name": "bent", "layers": [{"kernel": [1, 7]}, {"kernel": [7, 1]}]},
    {"name": "tall", "kernel": [3, 1], "dilation": [2, 1]},
    {"name": "pool", "op": "avg_pool", "kernel": 3, "stride": 1},
]
INCEPTION = {
    "name": "inception",
    "input_size": [48, 64],
    "channels": {"base": 4, "growth": 2},
    "factors": {"k": [[1, 3], 3]},
    "stages": [
        {"name": "stem", "kernel": "$k", "stride": [1, [2, 1]]},
        {"name": "mixed", "merge": "concat", "branches": {"choose": [1, 2, 3], "of": BLOCK}, "repeat": [1, 2]},
        {"name": "down", "aligned": False, "merge": "concat", "branches": [
            [{"kernel": [3, 2], "stride": [2, 3]}, {"kernel": "$k"}], [{"op": "max_pool", "kernel": [2, 3]}]]},
        {"name": "out", "merge": "concat", "branches": {"choose": [1, 2], "of": [
            [], {"kernel": 3, "dilation": [1, 5]}, {"kernel": [5, 1]}]}},
    ],
}  # fmt: skip
ROADS = {
    "name": "roads",
    "stages": [
        {"name": "a", "kernel": [[1, 3], 3], "stride": [[2, 1], [1, 2]]},
        {"name": "b", "choices": [
            {"name": "plain", "kernel": [3, 1]},
            {"name": "split", "branches": [{"kernel": [2, 4]}, {"kernel": [4, 2], "dilation": [1, 3]}]},
            [{"kernel": [1, 3], "dilation": [1, 4]},
             {"branches": [[], [{"kernel": [3, 1]}, {"branches": [{"kernel": 3, "dilation": [9, 1]}, []]}]]}]]},
        {"name": "c", "kernel": [2, [1, 3]], "dilation": [1, [3, 2]], "stride": [1, [1, 3]]},
        {"name": "d", "branches": [{"kernel": [5, 3], "dilation": 2}, {"kernel": [1, 5]}, {"kernel": [3, 1]}]},
    ],
}  # fmt: skip
VOLUME = {
    "name": "volume",
    "axes": 3,
    "stages": [
        {"name": "a", "kernel": [[1, 3, 3], [3, 1, 1]], "stride": [1, [1, 2, 2]]},
        {"name": "b", "branches": {"choose": [1, 2, 3], "of": [
            {"kernel": [1, 3, 3]}, {"kernel": [3, 1, 1], "dilation": 2}, {"kernel": [1, 1, 5]}]}},
        {"name": "c", "aligned": False, "branches": {"choose": [1, 2], "of": [
            [], {"kernel": [2, 2, 1]}, {"kernel": 3, "dilation": [1, 1, 3]}]}},
    ],
}  # fmt: skip
OPS = {
    "none": "none",
    "skip": [],
    "wide": {"kernel": [1, 3]},
    "tall": {"kernel": [3, 1], "dilation": [2, 1]},
    "both": [{"kernel": [1, 5]}, {"kernel": [3, 1]}],
    "full": {"kernel": 3},
}
CELLS = {
    "name": "cells",
    "ops": OPS,
    "cells": {
        "c": {
            "inputs": ["x"],
            "edges": [
                {"from": "x", "to": ["a", "out"], "op": ["none", "skip", "wide", "tall"]},
                {"from": "a", "to": "out", "op": ["none", "both", "full"]},
            ],
            "output": "out",
        },
        "r": {"like": "c", "stride": 2, "adapt": "factorized_reduce"},
    },
    "stages": [
        {"name": "stem", "kernel": [3, 1], "stride": [[1, 2]]},
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
                {"name": "n", "pick": 1, "of": ["x"], "op": ["wide", "tall", "full"]},
                {"name": "m", "pick": 2, "of": ["x", "n"], "op": ["skip", "wide", "both"]},
            ],
            "output": {"concat": ["n", "m"]},
        }
    },
    "stages": [{"name": "s1", "cell": "c"}, {"name": "s2", "cell": "c", "own": True}],
}
GRAPHS = {
    "name": "graphs",
    "ops": OPS,
    "cells": {"c": {"inputs": ["x"], "nodes": {"most": 2, "of": "any", "op": ["wide", "both"]}, "edges": {"most": 5}}},
    "stages": [{"name": "stem", "kernel": 3}, {"name": "s1", "cell": "c", "repeat": 2}],
}
SPACES = [INCEPTION, ROADS, VOLUME, CELLS, PICKS, GRAPHS]
BY_AXIS = ("extent", "jump", "overlap", "max_gap")


def random_space(seed: int) -> dict:
    """Stages of branches and chains in two or three axes: windows, dilations, strides and slices by axis."""
    draw = random.Random(seed)
    axes = 3 if seed % 4 == 3 else 2

    def unlike(*values: int) -> list[int]:
        return [draw.choice(values) for _ in range(axes)]

    def layer() -> dict:
        if draw.random() < 0.1:
            return {"op": "slice", "start": unlike(0, 1)}
        return {"kernel": unlike(1, 2, 3, 3, 5), "dilation": unlike(1, 1, 2, 3, 6)}

    stages: list[dict] = []
    for i in range(draw.randint(2, 3)):
        stage: dict = {"name": f"s{i}"}
        if draw.random() < 0.7:
            of = [[layer() for _ in range(draw.choice([0, 1, 1, 2]))] for _ in range(draw.randint(2, 4))]
            stage |= {"branches": {"choose": draw.choice([1, 2, [1, 2]]), "of": of}, "aligned": False}
        else:
            stage |= {"kernel": [draw.choice([1, 2]), unlike(1, 3)], "dilation": [1, unlike(2, 5)]}
            stage |= {"stride": draw.choice([2, [1, [2, *[1] * (axes - 1)]]])}
        stages.append(stage)
    stages.append({"name": "end", "branches": [[], {"kernel": [3, *[1] * (axes - 1)], "dilation": 2}]})
    try:
        Space.from_dict({"axes": axes, "stages": stages})
    except InputError:  # two windows of one factor are alike
        return random_space(seed + 1000)
    return {"name": f"random{seed}", "axes": axes, "stages": stages}


def paths(network: rf.Network, layer: str) -> list[tuple[frozenset[int], ...]]:
    """The sets, one per axis, of each path from the image to entry 0 of a layer, by the definition of a window."""
    ndim = len(network.axes)
    reads: dict[str, set[tuple[frozenset[int], ...]]] = {"input": {(frozenset({0}),) * ndim}}
    jump = {"input": (1,) * ndim}
    for x in network.layers:
        before, p = jump[x.inputs[0]], x.params
        taps = []
        for a in range(ndim):
            kernel, dilation = (p.get(key, (1,) * ndim)[a] for key in ("kernel", "dilation"))
            start = p["padding"][a] if "padding" in p else -p.get("start", (0,) * ndim)[a]
            taps.append([(i * dilation - start) * before[a] for i in range(kernel)])
        reads[x.name] = {
            tuple(frozenset(v + t for v in s for t in taps[a]) for a, s in enumerate(term))
            for source in x.inputs
            for term in reads[source]
        }
        step = p.get("step", p.get("stride", (1,) * ndim))
        jump[x.name] = tuple(b * s for b, s in zip(before, step, strict=True))
    return list(reads[layer])


def plain_figures(network: rf.Network, layer: str) -> dict:
    """Figures of the union of the products of all paths, point by point."""
    found, ndim = paths(network, layer), len(network.axes)
    union = {point for term in found for point in product(*term)}
    jump = [int(j) for j in rf.profile(network).jump.sel(layer=layer).values]
    out: dict = {"area": len(union), "extent": [], "pixels": [], "max_gap": [], "overlap": []}
    for a in range(ndim):
        axis = sorted({point[a] for point in union})
        out["extent"].append(axis[-1] - axis[0] + 1)
        out["pixels"].append(len(axis))
        out["max_gap"].append(max((q - p - 1 for p, q in pairwise(axis)), default=0))
        moved = {(*point[:a], point[a] + jump[a], *point[a + 1 :]) for point in union}
        out["overlap"].append(len(union & moved) / len(union))
    out["terms"] = sum(not any(t != u and all(map(frozenset.issubset, t, u)) for u in found) for t in found)
    return out


def figures_by_stage(space: Space) -> dict[str, dict[str, np.ndarray]]:
    """Figures of every architecture of every stage, row-major."""
    out = {}
    for stage, node in rf.sweep(space).children.items():
        ds, axes = node.dataset, len(space.axes)
        out[stage] = {n: v.values.reshape((-1, axes) if "axis" in v.dims else -1) for n, v in ds.data_vars.items()}
    return out
