"""Blocks: figures of any flat range of architectures of a stage, into arrays that the caller owns.

This is what `rf.sweep`, stores and workers are made of::

    blocks = Blocks(space)                      # compiles the space where that is not done: milliseconds as a rule
    blocks.stages                               # ("stem", "s1", ...)
    blocks.size(stage)                          # architectures up to that stage, a Python int
    blocks.dims(stage)                          # labels of the factors met so far, in the order of the dims
    blocks.shape(stage)                         # their numbers: the index is row-major over them
    blocks.axis_labels                          # () where the space is square: no `axis` dim
    blocks.variables(stage)                     # {"pixels": Variable(dtype="int32", ...), ...}
    out = blocks.empty(stage, start, stop)      # {"pixels": int32 array (stop - start,), ...}; per-axis ones
                                                # are (stop - start, axes) where the space is not square
    blocks.fill(stage, start, stop, out)        # fills them in place; keys may be left out of `out`

`stage` is a position or a name. Index i of a stage is that of the factors met so far, row-major; stage j's index of the
same architecture is ``i // (size(i) // size(j))``. Any cut of a stage into ranges gives the same bits, on any number of
threads, in any process: a worker makes its own `Blocks` from ``Space.from_dict(space.to_dict())``. `fill` is not
thread-safe. `NetworkBlocks` does the same for a `NetworkSpace`; `rfscale.sweeps.runs.evaluator.Evaluator` is what both
have in common, and `rfscale.sweeps.runs.labelled.blocks_of` makes either.

How: the answer is a walk through tables state × choice -> state. Rows of the figures after the last few choices are
kept ready as far as they fit the cache (`ROW_BYTES`), so that the loop copies rows. Where the states outgrow `memory`,
the stages after the last level that fits are enumerated depth first.
"""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.errors import InputError, shown
from rfscale.engine.variables import Variable
from rfscale.sweeps.machine import memory_limit, threads_for
from rfscale.sweeps.runs import rows
from rfscale.sweeps.runs.evaluator import Arrays
from rfscale.sweeps.states.compiled import compiled
from rfscale.sweeps.states.graph import FIGURES, MIN_EDGES_TO_TEST_MERGING, AxisGraph
from rfscale.sweeps.states.tails import Rows, TailFigures
from rfscale.sweeps.variables import COSTS, FORMULAS, UNION_FIGURES, VARIABLES

if TYPE_CHECKING:
    from rfscale.sweeps.runs.formulas import Formulas
    from rfscale.sweeps.spaces.space import Space

MEMORY = 1 << 30  # bytes that the states of one axis may take before enumeration goes depth first
ROW_BYTES = 1 << 20  # of ready rows of one stage: they stay in the cache
LONG_ROW = 64  # architectures of rows that are copied as fast as numpy fills memory: longer ones only take room
NODES_AT_ONCE = 1 << 20  # architectures of a space with branches whose nodes are known at a time: they take memory
UnionRows = dict[tuple[str, int | None], np.ndarray]  # of spaces with branches: by figure, and axis where these differ
MAX_ROW = 1 << 12  # architectures in a row that are worked out beforehand, in spaces whose states rarely merge

Made = dict[str, Rows] | TailFigures | None


