"""All graphs of a bounded number of nodes and edges, with an op on each node, up to isomorphism."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import permutations
from typing import NamedTuple

import numpy as np

from rfscale.engine.errors import InputError

MAX_NODES = 6  # beside input and output: of seven there are billions
MAX_GRAPHS = 1 << 20


class AnyGraphs(NamedTuple):
    """Graphs from one input to one output, every node on a path between them.

    Attributes
    ----------
    labels : tuple of str
        ``"conv3:0 pool3:01 out:12"``: the op of each node and the nodes that it adds, 0 being the input.
    reads : list of uint8 array (graphs, nodes + 1)
        For graphs of 0, 1, ... nodes, in the order of the labels: the nodes that each node, and at last the output,
        reads, as bits; bit 0 is the input.
    ops : list of uint8 array (graphs, nodes)
        Position of each node's op.
    """

    labels: tuple[str, ...]
    reads: list[np.ndarray]
    ops: list[np.ndarray]


@lru_cache(maxsize=4)
def any_graphs(nodes: int, edges: int, ops: tuple[str, ...]) -> AnyGraphs:
    """Return all graphs of at most so many nodes and edges; of isomorphic ones the first.

    Graphs are isomorphic if one becomes the other, ops included, when its nodes are numbered in another order.
    """
    labels: list[str] = []
    reads, chosen = [], []
    for n in range(nodes + 1):
        own_reads, own_ops = [np.zeros((0, n + 1), np.uint8)], [np.zeros((0, n), np.uint8)]
        for row, kept in _classes(n, edges, len(ops)):
            labels += _labels(row, ops, kept)
            own_reads.append(np.broadcast_to(np.array(row, np.uint8), (len(kept), n + 1)))
            own_ops.append(kept)
            if len(labels) > MAX_GRAPHS:
                raise InputError(
                    f"there are more than {MAX_GRAPHS} graphs of at most {nodes} nodes and {edges} edges with "
                    f"{len(ops)} ops",
                    remedy="give fewer nodes, edges or ops",
                )
        reads.append(np.concatenate(own_reads))
        chosen.append(np.concatenate(own_ops))
    return AnyGraphs(tuple(labels), reads, chosen)


def _classes(n: int, edges: int, ops: int) -> Iterator[tuple[list[int], np.ndarray]]:
    """Yield one graph of each class of n nodes, as what each node reads, and the ops that differ on it."""
    graphs = _upper_triangular(n, edges)
    orders = np.array([(0, *inner, n + 1) for inner in permutations(range(1, n + 1))], np.int64)
    codes = _codes(graphs, orders)
    least = codes.min(axis=1)
    first = np.flatnonzero(codes[:, 0] == least)  # the first order is the graph's own
    digits = np.indices((ops,) * n, np.uint8).reshape(n, ops**n).T
    weights = ops ** np.arange(n - 1, -1, -1)
    for i in first.tolist():
        same = orders[codes[i] == least[i], 1:-1] - 1  # its automorphisms
        kept = digits
        if len(same) > 1:
            moved = np.stack([digits @ weights[order] for order in same])
            kept = digits[moved[0] <= moved.min(axis=0)]
        yield graphs[i].tolist(), kept


def _upper_triangular(n: int, edges: int) -> np.ndarray:
    """What each of n nodes and the output reads, as bits, where nodes read earlier ones only."""
    rows, used = np.zeros((1, 0), np.int64), np.zeros(1, np.int64)
    for node in range(1, n + 2):
        some = np.arange(1, 1 << node)
        bits = np.array([int(s).bit_count() for s in some.tolist()])
        rows = np.concatenate([np.repeat(rows, len(some), axis=0), np.tile(some, len(rows))[:, None]], axis=1)
        used = (used[:, None] + bits).reshape(-1)
        fits = used <= edges - (n + 1 - node)  # each later one reads something
        rows, used = rows[fits], used[fits]
    everything = np.bitwise_or.reduce(rows, axis=1) if len(rows) else np.zeros(0, np.int64)
    return rows[everything == (1 << n + 1) - 1]  # every node is read


def _codes(graphs: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """One number for each graph and order of its nodes: its edges as bits; very large where edges lead backwards."""
    size = graphs.shape[1] + 1
    edges = (graphs[:, :, None] >> np.arange(size)) & 1  # (graph, to - 1, from)
    place = np.full((size, size), 2.0**50)
    for to in range(1, size):
        place[to, :to] = 2.0 ** (to * (to - 1) // 2 + np.arange(to))
    weights = place[orders[:, 1:, None], orders[:, None, :]]  # (order, to - 1, from)
    flat = edges.reshape(len(graphs), -1).astype(float)
    return flat @ weights.reshape(len(orders), -1).T


def _labels(reads: Sequence[int], ops: Sequence[str], chosen: np.ndarray) -> list[str]:
    """Labels of one graph with different ops."""
    texts = ["".join(str(i) for i in range(8) if row >> i & 1) for row in reads]
    end = f"out:{texts[-1]}"
    parts = [[f"{op}:{text} " for op in ops] for text in texts[:-1]]
    if parts:
        parts[-1] = [part + end for part in parts[-1]]
    made = ["" if parts else end]
    for part in parts:
        made = [before + own for before in made for own in part]
    if len(chosen) == len(made):
        return made
    places = chosen.astype(np.int64) @ (len(ops) ** np.arange(chosen.shape[1] - 1, -1, -1))
    return [made[i] for i in places.tolist()]
