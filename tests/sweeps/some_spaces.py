"""Spaces that the tests of sweeps share: one for every kind of factor, and random ones."""

from __future__ import annotations

import random
from math import prod
from typing import Any

from tests.oracles.spaces import factors

DEMO: dict[str, Any] = {
    "name": "demo",
    "factors": {"k": [3, 5]},
    "input_size": 64,
    "channels": {"base": 4, "growth": 2},
    "stages": [
        {"name": "stem", "op": "conv", "kernel": [3, 5, 7], "stride": 2},
        {"name": "s1", "op": "conv", "kernel": "$k", "dilation": [1, 2], "repeat": [1, 2, 3]},
        {"name": "s2", "stride": 2, "stride_at": "first", "kernel": "$k", "repeat": [0, 1, 2]},
        {
            "name": "s3",
            "choices": [
                {"name": "none"},
                {"name": "dense", "kernel": 3},
                {"name": "holes", "kernel": 3, "dilation": 2},
            ],
        },
    ],
}
ANISOTROPIC: dict[str, Any] = {
    "name": "anisotropic",
    "input_size": [40, 60],
    "channels": 6,
    "stages": [
        {"name": "a", "kernel": [[1, 7], [7, 1], 3], "stride": [1, [1, 2]]},
        {"name": "b", "kernel": 3, "dilation": [[1, 3], [4, 1]], "repeat": [0, 1, 2], "groups": "depthwise"},
        {"name": "c", "op": ["max_pool", "conv"], "kernel": [2, [3, 2]]},
    ],
}
MIXED: dict[str, Any] = {
    "name": "mixed",
    "factors": {"k": [2, 3], "d": [1, 3]},
    "input_size": 96,
    "channels": {"base": 6, "growth": 2},
    "stages": [
        {"name": "patch", "op": ["space_to_depth", "slice", "pointwise"], "scale": 2, "step": 3},
        {
            "name": "mid",
            "kernel": "$k",
            "dilation": "$d",
            "stride": [1, 2],
            "stride_at": ["first", "last"],
            "repeat": [1, 3],
        },
        {"name": "fixed", "op": "avg_pool", "kernel": 2},
        {
            "name": "head",
            "repeat": [0, 1, 2],
            "choices": [
                [],
                [{"kernel": 1}, {"kernel": "$k", "dilation": 2, "channels": 9, "groups": 3}],
                {"layers": [{"kernel": 5, "dilation": "$d", "bias": False, "repeat": 2}]},
            ],
        },
    ],
}
LINE: dict[str, Any] = {
    "name": "line",
    "axes": 1,
    "stages": [{"name": f"s{i}", "kernel": [2, 3], "dilation": [1, 5, 70], "stride": [1, 2]} for i in range(3)],
}
ALL = [DEMO, ANISOTROPIC, MIXED, LINE]


def random_space(seed: int, largest: int = 400) -> dict[str, Any]:
    """A small space of one axis kind, with factors of random kinds."""
    draw = random.Random(seed)
    while True:
        spec: dict[str, Any] = {"name": f"random{seed}", "axes": draw.choice([1, 2]), "stages": []}
        if draw.random() < 0.5:
            spec["factors"] = {"k": draw.sample([1, 2, 3, 5], 2)}
        if draw.random() < 0.5:
            spec["channels"] = {"base": draw.choice([4, 6]), "growth": draw.choice([1, 2])}
            spec["input_size"] = draw.choice([50, 64])
        for i in range(draw.randint(1, 5)):
            stage: dict[str, Any] = {"name": f"s{i}"}
            for key, pool in (("kernel", [1, 2, 3, 5, 9]), ("dilation", [1, 2, 3, 4, 11, 30]), ("stride", [1, 2, 3])):
                n = draw.choice([0, 1, 1, 2, 3])
                if n or key == "kernel":
                    stage[key] = draw.sample(pool, n) if n > 1 else draw.choice(pool)
            if draw.random() < 0.4:
                stage["repeat"] = draw.choice([[0, 1], [1, 2, 3], 2, [0, 2]])
            if "stride" in stage and draw.random() < 0.3:
                stage["stride_at"] = draw.choice(["last", ["first", "last"]])
            if "factors" in spec and draw.random() < 0.6:
                stage["kernel"] = "$k"
            if draw.random() < 0.2:
                stage["op"] = draw.choice(["max_pool", ["conv", "avg_pool"], "lp_pool"])
            spec["stages"].append(stage)
        if "factors" in spec and not any(s["kernel"] == "$k" for s in spec["stages"]):
            del spec["factors"]
        if prod(len(v) for new in factors(spec) for _, v in new) <= largest:
            return spec
