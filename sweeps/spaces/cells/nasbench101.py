"""NAS-Bench-101: cells of any graph of up to seven nodes and nine edges, with an operation on each node."""

from __future__ import annotations

from typing import Any

CITATION = (
    "Ying, Klein, Real, Christiansen, Murphy, Hutter: 'NAS-Bench-101: Towards Reproducible Neural Architecture "
    "Search', ICML 2019; operations and network as in github.com/google-research/nasbench, model_builder.py"
)
OPS = ["conv3", "conv1", "pool3"]


def nasbench101(nodes: int = 5, edges: int = 9, cells: int = 3) -> dict[str, Any]:
    """Return the dict of the 423,624 networks: three times some cells, and 2×2 max-poolings of stride 2 between.

    The 1×1 convolutions that project a cell's input to the channels of its nodes are left out: they move no pixel.

    Parameters
    ----------
    nodes, edges : int
        Nodes beside input and output, and edges, that a cell may have.
    cells : int
        Cells of each of the three stages.

    Examples
    --------
    >>> nasbench101()["cells"]["cell"]["edges"]
    {'most': 9}
    """
    stages: list[dict[str, Any]] = [{"name": "stem", "kernel": 3}]
    for i in (1, 2, 3):
        stages.append({"name": f"s{i}", "cell": "cell", "repeat": cells})
        if i < 3:
            stages.append({"name": f"down{i}", "op": "max_pool", "kernel": 2})
    return {
        "name": "nas-bench-101",
        "ops": {"conv3": {"kernel": 3}, "conv1": {"kernel": 1}, "pool3": {"op": "max_pool", "kernel": 3, "stride": 1}},
        "cells": {"cell": {"nodes": {"most": nodes, "of": "any", "op": OPS}, "edges": {"most": edges}}},
        "stages": stages,
    }
