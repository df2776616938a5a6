"""Exact numbers of paths through a question's graph, as Python ints of any size."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import Any

import numpy as np

from rfscale.sweeps.answers.graph import QuestionGraph
from rfscale.sweeps.kernels import paths
from rfscale.sweeps.kernels.plain import ANSWERS


def _digits(size: int) -> int:
    """Digits to the base 2^32 that hold any count up to `size`."""
    return size.bit_length() // paths.BASE_BITS + 1


def as_ints(counts: np.ndarray) -> list[int]:
    """Return rows of digits as Python ints."""
    if counts.shape[1] == 1:
        return counts[:, 0].tolist()
    words = counts.astype("<u4")
    return [int.from_bytes(row.tobytes(), "little") for row in words]


def end_counts(graph: QuestionGraph) -> list[int]:
    """Return the number of architectures at each end node."""
    if any(times is not None for times in graph.times):
        return _end_counts_of_many(graph)
    counts = np.zeros((1, _digits(graph.space.size)), np.int64)
    counts[0, 0] = 1
    for follow, columns in zip(graph.follow, graph.columns[1:], strict=True):
        push = ANSWERS.of(paths.push_counts, follow.size * counts.shape[1])
        counts = push(follow, counts, len(next(iter(columns.values()))))
    return as_ints(counts)


def _end_counts_of_many(graph: QuestionGraph) -> list[int]:
    """The same where edges stand for several choices."""
    counts = [1]
    for follow, times, columns in zip(graph.follow, graph.times, graph.columns[1:], strict=True):
        after = [0] * len(next(iter(columns.values())))
        many = [[1] * follow.shape[1]] * len(follow) if times is None else times.tolist()
        for count, row, own in zip(counts, follow.tolist(), many, strict=True):
            for end, n in zip(row, own, strict=True):
                if end >= 0:
                    after[end] += count * n
        counts = after
    return counts


class Completions:
    """The architectures that end in some end nodes, numbered in the order of their index.

    Parameters
    ----------
    graph : QuestionGraph
    ends : bool array, optional
        End nodes that count; by default all.
    """

    def __init__(self, graph: QuestionGraph, ends: np.ndarray | None = None) -> None:
        self.graph = graph
        n_ends = len(next(iter(graph.columns[-1].values())))
        self._many = [None if times is None else times.tolist() for times in graph.times]
        self._counts: list[Any] = []  # by node of every level: rows of digits, or Python ints: edges stand for many
        if any(times is not None for times in graph.times):
            ints = [1] * n_ends if ends is None else np.asarray(ends).astype(int).tolist()
            self._counts.append(ints)
            for level in reversed(range(len(graph.follow))):
                ints = [sum(self._steps_of(level, node, ints)) for node in range(len(graph.follow[level]))]
                self._counts.append(ints)
            self._counts.reverse()
            self.total = ints[0]
        else:
            counts = np.zeros((n_ends, _digits(graph.space.size)), np.int64)
            counts[:, 0] = 1 if ends is None else ends
            self._counts.append(counts)
            for follow in reversed(graph.follow):
                pull = ANSWERS.of(paths.pull_counts, follow.size * counts.shape[1])
                self._counts.append(pull(follow, self._counts[-1]))
            self._counts.reverse()
            self.total = as_ints(self._counts[0])[0]
        self._steps: dict[tuple[int, int], list[int]] = {}

    def _steps_of(self, level: int, node: int, after: Any) -> list[int]:
        """Number of architectures through each edge of a node, from those of the next level."""
        ends, many = self.graph.follow[level][node], self._many[level]
        if isinstance(after, list):
            own = [1] * len(ends) if many is None else many[node]
            return [after[end] * n if end >= 0 else 0 for end, n in zip(ends.tolist(), own, strict=True)]
        counts = as_ints(after[np.maximum(ends, 0)])
        return [c if end >= 0 else 0 for c, end in zip(counts, ends.tolist(), strict=True)]

    def path(self, number: int) -> tuple[int, ...]:
        """Return architecture `number` among these: its edges, which of their choices it has, and its end node.

        An edge is a choice of a stage; only where edges stand for several, their numbers follow.
        """
        node, out, which = 0, [], []
        for level, follow in enumerate(self.graph.follow):
            steps = self._steps.get((level, node))
            if steps is None:
                steps = list(accumulate(self._steps_of(level, node, self._counts[level + 1])))
                self._steps[level, node] = steps
            choice = bisect_right(steps, number)
            number -= steps[choice - 1] if choice else 0
            many = self._many[level]
            if many is not None:
                member, number = divmod(
                    number, (steps[choice] - (steps[choice - 1] if choice else 0)) // many[node][choice]
                )
                which.append(member)
            node = int(follow[node, choice])
            out.append(choice)
        return (*out, *which, node)
