"""Rows of tables, copied out for many architectures: walks through state × choice -> state, and figures after them.

numpy's `take` copies a row at the speed of the memory and leaves the GIL: threads of Python are as fast as compiled
loops over rows of 64 and more, 5 times as fast over rows of 4, and nothing has to be compiled for them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rfscale.sweeps.machine import PARALLEL_FROM, in_threads

ROWS_AT_ONCE = 1 << 14  # so that their indices stay in the cache
SUMS_AT_ONCE = 1 << 15  # numbers that are copied, and then added to while they are in the cache


def nodes_before(follow: Sequence[np.ndarray], stage: int, low: int, high: int) -> np.ndarray:
    """Nodes that a stage starts from, of architectures low..high-1 of the stages before it; `follow` is by stage."""
    nodes = np.zeros(1, np.int32)
    ranges = [(low, high)]  # of each stage before, from the last to the first
    for before in range(stage - 1, 0, -1):
        choices = follow[before].shape[1]
        ranges.append((ranges[-1][0] // choices, -(-ranges[-1][1] // choices)))
    for before in range(stage):
        low, high = ranges[stage - 1 - before]
        start = low // follow[before].shape[1] * follow[before].shape[1]
        nodes = walk(nodes, follow[before], low - start, high - start)
    return nodes


def walk(nodes: np.ndarray, follow: np.ndarray, begin: int, end: int) -> np.ndarray:
    """Nodes of the architectures begin..end-1 of a stage, from those of the stage before.

    Parameters
    ----------
    nodes : int32 array
        Nodes of the stage before; architecture i has that of i // c.
    follow : int32 array (n, c)
        Next node by node and choice.

    Returns
    -------
    int32 array (end - begin,)
    """
    if begin == 0 and end == nodes.size * follow.shape[1] < PARALLEL_FROM:
        return follow.take(nodes, axis=0, mode="clip").reshape(-1)
    out = np.empty(end - begin, follow.dtype)
    copy_rows(nodes, [follow], begin, end, [out])
    return out


def copy_rows(nodes: np.ndarray, tables: Sequence[np.ndarray], begin: int, end: int, out: Sequence[np.ndarray]) -> None:
    """Write the figures of architectures begin..end-1: each row of a table holds those after one node.

    Parameters
    ----------
    nodes : int32 array
        Architecture i has node i // c.
    tables : arrays (n, c); out : arrays (end - begin,)
        One for each figure.
    """

    def copy(low: int, high: int) -> None:
        for first in range(low, high, ROWS_AT_ONCE):
            last = min(first + ROWS_AT_ONCE, high)
            at = nodes[first:last].astype(np.intp)
            for table, whole in zip(tables, inner, strict=True):
                table.take(at, axis=0, out=whole[first - full.start : last - full.start], mode="clip")

    choices = tables[0].shape[1]
    if begin == 0 and end == nodes.size * choices and end * len(tables) < PARALLEL_FROM:  # small: half the time
        at = nodes.astype(np.intp)
        for table, target in zip(tables, out, strict=True):
            table.take(at, axis=0, out=target.reshape(-1, choices), mode="clip")
        return
    full = _full_rows(begin, end, choices)
    for table, target in zip(tables, out, strict=True):
        for row, part, place in _cut_rows(begin, end, choices, full):
            target[place] = table[nodes[row], part]
    inner = [_by_row(target, full, begin, choices) for target in out]
    in_threads(copy, full.start, full.stop, choices * len(tables))


def add_rows(nodes: np.ndarray, sums: np.ndarray, weights: np.ndarray, begin: int, end: int, out: np.ndarray) -> None:
    """Write the accumulated costs of architectures begin..end-1: a sum so far, plus a row of the table of its node."""

    def add(low: int, high: int) -> None:
        step = max(1, SUMS_AT_ONCE // choices)
        for first in range(low, high, step):
            last = min(first + step, high)
            place = inner[first - full.start : last - full.start]
            weights.take(nodes[first:last].astype(np.intp), axis=0, out=place, mode="clip")
            place += sums[first:last, None]

    choices = weights.shape[1]
    full = _full_rows(begin, end, choices)
    for row, part, place in _cut_rows(begin, end, choices, full):
        np.add(weights[nodes[row], part], sums[row], out=out[place])
    inner = _by_row(out, full, begin, choices)
    in_threads(add, full.start, full.stop, choices)


def _full_rows(begin: int, end: int, choices: int) -> range:
    """Rows of which every architecture is one of begin..end-1."""
    first = -(-begin // choices)
    return range(first, max(first, end // choices))


def _cut_rows(begin: int, end: int, choices: int, full: range) -> list[tuple[int, slice, slice]]:
    """The rows of which a part is wanted: their number, that part, and its place in the answer."""
    out = []
    for row in dict.fromkeys((begin // choices, (end - 1) // choices)):
        if row not in full:
            at = row * choices
            a, b = max(begin, at), min(end, at + choices)
            out.append((row, slice(a - at, b - at), slice(a - begin, b - begin)))
    return out


def _by_row(target: np.ndarray, full: range, begin: int, choices: int) -> np.ndarray:
    """The part of an answer that full rows make up, a row a line."""
    start = full.start * choices - begin
    return target[start : start + len(full) * choices].reshape(len(full), choices)
