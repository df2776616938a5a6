"""NAS-Bench-101: cells of at most seven vertices, with an operation on each of the inner ones."""

from __future__ import annotations

from typing import Any

CITATION = (
    "Ying, Klein, Christiansen, Real, Murphy, Hutter: 'NAS-Bench-101: Towards Reproducible Neural Architecture "
    "Search', ICML 2019; github.com/google-research/nasbench, model_builder.py"
)
OPS = ["conv1", "conv3", "pool3"]


def nasbench101(vertices: int = 7, edges: int = 9) -> dict[str, Any]:
    """Return the dict of the networks: three times three cells, and a 2×2 max-pooling between.

    Labelled cells are counted, not classes of isomorphic ones: of these there are 423,624.

    Parameters
    ----------
    vertices : int
        Of a cell, input and output among them.
    edges : int
        At most, of a cell.
    """
    names = [f"v{i}" for i in range(1, vertices - 1)]
    stages: list[dict[str, Any]] = [{"name": "stem", "kernel": 3}]
    for i in (1, 2, 3):
        stages.append({"name": f"s{i}", "cell": "cell", "repeat": 3})
        if i < 3:
            stages.append({"name": f"p{i}", "op": "max_pool", "kernel": 2})
    return {
        "name": "nas-bench-101",
        "ops": {"conv1": {"kernel": 1}, "conv3": {"kernel": 3}, "pool3": {"op": "max_pool", "kernel": 3, "stride": 1}},
        "cells": {
            "cell": {
                "inputs": ["x"],
                "nodes": [{"name": name, "of": "any", "op": OPS} for name in names],
                "edges": {"most": edges},
                "output": {"concat": "any"},
            }
        },
        "stages": stages,
    }
