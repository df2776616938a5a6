"""The pass of `rf.validate` over a space: states of exact figures and of formulas, merged as far as that pays.

A node is an exact state, a live value and a state of the formulas, with the number of architectures that it stands for.
Levels of nodes are made stage by stage; from each, the maps of the next stage are counted. Where merging does not pay,
or nodes grow too many, the stages behind the last level are walked through depth first, each architecture by itself. A
random sample is walked through from the start: it draws as many chains at every stage as have come there.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numba
import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.kernels import formula_errors as errors
from rfscale.sweeps.kernels import merge_states as joins
from rfscale.sweeps.machine import free_memory, size_text, threads_for
from rfscale.sweeps.runs.blocks import MEMORY
from rfscale.sweeps.states.compile import Program, Trie
from rfscale.sweeps.states.compiled import compiled
from rfscale.sweeps.validation.kernel_tables import flatten

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.space import Space

Progress = Callable[[int, int], object]


EDGES = 1 << 18  # that are merged at a time


MAX_NODES = 1 << 22


MERGE_PAYS = 16  # walked-through architectures that cost as much as merging one edge


FEW = 10_000  # edges of a level, up to which merging is not worth a thought


MEMBERS = 64  # nodes of one exact state that are walked together: their formulas stay in the cache


PIECES = 256  # at least, for threads to share


CALL = 1 << 22  # maps in one call of the kernel: the bar moves after each


TASKS = 8


CHAINS = 1 << 18  # of a sample that are drawn in one piece


_NOTHING = np.empty(0, np.int64)


class Nodes(NamedTuple):
    """A level of merged states; `row` and `choice` are where each was first met."""

    exact: np.ndarray
    live: np.ndarray
    state: np.ndarray
    flags: np.ndarray
    weight: np.ndarray
    row: np.ndarray
    choice: np.ndarray


class Errors:
    """What the kernel counts: by task, cell, measure (formula × figure) and column."""

    def __init__(self, cells: int, measures: int, stages: int, counts: Any) -> None:
        n = cells * measures
        # whole numbers add up to the same in any order; others in the same number of tasks
        tasks = thread_count() if counts is np.int64 else TASKS
        needed, free = 8 * n * errors.COLUMNS * (tasks + 3), free_memory()
        if needed > free:
            raise InputError(
                f"errors by stage, kind of layer and overlap need {size_text(needed)} of memory, and {size_text(free)} "
                "are free; validate a space of fewer stages, or of fewer kernels, strides and dilations"
            )
        self.measures = measures
        self.table = np.zeros((tasks, n * errors.COLUMNS), counts)
        self.worst = np.full((tasks, n), -1.0)
        self.place = np.zeros((tasks, n, 1 + stages), np.int64)

    def whole(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return table (cell, measure, column), largest errors (cell, measure) and their places, of all tasks.

        A place is a row of the level that a stage is walked from, and choices; of equal errors the first place stays.
        """
        table = self.table.sum(axis=0).reshape(-1, self.measures, errors.COLUMNS)
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

    Attributes
    ----------
    levels : list of Nodes
        As far as states were merged; the last one is what the rest was walked from.
    errors : Errors
    evaluated : int
        Edges that were judged: maps, as far as merging did not spare them.
    """

    def __init__(self, space: Space, memory: int = MEMORY, progress: Progress | None = None) -> None:
        self.space, self.memory, self.progress = space, memory, progress
        self.axes = 1 if space.square else len(space.axes)
        self.power = len(space.axes) if space.square else 1
        found = compiled(space)
        self.programs = found.programs
        self.width = (found.extents[-1] + 63) // 64 + 2
        self.flat = flatten(self.programs, self.axes, len(space.axes) == 2)
        self.pool = found.new_pool(axis=0)
        self.counts = np.int64 if space.size < 2**62 else np.float64
        start = np.zeros(1, np.int64)
        state = np.array([[1.0, 0.0] + [1.0, 1.0] * self.axes])
        flags = np.full((1, self.axes), errors.FRESH)
        one = start.astype(np.int32)
        self.levels = [Nodes(one, one, state, flags, np.ones(1, self.counts), start, start)]
        self.errors = Errors(self.flat.cells, 3 * (1 + self.axes), len(self.programs), self.counts)
        self.evaluated = 0

    def run(self) -> None:
        """Judge every map of the space."""
        for stage in range(len(self.programs)):
            level = self._next(stage) if self._pays(stage) else None
            if level is None:
                self._walk(stage, len(self.programs))
                return
            self._walk(stage, stage + 1)
            self.levels.append(level)

    def sample(self, n: int, seed: int) -> None:
        """Judge the maps of n chains, drawn uniformly and with replacement."""
        size = min(CHAINS, max(1024, n // PIECES))
        drawn = np.full(-(-n // size), size)
        drawn[-1] = n - size * (len(drawn) - 1)
        self._walk(0, len(self.programs), drawn, seed)

    def path(self, stage: int, place: np.ndarray) -> tuple[int, ...]:
        """Return the choices that lead to a place of a stage."""
        first = min(stage, len(self.levels) - 1)
        node, before = int(place[0]), []
        for level in range(first, 0, -1):
            nodes = self.levels[level]
            before.append(int(nodes.choice[node]))
            node = int(nodes.row[node])
        return (*reversed(before), *place[1 : 2 + stage - first].tolist())

    def _pays(self, stage: int) -> bool:
        """Whether merging the states behind a stage is faster than walking through all of them."""
        behind = prod(p.choices for p in self.programs[stage + 1 :])
        if self.axes > 1 or stage == len(self.programs) - 1:
            return False
        edges, merged = len(self.levels[stage].live) * self.programs[stage].choices, 0.0
        if edges > FEW and stage:
            merged = len(self.levels[stage].live) / (
                len(self.levels[stage - 1].live) * self.programs[stage - 1].choices
            )
        return behind * (1 - merged) >= MERGE_PAYS

    # judging ---------------------------------------------------------------------------------------------------------

    def _walk(self, stage: int, until: int, drawn: np.ndarray = _NOTHING, seed: int = 0) -> None:
        """Judge the maps of stages stage … until - 1 behind the level before them."""
        nodes, pool = self.levels[stage], self.pool
        group = _groups(nodes)
        first = group[:-1]
        choices = [p.choices for p in self.programs[stage:until]]
        split, per_group = self._split(len(first), choices) if not len(drawn) else (0, len(drawn))
        jump, extent, pixels, shared, start, _, _, words, _ = pool.columns
        exact = nodes.exact[first]
        sources = np.stack([c[exact] for c in (extent, pixels, jump, shared)], axis=-1)
        sources, starts = (np.repeat(c[:, None], self.axes, axis=1) for c in (sources, start[exact]))
        maps = sum(prod(choices[: i + 1]) for i in range(len(choices)))
        done = np.concatenate([[0], np.cumsum(np.repeat(np.diff(group) * (maps / per_group), per_group))])
        if len(drawn):
            done = np.concatenate([[0], np.cumsum(drawn * float(len(choices)))])
        self.evaluated += round(done[-1])
        given = (
            sources, starts, words, group, nodes.live[first].astype(np.int64), nodes.state, nodes.flags, nodes.weight,
            *self.flat.behind(stage, until), self.width, self.power, split, per_group,
        )  # fmt: skip
        tables = (self.errors.table, self.errors.worst, self.errors.place)
        walk: Any = errors.walk
        tasks = len(tables[0])
        low, n = 0, len(done) - 1
        with ThreadPoolExecutor(thread_count()) as threads:
            while low < n:
                high = int(np.searchsorted(done, done[low] + CALL, "right")) - 1
                high = min(n, max(high, low + tasks))
                done_by = [
                    threads.submit(
                        walk, *(i, tasks, *given, low, high, drawn, np.uint64(seed), *(t[i] for t in tables))
                    )
                    for i in range(tasks)
                ]
                for task in done_by:
                    task.result()
                low = high
                self._tell(stage, until, done[high] / done[-1])

    def _split(self, groups: int, choices: list[int]) -> tuple[int, int]:
        """Return how many stages are cut into pieces, and the pieces of a group."""
        split, pieces, rest = 0, 1, prod(choices)
        while split < len(choices) - 1 and (groups * pieces < PIECES or rest > CALL):
            pieces *= choices[split]
            rest //= choices[split]
            split += 1
        return split, pieces

    def _tell(self, stage: int, until: int, share: float) -> None:
        if self.progress:
            sizes = self.space.stage_sizes
            part = (sum(sizes[:stage]) + sum(sizes[stage:until]) * share) / sum(sizes)
            self.progress(int(part * 10_000), 10_000)

    # merging ---------------------------------------------------------------------------------------------------------

    def _next(self, stage: int) -> Nodes | None:
        """Return the level behind a stage; None where it would take too much."""
        nodes, program = self.levels[stage], self.programs[stage]
        joined = Joined(self.counts)
        c = program.choices
        per_call = max(1, EDGES // c)
        for low in range(0, len(nodes.live), per_call):
            part = Nodes(*(column[low : low + per_call] for column in nodes))
            sources, live, source = _distinct(part.exact, part.live, program)
            ends = self._ends(sources, live, program)
            if ends is None:
                return None
            state, flags = self._advanced(stage, part, source, ends)
            row, choice = np.divmod(np.arange(low * c, low * c + len(state)), c)
            after = program.next_live[part.live].reshape(-1).astype(np.int32)
            weight = np.repeat(part.weight, c)
            joined.add(Nodes(ends[source].reshape(-1), after, state, flags, weight, row, choice))
            if joined.used > MAX_NODES:
                return None
        return joined.nodes()

    def _ends(self, state: np.ndarray, live: np.ndarray, program: Program) -> np.ndarray | None:
        """Return exact states by source and choice; None where the memory is short."""
        variants = program.variant[live]
        out = np.empty((len(state), program.choices), np.int32)
        for v in np.unique(variants):
            at = np.flatnonzero(variants == v)
            trie: Trie = program.tries[v][0]
            ends = self.pool.expand(state[at], trie, self.memory // 8)
            if ends is None:
                return None
            out[at] = ends[trie.leaf].T
        return out

    def _advanced(
        self, stage: int, nodes: Nodes, source: np.ndarray, ends: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return states and flags of the formulas behind every edge."""
        program, n = self.programs[stage], len(nodes.live)
        jump, extent, pixels, shared, *_ = self.pool.columns
        state, flags = np.empty((n, program.choices, 4)), np.empty((n, program.choices, 1), np.int64)
        advance: Any = errors.advance_edges
        with threads_for(64 * n * program.choices):
            advance(
                nodes.state, nodes.flags, extent[nodes.exact], jump[nodes.exact], program.variant[nodes.live], source,
                self.flat.lines[stage], self.flat.chains, self.flat.layers, program.choices, self.power,
                pixels[ends], shared[ends], state, flags,
            )  # fmt: skip
        return state.reshape(-1, 4), flags.reshape(-1, 1)


