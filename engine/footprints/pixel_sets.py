"""Families of 1-D pixel sets: the set of every entry of a map along one axis, and how layers act on them.

Sets without holes are kept by their ends (`solid_sets`). Of those with holes small families are whole numbers of Python
(`integer_sets`), large ones arrays of words, which compiled kernels work on. The sets are the same; which way is taken
is a matter of time alone.
"""

from __future__ import annotations

from functools import cache
from math import gcd
from typing import Any

import numpy as np

from rfscale.engine.errors import INPUT_SIZE, InputError
from rfscale.engine.footprints import integer_sets
from rfscale.engine.footprints.integer_sets import EMPTY, Rows
from rfscale.engine.footprints.solid_sets import SolidSets
from rfscale.engine.kernels.arrays import Sets
from rfscale.engine.kernels.before_kernels import BeforeKernels
from rfscale.engine.network.axis_maps import IDENTITY, AxisMap, window_map

MAX_WORDS = 1 << 28  # 2 GiB of bits for one map on one axis
MAX_KEPT = 1 << 17  # words of sets without holes that are kept once they were written out: 1 MiB
FEW = 64  # sets without holes that are compared one by one: of 8 it takes a tenth of the time of arrays
READS = BeforeKernels(few=16, most=1 << 16)  # sets that layers read as whole numbers: 1 µs each


@cache
def _kernels() -> Any:
    """The kernels, imported where a family needs them; to ask the import system every time took a tenth of a trace."""
    from rfscale.engine.kernels import sets

    return sets


