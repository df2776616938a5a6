"""Blocks of a `NetworkSpace`: the figures of one map of every network, network by network."""

from __future__ import annotations

from functools import cached_property
from math import nan
from typing import Any

import numpy as np

from rfscale.engine.errors import InputError, shown
from rfscale.engine.footprints.cache import Memory
from rfscale.engine.footprints.footprint_figures import FootprintFigures
from rfscale.engine.footprints.forward import trace
from rfscale.engine.network.costs import layer_costs
from rfscale.engine.network.network import Network
from rfscale.engine.variables import Variable
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
        self._memory = Memory()

    @cached_property
    def axis_labels(self) -> tuple[str, ...]:
        """Axes of the networks, which must all have the same."""
        return self.space.network(0).axes

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
        n, axes = stop - start, len(self.axis_labels)
        return {name: np.empty((n, axes) if v.per_axis else n) for name, v in NETWORKS.items()}

    def fill(self, stage: int | str, start: int, stop: int, out: Arrays) -> None:
        """Write the figures of networks start..stop-1 into the arrays of `out`."""
        for i in range(start, stop):
            network = self.space.network(i)
            if network.axes != self.axis_labels:
                raise InputError(
                    f"network {shown(self.space.labels(i))} has axes {', '.join(network.axes)} and the first one "
                    f"{', '.join(self.axis_labels)}; all networks of a space need the same"
                )
            try:
                row = network_figures(network, self._memory)
            except InputError as error:
                raise InputError(f"network {shown(self.space.labels(i))}: {error}") from None
            for name, array in out.items():
                array[i - start] = row[name]
            if self._memory.full:
                self._memory = Memory()

    def state_counts(self, build: bool = False) -> list[list[int]]:
        """Return nothing: networks are worked out one by one."""
        return []


def network_figures(network: Network, memory: Memory) -> dict[str, Any]:
    """Return the interior figures of a network's last output, and its costs (nan where they are not known)."""
    traced = trace(network, memory=memory)
    reader = FootprintFigures(traced)
    layer = network.index(network.outputs[-1])
    found, step = reader.figures(layer), traced.plan.steps[layer]
    costs = layer_costs(network, network.map_sizes() if network.input_size else None)
    return {
        "area": found.area,
        "width": found.width,
        "density": found.density,
        "extent": found.extent,
        "jump": step.jump or (nan,) * len(network.axes),
        "overlap": found.overlap,
        "max_gap": found.max_gap,
        "params": sum(c[0] for c in costs),
        "macs": sum(c[1] for c in costs),
    }
