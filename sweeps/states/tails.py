"""What the choices of some stages do to a set, worked out before there is a set: windows in any order are one.

A layer after a state of jump J unites copies of its set, a gap apart that is its dilation times the jump that it meets:
the set becomes X ⊕ {0, g, ..., (k-1)·g}. Sums of sets commute, so that what some stages make of X depends on the pairs
(g, k) of all their layers and not on their order, and what it shares with itself on the product of their strides.
Of 729 ways through three stages of 9 choices 479 differ, without one set being compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from rfscale.sweeps.kernels import lanes
from rfscale.sweeps.machine import in_threads
from rfscale.sweeps.states.compile import Program, Trie

KERNEL_BITS = 31  # a window is gap << KERNEL_BITS | kernel
_KERNEL = (1 << KERNEL_BITS) - 1

Windows = tuple[int, ...]


class Tails(NamedTuple):
    """Ways through some stages, for each of some live values.

    Attributes
    ----------
    first : int64 array (live values + 1,)
        Where the steps of each live value begin.
    steps : int64 array (n + 1, 4)
        A walk through the different sets, each made of the last one of one window less: number of windows, the kernel
        and the gap of the last one, in jumps of the state; and where its `ends` begin.
    ends : int64 array (m + 1, 2)
        Choices end in a set at one of several jumps: the jump, in jumps of the state, and where their `places` begin.
    places : int64 array (live values * choices,)
        Numbers of choices, the last stage's fastest.
    growth, stride : int64 arrays (live values, choices)
        What the extent grows by, and the jump is multiplied by, in jumps of the state.
    """

    first: np.ndarray
    steps: np.ndarray
    ends: np.ndarray
    places: np.ndarray
    growth: np.ndarray
    stride: np.ndarray


class Rows(NamedTuple):
    """A figure after all choices of some stages: a row for each node, or the row of each where nodes share them."""

    table: np.ndarray
    row: np.ndarray | None = None

    def by_node(self) -> np.ndarray:
        """Return the table with a row for every node."""
        return self.table if self.row is None else self.table.take(self.row, axis=0)


class Ways(NamedTuple):
    """All ways through some stages from a live value.

    Attributes
    ----------
    states : list
        Windows and jump, in jumps of the state, of all that differ.
    number : int64 array
        Which of them each way is, the last stage's choices fastest.
    live : int64 array
        Live value after each way.
    """

    states: list[tuple[Windows, int]]
    number: np.ndarray
    live: np.ndarray


def tails_of(
    programs: Sequence[Program], axis: int, lives: Sequence[int], known: dict[int, list[Ways]] | None = None
) -> Tails:
    """Return the ways through some stages from each of some live values.

    `known` has, by live value, the ways through the first of these stages, through the first two, and so on, as far as
    they have been followed before; it is completed.

    Examples
    --------
    >>> import rfscale as rf
    >>> from rfscale.sweeps.states.compile import compile_space
    >>> stages = [{"name": name, "kernel": 2, "dilation": [3, 5]} for name in "ab"]
    >>> found = tails_of(compile_space(rf.Space.from_dict({"stages": stages})), 0, [0])
    >>> len(found.ends) - 1, found.places.tolist(), found.growth.tolist()
    (3, [0, 1, 2, 3], [[6, 8, 8, 10]])
    """
    first, steps, ends, places = [0], list[tuple[int, int, int, int]](), list[tuple[int, int]](), list[np.ndarray]()
    growth, stride = [], []
    known = {} if known is None else known
    for live in lives:
        states, number, _ = _followed(programs, axis, known.setdefault(live, [_no_way(live)]))
        n, offset = len(states), len(places) * len(number)
        order = sorted(range(n), key=states.__getitem__)  # a walk: after a set come those that begin with its windows
        rank = np.empty(n, np.int64)
        rank[order] = np.arange(n)
        ranks = rank[number]
        begin = (np.cumsum(np.bincount(ranks, minlength=n)[:-1]) + offset).tolist()
        begin.insert(0, offset)
        path: Windows = ()
        grown, reach = [0] * n, [0]  # of a state, and of the path after each of its windows
        steps.append((0, 1, 0, len(ends)))
        for i, at in enumerate(order):
            windows, jump = states[at]
            if windows != path:
                kept = 0
                while kept < len(path) and path[kept] == windows[kept]:
                    kept += 1
                del reach[kept + 1 :]
                for depth in range(kept, len(windows)):
                    gap, kernel = windows[depth] >> KERNEL_BITS, windows[depth] & _KERNEL
                    steps.append((depth + 1, kernel, gap, len(ends)))
                    reach.append(reach[depth] + gap * (kernel - 1))
                path = windows
            grown[at] = reach[-1]
            ends.append((jump, begin[i]))
        first.append(len(steps))
        places.append(np.argsort(ranks.astype(np.uint16) if n < 1 << 16 else ranks, kind="stable"))  # by radix
        growth.append(np.array(grown, np.int64)[number])
        stride.append(np.array([jump for _, jump in states], np.int64)[number])
    steps.append((0, 1, 0, len(ends)))
    ends.append((1, len(places) * len(places[0])))
    return Tails(
        np.array(first, np.int64),
        np.array(steps, np.int64),
        np.array(ends, np.int64),
        np.concatenate(places),
        np.array(growth),
        np.array(stride),
    )


def _no_way(live: int) -> Ways:
    return Ways([((), 1)], np.zeros(1, np.int64), np.array([live], np.int64))


def _followed(programs: Sequence[Program], axis: int, known: list[Ways]) -> Ways:
    """Ways through all of some stages; `known[i]` are those through the first i, as far as they are known."""
    for program in programs[len(known) - 1 :]:
        states, number, alive = known[-1]
        variants = program.variant[alive]
        pairs, row = np.unique(number * program.variants + variants, return_inverse=True)
        choices = {int(v): _choices(program.tries[v][axis]) for v in np.unique(variants)}
        found: dict[tuple[Windows, int], int] = {}
        scaled: dict[tuple[int, int], list[tuple[Windows, int]]] = {}
        table = []
        for pair in pairs.tolist():
            at, variant = divmod(pair, program.variants)
            windows, jump = states[at]
            if (variant, jump) not in scaled:
                scaled[variant, jump] = [(_scaled(more, jump), stride * jump) for more, stride in choices[variant]]
            for more, after in scaled[variant, jump]:
                table.append(found.setdefault((tuple(sorted(windows + more)), after), len(found)))
        number = np.array(table, np.int64).reshape(len(pairs), -1)[row].reshape(-1)
        known.append(Ways(list(found), number, program.next_live[alive].reshape(-1)))
    return known[len(programs)]


def _scaled(windows: Windows, jump: int) -> Windows:
    """Windows of so many times the gap."""
    return tuple([((w >> KERNEL_BITS) * jump << KERNEL_BITS) | (w & _KERNEL) for w in windows])


def _choices(trie: Trie) -> list[tuple[Windows, int]]:
    """Windows and stride of every choice of a trie."""
    at: list[tuple[Windows, int]] = [((), 1)]
    for parent, kernel, stride, dilation in zip(*(column.tolist() for column in trie[:4]), strict=True):
        windows, jump = at[parent]
        own = (((dilation * jump) << KERNEL_BITS) | kernel,) if kernel > 1 else ()
        at.append((windows + own, jump * stride))
    return [at[node] for node in trie.leaf.tolist()]


class TailNodes:
    """The nodes of a level, as tails from it need them: made once for the tails of all lengths.

    Parameters
    ----------
    live : int array (nodes,)
        Which live value of the tails each node has.
    state : int32 array (nodes,)
    columns : tuple of arrays
        Jump, extent, start and words of the pool.
    """

    def __init__(self, live: np.ndarray, state: np.ndarray, columns: tuple[np.ndarray, ...]) -> None:
        jump, extent, start, _ = columns
        self.live, self.state, self.columns = live, state, columns
        self.jump, self.extent = jump[state], extent[state]
        self.order, self.groups = alike(live, self.jump, start[state] < 0, self.extent)
        self.by_jump, self.by_hull = distinct(live, self.jump), distinct(live, self.jump, self.extent)
        self.ways: dict[int, list[Ways]] = {}  # by live value

    def hull_rows(self, tails: Tails) -> dict[str, Rows]:
        """Return extent and jump after all choices of some stages: nodes of one hull share a row."""
        first, row = self.by_jump
        out = {"jump": Rows(self._times_jump(tails.stride, first), row)}
        first, row = self.by_hull
        table = self._times_jump(tails.growth, first)
        table += self.extent[first].astype(np.int32)[:, None]
        return {"extent": Rows(table, row), **out}

    def _times_jump(self, ways: np.ndarray, nodes: np.ndarray) -> np.ndarray:
        """Numbers by live value and choice, times the jumps of some nodes: they are known to fit int32."""
        jump, numbers = self.jump[nodes].astype(np.int32)[:, None], ways.astype(np.int32)
        return jump * (numbers if len(numbers) == 1 else numbers[self.live[nodes]])


class TailFigures:
    """Figures after all choices of some stages, of every node of the level before them, side by side.

    Parameters
    ----------
    tails : Tails
    nodes : TailNodes
    width : int
        Words of the widest set.
    """

    def __init__(self, tails: Tails, nodes: TailNodes, width: int) -> None:
        self.choices, self._nodes = tails.growth.shape[1], len(nodes.state)
        order, groups = nodes.order, nodes.groups
        tail = nodes.live[order[groups[:-1]]]
        self._given = (*nodes.columns, groups, tail, nodes.state[order], order)
        self._ways = (*tails[:4], width)
        self.hulls = nodes.hull_rows(tails)

    def suits(self, nodes: np.ndarray, begin: int, end: int) -> bool:
        """Whether all ways from some nodes are wanted, in so many places that all nodes are worked out for them."""
        return begin == 0 and end == len(nodes) * self.choices and len(nodes) >= self._nodes

    def write(self, nodes: np.ndarray, pixels: np.ndarray, shared: np.ndarray) -> None:
        """Write pixels and shared after all choices, the last stage's fastest, of some nodes: a row for each."""
        counts = np.bincount(nodes, minlength=self._nodes)
        begin = np.concatenate([[0], np.cumsum(counts)])
        rows = np.argsort(nodes.astype(np.uint16) if self._nodes < 1 << 16 else nodes, kind="stable").astype(np.int32)
        kernel: Any = lanes.rows_after
        given, ways = (*self._given, begin, rows), self._ways
        out = pixels.reshape(-1, self.choices), shared.reshape(-1, self.choices)
        groups = len(self._given[4]) - 1
        numbers = self.choices * max(len(nodes), self._nodes) // groups + 1
        in_threads(lambda low, high: kernel(*given, *ways, low, high, *out), 0, groups, numbers)

    def rows(self) -> dict[str, Rows]:
        """Return the rows of all figures, by node."""
        pixels, shared = out = np.empty((2, self._nodes, self.choices), np.int32)
        self.write(np.arange(self._nodes), *out)
        return {"pixels": Rows(pixels), "shared": Rows(shared), **self.hulls}


