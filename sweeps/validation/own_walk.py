"""A formula of the user against the exact figures of all maps of a space, over merged states.

A node is an exact state on every axis and a state of the formula, with the number of architectures that it stands for.
A value that is exact but for rounding is replaced by the exact one, so that equal states meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.engine.formulas.exactness import same
from rfscale.sweeps.kernels import formula_errors as errors
from rfscale.sweeps.kernels.formula_errors import OVERLAP_BINS
from rfscale.sweeps.states.compiled import compiled
from rfscale.sweeps.validation.kernel_tables import Kind
from rfscale.sweeps.validation.own_formulas import OwnFormula, State, Window, states_as_arrays

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.space import Space

MAX_EDGES = 1 << 24  # nodes × choices of a stage


class _Level(NamedTuple):
    """Nodes: one of every axis graph, the formula's state and whether it is in the domain, and architectures."""

    axes: tuple[np.ndarray, ...]
    own: np.ndarray
    inside: np.ndarray
    weight: np.ndarray
    row: np.ndarray
    choice: np.ndarray


class OwnWalk:
    """The pass of one formula over a space.

    Attributes
    ----------
    table : array (stage, kind, overlap, figure, column)
        Maps, as the kernel counts them.
    worst : float array (stage, kind, overlap, figure)
        Largest errors, -1 without a map.
    place : int64 array (…, 2)
        Node before the stage, and choice, of the first of the worst maps.
    """

    def __init__(self, space: Space, formula: OwnFormula, kinds: Sequence[Kind], memory: int, counts: Any) -> None:
        self.space, self.formula = space, formula
        self._compiled = compiled(space)
        self._compiled.build_all(memory)
        self._kinds = {kind: i for i, kind in enumerate(kinds)}
        self._states: list[State] = []
        self._numbers: dict[State, int] = {}
        n = len(self._compiled.axes)
        shape = (len(space.stages), len(kinds), OVERLAP_BINS, 1 + n)
        self.table = np.zeros((*shape, errors.COLUMNS), counts)
        self.worst, self.place = np.full(shape, -1.0), np.zeros((*shape, 2), np.int64)
        zero = np.zeros(1, np.int64)
        first = self._number(formula.start(n))
        self.levels = [_Level((zero,) * n, np.array([first]), np.ones(1, bool), np.ones(1, counts), zero, zero)]
        for stage in range(len(space.stages)):
            self._add(stage)

    def path(self, stage: int, place: np.ndarray) -> tuple[int, ...]:
        """Return the choices that lead to a place of a stage."""
        return path_to(self.levels, stage, place)

    def _number(self, state: State) -> int:
        number = self._numbers.setdefault(state, len(self._states))
        if number == len(self._states):
            self._states.append(state)
        return number

    def _add(self, stage: int) -> None:
        """Judge the maps of a stage and make the level after it."""
        before, program = self.levels[-1], self._compiled.programs[stage]
        n, choices = len(before.own), program.choices
        if n * choices > MAX_EDGES:
            raise InputError(
                f"formula {self.formula.name!r} makes {n:,} different states before stage {program.stage!r}, more than "
                "can be followed; validate a space of fewer stages or choices"
            )
        graphs = self._compiled.axes
        ends = [
            g.levels[stage].follow[at].reshape(-1).astype(np.int64) for g, at in zip(graphs, before.axes, strict=True)
        ]
        variant = program.variant[graphs[0].before(stage).live[before.axes[0]]]
        kind, own, inside = self._steps(stage, before, variant)
        figures = [g.pool.figures(g.levels[stage].state[at]) for g, at in zip(graphs, ends, strict=True)]
        own = self._snapped(own, figures)
        weight = np.repeat(before.weight, choices)
        self._count(stage, before, np.stack([kind, own, inside], axis=1), figures, weight)
        key = np.column_stack([*ends, own, inside])
        _, first, which = np.unique(key, axis=0, return_index=True, return_inverse=True)
        total = np.zeros(len(first), weight.dtype)
        np.add.at(total, which.reshape(-1), weight)
        row, choice = np.divmod(first, choices)
        axes = tuple([at[first] for at in ends])
        self.levels.append(_Level(axes, own[first], inside[first].astype(bool), total, row, choice))

    def _steps(self, stage: int, before: _Level, variant: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Kind of layer, number of the formula's state, and whether it is in the domain, of every edge."""
        program, n = self._compiled.programs[stage], len(before.axes)
        made = np.empty((len(before.own), program.choices, 3), np.int64)
        known: dict[tuple[Any, ...], tuple[int, bool]] = {}
        keys, which = np.unique(np.column_stack([variant, before.own, before.inside]), axis=0, return_inverse=True)
        which = which.reshape(-1)
        for i, (v, own, fits) in enumerate(keys.tolist()):
            rows = np.flatnonzero(which == i)
            for c, chain in enumerate(program.layers[v]):
                state, inside, kind = self._states[own], bool(fits), ((1, 1, 1),) * n
                for layer in chain:
                    shapes = [_window(layer, a) for a in range(n)]
                    kind = tuple(shapes)
                    if any(shape[:2] != (1, 1) for shape in shapes):
                        number = self._number(state)
                        call = number, inside, kind, layer.op
                        if call not in known:
                            after, now = self.formula.after(state, shapes, layer.op, program.stage)
                            known[call] = self._number(after), inside and now
                        after_number, inside = known[call]
                        state = self._states[after_number]
                made[rows, c] = self._kinds[kind], self._number(state), inside
        kind_column, own_column, inside_column = made.reshape(-1, 3).T
        return kind_column, own_column, inside_column

    def _snapped(self, own: np.ndarray, figures: list[dict[str, np.ndarray]]) -> np.ndarray:
        """The same states, with the exact area and overlap where the formula's differ by rounding alone."""
        if self.formula.boxes:
            return own
        area, overlap = self._exact(figures)
        rows = np.column_stack([own, area, overlap[:, 0], (overlap == overlap[:, :1]).all(axis=1)])
        distinct, which = np.unique(rows, axis=0, return_inverse=True)
        numbers = []
        for number, exact_area, exact_overlap, alike in distinct.tolist():
            S, P = state = self._states[int(number)]
            if same(S, exact_area) and alike and same(P, exact_overlap):
                state = exact_area, exact_overlap
            numbers.append(self._number(state))
        return np.array(numbers, np.int64)[which.reshape(-1)]

    def _exact(self, figures: list[dict[str, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        """Exact area (n,) and overlap (n, axes)."""
        power = len(self.space.axes) if len(figures) == 1 else 1
        area = np.prod([f["pixels"].astype(float) for f in figures], axis=0) ** power
        return area, np.stack([f["shared"] / f["pixels"] for f in figures], axis=1)

    def _count(
        self, stage: int, before: _Level, edges: np.ndarray, figures: list[dict[str, np.ndarray]], weight: np.ndarray
    ) -> None:
        """Add the maps of a stage to the tables."""
        kind, own, inside = edges.T
        graphs, choices = self._compiled.axes, self._compiled.programs[stage].choices
        smallest = np.full(len(before.own), OVERLAP_BINS, np.int64)
        for graph, at in zip(graphs, before.axes, strict=True):
            read = graph.pool.figures(graph.before(stage).state[at])
            smallest = np.minimum(smallest, read["shared"] * OVERLAP_BINS // read["pixels"])
        cell = kind, np.repeat(smallest, choices)
        numbers, which = np.unique(own, return_inverse=True)
        states, n = [self._states[i] for i in numbers.tolist()], len(self.space.axes)
        if self.formula.boxes and len(figures) == 1:  # one axis stands for all of them
            states = [state * n for state in states]
        area, overlap = states_as_arrays(self.formula, states, n)
        area, overlap = area[which.reshape(-1)], overlap[which.reshape(-1), : len(figures)]
        exact, common = self._exact(figures)
        with np.errstate(invalid="ignore"):
            wrong = np.column_stack([np.abs(area - exact) / exact, np.abs(overlap - common)])
            bad = np.column_stack([area <= 0, (overlap < -errors.EXACT) | (overlap > 1 + errors.EXACT)])
        for figure in range(wrong.shape[1]):
            error = wrong[:, figure]
            tally(self.table[stage, :, :, figure], cell, error, bad[:, figure], inside.astype(bool), weight)
            cells, edge, worst = worst_edges(cell[0] * OVERLAP_BINS + cell[1], error)
            kinds, overlaps = np.divmod(cells, OVERLAP_BINS)
            self.worst[stage, kinds, overlaps, figure] = worst
            self.place[stage, kinds, overlaps, figure] = np.column_stack(np.divmod(edge, choices))


def _window(layer: Any, axis: int) -> Window:
    k, s, d = layer.kernel[axis], layer.stride[axis], layer.dilation[axis]
    return k, s, d if k > 1 else 1


def path_to(levels: Sequence[Any], stage: int, place: np.ndarray) -> tuple[int, ...]:
    """Return the choices that lead to a place of a stage: a node of the level before it, and a choice."""
    node, choices = int(place[0]), [int(place[1])]
    for level in reversed(levels[1 : stage + 1]):
        choices.append(int(level.choice[node]))
        node = int(level.row[node])
    return tuple(reversed(choices))


def tally(
    table: np.ndarray,
    cell: tuple[np.ndarray, ...],
    error: np.ndarray,
    bad: np.ndarray,
    fits: np.ndarray,
    weight: np.ndarray,
) -> None:
    """Add maps to the columns of one measure: `table` is an array (cell ..., column), `cell` has an index for each."""
    valued, column = ~np.isnan(error), error_columns(error)
    for rows, where in (
        (valued, np.where(fits & (column == 0), errors.INSIDE, column)),
        (valued & fits & (column > 0), np.full(len(column), errors.INSIDE_OFF)),
        (bad, np.full(len(column), errors.IMPOSSIBLE)),
    ):
        np.add.at(table, (*(index[rows] for index in cell), where[rows]), weight[rows])


def worst_edges(cell: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the cells that there are, and of each the first of the largest errors and that error; -1 is no value."""
    error = np.where(np.isnan(error), -1.0, error)
    order = np.lexsort((np.arange(len(error)), -error))
    cells, first = np.unique(cell[order], return_index=True)
    edge = order[first]
    return cells, edge, error[edge]


def error_columns(error: np.ndarray) -> np.ndarray:
    """Return columns of errors as the kernel has them: 0 up to EXACT, the smaller ones, four bins to a power of two."""
    steps = 1 + np.arange(errors.PER_OCTAVE) / errors.PER_OCTAVE
    lower = np.outer(2.0 ** np.arange(errors.LOWEST, errors.HIGHEST), steps).ravel()
    with np.errstate(invalid="ignore"):
        place = 1 + np.searchsorted(lower, np.nan_to_num(error, nan=0.0), side="right")
        return np.where(error <= errors.EXACT, 0, np.minimum(place, errors.BINS - 1))
