"""The graph of a space with cells of many choices, for a question about costs.

What all uses of a cell cost is paid at its last use, where a block becomes a choice: there an edge stands for the
choices of one block and of one cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.states.cells.compile import Folded
from rfscale.sweeps.states.cells.distinct import DistinctEffects
from rfscale.sweeps.states.cells.graph import CellGraph
from rfscale.sweeps.states.cells.levels import Wanted
from rfscale.sweeps.states.cost_needs import CostNeeds
from rfscale.sweeps.states.numbering import distinct_rows

if TYPE_CHECKING:
    from rfscale.sweeps.states.cells.costs import Costs

EDGE_BYTES = 24  # of an edge, beside its costs


class PricedGraph:
    """A `CellGraph` that is built whole, with the costs of its cells.

    Attributes
    ----------
    levels, times
        As those of the graph.
    weights : dict of str to list of (int64 array (nodes before, edges) or None)
        What the edges of a stage cost beside what its `PairCostGraph` says; None: nothing.
    least, largest : dict of str to list of int
        Of any edge of a stage.
    """

    def __init__(
        self, graph: CellGraph, prices: Mapping[str, Mapping[str, tuple[Costs, ...]]], needs: CostNeeds, memory: int
    ) -> None:
        self.graph, self.needs, self._memory = graph, needs, memory
        self.levels, self.times = [*graph.levels], [*graph.times]
        n = len(self.levels)
        self.weights: dict[str, list[np.ndarray | None]] = {name: [None] * n for name in needs.names}
        self.least = {name: [0] * n for name in needs.names}
        self.largest = {name: [0] * n for name in needs.names}
        self._cells: dict[int, _PricedCell] = {}
        self._edges: dict[int, list[list[tuple[int, int]]]] = {}  # per node: block and cost of each edge
        for stage, program in enumerate(graph.programs):
            if program.folded is not None and program.folded.last:
                self._cells[stage] = _PricedCell(graph, program.folded, prices[program.folded.use.prefix], needs)
                self._price(stage)

    def _price(self, stage: int) -> None:
        """Split the edges of a stage by cost."""
        cell, level = self._cells[stage], self.levels[stage]
        rows = [[(end, b) for end, b in zip(r, blocks, strict=False)] for r, blocks in self._blocks(stage)]
        width = max(sum(len(cell.of_block(b)[0]) for _, b in row) for row in rows)
        if len(rows) * width * (EDGE_BYTES + 8 * len(self.needs.names)) > self._memory:
            raise InputError(
                f"the costs of the choices of stage {self.graph.programs[stage].stage!r} need more than "
                f"{self._memory / 1e9:.3g} GB",
                remedy="ask rf.pareto or rf.best, which need the least costs only, or give more memory=",
            )
        follow = np.full((len(rows), width), -1, np.int32)
        times = np.zeros((len(rows), width), object)
        costs = np.zeros((len(rows), width), np.int64)
        edges: list[list[tuple[int, int]]] = []
        for n, row in enumerate(rows):
            own: list[tuple[int, int]] = []
            for end, block in row:
                numbers, many = cell.of_block(block)
                part = slice(len(own), len(own) + len(numbers))
                follow[n, part], times[n, part], costs[n, part] = end, many.tolist(), numbers
                own += [(block, number) for number in numbers.tolist()]
            edges.append(own)
        self._edges[stage] = edges
        self.levels[stage], self.times[stage] = replace(level, follow=follow), times
        for i, name in enumerate(self.needs.names):
            self.weights[name][stage] = cell.vectors[costs, i]
            self.least[name][stage], self.largest[name][stage] = cell.vectors[:, i].min(), cell.vectors[:, i].max()

    def _blocks(self, stage: int) -> list[tuple[list[int], list[int]]]:
        """Where the edges of each node lead, and their blocks."""
        return list(zip(self.graph.levels[stage].follow.tolist(), self.graph.edge_blocks(stage), strict=True))

    def figures(self, stage: int, nodes: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Return the figures of nodes."""
        return self.graph.figures(stage, nodes)

    def choices(self, paths: Sequence[Sequence[tuple[int, int]]], nodes: Sequence[Sequence[int]]) -> list[list[int]]:
        """Return the choices of architectures, as `CellGraph.choices` does."""
        out = [[edge for edge, _ in path] for path in paths]
        for last, cell in self._cells.items():
            wanted = []
            for path, at in zip(paths, nodes, strict=True):
                edge, number = path[last]
                wanted.append(cell.member(*self._edges[last][at[last]][edge], number))
            for row, choice in zip(out, cell.effects.choices(wanted), strict=True):
                stages = [
                    i for i, p in enumerate(self.graph.programs) if p.folded and p.folded.use.prefix == cell.prefix
                ]
                for stage in stages:
                    row[stage] = 0
                row[stages[0]] = choice
        return out


class _PricedCell:
    """A cell whose effects are told apart by their costs."""

    def __init__(
        self, graph: CellGraph, folded: Folded, prices: Mapping[str, tuple[Costs, ...]], needs: CostNeeds
    ) -> None:
        place = [("params", "macs").index(name) for name in needs.names]
        wanted = Wanted(
            {op: tuple(tuple(c[i] for i in place) for c in costs) for op, costs in prices.items()},
            needs.directions,
            needs.k,
        )
        self._graph, self._wanted, self.prefix = graph, wanted, folded.use.prefix
        self.effects: DistinctEffects = graph.effects_of(folded, wanted)
        plain = graph.distinct(folded)
        number, _ = distinct_rows(np.concatenate([plain.masks, self.effects.masks]))
        effect = number[len(plain.masks) :]
        self._cost, first = distinct_rows(np.ascontiguousarray(self.effects.costs).view(np.uint64))
        self.vectors = np.ascontiguousarray(self.effects.costs[first])
        self._rows = np.argsort(effect, kind="stable")
        self._begin = np.searchsorted(effect[self._rows], np.arange(len(plain.masks) + 1))
        self._known: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def _members(self, block: int) -> np.ndarray:
        """Rows of `effects` in a block."""
        members = self._graph.block_members(block)
        first, many = self._begin[members], self._begin[members + 1] - self._begin[members]
        start = np.cumsum(many) - many
        return self._rows[np.repeat(first - start, many) + np.arange(int(many.sum()))]

    def of_block(self, block: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the costs of a block that a question needs, as numbers of `vectors`, and how many choices each."""
        if block not in self._known:
            rows = self._members(block)
            cost, place = np.unique(self._cost[rows], return_inverse=True)
            many = np.zeros(len(cost), np.int64)
            np.add.at(many, place, self.effects.counts[rows])
            keep = self.effects.needed(np.zeros(len(cost), np.int64), self.vectors[cost], many)
            self._known[block] = cost[keep], many[keep]
        return self._known[block]

    def member(self, block: int, cost: int, number: int) -> tuple[int, int]:
        """Return a choice of a block and a cost, by its number: row of `effects`, and number among its choices."""
        rows = self._members(block)
        rows = rows[self._cost[rows] == cost]
        ends = np.cumsum(self.effects.counts[rows])
        place = int(np.searchsorted(ends, number, side="right"))
        return int(rows[place]), number - (int(ends[place - 1]) if place else 0)
