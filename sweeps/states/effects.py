"""What the layers of a stage do to a footprint: its paths, as products of placed sets of entries, one for each axis.

Where all windows are alike on all axes, one set stands for all. Paths that another contains are left out. Stages of
equal effects are equal operators on every state (docs/theory.md, section 14).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.spaces.graphs.wiring import UNCENTRED, ChainLayer, Node, Wiring, first_tap

MAX_DENSE = 1 << 16  # live values up to which pairs with them are counted in a table of them all

Placed = tuple[int, int]  # first entry, and the entries from it on as bits
Term = tuple[Placed, ...]  # a set on each axis, or one for all


class Effect(NamedTuple):
    """Sets of entries of a stage's input that one entry of its output reads, none contained in another; sorted.

    Attributes
    ----------
    stride : tuple of int
        Of each axis, or one for all.
    terms : tuple of terms, each (offset, bits) of each axis
        `offset` is twice the first entry, counted from the middle of the hull of all terms; bit 0 of `bits` is set.
        Empty where no path leads through.
    """

    stride: tuple[int, ...]
    terms: tuple[Term, ...]

    def extent(self, axis: int = 0) -> int:
        """Entries of the hull."""
        on_axis = [term[axis] for term in self.terms] or [(0, 0)]
        high = max([offset // 2 + bits.bit_length() for offset, bits in on_axis])
        return high - min([offset for offset, _ in on_axis]) // 2

    def growth(self, axis: int = 0) -> tuple[int, int]:
        """Stride, and growth of the extent in jumps of the source."""
        return self.stride[axis], max(0, self.extent(axis) - 1)


class EffectTable(Sequence[tuple[Any, ...]]):
    """Effects per variant and choice, numbered: of cells with many choices and few effects.

    Attributes
    ----------
    effects : tuple
        Those that are different, in order of appearance.
    numbers : int array (variants, choices)
    """

    def __init__(self, effects: Iterable[Any], numbers: np.ndarray) -> None:
        known: dict[Any, int] = {}
        place = np.array([known.setdefault(e, len(known)) for e in effects], np.int64)
        numbers = place[numbers]
        first = np.full(len(known), numbers.size, np.int64)
        first[numbers.reshape(-1)[::-1]] = np.arange(numbers.size - 1, -1, -1)  # the first is written last
        order = np.argsort(first, kind="stable")[: int((first < numbers.size).sum())]
        place = np.zeros(len(known), np.int64)
        place[order] = np.arange(len(order))
        found = list(known)
        self.effects, self.numbers = tuple(found[i] for i in order.tolist()), place[numbers]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, variant: Any) -> Any:
        return tuple(map(self.effects.__getitem__, self.numbers[variant].tolist()))

    def variants(self, rows: np.ndarray) -> EffectTable:
        """Return the table of some variants."""
        return EffectTable(self.effects, self.numbers[rows])

    def with_next(self, variant: int, next_live: np.ndarray, n_live: int) -> list[tuple[Any, int]]:
        """Return the different pairs of an effect and a next live value, of a variant's choices."""
        keys = self.numbers[variant] * n_live + next_live
        found = np.flatnonzero(np.bincount(keys, minlength=1)) if n_live < MAX_DENSE else np.unique(keys)
        return [(self.effects[n // n_live], n % n_live) for n in found.tolist()]


def numbered_rows(effects: Sequence[Sequence[Any]]) -> tuple[dict[Any, int], list[np.ndarray]]:
    """Return the different effects of a stage with their numbers, and the numbers of its choices, by variant."""
    if isinstance(effects, EffectTable):
        return {effect: n for n, effect in enumerate(effects.effects)}, [*effects.numbers]
    number: dict[Any, int] = {}
    return number, [np.array([number.setdefault(e, len(number)) for e in row], np.int64) for row in effects]


def wanted_effects(chosen: Sequence[np.ndarray], effects: int) -> np.ndarray:
    """Return which effects each variant needs, from the numbers of its choices: bool array (variants, effects)."""
    wanted = np.zeros((len(chosen), effects), np.bool_)
    for row, used in zip(wanted, chosen, strict=True):
        row[used] = True
    return wanted


class Reach(NamedTuple):
    """Stride and sets of the paths from what the stage reads to the output of a node, by axis, or one for all."""

    stride: tuple[int, ...]
    terms: frozenset[Term]

    @property
    def centre(self) -> tuple[int, ...]:
        """Twice the middle of the hull."""
        return tuple(
            [
                min([first for first, _ in on_axis]) + max([first + bits.bit_length() - 1 for first, bits in on_axis])
                for on_axis in zip(*self.terms, strict=True)
            ]
        )

    @property
    def on_axis(self) -> list[Placed]:
        """Its sets where one stands for all axes; sorted."""
        return sorted(term for (term,) in self.terms)


def identity(axes: int) -> Reach:
    """Return what an entry reads through no layer, on so many axes that differ."""
    return Reach((1,) * axes, frozenset({((0, 1),) * axes}))


class Effects:
    """Makes the effects of wirings of one stage; what wirings have in common is worked out once.

    Parameters
    ----------
    stage : str
    axes : int
        Those of layers that differ; 1 where all are alike.
    """

    def __init__(self, stage: str, axes: int = 1) -> None:
        self.stage, self.axes = stage, axes
        self._number: dict[tuple[object, ...], int] = {}  # of a layer or merge on numbered inputs
        self._reach: list[Reach] = [identity(axes)]
        self._centre: dict[int, tuple[int, ...]] = {}

    def effect(self, wiring: Wiring) -> Effect:
        """Return the effect of the nodes of a stage."""
        return centred(self.reach(wiring))

    def reach(self, wiring: Wiring) -> Reach:
        """Return the sets of the paths through the nodes of a stage."""
        numbers = [0]
        for node in wiring:
            inputs = tuple([numbers[i] for i in node.inputs])
            key = (*_window(node), *inputs)
            if key not in self._number:
                self._number[key] = len(self._reach)
                self._reach.append(self._after(node, inputs))
            numbers.append(self._number[key])
        return self._reach[numbers[-1]]

    def _after(self, node: Node, inputs: Sequence[int]) -> Reach:
        read = [self._reach[i] for i in inputs]
        if isinstance(node.layer, ChainLayer):
            return advanced(read[0], node.layer)
        if node.layer == "none":
            return Reach((1,) * self.axes, frozenset())
        stride, centres = read[0].stride, [self._centre_of(i) for i in inputs]
        for i in range(1, len(read)):
            if read[i].stride != stride:
                self._refuse(node, i, "strides", (stride, read[i].stride))
            if node.aligned and centres[i] != centres[0]:
                self._refuse(node, i, "centres", (centres[0], centres[i]))
        return Reach(stride, maximal_terms([term for one in read for term in one.terms]))

    def _centre_of(self, number: int) -> tuple[int, ...]:
        if number not in self._centre:
            self._centre[number] = self._reach[number].centre
        return self._centre[number]

    def _refuse(self, node: Node, other: int, what: str, values: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
        ends = [f"{self.stage}.{node.inputs[i]}" if node.inputs[i] else "the stage's input" for i in (0, other)]
        if what == "strides":
            raise InputError(
                f"stage {self.stage!r}: branches that end at {ends[0]} and {ends[1]} have strides "
                f"{by_axis(values[0])} and {by_axis(values[1])}; branches that meet need one stride"
            )
        raise InputError(
            f"stage {self.stage!r}: branches that end at {ends[0]} and {ends[1]} have centres {apart(*values)} entries "
            "apart",
            remedy="use odd kernels in both or even ones in both, or say that the shift is meant with aligned: false",
        )


def by_axis(values: Sequence[int]) -> str:
    """Return a value for each axis as a message has it: one number, or 1x2."""
    return "x".join(map(str, values))


def apart(one: Sequence[int], other: Sequence[int]) -> str:
    """Return how many entries two centres are apart, given as twice the middle on each axis: 0.5, or 0x0.5."""
    return "x".join(f"{abs(a - b) / 2:g}" for a, b in zip(one, other, strict=True))


def _window(node: Node) -> tuple[object, ...]:
    """What an effect depends on of a node, beside its inputs."""
    if not isinstance(node.layer, ChainLayer):
        return (node.layer == "none", node.aligned)
    x = node.layer
    return (x.kernel, x.stride, x.dilation, x.start, x.op in UNCENTRED)


def advanced(reach: Reach, layer: ChainLayer) -> Reach:
    """Return the sets after a layer: each united with itself moved by every tap."""
    axes = range(len(reach.stride))
    shift = [first_tap(layer, a) * reach.stride[a] for a in axes]
    step = [layer.dilation[a] * reach.stride[a] for a in axes]
    terms = {
        tuple([(term[a][0] + shift[a], window(term[a][1], layer.kernel[a], step[a])) for a in axes])
        for term in reach.terms
    }
    return Reach(tuple([reach.stride[a] * layer.stride[a] for a in axes]), maximal_terms(terms))


def window(bits: int, kernel: int, step: int) -> int:
    """Return a set united with itself moved by step, 2·step, ...: `kernel` copies in all."""
    copies = 1
    while copies < kernel:
        more = min(copies, kernel - copies)
        bits |= bits << (more * step)
        copies += more
    return bits


def maximal(terms: Iterable[Placed]) -> frozenset[Placed]:
    """Return the placed sets that no other one contains."""
    kept: list[Placed] = []
    for first, bits in sorted(set(terms), key=lambda term: -term[1].bit_count()):
        if not any(a <= first and not bits << (first - a) & ~other for a, other in kept):
            kept.append((first, bits))
    return frozenset(kept)


def maximal_terms(terms: Iterable[Term]) -> frozenset[Term]:
    """Return the products that no other one contains."""
    distinct = frozenset(terms)
    if len(distinct) < 2:
        return distinct
    given = [*distinct]
    lines = side_by_side(given)
    kept: list[int] = []
    for i in sorted(range(len(given)), key=[-line.bit_count() for line in lines].__getitem__):
        line = lines[i]
        for j in kept:
            if not line & ~lines[j]:
                break
        else:
            kept.append(i)
    return distinct if len(kept) == len(given) else frozenset([given[i] for i in kept])


def is_within(small: Term, large: Term) -> bool:
    """Return whether a product is a part of another: on every axis."""
    for (first, bits), (start, others) in zip(small, large, strict=True):
        if start > first or bits << first - start & ~others:
            return False
    return True


def side_by_side(terms: Sequence[Term]) -> list[int]:
    """Return products as sets on one line, an axis beside the other: they contain each other as the products do.

    A product of sets that are not empty is within another one exactly if it is on every axis.
    """
    columns = list(zip(*terms, strict=True))
    low = min([first for first, _ in columns[0]])
    out = [bits << first - low for first, bits in columns[0]]
    for on_axis in columns[1:]:
        at = max(map(int.bit_length, out)) - min([first for first, _ in on_axis])
        out = [line | bits << at + first for line, (first, bits) in zip(out, on_axis, strict=True)]
    return out


def centred(reach: Reach) -> Effect:
    """Return sets as an effect: placed from the middle of their hull."""
    if not reach.terms:
        return Effect(reach.stride, ())
    centre = reach.centre
    terms = [
        tuple([(2 * first - middle, bits) for (first, bits), middle in zip(term, centre, strict=True)])
        for term in reach.terms
    ]
    return Effect(reach.stride, tuple(sorted(terms)))
