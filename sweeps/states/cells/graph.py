"""The graph of states of a space with cells of two inputs, or of more choices than a table holds.

A state is the last map and, where a later stage reads it, the one before. Of a cell of many choices, a node has a
*block* instead of a live value: the effects that the choice may still have. A block is split where its effects differ
on the node's state; then an edge stands for as many choices as the block at the cell's last use (docs/theory.md, 14.9).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from rfscale.sweeps.spaces.graphs.wiring import ChainLayer
from rfscale.sweeps.states.cells.compile import Folded
from rfscale.sweeps.states.cells.distinct import DistinctEffects
from rfscale.sweeps.states.cells.levels import Wanted
from rfscale.sweeps.states.cells.maps import Hulls, Map, Pair, PairEffect, Sets, Terms, adapted, after
from rfscale.sweeps.states.compile import Program
from rfscale.sweeps.states.effects import numbered_rows
from rfscale.sweeps.states.elements import AxisSet, Elements, root
from rfscale.sweeps.states.graph import WORD_BYTES, Level, numbered
from rfscale.sweeps.states.numbering import distinct_columns, distinct_rows
from rfscale.sweeps.states.state_graph import StateGraph
from rfscale.sweeps.states.unions import state_figures

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
    hulls : bool
        Whether states are the hulls of maps only, which tell extent and jump.

    Attributes
    ----------
    times : list of (object array (nodes before, edges) or None)
        How many choices each edge of a stage stands for; None: one.
    """

    def __init__(self, programs: Sequence[Program], ndim: int, hulls: bool) -> None:
        self.ndim, self.hulls = ndim, hulls
        self.algebra = Hulls() if hulls else Sets()
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
        self._parts: dict[tuple[str, int, int, int], list[tuple[int, np.ndarray]]] = {}

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
        earlier, last = self._terms(effect.earlier), self._terms(effect.last)
        for use in range(effect.uses):
            if earlier:
                state = adapted(self.algebra, state, program.adapt)
            keep = program.keep if use == effect.uses - 1 else bool(earlier)
            state = after(self.algebra, state, earlier, last, effect.stride, keep)
        return state

    def _terms(self, paths: Terms) -> Terms:
        return self.algebra.terms(paths) if self.hulls else paths

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

        return DistinctEffects(stage.name, folded.use, layers, self.algebra, self.hulls, wanted)

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
                found.append((node, states.number(end), part))
            if states.held > limit:
                return None
        return Parts(*np.array(found, np.int64).reshape(-1, 3).T)

    def _divided(
        self, cell: DistinctEffects, prefix: str, at: Pair, block: int, adapt: str | None, keep: bool
    ) -> list[tuple[Pair, int]]:
        """What one use makes of a state, and the part of a block that does so."""
        ready = adapted(self.algebra, at, adapt) if cell.universe.inputs == 2 else at
        jump = ready.last.jump
        maps = [m for m in (ready.last, ready.earlier if cell.universe.inputs == 2 else None) if m is not None]
        width = min(_narrowest(maps), jump * cell.universe.widest_gap)
        _, effects = cell.classes(jump, width)
        found: dict[Pair, list[np.ndarray]] = {}
        for number, members in self._by_class(cell, prefix, block, jump, width):
            earlier, last = effects[number]
            end = after(self.algebra, ready, earlier, last, cell.cell.stride, keep)
            found.setdefault(end, []).append(members)
        return [
            (end, self._block(prefix, parts[0] if len(parts) == 1 else np.sort(np.concatenate(parts))))
            for end, parts in found.items()
        ]

    def _by_class(
        self, cell: DistinctEffects, prefix: str, block: int, jump: int, width: int
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
        return {name: v[first] for name, v in self.figures_of_maps(maps).items()}

    def figures_of_maps(self, maps: Sequence[Map]) -> dict[str, np.ndarray]:
        """Return the figures of maps."""
        if not self.hulls:
            return map_figures(maps, self.ndim)
        extent = [m.terms[0][1] - m.terms[0][0] + 1 if m.terms else 0 for m in maps]
        jump = [m.jump if m.terms else 0 for m in maps]
        return {"extent": np.array(extent, np.int32), "jump": np.array(jump, np.int32)}

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


def _narrowest(maps: Sequence[Map]) -> int:
    """Pixels of the shortest run in any term of some maps; 1 where there are none."""
    found = []
    for bits in {bits for m in maps for _, bits in m.terms}:
        shortest, left = bits.bit_length(), bits
        while left:
            left >>= (left & -left).bit_length() - 1
            run = (~left & left + 1).bit_length() - 1
            shortest = min(shortest, run)
            left >>= run
        found.append(shortest)
    return min(found, default=1)


def map_figures(maps: Sequence[Map], ndim: int) -> dict[str, np.ndarray]:
    """Return the figures of maps: each a component of its own, with its terms as elements."""
    elements: list[AxisSet] = []
    component: list[int] = []
    first: list[int] = []
    widest = max((len(m.terms) for m in maps), default=1)
    words = max(1, (widest + 63) // 64)
    masks = np.zeros((len(maps), words), np.uint64)
    number = np.full(len(maps), -1, np.int32)
    for i, m in enumerate(maps):
        if not m.terms:
            continue
        number[i] = len(first)
        first.append(len(elements))
        for t, (start, bits) in enumerate(m.terms):
            elements.append(AxisSet(m.jump, 2 * start, bits))
            component.append(int(number[i]))
            masks[i, t >> 6] |= np.uint64(1 << (t & 63))
    inside = np.zeros((len(elements), words), np.uint64)
    for e, c in enumerate(component):
        t = e - first[c]
        inside[e, t >> 6] = np.uint64(1 << (t & 63))
    parts = (np.arange(len(elements)),)
    made = Elements((elements,), parts, np.array(component, np.int32), np.array(first, np.int64), inside)
    if not elements:
        made = replace(root(1), inside=np.ones((1, words), np.uint64))
    return state_figures(made, masks, number, ndim)
