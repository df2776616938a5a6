"""Interval arithmetic: the first and last pixel of every entry of an unbounded map, in whole Python numbers.

A map repeats with a period of U entries and D pixels, so it is U intervals and the pair (U, D); its jump is D/U.
Exact for the bounding boxes of interior footprints, for any network but one oddity: a branch that reads nothing at all
along one axis (a transposed convolution with gaps) still counts along the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
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
        pixels, entries = self._centre
        return Fraction(pixels, entries) if entries else None

    @cached_property
    def _centre(self) -> tuple[int, int]:
        """The same as a ratio that is not reduced; (0, 0) where nothing is read."""
        p, q = self.jump
        doubled = [q * (b[0] + b[1]) - 2 * p * u for u, b in enumerate(self.bounds) if b]
        return sum(doubled), 2 * q * len(doubled)

    def has_centre_of(self, other: Intervals) -> bool:
        """Whether both have one centre."""
        if self is other:
            return True
        (a, n), (b, m) = self._centre, other._centre
        return a * m == b * n if n and m else n == m

    @cached_property
    def rises(self) -> bool:
        """Whether every entry has an interval, neither end of which lies before that of the entry before."""
        if self.shift < 0 or None in self.bounds:
            return False
        for a, b in zip(self.bounds, self._after(1), strict=True):
            if a and b and (a[0] > b[0] or a[1] > b[1]):
                return False
        return True

    def touches(self, step: int) -> bool:
        """Whether each interval has a pixel in common with that of `step` entries on, or ends beside it."""
        for a, b in zip(self.bounds, self._after(step), strict=True):
            if a is None or b is None or a[1] + 1 < b[0]:
                return False
        return True

    def _after(self, step: int) -> list[Bounds]:
        """The intervals `step` entries on, by entry."""
        n = len(self.bounds)
        periods, step = divmod(step, n)
        by, beyond = self.shift * periods, self.shift * (periods + 1)
        listed = [b and (b[0] + by, b[1] + by) for b in self.bounds[step:]]
        return listed + [b and (b[0] + beyond, b[1] + beyond) for b in self.bounds[:step]]

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
        bounds: list[Bounds]
        if n == 1 and self.bounds[0]:
            bounds = self._of_one_phase(layer.outermost)
        elif n > 1 and layer.down >= 0 and self.rises:
            bounds = self._between(layer, blocks)
        else:
            bounds = []
            for o in range(layer.up * blocks):
                read = [b for b in map(self.at, layer.reads(o)) if b]
                bounds.append((min([b[0] for b in read]), max([b[1] for b in read])) if read else None)
        shift = self.shift * layer.down * blocks // n
        far = max([abs(x) for b in bounds if b for x in b], default=0)
        if far >= BEYOND:
            far = max([abs(x) for b in bounds if b for x in b if abs(x) < BEYOND], default=0)
        if far + abs(shift) > LIMIT:
            raise InputError("its footprint reaches beyond 2^53 pixels")
        return Intervals(tuple(bounds), shift)

    def _of_one_phase(self, outermost: tuple[tuple[int, int] | None, ...]) -> list[Bounds]:
        """After a layer that reads entries of one phase: its outermost taps have the outermost pixels."""
        low, high = self.bounds[0] or (0, 0)
        shift = self.shift
        if shift < 0:  # mirrored
            return [ends and (low + shift * ends[1], high + shift * ends[0]) for ends in outermost]
        return [ends and (low + shift * ends[0], high + shift * ends[1]) for ends in outermost]

    def _between(self, layer: AxisMap, blocks: int) -> list[Bounds]:
        """After a layer over intervals that rise: from the first pixel of its first tap to the last of its last one."""
        n, shift = len(self.bounds), self.shift
        known = [b or (0, 0) for b in self.bounds]  # none of them is None
        made: list[Bounds] = []
        for at in range(0, layer.down * blocks or 1, layer.down or 1):
            for ends in layer.outermost:
                if ends is None:
                    made.append(None)
                    continue
                (q, u), (p, v) = divmod(at + ends[0], n), divmod(at + ends[1], n)
                made.append((known[u][0] + shift * q, known[v][1] + shift * p))
        return made

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
        shift, periods = self.shift, n // len(self.bounds)
        moved = [b and (b[0] + shift * q, b[1] + shift * q) for q in range(periods) for b in self.bounds]
        return Intervals(tuple(moved), shift * periods)

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
        bounds: list[Bounds] = []
        for a, b in zip(listed.bounds, other.expand(n).bounds, strict=True):
            if a and b:
                (first, last), (start, end) = a, b
                if start < first or end > last:
                    a = (start if start < first else first, end if end > last else last)
            bounds.append(a or b)
        united = tuple(bounds)
        return listed if united == listed.bounds else Intervals(united, listed.shift)


IMAGE_INTERVALS = Intervals(((0, 0),), 1)
