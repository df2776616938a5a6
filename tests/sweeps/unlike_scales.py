"""Spaces with skips and upsampling whose axes differ."""

from __future__ import annotations

import random
from typing import Any

UNET: dict[str, Any] = {
    "name": "u-net",
    "input_size": [32, 48],
    "channels": {"base": 2, "growth": 2},
    "factors": {"k": [[1, 3], [3, 1], 3]},
    "stages": [
        {"name": "e1", "kernel": "$k", "dilation": [1, [1, 2]]},
        {"name": "p1", "op": "max_pool", "kernel": [[2, 1]]},
        {"name": "e2", "kernel": [[1, 5], 3]},
        {"name": "p2", "op": "avg_pool", "kernel": 2},
        {"name": "b", "merge": "concat", "branches": {"choose": [1, 2], "of": [
            {"kernel": [1, 3]}, {"kernel": [3, 1], "dilation": [5, 1]}]}},
        {"name": "u2", "op": "upsample", "scale": 2, "mode": ["nearest", "bilinear"]},
        {"name": "j2", "skip": ["none", "e2"], "merge": "concat"},
        {"name": "d2", "kernel": "$k"},
        {"name": "u1", "op": "conv_transpose", "kernel": [[2, 1], [4, 3]], "stride": [[2, 1]]},
        {"name": "j1", "skip": "e1", "through": [{"kernel": 3, "dilation": [4, 1]}], "merge": "concat"},
        {"name": "d1", "kernel": [[3, 1]]},
    ],
}  # fmt: skip
PYRAMID: dict[str, Any] = {
    "name": "pyramid",
    "stages": [
        {"name": "stem", "kernel": [5, 3], "stride": [[2, 1]]},
        {"name": "c2", "kernel": [[3, 1]], "stride": [[1, 2], 2], "repeat": [1, 2]},
        {"name": "c3", "kernel": 3, "stride": [[2, 1]], "repeat": [1, 2]},
        {"name": "m3", "kernel": 1},
        {"name": "p3", "from": "m3", "kernel": [[1, 3], 3]},
        {"name": "u2", "from": "m3", "op": "upsample", "scale": [[2, 1]], "mode": ["nearest", "bilinear"]},
        {"name": "m2", "skip": "c2", "through": [{"kernel": 1}], "aligned": False},
        {"name": "p2", "from": "m2", "kernel": [[3, 1], [1, 3]]},
    ],
}  # fmt: skip
VOLUME: dict[str, Any] = {
    "name": "volume",
    "axes": 3,
    "stages": [
        {"name": "e", "kernel": [[1, 3, 3], [3, 1, 1]]},
        {"name": "p", "op": "max_pool", "kernel": [[1, 2, 2]]},
        {"name": "b", "branches": {"choose": [1, 2], "of": [
            {"kernel": [1, 3, 1]}, {"kernel": [3, 1, 1], "dilation": [2, 1, 1]}]}},
        {"name": "u", "op": "upsample", "scale": [[1, 2, 2]], "mode": ["nearest", "bilinear"]},
        {"name": "j", "skip": ["none", "e"]},
        {"name": "d", "kernel": [[1, 1, 3], [3, 1, 1]]},
    ],
}  # fmt: skip
CELLS: dict[str, Any] = {
    "name": "cells",
    "ops": {"skip": [], "tall": {"kernel": [3, 1], "dilation": [3, 1]}, "wide": {"kernel": [1, 3]}},
    "cells": {
        "c": {"inputs": ["x"], "edges": [
            {"from": "x", "to": ["a", "out"], "op": ["skip", "tall"]},
            {"from": "a", "to": "out", "op": ["wide", "skip"]},
        ], "output": "out"},
        "r": {"like": "c", "stride": [1, 2], "adapt": "factorized_reduce"},
    },
    "stages": [
        {"name": "e", "cell": "c"},
        {"name": "p", "cell": "r"},
        {"name": "b", "cell": "c", "repeat": 2},
        {"name": "u", "op": "upsample", "scale": [[1, 2]], "mode": "bilinear"},
        {"name": "j", "skip": "e", "aligned": False},
        {"name": "d", "cell": "c", "own": True, "from": "j"},
    ],
}  # fmt: skip
SHIFTED: dict[str, Any] = {
    "name": "shifted",
    "stages": [
        {"name": "a", "kernel": 3},
        {"name": "b", "branches": [[], [{"op": "slice", "start": [0, 1]}]], "aligned": False},
        {"name": "c", "kernel": [1, 3], "stride": 2},
        {"name": "u", "op": "upsample", "scale": 2},
        {"name": "j", "skip": "b", "through": [{"op": "slice", "start": [2, 0]}], "aligned": False},
    ],
}
SPACES = [UNET, PYRAMID, VOLUME, CELLS, SHIFTED]


def random_space(seed: int) -> dict[str, Any]:
    """One or two scales of 1, 2 or 3 by axis, even and dilated kernels, every way up, branches, skips or none."""
    draw = random.Random(seed)
    axes = 3 if seed % 5 == 4 else 2

    def unlike(*values: int) -> list[int]:
        return [draw.choice(values) for _ in range(axes)]

    def layer() -> dict[str, Any]:
        return {"kernel": unlike(1, 2, 3, 3), "dilation": unlike(1, 1, 2, 5)}

    def listed(layer: dict[str, Any]) -> dict[str, Any]:
        """The layer as a stage has it: a list there is a factor."""
        return {key: [value] for key, value in layer.items()}

    scales = [unlike(1, 2, 2, 3) for _ in range(draw.choice([1, 1, 2]))]
    stages: list[dict[str, Any]] = []
    for i, scale in enumerate(scales):
        split = {"branches": [[layer()], [layer(), layer()]], "aligned": False}
        plain = {"kernel": [[1] * axes, [3, *[1] * (axes - 1)]], "dilation": [unlike(1, 2, 4)]}
        stages.append({"name": f"e{i}", **(split if draw.random() < 0.4 else plain)})
        stages.append({"name": f"p{i}", "stride": [scale], **listed(layer())})
    of = [[layer()] for _ in range(3)]
    stages.append({"name": "b", "branches": {"choose": [1, 2], "of": of}, "aligned": False})
    for i, scale in reversed(list(enumerate(scales))):
        wider = [s + draw.choice([0, 1, 3]) for s in scale]
        up = draw.choice([
            {"op": "upsample", "scale": [scale], "mode": ["nearest", "bilinear"]},
            {"op": "conv_transpose", "kernel": [wider], "stride": [scale]},
            {"choices": [
                {"op": "upsample", "scale": scale},
                [layer(), {"op": "conv_transpose", "kernel": wider, "stride": scale}],
            ]},
        ])  # fmt: skip
        through = [layer()] if draw.random() < 0.5 else []
        skip = draw.choice([f"e{i}", ["none", f"e{i}"]])
        stages.append({"name": f"u{i}", **up})
        stages.append({"name": f"j{i}", "skip": skip, "aligned": False, "through": through})
        if draw.random() < 0.6:
            stages.append({"name": f"d{i}", **listed(layer())})
    stages.append({"name": "end", "kernel": [[1, *[3] * (axes - 1)], [3, *[1] * (axes - 1)]]})
    return {"name": f"random{seed}", "axes": axes, "stages": stages}
