"""The nodes of a cell of many choices, one after another: what each may read, and with which ops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.spaces.graphs.cell import Cell
from rfscale.sweeps.spaces.graphs.wiring import ChainLayer, PerAxis, Wirer, on_axes
from rfscale.sweeps.states.cells.maps import Hulls, Sets, Terms
from rfscale.sweeps.states.effects import Effects, Placed, Reach, Term, apart, by_axis, is_within

MAX_PATHS = 1 << 10  # different sets, or products of one for each axis, that the paths from one input can be


class Step(NamedTuple):
    """A node: which others it may read together, and the ops of each edge.

    Attributes
    ----------
    name : str
    subsets : tuple of tuple of str
    ops : tuple of tuple of str
        Of the first edge, the second, ...
    factors : tuple of (str, int)
        Name without its beginning, and size, of the factor of the subset and those of the ops; "" where there is none.
    alike : bool
        Whether all edges have the same ops, so that it does not matter which comes first.
    """

    name: str
    subsets: tuple[tuple[str, ...], ...]
    ops: tuple[tuple[str, ...], ...]
    factors: tuple[tuple[str, int], ...]
    alike: bool


def steps_of_cell(cell: Cell) -> list[Step]:
    """Return the nodes of a cell that it needs, each after those that it reads."""
    made: dict[str, Step] = {}
    for pick in cell.picks:
        n = len(pick.subsets[0])
        own = [(f"{pick.name}_op{i + 1}" if pick.chosen else "", len(pick.ops)) for i in range(n)]
        factors = ((f"{pick.name}_inputs", len(pick.subsets)), *own)
        made[pick.name] = Step(pick.name, pick.subsets, (pick.ops,) * n, factors, True)
    for name in () if cell.picks else cell.order:
        edges = [e for e in cell.edges if e.to == name]
        if edges:
            factors = (("", 1), *((e.factor or "", len(e.ops)) for e in edges))
            made[name] = Step(name, (tuple(e.source for e in edges),), tuple(e.ops for e in edges), factors, False)
    needed = set(cell.output)
    for name in reversed(cell.order):
        if name in needed and name in made:
            needed.update(source for subset in made[name].subsets for source in subset)
    return [made[name] for name in cell.order if name in made and name in needed]


Prices = Mapping[str, tuple[tuple[int, ...], ...]]  # costs of each op: on an edge from each input, and from a node


class Alternatives(NamedTuple):
    """What a node may be, given its sources: rows of source × op class, how many choices each is, and its costs."""

    slots: np.ndarray  # int64 (alternatives, edges)
    times: np.ndarray  # int64 (alternatives,)
    costs: np.ndarray  # int64 (alternatives, costs)


class Ops:
    """The ops of a cell as sets of paths, those that are alike in one class.

    `paths` has, for each class, its sets on an edge from an input and on one from a node; `costs`, int64 array (inputs
    + 1, classes, costs), what it costs on an edge from each input and from a node.
    """

    def __init__(
        self,
        stage: str,
        cell: Cell,
        layers: Callable[[Mapping[str, Any]], Sequence[ChainLayer]],
        algebra: Sets,
        prices: Prices | None = None,
    ) -> None:
        self.paths: list[tuple[Terms, Terms]] = []
        self.of: dict[str, int] = {}
        self._inputs = len(cell.inputs)
        costs: list[tuple[tuple[int, ...], ...]] = []
        known: dict[Any, int] = {}
        reaches: list[tuple[Reach, Reach]] = []
        for name in cell.op_names():
            both = tuple(_reach(stage, cell, layers, name, stride, algebra.differing) for stride in (cell.stride, 1))
            price = prices[name] if prices is not None else ((),) * (self._inputs + 1)
            key = (algebra.terms(both[0].terms), algebra.terms(both[1].terms), price)
            if key not in known:
                known[key] = len(known)
                self.paths.append(key[:2])
                costs.append(price)
            self.of[name] = known[key]
            reaches.append((both[0], both[1]))
        self.costs = np.array(costs, np.int64).reshape(len(costs), self._inputs + 1, -1).transpose(1, 0, 2)
        self._check(stage, cell, reaches, algebra.differing)

    def _check(self, stage: str, cell: Cell, reaches: Sequence[tuple[Reach, Reach]], axes: int) -> None:
        """Refuse ops that do not fit where they meet."""
        none = (0,) * axes
        for i, expected in ((0, on_axes(cell.stride, axes)), (1, (1,) * axes)):
            for name, reach in zip(cell.op_names(), reaches, strict=True):
                if reach[i].terms and reach[i].stride != expected:
                    raise InputError(
                        f"stage {stage!r}: paths that meet in cell {cell.name!r} have strides "
                        f"{by_axis(reach[i].stride)} (op {name!r}) and {by_axis(expected)}; they need one stride"
                    )
            centres = [reach[i].centre for reach in reaches if reach[i].terms]
            if cell.aligned and set(centres) - {none}:
                furthest = [max(map(abs, on_axis)) for on_axis in zip(*centres, strict=True)]
                raise InputError(
                    f"stage {stage!r}: the ops of cell {cell.name!r} have centres up to "
                    f"{apart(furthest, none)} entries apart",
                    remedy="use odd kernels, or say that it is meant with aligned: false",
                )

    def alternatives(self, step: Step, sources: Sequence[str]) -> Alternatives:
        """Return what a node may be, `sources` being the columns."""
        n, column = len(self.paths), {name: i for i, name in enumerate(sources)}
        weights: list[list[tuple[int, int]]] = []
        for names in step.ops:
            classes = [self.of[name] for name in names]
            weights.append([(c, classes.count(c)) for c in dict.fromkeys(classes)])
        slots, times = [], []
        for subset in step.subsets:
            for chosen in product(*weights):
                slots.append([column[s] * n + c for s, (c, _) in zip(subset, chosen, strict=True)])
                times.append(prod(many for _, many in chosen))
        found = np.array(slots, np.int64).reshape(len(slots), -1)
        source, kind = np.divmod(found, max(1, n))
        costs = self.costs[np.minimum(source, self._inputs), kind].sum(axis=1)
        return Alternatives(found, np.array(times, np.int64), costs)


def _reach(
    stage: str,
    cell: Cell,
    layers: Callable[[Mapping[str, Any]], Sequence[ChainLayer]],
    op: str,
    stride: PerAxis,
    axes: int,
) -> Reach:
    wirer = Wirer(stage, layers, {})
    return Effects(stage, axes).reach(wirer.wiring(cell.op(wirer, op, 0, stride)))


class Universe:
    """The sets that paths from an input to a node can be, and what an op makes of each: bits of masks.

    Where axes differ, a set is a product of one for each axis. Of hulls, it is an end of one, with its place: 2a is the
    first entry on axis a, 2a + 1 the last one.

    Bit i of a mask stands for set i of the paths from the first input, bit `size` + i for that from the second one, ...
    A mask holds all sets that one of its terms contains.
    """

    def __init__(self, stage: str, cell: Cell, ops: Ops, depth: int, algebra: Sets) -> None:
        self.hulls, self.inputs, axes = isinstance(algebra, Hulls), len(cell.inputs), algebra.axes
        stride, one = algebra.steps(cell.stride), (1,) * axes
        start: list[Any] = [(end, 0) for end in range(2 * axes)] if self.hulls else [((0, 1),) * axes]
        self._index: dict[Any, int] = {}
        level = {self._plus(x, path, one) for x in start for outer, _ in ops.paths for path in outer}
        found = dict.fromkeys(sorted(level))
        for _ in range(depth - 1):
            level = {self._plus(x, path, stride) for x in level for _, inner in ops.paths for path in inner}
            level -= set(found)
            found |= dict.fromkeys(sorted(level))
            if len(found) > MAX_PATHS or not level:
                break
        self.sets = list(found)
        if len(self.sets) > MAX_PATHS:
            raise InputError(
                f"stage {stage!r}: the paths of cell {cell.name!r} are more than {MAX_PATHS} different sets on an axis",
                remedy="give fewer ops or nodes",
            )
        self._index = {x: i for i, x in enumerate(self.sets)}
        self.size = len(self.sets)
        # entries between neighbouring ones of a set, on each axis: runs of so many pixels times the jump join
        self.widest_gap = one
        if not self.hulls and self.sets:
            self.widest_gap = tuple(
                max(_widest_gap(bits) for bits in {bits for _, bits in on_axis})
                for on_axis in zip(*self.sets, strict=True)
            )
        self._masks = _Masks(self.inputs, self.size)
        self.words = self._masks.words
        contains = np.array([[self._contains(x, y) for y in self.sets] for x in self.sets], bool)
        contains = contains.reshape(self.size, self.size)
        self._down = contains
        self.fixed = np.zeros((self.inputs, len(ops.paths), self.words), np.uint64)
        for o, (outer, _) in enumerate(ops.paths):
            row = np.zeros(self.size, bool)
            for x in start:
                for path in outer:
                    row |= contains[self._index[self._plus(x, path, one)]]
            for i in range(self.inputs):
                bits = np.zeros((1, self.inputs, self.size), bool)
                bits[0, i] = row
                self.fixed[i, o] = self._masks.packed(bits)[0]
        self._stride = stride
        self._tables = [self._table(inner) for _, inner in ops.paths]

    @property
    def ends(self) -> tuple[int, int]:
        """First and last entry of any path on any axis, of a universe of hulls."""
        return min((v for end, v in self.sets if not end & 1), default=0), max(
            (v for end, v in self.sets if end & 1), default=0
        )

    def _plus(self, x: Any, path: Term, step: tuple[int, ...]) -> Any:
        if self.hulls:
            axis, side = divmod(x[0], 2)
            return x[0], x[1] + step[axis] * path[axis][side]
        return tuple([_sum(own, taps, s) for own, taps, s in zip(x, path, step, strict=True)])

    def _contains(self, x: Any, y: Any) -> bool:
        if self.hulls:
            return x[0] == y[0] and (x[1] >= y[1] if x[0] & 1 else x[1] <= y[1])
        return is_within(y, x)

    def _table(self, inner: Terms) -> np.ndarray:
        """Mask of what an op makes of each bit; no op follows the longest paths."""
        out = np.zeros((self.size, self.size), bool)
        for i, x in enumerate(self.sets):
            for path in inner:
                made = self._index.get(self._plus(x, path, self._stride))
                if made is not None:
                    out[i] |= self._down[made]
        rows = np.zeros((64 * self.words, self.words), np.uint64)
        for source in range(self.inputs):
            bits = np.zeros((self.size, self.inputs, self.size), bool)
            bits[:, source] = out
            rows[source * self.size : (source + 1) * self.size] = self._masks.packed(bits)
        return rows

    def moved(self, masks: np.ndarray) -> np.ndarray:
        """Return what every op makes of masks: uint64 array (masks, ops, words)."""
        return np.stack([_through(masks, table) for table in self._tables], axis=1)

    def moved_by(self, masks: np.ndarray, op: int) -> np.ndarray:
        """Return what one op makes of masks: uint64 array (masks, words)."""
        return _through(masks, self._tables[op])

    def widened(
        self, masks: np.ndarray, jump: tuple[int, ...], width: tuple[int, ...]
    ) -> tuple[np.ndarray, Callable[[np.ndarray], list[tuple[Terms, ...]]]]:
        """Return masks of what sets make of a run of some width at some jump, and what gives their terms by input.

        Each set stands for all that make the same. Jump and width are by axis, as sets are.
        """
        images = list(self.sets)
        if not self.hulls:
            runs = [(0, (1 << w) - 1) for w in width]
            images = [tuple([_sum(run, own, j) for run, own, j in zip(runs, x, jump, strict=True)]) for x in self.sets]
        first = {image: i for i, image in reversed(list(enumerate(images)))}
        distinct = sorted(first.values())
        contains = np.array([[self._contains(images[i], images[j]) for j in distinct] for i in range(self.size)], bool)
        contains = contains.reshape(self.size, -1)
        coarse = _Masks(self.inputs, len(distinct))
        rows = np.zeros((64 * self.words, coarse.words), np.uint64)
        for source in range(self.inputs):
            bits = np.zeros((self.size, self.inputs, len(distinct)), bool)
            bits[:, source] = contains
            rows[source * self.size : (source + 1) * self.size] = coarse.packed(bits)
        made = _through(masks, rows)
        own = contains[distinct]
        strictly = own & ~own.T

        def terms(found: np.ndarray) -> list[tuple[Terms, ...]]:
            bits = coarse.bits(found)
            held = (bits.astype(np.float32) @ strictly.astype(np.float32)) > 0
            known: dict[bytes, Terms] = {}
            out = []
            for row in bits & ~held:
                pair = []
                for part in row:
                    key = part.tobytes()
                    if key not in known:
                        sets = sorted(self.sets[distinct[i]] for i in np.flatnonzero(part).tolist())
                        known[key] = _hull(sets) if self.hulls and sets else tuple(sets)
                    pair.append(known[key])
                out.append(tuple(pair))
            return out

        return made, terms


class _Masks:
    """Masks over some sets for each input."""

    def __init__(self, inputs: int, size: int) -> None:
        self.inputs, self.size, self.words = inputs, size, (inputs * size + 63) // 64

    def bits(self, masks: np.ndarray) -> np.ndarray:
        """Return masks as bool array (masks, inputs, sets)."""
        flat = np.unpackbits(np.ascontiguousarray(masks).astype("<u8").view(np.uint8), axis=1, bitorder="little")
        return flat[:, : self.inputs * self.size].reshape(len(masks), self.inputs, self.size).astype(bool)

    def packed(self, bits: np.ndarray) -> np.ndarray:
        """Return bool array (masks, inputs, sets) as masks."""
        flat = np.zeros((len(bits), 64 * self.words), np.uint8)
        flat[:, : self.inputs * self.size] = bits.reshape(len(bits), -1)
        return np.packbits(flat, axis=1, bitorder="little").view("<u8").astype(np.uint64)


def _through(masks: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Unite the rows of all bits of masks: eight bits at a time, by a table of what these lead to."""
    bytes_of = np.ascontiguousarray(masks).astype("<u8").view(np.uint8)
    out = np.zeros((len(masks), rows.shape[1]), np.uint64)
    for column in range(bytes_of.shape[1]):
        part = rows[8 * column : 8 * column + 8]
        if not part.any():
            continue
        table = np.zeros((256, rows.shape[1]), np.uint64)
        for bit in range(8):
            table[1 << bit : 2 << bit] = table[: 1 << bit] | part[bit]
        out |= table[bytes_of[:, column]]
    return out


