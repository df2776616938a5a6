"""The graph of hulls of a space with cells of two inputs or of many choices: a level's nodes and blocks all at once.

Hulls are pairs of numbers, so that what uses of a cell make of all nodes of a level is worked out in arrays. A state is
a row of eight: maps so far as far as 2, whether the earlier one is kept, jump and first and last pixel of the last map,
and those of the earlier one. Of none the last is before the first. Where axes differ, each of the last six is a number
for each axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from rfscale.sweeps.spaces.graphs.wiring import PerAxis
from rfscale.sweeps.states.cells.graph import CellGraph, Parts, States
from rfscale.sweeps.states.cells.maps import Hulls, PairEffect, Sets, Terms
from rfscale.sweeps.states.compile import Program
from rfscale.sweeps.states.numbering import distinct_rows

FAR = np.int64(1) << 40  # beyond any pixel: first of no path; -FAR is last of none


class HullStates(States):
    """All states met so far, as rows."""

    def __init__(self, algebra: Sets) -> None:
        super().__init__(algebra)
        self.rows = np.array([[0, 0, *[1] * algebra.axes, *[0] * (5 * algebra.axes)]], np.int64)

    def __len__(self) -> int:
        return len(self.rows)

    def numbers(self, rows: np.ndarray) -> np.ndarray:
        """Return the numbers of states; new ones are added."""
        number, first = distinct_rows(np.concatenate([self.rows, rows]))
        known = len(self.rows)
        self.rows = np.concatenate([self.rows, rows[first[known:] - known]])
        return number[known:]


class HullCellGraph(CellGraph):
    """As `CellGraph`, of hulls on some axes only.

    Parameters
    ----------
    programs : sequence of Program
    ndim : int
        Axes of the networks.
    axes : int
        Those that differ; 1 where all are alike.
    along : sequence of int
        Those of these that states tell.
    """

    def __init__(self, programs: Sequence[Program], ndim: int, axes: int, along: Sequence[int]) -> None:
        super().__init__(programs, ndim, axes, Hulls(axes, along))

    def _clear(self) -> None:
        super()._clear()
        self._hulls: dict[str, np.ndarray] = {}

    def _new_pool(self) -> States:
        return HullStates(self.algebra)

    def _ends(
        self, states: np.ndarray, effects: Sequence[PairEffect], program: Program, limit: int
    ) -> np.ndarray | None:
        pool: HullStates = self.pool
        made = []
        for effect in effects:
            rows, two = pool.rows[states], bool(effect.earlier)
            hulls = self._hull_row(*map(self.algebra.terms, (effect.earlier, effect.last)))
            stride = self._steps(effect.stride)
            for use in range(effect.uses):
                keep = program.keep if use == effect.uses - 1 else two
                rows = _after(rows, hulls, stride, two, program.adapt, keep)
            made.append(rows)
        number = pool.numbers(np.concatenate(made)).reshape(len(effects), len(states)).T
        return None if pool.held > limit else number

    def _used(self, prefix: str, parts: Parts, adapt: str | None, keep: bool, limit: int) -> Parts | None:
        pool: HullStates = self.pool
        cell = self.cells[prefix]
        blocks = [self._blocks[b] for b in parts.block.tolist()]
        part, members = np.repeat(np.arange(len(blocks)), [len(b) for b in blocks]), np.concatenate(blocks)
        rows, hulls = pool.rows[parts.state[part]], self._hulls_of(prefix)[members]
        rows = _after(rows, hulls, self._steps(cell.cell.stride), cell.universe.inputs == 2, adapt, keep)
        number, first = distinct_rows(rows)
        states = pool.numbers(rows[first])
        key = part * len(first) + number
        order = np.argsort(key, kind="stable")  # the members of a block rise
        key, members = key[order], members[order]
        new = np.flatnonzero(np.diff(key, prepend=-1))
        found = [self._block(prefix, members[a:b]) for a, b in pairwise([*new.tolist(), len(members)])]
        if pool.held > limit:
            return None
        at, number = np.divmod(key[new], len(first))
        return Parts(parts.node[at], states[number], np.array(found, np.int64))

    def _steps(self, stride: PerAxis) -> np.ndarray:
        """A stride on the axes of states: (axes, 1), as `_after` has all that is by axis."""
        return np.array(self.algebra.steps(stride), np.int64)[:, None]

    def _hulls_of(self, prefix: str) -> np.ndarray:
        """First and last entry that each effect reads of the earlier map, and of the last one: (effects, 4 * axes)."""
        if prefix not in self._hulls:
            one = (1,) * self.algebra.axes
            number, effects = self.cells[prefix].classes(one, one)
            self._hulls[prefix] = np.concatenate([self._hull_row(*effect) for effect in effects])[number]
        return self._hulls[prefix]

    def _hull_row(self, earlier: Terms, last: Terms) -> np.ndarray:
        """First and last of both hulls, by axis, as a row; of none, the last before the first."""
        none = tuple((1, 0) for _ in range(self.algebra.axes))
        hulls = [terms[0] if terms else none for terms in (earlier, last)]
        return np.array(hulls, np.int64).transpose(0, 2, 1).reshape(1, -1)

    def _work_out(self, stage: int) -> dict[str, np.ndarray]:
        """Extent and jump; 0 on axes that states do not tell."""
        hulls: Any = self.algebra
        rows, axes = self.pool.rows[self.levels[stage].state], hulls.axes
        jump, low, high = (rows[:, 2 + i * axes : 2 + (i + 1) * axes] for i in range(3))
        there, out = low <= high, np.zeros((2, len(rows), hulls.differing), np.int32)
        out[0][:, hulls.along], out[1][:, hulls.along] = np.where(there, high - low + 1, 0), np.where(there, jump, 0)
        return dict(zip(("extent", "jump"), out if hulls.differing > 1 else out[:, :, 0], strict=True))


def _after(
    rows: np.ndarray, hulls: np.ndarray, stride: np.ndarray, two: bool, adapt: str | None, keep: bool
) -> np.ndarray:
    """Return states after one use; `hulls` are those of its paths from both inputs, `two` whether it reads both."""
    axes = len(stride)
    (maps, has_earlier), by_axis = rows.T[:2], rows.T[2:]
    jump, low, high, jump_before, low_before, high_before = (by_axis[i * axes : (i + 1) * axes] for i in range(6))
    ends = [hulls.T[i * axes : (i + 1) * axes] for i in range(4)]
    first, last = _moved(low, high, jump, *ends[2:])
    if two:
        own = (maps < 2) | (has_earlier == 0)
        start, end = np.where(own, low, low_before), np.where(own, high, high_before)
        ratio = np.where(own, 1, jump // np.where(own, 1, jump_before))
        start, end = _adapted(start, end, jump_before, ratio, adapt)
        start, end = _moved(start, end, jump, *ends[:2])
        first, last = np.minimum(first, start), np.maximum(last, end)
    nothing = first > last  # on one axis, and then on all
    first, last = np.where(nothing, 1, first), np.where(nothing, 0, last)
    after = np.minimum(2, maps + 1)
    kept = (after == 2) & keep
    empty = low > high
    by = np.where(nothing, np.where(kept & ~empty, low, 0), first)
    shift = np.where(nothing, 0, by)
    before_shift = np.where(kept & ~empty, by, 0)
    before = np.where(kept, jump, 0), np.where(kept, low - before_shift, 0), np.where(kept, high - before_shift, 0)
    return np.concatenate([after[None], kept[None], jump * stride, first - shift, last - shift, *before]).T


def _moved(
    low: np.ndarray, high: np.ndarray, jump: np.ndarray, first: np.ndarray, last: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """First and last pixel of what paths make of maps; (FAR, -FAR) where there is no path or nothing to read."""
    there = (low <= high) & (first <= last)
    start = np.where(there, low + jump * np.where(there, first, 0), FAR)
    return start, np.where(there, high + jump * np.where(there, last, 0), -FAR)


def _adapted(
    low: np.ndarray, high: np.ndarray, jump: np.ndarray, ratio: np.ndarray, adapt: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """First and last pixel of earlier maps, of some jump, brought to that of the last ones."""
    there = (ratio > 1) & (low <= high)
    before, after = np.zeros_like(ratio), np.zeros_like(ratio)
    if adapt == "factorized_reduce":
        after = np.ones_like(ratio)
    elif adapt == "max_pool":
        before, after = (ratio - 1) // 2, ratio - 1 - (ratio - 1) // 2
    return np.where(there, low - jump * before, low), np.where(there, high + jump * after, high)
