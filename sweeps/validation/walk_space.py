"""The pass of `rf.validate` over a space: states of exact figures and of formulas, merged while that is worthwhile.

A node is an exact state, a live value and a state of the formulas, with the number of architectures that it stands for.
Levels of nodes are made stage by stage; from each, the maps of the next stage are counted. Where merging is not
worthwhile, or there are too many nodes, the stages after the last level are walked through depth first, each
architecture by itself. Of a random sample, each level has the numbers of chains that come to its nodes, which choose
what follows; after the last level chains are drawn one by one, many side by side where windows are alike on all axes.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.kernels import formula_errors, merge_states
from rfscale.sweeps.kernels.drawn.chains import walk_drawn
from rfscale.sweeps.kernels.drawn.lanes import LANES
from rfscale.sweeps.kernels.formula_errors import COLUMNS
from rfscale.sweeps.kernels.formula_recurrence import ALL_FLAGS
from rfscale.sweeps.machine import free_memory, in_threads, size_text
from rfscale.sweeps.runs.blocks import MEMORY
from rfscale.sweeps.states.compile import Program, Trie
from rfscale.sweeps.states.compiled import compiled
from rfscale.sweeps.validation.kernel_tables import (
    EdgeSources,
    Members,
    Pieces,
    Sources,
    Starts,
    Tally,
    flatten,
)
from rfscale.sweeps.validation.levels import SOONER, Joined, Nodes, distinct_sources, group_starts

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.space import Space

Progress = Callable[[int, int], object]
MAX_EDGES_PER_MERGE = 1 << 18
MAX_NODES = 1 << 22
MERGE_COST = 16  # architectures walked through in the time that merging one edge takes
DRAWS_PER_MERGE = 24  # chains drawn side by side in that time
MIN_EDGES_TO_ESTIMATE_MERGING = 10_000
MIN_PIECES = 256  # for threads to share
MAPS_PER_CALL = 1 << 22  # of the kernel: the bar moves after each call
FLOAT_TASKS = 8  # tasks where counts are floating-point numbers, on any number of threads: their sums are the same
WORDS_AT_ONCE = 16  # of a set, in the time that plain code takes for the rest of a map
CHAINS_PER_PIECE = 1 << 18  # of a sample
UINT32_MAX = 2**32 - 1
MEASURES_OF_ARTICLE = 2  # area and overlap, before those of the other formulas
MAX_DRAWN_EDGES = 1 << 24  # of one stage, with a number of chains each

_NOTHING = np.empty(0, np.int64)


class Errors:
    """What the kernel counts: by task, cell, measure (formula × figure) and column."""

    def __init__(self, cells: int, measures: int, stages: int, counts: Any) -> None:
        n = cells * measures
        # whole numbers add up to the same in any order; others in the same number of tasks
        tasks = thread_count() if counts is np.int64 else FLOAT_TASKS
        # beside the table of each task a third of one for counts of drawn chains, and what is made of all tables
        needed, free = 8 * n * COLUMNS * (tasks * 4 // 3 + 3), free_memory()
        if needed > free:
            raise InputError(
                f"errors by stage, kind of layer and overlap need {size_text(needed)} of memory, and {size_text(free)} "
                "are free; validate a space of fewer stages, or of fewer kernels, strides and dilations"
            )
        self.measures = measures
        self.table = np.zeros((tasks, n * COLUMNS), counts)
        self.worst = np.full((tasks, n), -1.0)
        self.place = np.zeros((tasks, n, 1 + stages), np.int64)

    def of_task(self, task: int) -> Tally:
        """Return what one task adds to."""
        return Tally(self.table[task], self.worst[task], self.place[task])

    def drawn_counts(self, cell: int) -> int:
        """Return how many counts there are of the closed form and the bounding box in the cells from one on."""
        return (self.worst.shape[1] // self.measures - cell) * (self.measures - MEASURES_OF_ARTICLE) * COLUMNS

    def add_drawn(self, cell: int, counts: list[np.ndarray]) -> None:
        """Add such counts of each task, and begin them anew."""
        for table, more in zip(self.table, counts, strict=True):
            into = table.reshape(-1, self.measures, COLUMNS)[cell:, MEASURES_OF_ARTICLE:]
            into += more.reshape(into.shape)
            more[:] = 0

    def whole(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return table (cell, measure, column), largest errors (cell, measure) and their places, of all tasks.

        A place is a row of the level that a stage is walked from, and choices; of equal errors the first place is kept.
        """
        table = self.table.sum(axis=0).reshape(-1, self.measures, COLUMNS)
        worst, place = self.worst[0], self.place[0]
        for more, where in zip(self.worst[1:], self.place[1:], strict=True):
            unlike = (place != where).argmax(axis=-1)[:, None]
            before = np.take_along_axis(where, unlike, 1) < np.take_along_axis(place, unlike, 1)
            better = (more > worst) | ((more == worst) & before[:, 0])
            worst, place = np.where(better, more, worst), np.where(better[:, None], where, place)
        return table, worst.reshape(-1, self.measures), place.reshape(len(table), self.measures, -1)


