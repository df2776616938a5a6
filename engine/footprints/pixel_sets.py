"""Families of 1-D pixel sets: the set of every entry of a map along one axis, and how layers act on them."""

from __future__ import annotations

from math import gcd

import numpy as np

from rfscale.engine.errors import INPUT_SIZE, InputError
from rfscale.engine.kernels import sets
from rfscale.engine.kernels.sets import Sets
from rfscale.engine.network.axis_maps import IDENTITY, AxisMap, window_map

MAX_WORDS = 1 << 28  # 2 GiB of bits for one map on one axis


class Family:
    """Sets of the entries of one map along one axis; `sets` are their arrays, which no one changes."""

    __slots__ = ("_measures", "sets")

    def __init__(self, arrays: Sets) -> None:
        self.sets = arrays
        self._measures: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.sets.first)

    @property
    def is_empty(self) -> np.ndarray:
        """Whether each set is empty, bool (n,)."""
        empty: np.ndarray = self.sets.last < self.sets.first
        return empty

    @property
    def extent(self) -> np.ndarray:
        """Pixels from the first to the last of each set, 0 for an empty one, int64 (n,)."""
        extent: np.ndarray = self.sets.last - self.sets.first + 1
        return extent

    def apply(self, layer: AxisMap, size: int | None) -> Family:
        """Family after one more layer, whose map has `size` entries (None: interior)."""
        n = len(self.sets.first)
        if layer is IDENTITY and (size is None or size == n):
            return self
        repeat = 0
        if size is None:
            blocks = n // gcd(n, layer.down)
            size = layer.up * blocks
            repeat = self.sets.repeat * layer.down * blocks // n
        outputs = 1 if layer.reads_all else size  # one set for all
        first, last, bits, words = sets.apply_map(*self.sets, *layer.table, outputs, MAX_WORDS)
        if words * size > MAX_WORDS:
            raise InputError(
                f"the footprints of its {size} entries take {words * size * 8} bytes on one axis, more than the limit "
                f"of {MAX_WORDS * 8}",
                remedy=("analyse a smaller ", INPUT_SIZE),
            )
        if outputs < size:
            first, last, bits = (np.repeat(a, size, axis=0) for a in (first, last, bits))
        return Family(Sets(first, last, bits, repeat))

    def listed(self, n: int) -> Family:
        """The same interior sets, listed over n entries, a multiple of their number."""
        if n == len(self):
            return self
        first, last, bits, _ = sets.apply_map(*self.sets, *IDENTITY.table, n, MAX_WORDS)
        return Family(Sets(first, last, bits, self.sets.repeat * (n // len(self))))

    def unite(self, other: Family) -> Family:
        """Entry by entry union with a family of the same length."""
        first, last, bits = sets.unite(*self.sets, *other.sets)
        return Family(Sets(first, last, bits, self.sets.repeat))

    def compare(self, other: Family) -> int:
        """Bit 0: contains `other` entry by entry; bit 1: is contained in it."""
        return 3 if self is other else int(sets.compare(*self.sets, *other.sets))

    def with_next(self) -> Family:
        """Union of each entry's set with that of the next entry; in finite mode the last entry stays alone."""
        first, last, bits, _ = sets.apply_map(*self.sets, *window_map(2, 1, 1, 0).table, len(self), 2 * MAX_WORDS)
        return Family(Sets(first, last, bits, self.sets.repeat))

    @property
    def measures(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pixels of each set, its longest gap, and pixels shared with the next entry's (-1: no next)."""
        if self._measures is None:
            self._measures = sets.measure(*self.sets)
        return self._measures

    def row(self, entry: int) -> tuple[int, np.ndarray]:
        """Pixel of bit 0, and the words of the set of an entry; none of an empty set. Interior: of any entry."""
        first, last, bits, repeat = self.sets
        q, i = divmod(entry, len(first)) if repeat else (0, entry)
        at = int(first[i])
        return (at & ~63) + q * repeat, bits[i] if last[i] >= at else bits[i, :0]

    def pixels(self, entry: int) -> np.ndarray:
        """Pixel numbers of the set of an entry, rising, int64. Interior: of any entry."""
        start, words = self.row(entry)
        bits = np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little")
        found: np.ndarray = np.flatnonzero(bits) + start
        return found


def image_family(size: int | None) -> Family:
    """Family of the image itself: the set of each pixel is that pixel. `size` None: interior."""
    if size is None:
        zero = np.zeros(1, np.int64)
        return Family(Sets(zero, zero, np.ones((1, 1), np.uint64), 1))
    if size > MAX_WORDS:
        raise InputError(
            f"the sets of {size} pixels take {size * 8} bytes on one axis, more than the limit of {MAX_WORDS * 8}",
            remedy=("analyse a smaller ", INPUT_SIZE),
        )
    pixels = np.arange(size, dtype=np.int64)
    bits = np.uint64(1) << (pixels & 63).astype(np.uint64)
    return Family(Sets(pixels, pixels, bits[:, None], 0))
