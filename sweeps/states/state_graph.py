"""What graphs of states of spaces with branches have in common: figures are worked out state by state, once a level."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from rfscale.sweeps.states.compile import Program
from rfscale.sweeps.states.graph import WORD_BYTES, AxisGraph


class StateGraph(AxisGraph):
    """Graph of the states of a space with branches, one for all axes; built stage by stage as far as it is asked for.

    Parameters
    ----------
    programs : sequence of Program
    """

    def __init__(self, programs: Sequence[Program]) -> None:
        super().__init__(programs, 0)

    def _clear(self) -> None:
        self.pool: Any = self._new_pool()
        self.levels = []
        self._words = []
        self._figures: dict[int, dict[str, np.ndarray]] = {}
        self.nbytes = self._level_bytes = 0

    @abstractmethod
    def _new_pool(self) -> Any:
        """What holds the states: at first, that of the image."""

    @abstractmethod
    def _work_out(self, stage: int) -> dict[str, np.ndarray]:
        """Figures after a stage, by the states that its level names."""

    def _table_words(self, program: Program, nodes: int) -> int:
        return self._level_bytes // WORD_BYTES + nodes * program.choices * (1 if program.n_live == 1 else 3)

    def figures(self, stage: int, nodes: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Return the figures of nodes after stage number `stage`, which must be built; by default of all."""
        if stage not in self._figures:
            self._figures[stage] = self._work_out(stage)
        state = self.levels[stage].state
        if nodes is None and np.array_equal(state, np.arange(len(next(iter(self._figures[stage].values()))))):
            return dict(self._figures[stage])  # as a rule nodes are the states in order, which need no copy
        state = state if nodes is None else state[nodes]
        return {name: values[state] for name, values in self._figures[stage].items()}
