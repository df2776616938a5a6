"""The graph of states: level by level, equal states merged by content, and the tables state × choice -> next state.

An axis of a space is one graph (`AxisGraph`), costs are another (`CostGraph`): what happens on one does not depend on
the others. A node of a level is a state together with the live value of shared factors (sweeps/states/compile.py).
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.kernels import paths
from rfscale.sweeps.kernels import states as kernels
from rfscale.sweeps.kernels.plain import Sooner
from rfscale.sweeps.machine import in_threads, threads_for
from rfscale.sweeps.spaces.costs import CostRules, CostState
from rfscale.sweeps.spaces.graphs.wiring import ChainLayer, output_node
from rfscale.sweeps.states.cells.uses import NumberedWiring, UseCosts, numbered_wiring
from rfscale.sweeps.states.compile import Program
from rfscale.sweeps.states.pool import Pool, layers_of
from rfscale.sweeps.states.tails import TailFigures, TailNodes, tails_of

FIGURES = ("pixels", "extent", "jump", "shared")
MIN_EDGES_TO_TEST_MERGING = 1 << 14  # combinations of states and choices
MAX_COST = 2**61  # sums of costs stay below the mark that stands for "no path" in sweeps/kernels/paths.py
WORD_BYTES = 8
CELL_WORDS = 5  # that a state × choice of a table takes while its level is made
MAX_LANE_WORDS = 1 << 13  # of one lane, in the sets of all layers of some stages: 4 MB for all lanes
MIN_NODES_OF_TAILS = 64  # of a live value: of fewer, to find out which ways differ takes longer than to go them all
MAX_LAYERS_OF_TAILS = 1 << 18  # of all ways: some 0.3 µs each
NUMBERED = Sooner(kept=50_000, most=1 << 20)  # keys that numpy sorts: some 0.1 µs each
DENSE_KEYS = 1 << 20  # keys that are numbered through a table of them all, whatever their number

LOCK = threading.RLock()  # held while graphs are built: runs and questions of several threads share them


@dataclass
class Level:
    """What a stage leads to.

    Attributes
    ----------
    follow : int32 array (nodes before, choices)
        Next node.
    state, live : int32 arrays (nodes,)
        State in the pool and live value of each node.
    """

    follow: np.ndarray
    state: np.ndarray
    live: np.ndarray


class AxisGraph:
    """Graph of the states on one axis, built stage by stage as far as it is asked for.

    Attributes
    ----------
    levels : list of Level
        One for each stage that was built.
    nbytes : int
        Bytes of states and levels.
    """

    def __init__(self, programs: Sequence[Program], axis: int) -> None:
        self.programs, self.axis = programs, axis
        self._root = Level(np.zeros((1, 1), np.int32), np.zeros(1, np.int32), np.zeros(1, np.int32))
        self._clear()

    def _clear(self) -> None:
        tries = {id(each[self.axis]): each[self.axis] for p in self.programs for each in p.tries}  # most share theirs
        layers = [layer for trie in tries.values() for layer in layers_of(trie)]
        self.pool = Pool({layer: i for i, layer in enumerate(dict.fromkeys(layers))})
        self.levels: list[Level] = []
        self._tail_nodes: dict[int, TailNodes] = {}  # by the first stage of the tails
        self._words: list[int] = []  # that were needed up to each level: never falling
        self.nbytes = self._level_bytes = 0

    def before(self, stage: int) -> Level:
        """Return the level that stage number `stage` starts from."""
        return self.levels[stage - 1] if stage else self._root

    def build(self, stages: int, memory: int) -> int:
        """Build the levels of the first `stages` stages; return how many of them fit `memory` bytes.

        Which levels fit does not depend on what was built before with another limit.
        """
        limit = max(1, memory // WORD_BYTES)
        with LOCK:
            while len(self.levels) < stages and (not self._words or self._words[-1] <= limit):
                program, before = self.programs[len(self.levels)], self.before(len(self.levels))
                tables = self._table_words(program, len(before.state))
                try:
                    level = self._next(program, before, limit - tables)
                except MemoryError:  # a pool of which only a part has grown is of no use
                    self._clear()
                    raise
                if level is None:
                    break
                self.levels.append(level)
                self._words.append(max([self.pool.held + tables, *self._words[-1:]]))
                self._level_bytes += level.follow.nbytes + level.state.nbytes + level.live.nbytes
            self.nbytes = self.pool.nbytes + self._level_bytes
        return min(stages, bisect_right(self._words, limit))

    def merging_is_worthwhile(self, stage: int) -> bool:
        """Whether building the level after a stage saves time if the ways through it and what follows are few.

        Where states rarely merge, working out the figures of the last stages from the level before is faster than
        interning the states between them: 3 times in a space of kernel 2 at dilations 2 to 13.
        """
        candidates = len(self.before(stage).state) * self.programs[stage].choices
        if candidates < MIN_EDGES_TO_TEST_MERGING or not stage:
            return True
        last = self.levels[stage - 1]
        return 2 * len(last.state) < last.follow.size

    def tail_figures(self, stages: range, width: int) -> TailFigures | None:
        """Return what gives the figures after all choices of some stages, of the nodes of the level before them.

        None where it is better to go from node to node: wide sets, and few nodes of a live value.

        Parameters
        ----------
        width : int
            Words of the widest set.
        """
        level = self.before(stages.start)
        programs = self.programs[stages.start : stages.stop]
        one = not level.live.any()
        lives, live = (level.live[:1], level.live) if one else np.unique(level.live, return_inverse=True)
        longest = sum(max(len(chain) for row in p.layers for chain in row) for p in programs)
        wide = width * (longest + 1) > MAX_LANE_WORDS
        long = longest * len(lives) * prod(p.choices for p in programs) > MAX_LAYERS_OF_TAILS
        if wide or long or len(live) < MIN_NODES_OF_TAILS * len(lives):
            return None
        if stages.start not in self._tail_nodes:
            jump, extent, _, _, start, _, _, words, _ = self.pool.columns
            self._tail_nodes[stages.start] = TailNodes(live, level.state, (jump, extent, start, words))
        nodes = self._tail_nodes[stages.start]
        return TailFigures(tails_of(programs, self.axis, lives.tolist(), nodes.ways), nodes, width)

    def enumerated_rows(self, stages: range, width: int) -> np.ndarray:
        """Return the same figures, worked out node by node: int32 array (figures, nodes, choices)."""
        n, choices = len(self.before(stages.start).state), prod(self.programs[s].choices for s in stages)
        tables = np.empty((len(FIGURES), n, choices), np.int32)
        with threads_for(64 * tables[0].size):
            nodes = np.arange(n, dtype=np.int32)
            self.enumerate_range(stages, nodes, 0, tables[0].size, [*tables.reshape(len(FIGURES), -1)], width)
        return tables

    def _table_words(self, program: Program, nodes: int) -> int:
        """Words of the levels so far, and of the tables that the next one is made with."""
        at_nodes_of_tries = nodes * (1 + max(len(tries[self.axis].parent) for tries in program.tries))
        return self._level_bytes // WORD_BYTES + CELL_WORDS * nodes * program.choices + at_nodes_of_tries // 2

    def _next(self, program: Program, before: Level, limit: int) -> Level | None:
        """Return the level after a stage; None if the pool would pass `limit` words."""
        if self.pool.held > limit:
            return None
        keys = np.empty((len(before.state), program.choices), np.int64)
        for v, rows in program.variant_rows(before.live):
            trie = program.tries[v][self.axis]
            ends = self.pool.expand(before.state[rows], trie, limit)
            if ends is None:
                return None
            keys[rows] = ends[trie.leaf].T
        return joined(keys, program, before, int(self.pool.used[0]))

    def figures(self, stage: int, nodes: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Return the figures of nodes after stage number `stage`, which must be built; by default of all."""
        state = self.levels[stage].state
        return self.pool.figures(state if nodes is None else state[nodes])

    def enumerate_range(
        self, stages: range, nodes: np.ndarray, begin: int, end: int, out: Sequence[np.ndarray], width: int
    ) -> None:
        """Write the figures of architectures begin..end-1 of some stages, from given nodes of the level before them.

        Architecture i has node i // R and the choices of i % R, where R is the product of the stages' choices.
        """
        level = self.before(stages.start)
        jump, extent, pixels, shared, start, _, _, words, _ = self.pool.columns
        tables = _flat(self.programs[stages.start : stages.stop], self.axis)
        given = jump, extent, pixels, shared, start, words, level.state[nodes], level.live[nodes], *tables, width, begin
        kernel: Any = kernels.enumerate_range
        in_threads(lambda low, high: kernel(*given, low, high, *out), begin, end, 1)