def thread_count() -> int:
    """Return the threads that walk side by side."""
    return int(numba.get_num_threads())


def _groups(nodes: Nodes) -> np.ndarray:
    """Return where the nodes of each exact state and live value begin, at most MEMBERS together."""
    n = len(nodes.live)
    new = np.ones(n, bool)
    new[1:] = (nodes.exact[1:] != nodes.exact[:-1]) | (nodes.live[1:] != nodes.live[:-1])
    start = np.maximum.accumulate(np.where(new, np.arange(n), 0))
    return np.append(np.flatnonzero((np.arange(n) - start) % MEMBERS == 0), n)


def _distinct(exact: np.ndarray, live: np.ndarray, program: Program) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the distinct exact states and live values that edges start from, and which of them each row has."""
    keys = exact.astype(np.int64) * len(program.tries) + program.variant[live]
    _, first, source = np.unique(keys, return_index=True, return_inverse=True)
    return exact[first], live[first], source


class Joined:
    """Nodes of a level that is being made."""

    def __init__(self, counts: Any) -> None:
        types = (np.int32, np.int32, np.float64, np.int64, counts, np.int64, np.int64)
        shapes: tuple[tuple[int, ...], ...] = ((), (), (4,), (1,), (), (), ())
        self.columns = [np.empty((1024, *shape), t) for shape, t in zip(shapes, types, strict=True)]
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
        flat = flags.reshape(-1)
        if 2 * need > len(self.table):
            rehash: Any = joins.rehash
            self.table = rehash(exact, live, state, flat, self.used, 1 << (4 * need).bit_length())
        self.used = joins.join(
            edges.exact, edges.live, edges.state, edges.flags.reshape(-1), edges.weight, edges.row, edges.choice,
            self.used, self.table, exact, live, state, flat, weight, row, choice,
        )  # fmt: skip

    def nodes(self) -> Nodes:
        """Return the nodes, those of one exact state and live value side by side."""
        exact, live = (column[: self.used] for column in self.columns[:2])
        order = np.lexsort((live, exact))
        return Nodes(*(column[order] for column in self.columns))
