"""Spaces with cells of two inputs whose axes differ."""

from __future__ import annotations

from typing import Any

OPS: dict[str, Any] = {
    "none": "none",
    "skip": [],
    "wide": {"kernel": [1, 3]},
    "tall": {"kernel": [3, 1], "dilation": [2, 1]},
    "bent": [{"kernel": [1, 3]}, {"kernel": [5, 1]}],
    "holes": {"kernel": 3, "dilation": [1, 3]},
    "even": {"kernel": [2, 3], "dilation": [3, 1]},
    "volume": {"kernel": [3, 1, 1], "dilation": [2, 1, 1]},
    "plane": {"kernel": [1, 3, 3]},
}


def two_inputs(
    ops=("skip", "wide", "tall"), stride: Any = (2, 1), adapt="factorized_reduce", nodes=1, axes=2, own=True
) -> dict[str, Any]:
    """A stem, normal cells, and some that thin out entries, as DARTS has them; strides by axis."""
    inputs, names = ["c0", "c1"], [f"n{i}" for i in range(nodes)]
    normal = {
        "inputs": inputs,
        "nodes": [{"name": n, "pick": 2, "of": [*inputs, *names[:i]], "op": [*ops]} for i, n in enumerate(names)],
        "output": {"concat": names},
        "adapt": adapt,
        "aligned": False,
    }
    step = list(stride) if isinstance(stride, tuple) else stride
    one = [1] * (axes - 1)
    return {
        "name": f"two-inputs-{adapt}-{'+'.join(ops)}",
        "axes": axes,
        "ops": {name: OPS[name] for name in ops},
        "cells": {"normal": normal, "reduce": {"like": "normal", "stride": step}},
        "stages": [
            {"name": "stem", "kernel": [[1, 3, *one[1:]], [3, *one]], "stride": [1, [*one, 2]]},
            {"name": "a", "cell": "normal"},
            {"name": "b", "cell": "reduce"},
            {"name": "c", "cell": "normal"},
            *([{"name": "own", "cell": "reduce", "own": True}] if own else []),
        ],
    }  # fmt: skip


SPACES = [
    two_inputs(),
    two_inputs(("wide", "tall", "none"), (1, 2), "pointwise"),
    two_inputs(("skip", "even", "holes"), (3, 2), "max_pool"),
    two_inputs(("bent", "tall"), 2, "factorized_reduce"),
    two_inputs(("skip", "volume", "plane"), (1, 2, 2), "factorized_reduce", axes=3, own=False),
    two_inputs(("skip", "wide"), (2, 1), "max_pool", nodes=2, own=False),
]
