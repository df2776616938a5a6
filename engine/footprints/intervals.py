"""Interval arithmetic: the first and last pixel of every entry of an unbounded map, in whole Python numbers.

A map repeats with a period of U entries and D pixels, so it is U intervals and the pair (U, D); its jump is D/U.
Exact for the bounding boxes of interior footprints, for any network but one oddity: a branch that reads nothing at all
along one axis (a transposed convolution with gaps) still counts along the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import gcd, inf, lcm, nan

from rfscale.engine.errors import InputError
from rfscale.engine.network.axis_maps import MAX_TAPS, AxisMap

LIMIT = 2**53  # pixels: float64 holds every whole number up to here

FAR = 2**80  # stands for infinity, in whole numbers
BEYOND = 2**70  # as much pixel distance as no finite footprint has

Bounds = tuple[int, int] | None  # first and last pixel; None for an entry that reads nothing


@dataclass(frozen=True, eq=False)
class Intervals:
    """The intervals of one map on one axis: entry ``u + U*q`` covers ``bounds[u]`` moved by ``shift*q``."""

    bounds: tuple[Bounds, ...]
    shift: int

    @cached_property
    def jump(self) -> tuple[int, int]:
        """Pixels between neighbouring entries, as a reduced fraction."""
        n = len(self.bounds)
        g = gcd(self.shift, n)
        return self.shift // g, n // g

    @cached_property
    def centre(self) -> Fraction | None:
        """Centre of entry 0, averaged over the phases."""
        p, q = self.jump
        doubled = [q * (b[0] + b[1]) - 2 * p * u for u, b in enumerate(self.bounds) if b]
        return Fraction(sum(doubled), 2 * q * len(doubled)) if doubled else None

    def has_centre_of(self, other: Intervals) -> bool:
        """Whether both have one centre."""
        return self is other or self.centre == other.centre

    @cached_property
    def rises(self) -> bool:
        """Whether every entry has an interval, neither end of which lies before that of the entry before."""
        if self.shift < 0 or None in self.bounds:
            return False
        ends = [self.at(o) for o in range(len(self.bounds) + 1)]
        return all(a[0] <= b[0] and a[1] <= b[1] for a, b in pairwise(ends) if a and b)

    def touches(self, step: int) -> bool:
        """Whether each interval has a pixel in common with that of `step` entries on, or ends beside it."""
        pairs = [(self.bounds[u], self.at(u + step)) for u in range(len(self.bounds))]
        return all(a is not None and b is not None and a[1] + 1 >= b[0] for a, b in pairs)

    @cached_property
    def extent(self) -> int:
        """Length of the longest interval."""
        return max((b[1] - b[0] + 1 for b in self.bounds if b), default=0)

    @property
    def start(self) -> int | None:
        """First pixel of entry 0."""
        first = self.bounds[0]
        return None if first is None else first[0]

    def at(self, entry: int) -> Bounds:
        """Interval of any entry."""
        q, u = divmod(entry, len(self.bounds))
        bound = self.bounds[u]
        return None if bound is None else (bound[0] + self.shift * q, bound[1] + self.shift * q)

    def ends(self, entry: int) -> tuple[float, float]:
        """First and last pixel of any entry, infinite where there is no end; nan where it reads nothing."""
        bounds = self.at(entry)
        if bounds is None:
            return nan, nan
        low, high = bounds
        return -inf if low < -BEYOND else low, inf if high > BEYOND else high

    def middle(self, entry: int) -> float:
        """Middle of the interval of any entry; nan where it reads nothing."""
        bounds = self.at(entry)
        return nan if bounds is None else (bounds[0] + bounds[1]) / 2

    def apply(self, layer: AxisMap) -> Intervals:
        """Intervals after one more layer."""
        if layer.is_identity:
            return self
        n = len(self.bounds)
        blocks = n // gcd(n, layer.down)
        if layer.up * blocks > MAX_TAPS:
            raise InputError(
                f"the map repeats only after {layer.up * blocks} entries; at most {MAX_TAPS} are supported"
            )
        bounds: list[Bounds] = []
        only = self.bounds[0] if n == 1 else None
        rises = n > 1 and self.rises and layer.down >= 0
        for o in range(layer.up * blocks):
            outermost = layer.outermost[o] if only else None
            if only and outermost:  # one phase: the outermost entries have the outermost pixels
                low, high = outermost
                if self.shift < 0:  # mirrored
                    low, high = high, low
                bounds.append((only[0] + self.shift * low, only[1] + self.shift * high))
                continue
            if rises:
                m, r = divmod(o, layer.up)
                ends = layer.outermost[r]
                bounds.append(ends and self._between(layer.down * m + ends[0], layer.down * m + ends[1]))
                continue
            read = [b for b in map(self.at, layer.reads(o)) if b]
            bounds.append((min(b[0] for b in read), max(b[1] for b in read)) if read else None)
        shift = self.shift * layer.down * blocks // n
        far = max([abs(x) for b in bounds if b for x in b if abs(x) < BEYOND], default=0)
        if far + abs(shift) > LIMIT:
            raise InputError("its footprint reaches beyond 2^53 pixels")
        return Intervals(tuple(bounds), shift)

    def _between(self, first: int, last: int) -> Bounds:
        """From the first pixel of an entry to the last of another; neither is one that reads nothing."""
        n = len(self.bounds)
        (q, u), (p, v) = divmod(first, n), divmod(last, n)
        low, high = self.bounds[u], self.bounds[v]
        return low and high and (low[0] + self.shift * q, high[1] + self.shift * p)

    def reaching(self, before: bool, after: bool) -> Intervals:
        """Intervals of entries that read all entries before them, or after them, and their own."""
        n = len(self.bounds)
        low, high = (before, after) if self.shift > 0 else (after, before)
        bounds: list[Bounds] = []
        for u in range(n):  # entries a period away on a side reach no farther than these
            entries = range(u - (n - 1) * before, u + (n - 1) * after + 1)
            read = [b for b in map(self.at, entries) if b]
            ends = (min(b[0] for b in read), max(b[1] for b in read)) if read else None
            bounds.append((-FAR if low else ends[0], FAR if high else ends[1]) if ends else None)
        return Intervals(tuple(bounds), self.shift)

    def expand(self, n: int) -> Intervals:
        """The same intervals, listed over n entries, a multiple of their number."""
        if n == len(self.bounds):
            return self
        return Intervals(tuple(self.at(o) for o in range(n)), self.shift * (n // len(self.bounds)))

    def covers(self, other: Intervals) -> bool:
        """Whether these are the intervals of `other`, which is listed over as many entries or a multiple."""
        return self is other or self.expand(len(other.bounds)).bounds == other.bounds

    def unite(self, other: Intervals) -> Intervals:
        """Bounding intervals of two branches of one jump."""
        if self is other:
            return self
        n = lcm(len(self.bounds), len(other.bounds))
        if n > MAX_TAPS:
            raise InputError(f"the merged map repeats only after {n} entries; at most {MAX_TAPS} are supported")
        listed = self.expand(n)
        pairs = zip(listed.bounds, other.expand(n).bounds, strict=True)
        bounds = tuple((min(a[0], b[0]), max(a[1], b[1])) if a and b else a or b for a, b in pairs)
        return listed if bounds == listed.bounds else Intervals(bounds, listed.shift)


IMAGE_INTERVALS = Intervals(((0, 0),), 1)
