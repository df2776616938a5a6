"""The graph of states of a space with cells of two inputs, or of more choices than a table holds.

A state is the last map and, where a later stage reads it, the one before. Of a cell of many choices, a node has a
*block* instead of a live value: the effects that the choice may still have. A block is split where its effects differ
on the node's state; then an edge stands for as many choices as the block at the cell's last use (docs/theory.md, 14.9).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from rfscale.sweeps.spaces.graphs.wiring import ChainLayer
from rfscale.sweeps.states.cells.compile import Folded
from rfscale.sweeps.states.cells.distinct import DistinctEffects, Width
from rfscale.sweeps.states.cells.figures import map_figures
from rfscale.sweeps.states.cells.levels import Wanted
from rfscale.sweeps.states.cells.maps import Map, Pair, PairEffect, Sets, adapted, after
from rfscale.sweeps.states.compile import Program
from rfscale.sweeps.states.effects import Term, numbered_rows
from rfscale.sweeps.states.graph import WORD_BYTES, Level, numbered
from rfscale.sweeps.states.numbering import distinct_columns, distinct_rows
from rfscale.sweeps.states.state_graph import StateGraph

NODE_WORDS = 64  # about what a state of Python objects takes
NUMBER_WORDS = 5  # of a Python int, and where it stands
NONE = -1  # the block of a cell that no later stage uses, or none used yet


class States:
    """All states met so far, found by content; beside them it counts what nodes and blocks take."""

    def __init__(self, algebra: Sets) -> None:
        self.pairs: list[Pair] = [Pair(0, None, algebra.image)]
        self._number: dict[Pair, int] = {self.pairs[0]: 0}
        self.nodes = 0  # of levels with blocks
        self.members = 0  # of all blocks, a word each: numbers of 4 bytes, and the same once more as a key; and `times`

    def __len__(self) -> int:
        return len(self.pairs)

    def number(self, state: Pair) -> int:
        """Return the number of a state; a new one is added."""
        found = self._number.get(state)
        if found is None:
            found = self._number[state] = len(self.pairs)
            self.pairs.append(state)
        return found

    @property
    def held(self) -> int:
        """Words that they take, about."""
        return NODE_WORDS * (len(self) + self.nodes) + self.members

    @property
    def nbytes(self) -> int:
        """Bytes that they take, about."""
        return WORD_BYTES * self.held


class EdgeBlocks(NamedTuple):
    """Blocks of the edges of a level, node by node, and where those of each node begin."""

    block: np.ndarray
    begin: np.ndarray


class Parts(NamedTuple):
    """Parts of nodes: of each the number of its node, its state, and its block of the cell that is used."""

    node: np.ndarray
    state: np.ndarray
    block: np.ndarray


class CellGraph(StateGraph):
    """Graph of the states of such a space, built stage by stage as far as it is asked for.

    Parameters
    ----------
    programs : sequence of Program
    ndim : int
        Axes of the networks.
    axes : int
        Those that differ; 1 where all are alike.
    algebra : Sets, optional
        What maps are to states; by default placed sets.

    Attributes
    ----------
    times : list of (object array (nodes before, edges) or None)
        How many choices each edge of a stage stands for; None: one.
    """

    def __init__(self, programs: Sequence[Program], ndim: int, axes: int, algebra: Sets | None = None) -> None:
        self.ndim = ndim
        self.algebra = Sets(axes) if algebra is None else algebra
        self.cells: dict[str, DistinctEffects] = {}
        folded = dict.fromkeys(p.folded.use.prefix for p in programs if p.folded is not None)
        self._column = {prefix: i for i, prefix in enumerate(folded)}
        super().__init__(programs)

    def _new_pool(self) -> States:
        return States(self.algebra)

    def _clear(self) -> None:
        super()._clear()
        self.times: list[np.ndarray | None] = []
        self._edge_blocks: list[EdgeBlocks | None] = []
        self._nodes = [np.full((1, len(self._column)), NONE, np.int64)]  # block of each cell, by node of every level
        self._blocks: list[np.ndarray] = []
        self._block_number: dict[tuple[str, bytes], int] = {}
        self._parts: dict[tuple[str, int, Width, Width], list[tuple[int, np.ndarray]]] = {}

    def _table_words(self, program: Program, nodes: int) -> int:
        return self._level_bytes // WORD_BYTES + 3 * nodes * program.choices

    # levels ----------------------------------------------------------------------------------------------------------

    def _next(self, program: Program, before: Level, limit: int) -> Level | None:
        if program.folded is not None:
            return self._split(program, program.folded, before, limit)
        number, chosen = numbered_rows(program.effects)
        effects = list(number)
        ends = np.empty((len(before.state), program.choices), np.int64)
        for v, rows in program.variant_rows(before.live):
            found, place = np.unique(before.state[rows], return_inverse=True)
            used, column = np.unique(chosen[v], return_inverse=True)
            table = self._ends(found, [effects[e] for e in used.tolist()], program, limit)
            if table is None:
                return None
            ends[rows] = table[place][:, column]
        blocks = self._nodes[len(self.levels)]
        number_of, first = distinct_rows(blocks)
        keys = (ends * program.n_live + program.next_live[before.live]) * len(first) + number_of[:, None]
        follow, distinct = numbered(keys.reshape(-1), len(self.pool) * program.n_live * len(first))
        rest, block = np.divmod(distinct, len(first))
        state_after, live_after = np.divmod(rest, program.n_live)
        self._nodes.append(blocks[first[block]])
        self.times.append(None)
        self._edge_blocks.append(None)
        return Level(follow.reshape(keys.shape), state_after.astype(np.int32), live_after.astype(np.int32))

    def _ends(
        self, states: np.ndarray, effects: Sequence[PairEffect], program: Program, limit: int
    ) -> np.ndarray | None:
        """The state after each of some effects, by state: None where the states take more than `limit` words."""
        pool: States = self.pool
        out = np.empty((len(states), len(effects)), np.int64)
        for row, state in zip(out, states.tolist(), strict=True):
            row[:] = [pool.number(self.moved(pool.pairs[state], effect, program)) for effect in effects]
            if pool.held > limit:
                return None
        return out

    def moved(self, state: Pair, effect: PairEffect, program: Program) -> Pair:
        """Return the state after all uses that a choice of a stage has."""
        for use in range(effect.uses):
            found = self.algebra.moved(state.last, effect.last)
            if effect.earlier:
                found += self.algebra.moved(adapted(self.algebra, state, program.adapt), effect.earlier)
            keep = program.keep if use == effect.uses - 1 else bool(effect.earlier)
            jump = tuple([j * s for j, s in zip(state.last.jump, effect.stride, strict=True)])
            state = after(self.algebra, state, found, jump, keep)
        return state

    def distinct(self, folded: Folded) -> DistinctEffects:
        """Return the effects of the cell of a stage."""
        prefix = folded.use.prefix
        if prefix not in self.cells:
            self.cells[prefix] = self.effects_of(folded)
        return self.cells[prefix]

    def effects_of(self, folded: Folded, wanted: Wanted | None = None) -> DistinctEffects:
        """Return the effects of the cell of a stage, made anew; told apart by the costs that are wanted."""
        stage = folded.stage

        def layers(block: Any) -> list[ChainLayer]:
            return stage.block_layers(block, {}, self.ndim)

        return DistinctEffects(stage.name, folded.use, layers, self.algebra, wanted)

    def edge_blocks(self, stage: int) -> list[list[int]]:
        """Return the block of each edge, by node, of a stage of uses of a cell."""
        edges = self._edge_blocks[stage]
        assert edges is not None
        return [part.tolist() for part in np.split(edges.block, edges.begin[1:])]

    def block_members(self, block: int) -> np.ndarray:
        """Return the effects of a block."""
        return self._blocks[block]

    def _split(self, program: Program, folded: Folded, before: Level, limit: int) -> Level | None:
        """The level after uses of a cell: an edge for each part of a node's block that leads to a state of its own."""
        states: States = self.pool
        cell, prefix = self.distinct(folded), folded.use.prefix
        own, column = self._nodes[len(self.levels)], self._column[prefix]
        whole = self._block(prefix, np.arange(len(cell.counts), dtype=np.int32))
        start = np.where(own[:, column] == NONE, whole, own[:, column])
        parts: Parts | None = Parts(np.arange(len(own)), before.state.astype(np.int64), start)
        for use in range(folded.repeat):
            keep = program.keep if use == folded.repeat - 1 else len(folded.use.cell.inputs) == 2
            parts = self._used(prefix, parts, program.adapt, keep, limit) if parts is not None else None
        if parts is None:
            return None
        node, state, block = self._joined(prefix, parts)
        kept = own[node]
        kept[:, column] = NONE if folded.last else block
        live = program.next_live[before.live, 0][node]
        number, first = distinct_columns([state, live, *kept.T])
        if states.held + NODE_WORDS * len(first) > limit:
            return None
        states.nodes += len(first)
        begin = np.searchsorted(node, np.arange(len(own)))
        place = np.arange(len(node)) - begin[node]
        follow = np.full((len(own), int(place.max()) + 1), -1, np.int32)
        times = np.zeros(follow.shape, object)
        follow[node, place] = number
        times[node, place] = self._sizes(cell, block) if folded.last else 1
        states.members += times.size * (NUMBER_WORDS if folded.last else 1)
        self.times.append(times)
        self._edge_blocks.append(EdgeBlocks(block, begin))
        self._nodes.append(kept[first])
        return Level(follow, state[first].astype(np.int32), live[first].astype(np.int32))

    def _joined(self, prefix: str, parts: Parts) -> Parts:
        """Parts of one node that have one state are one: their blocks together."""
        number, first = distinct_columns([parts.node, parts.state])
        out = Parts(*(column[first] for column in parts))
        if len(first) < len(number):
            order = np.argsort(number, kind="stable")
            several, begin, many = np.unique(number[order], return_index=True, return_counts=True)
            for i, at, n in zip(several[many > 1].tolist(), begin[many > 1], many[many > 1], strict=True):
                blocks = parts.block[order[at : at + n]].tolist()
                out.block[i] = self._block(prefix, np.sort(np.concatenate([self._blocks[b] for b in blocks])))
        return out

    def _used(self, prefix: str, parts: Parts, adapt: str | None, keep: bool, limit: int) -> Parts | None:
        """What one use of a cell makes of parts of nodes; None where the states take more than `limit` words."""
        states: States = self.pool
        found: list[tuple[int, int, int]] = []
        for node, state, block in zip(*(column.tolist() for column in parts), strict=True):
            for end, part in self._divided(self.cells[prefix], prefix, states.pairs[state], block, adapt, keep):
                found.append((node, end, part))
            if states.held > limit:
                return None
        return Parts(*np.array(found, np.int64).reshape(-1, 3).T)

    def _divided(
        self, cell: DistinctEffects, prefix: str, at: Pair, block: int, adapt: str | None, keep: bool
    ) -> list[tuple[int, int]]:
        """Number of the state that one use makes of a state, and the part of a block that does so."""
        states: States = self.pool
        jump, two, moved = at.last.jump, cell.universe.inputs == 2, self.algebra.moved
        before = adapted(self.algebra, at, adapt) if two else at.last
        gaps = zip(self._narrowest((at.last, before)), jump, cell.universe.widest_gap, strict=True)
        width = tuple([min(run, j * gap) for run, j, gap in gaps])
        _, effects = cell.classes(jump, width)
        jump_after = tuple([j * s for j, s in zip(jump, self.algebra.steps(cell.cell.stride), strict=True)])
        found: dict[int, list[np.ndarray]] = {}
        of_last: dict[int, list[Term]] = {}  # by paths: effects have them in common, as one object
        of_earlier: dict[int, list[Term]] = {}
        for number, members in self._by_class(cell, prefix, block, jump, width):
            earlier, last = effects[number]
            terms = of_last.get(id(last))
            if terms is None:
                terms = of_last[id(last)] = moved(at.last, last)
            if two:
                more = of_earlier.get(id(earlier))
                if more is None:
                    more = of_earlier[id(earlier)] = moved(before, earlier)
                terms = terms + more
            end = states.number(after(self.algebra, at, terms, jump_after, keep))
            found.setdefault(end, []).append(members)
        return [
            (end, self._block(prefix, parts[0] if len(parts) == 1 else np.sort(np.concatenate(parts))))
            for end, parts in found.items()
        ]

    def _narrowest(self, maps: Sequence[Map]) -> list[int]:
        """Pixels of the shortest run in any term of some maps, on each axis; 1 where there are none."""
        terms = [term for m in maps for term in m.terms]
        return [min([_shortest_run(t[axis][1]) for t in terms], default=1) for axis in range(self.algebra.axes)]

    def _by_class(
        self, cell: DistinctEffects, prefix: str, block: int, jump: Width, width: Width
    ) -> list[tuple[int, np.ndarray]]:
        """The effects of a block by class."""
        key = (prefix, block, jump, width)
        if key not in self._parts:
            members = self._blocks[block]
            classes = cell.classes(jump, width)[0][members]
            order = np.argsort(classes, kind="stable")
            found, first = np.unique(classes[order], return_index=True)
            self._parts[key] = list(zip(found.tolist(), np.split(members[order], first[1:]), strict=True))
        return self._parts[key]

    def _block(self, prefix: str, members: np.ndarray) -> int:
        key = (prefix, members.tobytes())
        if key not in self._block_number:
            self._block_number[key] = len(self._blocks)
            self._blocks.append(members)
            self.pool.members += len(members)
        return self._block_number[key]

    def _sizes(self, cell: DistinctEffects, blocks: np.ndarray) -> np.ndarray:
        """Choices of each block: no more than the cell has, below 2^63."""
        found, place = np.unique(blocks, return_inverse=True)
        members = [self._blocks[b] for b in found.tolist()]
        begin = np.cumsum([0, *map(len, members[:-1])])
        return np.add.reduceat(cell.counts[np.concatenate(members)], begin)[place]

    # figures ---------------------------------------------------------------------------------------------------------

    def figures(self, stage: int, nodes: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Return the figures of nodes after stage number `stage`, which must be built; by default of all."""
        if stage not in self._figures:
            self._figures[stage] = self._work_out(stage)
        figures = self._figures[stage]
        return figures if nodes is None else {name: values[nodes] for name, values in figures.items()}

    def _work_out(self, stage: int) -> dict[str, np.ndarray]:
        """Figures by node: states are numbered over all levels."""
        number, first = np.unique(self.levels[stage].state, return_inverse=True)
        maps = [self.pool.pairs[s].last for s in number.tolist()]
        return {name: v[first] for name, v in map_figures(maps, self.ndim, self.algebra.axes).items()}

    # choices ---------------------------------------------------------------------------------------------------------

    def choices(self, paths: Sequence[Sequence[tuple[int, int]]], nodes: Sequence[Sequence[int]]) -> list[list[int]]:
        """Return the choices of architectures, given by edges, stage by stage.

        Parameters
        ----------
        paths : sequences of (edge, number)
            The number is that of the architecture among the choices that the edge stands for.
        nodes : sequences of int
            Node that each edge leaves from.
        """
        out = [[edge for edge, _ in path] for path in paths]
        for prefix, cell in self.cells.items():
            stages = [i for i, p in enumerate(self.programs) if p.folded and p.folded.use.prefix == prefix]
            if not stages:
                continue
            first, last = stages[0], stages[-1]
            edges = self._edge_blocks[last]
            assert edges is not None
            wanted = []
            for path, at in zip(paths, nodes, strict=True):
                edge, number = path[last]
                members = self._blocks[edges.block[edges.begin[at[last]] + edge]]
                ends = np.cumsum(cell.counts[members])
                place = int(np.searchsorted(ends, number, side="right"))
                wanted.append((int(members[place]), number - (int(ends[place - 1]) if place else 0)))
            for row, choice in zip(out, cell.choices(wanted), strict=True):
                for stage in stages:
                    row[stage] = 0
                row[first] = choice
        return out


@lru_cache(1 << 12)
def _shortest_run(bits: int) -> int:
    """Pixels of the shortest run of a set."""
    shortest, left = bits.bit_length(), bits
    while left:
        left >>= (left & -left).bit_length() - 1
        run = (~left & left + 1).bit_length() - 1
        shortest = min(shortest, run)
        left >>= run
    return shortest