def distinct(*columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where each of the different rows of some columns is first, and which of them each row is."""
    number, count = np.zeros(len(columns[0]), np.int64), 1
    for column in columns:
        ranks, values = _ranks(column)
        number = number * values + ranks
        number, count = _ranks(number) if count * values > len(number) else (number, count * values)
    number, count = _ranks(number)
    first = np.empty(count, np.int64)
    first[number[::-1]] = np.arange(len(number) - 1, -1, -1)
    return first, number.astype(np.int32)


def _ranks(column: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the rank of each number among the different ones, and how many these are.

    Not sorted where they lie close together: nodes are made ready in 0.4 of the time.
    """
    low, high = int(column.min()), int(column.max())
    if low == high:
        return np.zeros(len(column), np.int64), 1
    if high - low > 4 * len(column):
        values, ranks = np.unique(column, return_inverse=True)
        return ranks, len(values)
    place = column.astype(np.int64) - low
    found = np.zeros(high - low + 1, np.int64)
    found[place] = 1
    ranks = np.cumsum(found)
    return ranks[place] - 1, int(ranks[-1])


def alike(live: np.ndarray, jump: np.ndarray, solid: np.ndarray, extent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes in an order in which those alike stand together, and where groups begin in it.

    Alike are live value, jump, and whether a set is solid; a group is at most LANES of one kind. Words of a
    set only make neighbours of those of as many.
    """
    first, kind = distinct(live, jump, solid)
    words = (extent + 63) >> 6
    most = int(words.max()) + 1
    key = kind.astype(np.int64) * most + words
    order = np.argsort(key.astype(np.uint16) if len(first) * most < 1 << 16 else key, kind="stable")  # by radix
    ends = np.cumsum(np.bincount(kind, minlength=len(first))).tolist()
    parts = [np.arange(a, b, lanes.LANES) for a, b in pairwise([0, *ends])]
    return order.astype(np.int32), np.append(np.concatenate(parts), len(order))
