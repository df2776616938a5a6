"""The graph of hulls of a space with cells of two inputs or of many choices: a level's nodes and blocks all at once.

Hulls are pairs of numbers, so that what uses of a cell make of all nodes of a level is worked out in arrays. A state is
a row of eight: maps so far as far as 2, whether the earlier one is kept, jump and first and last pixel of the last map,
and those of the earlier one. Of none the last is before the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from rfscale.sweeps.states.cells.graph import CellGraph, Parts, States
from rfscale.sweeps.states.cells.maps import Hulls, PairEffect, Terms
from rfscale.sweeps.states.compile import Program
from rfscale.sweeps.states.numbering import distinct_rows

FAR = np.int64(1) << 40  # beyond any pixel: first of no path; -FAR is last of none


class HullStates(States):
    """All states met so far, as rows."""

    def __init__(self) -> None:
        super().__init__(Hulls())
        self.rows = np.array([[0, 0, 1, 0, 0, 0, 0, 0]], np.int64)

    def __len__(self) -> int:
        return len(self.rows)

    def numbers(self, rows: np.ndarray) -> np.ndarray:
        """Return the numbers of states; new ones are added."""
        number, first = distinct_rows(np.concatenate([self.rows, rows]))
        known = len(self.rows)
        self.rows = np.concatenate([self.rows, rows[first[known:] - known]])
        return number[known:]


class HullCellGraph(CellGraph):
    """As `CellGraph`, of hulls."""

    def __init__(self, programs: Sequence[Program], ndim: int) -> None:
        super().__init__(programs, ndim, True)

    def _clear(self) -> None:
        super()._clear()
        self._hulls: dict[str, np.ndarray] = {}

    def _new_pool(self) -> States:
        return HullStates()

    def _ends(
        self, states: np.ndarray, effects: Sequence[PairEffect], program: Program, limit: int
    ) -> np.ndarray | None:
        pool: HullStates = self.pool
        made = []
        for effect in effects:
            rows, two = pool.rows[states], bool(effect.earlier)
            hulls = np.array([[*_hull(self._terms(effect.earlier)), *_hull(self._terms(effect.last))]], np.int64)
            for use in range(effect.uses):
                keep = program.keep if use == effect.uses - 1 else two
                rows = _after(rows, hulls, effect.stride, two, program.adapt, keep)
            made.append(rows)
        number = pool.numbers(np.concatenate(made)).reshape(len(effects), len(states)).T
        return None if pool.held > limit else number

    def _used(self, prefix: str, parts: Parts, adapt: str | None, keep: bool, limit: int) -> Parts | None:
        pool: HullStates = self.pool
        cell = self.cells[prefix]
        blocks = [self._blocks[b] for b in parts.block.tolist()]
        part, members = np.repeat(np.arange(len(blocks)), [len(b) for b in blocks]), np.concatenate(blocks)
        rows, hulls = pool.rows[parts.state[part]], self._hulls_of(prefix)[members]
        rows = _after(rows, hulls, cell.cell.stride, cell.universe.inputs == 2, adapt, keep)
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

    def _hulls_of(self, prefix: str) -> np.ndarray:
        """First and last entry that each effect reads of the earlier map, and of the last one: (effects, 4)."""
        if prefix not in self._hulls:
            number, effects = self.cells[prefix].classes(1, 1)
            rows = [(*_hull(earlier), *_hull(last)) for earlier, last in effects]
            self._hulls[prefix] = np.array(rows, np.int64).reshape(-1, 4)[number]
        return self._hulls[prefix]

    def _work_out(self, stage: int) -> dict[str, np.ndarray]:
        jump, low, high = self.pool.rows[self.levels[stage].state, 2:5].T
        there = low <= high
        extent, jump = np.where(there, high - low + 1, 0), np.where(there, jump, 0)
        return {"extent": extent.astype(np.int32), "jump": jump.astype(np.int32)}


def _after(rows: np.ndarray, hulls: np.ndarray, stride: int, two: bool, adapt: str | None, keep: bool) -> np.ndarray:
    """Return states after one use; `hulls` are those of its paths from both inputs, `two` whether it reads both."""
    maps, has_earlier, jump, low, high, jump_before, low_before, high_before = rows.T
    first, last = _moved(low, high, jump, hulls[:, 2], hulls[:, 3])
    if two:
        own = (maps < 2) | (has_earlier == 0)
        start, end = np.where(own, low, low_before), np.where(own, high, high_before)
        ratio = np.where(own, 1, jump // np.where(own, 1, jump_before))
        start, end = _adapted(start, end, jump_before, ratio, adapt)
        start, end = _moved(start, end, jump, hulls[:, 0], hulls[:, 1])
        first, last = np.minimum(first, start), np.maximum(last, end)
    nothing = first > last
    first, last = np.where(nothing, 1, first), np.where(nothing, 0, last)
    after = np.minimum(2, maps + 1)
    kept = (after == 2) & keep
    empty = low > high
    by = np.where(nothing, np.where(kept & ~empty, low, 0), first)
    shift = np.where(nothing, 0, by)
    before_shift = np.where(kept & ~empty, by, 0)
    before = np.where(kept, jump, 0), np.where(kept, low - before_shift, 0), np.where(kept, high - before_shift, 0)
    return np.stack([after, kept.astype(np.int64), jump * stride, first - shift, last - shift, *before], axis=1)


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


def _hull(terms: Terms) -> tuple[int, int]:
    """First and last of a hull; of none, the last before the first."""
    return terms[0] if terms else (1, 0)
