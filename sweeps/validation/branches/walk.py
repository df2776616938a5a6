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
from rfscale.sweeps.spaces.graphs.wiring import UPSAMPLING, ChainLayer, Wired, Wiring
from rfscale.sweeps.validation.branches.along_wiring import Along, Formulas, Read, windows_of
from rfscale.sweeps.validation.branches.exact import Figures, UnionNodes
from rfscale.sweeps.validation.kernel_tables import Kind
from rfscale.sweeps.validation.own_walk import path_to, tally, worst_edges

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.space import Space

MERGE = (0, 0, 0)  # window of a merge
MAX_EDGES = 1 << 24  # nodes × choices of a stage
MAX_CALLS = 1 << 22  # states of formulas × choices of a stage: each is worked out in Python


class Level(NamedTuple):
    """Nodes: of the exact side, live value, what they carry, architectures, and what led here first.

    Live values are those of the space as it is written: what has one effect may have many values by formulas.
    """

    node: np.ndarray
    live: np.ndarray
    state: np.ndarray
    weight: np.ndarray
    row: np.ndarray
    choice: np.ndarray


class Carried(NamedTuple):
    """What a node has of the maps that may still be read: the one that comes next, and those that are kept.

    Attributes
    ----------
    states : tuple of (state, bool) or None
        Of each map the formulas' state, and whether it is the image; None: no path leads there.
    origins : tuple of int
        Of each map which is the first that is the same one.
    """

    states: tuple[Any, ...]
    origins: tuple[int, ...]


