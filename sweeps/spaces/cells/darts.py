"""DARTS: a normal and a reduction cell, of nodes that read two maps before them."""

from __future__ import annotations

from typing import Any

CITATION = (
    "Liu, Simonyan, Yang: 'DARTS: Differentiable Architecture Search', ICLR 2019; operations and network as in "
    "github.com/quark0/darts, operations.py and model.py. The same space: Siems et al., 'NAS-Bench-301', 2020"
)
OPS = ["max3", "avg3", "skip", "sep3", "sep5", "dil3", "dil5"]


def darts(cells: int = 8, nodes: int = 4) -> dict[str, Any]:
    """Return the dict of the networks, 1.08·10^18 with four nodes: a third of the cells, then one of stride 2, twice.

    A separable convolution stands twice, as in the authors' code. A skip of stride 2, and what brings a map of smaller
    jump to that of the other, is the factorized reduction: two 1×1 of stride 2, one entry apart.

    Parameters
    ----------
    cells : int
        8 while searching, 20 in the networks that are compared.
    nodes : int
        Of a cell; its output concatenates them all.

    Examples
    --------
    >>> [stage["cell"] for stage in darts()["stages"] if "cell" in stage]
    ['normal', 'normal', 'reduce', 'normal', 'normal', 'reduce', 'normal', 'normal']
    """
    inputs = ["c0", "c1"]
    names = [f"n{i}" for i in range(2, 2 + nodes)]
    reductions = {cells // 3, 2 * cells // 3}
    stages: list[dict[str, Any]] = [{"name": "stem", "kernel": 3}]
    for i in range(cells):
        stages.append({"name": f"cell{i + 1}", "cell": "reduce" if i in reductions else "normal"})
    return {
        "name": f"darts-{cells}",
        "ops": {
            "max3": {"op": "max_pool", "kernel": 3, "stride": 1},
            "avg3": {"op": "avg_pool", "kernel": 3, "stride": 1},
            "skip": [],
            "sep3": [{"kernel": 3}, {"kernel": 3}],
            "sep5": [{"kernel": 5}, {"kernel": 5}],
            "dil3": {"kernel": 3, "dilation": 2},
            "dil5": {"kernel": 5, "dilation": 2},
        },
        "cells": {
            "normal": {
                "inputs": inputs,
                "nodes": [
                    {"name": name, "pick": 2, "of": [*inputs, *names[:i]], "op": OPS} for i, name in enumerate(names)
                ],
                "output": {"concat": names},
                "adapt": "factorized_reduce",
            },
            "reduce": {"like": "normal", "stride": 2},
        },
        "stages": stages,
    }
