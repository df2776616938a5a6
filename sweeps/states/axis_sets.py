"""The graph of a space with branches on one axis: what its terms unite to there is one set (docs/theory.md, 14.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from rfscale.engine.footprints.figures import share
from rfscale.sweeps.kernels import axis_sets as kernels
from rfscale.sweeps.states.compile import Program
from rfscale.sweeps.states.effects import Effect, EffectTable, numbered_rows, wanted_effects
from rfscale.sweeps.states.elements import set_bits
from rfscale.sweeps.states.exchange import NO_EXCHANGE, joined_with_exchange
from rfscale.sweeps.states.graph import WORD_BYTES, Level
from rfscale.sweeps.states.live import merged_live
from rfscale.sweeps.states.state_graph import StateGraph

FIGURES = ("extent", "jump", "pixels", "max_gap")
STATE_WORDS = 8  # that a state takes beside its set
ROOT = (np.ones(1, np.int64), np.ones(1, np.int64), np.full(1, -1, np.int64), np.zeros(0, np.uint64))


def projected(programs: Sequence[Program], axis: int = 0) -> list[Program]:
    """Return the programs of a space with branches on one axis: effects of one term, the union of all."""

    def of(row: Sequence[Effect], known: dict[Effect, Effect]) -> tuple[Effect, ...]:
        return tuple(known.setdefault(e, _projection(e, axis)) if e not in known else known[e] for e in row)

    made: dict[int, Sequence[Sequence[Effect]]] = {}  # stages that are alike share their effects
    for program in programs:
        known: dict[Effect, Effect] = {}
        effects: Sequence[Sequence[Effect]] = program.effects
        if id(effects) not in made:
            if isinstance(effects, EffectTable):
                made[id(effects)] = EffectTable(of(effects.effects, known), effects.numbers)
            else:
                made[id(effects)] = tuple(of(row, known) for row in effects)
    return merged_live([replace(program, effects=made[id(program.effects)]) for program in programs])


def _projection(effect: Effect, axis: int) -> Effect:
    stride, on_axis = (effect.stride[axis],), [term[axis] for term in effect.terms]
    if not on_axis:
        return Effect(stride, ())
    low, bits = min(offset for offset, _ in on_axis), 0
    for offset, some in on_axis:
        bits |= some << (offset - low) // 2
    return Effect(stride, (((1 - bits.bit_length(), bits),),))


class Taps(NamedTuple):
    """The effects of a stage as columns for the kernel `advance_sets`."""

    stride: np.ndarray
    span: np.ndarray
    step: np.ndarray
    runs: np.ndarray
    first: np.ndarray
    number: np.ndarray


def taps_of(effects: Sequence[Effect]) -> Taps:
    """Return effects of one axis, and of one term or none, as columns."""
    runs, first, count, step = [0], [], [], []
    for effect in effects:
        taps = [tap for ((_, bits),) in effect.terms for tap in set_bits(bits)]
        step.append(max((b - a for a, b in pairwise(taps)), default=0))
        begins = [i for i, tap in enumerate(taps) if i == 0 or tap - taps[i - 1] > 1]
        first += [taps[i] for i in begins]
        count += [b - a for a, b in pairwise([*begins, len(taps)])]
        runs.append(len(first))
    columns = ([e.stride[0] for e in effects], [e.extent() for e in effects], step, runs, first, count)
    return Taps(*(np.array(c, np.int64) for c in columns))


class AxisSets:
    """The states of all levels so far: the columns of each level, and how the last stage led to it."""

    def __init__(self) -> None:
        self.levels = [ROOT]
        self.exchange = NO_EXCHANGE

    @property
    def nbytes(self) -> int:
        """Bytes of the columns."""
        return sum(8 * STATE_WORDS * len(c[0]) + c[3].nbytes for c in self.levels) + self.exchange.nbytes

    @property
    def held(self) -> int:
        """Words of all that."""
        return self.nbytes // WORD_BYTES


class AxisSetGraph(StateGraph):
    """Graph of one set on an axis of a space with branches, for questions about `FIGURES`; on one axis, for all.

    Parameters
    ----------
    programs : sequence of Program
        Those that `projected` gives.
    """

    def _new_pool(self) -> AxisSets:
        return AxisSets()

    def _next(self, program: Program, before: Level, limit: int) -> Level | None:
        pool: AxisSets = self.pool
        effects, chosen = numbered_rows(program.effects)
        advance: Any = kernels.advance_sets
        *columns, ends, origin, fits = advance(
            *pool.levels[-1], before.state, program.variant[before.live], *taps_of(list(effects)),
            wanted_effects(chosen, len(effects)),
            *pool.exchange.with_stage(effects), limit - pool.held,
        )  # fmt: skip
        if not fits:
            return None
        pool.levels.append(tuple(columns))
        level, pool.exchange = joined_with_exchange(program, before, effects, chosen, ends, origin)
        return level

    def _work_out(self, stage: int) -> dict[str, np.ndarray]:
        return set_figures(self.pool.levels[stage + 1])


def set_figures(columns: tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
    """Return the figures of states: those of `FIGURES`, and those of networks of one axis."""
    jump, extent, *_ = columns
    out = np.empty((3, len(jump)), np.int64)
    kernel: Any = kernels.set_figures
    kernel(*columns, out)
    pixels, shared, gap = out
    whole = {"extent": extent, "pixels": pixels, "jump": jump, "max_gap": gap, "terms": np.minimum(extent, 1)}
    return {"area": pixels, "overlap": share(shared, pixels), **{k: v.astype(np.int32) for k, v in whole.items()}}
