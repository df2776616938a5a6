"""The placed sets that the terms of states can be, level by level, and what the paths of a stage make of them.

A stage leads an element x, at jump J, along a path P to x ⊕ J·P. Elements that never meet in one state are kept apart,
in components: that keeps the masks of states short (sweeps/kernels/unions.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.kernels import elements as kernels
from rfscale.sweeps.states.effects import Effect, numbered_rows, wanted_effects

MAX_ELEMENTS = 1 << 13  # of one component: masks of 128 words
MAX_BYTES = 1 << 30  # of the sets of one level, and of the table of its successors


class Element(NamedTuple):
    """A set at a jump: twice its first pixel, counted from the middle of the state's hull, and its pixels as bits."""

    jump: int
    offset: int
    bits: int


class Path(NamedTuple):
    """A term of an effect, with its stride."""

    stride: int
    offset: int
    bits: int


@dataclass
class Elements:
    """The elements of a level, component by component, each sorted by falling pixels.

    Attributes
    ----------
    elements : list of Element
    component, first : int arrays
        Component of each element, and first element of each component.
    inside : uint64 array (elements, words of a mask)
        Bits of the elements of the component that each contains, itself included.
    """

    elements: list[Element]
    component: np.ndarray
    first: np.ndarray
    inside: np.ndarray

    def tables(self) -> tuple[np.ndarray, ...]:
        """Return start (on a grid of each component), extent, jump and pixels of every element, for figures."""
        ends = [*self.first[1:].tolist(), len(self.elements)]
        start = np.empty(len(self.elements), np.int64)
        for low, high in zip(self.first.tolist(), ends, strict=True):
            offsets = [x.offset for x in self.elements[low:high]]
            start[low:high] = [(offset - min(offsets)) // 2 for offset in offsets]
        extent = np.array([x.bits.bit_length() for x in self.elements], np.int64)
        jump = np.array([x.jump for x in self.elements], np.int64)
        return start, extent, jump, packed([x.bits for x in self.elements])

    @property
    def nbytes(self) -> int:
        """Bytes of the masks and of the sets."""
        return self.inside.nbytes + sum(x.bits.bit_length() // 8 + 100 for x in self.elements)


ROOT = Elements([Element(1, 0, 1)], np.zeros(1, np.int32), np.zeros(1, np.int64), np.ones((1, 1), np.uint64))


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
        found = sorted(paths.setdefault(Path(effect.stride, *term), len(paths)) for term in effect.terms)
        for p in found or [-1]:
            at = steps.setdefault((at, p), len(steps))
        end[at] = n
    columns = np.array(list(steps), np.int64).reshape(-1, 2).T
    ends = np.array([end.get(i, -1) for i in range(len(steps))], np.int64)
    parent, path = (np.ascontiguousarray(c) for c in columns)
    return Steps(list(paths), parent, path, ends, wanted_effects(chosen, len(number)), chosen)


def successors(before: Elements, steps: Steps, stage: str) -> Successors:
    """Return the elements of the next level."""
    paths = steps.paths
    if len(paths) * len(before.elements) > MAX_BYTES >> 8:
        _refuse(stage, len(paths) * len(before.elements))
    made: dict[Element, int] = {}
    at = np.empty((len(paths), len(before.elements)), np.int64)
    for p, path in enumerate(paths):
        taps = set_bits(path.bits)
        for i, x in enumerate(before.elements):
            bits = 0
            for tap in taps:
                bits |= x.bits << tap * x.jump
            after = Element(x.jump * path.stride, x.offset + x.jump * path.offset, bits)
            at[p, i] = made.setdefault(after, len(made))
    if sum(x.bits.bit_length() for x in made) > 8 * MAX_BYTES:
        _refuse(stage, len(made))
    elements, place = _sorted(list(made), _components(before, steps, at, len(made)), stage)
    if at.size * elements.inside.shape[1] * 8 > MAX_BYTES:
        _refuse(stage, len(made))
    at = place[at]
    return Successors(elements, elements.inside[at], elements.component[at])


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


def _sorted(made: list[Element], representative: list[int], stage: str) -> tuple[Elements, np.ndarray]:
    """Return elements in components by falling pixels, and the place of each among them."""
    order = sorted(range(len(made)), key=lambda i: (representative[i], -made[i].bits.bit_count()))
    elements = [made[i] for i in order]
    place = np.empty(len(made), np.int64)
    place[order] = np.arange(len(made))
    heads = np.array([representative[i] for i in order], np.int64)
    first = np.flatnonzero(np.diff(heads, prepend=-1))
    component = np.repeat(np.arange(len(first), dtype=np.int32), np.diff(first, append=len(made)))
    largest = int(np.diff(first, append=len(made)).max(initial=1))
    if largest > MAX_ELEMENTS:
        _refuse(stage, largest)
    inside = np.zeros((len(made), (largest + 63) // 64), np.uint64)
    containment: Any = kernels.containment
    for low, high in zip(first.tolist(), [*first[1:].tolist(), len(made)], strict=True):
        if high == low + 1:
            inside[low, 0] = 1
            continue
        lowest = min(x.offset for x in elements[low:high])
        sets = packed([x.bits << (x.offset - lowest) // 2 for x in elements[low:high]])
        pixels = np.array([x.bits.bit_count() for x in elements[low:high]], np.int64)
        containment(sets, pixels, inside[low:high])
    return Elements(elements, component, first, inside), place


def packed(sets: Sequence[int]) -> np.ndarray:
    """Return sets as rows of 64-bit words, the first pixel being bit 0 of the first word."""
    words = max(1, max((-(-bits.bit_length() // 64) for bits in sets), default=1))
    data = b"".join(bits.to_bytes(8 * words, "little") for bits in sets)
    return np.frombuffer(data, "<u8").astype(np.uint64).reshape(len(sets), words)