class BranchWalk:
    """The pass of some formulas over a space.

    Parameters
    ----------
    space : Space
    formulas : Formulas
    exact : UnionNodes
        The exact side: of all architectures, or of those that are drawn.
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
        exact: UnionNodes,
        counts: Any,
        drawn: np.ndarray | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> None:
        self.space, self.formulas, self.exact, self.counts, self.drawn = space, formulas, exact, counts, drawn
        self.axes, self.programs = exact.axes, exact.programs  # 1 axis stands for all
        self.evaluated = 0
        self._kinds: dict[Kind, int] = {}
        self._states: list[Any] = []  # of one map: the formulas' state, and whether it is the image
        self._numbers: dict[Any, int] = {}
        self._carried: list[Carried] = []
        self._carried_number: dict[Carried, int] = {}
        self._rests: list[tuple[Any, Any]] = []  # of edges: which map the output is, and the map before it to keep
        self._rest_number: dict[tuple[Any, Any], int] = {}
        self._tallies: list[tuple[np.ndarray, ...]] = []
        n = 1 if drawn is None else len(drawn)
        zero = np.zeros(n, np.int64)
        maps = 1 + len(exact.sources(0))
        start = self._carry(Carried(((formulas.start, True),) * maps, (0,) * maps))
        nodes = np.arange(n)
        self.levels = [Level(nodes, zero, np.full(n, start), np.ones(n, counts), nodes, zero)]
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

    def _carry(self, carried: Carried) -> int:
        number = self._carried_number.setdefault(carried, len(self._carried))
        if number == len(self._carried):
            self._carried.append(carried)
        return number

    # a stage

    def _add(self, stage: int) -> None:
        """Judge the maps of a stage and make the level after it."""
        before, program = self.levels[-1], self.programs[stage]
        n, variant = len(before.state), program.variant[before.live]
        if self.drawn is None:
            if n * program.choices > MAX_EDGES:
                self._refuse(stage, f"{n:,} states of maps and formulas")
            row, choice = (x.reshape(-1) for x in np.indices((n, program.choices)))
        else:
            row, choice = np.arange(n), self.drawn[:, stage]
        used = choice if program.folded is None else np.zeros_like(choice)  # a folded cell's is known to the exact side
        ends = self.exact.ends(stage, before.node, variant, used)
        figures = self.exact.figures(stage, ends)
        self.evaluated += len(row)
        kind, own, rest = self._steps(stage, before, row, used)
        own = self._snapped(own, figures)
        self._count(stage, _Edges(row, choice, kind, own), figures)
        live = program.next_live[before.live[row], used]
        after = self._carried_after(stage, before.state[row], own, rest)
        first, weight = self._merged(before.weight[row], ends, live, after)
        self.levels.append(Level(ends[first], live[first], after[first], weight, row[first], choice[first]))

    def _merged(
        self, weight: np.ndarray, ends: np.ndarray, live: np.ndarray, after: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """First edge and architectures of each node: an exact node, a live value and a state of the formulas."""
        if self.drawn is not None:
            return np.arange(len(weight)), weight
        _, place = np.unique(ends * (int(live.max()) + 1) + live, return_inverse=True)
        keys = place.reshape(-1) * len(self._carried) + after
        _, first, which = np.unique(keys, return_index=True, return_inverse=True)
        total = np.zeros(len(first), weight.dtype)
        np.add.at(total, which.reshape(-1), weight)
        return first, total

    def _steps(
        self, stage: int, before: Level, row: np.ndarray, choice: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of every edge kind of map and number of its state, -1 where there is no map, and of the ends of its maps."""
        program, exact = self.programs[stage], self.exact
        columns = np.column_stack([program.variant[before.live], before.state, exact.columns(stage, before.node)])
        keys, key_of = np.unique(columns, axis=0, return_inverse=True)
        asked = key_of.reshape(-1)[row] * program.choices + choice
        numbers, which = np.unique(asked, return_inverse=True)
        if len(numbers) > MAX_CALLS:
            self._refuse(stage, f"{len(keys):,} states of formulas")
        found = np.full((len(numbers), 3), -1, np.int64)
        kept, sources = -1 in exact.after(stage), exact.sources(stage)
        self._rests, self._rest_number = [], {}
        key = -1
        for i, (now, c) in enumerate(zip(*(x.tolist() for x in np.divmod(numbers, program.choices)), strict=True)):
            if now != key:  # keys come variant by variant
                key, (variant, number, *column) = now, keys[now].tolist()
                maps = self._maps(stage, self._carried[number], column)
                along = Along(self.formulas, program.stage, maps, sources) if any(maps) else None
                wirings = exact.wirings(stage, variant, column)
            wired = wirings(c)
            found[i] = self._edge(along, wired, kept)
        kind, own, rest = found[which.reshape(-1)].T
        return kind, own, rest

    def _maps(self, stage: int, carried: Carried, column: Sequence[int]) -> list[Read | None]:
        """What is known of the maps before a stage."""
        images = [state is not None and state[1] for state in carried.states]
        hulls = self.exact.hulls(stage, column, images)
        return [
            None if state is None or hull is None else Read(state[0], hull, origin)
            for state, origin, hull in zip(*carried, hulls, strict=True)
        ]

    def _edge(self, along: Along | None, wired: Wired, kept: bool) -> tuple[int, int, int]:
        """Kind of the map of a choice, number of its state, and number of what `_carried_after` needs beside it."""
        if along is None:
            return -1, -1, self._rest((None, None))
        nodes, earlier = wired.nodes, wired.earlier if kept else None
        out, other = along.ends(nodes, len(nodes), earlier)
        kind = own = -1
        if out is not None:
            kind = self._kinds.setdefault(_kind(nodes, self.axes), len(self._kinds))
            own = self._number((out.state, along.is_image(out)))
        kept_map = None if other is None else ((other.state, along.is_image(other)), other.origin)
        return kind, own, self._rest((None if out is None else out.origin, kept_map))

    def _rest(self, rest: tuple[Any, Any]) -> int:
        number = self._rest_number.setdefault(rest, len(self._rests))
        if number == len(self._rests):
            self._rests.append(rest)
        return number

    def _carried_after(self, stage: int, before: np.ndarray, own: np.ndarray, rest: np.ndarray) -> np.ndarray:
        """Number of what the node after every edge carries."""
        kept = self.exact.after(stage)
        columns = own[:, None] if len(kept) == 1 else np.column_stack([own, before, rest])
        distinct, which = np.unique(columns, axis=0, return_inverse=True)
        numbers = []
        for number, *others in distinct.tolist():
            out = None if number < 0 else self._states[number]
            if not others:
                numbers.append(self._carry(Carried((out,), (0,))))
                continue
            carried, (origin, earlier) = self._carried[others[0]], self._rests[others[1]]
            maps = []
            for place in kept:
                if place > 0:
                    maps.append((carried.states[place], carried.origins[place]))
                else:
                    maps.append((out, origin) if place == 0 else earlier or (None, None))
            first: dict[Any, int] = {}
            origins = [i if at is None else first.setdefault(at, i) for i, (_, at) in enumerate(maps)]
            numbers.append(self._carry(Carried(tuple([state for state, _ in maps]), tuple(origins))))
        return np.array(numbers, np.int64)[which.reshape(-1)]

    def _snapped(self, state: np.ndarray, figures: Figures) -> np.ndarray:
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

    def _count(self, stage: int, edges: _Edges, figures: Figures) -> None:
        """Add the maps of a stage to the tables."""
        here = np.flatnonzero(edges.kind >= 0)
        row, choice, kind, state = (column[here] for column in edges)
        area, overlap, weight = (
            figures["area"][here].astype(float),
            figures["overlap"][here],
            self.levels[-1].weight[row],
        )
        read = self.exact.read(stage, self.levels[-1].node)
        whole = read["area"].astype(np.int64)[:, None]
        shared = np.rint(np.nan_to_num(read["overlap"]) * whole).astype(np.int64)
        cell = kind * OVERLAP_BINS + (shared * OVERLAP_BINS // np.maximum(1, whole)).min(axis=1)[row]
        extent, jump = (figures[name][here].astype(np.int64) for name in ("extent", "jump"))
        box = figures["box"][here] if "box" in figures else extent.prod(axis=1) ** (len(self.space.axes) // self.axes)
        columns = [state, box, extent, jump]
        distinct, which = np.unique(np.column_stack(columns), axis=0, return_inverse=True)
        axes, judged = self.axes, 1 + self.axes
        found = [
            [
                (S, *P, fits)
                for S, P, fits in self.formulas.values(self._states[s][0], tuple(n[:axes]), tuple(n[axes:]), b)
            ]
            for s, b, *n in distinct.tolist()
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


def _kind(wiring: Wiring, axes: int) -> Kind:
    """Kind of the map of a stage: the window of its last layer, (1, 1, 1) of none, a merge, or (0, s, 0) upsampled."""
    last = wiring[-1] if wiring else None
    if last is None or not last.inputs:
        return ((1, 1, 1),) * axes
    if not isinstance(last.layer, ChainLayer):
        return (MERGE,) * axes
    windows = windows_of(last.layer, axes)
    if last.layer.op in UPSAMPLING and any(s > 1 for _, s, _ in windows):
        return tuple([(0, s, 0) for _, s, _ in windows])
    return windows
