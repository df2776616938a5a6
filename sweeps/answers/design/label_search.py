"""Labels over the graph of states: which maps were chosen on the way to a node, how well they fit, what it costs.

A node is a state of sweeps/answers/graph.py; a label at a node says how many maps are chosen, the value of the last
one, fit and cost so far. Labels that others dominate whatever comes after are dropped
(sweeps/kernels/label_search.py), so that level by level few are left, for 10^12 architectures as for 10^6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.engine.objects.choices import cheapest_choices
from rfscale.sweeps.answers.design.fit import Fit, between
from rfscale.sweeps.answers.graph import QuestionGraph
from rfscale.sweeps.kernels import paths
from rfscale.sweeps.kernels.label_search import least_to_go, next_labels
from rfscale.sweeps.kernels.plain import ANSWERS, Sooner
from rfscale.sweeps.states.compiled import MORE_MEMORY

NO_LIMIT = 2**62
FIRST_STEP = 0.001  # of fit
SOONER = Sooner(kept=2_000, most=20_000)  # labels that are carried on: some 50 µs each


@dataclass
class Task:
    """A question: which paths through a graph fit best.

    Attributes
    ----------
    graph : QuestionGraph
    fit : Fit
    value : list of int64 array
        Number of the value of each node, by stage.
    usable : list of bool array
        Whether the map at a node may be chosen, by stage.
    weights : list of int64 array (nodes before, choices)
        Cost of each step.
    k : int
        Maps.
    limit : int
        Largest cost at the end.
    """

    graph: QuestionGraph
    fit: Fit
    value: list[np.ndarray]
    usable: list[np.ndarray]
    weights: list[np.ndarray]
    k: int
    limit: int = NO_LIMIT


class Search(NamedTuple):
    """What the kernel is to find.

    Attributes
    ----------
    k, n : int
        Maps; labels to keep per node, maps chosen and what cannot be compared.
    by_cost : bool
        Whether a label must not cost more either to be better; otherwise a better fit is better whatever it costs.
    carry : bool
        Whether labels with all k maps go on; otherwise they go to the front, with the least cost to the end.
    limit : int
        Of the cost at the end.
    exact : bool
        Whether keys are whole numbers (the index), else hashes.
    most : int
        Labels that fit the memory.
    """

    k: int
    n: int
    by_cost: bool
    carry: bool
    limit: int
    exact: bool
    most: int


class Step(NamedTuple):
    """The way from one level to the next.

    Attributes
    ----------
    number, remaining, choices : int
        Of the next level; levels after it; choices of its stage.
    edge_ptr, edges : int64 arrays (nodes + 1,), (edges, 3)
        Per node of the next level: node before, choice, cost.
    value, usable, to_end : arrays (nodes,)
        Number of the value of each node, whether it may be chosen, least cost to the end.
    low : int64 array (k + 1, values)
        Least cost to go, of `least_to_go`.
    """

    number: int
    remaining: int
    choices: int
    edge_ptr: np.ndarray
    edges: np.ndarray
    value: np.ndarray
    usable: np.ndarray
    to_end: np.ndarray
    low: np.ndarray


class Found(NamedTuple):
    """An architecture: choice at every stage, end node, fit in units, cost."""

    path: tuple[int, ...]
    end: int
    fit: int
    cost: int


def best_fits(task: Task, n: int) -> list[Found]:
    """Return the n architectures with the best fit, then the least cost, then the lowest index."""
    points = _forward(task, 1, None)[1]
    if not len(points):
        return []
    best, more = int(points[:, 1].min()), 0
    while True:  # labels that cannot keep within `best + more` are dropped; wider until there are n, or nothing is cut
        trail, cut = _forward(task, n, best + more)[::2]
        ptr, labels = trail[-1]
        rows = _rows_of(ptr, task.k, task.k)
        if len(rows) >= n or not cut:
            break
        more = max(int(FIRST_STEP * task.fit.unit), 8 * more)
    order = rows[np.lexsort([labels[rows, i] for i in (3, 2, 1)])][:n]  # fit, cost, key
    ends = np.searchsorted(ptr[:: task.k + 1], order, side="right") - 1
    return [
        Found(_walk(trail, len(trail) - 1, int(row)), int(end), int(labels[row, 1]), int(labels[row, 2]))
        for row, end in zip(order, ends, strict=True)
    ]


def front(task: Task) -> list[Found]:
    """Return one architecture for each Pareto-optimal (fit, cost), by rising cost."""
    trail, points, _ = _forward(task, 1, None)
    to_end = _to_end(task)
    out = []
    for cost, fit, level, row, choice, node in points.tolist():
        path: list[int] = [*(_walk(trail, level - 1, row) if level else ()), choice]
        end = node
        for stage in range(level + 1, len(task.weights)):
            after = task.graph.follow[stage][end]
            cheap = task.weights[stage][end] + np.where(after < 0, NO_LIMIT, to_end[stage + 1][after])
            path.append(int(np.argmin(np.where(after < 0, NO_LIMIT, cheap))))
            end = int(after[path[-1]])
        out.append(Found(tuple(path), end, fit, cost))
    return out


def chosen_stages(task: Task, path: Sequence[int]) -> tuple[int, ...]:
    """Return the k stages of one architecture that fit best: of maps alike the last one, of choices alike the first."""
    node, last = 0, {}
    for stage, choice in enumerate(path):
        node = int(task.graph.follow[stage][node, choice])
        if task.usable[stage][node]:
            last[int(task.value[stage][node])] = stage
    values = sorted(last)
    # from the last map to the first, so that of choices alike the one whose first map is the smallest is found
    best = cheapest_choices(task.fit.tail[values], between(task.fit, values).T, task.fit.head[values], task.k)[-1]
    return tuple(last[values[i]] for i in reversed(best.chosen))


Trail = list[tuple[np.ndarray, np.ndarray]]  # ptr and labels of every level


def _forward(task: Task, n: int, within: int | None) -> tuple[Trail, np.ndarray, bool]:
    """Return the labels of every level after the root, the front, and whether `within` can have cut anything.

    With `within`, labels that may lead to a fit of at most that, n of those that differ in fit or cost; without,
    the front of fit and cost.
    """
    graph, k, levels = task.graph, task.k, len(task.weights)
    to_end = _to_end(task)
    last_use = np.full(len(task.fit.logs), -1)
    for level, (value, usable) in enumerate(zip(task.value, task.usable, strict=True)):
        last_use[value[usable]] = level
    ptr, labels = np.ones(k + 2, np.int64), np.array([[-1, 0, 0, 0, -1, -1, 0]], np.int64)
    ptr[0] = 0
    points, n_points = np.zeros((1024, 6), np.int64), 0
    if within is not None:
        points[0, :2], n_points = (-1, within + 1), 1  # dominates all that fit less well
    trail: Trail = []
    cheapest = within is None
    by_cost, exact = cheapest or task.limit < NO_LIMIT, graph.space.size < 2**62
    search = Search(k, n, by_cost, not cheapest, task.limit, exact, graph.memory // 64)
    n_values = len(task.fit.logs)
    to_go = SOONER.of(least_to_go, levels * k * n_values * n_values.bit_length() / 4)
    for level in range(levels):
        n_before = max(1, len(ptr) // (k + 1))
        edge_ptr, edges = _edges(graph.follow[level], task.weights[level], len(task.value[level]), cheapest)
        step = Step(
            level, levels - 1 - level, graph.follow[level].shape[1], edge_ptr, edges, task.value[level],
            task.usable[level], to_end[level + 1], to_go(task.fit, last_use >= level, k),
        )  # fmt: skip
        following = SOONER.of(next_labels, len(edges) * len(labels) / n_before)
        ptr, labels, points, n_points = following(search, step, task.fit, ptr, labels, points, n_points)
        if ptr[0] < 0:
            raise InputError(
                f"the ways to reach stage {graph.space.stages[level].name!r} need more than "
                f"{graph.memory / 1e9:.3g} GB",
                remedy=f"bound more in where, choose fewer maps, or {MORE_MEMORY}",
            )
        labels = labels.copy()  # less than it was given room for
        trail.append((ptr, labels))
    largest = int(task.fit.head.max()) + int(task.fit.tail.max())
    return trail, points[:n_points], within is not None and within < largest


def _to_end(task: Task) -> list[np.ndarray]:
    """Least cost to the end, by node of every level from the root on."""
    after = [np.zeros(len(task.value[-1]), np.int64)]
    for follow, w in zip(reversed(task.graph.follow), reversed(task.weights), strict=True):
        after.append(ANSWERS.of(paths.pull_least, follow.size)(follow, w, after[-1], paths.FAR))
    return after[::-1]


def _edges(follow: np.ndarray, weights: np.ndarray, n_after: int, cheapest: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps into each node, by node before and choice: where its rows start, and node, choice, cost.

    With `cheapest`, of the steps between two nodes only the one that costs least, of equal ones the first.
    """
    flat = follow.reshape(-1)
    steps = np.flatnonzero(flat >= 0)
    after, before, cost = flat[steps], steps // follow.shape[1], weights.reshape(-1)[steps]
    order = np.lexsort((cost, before, after)) if cheapest else np.argsort(after, kind="stable")
    if cheapest and len(order):
        new = (np.diff(after[order], prepend=-1) != 0) | (np.diff(before[order], prepend=-1) != 0)
        order = order[new]
    edges = np.stack([before[order], steps[order] % follow.shape[1], cost[order]], axis=1)
    return np.searchsorted(after[order], np.arange(n_after + 1)), np.ascontiguousarray(edges, np.int64)


def _rows_of(ptr: np.ndarray, k: int, m: int) -> np.ndarray:
    """Return the rows with m maps chosen."""
    starts, ends = ptr[:-1][m :: k + 1], ptr[1:][m :: k + 1]
    return np.concatenate([np.arange(a, b) for a, b in zip(starts, ends, strict=True)] or [np.zeros(0, np.int64)])


def _walk(trail: Trail, level: int, row: int) -> tuple[int, ...]:
    """Return the choices that lead to a label."""
    path = []
    for at in range(level, -1, -1):
        path.append(int(trail[at][1][row, 5]))
        row = int(trail[at][1][row, 4])
    return tuple(reversed(path))
