"""Random samples of a space for `sweeps.validate`: chains drawn uniformly; those that meet in a state go on as one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from sweeps.states.blocks import MEMORY
from sweeps.states.programs import Program, Trie
from sweeps.validation.states import EDGES, Joined, Nodes, Progress, Tables, Walk

if TYPE_CHECKING:
    from sweeps.spaces.space import Space

BATCH = 1 << 20  # chains that are drawn at a time


class RandomWalk(Walk):
    """The pass over chains that are drawn uniformly, with replacement; run `stages` once for each batch.

    A chain draws a choice at every stage, all alike; chains at one node are counted, not listed.
    """

    def __init__(
        self, space: Space, random: int, seed: int, memory: int = MEMORY, progress: Progress | None = None
    ) -> None:
        super().__init__(space, memory, progress)
        self.counts = np.int64
        self.random = random
        self.draw = np.random.default_rng(seed)
        self.root = self.levels[0]
        self.drawn = 0

    def batches(self) -> Iterator[Iterator[Tables]]:
        """Yield the stages of one batch after another."""
        while self.drawn < self.random:
            n = min(BATCH, self.random - self.drawn)
            if self.graph.pool.used[1] > self.memory // 32:  # much of the memory: forget the states
                self.fresh_graph()
            self.levels = [self.root._replace(weight=np.array([n], np.int64))]
            yield self._batch()
            self.drawn += n

    def _batch(self) -> Iterator[Tables]:
        for stage, program in enumerate(self.programs):
            tables = self._tables(stage)
            self._sampled(stage, program, tables)
            yield self._reduced(stage, tables)
            if self.progress:
                share = (self.drawn + (stage + 1) / len(self.programs) * self.levels[0].weight[0]) / self.random
                self.progress(int(share * 10_000), 10_000)

    def _sampled(self, stage: int, program: Program, tables: list[np.ndarray]) -> None:
        """Draw the edges of a stage, evaluate them, and make the level behind them."""
        nodes, c = self.levels[stage], program.choices
        drawn = np.repeat(np.arange(len(nodes.live)), nodes.weight) * c
        drawn += self.draw.integers(c, size=len(drawn))
        if len(nodes.live) * c <= 4 * len(drawn):
            counts = np.bincount(drawn, minlength=len(nodes.live) * c)
            edges = np.flatnonzero(counts)
            counts = counts[edges]
        else:
            edges, counts = np.unique(drawn, return_counts=True)
        rows = self._rows(nodes)
        joined = Joined(self.counts)
        for low in range(0, len(edges), EDGES):
            picked, weight = edges[low : low + EDGES], counts[low : low + EDGES]
            row, choice = np.divmod(picked, c)
            ends = self._picked_ends(nodes.exact[row], nodes.live[row], choice, program)
            exact = list(self._figures(ends))
            state, flags = self._call(stage, rows, exact, _NO_SOURCE, 0, tables, True, picked, weight)
            live = program.next_live[nodes.live[row], choice].astype(np.int32)
            joined.add(Nodes(ends, live, state, flags, weight, row, choice))
        self.levels.append(joined.nodes())

    def _picked_ends(self, exact: np.ndarray, live: np.ndarray, choice: np.ndarray, program: Program) -> np.ndarray:
        """Return the exact state behind each edge."""
        out = np.empty(len(exact), np.int32)
        keys = program.variant[live] * program.choices + choice
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
        for at in np.split(order, starts[1:]):
            v, c = divmod(int(keys[at[0]]), program.choices)
            sources, back = np.unique(exact[at], return_inverse=True)
            out[at] = self._behind(sources, _one_choice(program.tries[v][0], c))[back]
        return out

    def _behind(self, sources: np.ndarray, trie: Trie) -> np.ndarray:
        ends = self.graph.pool.expand(sources, trie, self.memory // 8)
        if ends is None:
            from engine.errors import InputError

            raise InputError("the states of one batch of random chains do not fit the memory; give more `memory`")
        return ends[-1]


_NO_SOURCE = np.zeros(1, np.int64)


def _one_choice(trie: Trie, choice: int) -> Trie:
    """Return the layers of one choice alone."""
    path = []
    node = int(trie.leaf[choice])
    while node:
        path.append(node - 1)
        node = int(trie.parent[node - 1])
    path.reverse()
    parent = np.arange(len(path))
    return Trie(parent, trie.kernel[path], trie.stride[path], trie.dilation[path], np.array([len(path)]))
