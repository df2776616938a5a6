"""Families of 1-D pixel sets: the set of every entry of a map along one axis, and how layers act on them."""

from __future__ import annotations

from math import gcd

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.engine.kernels import sets
from rfscale.engine.network.axis_maps import BORDERS, IDENTITY, AxisMap

MAX_WORDS = 1 << 28  # 2 GiB of bits for one map on one axis


class Family:
    """Bit-packed sets of the entries of one map along one axis (layout: engine/kernels/sets.py).

    `repeat` is 0 in finite mode; in interior mode entry ``i + n*q`` is entry i moved by ``repeat*q`` pixels.
    """

    __slots__ = ("_measures", "bits", "first", "last", "repeat")

    def __init__(self, first: np.ndarray, last: np.ndarray, bits: np.ndarray, repeat: int) -> None:
        self.first = first
        self.last = last
        self.bits = bits
        self.repeat = repeat
        self._measures: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.first)

    def apply(self, layer: AxisMap, size: int | None) -> Family:
        """Family behind one more layer, whose map has `size` entries (None: interior)."""
        n = len(self.first)
        if layer is IDENTITY and (size is None or size == n):
            return self
        repeat = 0
        if size is None:
            blocks = n // gcd(n, layer.down)
            size = layer.up * blocks
            repeat = self.repeat * layer.down * blocks // n
        taps, counts = layer.table
        first, last, bits, words = sets.apply_map(
            self.first,
            self.last,
            self.bits,
            self.repeat,
            layer.up,
            layer.down,
            taps,
            counts,
            size,
            BORDERS[layer.border],
            MAX_WORDS,
        )
        if words * size > MAX_WORDS:
            raise InputError(
                f"the footprints of its {size} entries take {words * size * 8} bytes on one axis, more than the limit "
                f"of {MAX_WORDS * 8}; analyse a smaller input_size"
            )
        return Family(first, last, bits, repeat)

    def listed(self, n: int) -> Family:
        """The same interior sets, listed over n entries, a multiple of their number."""
        if n == len(self.first):
            return self
        taps, counts = IDENTITY.table
        first, last, bits, _ = sets.apply_map(
            self.first, self.last, self.bits, self.repeat, 1, 1, taps, counts, n, 0, MAX_WORDS
        )
        return Family(first, last, bits, self.repeat * (n // len(self.first)))

    def unite(self, other: Family) -> Family:
        """Entry by entry union with a family of the same length."""
        first, last, bits = sets.unite(self.first, self.last, self.bits, other.first, other.last, other.bits)
        return Family(first, last, bits, self.repeat)

    def compare(self, other: Family) -> int:
        """Bit 0: contains `other` entry by entry; bit 1: is contained in it."""
        if self is other:
            return 3
        return int(sets.compare(self.first, self.last, self.bits, other.first, other.last, other.bits))

    def with_next(self) -> Family:
        """Union of each entry's set with that of the next entry; in finite mode the last entry stays alone."""
        taps, counts = _PAIR
        n = len(self.first)
        first, last, bits, _ = sets.apply_map(
            self.first, self.last, self.bits, self.repeat, 1, 1, taps, counts, n, 0, 2 * MAX_WORDS
        )
        return Family(first, last, bits, self.repeat)

    @property
    def measures(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pixels of each set, its longest gap, and pixels shared with the next entry's (-1: no next)."""
        if self._measures is None:
            self._measures = sets.measure(self.first, self.last, self.bits, self.repeat)
        return self._measures

    def measures_at(self, entry: int) -> tuple[int, int, int]:
        """`measures` of one entry."""
        pixels, gaps, shared = self.measures
        return int(pixels[entry]), int(gaps[entry]), int(shared[entry])


_PAIR = (np.array([[0, 1]], dtype=np.int64), np.array([2], dtype=np.int64))


def image_family(size: int | None) -> Family:
    """Family of the image itself: each pixel sees itself. `size` None: interior."""
    if size is None:
        zero = np.zeros(1, np.int64)
        return Family(zero, zero, np.ones((1, 1), np.uint64), 1)
    pixels = np.arange(size, dtype=np.int64)
    bits = np.uint64(1) << (pixels & 63).astype(np.uint64)
    return Family(pixels, pixels, bits[:, None], 0)