def _widest_gap(bits: int) -> int:
    """Entries between neighbouring ones of a set, at most; 1 where all are neighbours."""
    widest, last = 1, None
    for i in range(bits.bit_length()):
        if bits >> i & 1:
            widest, last = max(widest, 1 if last is None else i - last), i
    return widest


def _sum(x: Placed, path: Placed, step: int) -> Placed:
    """What a path makes of a set on an axis, neighbouring entries being `step` apart."""
    total, left = 0, path[1]
    while left:
        low = left & -left
        total |= x[1] << (low.bit_length() - 1) * step
        left ^= low
    return x[0] + step * path[0], total


def _hull(ends: Sequence[tuple[int, int]]) -> Terms:
    """A hull from its ends, in order."""
    return (tuple([(first, last) for (_, first), (_, last) in zip(ends[::2], ends[1::2], strict=True)]),)


def interchangeable(steps: Sequence[Step], output: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Return for each node what tells it from others: nodes alike in that are read alike by all that follow."""
    out = {}
    for i, step in enumerate(steps):
        readers = []
        for later in steps[i + 1 :]:
            if any(step.name in subset for subset in later.subsets):
                # all subsets of one size of some nodes, with the same ops on every edge: any order is the same
                of = sorted({s for subset in later.subsets for s in subset})
                whole = set(later.subsets) == set(combinations(_ordered(of, later), len(later.subsets[0])))
                readers.append((later.name, (later.alike and whole) or step.name))
        out[step.name] = (tuple(readers), step.name in output)
    return out


def _ordered(names: Sequence[str], step: Step) -> list[str]:
    """Names in the order in which a node's subsets have them."""
    first = list(dict.fromkeys(s for subset in step.subsets for s in subset))
    return [n for n in first if n in names]
