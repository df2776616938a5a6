"""Two stages of stride 1 lead to the same either way round: one way is looked up (docs/theory.md, 14.8)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rfscale.sweeps.states.compile import Program
from rfscale.sweeps.states.effects import Effect, numbered_rows


class Exchange(NamedTuple):
    """What the next stage needs of the last one.

    Attributes
    ----------
    effects : dict of Effect to int
        Their numbers.
    ends : int32 array (nodes before, effects)
        The state that each led to.
    origin : int32 array (2, states)
        The node and the effect that led to each state first; no columns where nodes are not states.
    in_level : bool
        Whether `ends` is the table of the level.
    """

    effects: dict[Effect, int]
    ends: np.ndarray
    origin: np.ndarray
    in_level: bool = True

    @property
    def nbytes(self) -> int:
        """Bytes that it takes beside the level."""
        return self.origin.nbytes + (0 if self.in_level else self.ends.nbytes)

    def with_stage(self, effects: dict[Effect, int]) -> tuple[np.ndarray, ...]:
        """Return `origin`, `ends_before`, `earlier` and `later` for the kernel `advance`."""

        def numbers(of: dict[Effect, int], among: dict[Effect, int]) -> np.ndarray:
            return np.array([among.get(e, -1) if e.stride == 1 else -1 for e in of], np.int64)

        return self.origin, self.ends, numbers(effects, self.effects), numbers(self.effects, effects)


NO_EXCHANGE = Exchange({}, np.empty((0, 0), np.int32), np.empty((2, 0), np.int32))


def numbered_effects(program: Program) -> dict[Effect, int]:
    """Return the distinct effects of a stage, numbered in order of appearance."""
    return numbered_rows(program.effects)[0]
