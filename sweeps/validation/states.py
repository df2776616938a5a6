"""The one pass of `sweeps.validate` over a space: states of exact figures and of formulas, merged as far as that pays.

A node is an exact state, a live value and a state of the formulas, with the number of architectures that it stands for.
Stage by stage, all edges node × choice are evaluated and counted. Where nodes grow too many, the stages behind the last
level are enumerated, each architecture by itself. A random sample takes the edges that its chains take, and merges them
just the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from engine.formulas import PUBLISHED_BY_WINDOW
from sweeps.kernels import errors
from sweeps.states.blocks import MEMORY
from sweeps.states.graph import FIGURES, AxisGraph, Level
from sweeps.states.programs import Program, Trie, compile_space, largest_extents

if TYPE_CHECKING:
    from sweeps.spaces.space import Space

Progress = Callable[[int, int], object]
Kind = tuple[int, int, int]
EDGES = 1 << 18  # of one call of the kernel: their figures stay in the cache
MAX_NODES = 1 << 22
MERGE_PAYS = 8  # architectures behind an edge, from which looking for its state is faster than enumerating them
OVERLAP_BINS = 10
NUMBERS = {name: i for i, name in enumerate(("conv1", "conv1_s2", "pool2", "conv3", "conv3_s2", "dilated3"), start=1)}
_NOTHING = np.empty(0, np.int64)


class Chains(NamedTuple):
    """Choices of a stage as the kernel reads them; `tables` has the layers of each choice by variant."""

    chain: np.ndarray
    layers: np.ndarray
    kinds: np.ndarray
    names: list[Kind]


class Rows(NamedTuple):
    """What a stage reads: n maps, by formulas and exactly. `exact` is the state in the pool, where there is one."""

    state: np.ndarray
    flags: np.ndarray
    live: np.ndarray
    weight: np.ndarray
    pixels: np.ndarray
    extent: np.ndarray
    jump: np.ndarray
    shared: np.ndarray


class Nodes(NamedTuple):
    """A level of merged states; `row` and `choice` are where each was first met."""

    exact: np.ndarray
    live: np.ndarray
    state: np.ndarray
    flags: np.ndarray
    weight: np.ndarray
    row: np.ndarray
    choice: np.ndarray


class Tables(NamedTuple):
    """Errors of one stage: dims (kind, overlap bin, measure[, bin or tally]).

    `worst` is the largest error, `place` the edge of the stage that has it.
    """

    kinds: list[Kind]
    hist: np.ndarray
    tally: np.ndarray
    worst: np.ndarray
    place: np.ndarray


def read_chains(program: Program, axis: int = 0) -> Chains:
    """Return the choices of a stage as tables."""
    begins: list[tuple[int, int]] = []
    layers: list[tuple[int, int, int, int]] = []
    kinds: list[int] = []
    names: dict[Kind, int] = {}
    for row in program.layers:
        for chain in row:
            begins.append((len(layers), len(chain)))
            last = (1, 1, 1)
            for layer in chain:
                k, s, d = layer.kernel[axis], layer.stride[axis], layer.dilation[axis]
                last = (k, s, d if k > 1 else 1)
                article = 7 if last == (7, 2, 1) else NUMBERS.get(PUBLISHED_BY_WINDOW.get(last, ""), 0)
                layers.append((*last, article))
            kinds.append(names.setdefault(last, len(names)))
    shape = (len(program.layers), program.choices)
    return Chains(
        np.array(begins, np.int64).reshape(*shape, 2),
        np.array(layers or [(1, 1, 1, 1)], np.int64),
        np.array(kinds, np.int64).reshape(shape),
        list(names),
    )


class Walk:
    """The pass. Iterate over `stages()`, then ask `path` where an edge comes from.

    Parameters
    ----------
    space : Space
        Whose windows are alike on all axes.
    memory : int
        Bytes that the exact states may take.
    """

    def __init__(self, space: Space, memory: int = MEMORY, progress: Progress | None = None) -> None:
        self.space, self.ndim = space, len(space.axes)
        self.programs = compile_space(space)
        self.extents = largest_extents(space, self.programs)
        self.chains = [read_chains(p) for p in self.programs]
        self.memory = memory
        self.fresh_graph()
        self.counts = np.int64 if space.size < 2**62 else np.float64
        start = np.zeros(1, np.int64)
        self.levels = [Nodes(
            start.astype(np.int32), start.astype(np.int32), np.array([[1.0, 0.0, 1.0, 1.0]]), start + errors.FRESH,
            np.ones(1, self.counts), start, start,
        )]  # fmt: skip
        self.merging = True
        self.evaluated = 0  # edges
        self.progress = progress

    def fresh_graph(self) -> None:
        """Begin with no exact states."""
        self.graph = AxisGraph(self.programs, 0, self.memory)

    def stages(self) -> Iterator[Tables]:
        """Evaluate every edge of every stage."""
        for stage in range(len(self.programs)):
            tables = self._tables(stage)
            merge = self.merging and stage < len(self.programs) - 1 and self._pays(stage)
            if self.merging and len(self.levels) == stage + 1:
                merge = self._merged(stage, tables, merge)
            else:
                self._enumerated(stage, tables)
            self.merging = merge
            yield self._reduced(stage, tables)

    def path(self, stage: int, edge: int) -> tuple[int, ...]:
        """Return the choices that lead to an edge of a stage."""
        first = min(stage, len(self.levels) - 1)
        digits = []
        for level in range(stage, first - 1, -1):
            edge, choice = divmod(edge, self.programs[level].choices)
            digits.append(choice)
        node = edge
        for level in range(first, 0, -1):
            nodes = self.levels[level]
            digits.append(int(nodes.choice[node]))
            node = int(nodes.row[node])
        return tuple(reversed(digits))

    def _pays(self, stage: int) -> bool:
        behind = prod(p.choices for p in self.programs[stage + 1 :])
        return behind >= MERGE_PAYS

    def _tables(self, stage: int) -> list[np.ndarray]:
        shape = (errors.TASKS, len(self.chains[stage].names), OVERLAP_BINS, errors.MEASURES)
        return [
            np.zeros((*shape, errors.BINS), self.counts),
            np.zeros((*shape, errors.TALLIES), self.counts),
            np.full(shape, -1.0),
            np.full(shape, -1, np.int64),
        ]

    def _reduced(self, stage: int, tables: list[np.ndarray]) -> Tables:
        """Add up the tables of the kernel's tasks; of equal largest errors the first edge stays."""
        hist, tally, worst, place = tables
        task = worst.argmax(axis=0)[None]
        pick = [np.take_along_axis(t, task, axis=0)[0] for t in (worst, place)]
        return Tables(self.chains[stage].names, hist.sum(axis=0), tally.sum(axis=0), *pick)

    # merged levels ---------------------------------------------------------------------------------------------------

    def _merged(self, stage: int, tables: list[np.ndarray], merge: bool) -> bool:
        """Evaluate the edges of a level; return whether the level behind it was made."""
        nodes, program = self.levels[stage], self.programs[stage]
        rows = self._rows(nodes)
        c = program.choices
        joined = Joined(self.counts) if merge else None
        per_call = max(1, EDGES // c)
        for low in range(0, len(nodes.live), per_call):
            cut = slice(low, min(low + per_call, len(nodes.live)))
            part = Rows(*(column[cut] for column in rows))
            state, live, source = self._sources(nodes.exact[cut], part.live, program)
            ends = self._ends(state, live, program) if joined else None
            if ends is None:
                joined = None  # of the last stage, or where the memory is short: figures without states
                exact = self._exact(Level(_NOTHING, state, live), stage, stage, 0, len(state) * c)
            else:
                exact = list(self._figures(ends.reshape(-1)))
            edges = len(part.live) * c
            state, flags = self._call(stage, part, exact, source, low * c, tables, joined is not None)
            if joined is not None and ends is not None:
                live = program.next_live[part.live].reshape(-1).astype(np.int32)
                weight = np.repeat(part.weight, c)
                row, choice = np.divmod(np.arange(low * c, low * c + edges), c)
                joined.add(Nodes(ends[source].reshape(-1), live, state, flags, weight, row, choice))
                if joined.used > MAX_NODES:
                    joined = None
            self._tell(stage, low * c + edges, len(nodes.live) * c)
        if joined is not None:
            self.levels.append(joined.nodes())
        return joined is not None

    def _rows(self, nodes: Nodes) -> Rows:
        return Rows(nodes.state, nodes.flags, nodes.live, nodes.weight, *self._figures(nodes.exact))

    def _figures(self, exact: np.ndarray) -> Iterator[np.ndarray]:
        figures = self.graph.pool.figures(exact)
        return (figures[n].astype(np.int32) for n in FIGURES)

    def _sources(
        self, exact: np.ndarray, live: np.ndarray, program: Program
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the distinct exact states and live values that edges start from, and which of them each row has."""
        variants = len(program.tries)
        keys = exact.astype(np.int64) * variants + program.variant[live]
        _, first, source = np.unique(keys, return_index=True, return_inverse=True)
        return exact[first], live[first], source

    def _ends(self, state: np.ndarray, live: np.ndarray, program: Program) -> np.ndarray | None:
        """Return exact states by source and choice; None where the memory is short."""
        variants = program.variant[live]
        out = np.empty((len(state), program.choices), np.int32)
        for v in np.unique(variants):
            at = np.flatnonzero(variants == v)
            trie: Trie = program.tries[v][0]
            ends = self.graph.pool.expand(state[at], trie, self.memory // 8)
            if ends is None:
                return None
            out[at] = ends[trie.leaf].T
        return out

    def _call(
        self, stage: int, rows: Rows, exact: Sequence[np.ndarray], source: np.ndarray, first: int,
        tables: Sequence[np.ndarray], keep: bool, picked: np.ndarray = _NOTHING, weight: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """Run the kernel over the edges of some rows; return the formulas' states behind them, if they are kept."""
        chains, program = self.chains[stage], self.programs[stage]
        edges = len(picked) or len(rows.live) * program.choices
        n = edges if keep else 0
        state, flags = np.empty((n, 4)), np.empty(n, np.int64)
        overlap_bin = rows.shared.astype(np.int64) * OVERLAP_BINS // rows.pixels
        reduce_edges: Any = errors.reduce_edges
        reduce_edges(
            rows.state, rows.flags, program.variant[rows.live], rows.weight if weight is None else weight, overlap_bin,
            rows.extent.astype(np.int64), rows.jump.astype(np.int64), source, picked, edges,
            program.choices, chains.chain, chains.layers, chains.kinds, self.ndim, *exact, state, flags, first, *tables,
        )  # fmt: skip
        if tables[0].shape[1]:
            self.evaluated += edges
        return state, flags

    # enumeration behind the last level -------------------------------------------------------------------------------

    def _enumerated(self, stage: int, tables: list[np.ndarray]) -> None:
        """Evaluate every architecture of a stage behind the last level."""
        first = len(self.levels) - 1
        nodes = self.levels[first]
        level = Level(_NOTHING, nodes.exact, nodes.live)
        c = self.programs[stage].choices
        n_rows = len(nodes.live) * prod(p.choices for p in self.programs[first:stage])
        per_call = max(1, EDGES // c)
        for low in range(0, n_rows, per_call):
            high = min(low + per_call, n_rows)
            rows = self._rows_behind(stage, low, high)
            exact = self._exact(level, first, stage, low * c, high * c)
            self._call(stage, rows, exact, np.arange(high - low), low * c, tables, False)
            self._tell(stage, high, n_rows)

    def _exact(self, level: Level, first: int, last: int, begin: int, end: int) -> list[np.ndarray]:
        """Return the exact figures of architectures begin..end-1 of stages first..last behind a level."""
        out = [np.empty(end - begin, np.int32) for _ in FIGURES]
        self.graph.levels = [level] * first  # nothing but the last one is read
        width = (self.extents[last] + 63) // 64 + 1
        self.graph.enumerate_range(first, last, begin, end, out, width)
        return out

    def _rows_behind(self, stage: int, low: int, high: int) -> Rows:
        """What a stage reads, of architectures low..high-1 of the stages before it behind the last level."""
        first = len(self.levels) - 1
        if stage == first:
            nodes = self.levels[first]
            return self._rows(Nodes(*(column[low:high] for column in nodes)))
        program, c = self.programs[stage - 1], self.programs[stage - 1].choices
        begin = low // c
        before = self._rows_behind(stage - 1, begin, -(-high // c))
        last = self.levels[first]
        level = Level(_NOTHING, last.exact, last.live)
        exact = self._exact(level, first, stage - 1, begin * c, (begin + len(before.live)) * c)
        state, flags = self._call(stage - 1, before, exact, np.arange(len(before.live)), 0, _NO_TABLES, True)
        live = program.next_live[before.live].reshape(-1).astype(np.int32)
        cut = slice(low - begin * c, high - begin * c)
        columns = (state, flags, live, np.repeat(before.weight, c), *exact)
        return Rows(*(column[cut] for column in columns))

    def _tell(self, stage: int, done: int, total: int) -> None:
        if self.progress:
            weights = [s / self.space.stage_sizes[-1] for s in self.space.stage_sizes]
            share = (sum(weights[:stage]) + weights[stage] * done / total) / sum(weights)
            self.progress(int(share * 10_000), 10_000)


_NO_TABLES = [
    np.zeros((errors.TASKS, 0, 1, errors.MEASURES, errors.BINS), np.int64),
    np.zeros((errors.TASKS, 0, 1, errors.MEASURES, errors.TALLIES), np.int64),
    np.zeros((errors.TASKS, 0, 1, errors.MEASURES)),
    np.zeros((errors.TASKS, 0, 1, errors.MEASURES), np.int64),
]


class Joined:
    """Nodes of a level that is being made."""

    def __init__(self, counts: Any) -> None:
        types = (np.int32, np.int32, np.float64, np.int64, counts, np.int64, np.int64)
        self.columns = [np.empty((1024, 4) if i == 2 else 1024, t) for i, t in enumerate(types)]
        self.table = np.full(4096, -1, np.int32)
        self.used = 0

    def add(self, edges: Nodes) -> None:
        """Merge edges into the nodes."""
        need = self.used + len(edges.live)
        if need > len(self.columns[0]):
            size = 2 * need
            for i, column in enumerate(self.columns):
                wider = np.empty((size, *column.shape[1:]), column.dtype)
                wider[: self.used] = column[: self.used]
                self.columns[i] = wider
        exact, live, state, flags, weight, row, choice = self.columns
        if 2 * need > len(self.table):
            rehash: Any = errors.rehash
            self.table = rehash(exact, live, state, flags, self.used, 1 << (4 * need).bit_length())
        self.used = errors.join(
            edges.exact, edges.live, edges.state, edges.flags, edges.weight, edges.row, edges.choice, self.used,
            self.table, exact, live, state, flags, weight, row, choice,
        )  # fmt: skip

    def nodes(self) -> Nodes:
        """Return the nodes, those of one exact state side by side."""
        order = np.argsort(self.columns[0][: self.used], kind="stable")
        return Nodes(*(column[order] for column in self.columns))
