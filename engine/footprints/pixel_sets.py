"""Families of 1-D pixel sets: the set of every entry of a map along one axis, and how layers act on them.

Small families are kept as whole numbers of Python (`integer_sets`), large ones as arrays of words, which compiled
kernels work on. The sets are the same; which way is taken is a matter of time alone.
"""

from __future__ import annotations

from math import gcd

import numpy as np

from rfscale.engine.errors import INPUT_SIZE, InputError
from rfscale.engine.footprints import integer_sets
from rfscale.engine.footprints.integer_sets import EMPTY, Rows
from rfscale.engine.kernels.arrays import Sets
from rfscale.engine.kernels.before_kernels import BeforeKernels
from rfscale.engine.network.axis_maps import IDENTITY, AxisMap, window_map

MAX_WORDS = 1 << 28  # 2 GiB of bits for one map on one axis
READS = BeforeKernels(few=16, most=1 << 16)  # sets that layers read as whole numbers: 1 µs each


class Family:
    """Sets of the entries of one map along one axis, which no one changes: arrays, or `rows` of whole numbers."""

    __slots__ = ("_measures", "_rows", "_sets", "repeat", "words")

    def __init__(self, arrays: Sets | None = None, rows: Rows | None = None, repeat: int = 0, words: int = 1) -> None:
        self._sets, self._rows = arrays, rows
        self.repeat = arrays.repeat if arrays is not None else repeat
        self.words: int = arrays.bits.shape[1] if arrays is not None else words  # of the widest set
        self._measures: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self._rows) if self._rows is not None else len(self.sets.first)

    @property
    def sets(self) -> Sets:
        """The sets as the kernels take them."""
        if self._sets is None:
            assert self._rows is not None
            self._sets = integer_sets.as_arrays(self._rows, self.words, self.repeat)
        return self._sets

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
        n = len(self)
        if layer is IDENTITY and (size is None or size == n):
            return self
        repeat = 0
        if size is None:
            blocks = n // gcd(n, layer.down)
            size = layer.up * blocks
            repeat = self.repeat * layer.down * blocks // n
        outputs = 1 if layer.reads_all else size  # one set for all
        if self._rows is not None and READS.takes(_reads(layer, outputs)):
            reads = integer_sets.reads_of(self._rows, self.repeat, layer, outputs)
            words = integer_sets.widest(reads)
            _check_words(words, size)
            rows = [integer_sets.united(sets) for sets in reads]
            return Family(None, rows * size if outputs < size else rows, repeat, words)
        from rfscale.engine.kernels import sets

        first, last, bits, words = sets.apply_map(*self.sets, *layer.table, outputs, MAX_WORDS)
        _check_words(words, size)
        if outputs < size:
            first, last, bits = (np.repeat(a, size, axis=0) for a in (first, last, bits))
        return Family(Sets(first, last, bits, repeat))

    def listed(self, n: int) -> Family:
        """The same interior sets, listed over n entries, a multiple of their number."""
        if n == len(self):
            return self
        periods = n // len(self)
        if self._rows is not None:
            moved = [q * self.repeat for q in range(periods)]
            rows = [(first + by, bits) if bits else EMPTY for by in moved for first, bits in self._rows]
            return Family(None, rows, self.repeat * periods, integer_sets.widest([[row] for row in rows if row[1]]))
        from rfscale.engine.kernels import sets

        first, last, bits, _ = sets.apply_map(*self.sets, *IDENTITY.table, n, MAX_WORDS)
        return Family(Sets(first, last, bits, self.repeat * periods))

    def unite(self, other: Family) -> Family:
        """Entry by entry union with a family of the same length."""
        if self._rows is not None and other._rows is not None and READS.takes(len(self)):
            rows = integer_sets.unite(self._rows, other._rows)
            return Family(None, rows, self.repeat, integer_sets.widest([[row] for row in rows if row[1]]))
        from rfscale.engine.kernels import sets

        first, last, bits = sets.unite(*self.sets, *other.sets)
        return Family(Sets(first, last, bits, self.repeat))

    def compare(self, other: Family) -> int:
        """Bit 0: contains `other` entry by entry; bit 1: is contained in it."""
        if self is other:
            return 3
        if self._rows is not None and other._rows is not None and READS.takes(len(self)):
            return integer_sets.compare(self._rows, other._rows)
        from rfscale.engine.kernels import sets

        return int(sets.compare(*self.sets, *other.sets))

    def with_next(self) -> Family:
        """Union of each entry's set with that of the next entry; in finite mode the last entry stays alone."""
        from rfscale.engine.kernels import sets

        first, last, bits, _ = sets.apply_map(*self.sets, *window_map(2, 1, 1, 0).table, len(self), 2 * MAX_WORDS)
        return Family(Sets(first, last, bits, self.repeat))

    @property
    def measures(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pixels of each set, its longest gap, and pixels shared with the next entry's (-1: no next)."""
        if self._measures is None:
            if self._rows is not None and READS.takes(len(self)):
                self._measures = integer_sets.measure(self._rows, self.repeat)
            else:
                from rfscale.engine.kernels import sets

                self._measures = sets.measure(*self.sets)
        return self._measures

    def bounds(self, entry: int) -> tuple[int, int]:
        """First and last pixel of the set of an entry; the last is below the first of an empty one."""
        if self._rows is not None:
            first, bits = self._rows[entry]
            return first, first + bits.bit_length() - 1
        return int(self.sets.first[entry]), int(self.sets.last[entry])

    def integer(self, entry: int) -> tuple[int, int]:
        """Pixel of bit 0, and the set of an entry as a whole number. Interior: of any entry."""
        if self._rows is not None:
            q, i = divmod(entry, len(self._rows)) if self.repeat else (0, entry)
            first, bits = self._rows[i]
            return first + q * self.repeat, bits
        start, words = self.row(entry)
        return start, int.from_bytes(words.astype("<u8", copy=False).tobytes(), "little")

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
        return Family(None, [(0, 1)], 1)
    if size > MAX_WORDS:
        raise InputError(
            f"the sets of {size} pixels take {size * 8} bytes on one axis, more than the limit of {MAX_WORDS * 8}",
            remedy=("analyse a smaller ", INPUT_SIZE),
        )
    if READS.takes(size):
        return Family(None, [(pixel, 1) for pixel in range(size)])
    pixels = np.arange(size, dtype=np.int64)
    bits = np.uint64(1) << (pixels & 63).astype(np.uint64)
    return Family(Sets(pixels, pixels, bits[:, None], 0))


def _reads(layer: AxisMap, outputs: int) -> int:
    """How many sets the outputs of a layer read."""
    return sum(map(len, layer.taps)) * outputs // layer.up


def _check_words(words: int, size: int) -> None:
    """Refuse sets that take too much, before there are any."""
    if words * size > MAX_WORDS:
        raise InputError(
            f"the footprints of its {size} entries take {words * size * 8} bytes on one axis, more than the limit "
            f"of {MAX_WORDS * 8}",
            remedy=("analyse a smaller ", INPUT_SIZE),
        )
