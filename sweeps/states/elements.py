"""What the terms of states can be, level by level, and what the paths of a stage make of them.

An element is a product of placed sets, one for each axis, or one for all where windows are alike on all axes. A stage
leads a set x, at jump J, along a path P to x ⊕ J·P, axis by axis. Elements that never meet in one state are kept apart,
in components: that keeps the masks of states short (sweeps/kernels/unions.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.kernels import elements as kernels
from rfscale.sweeps.states.effects import Effect, Placed, Term, numbered_rows, wanted_effects

MAX_ELEMENTS = 1 << 13  # of one component: masks of 128 words
MAX_BYTES = 1 << 30  # of the sets of one level, and of the table of its successors


class AxisSet(NamedTuple):
    """A set at a jump: twice its first pixel, counted from the middle of the state's hull, and its pixels as bits."""

    jump: int
    offset: int
    bits: int


class Path(NamedTuple):
    """A term of an effect, with its stride."""

    stride: tuple[int, ...]
    term: Term


@dataclass
class Elements:
    """The elements of a level, component by component, each sorted by falling pixels.

    Attributes
    ----------
    sets : tuple of lists of AxisSet
        Those that elements have on each axis, or on all.
    parts : tuple of int64 array (elements,)
        Which of them each element has there.
    component, first : int arrays
        Component of each element, and first element of each component.
    inside : uint64 array (elements, words of a mask)
        Bits of the elements of the component that each contains, itself included.
    """

    sets: tuple[list[AxisSet], ...]
    parts: tuple[np.ndarray, ...]
    component: np.ndarray
    first: np.ndarray
    inside: np.ndarray

    def tables(self) -> tuple[np.ndarray, ...]:
        """Return start (on a grid of each component), extent, jump and pixels of every axis and element, for figures.

        They are int64 arrays (axes, elements), and a uint64 array (axes, elements, words).
        """
        columns = []
        for sets, part in zip(self.sets, self.parts, strict=True):
            offset = np.array([x.offset for x in sets], np.int64)[part]
            lowest = np.minimum.reduceat(offset, self.first)[self.component]
            extent = np.array([x.bits.bit_length() for x in sets], np.int64)[part]
            columns.append(((offset - lowest) // 2, extent, np.array([x.jump for x in sets], np.int64)[part]))
        words = max(-(-x.bits.bit_length() // 64) for sets in self.sets for x in sets)
        rows = [packed([x.bits for x in sets], words)[part] for sets, part in zip(self.sets, self.parts, strict=True)]
        return (*(np.stack(column) for column in zip(*columns, strict=True)), np.stack(rows))

    @property
    def nbytes(self) -> int:
        """Bytes of the masks and of the sets."""
        sets = sum(x.bits.bit_length() // 8 + 100 for sets in self.sets for x in sets)
        return self.inside.nbytes + sum(part.nbytes for part in self.parts) + sets


def root(axes: int) -> Elements:
    """Return the one element of the image, on so many axes that differ."""
    zero = np.zeros(1, np.int64)
    sets = ([AxisSet(1, 0, 1)],) * axes
    return Elements(sets, (zero,) * axes, np.zeros(1, np.int32), zero, np.ones((1, 1), np.uint64))


class Successors(NamedTuple):
    """What the paths of a stage make of elements.

    Attributes
    ----------
    elements : Elements
        Of the next level.
    down : uint64 array (paths, elements before, words)
        Down-set of each sum.
    component : int32 array (paths, elements before)
    """

    elements: Elements
    down: np.ndarray
    component: np.ndarray


class Steps(NamedTuple):
    """The effects of a stage, common beginnings of their paths shared: columns for the kernel `advance`.

    `effect` is the number of each effect given, by variant and choice.
    """

    paths: list[Path]
    parent: np.ndarray
    path: np.ndarray
    end: np.ndarray
    wanted: np.ndarray
    effect: list[np.ndarray]


def steps_of(effects: Sequence[Sequence[Effect]]) -> Steps:
    """Return the effects of a stage, per variant and choice, as steps."""
    paths: dict[Path, int] = {}
    steps: dict[tuple[int, int], int] = {}
    end: dict[int, int] = {}
    number, chosen = numbered_rows(effects)
    for effect, n in number.items():
        at = -1
        found = sorted([paths.setdefault(Path(effect.stride, term), len(paths)) for term in effect.terms])
        for p in found or [-1]:
            at = steps.setdefault((at, p), len(steps))
        end[at] = n
    columns = np.array(list(steps), np.int64).reshape(-1, 2).T
    ends = np.array([end.get(i, -1) for i in range(len(steps))], np.int64)
    parent, path = (np.ascontiguousarray(c) for c in columns)
    return Steps(list(paths), parent, path, ends, wanted_effects(chosen, len(number)), chosen)


def successors(before: Elements, steps: Steps, stage: str) -> Successors:
    """Return the elements of the next level."""
    paths, n = steps.paths, len(before.component)
    if len(paths) * n > MAX_BYTES >> 8:
        _refuse(stage, len(paths) * n)
    made, columns = [], []
    for axis, (sets, part) in enumerate(zip(before.sets, before.parts, strict=True)):
        found, ends = _moved(sets, [(path.stride[axis], path.term[axis]) for path in paths])
        if sum(x.bits.bit_length() for x in found) > 8 * MAX_BYTES:
            _refuse(stage, len(found))
        made.append(found)
        columns.append(ends[:, part])
    if not paths:  # no path leads through, whatever is chosen
        return Successors(root(len(before.sets)), np.empty((0, n, 1), np.uint64), np.empty((0, n), np.int32))
    at, parts = _numbered(columns, [len(found) for found in made])
    elements, place = _sorted(tuple(made), parts, _components(before, steps, at, len(parts[0])), stage)
    if at.size * elements.inside.shape[1] * 8 > MAX_BYTES:
        _refuse(stage, len(place))
    at = place[at]
    return Successors(elements, elements.inside[at], elements.component[at])


def _moved(sets: Sequence[AxisSet], paths: Sequence[tuple[int, Placed]]) -> tuple[list[AxisSet], np.ndarray]:
    """Return what paths make of sets on one axis, and the number of each sum: int64 array (paths, sets)."""
    made: dict[AxisSet, int] = {}
    row: dict[tuple[int, Placed], np.ndarray] = {}
    for path in paths:
        if path in row:
            continue
        stride, (offset, tap_bits) = path
        taps, ends = set_bits(tap_bits), []
        for x in sets:
            bits = 0
            for tap in taps:
                bits |= x.bits << tap * x.jump
            after = AxisSet(x.jump * stride, x.offset + x.jump * offset, bits)
            ends.append(made.setdefault(after, len(made)))
        row[path] = np.array(ends, np.int64)
    return list(made), np.array([row[path] for path in paths], np.int64).reshape(len(paths), len(sets))


def _numbered(columns: Sequence[np.ndarray], sizes: Sequence[int]) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Number the different rows of some columns of numbers below `sizes`: numbers, and the columns of each row."""
    numbers, parts = columns[0], (np.arange(sizes[0]),)
    for column, size in zip(columns[1:], sizes[1:], strict=True):
        pairs, place = np.unique((numbers * size + column).reshape(-1), return_inverse=True)
        numbers, parts = place.reshape(numbers.shape), (*(part[pairs // size] for part in parts), pairs % size)
    return numbers, parts


def _refuse(stage: str, sets: int) -> None:
    raise InputError(
        f"the branches of stage {stage!r} lead to {sets} different sets of pixels on an axis; that is too many",
        remedy="give fewer branches or dilations, or ask only for extent and jump, which need no sets",
    )


def set_bits(bits: int) -> list[int]:
    """Return the positions of the bits that are set."""
    out = []
    while bits:
        low = bits & -bits
        out.append(low.bit_length() - 1)
        bits ^= low
    return out


def _components(before: Elements, steps: Steps, at: np.ndarray, n: int) -> list[int]:
    """Return a representative of the component of each new element: those that can meet in a state have one.

    Two sums x ⊕ p and y ⊕ q can meet if x and y can, and if an effect has both p and q.
    """
    groups = _Groups(len(steps.paths))
    for step, up in enumerate(steps.parent.tolist()):
        if up >= 0 and steps.path[step] >= 0:
            groups.unite(int(steps.path[up]), int(steps.path[step]))
    joined = _Groups(n)
    starts: dict[tuple[int, int], int] = {}
    component = before.component.tolist()
    for p in range(len(steps.paths)):
        group = groups.of(p)
        for i, new in enumerate(at[p].tolist()):
            joined.unite(new, starts.setdefault((group, component[i]), new))
    return [joined.of(i) for i in range(n)]


class _Groups:
    """Disjoint sets of numbers."""

    def __init__(self, n: int) -> None:
        self.up = list(range(n))

    def of(self, i: int) -> int:
        """Return the representative of the set of a number."""
        while self.up[i] != i:
            self.up[i] = i = self.up[self.up[i]]
        return i

    def unite(self, i: int, j: int) -> None:
        """Unite the sets of two numbers."""
        i, j = self.of(i), self.of(j)
        self.up[max(i, j)] = min(i, j)


def _sorted(
    sets: tuple[list[AxisSet], ...], parts: tuple[np.ndarray, ...], representative: list[int], stage: str
) -> tuple[Elements, np.ndarray]:
    """Return elements in components by falling pixels, and the place of each among them.

    Pixels are those of all axes together: of elements that contain one another, the larger one has more.
    """
    counts = [np.array([x.bits.bit_count() for x in on_axis], np.int64) for on_axis in sets]
    pixels = np.add.reduce([count[part] for count, part in zip(counts, parts, strict=True)])
    order = np.lexsort((-pixels, representative))
    parts, pixels, n = tuple(part[order] for part in parts), pixels[order], len(order)
    place = np.empty(n, np.int64)
    place[order] = np.arange(n)
    first = np.flatnonzero(np.diff(np.array(representative, np.int64)[order], prepend=-1))
    component = np.repeat(np.arange(len(first), dtype=np.int32), np.diff(first, append=n))
    largest = int(np.diff(first, append=n).max(initial=1))
    if largest > MAX_ELEMENTS:
        _refuse(stage, largest)
    inside = np.zeros((n, (largest + 63) // 64), np.uint64)
    containment: Any = kernels.containment
    for low, high in zip(first.tolist(), [*first[1:].tolist(), n], strict=True):
        if high == low + 1:
            inside[low, 0] = 1
            continue
        rows = [_on_grid([s[i] for i in p[low:high].tolist()]) for s, p in zip(sets, parts, strict=True)]
        containment(np.concatenate(rows, axis=1), pixels[low:high], inside[low:high])
    return Elements(sets, parts, component, first, inside), place


def _on_grid(sets: Sequence[AxisSet]) -> np.ndarray:
    """Sets of one axis as rows of words, on a grid of them all."""
    lowest = min([x.offset for x in sets])
    return packed([x.bits << (x.offset - lowest) // 2 for x in sets])


def packed(sets: Sequence[int], words: int = 0) -> np.ndarray:
    """Return sets as rows of 64-bit words, at least so many; the first pixel is bit 0 of the first word."""
    words = max(1, words, max((-(-bits.bit_length() // 64) for bits in sets), default=1))
    data = b"".join(bits.to_bytes(8 * words, "little") for bits in sets)
    return np.frombuffer(data, "<u8").astype(np.uint64).reshape(len(sets), words)