class Family:
    """Sets of the entries of one map along one axis, which no one changes: arrays, whole numbers, or `solid` ones."""

    __slots__ = ("_largest", "_measures", "_rows", "_sets", "_words", "repeat", "solid")

    def __init__(
        self,
        arrays: Sets | None = None,
        rows: Rows | None = None,
        repeat: int = 0,
        words: int = 0,
        solid: SolidSets | None = None,
    ) -> None:
        self._sets, self._rows, self.solid = arrays, rows, solid
        self.repeat = repeat
        if arrays is not None:
            self.repeat = arrays.repeat
        elif solid is not None:
            self.repeat = 0 if solid.entries else solid.repeat
        self._words = words
        self._measures: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._largest: int | None = None

    def __len__(self) -> int:
        if self.solid is not None:
            return self.solid.listed
        return len(self._rows) if self._rows is not None else len(self.sets.first)

    @property
    def words(self) -> int:
        """64-bit words of the widest set."""
        if not self._words:
            self._words = self._sets.bits.shape[1] if self._sets is not None else self._ends.words
        return self._words

    @property
    def _ends(self) -> SolidSets:
        """The sets by their ends, where they may be listed."""
        assert self.solid is not None
        _check_words(1, self.solid.listed)
        return self.solid

    @property
    def sets(self) -> Sets:
        """The sets as the kernels take them."""
        if self._sets is not None:
            return self._sets
        if self.solid is None:
            assert self._rows is not None
            self._sets = integer_sets.as_arrays(self._rows, self.words, self.repeat)
            return self._sets
        _check_words(self.words, len(self))
        sets = Sets(*self._ends.arrays(), self._ends.bits(self.words), self.repeat)
        if sets.bits.size <= MAX_KEPT:
            self._sets = sets
        return sets

    @property
    def content(self) -> object:
        """What families of the same sets have in common, as long as they are kept in the same way."""
        if self._rows is not None:
            return tuple(self._rows), self.repeat
        first, last, bits, repeat = self.sets
        return first.tobytes(), last.tobytes(), bits.tobytes(), repeat

    def _small(self, work: int) -> Rows | None:
        """The sets as whole numbers, where so much work is to be done with them."""
        if (self._rows is None and self.solid is None) or not READS.takes(work):
            return None
        if self._rows is None:
            self._rows = self._ends.rows()
        return self._rows

    @property
    def first(self) -> np.ndarray:
        """First pixel of each set, int64 (n,)."""
        first: np.ndarray = self.sets.first if self.solid is None else self._ends.arrays()[0]
        return first

    @property
    def is_empty(self) -> np.ndarray:
        """Whether each set is empty, bool (n,)."""
        if self.solid is not None:
            return np.zeros(len(self), bool)
        empty: np.ndarray = self.sets.last < self.sets.first
        return empty

    @property
    def extent(self) -> np.ndarray:
        """Pixels from the first to the last of each set, 0 for an empty one, int64 (n,)."""
        first, last = self.sets[:2] if self.solid is None else self._ends.arrays()
        extent: np.ndarray = last - first + 1
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
        small = self._small(_reads(layer, outputs))
        if small is not None:
            reads = integer_sets.reads_of(small, self.repeat, layer, outputs)
            words = integer_sets.widest(reads)
            _check_words(words, size)
            rows = [integer_sets.united(sets) for sets in reads]
            return Family(None, rows * size if outputs < size else rows, repeat, words)
        sets = _kernels()
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
        small = self._small(n)
        if small is not None:
            moved = [q * self.repeat for q in range(periods)]
            rows = [(first + by, bits) if bits else EMPTY for by in moved for first, bits in small]
            return Family(None, rows, self.repeat * periods, integer_sets.widest([[row] for row in rows if row[1]]))
        sets = _kernels()
        first, last, bits, _ = sets.apply_map(*self.sets, *IDENTITY.table, n, MAX_WORDS)
        return Family(Sets(first, last, bits, self.repeat * periods))

    def unite(self, other: Family) -> Family:
        """Entry by entry union with a family of the same length."""
        small, of_other = self._small(len(self)), other._small(0)
        if small is not None and of_other is not None:
            rows = integer_sets.unite(small, of_other)
            return Family(None, rows, self.repeat, integer_sets.widest([[row] for row in rows if row[1]]))
        sets = _kernels()
        first, last, bits = sets.unite(*self.sets, *other.sets)
        return Family(Sets(first, last, bits, self.repeat))

    def compare(self, other: Family) -> int:
        """Bit 0: contains `other` entry by entry; bit 1: is contained in it."""
        if self is other:
            return 3
        small, of_other = self._small(len(self)), other._small(0)
        if small is not None and of_other is not None:
            return integer_sets.compare(small, of_other)
        sets = _kernels()
        return int(sets.compare(*self.sets, *other.sets))

    def with_next(self) -> Family:
        """Union of each entry's set with that of the next entry; in finite mode the last entry stays alone."""
        sets = _kernels()
        first, last, bits, _ = sets.apply_map(*self.sets, *window_map(2, 1, 1, 0).table, len(self), 2 * MAX_WORDS)
        return Family(Sets(first, last, bits, self.repeat))

    @property
    def measures(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pixels of each set, its longest gap, and pixels shared with the next entry's (-1: no next)."""
        if self._measures is None:
            if self.solid is not None:
                self._measures = self._ends.measures()
            elif self._rows is not None and READS.takes(len(self)):
                self._measures = integer_sets.measure(self._rows, self.repeat)
            else:
                sets = _kernels()
                self._measures = sets.measure(*self.sets)
        return self._measures

    @property
    def largest(self) -> int:
        """The entry of the largest set; of equally large ones, the first that shares least with the next."""
        if self._largest is None:
            solid = self.solid
            few = solid is not None and not solid.entries and len(solid.bounds) <= FEW
            self._largest = solid.largest if solid and few else largest_phase(*self.measures[::2])
        return self._largest

    def measured(self, entry: int) -> tuple[int, int, int]:
        """`measures` of one entry."""
        if self.solid is not None:
            return self.solid.measured(entry)
        pixels, gap, shared = (int(m[entry]) for m in self.measures)
        return pixels, gap, shared

    def bounds(self, entry: int) -> tuple[int, int]:
        """First and last pixel of the set of an entry; the last is below the first of an empty one."""
        if self.solid is not None:
            return self.solid.at(entry)
        if self._rows is not None:
            first, bits = self._rows[entry]
            return first, first + bits.bit_length() - 1
        return int(self.sets.first[entry]), int(self.sets.last[entry])

    def integer(self, entry: int) -> tuple[int, int]:
        """Pixel of bit 0, and the set of an entry as a whole number. Interior: of any entry."""
        if self.solid is not None:
            start, last = self.solid.at(entry)
            return start, (1 << last - start + 1) - 1
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
        if self.solid is not None:
            start, last = self.solid.at(entry)
            return np.arange(start, last + 1, dtype=np.int64)
        start, words = self.row(entry)
        bits = np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little")
        found: np.ndarray = np.flatnonzero(bits) + start
        return found


def largest_phase(area: np.ndarray, shared: np.ndarray) -> int:
    """Flat position of the largest footprint; of equally large ones, of the first that shares least with the next."""
    return int(np.where(area == area.max(), shared, np.iinfo(np.int64).max).argmin())


def image_family() -> Family:
    """Family of an image without borders: the set of each pixel is that pixel."""
    return Family(None, [(0, 1)], 1, 1)


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