class Blocks:
    """Figures of flat ranges of architectures; the module's docstring says how to use it.

    Parameters
    ----------
    space : Space
    costs : bool, optional
        Whether to give params and macs; by default where the space has channels (macs: and an input size).
    formulas : bool
        Whether to give the published and closed-form figures as well.
    memory : int
        Bytes that the states of one axis may take.

    Raises
    ------
    InputError
        If extents, jumps or costs would overflow; the message names the stage.
    """

    def __init__(
        self, space: Space, *, costs: bool | None = None, formulas: bool = False, memory: int = MEMORY
    ) -> None:
        self.space, self.memory = space, memory_limit(memory)
        self.stages = tuple([s.name for s in space.stages])
        self._places = {name: i for i, name in enumerate(self.stages)}
        self.compiled = compiled(space)
        self.programs, self.axes = self.compiled.programs, self.compiled.axes
        with_costs = space.channels is not None if costs is None else costs
        self.costs = self.compiled.costs if with_costs else None
        if formulas and space.branching:
            raise InputError(
                f"formulas go with chains, and space {space.name!r} has branches",
                remedy="ask rf.validate(space.network(index)) of one network",
            )
        self.with_formulas = formulas
        self._formulas: Formulas | None = None
        self._figure_rows: dict[tuple[int, int], tuple[int, Made]] = {}
        self._built = [0] * len(self.axes)  # levels of each axis that are known to be worth it, and to fit
        self._all_nodes: dict[int, list[np.ndarray]] = {}  # by axis, those that each stage starts from
        self._rows_of_unions: dict[int, tuple[int, UnionRows]] = {}
        self._cost_rows: dict[tuple[int, str], tuple[int, np.ndarray]] = {}

    @property
    def axis_labels(self) -> tuple[str, ...]:
        """Labels of the `axis` dim of variables per axis; empty where the space is square."""
        return () if self.space.square else self.space.axes

    def index(self, stage: int | str) -> int:
        """Return the position of a stage."""
        if isinstance(stage, str):
            place = self._places.get(stage)
            return self.space.stage_index(stage) if place is None else place  # which raises an error
        if not 0 <= stage < len(self.stages):
            raise InputError(f"stage is {shown(stage)}; the space has {len(self.stages)} stages")
        return stage

    def size(self, stage: int | str) -> int:
        """Return the number of architectures up to a stage."""
        return self.space.stage_sizes[self.index(stage)]

    def dims(self, stage: int | str) -> dict[str, tuple[Any, ...]]:
        """Return the labels of the factors met up to a stage."""
        return self.space.stage_dims(self.index(stage))

    def shape(self, stage: int | str) -> tuple[int, ...]:
        """Return the number of values of every factor met up to a stage."""
        return tuple(len(labels) for labels in self.dims(stage).values())

    def attrs(self, stage: int | str) -> dict[str, Any]:
        """Return the attrs of a stage's dataset."""
        return {"stage": self.stages[self.index(stage)], "ndim": len(self.space.axes)}

    def variables(self, stage: int | str) -> dict[str, Variable]:
        """Return the specs of the variables of a stage."""
        self.index(stage)
        return self._specs.copy()

    @cached_property
    def _specs(self) -> dict[str, Variable]:
        """The same, which all stages share."""
        names = [*(UNION_FIGURES if self.space.branching else FIGURES), *(("density",) if self.space.scaled else ())]
        names += [*(self.costs.weights if self.costs else ())]
        if self.with_formulas:
            names += [n for n in FORMULAS if not n.startswith("published") or len(self.space.axes) == 2]
        return {n: VARIABLES[n] for n in names}

    def row_bytes(self, stage: int | str) -> int:
        """Return the bytes that one architecture of a stage takes."""
        self.index(stage)
        return self._row_bytes

    @cached_property
    def _row_bytes(self) -> int:
        axes = max(1, len(self.axis_labels))
        return sum(np.dtype(v.dtype).itemsize * (axes if v.per_axis else 1) for v in self._specs.values())

    def empty(self, stage: int | str, start: int, stop: int) -> dict[str, np.ndarray]:
        """Return arrays for `fill`."""
        n, axes = stop - start, len(self.axis_labels)
        return {
            name: np.empty((n, axes) if v.per_axis and axes > 1 else n, v.dtype)
            for name, v in self.variables(stage).items()
        }

    def fill(self, stage: int | str, start: int, stop: int, out: Arrays) -> None:
        """Write the figures of architectures start..stop-1 of a stage into the arrays of `out`."""
        i = self.index(stage)
        if not 0 <= start <= stop <= self.size(i):
            raise InputError(
                f"range {start}..{stop} is not within the {self.size(i)} architectures of {self.stages[i]!r}"
            )
        if start == stop:
            return
        with threads_for(stop - start):
            self._fill(i, start, stop, out)

    def _fill(self, i: int, start: int, stop: int, out: Arrays) -> None:
        if self.space.branching:
            self._fill_unions(i, start, stop, out)
        elif not out.keys().isdisjoint(FIGURES):
            for axis in range(len(self.axes)):
                self._fill_figures(i, axis, start, stop, out)
        for name in COSTS:
            if name in out:
                self._fill_cost(i, name, start, stop, out[name])
        if not out.keys().isdisjoint(FORMULAS):
            self._analytic().fill(i, start, stop, out)

    def _analytic(self) -> Formulas:
        from rfscale.sweeps.runs.formulas import Formulas

        if self._formulas is None:
            self._formulas = Formulas(self.space, self.programs)
        return self._formulas

    def state_counts(self, build: bool = False) -> list[list[int]]:
        """Return the number of states after each stage, by axis, as far as they are built; `build` builds what fits."""
        counts = []
        for axis, graph in enumerate(self.axes):
            stages = len(self.stages) if build else len(graph.levels)
            fitting = self.compiled.build(axis, stages, self.memory)
            counts.append([len(level.state) for level in graph.levels[:fitting]])
        return counts

    # figures ---------------------------------------------------------------------------------------------------------

    def _fill_figures(self, stage: int, axis: int, start: int, stop: int, out: Arrays) -> None:
        graph = self.axes[axis]
        views = [_view(out.get(name), axis, len(self.axes), stop - start) for name in FIGURES]
        first, made = self._rows(stage, axis)
        per_row = prod(p.choices for p in self.programs[first : stage + 1])
        low, high = start // per_row, -(-stop // per_row)
        whole = low == 0 and high * per_row == self.size(stage)
        if whole:
            nodes = self._nodes_before(axis, first)
        else:
            nodes = rows.nodes_before([level.follow for level in graph.levels], first, low, high)
        begin, end = start - low * per_row, stop - low * per_row
        if made is None:
            graph.enumerate_range(range(first, stage + 1), nodes, begin, end, views, self._words(stage))
            return
        if isinstance(made, TailFigures):
            if made.suits(nodes, begin, end) and all(view.flags.c_contiguous for view in views):
                by_figure = dict(zip(FIGURES, views, strict=True))
                made.write(nodes, by_figure["pixels"], by_figure["shared"])
                made = made.hulls
            else:
                made = made.rows()
                self._figure_rows[stage, axis] = first, made
        own: list[tuple[np.ndarray, np.ndarray]] = []
        for name, view in zip(FIGURES, views, strict=True):
            if name not in out or name not in made:
                continue
            table, row = made[name]
            if row is None:
                own.append((table, view))
            else:  # nodes share rows
                rows.copy_rows(row[nodes], [table], begin, end, [view])
        if own:
            rows.copy_rows(nodes, [table for table, _ in own], begin, end, [view for _, view in own])

    def _fill_unions(self, stage: int, start: int, stop: int, out: Arrays) -> None:
        """Figures of a space with branches: those of the state that each architecture ends in."""
        wanted = [name for name in self.variables(stage) if name in out and name in (*UNION_FIGURES, "density")]
        if not wanted:
            return
        if self.space.folded:
            raise InputError(
                f"space {self.space.name!r} has cells of more than 2^20 choices in all, known by their effects",
                remedy="ask rf.count, rf.best, rf.pareto or rf.sample",
            )
        self.compiled.build_all(self.memory, stage + 1)
        first, tables = self._union_rows(stage)
        per_row = prod(p.choices for p in self.programs[first : stage + 1])
        follow = [level.follow for level in self.axes[0].levels]
        columns = [(name, axis) for name, axis in tables if name in wanted]
        views = [out[name] if axis is None else out[name][:, axis] for name, axis in columns]
        wanted_tables = [tables[column] for column in columns]
        for at in range(start, stop, NODES_AT_ONCE):
            until = min(at + NODES_AT_ONCE, stop)
            low, high = at // per_row, -(-until // per_row)
            nodes = rows.nodes_before(follow, first, low, high)
            parts = [view[at - start : until - start] for view in views]
            rows.copy_rows(nodes, wanted_tables, at - low * per_row, until - low * per_row, parts)

    def _union_rows(self, stage: int) -> tuple[int, UnionRows]:
        """First stage of the rows of a stage, and the rows by node and choices: one node's where few states merge."""
        if stage not in self._rows_of_unions:
            levels, specs, figures = self.axes[0].levels, self.variables(stage), self.axes[0].figures(stage)
            tables: UnionRows = {}
            for name, values in figures.items():
                if name in specs:
                    typed = values.astype(specs[name].dtype, copy=False)
                    by_axis = {None: typed} if typed.ndim == 1 else dict(enumerate(typed.T))
                    tables |= {(name, axis): column[:, None] for axis, column in by_axis.items()}
            first, each = stage + 1, sum(table.itemsize for table in tables.values())
            while first and each * levels[first - 1].follow.size <= ROW_BYTES:
                first -= 1
                follow = levels[first].follow
                tables = {column: table[follow].reshape(len(follow), -1) for column, table in tables.items()}
                each *= follow.shape[1]
            self._rows_of_unions = {stage: (first, tables)}  # runs go stage by stage: others' rows only take memory
        return self._rows_of_unions[stage]

    def _words(self, stage: int) -> int:
        """Words of the widest set up to a stage."""
        return (self.compiled.extents[stage] + 63) // 64 + 1

    def _rows(self, stage: int, axis: int) -> tuple[int, Made]:
        """First stage of the rows of a stage, and the rows by figure, or what makes them; None: they are enumerated."""
        key = (stage, axis)
        if key not in self._figure_rows:
            self._figure_rows[key] = self._make_rows(stage, axis)
        return self._figure_rows[key]

    def _make_rows(self, stage: int, axis: int) -> tuple[int, Made]:
        graph = self.axes[axis]
        first, has_figures = self._built_levels(stage, axis)
        n, stages = len(graph.before(first).state), range(first, stage + 1)
        choices = prod(self._choices(s) for s in stages)
        if n * choices * 4 * len(FIGURES) > self.memory // 4 or (first < stage and choices > MAX_ROW):
            return first, None
        fits_longer = first and choices < LONG_ROW
        fits_longer = fits_longer and 4 * len(FIGURES) * choices * graph.levels[first - 1].follow.size <= ROW_BYTES
        if has_figures:
            figures = np.array([*graph.figures(stage).values()], np.int32)
            tables = figures.take(graph.levels[stage].follow, axis=1, mode="clip")
        else:
            tail = graph.tail_figures(stages, self._words(stage))
            if tail is not None and not fits_longer:
                return first, tail
            if tail is None:
                tables = graph.enumerated_rows(stages, self._words(stage))
            else:
                made = tail.rows()
                tables = np.array([made[name].by_node() for name in FIGURES])
        while first and tables.shape[2] < LONG_ROW:
            follow = graph.levels[first - 1].follow
            if tables[:, 0].nbytes * follow.size > ROW_BYTES:
                break
            first -= 1
            tables = tables.take(follow, axis=1).reshape(len(FIGURES), len(follow), -1)
        return first, {name: Rows(table) for name, table in zip(FIGURES, tables, strict=True)}

    def _built_levels(self, stage: int, axis: int) -> tuple[int, bool]:
        """Levels that the rows of a stage are made from, and whether the stage has a level of its own, with figures."""
        graph, levels = self.axes[axis], min(stage, self._built[axis], len(self.axes[axis].levels))
        while levels < stage and self._is_worth_a_level(graph, levels):
            if self.compiled.build(axis, levels + 1, self.memory) == levels:
                break
            levels += 1
        self._built[axis] = max(levels, self._built[axis])
        if levels < stage:
            return levels, False
        edges = len(graph.before(stage).state) * self._choices(stage)
        # the next stage needs it, or so few states are sooner looked up than ways without them
        ahead = stage < len(self.stages) - 1 or edges < MIN_EDGES_TO_TEST_MERGING
        worth = ahead and self._is_worth_a_level(graph, stage)
        own = worth or len(graph.levels) > stage or graph.pool.is_plain(edges)
        own = own and self.compiled.build(axis, stage + 1, self.memory) > stage
        if own and worth:
            self._built[axis] = max(stage + 1, self._built[axis])
        return stage, own

    def _is_worth_a_level(self, graph: AxisGraph, stage: int) -> bool:
        """Whether to build the level after a stage, where later ones start from it.

        That no compiled code is needed for it makes it worth that, too.
        """
        if prod(p.choices for p in self.programs[stage:]) > MAX_ROW or graph.merging_is_worthwhile(stage):
            return True
        return graph.pool.is_plain(len(graph.before(stage).state) * self._choices(stage))

    def _choices(self, stage: int) -> int:
        return self.programs[stage].choices

    def _nodes_before(self, axis: int, stage: int) -> np.ndarray:
        """Nodes that a stage starts from, of all architectures: kept, as the next stages' are made of them."""
        known = self._all_nodes.setdefault(axis, [np.zeros(1, np.int32)])
        while len(known) <= stage:
            follow = self.axes[axis].levels[len(known) - 1].follow
            known.append(rows.walk(known[-1], follow, 0, known[-1].size * follow.shape[1]))
        return known[stage]

    # costs -----------------------------------------------------------------------------------------------------------

    def _fill_cost(self, stage: int, name: str, start: int, stop: int, out: np.ndarray) -> None:
        if self.costs is None or name not in self.costs.weights:
            raise InputError(f"no {name!r}: the space needs channels, and for macs an input_size")
        first, table = self._cost_table(stage, name)
        per_row = table.shape[1]
        low, high = start // per_row, -(-stop // per_row)
        nodes, sums = self._sums(name, first, low, high)
        rows.add_rows(nodes, sums, table, start - low * per_row, stop - low * per_row, out)

    def _cost_table(self, stage: int, name: str) -> tuple[int, np.ndarray]:
        assert self.costs is not None
        if (stage, name) not in self._cost_rows:
            follow, weights = self.costs.follow, self.costs.weights[name]
            first, table = stage, weights[stage]
            while first and len(follow[first - 1]) * self._choices(first - 1) * table.shape[1] * 8 <= ROW_BYTES:
                first -= 1
                table = (weights[first][:, :, None] + table[follow[first]]).reshape(len(follow[first]), -1)
            self._cost_rows[stage, name] = first, np.ascontiguousarray(table)
        return self._cost_rows[stage, name]

    def _sums(self, name: str, stage: int, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
        """Cost nodes and accumulated costs before a stage, of architectures low..high-1 of the stages before it."""
        assert self.costs is not None
        spans = [(low, high)]  # of each stage, from the last to what the first one reads
        for before in reversed(range(stage)):
            spans.append((spans[-1][0] // self._choices(before), -(-spans[-1][1] // self._choices(before))))
        nodes, sums = np.zeros(1, np.int32), np.zeros(1, np.int64)
        for before, (first, _), (low, high) in zip(range(stage), spans[:0:-1], spans[-2::-1], strict=True):
            begin, end = low - first * self._choices(before), high - first * self._choices(before)
            after = np.empty(end - begin, np.int64)
            rows.add_rows(nodes, sums, self.costs.weights[name][before], begin, end, after)
            nodes, sums = rows.walk(nodes, self.costs.follow[before], begin, end), after
        return nodes, sums


def _view(array: np.ndarray | None, axis: int, axes: int, n: int) -> np.ndarray:
    """The part of an output array that belongs to one axis."""
    if array is None:
        return np.empty(n, np.int32)  # not asked for: written and dropped
    return array[:, axis] if axes > 1 else array
