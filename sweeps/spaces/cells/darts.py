"""DARTS: a normal and a reduction cell, of nodes that read two maps before them."""

from __future__ import annotations

from typing import Any

CITATION = (
    "Liu, Simonyan, Yang: 'DARTS: Differentiable Architecture Search', ICLR 2019; operations and network as in "
    "github.com/quark0/darts, operations.py and model.py. The same space: Siems et al., 'NAS-Bench-301', 2020"
)
OPS = ["max3", "avg3", "skip", "sep3", "sep5", "dil3", "dil5"]


def darts(cells: int = 8, nodes: int = 4, channels: int | None = None) -> dict[str, Any]:
    """Return the dict of the networks, 1.08·10^18 with four nodes: a third of the cells, then one of stride 2, twice.

    Layers are those of the authors' code: a separable convolution, depthwise and 1×1, stands twice; a dilated one is
    depthwise and 1×1; each input of a cell passes through a 1×1 first. A skip of stride 2, and what brings a map of
    smaller jump to that of the other, is the factorized reduction: two 1×1 of stride 2, one entry apart. No convolution
    has a bias. Batch normalisations, the auxiliary head and the classifier are left out.

    Parameters
    ----------
    cells : int
        8 while searching, 20 in the networks that are compared.
    nodes : int
        Of a cell; its output concatenates them all.
    channels : int, optional
        Of the first cells' nodes (16 while searching, 36 in the networks that are compared), three times as many of the
        stem, twice as many after each reduction: for params and macs.

    Examples
    --------
    >>> [stage["cell"] for stage in darts()["stages"] if "cell" in stage]
    ['normal', 'normal', 'reduce', 'normal', 'normal', 'reduce', 'normal', 'normal']
    """
    inputs = ["c0", "c1"]
    names = [f"n{i}" for i in range(2, 2 + nodes)]
    reductions = {cells // 3, 2 * cells // 3}
    own = {} if channels is None else {"channels": 3 * channels}
    stages: list[dict[str, Any]] = [{"name": "stem", "kernel": 3, "bias": False, **own}]
    for i in range(cells):
        stages.append({"name": f"cell{i + 1}", "cell": "reduce" if i in reductions else "normal"})
    costs = {} if channels is None else {"channels": {"base": channels, "growth": 2}, "input_size": 32}
    return {
        "name": f"darts-{cells}",
        **costs,
        "ops": {
            "max3": {"op": "max_pool", "kernel": 3, "stride": 1},
            "avg3": {"op": "avg_pool", "kernel": 3, "stride": 1},
            "skip": [],
            "sep3": [*_separable(3), *_separable(3)],
            "sep5": [*_separable(5), *_separable(5)],
            "dil3": _separable(3, 2),
            "dil5": _separable(5, 2),
        },
        "cells": {
            "normal": {
                "inputs": inputs,
                "nodes": [
                    {"name": name, "pick": 2, "of": [*inputs, *names[:i]], "op": OPS} for i, name in enumerate(names)
                ],
                "output": {"concat": names},
                "adapt": "factorized_reduce",
                "project": True,
                "bias": False,
            },
            "reduce": {"like": "normal", "stride": 2},
        },
        "stages": stages,
    }


def _separable(kernel: int, dilation: int = 1) -> list[dict[str, Any]]:
    """A depthwise convolution, and a 1×1."""
    depthwise = {"kernel": kernel, "dilation": dilation, "groups": "depthwise", "bias": False}
    return [{k: v for k, v in depthwise.items() if v != 1}, {"kernel": 1, "bias": False}]
