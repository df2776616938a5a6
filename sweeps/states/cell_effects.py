"""The effects of a cell for all choices at once: arrays of numbered sets of paths, an axis for each factor.

A cell has many choices and few effects: each distinct step is worked out once, and the rest is look-ups.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.spaces.graphs.cell import AnyCell, Cell, Pick
from rfscale.sweeps.spaces.graphs.wiring import ChainLayer, PerAxis, Wirer
from rfscale.sweeps.states.effects import Effect, Effects, Reach, apart, by_axis, centred, identity, maximal_terms

Grid = np.ndarray  # numbers of `CellEffects.reach`, broadcastable over the factors
NOTHING, IDENTITY = 0, 1
DENSE = 1 << 16  # numbers that are looked up in a table of them all, however few occur


class CellEffects:
    """Works out what a stage of uses of one cell does.

    Parameters
    ----------
    stage : str
    cell : Cell
    prefix : str
        Of the names of its factors.
    layers : callable
        Gives the layers of a block.
    axes : mapping of str to int
        The axis of each factor of the grid.
    ndim : int
        Axes of layers that differ; 1 where all are alike.
    """

    def __init__(
        self,
        stage: str,
        cell: Cell | AnyCell,
        prefix: str,
        layers: Callable[[Mapping[str, Any]], Sequence[ChainLayer]],
        axes: Mapping[str, int],
        ndim: int = 1,
    ) -> None:
        self.stage, self.cell, self.prefix, self.layers, self.axes = stage, cell, prefix, layers, axes
        self.ndim = ndim
        self.reach = [Reach((1,) * ndim, frozenset()), identity(ndim)]
        self._number: dict[Reach, int] = {self.reach[IDENTITY]: IDENTITY}
        self._steps: dict[tuple[Any, ...], int] = {}
        self._ops: dict[tuple[str, PerAxis], Reach] = {}
        self._graph_effects: Grid | None = None
        self._start = np.full((1,) * (max(axes.values(), default=-1) + 1), IDENTITY)

    def effects(self, repeat: int) -> list[Grid]:
        """Return the numbers of the effects of 0, 1, ... `repeat` uses one after another."""
        out = [self._start]
        for _ in range(repeat):
            out.append(self._use({self.cell.inputs[-1]: out[-1]}))
        return out

    def effect(self, number: int) -> Effect:
        """Return the effect of a number."""
        return centred(self.reach[number]) if number else Effect((1,) * self.ndim, ())

    def pair(self) -> tuple[Grid, Grid]:
        """Return the numbers of the effects of one use: of the paths from the earlier input, and from the last one."""
        nothing = np.full_like(self._start, NOTHING)
        if len(self.cell.inputs) == 1:
            return nothing, self._use({self.cell.inputs[0]: self._start})
        earlier, last = self.cell.inputs
        return self._use({earlier: self._start, last: nothing}), self._use({earlier: nothing, last: self._start})

    def _use(self, inputs: Mapping[str, Grid]) -> Grid:
        """What one use makes of its inputs: a sum over the paths from each."""
        cell = self.cell
        if isinstance(cell, AnyCell):
            return self._graphs(cell, inputs[cell.inputs[0]])
        ends: dict[str, Grid] = {**inputs}
        arriving: dict[str, list[Grid]] = {}
        picks = {pick.name: pick for pick in cell.picks}

        def stride(source: str) -> PerAxis:
            return cell.stride if source in cell.inputs else 1

        for name in cell.order:
            if name in picks:
                ends[name] = self._picked(picks[name], ends, stride)
            elif name not in cell.inputs:
                ends[name] = self._merged(arriving.get(name, []), name)
            for edge in cell.edges:
                if edge.source == name:
                    factor = f"{self.prefix}_{edge.factor}" if edge.factor else None
                    moved = self._moved(ends[name], edge.ops, factor, stride(name))
                    arriving.setdefault(edge.to, []).append(moved)
        return self._merged([ends[name] for name in cell.output], "output")

    def _graphs(self, cell: AnyCell, at: Grid) -> Grid:
        """What all graphs make of a grid."""
        if self._graph_effects is None:
            shape = [1] * self._start.ndim
            shape[self.axes[f"{self.prefix}_graph"]] = len(cell.graphs.labels)
            self._graph_effects = self._effects_of_graphs(cell).reshape(shape)
        pairs, size = at * len(self.reach) + self._graph_effects, len(self.reach)
        return _mapped(pairs, size * size, lambda n: self._then(*divmod(n, size)))

    def _effects_of_graphs(self, cell: AnyCell) -> Grid:
        """What each graph does: node by node, for all graphs of as many nodes at once."""
        made = []
        for reads, ops in zip(cell.graphs.reads, cell.graphs.ops, strict=True):
            ends = [np.full(len(reads), IDENTITY)]
            for node in range(reads.shape[1]):
                read = [np.where(reads[:, node] >> i & 1, end, NOTHING) for i, end in enumerate(ends)]
                start = self._merged(read, "out" if node == ops.shape[1] else str(node + 1))
                if node < ops.shape[1]:
                    start = start * len(cell.names) + ops[:, node]
                    start = _mapped(start, len(self.reach) * len(cell.names), lambda n: self._op_of_node(cell, n))
                ends.append(start)
            made.append(ends[-1])
        return np.concatenate(made)

    def _op_of_node(self, cell: AnyCell, number: int) -> int:
        at, op = divmod(number, len(cell.names))
        return self._after(at, cell.names[op], 1) if at else NOTHING

    def _then(self, a: int, b: int) -> int:
        """The number of what one effect makes of another: a sumset, term by term."""
        before, own = self.reach[a], self.reach[b]
        if not before.terms or not own.terms:
            return NOTHING
        terms = {
            tuple(
                [
                    (first + step * shift, _sumset(bits, taps, step))
                    for (first, bits), (shift, taps), step in zip(term, path, before.stride, strict=True)
                ]
            )
            for term in before.terms
            for path in own.terms
        }
        stride = tuple(s * t for s, t in zip(before.stride, own.stride, strict=True))
        return self._numbered(Reach(stride, maximal_terms(terms)))

    def _picked(self, pick: Pick, ends: Mapping[str, Grid], stride: Callable[[str], PerAxis]) -> Grid:
        """A node that reads some earlier ones: one slice along the axis of its inputs for each choice of them."""
        name = f"{self.prefix}_{pick.name}"
        axis = self.axes[f"{name}_inputs"]
        made = []
        for i, subset in enumerate(pick.subsets):
            arriving = []
            for j, source in enumerate(subset, start=1):
                factor = f"{name}_op{j}" if pick.chosen else None
                arriving.append(self._moved(_part(ends[source], axis, i), pick.ops, factor, stride(source)))
            made.append(self._merged(arriving, pick.name))
        return _joined(made, axis)

    def _moved(self, at: Grid, ops: tuple[str, ...], factor: str | None, stride: PerAxis) -> Grid:
        """What an op makes of a grid; where the op is chosen, one slice along the axis of its factor for each."""
        if factor is None:
            return self._applied(at, ops[0], stride)
        axis = self.axes[factor]
        return _joined([self._applied(_part(at, axis, i), op, stride) for i, op in enumerate(ops)], axis)

    def _applied(self, at: Grid, op: str, stride: PerAxis) -> Grid:
        return _mapped(at, len(self.reach), lambda n: self._after(n, op, stride))

    def _after(self, number: int, op: str, stride: PerAxis) -> int:
        """The number of what an op makes of one set of paths: a sumset, term by term."""
        key = (number, op, stride)
        if key not in self._steps:
            self._steps[key] = self._then(number, self._numbered(self._op(op, stride)))
        return self._steps[key]

    def _op(self, name: str, stride: PerAxis) -> Reach:
        if (name, stride) not in self._ops:
            wirer = Wirer(self.stage, self.layers, {})
            end = self.cell.op(wirer, name, 0, stride)
            self._ops[name, stride] = Effects(self.stage, self.ndim).reach(wirer.wiring(end))
        return self._ops[name, stride]

    def _merged(self, grids: Sequence[Grid], node: str) -> Grid:
        if not grids:
            return np.full_like(self._start, NOTHING)
        whole = grids[0]
        for grid in grids[1:]:
            size = len(self.reach)
            whole = _mapped(whole * size + grid, size * size, self._uniter(size, node))
        return whole

    def _uniter(self, size: int, node: str) -> Callable[[int], int]:
        """Return what unites two sets of paths that are coded as one number."""
        return lambda pair: self._union(*divmod(pair, size), node)

    def _union(self, a: int, b: int, node: str) -> int:
        if a == b or not a or not b:
            return a or b
        key = ("union", min(a, b), max(a, b))
        if key not in self._steps:
            one, other = self.reach[a], self.reach[b]
            where = f"stage {self.stage!r}: paths that meet in node {node!r} of cell {self.cell.name!r}"
            if one.stride != other.stride:
                raise InputError(
                    f"{where} have strides {by_axis(one.stride)} and {by_axis(other.stride)}; they need one stride"
                )
            if self.cell.aligned and one.centre != other.centre:
                raise InputError(
                    f"{where} have centres {apart(one.centre, other.centre)} entries apart",
                    remedy="use odd kernels in both or even ones in both, or say that it is meant with aligned: false",
                )
            self._steps[key] = self._numbered(Reach(one.stride, maximal_terms(one.terms | other.terms)))
        return self._steps[key]

    def _numbered(self, reach: Reach) -> int:
        if not reach.terms:
            return NOTHING
        if reach not in self._number:
            self._number[reach] = len(self.reach)
            self.reach.append(reach)
        return self._number[reach]


def _mapped(numbers: Grid, size: int, value: Callable[[int], int]) -> Grid:
    """Apply a function to whole numbers below `size`, once to each that occurs."""
    if size > max(DENSE, 4 * numbers.size):
        found, inverse = np.unique(numbers, return_inverse=True)
        return np.array([value(n) for n in found.tolist()])[inverse.reshape(numbers.shape)]
    occurs = np.zeros(size, bool)
    occurs[numbers] = True
    table = np.zeros(size, np.int64)
    for n in np.flatnonzero(occurs).tolist():
        table[n] = value(n)
    return table[numbers]


def _part(grid: Grid, axis: int, i: int) -> Grid:
    """The slice of a grid at place i of an axis; all of it where it does not depend on that axis."""
    return grid if grid.shape[axis] == 1 else grid.take([i], axis)


def _joined(grids: Sequence[Grid], axis: int) -> Grid:
    shape = np.broadcast_shapes(*(g.shape for g in grids))
    return np.concatenate([np.broadcast_to(g, shape) for g in grids], axis)


def _sumset(bits: int, taps: int, step: int) -> int:
    """A set united with itself moved by every tap, `step` entries apart."""
    out = 0
    while taps:
        low = taps & -taps
        out |= bits << (low.bit_length() - 1) * step
        taps ^= low
    return out
