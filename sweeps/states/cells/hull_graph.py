"""The graph of hulls of a space with cells of two inputs or of many choices: a level's nodes and blocks all at once.

Hulls are pairs of numbers, so that what uses of a cell make of all nodes of a level is worked out in arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from rfscale.sweeps.states.cells.graph import CellGraph, Parts
from rfscale.sweeps.states.cells.maps import Map, Pair, Terms
from rfscale.sweeps.states.compile import Program
from rfscale.sweeps.states.numbering import distinct_rows

FAR = np.int64(1) << 40  # beyond any pixel: first of no path; -FAR is last of none


class HullCellGraph(CellGraph):
    """As `CellGraph`, of hulls."""

    def __init__(self, programs: Sequence[Program], ndim: int) -> None:
        super().__init__(programs, ndim, True)

    def _used(self, prefix: str, parts: Parts, adapt: str | None, keep: bool, limit: int) -> Parts | None:
        cell = self.cells[prefix]
        stride, two = cell.cell.stride, cell.universe.inputs == 2
        state = np.array([_numbers(self.pool.pairs[s]) for s in parts.state.tolist()], np.int64)
        blocks = [self._blocks[b] for b in parts.block.tolist()]
        part = np.repeat(np.arange(len(blocks)), [len(b) for b in blocks])
        members = np.concatenate(blocks)
        maps, has_earlier, jump, low, high, jump_before, low_before, high_before = state[part].T
        effects = self._hulls_of(prefix)[members]
        first, last = _moved(low, high, jump, effects[:, 2], effects[:, 3])
        if two:
            own = (maps < 2) | (has_earlier == 0)
            start, end = np.where(own, low, low_before), np.where(own, high, high_before)
            ratio = np.where(own, 1, jump // np.where(own, 1, jump_before))
            start, end = _adapted(start, end, jump_before, ratio, adapt)
            start, end = _moved(start, end, jump, effects[:, 0], effects[:, 1])
            first, last = np.minimum(first, start), np.maximum(last, end)
        nothing = first > last
        first, last = np.where(nothing, 1, first), np.where(nothing, 0, last)
        after = np.minimum(2, maps + 1)
        kept = (after == 2) & keep
        empty = low > high
        by = np.where(nothing, np.where(kept & ~empty, low, 0), first)
        shift = np.where(nothing, 0, by)
        before_shift = np.where(kept & ~empty, by, 0)
        ends = np.stack(
            [
                after,
                kept.astype(np.int64),
                jump * stride,
                first - shift,
                last - shift,
                np.where(kept, jump, 0),
                np.where(kept, low - before_shift, 0),
                np.where(kept, high - before_shift, 0),
            ],
            axis=1,
        )
        number, first_of = distinct_rows(ends.view(np.uint64))
        states = np.array([self.pool.number(_pair(row)) for row in ends[first_of].tolist()], np.int64)
        order = np.lexsort([members, number, part])
        part, number, members = part[order], number[order], members[order]
        new = np.flatnonzero((np.diff(part, prepend=-1) != 0) | (np.diff(number, prepend=-1) != 0))
        found = [self._block(prefix, members[a:b]) for a, b in pairwise([*new.tolist(), len(members)])]
        if self.pool.held > limit:
            return None
        return Parts(parts.node[part[new]], states[number[new]], np.array(found, np.int64))

    def _hulls_of(self, prefix: str) -> np.ndarray:
        """First and last entry that each effect reads of the earlier map, and of the last one: (effects, 4)."""
        if prefix not in self._ends:
            number, effects = self.cells[prefix].classes(1, 1)
            rows = [(*_ends(earlier), *_ends(last)) for earlier, last in effects]
            self._ends[prefix] = np.array(rows, np.int64).reshape(-1, 4)[number]
        return self._ends[prefix]

    def _clear(self) -> None:
        super()._clear()
        self._ends: dict[str, np.ndarray] = {}


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


def _ends(terms: Terms) -> tuple[int, int]:
    """First and last of a hull; of none, the last before the first."""
    return terms[0] if terms else (1, 0)


def _numbers(state: Pair) -> tuple[int, ...]:
    """A state as a row of numbers."""
    maps, earlier, last = state
    before = (0, 0, 0) if earlier is None else (earlier.jump, *(earlier.terms[0] if earlier.terms else (1, 0)))
    return maps, int(earlier is not None), last.jump, *(last.terms[0] if last.terms else (1, 0)), *before


def _pair(row: list[int]) -> Pair:
    """A row of numbers as a state."""
    maps, kept, jump, low, high, jump_before, low_before, high_before = row
    last = Map(jump, ((low, high),) if low <= high else ())
    if not kept:
        return Pair(maps, None, last)
    return Pair(maps, Map(jump_before, ((low_before, high_before),) if low_before <= high_before else ()), last)
