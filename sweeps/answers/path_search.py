"""Best and non-dominated paths through the graph of a question, by sums of weights along them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rfscale.sweeps.answers.graph import QuestionGraph
from rfscale.sweeps.kernels import paths
from rfscale.sweeps.kernels.plain import ANSWERS

Trail = list[tuple[np.ndarray, np.ndarray]]  # for each stage: row of the level before, and choice


@dataclass(frozen=True)
class Limit:
    """A bound on a sum of weights: low <= sum <= high."""

    weights: list[np.ndarray]
    low: float
    high: float


def _to_go(graph: QuestionGraph, weights: Sequence[np.ndarray], ends: np.ndarray) -> list[np.ndarray]:
    """Least sum to the end, by node of every level; `ends` is what the end nodes add."""
    far = np.inf if ends.dtype.kind == "f" else paths.FAR
    after = [ends]
    for follow, w in zip(reversed(graph.follow), reversed(weights), strict=True):
        after.append(ANSWERS.of(paths.pull_least, follow.size)(follow, w.astype(ends.dtype), after[-1], far))
    return after[::-1]


def best_paths(
    graph: QuestionGraph, weights: Sequence[np.ndarray] | None, ends: np.ndarray, limits: Sequence[Limit], k: int
) -> Iterator[tuple[float | int, tuple[int, ...]]]:
    """Yield the k paths with the smallest sum of weights and end value: (value, choices and end node).

    Best first, with the exact least sum to go as the guide, so that without limits only the best paths are opened; ties
    come in the order of the index. A limit cuts paths that can no longer keep it, and those that k others at the same
    node dominate.
    """
    if weights is None:
        weights = [np.zeros(f.shape, ends.dtype) for f in graph.follow]
    far = np.inf if ends.dtype.kind == "f" else paths.FAR
    to_go = _to_go(graph, weights, ends)
    zero = np.where(ends < far, 0, paths.FAR)
    least = [_to_go(graph, x.weights, zero) for x in limits]
    most = [[-a for a in _to_go(graph, [-w for w in x.weights], zero)] for x in limits]
    none = (0,) * len(limits)
    heap: list[tuple[float | int, tuple[int, ...], int, float | int, tuple[int, ...]]] = []
    if to_go[0][0] < far:
        heap.append((to_go[0][0].item(), (), 0, 0, none))
    earlier: dict[tuple[int, int], list[tuple[int, ...]]] = {}
    found = 0
    while heap and found < k:
        value, path, node, so_far, used = heapq.heappop(heap)
        level = len(path)
        if level == len(graph.follow):
            found += 1
            yield value, (*path, node)
            continue
        if limits and _is_dominated(earlier.setdefault((level, node), []), used, limits, k):
            continue
        follow = graph.follow[level][node].tolist()
        steps = weights[level][node].tolist()
        for c, after in enumerate(follow):
            if after < 0 or to_go[level + 1][after] >= far:
                continue
            spent = tuple(u + int(x.weights[level][node, c]) for u, x in zip(used, limits, strict=True))
            if all(
                s + low[level + 1][after] <= x.high and s + high[level + 1][after] >= x.low
                for s, x, low, high in zip(spent, limits, least, most, strict=True)
            ):
                total = so_far + steps[c]
                heapq.heappush(heap, (total + to_go[level + 1][after].item(), (*path, c), after, total, spent))


def _is_dominated(earlier: list[tuple[int, ...]], used: tuple[int, ...], limits: Sequence[Limit], k: int) -> bool:
    """Whether k earlier paths to a node leave at least as much room in every limit; else note this one."""
    better = 0
    for other in earlier:
        better += all(
            (o <= u or x.high == np.inf) and (o >= u or x.low == -np.inf)
            for o, u, x in zip(other, used, limits, strict=True)
        )
        if better >= k:
            return True
    earlier.append(used)
    return False


def reachable_best(graph: QuestionGraph, ends: np.ndarray, limits: Sequence[Limit], k: int) -> np.ndarray:
    """Return end values in which only those stand that can be among the k smallest within the limits, others being far.

    Each end node that a path within the limits leads to holds at least one of them, so the k best such nodes do. Only
    for limits to one side each: otherwise no path dominates another.
    """
    columns = [[(1 if x.low == -np.inf else -1) * w for w in x.weights] for x in limits]
    bounds = [x.high if x.low == -np.inf else -x.low for x in limits]
    node, sums, _ = undominated_paths(graph, columns)
    reached = np.unique(node[(sums <= np.array(bounds)).all(axis=1)])
    far = np.inf if ends.dtype.kind == "f" else paths.FAR
    out = np.full_like(ends, far)
    if len(reached):
        last = np.sort(ends[reached])[:k][-1]
        best = reached[ends[reached] <= last]
        out[best] = ends[best]
    return out


def undominated_paths(
    graph: QuestionGraph, weights: Sequence[Sequence[np.ndarray]]
) -> tuple[np.ndarray, np.ndarray, Trail]:
    """Return the sums of non-dominated paths to each end node: no other path is at least as small in every column.

    Returns
    -------
    node : int array (n,)
    sums : int64 or float64 array (n, columns)
    trail : Trail
        For `retrace`.
    """
    dtype = np.result_type(*(w.dtype for column in weights for w in column)) if weights else np.dtype(np.int64)
    node, sums = np.zeros(1, np.int64), np.zeros((1, len(weights)), dtype)
    trail = []
    for level, follow in enumerate(graph.follow):
        choices = follow.shape[1]
        after = follow[node].reshape(-1)
        step = np.stack([w[level][node].reshape(-1) for w in weights], axis=1) if weights else np.zeros((len(after), 0))
        total = np.repeat(sums, choices, axis=0) + step.astype(dtype)
        rows = np.flatnonzero(after >= 0)
        # least significant first; then the row itself, so that of equal ones the first in index order stays
        order = rows[np.lexsort([*(total[rows, i] for i in reversed(range(len(weights)))), after[rows]])]
        if len(weights) == 0:
            keep = np.diff(after[order], prepend=-1) != 0
        else:
            keep = ANSWERS.of(paths.undominated, len(order))(
                after[order].astype(np.int64), np.ascontiguousarray(total[order])
            )
        kept = order[keep]
        trail.append((kept // choices, kept % choices))
        node, sums = after[kept].astype(np.int64), total[kept]
    return node, sums, trail


def retrace(trail: Trail, row: int) -> tuple[int, ...]:
    """Return the choices that lead to a row of `undominated_paths`."""
    out = []
    for before, choice in reversed(trail):
        out.append(int(choice[row]))
        row = int(before[row])
    return tuple(reversed(out))
