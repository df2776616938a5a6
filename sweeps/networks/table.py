"""The figures of all networks of a space, worked out once and kept beside the space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.engine.network.derived import Derived
from rfscale.sweeps.networks.figures import NetworkFigures
from rfscale.sweeps.networks.workers import Progress, fill_all
from rfscale.sweeps.spaces.network_space import NetworkSpace
from rfscale.sweeps.variables import NETWORKS

MAX_NETWORKS = 1_000_000  # in a table


@dataclass(frozen=True)
class NetworkTable:
    """Figures and costs of all networks, in the order of the index.

    Attributes
    ----------
    axes : tuple of str
    square : bool
        Whether the figures of all axes are equal.
    columns : dict of str to array (n,) or (n, axes)
        As `sweeps.variables.NETWORKS`, float64. Nobody writes to them.
    """

    axes: tuple[str, ...]
    square: bool
    columns: dict[str, np.ndarray]

    def column(self, name: str) -> np.ndarray:
        """Return a figure by network, of one axis: `extent` where all are alike, else `extent_y`.

        Whole numbers are int64.
        """
        figure, axis = (name, 0) if name in self.columns else (name[:-2], self.axes.index(name[-1]))
        values = self.columns[figure]
        values = values[:, axis] if values.ndim > 1 else values
        is_whole = figure in WHOLE and bool((np.abs(values) < 2**53).all()) and bool((values % 1 == 0).all())
        return values.astype(np.int64) if is_whole else values

    @property
    def names(self) -> list[str]:
        """Names that `column` takes."""
        out = []
        for name, spec in NETWORKS.items():
            out += [f"{name}_{a}" for a in self.axes] if spec.per_axis and not self.square else [name]
        return out


WHOLE = ("area", "extent", "jump", "max_gap", "params", "macs")  # figures that are whole numbers, but for inf and nan
_KEPT: Derived[NetworkSpace, dict[str, NetworkTable]] = Derived(lambda space: {})


def network_table(space: NetworkSpace, progress: Progress | None = None) -> NetworkTable:
    """Return the table of a space, worked out on all cores when it is first asked for.

    Raises
    ------
    InputError
        Of a space of more than 10^6 networks, and as `NetworkFigures.fill`.
    """
    if space.size > MAX_NETWORKS:
        raise InputError(
            f"space {space.name!r} has {space.size:,} networks; questions about a function's networks need a table of "
            f"them all, of at most {MAX_NETWORKS:,}",
            remedy="take values out of its factors, write them to a store (rf.sweep with store=, rfscale sweep --out), "
            "or describe the space by stages (docs/spaces.md), which are counted without a list",
        )
    kept = _KEPT.of(space)
    if "table" not in kept:
        figures = NetworkFigures(space)
        columns = figures.empty(space.size)
        fill_all(figures, columns, progress)
        for values in columns.values():
            values.setflags(write=False)
        same = [
            np.array_equal(v, v[:, :1].repeat(v.shape[1], 1), equal_nan=True) for v in columns.values() if v.ndim > 1
        ]
        kept["table"] = NetworkTable(figures.axes, all(same), columns)
    return kept["table"]
