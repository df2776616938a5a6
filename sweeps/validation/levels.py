"""Levels of merged states: exact state, live value and state of the formulas, with the architectures of each."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rfscale.sweeps.kernels import merge_states
from rfscale.sweeps.kernels.plain import Sooner
from rfscale.sweeps.states.compile import Program

SOONER = Sooner(kept=2_000, most=50_000)  # edges that are merged, carried on or judged: 20 to 40 µs each
MAX_MEMBERS = 64  # nodes of one exact state that are walked together: their formulas stay in the cache

FIRST_NODES = 1024  # that there is room for at first


class Nodes(NamedTuple):
    """A level of merged states, or the edges that lead to one.

    Attributes
    ----------
    exact, live : int32 arrays (n,)
        State in the pool of the exact sets; live value.
    state : float64 array (n, 4); flags : int64 array (n, 1)
        State of the formulas: S, P, w, u; flags (kernels/formula_recurrence.py).
    weight : array (n,)
        Architectures.
    row, choice : int64 arrays (n,)
        Where each comes from: the node before and the choice by which it was first met.
    """

    exact: np.ndarray
    live: np.ndarray
    state: np.ndarray
    flags: np.ndarray
    weight: np.ndarray
    row: np.ndarray
    choice: np.ndarray


class Joined:
    """Nodes of a level that is being made."""

    def __init__(self, counts: Any) -> None:
        types = (np.int32, np.int32, np.float64, np.int64, counts, np.int64, np.int64)
        shapes: tuple[tuple[int, ...], ...] = ((), (), (4,), (1,), (), (), ())
        self.columns = Nodes(*(np.empty((FIRST_NODES, *shape), t) for shape, t in zip(shapes, types, strict=True)))
        self.table = np.full(4 * FIRST_NODES, -1, np.int32)
        self.used = 0

    def add(self, edges: Nodes) -> None:
        """Merge edges into the nodes."""
        need = self.used + len(edges.live)
        if need > len(self.columns.exact):
            self.columns = Nodes(*(self._grown(column, 2 * need) for column in self.columns))
        if 2 * need > len(self.table):
            rehash = SOONER.of(merge_states.rehash, self.used)
            self.table = rehash(self.columns, self.used, 1 << (4 * need).bit_length())
        join = SOONER.of(merge_states.join, len(edges.live))
        self.used = join(edges, self.columns, self.used, self.table)

    def _grown(self, column: np.ndarray, size: int) -> np.ndarray:
        out = np.empty((size, *column.shape[1:]), column.dtype)
        out[: self.used] = column[: self.used]
        return out

    def nodes(self) -> Nodes:
        """Return the nodes, those of one exact state and live value side by side."""
        order = np.lexsort((self.columns.live[: self.used], self.columns.exact[: self.used]))
        return Nodes(*(column[order] for column in self.columns))


def group_starts(nodes: Nodes) -> np.ndarray:
    """Return where the nodes of each exact state and live value begin, at most MAX_MEMBERS together."""
    n = len(nodes.live)
    new = np.ones(n, bool)
    new[1:] = (nodes.exact[1:] != nodes.exact[:-1]) | (nodes.live[1:] != nodes.live[:-1])
    start = np.maximum.accumulate(np.where(new, np.arange(n), 0))
    return np.append(np.flatnonzero((np.arange(n) - start) % MAX_MEMBERS == 0), n)


def distinct_sources(
    exact: np.ndarray, live: np.ndarray, program: Program
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the distinct exact states and live values that edges start from, and which of them each row has."""
    keys = exact.astype(np.int64) * len(program.tries) + program.variant[live]
    _, first, source = np.unique(keys, return_index=True, return_inverse=True)
    return exact[first], live[first], source
