"""The figures of the networks of a `NetworkSpace`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from rfscale.engine.errors import InputError, shown
from rfscale.engine.footprints.shared_layers import Measured, SharedLayers
from rfscale.sweeps.spaces.network_space import NetworkSpace
from rfscale.sweeps.variables import NETWORKS

Arrays = Mapping[str, np.ndarray]


class NetworkFigures:
    """Figures of flat ranges of the networks of a space.

    Figures are interior, those of the last of a network's outputs.
    """

    def __init__(self, space: NetworkSpace) -> None:
        self.space = space
        self._shared = SharedLayers()

    @cached_property
    def axes(self) -> tuple[str, ...]:
        """Axes of the networks, which must all have the same."""
        return self.space.network(0).axes

    def empty(self, n: int) -> dict[str, np.ndarray]:
        """Return arrays for the figures of n networks."""
        return {name: np.empty((n, len(self.axes)) if v.per_axis else n) for name, v in NETWORKS.items()}

    def fill(self, start: int, stop: int, out: Arrays) -> None:
        """Write the figures of networks start..stop-1 into the arrays of `out`."""
        rows: dict[int, int] = {}
        every: list[Measured] = []
        at, params, macs = [], [], []
        for i in range(start, stop):
            network = self.space.network(i)
            if network.axes != self.axes:
                raise InputError(
                    f"network {shown(self.space.labels(i))} has axes {', '.join(network.axes)} and the first one "
                    f"{', '.join(self.axes)}; all networks of a space need the same"
                )
            try:
                found, *costs = self._shared.of(network)
            except InputError as error:
                raise InputError(f"network {shown(self.space.labels(i))}: {error}") from None
            row = rows.setdefault(id(found), len(every))
            if row == len(every):
                every.append(found)
            at.append(row)
            params.append(costs[0])
            macs.append(costs[1])
        values = _columns(every)
        for name, array in out.items():
            array[:] = params if name == "params" else macs if name == "macs" else values[name][at]


def _columns(every: list[Measured]) -> dict[str, np.ndarray]:
    """Return figures as arrays (n,) or (n, axes)."""
    figures = [found.figures for found in every]
    area = np.array([f.area for f in figures], float)
    return {
        "area": area,
        "width": np.sqrt(area),
        "density": np.array([f.density for f in figures], float),
        "extent": np.array([f.extent for f in figures], float),
        "jump": np.array([found.jump for found in every], float),
        "overlap": np.array([f.overlap for f in figures], float),
        "max_gap": np.array([f.max_gap for f in figures], float),
    }