def joined(ends: np.ndarray, program: Program, before: Level, states: int) -> Level:
    """Return the level after a stage: equal states with equal live values are one node.

    `ends`, int64 array (nodes before, choices), has the state that each leads to, below `states`; it is overwritten.
    """
    if program.n_live > 1:
        ends *= program.n_live
        ends += program.next_live[before.live]
    follow, distinct = numbered(ends.reshape(-1), states * program.n_live)
    if program.n_live == 1:
        return Level(follow.reshape(ends.shape), distinct.astype(np.int32), np.zeros(len(distinct), np.int32))
    state, live = np.divmod(distinct, program.n_live)
    return Level(follow.reshape(ends.shape), state.astype(np.int32), live.astype(np.int32))


def numbered(keys: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Number distinct keys, each below `size`, in order of appearance: return numbers, and the key of each number."""
    if NUMBERED.takes(kernels.renumber, len(keys)):
        distinct, first, number = np.unique(keys, return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        return rank[number], distinct[order]
    if size <= max(4 * len(keys), DENSE_KEYS):
        follow, distinct = kernels.renumber(keys, size)
        return follow, distinct.copy()  # less than it was given room for
    follow, first = paths.renumber(keys)
    return follow, keys[first]


def _flat(programs: Sequence[Program], axis: int) -> list[np.ndarray]:
    """Programs of some stages as the flat tables of the enumeration kernel."""
    stages, columns, variant, next_live, leaf = [], [], [], [], []
    tries: list[tuple[int, int, int]] = []
    n_variant = n_live = n_leaf = n_layers = 0
    slot = 0
    for program in programs:
        stages.append((program.choices, n_variant, n_live, slot))
        variant.append(program.variant + len(tries))
        next_live.append(program.next_live.reshape(-1))
        n_variant, n_live = n_variant + len(program.variant), n_live + program.next_live.size
        for per_axis in program.tries:
            trie = per_axis[axis]
            tries.append((n_layers, len(trie.parent), n_leaf))
            leaf.append(trie.leaf)
            columns.append(np.stack(trie[:4]))
            n_layers, n_leaf = n_layers + len(trie.parent), n_leaf + len(trie.leaf)
        slot += max(len(t[axis].parent) for t in program.tries)
    layers = np.concatenate(columns, axis=1)
    return [
        np.array(stages, np.int64),
        np.array(tries, np.int64),
        np.concatenate(variant),
        np.concatenate(next_live),
        np.concatenate(leaf),
        *(np.ascontiguousarray(row) for row in layers),
    ]


class CostGraph:
    """Graph of what costs depend on: channels, strides so far, map size. Its edges carry params and macs.

    Attributes
    ----------
    follow : list of int32 array (nodes before, choices), one for each stage
    weights : dict of str to list of int64 array (nodes before, choices)
        "params", and "macs" where the space has an input size.
    """

    def __init__(self, rules: CostRules, programs: Sequence[Program]) -> None:
        self._rules = rules
        self.follow: list[np.ndarray] = []
        self.weights: dict[str, list[np.ndarray]] = {"params": [], **({"macs": []} if rules.input_size else {})}
        self._keeps_maps = any(program.before for program in programs)
        self._use_costs = UseCosts()
        start = (rules.start, *[rules.start] * len(programs[0].before)) if self._keeps_maps else rules.start
        nodes: dict[tuple[Any, int], int] = {(start, 0): 0}
        most = {name: [0] for name in self.weights}
        for program in programs:
            nodes, most = self._add(program, nodes, most)
        del self._use_costs

    def _add(
        self, program: Program, nodes: dict[tuple[Any, int], int], most: dict[str, list[int]]
    ) -> tuple[dict[tuple[Any, int], int], dict[str, list[int]]]:
        """Add a stage."""
        shape = (len(nodes), program.choices)
        follow = np.zeros(shape, np.int32)
        found: dict[tuple[Any, int], int] = {}
        weights = {name: np.zeros(shape, np.int64) for name in self.weights}
        after: dict[str, list[int]] = {name: [] for name in self.weights}
        ends_of = self._ends_of(program)
        pairs = [(state, int(program.variant[live])) for state, live in nodes]
        known: dict[tuple[Any, int], list[tuple[Any, int, int]]] = {}
        several = len(set(pairs)) < len(pairs)  # nodes that differ in their live value alone have the same ends
        for pair, ((_, live), n) in zip(pairs, nodes.items(), strict=True):
            ends = known.get(pair) or list(ends_of(*pair))
            if several:
                known[pair] = ends
            for c, (end, params, macs) in enumerate(ends):
                key = (end, int(program.next_live[live, c]))
                node = follow[n, c] = found.setdefault(key, len(found))
                for name, cost in (("params", params), ("macs", macs)):
                    if name in weights:
                        total = most[name][n] + cost
                        if total > MAX_COST:
                            raise InputError(
                                f"stage {program.stage!r} reaches {name} of {total:.4g}; at most 2^61 are supported"
                            )
                        weights[name][n, c] = cost
                        if node == len(after[name]):
                            after[name].append(total)
                        after[name][node] = max(after[name][node], total)
        self.follow.append(follow)
        for name, table in weights.items():
            self.weights[name].append(table)
        return found, after

    def _ends_of(self, program: Program) -> Callable[[Any, int], Iterator[tuple[Any, int, int]]]:
        """Return what gives state, params and macs after each choice of a stage, from a state and a variant.

        Where maps are kept for later stages, a node has the states of all of them, its own first.
        """
        if program.uses is not None:
            return partial(self._ends_of_uses, program)
        wirings: dict[int, list[NumberedWiring]] = {}
        layers: dict[ChainLayer | str, int] = {}

        def ends_of(state: Any, variant: int) -> Iterator[tuple[Any, int, int]]:
            known: dict[tuple[Any, ...], int] = {}
            ends = [(state[0] if self._keeps_maps else state, 0, 0)]
            for name, kept in zip(program.before, state[1:] if program.before else (), strict=True):
                known[layers.setdefault(output_node(name).layer, len(layers)),] = len(ends)
                ends.append((kept, 0, 0))
            if variant not in wirings:  # the same for all nodes of a level
                wirings[variant] = _numbered_nodes(program, variant, layers)
            for wiring in wirings[variant]:
                one, params, macs = self._through(program.stage, wiring, known, ends)
                yield (one, *[(one, *state[1:])[i] for i in program.after]) if self._keeps_maps else one, params, macs

        return ends_of

    def _ends_of_uses(self, program: Program, state: CostState, variant: int) -> Iterator[tuple[CostState, int, int]]:
        """The same of uses of a cell: of each state, a choice of a cell is worked out once for all of them."""
        assert program.uses is not None
        costs = self._use_costs
        for use in program.uses(variant):
            end, params, macs = state, 0, 0
            for _ in range(use.times):
                key = (id(use.cell), use.labels, end)
                one = costs.known.get(key)
                if one is None:
                    one = costs.known[key] = self._through(program.stage, costs.nodes(use), *costs.after(end))
                end, params, macs = one[0], params + one[1], macs + one[2]
            yield end, params, macs

    def _through(
        self,
        stage: str,
        wiring: NumberedWiring,
        known: dict[tuple[Any, ...], int],
        ends: list[tuple[CostState, int, int]],
    ) -> tuple[CostState, int, int]:
        """State after the nodes of a choice, and their costs; `ends` are those of nodes that other choices have too."""
        numbers, params, macs = [0], 0, 0
        for number, layer, inputs in wiring:
            key = (number, numbers[inputs[0]]) if len(inputs) == 1 else (number, *[numbers[i] for i in inputs])
            at = known.get(key)
            if at is None:
                try:
                    one = self._rules.after(layer, [ends[i][0] for i in key[1:]])
                except InputError as error:
                    raise InputError(f"stage {stage!r}: {error}") from None
                at = known[key] = known.setdefault((None, one), len(ends))  # nodes of one state and cost are one
                if at == len(ends):
                    ends.append(one)
            numbers.append(at)
            one = ends[at]
            params += one[1]
            macs += one[2]
        return ends[numbers[-1]][0], params, macs


def _numbered_nodes(program: Program, variant: int, layers: dict[ChainLayer | str, int]) -> list[NumberedWiring]:
    """Number and layer of every node and what it reads, by choice: numbers are quicker to look up than layers."""
    if program.wirings is None:
        chain = [(i,) for i in range(max(map(len, program.layers[variant]), default=0))]
        return [
            [(layers.setdefault(layer, len(layers)), layer, at) for layer, at in zip(row, chain, strict=False)]
            for row in program.layers[variant]
        ]
    return [numbered_wiring(wiring, layers) for wiring in program.wirings(variant)]
