"""NAS-Bench-201: cells of four nodes that add, with an operation on each of six edges."""

from __future__ import annotations

from typing import Any

CITATION = (
    "Dong, Yang: 'NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search', ICLR 2020; "
    "operations and network as in github.com/D-X-Y/AutoDL-Projects, cell_operations.py and tiny_network.py"
)
OPS = ["none", "skip", "conv1", "conv3", "pool3"]


def nasbench201(cells: int = 5, own: bool = False) -> dict[str, Any]:
    """Return the dict of the 15,625 networks: three times some cells, and residual blocks of stride 2 between.

    Parameters
    ----------
    cells : int
        Cells of each of the three stages.
    own : bool
        Whether each stage has a cell of its own choice, where the benchmark has one for all.

    Examples
    --------
    >>> list(nasbench201()["ops"]) == OPS
    True
    """
    down = [[{"kernel": 3, "stride": 2}, {"kernel": 3}], [{"op": "avg_pool", "kernel": 2}, {"kernel": 1}]]
    stages: list[dict[str, Any]] = [{"name": "stem", "kernel": 3}]
    for i in (1, 2, 3):
        stages.append({"name": f"s{i}", "cell": "cell", "repeat": cells, **({"own": True} if own else {})})
        if i < 3:
            stages.append({"name": f"r{i}", "branches": down, "aligned": False})
    return {
        "name": "nas-bench-201",
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
                    {"from": "x", "to": ["a", "b", "out"], "op": OPS},
                    {"from": "a", "to": ["b", "out"], "op": OPS},
                    {"from": "b", "to": "out", "op": OPS},
                ],
                "output": "out",
            }
        },
        "stages": stages,
    }
