"""The graph of hulls of a space with branches: extent and jump, which need no sets (docs/theory.md, 14.4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rfscale.sweeps.kernels import paths
from rfscale.sweeps.states.compile import Program
from rfscale.sweeps.states.effects import numbered_rows
from rfscale.sweeps.states.graph import WORD_BYTES, AxisGraph, Level, joined

FIGURES = ("extent", "jump")


@dataclass
class Hulls:
    """All hulls met so far: extent and jump; 0 and 0 where no path leads to the image."""

    extent: np.ndarray = field(default_factory=lambda: np.ones(1, np.int64))
    jump: np.ndarray = field(default_factory=lambda: np.ones(1, np.int64))

    def numbers(self, extent: np.ndarray, jump: np.ndarray) -> np.ndarray:
        """Return the number of each hull; new ones are added."""
        flat = np.concatenate([self.key(self.extent, self.jump), self.key(extent, jump).reshape(-1)])
        number, first = paths.renumber(flat)
        new = first[len(self.extent) :] - len(self.extent)
        self.extent = np.concatenate([self.extent, extent.reshape(-1)[new]])
        self.jump = np.concatenate([self.jump, jump.reshape(-1)[new]])
        return number[len(number) - extent.size :].reshape(extent.shape)

    @staticmethod
    def key(extent: np.ndarray, jump: np.ndarray) -> np.ndarray:
        """Extents and jumps, both below 2^31, as one number each."""
        return (extent << 31) | jump

    @property
    def held(self) -> int:
        """Words that the hulls take."""
        return 2 * len(self.extent)

    @property
    def nbytes(self) -> int:
        """Bytes of the hulls."""
        return self.extent.nbytes + self.jump.nbytes


class HullGraph(AxisGraph):
    """Graph of the hulls of a space with branches on an axis, for questions about extent and jump alone.

    Parameters
    ----------
    programs : sequence of Program
        Those that `projected` gives (sweeps/states/axis_sets.py).
    """

    def _clear(self) -> None:
        self.pool: Any = Hulls()
        self.levels = []
        self._words = []
        self.nbytes = self._level_bytes = 0

    def _table_words(self, program: Program, nodes: int) -> int:
        return self._level_bytes // WORD_BYTES + 3 * nodes * program.choices

    def _next(self, program: Program, before: Level, limit: int) -> Level | None:
        pool: Hulls = self.pool
        if pool.held > limit:
            return None
        keys = np.empty((len(before.state), program.choices), np.int64)
        number, chosen = numbered_rows(program.effects)
        hulls, place = np.unique(
            np.array([(e.stride[0], e.extent()) for e in number], np.int64), axis=0, return_inverse=True
        )
        place = place.reshape(-1)
        for v, rows in program.variant_rows(before.live):
            extent, jump = pool.extent[before.state[rows]], pool.jump[before.state[rows]]
            stride, reach = hulls.T
            on = (extent[:, None] > 0) & (reach > 0)
            after = np.where(on, extent[:, None] + jump[:, None] * (reach - 1), 0)
            ends = pool.numbers(after, np.where(on, jump[:, None] * stride, 0))
            keys[rows] = ends[:, place[chosen[v]]]
        return joined(keys, program, before, len(pool.extent))

    def figures(self, stage: int, nodes: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Return extent and jump of nodes after stage number `stage`, which must be built; by default of all."""
        pool: Hulls = self.pool
        state = self.levels[stage].state
        state = state if nodes is None else state[nodes]
        return {"extent": pool.extent[state].astype(np.int32), "jump": pool.jump[state].astype(np.int32)}
