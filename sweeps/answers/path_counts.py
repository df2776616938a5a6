"""Exact numbers of paths through a question's graph, as Python ints of any size."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

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
    counts = np.zeros((1, _digits(graph.space.size)), np.int64)
    counts[0, 0] = 1
    for follow, columns in zip(graph.follow, graph.columns[1:], strict=True):
        push = ANSWERS.of(paths.push_counts, follow.size * counts.shape[1])
        counts = push(follow, counts, len(next(iter(columns.values()))))
    return as_ints(counts)


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
        counts = np.zeros((n_ends, _digits(graph.space.size)), np.int64)
        counts[:, 0] = 1 if ends is None else ends
        self._counts = [counts]
        for follow in reversed(graph.follow):
            pull = ANSWERS.of(paths.pull_counts, follow.size * counts.shape[1])
            self._counts.append(pull(follow, self._counts[-1]))
        self._counts.reverse()
        self.total = as_ints(self._counts[0])[0]
        self._steps: dict[tuple[int, int], list[int]] = {}

    def path(self, number: int) -> tuple[int, ...]:
        """Return the choice at every stage of architecture `number` among these, and its end node."""
        node, out = 0, []
        for level, follow in enumerate(self.graph.follow):
            steps = self._steps.get((level, node))
            if steps is None:
                after = follow[node]
                counts = as_ints(self._counts[level + 1][np.maximum(after, 0)])
                steps = list(accumulate(c if a >= 0 else 0 for c, a in zip(counts, after.tolist(), strict=True)))
                self._steps[level, node] = steps
            choice = bisect_right(steps, number)
            number -= steps[choice - 1] if choice else 0
            node = int(follow[node, choice])
            out.append(choice)
        return (*out, node)
