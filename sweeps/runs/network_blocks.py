"""Blocks of a `NetworkSpace`: the figures of one map of every network."""

from __future__ import annotations

from typing import Any

import numpy as np

from rfscale.engine.variables import Variable
from rfscale.sweeps.networks.figures import NetworkFigures
from rfscale.sweeps.runs.evaluator import Arrays
from rfscale.sweeps.spaces.network_space import NetworkSpace
from rfscale.sweeps.variables import NETWORKS


class NetworkBlocks:
    """Figures of flat ranges of the networks of a `NetworkSpace`, with the methods of `Blocks`.

    There is one stage, "networks". Figures are interior, those of the last of a network's outputs.
    """

    stages = ("networks",)

    def __init__(self, space: NetworkSpace) -> None:
        self.space = space
        self.figures = NetworkFigures(space)

    @property
    def axis_labels(self) -> tuple[str, ...]:
        """Axes of the networks, which must all have the same."""
        return self.figures.axes

    def size(self, stage: int | str = 0) -> int:
        """Return the number of networks."""
        return self.space.size

    def dims(self, stage: int | str = 0) -> dict[str, tuple[Any, ...]]:
        """Return the labels of every factor."""
        return self.space.dims

    def shape(self, stage: int | str = 0) -> tuple[int, ...]:
        """Return the number of values of every factor."""
        return tuple(len(labels) for labels in self.space.dims.values())

    def variables(self, stage: int | str = 0) -> dict[str, Variable]:
        """Return the specs of the variables."""
        return dict(NETWORKS)

    def row_bytes(self, stage: int | str = 0) -> int:
        """Return the bytes that one network takes."""
        return sum(8 * (len(self.axis_labels) if v.per_axis else 1) for v in NETWORKS.values())

    def attrs(self, stage: int | str = 0) -> dict[str, Any]:
        """Return the attrs of the dataset."""
        return {"stage": "networks", "ndim": len(self.axis_labels)}

    def empty(self, stage: int | str, start: int, stop: int) -> dict[str, np.ndarray]:
        """Return arrays for `fill`."""
        return self.figures.empty(stop - start)

    def fill(self, stage: int | str, start: int, stop: int, out: Arrays) -> None:
        """Write the figures of networks start..stop-1 into the arrays of `out`."""
        self.figures.fill(start, stop, out)

    def state_counts(self, build: bool = False) -> list[list[int]]:
        """Return nothing: networks are worked out one by one."""
        return []
