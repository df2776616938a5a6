"""The pass of `rf.validate` over a space with branches: exact states with states of formulas, merged level by level.

An architecture without a path has no map. The map of a stage is of the kind of its last layer, or a merge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.engine.formulas.exactness import same
from rfscale.sweeps.kernels import formula_errors as errors
from rfscale.sweeps.kernels.formula_errors import OVERLAP_BINS
from rfscale.sweeps.spaces.graphs.wiring import ChainLayer, Wiring
from rfscale.sweeps.states.compiled import compiled
from rfscale.sweeps.states.unions import figures_along
from rfscale.sweeps.validation.branches.along_wiring import Along, Formulas, windows_of
from rfscale.sweeps.validation.kernel_tables import Kind
from rfscale.sweeps.validation.own_walk import path_to, tally, worst_edges
from rfscale.sweeps.variables import AXIS_FIGURES

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.space import Space

MERGE = (0, 0, 0)  # window of a merge
MAX_EDGES = 1 << 24  # nodes × choices of a stage
MAX_CALLS = 1 << 22  # states of formulas × choices of a stage: each is worked out in Python


class Level(NamedTuple):
    """Nodes: of the exact graph, live value, the formulas' state, architectures, and what led here first.

    Live values are those of the space as it is written: what has one effect may have many values by formulas.
    """

    node: np.ndarray
    live: np.ndarray
    state: np.ndarray
    weight: np.ndarray
    row: np.ndarray
    choice: np.ndarray


class BranchWalk:
    """The pass of some formulas over a space.

    Parameters
    ----------
    space : Space
    formulas : Formulas
    memory : int
        Bytes that the exact states may take.
    counts : dtype
        Of numbers of maps.
    drawn : int array (architectures, stages), optional
        Choices of the architectures to judge, instead of all.
    progress : callable, optional

    Attributes
    ----------
    levels : list of Level
    evaluated : int
        Edges that were judged.
    """

    def __init__(
        self,
        space: Space,
        formulas: Formulas,
        memory: int,
        counts: Any,
        drawn: np.ndarray | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> None:
        self.space, self.formulas, self.counts, self.drawn = space, formulas, counts, drawn
        self.axes = 1 if space.square else len(space.axes)  # 1 stands for all
        self.compiled = compiled(space)
        self.evaluated = 0
        if drawn is None:
            self.compiled.build_all(memory)
        self.programs = self.compiled.programs
        self._kinds: dict[Kind, int] = {}
        self._states: list[Any] = []
        self._numbers: dict[Any, int] = {}
        self._tallies: list[tuple[np.ndarray, ...]] = []
        n = 1 if drawn is None else len(drawn)
        zero = np.zeros(n, np.int64)
        first = np.full(n, self._number((formulas.start, True)))
        self.levels = [Level(zero, zero, first, np.ones(n, counts), np.arange(n), zero)]
        one = np.ones((n, self.axes), np.int64)
        self._figures = {"area": one[:, 0], "extent": one, "jump": one, "overlap": np.zeros((n, self.axes))}
        for stage in range(len(self.programs)):
            self._add(stage)
            if progress:
                progress(stage + 1, len(self.programs))

    def tables(self, kinds: Sequence[Kind]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return table, worst errors and their places, with the kinds in some order."""
        order = [self._kinds.get(kind, -1) for kind in kinds]
        out = []
        for parts, empty in zip(zip(*self._tallies, strict=True), (0, -1.0, 0), strict=True):
            whole = np.full((len(parts), len(kinds), *parts[0].shape[1:]), empty, parts[0].dtype)
            for stage, part in enumerate(parts):
                for at, kind in enumerate(order):
                    if 0 <= kind < len(part):
                        whole[stage, at] = part[kind]
            out.append(whole)
        return out[0], out[1], out[2]

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of maps that there are."""
        return tuple(self._kinds)

    def path(self, stage: int, place: np.ndarray) -> tuple[int, ...]:
        """Return the choices that lead to a place of a stage."""
        return path_to(self.levels, stage, place)

    def _number(self, state: Any) -> int:
        number = self._numbers.setdefault(state, len(self._states))
        if number == len(self._states):
            self._states.append(state)
        return number

    # a stage

    def _add(self, stage: int) -> None:
        """Judge the maps of a stage and make the level after it."""
        before, program = self.levels[-1], self.programs[stage]
        n = len(before.state)
        if self.drawn is None:
            if n * program.choices > MAX_EDGES:
                self._refuse(stage, f"{n:,} states of maps and formulas")
            row, choice = (x.reshape(-1) for x in np.indices((n, program.choices)))
            graph = self.compiled.axes[0]
            ends = graph.levels[stage].follow[before.node].reshape(-1).astype(np.int64)
            figures = graph.figures(stage, ends)
        else:
            row, choice, ends = np.arange(n), self.drawn[:, stage], np.zeros(n, np.int64)
            figures = figures_along(self.programs[: stage + 1], self.drawn[:, : stage + 1], len(self.space.axes))
        figures = {k: v.reshape(len(v), -1) if k in AXIS_FIGURES else v for k, v in figures.items()}
        self.evaluated += len(row)
        kind, after = self._steps(stage, before, row, choice)
        after = self._snapped(after, figures)
        self._count(stage, _Edges(row, choice, kind, after), figures)
        live = program.next_live[before.live[row], choice]
        first, weight = self._merged(before.weight[row], ends, live, after)
        self.levels.append(Level(ends[first], live[first], after[first], weight, row[first], choice[first]))
        self._figures = {name: figures[name][first] for name in self._figures}

    def _merged(
        self, weight: np.ndarray, ends: np.ndarray, live: np.ndarray, after: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """First edge and architectures of each node: an exact node, a live value and a state of the formulas."""
        if self.drawn is not None:
            return np.arange(len(weight)), weight
        _, place = np.unique(ends * (int(live.max()) + 1) + live, return_inverse=True)
        keys = place.reshape(-1) * (len(self._states) + 1) + after + 1
        _, first, which = np.unique(keys, return_index=True, return_inverse=True)
        total = np.zeros(len(first), weight.dtype)
        np.add.at(total, which.reshape(-1), weight)
        return first, total

    def _steps(self, stage: int, before: Level, row: np.ndarray, choice: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Kind of map and state of the formulas of every edge; -1 where there is no map."""
        program = self.programs[stage]
        assert program.wirings is not None  # the space branches
        extent, jump = (self._figures[name].astype(np.int64) for name in ("extent", "jump"))
        columns = np.column_stack([program.variant[before.live], before.state, extent, jump])
        keys, key_of = np.unique(columns, axis=0, return_inverse=True)
        asked = key_of.reshape(-1)[row] * program.choices + choice
        numbers, which = np.unique(asked, return_inverse=True)
        if len(numbers) > MAX_CALLS:
            self._refuse(stage, f"{len(keys):,} states of formulas")
        found = np.full((len(numbers), 2), -1, np.int64)
        variant, key, wirings = -1, -1, []  # keys come variant by variant
        for i, (now, c) in enumerate(zip(*(x.tolist() for x in np.divmod(numbers, program.choices)), strict=True)):
            v, state, *sizes = keys[now].tolist()
            e, j = tuple(sizes[: self.axes]), tuple(sizes[self.axes :])
            if v != variant:
                variant, wirings = v, list(program.wirings(v))
            if now != key and e[0]:
                key, (one, image) = now, self._states[state]
                along = Along(self.formulas, program.stage, one, e, j, image)
            if e[0] and not _no_path(wirings[c]):
                kind = self._kinds.setdefault(_kind(wirings[c], self.axes), len(self._kinds))
                found[i] = kind, self._number((along.end(wirings[c]), image and not wirings[c]))
        kind, after = found[which.reshape(-1)].T
        return kind, after

    def _snapped(self, state: np.ndarray, figures: dict[str, np.ndarray]) -> np.ndarray:
        rows = np.column_stack([state.astype(float), figures["area"].astype(float), figures["overlap"]])
        distinct, which = np.unique(rows, axis=0, return_inverse=True)
        numbers = [
            -1 if s < 0 else self._number(self._with_exact(self._states[int(s)], int(area), overlap))
            for s, area, *overlap in distinct.tolist()
        ]
        return np.array(numbers, np.int64)[which.reshape(-1)]

    def _with_exact(self, one: Any, area: int, overlap: Sequence[float]) -> tuple[Any, bool]:
        state, image = one
        return self.formulas.snapped(state, area, overlap, same), image

    def _refuse(self, stage: int, what: str) -> None:
        raise InputError(
            f"formulas {', '.join(self.formulas.names)} make {what} before stage {self.programs[stage].stage!r}, more "
            "than can be followed",
            remedy="validate some architectures, with random=1000, or a space of fewer stages or choices",
        )

    # counting

    def _count(self, stage: int, edges: _Edges, figures: dict[str, np.ndarray]) -> None:
        """Add the maps of a stage to the tables."""
        here = np.flatnonzero(edges.kind >= 0)
        row, choice, kind, state = (column[here] for column in edges)
        area, overlap, weight = (
            figures["area"][here].astype(float),
            figures["overlap"][here],
            self.levels[-1].weight[row],
        )
        whole = self._figures["area"].astype(np.int64)[:, None]
        shared = np.rint(np.nan_to_num(self._figures["overlap"]) * whole).astype(np.int64)
        cell = kind * OVERLAP_BINS + (shared * OVERLAP_BINS // np.maximum(1, whole)).min(axis=1)[row]
        columns = [state, *(figures[name][here].astype(np.int64) for name in ("area", "extent", "jump"))]
        distinct, which = np.unique(np.column_stack(columns), axis=0, return_inverse=True)
        axes, judged = self.axes, 1 + self.axes
        found = [
            [
                (S, *P, fits)
                for S, P, fits in self.formulas.values(self._states[s][0], tuple(n[:axes]), tuple(n[axes:]), a)
            ]
            for s, a, *n in distinct.tolist()
        ]
        values = np.array(found, float).reshape(len(distinct), len(self.formulas.names), 2 + axes)[which.reshape(-1)]
        shape = len(self._kinds) * OVERLAP_BINS, judged * len(self.formulas.names)
        table = np.zeros((*shape, errors.COLUMNS), self.counts)
        worst, place = np.full(shape, -1.0), np.zeros((*shape, 2), np.int64)
        for number in range(len(self.formulas.names)):
            S, *P, fits = values[:, number].T
            with np.errstate(invalid="ignore"):
                wrong = (np.abs(S - area) / area, *(np.abs(p - exact) for p, exact in zip(P, overlap.T, strict=True)))
                bad = (S <= 0, *((p < -errors.EXACT) | (p > 1 + errors.EXACT) for p in P))
            for figure in range(judged):
                measure = judged * number + figure
                tally(table[:, measure], (cell,), wrong[figure], bad[figure], fits > 0, weight)
                cells, edge, worst[cells, measure] = worst_edges(cell, wrong[figure])
                place[cells, measure] = np.column_stack([row[edge], choice[edge]])
        self._tallies.append(tuple(x.reshape(-1, OVERLAP_BINS, *x.shape[1:]) for x in (table, worst, place)))


class _Edges(NamedTuple):
    """Rows of the level before, choices, kinds of map and states of the formulas: -1 where there is no map."""

    row: np.ndarray
    choice: np.ndarray
    kind: np.ndarray
    state: np.ndarray


def _no_path(wiring: Wiring) -> bool:
    return any(node.layer == "none" for node in wiring)


def _kind(wiring: Wiring, axes: int) -> Kind:
    """Kind of the map of a stage: the window of its last layer, (1, 1, 1) of none, or a merge."""
    if not wiring or _no_path(wiring):
        return ((1, 1, 1),) * axes
    last = wiring[-1].layer
    return windows_of(last, axes) if isinstance(last, ChainLayer) else (MERGE,) * axes