class Walk:
    """The pass over a space.

    Parameters
    ----------
    space : Space
    memory : int
        Bytes that the exact states may take.
    progress : callable, optional
        Called with the share that is done, and 10,000.
    chains : int, optional
        Chains of a sample; by default, all of the space.

    Attributes
    ----------
    levels : list of Nodes
        As far as states were merged; the last one is what the rest was walked from.
    errors : Errors
    evaluated : int
        Edges that were judged: maps, as far as merging did not spare them.
    """

    def __init__(
        self, space: Space, memory: int = MEMORY, progress: Progress | None = None, chains: int | None = None
    ) -> None:
        self.space, self.memory, self.progress, self.chains = space, memory, progress, chains
        self.axes = 1 if space.square else len(space.axes)
        found = compiled(space)
        self.programs = found.programs
        self.flat = flatten(self.programs, self.axes, len(space.axes), found.extents[-1])
        self.pool = found.new_pool(axis=0)
        self.counts = np.int64 if (chains or space.size) < 2**62 else np.float64
        start = np.zeros(1, np.int64)
        state = np.array([[1.0, 0.0] + [1.0, 1.0] * self.axes])
        flags = np.full((1, self.axes), ALL_FLAGS)
        one = start.astype(np.int32)
        self.levels = [Nodes(one, one, state, flags, np.full(1, chains or 1, self.counts), start, start)]
        self.errors = Errors(self.flat.cells, 3 * (1 + self.axes), len(self.programs), self.counts)
        self.evaluated = 0
        self._node_of_piece: np.ndarray | None = None  # of the last level, where a sample is drawn from it

    def run(self) -> None:
        """Judge every map of the space."""
        for stage in range(len(self.programs)):
            level = self._next(stage) if self._merging_is_worthwhile(stage) else None
            if level is None:
                self._walk(stage, len(self.programs))
                return
            self._walk(stage, stage + 1)
            self.levels.append(level)

    def sample(self, seed: int) -> None:
        """Judge the maps of `chains` chains, drawn uniformly and with replacement."""
        random, last, n = np.random.default_rng(seed), len(self.programs) - 1, self.chains or 0
        for stage, program in enumerate(self.programs):
            nodes, edges = self.levels[stage], len(self.levels[stage].live) * program.choices
            if self.axes > 1 or edges > MAX_DRAWN_EDGES or edges * (1 if stage == last else DRAWS_PER_MERGE) > n:
                self._draw(stage, seed)
                return
            chosen = random.multinomial(nodes.weight, np.full(program.choices, 1 / program.choices))
            level = self._next(stage, chosen) if stage < last else nodes
            if level is None:
                self._draw(stage, seed)
                return
            self._walk(stage, stage + 1, chosen)
            if stage < last:
                self.levels.append(level)

    def path(self, stage: int, place: np.ndarray) -> tuple[int, ...]:
        """Return the choices that lead to a place of a stage."""
        first = min(stage, len(self.levels) - 1)
        node, before = int(place[0]), []
        if self._node_of_piece is not None and stage >= len(self.levels) - 1:
            node = int(self._node_of_piece[node])
        for level in range(first, 0, -1):
            nodes = self.levels[level]
            before.append(int(nodes.choice[node]))
            node = int(nodes.row[node])
        return (*reversed(before), *place[1 : 2 + stage - first].tolist())

    def _merging_is_worthwhile(self, stage: int) -> bool:
        """Whether merging the states after a stage is faster than walking through all of them."""
        later = prod(p.choices for p in self.programs[stage + 1 :])
        if self.axes > 1 or stage == len(self.programs) - 1:
            return False
        edges, merged = len(self.levels[stage].live) * self.programs[stage].choices, 0.0
        if edges > MIN_EDGES_TO_ESTIMATE_MERGING and stage:
            merged = len(self.levels[stage].live) / (
                len(self.levels[stage - 1].live) * self.programs[stage - 1].choices
            )
        return later * (1 - merged) >= MERGE_COST

    # judging ---------------------------------------------------------------------------------------------------------

    def _walk(self, stage: int, until: int, chosen: np.ndarray | None = None) -> None:
        """Judge the maps of stages stage … until - 1, from the level before them.

        `chosen`, of one stage: the chains of each node that have each choice.
        """
        nodes = self.levels[stage]
        group = group_starts(nodes)
        choices = [p.choices for p in self.programs[stage:until]]
        split, per_group = self._split(len(group) - 1, choices)
        maps = sum(prod(choices[: i + 1]) for i in range(len(choices)))
        done = np.concatenate([[0], np.cumsum(np.repeat(np.diff(group) * (maps / per_group), per_group))])
        pieces = Pieces(split, per_group, _NOTHING, np.uint64(0))
        self._judge(stage, until, nodes, group, nodes.weight[:, None] if chosen is None else chosen, pieces, done)

    def _draw(self, stage: int, seed: int) -> None:
        """Judge the maps from a stage on of chains that are drawn there, as many after each node as it stands for."""
        if self.axes == 1:
            self._draw_side_by_side(stage, seed)
            return
        nodes, until = self.levels[stage], len(self.programs)
        size = min(CHAINS_PER_PIECE, max(1024, (self.chains or 0) // MIN_PIECES))
        parts = -(-nodes.weight // size)
        at = self._node_of_piece = np.repeat(np.arange(len(parts)), parts)
        drawn = np.full(len(at), size)
        drawn[np.cumsum(parts) - 1] = nodes.weight - size * (parts - 1)
        done = np.concatenate([[0], np.cumsum(drawn * float(until - stage))])
        pieces = Pieces(0, 1, drawn, np.uint64(seed))
        each = Nodes(*(column[at] for column in nodes))
        self._judge(stage, until, each, np.arange(len(at) + 1), np.ones((len(at), 1), self.counts), pieces, done)

    def _draw_side_by_side(self, stage: int, seed: int) -> None:
        """Do it for windows that are alike on all axes: many chains at once, none by itself."""
        nodes, until, tasks = self.levels[stage], len(self.programs), len(self.errors.table)
        jump, extent, pixels, shared, start, _, _, words, _ = self.pool.columns
        figures = np.stack([c[nodes.exact] for c in (extent, pixels, jump, shared)], axis=-1).astype(np.int64)
        first = np.concatenate([[0], np.cumsum(nodes.weight)])
        starts = Starts(
            figures, start[nodes.exact].astype(np.int64), words, nodes.live.astype(np.int64), nodes.state, nodes.flags,
            first,
        )  # fmt: skip
        tables = self.flat.tables.between(stage, until)
        given = starts, tables, np.uint64(seed)
        maps, blocks = int(first[-1]) * (until - stage), -(-int(first[-1]) // LANES)
        walk = self._sooner(walk_drawn, maps)
        self.evaluated += maps
        step = max(MAPS_PER_CALL // (LANES * (until - stage)), tasks)
        # counts of half the size, without those of the article: the memory of the table was half of the time
        cell, since = int(tables.stages[0, 3]), 0
        counts = [np.zeros(self.errors.drawn_counts(cell), np.uint32) for _ in range(tasks)]
        with ThreadPoolExecutor(thread_count()) as threads:
            for low in range(0, blocks, step):
                high = min(low + step, blocks)
                calls = [
                    threads.submit(walk, *(i, tasks, low, high, *given, self.errors.of_task(i), counts[i]))
                    for i in range(tasks)
                ]
                for call in calls:
                    call.result()
                if high == blocks or (high + step - since) * LANES > UINT32_MAX:
                    self.errors.add_drawn(cell, counts)
                    since = high
                self._report(stage, until, high / blocks)

    def _judge(
        self, stage: int, until: int, nodes: Nodes, group: np.ndarray, weight: np.ndarray, pieces: Pieces,
        done: np.ndarray,
    ) -> None:  # fmt: skip
        """Judge the maps of stages stage … until - 1 after some nodes; `done` has the maps up to each piece."""
        pool, first = self.pool, group[:-1]
        jump, extent, pixels, shared, start, _, _, words, _ = pool.columns
        exact = nodes.exact[first]
        sources = np.stack([c[exact] for c in (extent, pixels, jump, shared)], axis=-1)
        sources, starts = (np.repeat(c[:, None], self.axes, axis=1) for c in (sources, start[exact]))
        self.evaluated += round(done[-1])
        given: tuple[Any, ...] = (
            Sources(sources, starts, words, nodes.live[first].astype(np.int64)),
            Members(group, nodes.state, nodes.flags, np.ascontiguousarray(weight), int(np.diff(group).max())),
            self.flat.tables.between(stage, until),
            pieces,
        )
        walk = self._sooner(formula_errors.walk, done[-1])
        tasks = len(self.errors.table)
        low, n = 0, len(done) - 1
        with ThreadPoolExecutor(thread_count()) as threads:
            while low < n:
                high = int(np.searchsorted(done, done[low] + MAPS_PER_CALL, "right")) - 1
                high = min(n, max(high, low + tasks))
                calls = [
                    threads.submit(walk, *(i, tasks, low, high, *given, self.errors.of_task(i))) for i in range(tasks)
                ]
                for call in calls:
                    call.result()
                low = high
                self._report(stage, until, done[high] / done[-1])

    def _sooner(self, kernel: Any, maps: float) -> Callable[..., Any]:
        """The kernel, or its function where that judges so many maps sooner: wide sets take it word by word."""
        return SOONER.of(kernel, maps * max(1, self.flat.tables.width // WORDS_AT_ONCE))

    def _split(self, groups: int, choices: list[int]) -> tuple[int, int]:
        """Return how many stages are cut into pieces, and the pieces of a group."""
        split, pieces, rest = 0, 1, prod(choices)
        while split < len(choices) - 1 and (groups * pieces < MIN_PIECES or rest > MAPS_PER_CALL):
            pieces *= choices[split]
            rest //= choices[split]
            split += 1
        return split, pieces

    def _report(self, stage: int, until: int, share: float) -> None:
        if self.progress:
            sizes = self.space.stage_sizes if self.chains is None else [1] * len(self.programs)
            part = (sum(sizes[:stage]) + sum(sizes[stage:until]) * share) / sum(sizes)
            self.progress(int(part * 10_000), 10_000)

    # merging ---------------------------------------------------------------------------------------------------------

    def _next(self, stage: int, chosen: np.ndarray | None = None) -> Nodes | None:
        """Return the level after a stage; None where it would take too much.

        Of a sample, `chosen` are the chains of each node that have each choice: what none has is left out.
        """
        nodes, program = self.levels[stage], self.programs[stage]
        joined = Joined(self.counts)
        c = program.choices
        per_call = max(1, MAX_EDGES_PER_MERGE // c)
        for low in range(0, len(nodes.live), per_call):
            part = Nodes(*(column[low : low + per_call] for column in nodes))
            sources, live, source = distinct_sources(part.exact, part.live, program)
            ends = self._ends(sources, live, program)
            if ends is None:
                return None
            state, flags = self._advanced(stage, part, source, ends)
            row, choice = np.divmod(np.arange(low * c, low * c + len(state)), c)
            after = program.next_live[part.live].reshape(-1).astype(np.int32)
            weight = np.repeat(part.weight, c) if chosen is None else chosen[low : low + per_call].reshape(-1)
            edges = Nodes(ends[source].reshape(-1), after, state, flags, weight, row, choice)
            joined.add(edges if chosen is None else Nodes(*(column[weight > 0] for column in edges)))
            if joined.used > MAX_NODES:
                return None
        return joined.nodes()

    def _ends(self, state: np.ndarray, live: np.ndarray, program: Program) -> np.ndarray | None:
        """Return exact states by source and choice; None where the memory is short."""
        out = np.empty((len(state), program.choices), np.int32)
        for v, at in program.variant_rows(live):
            trie: Trie = program.tries[v][0]
            ends = self.pool.expand(state[at], trie, self.memory // 8)
            if ends is None:
                return None
            out[at] = ends[trie.leaf].T
        return out

    def _advanced(
        self, stage: int, nodes: Nodes, source: np.ndarray, ends: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return states and flags of the formulas after every edge."""
        program, n = self.programs[stage], len(nodes.live)
        jump, extent, pixels, shared, *_ = self.pool.columns
        state, flags = np.empty((n, program.choices, 4)), np.empty((n, program.choices, 1), np.int64)
        sources = EdgeSources(extent[nodes.exact], jump[nodes.exact], program.variant[nodes.live], source)
        advance = SOONER.of(merge_states.advance_edges, n * program.choices)
        given = (
            sources, nodes.state, nodes.flags, self.flat.tables, self.flat.lines[stage], program.choices, pixels[ends],
            shared[ends], state, flags,
        )  # fmt: skip
        in_threads(lambda low, high: advance(low, high, *given), 0, n, 64 * program.choices)
        return state.reshape(-1, 4), flags.reshape(-1, 1)


def thread_count() -> int:
    """Return the number of threads of a walk."""
    return int(numba.get_num_threads())
