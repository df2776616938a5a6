"""Families of sets without holes: the sets of a map of any size along one axis, in a few whole numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rfscale.engine.footprints.integer_sets import Rows
from rfscale.engine.kernels.arrays import FULL_WORD


class SolidSets(NamedTuple):
    """The sets of all entries of a map along one axis, none of them empty or with holes.

    Entry o = period·q + u has the pixels from max(lowest, first + repeat·q) to min(highest, last + repeat·q), where
    (first, last) is number u of `bounds` and the period the number of these.

    Attributes
    ----------
    bounds : tuple of (int, int)
    repeat : int
        Pixels from a period to the next.
    lowest, highest : int
        Where the border cuts the sets; beyond all pixels without borders.
    entries : int
        Of the map; 0 without borders, where it has no end.
    """

    bounds: tuple[tuple[int, int], ...]
    repeat: int
    lowest: int
    highest: int
    entries: int

    @property
    def listed(self) -> int:
        """How many sets stand for all: entries with borders, else those of a period."""
        return self.entries or len(self.bounds)

    def at(self, entry: int) -> tuple[int, int]:
        """First and last pixel of the set of an entry."""
        q, u = divmod(entry, len(self.bounds))
        first, last = self.bounds[u]
        return max(self.lowest, first + self.repeat * q), min(self.highest, last + self.repeat * q)

    def measured(self, entry: int) -> tuple[int, int, int]:
        """Pixels of an entry's set, its longest gap, and pixels shared with the next entry's (-1: no next)."""
        first, last = self.at(entry)
        if entry + 1 == self.entries:
            return last - first + 1, 0, -1
        start, end = self.at(entry + 1)
        return last - first + 1, 0, max(0, min(last, end) - max(first, start) + 1)

    @property
    def largest(self) -> int:
        """The first of the longest sets without borders that shares least with the next one."""
        every = self.bounds
        pixels = [last - first for first, last in every]
        longest = max(pixels)
        if pixels.count(longest) == 1:
            return pixels.index(longest)
        first, last = every[0]
        following = (*every[1:], (first + self.repeat, last + self.repeat))
        ends = zip(every, following, strict=True)
        shared = [max(0, min(b, d) - max(a, c) + 1) if b - a == longest else longest + 2 for (a, b), (c, d) in ends]
        return shared.index(min(shared))

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """First and last pixels of the sets that stand for all, int64 (n,)."""
        n, period = self.listed, len(self.bounds)
        if self.entries and self.repeat == 0:  # an end may stand for infinity
            first, last = self.at(0)
            return np.full(n, first, np.int64), np.full(n, last, np.int64)
        moved = np.arange(-(-n // period), dtype=np.int64) * self.repeat
        ends = (np.array(self.bounds, np.int64) + moved[:, None, None]).reshape(-1, 2)[:n]
        return np.maximum(ends[:, 0], self.lowest), np.minimum(ends[:, 1], self.highest)

    def measures(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`measured` of every set that stands for all, int64 (n,)."""
        first, last = self.arrays()
        pixels = last - first + 1
        if self.entries:
            start, end = first[1:], last[1:]
        else:
            start = np.append(first[1:], first[0] + self.repeat)
            end = np.append(last[1:], last[0] + self.repeat)
        common = np.minimum(last[: len(start)], end) - np.maximum(first[: len(start)], start) + 1
        shared = np.full(len(first), -1, np.int64)
        shared[: len(start)] = np.maximum(common, 0)
        return pixels, np.zeros_like(pixels), shared

    def rows(self) -> Rows:
        """The same sets as whole numbers."""
        ends = map(self.at, range(self.listed))
        return [(first, (1 << last - first + 1) - 1) for first, last in ends]

    @property
    def words(self) -> int:
        """64-bit words that the widest set takes."""
        first, last = self.arrays()
        return int(((last >> 6) - (first >> 6)).max()) + 1

    def bits(self, words: int) -> np.ndarray:
        """The same sets, a bit for each pixel: uint64 (n, words), as `rfscale.engine.kernels.arrays.Sets` has them."""
        first, last = self.arrays()
        base = (first & ~63)[:, None] + 64 * np.arange(words, dtype=np.int64)
        skipped = np.clip(first[:, None] - base, 0, 64)  # bits of each word below the first pixel, and above the last
        beyond = np.clip(63 - (last[:, None] - base), 0, 64)
        shifts = ((skipped & 63).astype(np.uint64), (beyond & 63).astype(np.uint64))
        bits: np.ndarray = (FULL_WORD << shifts[0]) & (FULL_WORD >> shifts[1])
        bits[(skipped == 64) | (beyond == 64)] = 0
        return bits
