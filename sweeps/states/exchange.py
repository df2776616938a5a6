"""Two stages of stride 1 lead to the same either way round: one way is looked up (docs/theory.md, 14.8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rfscale.sweeps.states.compile import Program
from rfscale.sweeps.states.effects import Effect
from rfscale.sweeps.states.graph import Level, joined


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
            return np.array([among.get(e, -1) if max(e.stride) == 1 else -1 for e in of], np.int64)

        return self.origin, self.ends, numbers(effects, self.effects), numbers(self.effects, effects)


NO_EXCHANGE = Exchange({}, np.empty((0, 0), np.int32), np.empty((2, 0), np.int32))


def joined_with_exchange(
    program: Program,
    before: Level,
    effects: dict[Effect, int],
    chosen: Sequence[np.ndarray],
    ends: np.ndarray,
    origin: np.ndarray,
) -> tuple[Level, Exchange]:
    """Return the level after a stage, and what the next stage needs of it.

    Parameters
    ----------
    program, before
        The stage, and the level that it starts from.
    effects, chosen
        Those of the stage, numbered (`numbered_rows`).
    ends, origin
        As the kernel `advance` gives them.
    """
    states = origin.shape[1]
    if program.n_live == 1 and len(chosen) == 1:
        same = len(chosen[0]) == len(effects)  # they are numbered in the order of the choices
        follow = ends if same else ends[:, chosen[0]]
        level = Level(follow, np.arange(states, dtype=np.int32), np.zeros(states, np.int32))
        return level, Exchange(effects, ends, origin, same)
    keys = np.empty((len(before.state), program.choices), np.int64)
    for v, rows in program.variant_rows(before.live):
        keys[rows] = ends[rows][:, chosen[v]]
    level = joined(keys, program, before, states)
    return level, Exchange(effects, ends, origin, False) if program.n_live == 1 else NO_EXCHANGE
