"""What a state of a space with cells of two inputs is: the last map and the one before it, moved together.

A map is a jump and its terms: placed sets of pixels, none contained in another (`Sets`), or their hull alone (`Hulls`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rfscale.sweeps.states.effects import Placed, maximal

Terms = tuple[Placed, ...]  # sorted; of hulls at most one: first and last pixel


class Map(NamedTuple):
    """The footprint of a map's entry 0 on an axis, and the pixels between neighbouring entries."""

    jump: int
    terms: Terms


class Pair(NamedTuple):
    """A state: the last map, and the one before it where a later stage reads it.

    `maps` counts the maps so far, the image aside, as far as 2: with fewer, the last one is also the earlier one.
    """

    maps: int
    earlier: Map | None
    last: Map


class PairEffect(NamedTuple):
    """What uses of a cell do, or the layers of another stage (one use): in entries of the last map.

    Attributes
    ----------
    uses : int
    stride : int
        Of each use.
    earlier, last : Terms
        Sets of the paths from each input.
    """

    uses: int
    stride: int
    earlier: Terms
    last: Terms


class Sets:
    """Terms as placed sets: what figures of the plane need."""

    image = Map(1, ((0, 1),))

    def __init__(self) -> None:
        self._sums: dict[tuple[int, int, int], int] = {}

    def terms(self, paths: Iterable[Placed]) -> Terms:
        """Return the terms of an effect from the sets of its paths."""
        return tuple(sorted(maximal(paths)))

    def moved(self, of: Map, paths: Terms) -> list[Placed]:
        """Return what paths make of a map, not yet maximal."""
        jump, out = of.jump, []
        for first, taps in paths:
            for start, bits in of.terms:
                key = (bits, taps, jump)
                total = self._sums.get(key)
                if total is None:
                    total, left = 0, taps
                    while left:
                        low = left & -left
                        total |= bits << (low.bit_length() - 1) * jump
                        left ^= low
                    self._sums[key] = total
                out.append((start + jump * first, total))
        return out

    def joined(self, terms: list[Placed]) -> Terms:
        """Return the terms of a union."""
        return tuple(terms) if len(terms) == 1 else tuple(sorted(maximal(terms)))

    def start(self, of: Map) -> int:
        """Return the first pixel of a map that has some."""
        return min(first for first, _ in of.terms)

    def shifted(self, of: Map, by: int) -> Map:
        """Return a map moved by some pixels."""
        return Map(of.jump, tuple((first + by, bits) for first, bits in of.terms))


class Hulls(Sets):
    """Terms as first and last pixel of them all: what extent and jump need."""

    image = Map(1, ((0, 0),))

    def terms(self, paths: Iterable[Placed]) -> Terms:
        """Return the hull of the sets of paths."""
        return self.joined([(first, first + bits.bit_length() - 1) for first, bits in paths])

    def moved(self, of: Map, paths: Terms) -> list[Placed]:
        """Return what paths make of a map."""
        return [(a + of.jump * low, b + of.jump * high) for low, high in paths for a, b in of.terms]

    def joined(self, terms: list[Placed]) -> Terms:
        """Return the hull of a union."""
        return ((min(low for low, _ in terms), max(high for _, high in terms)),) if terms else ()

    def shifted(self, of: Map, by: int) -> Map:
        """Return a map moved by some pixels."""
        return Map(of.jump, tuple((low + by, high + by) for low, high in of.terms))


def after(algebra: Sets, state: Pair, earlier: Terms, last: Terms, stride: int, keep: bool) -> Pair:
    """Return the state after one use: paths from both inputs united; `keep` where the next one reads two maps.

    The earlier map must have the jump of the last one (`adapted`).
    """
    found = algebra.moved(state.last, last)
    if earlier and state.earlier is not None:
        found += algebra.moved(state.earlier, earlier)
    made = Map(state.last.jump * stride, algebra.joined(found))
    maps = min(2, state.maps + 1)
    before = state.last if keep and maps == 2 else None
    by = (
        -algebra.start(made if made.terms or before is None else before)
        if made.terms or (before and before.terms)
        else 0
    )
    if by:
        made = algebra.shifted(made, by)
        before = None if before is None else algebra.shifted(before, by)
    return Pair(maps, before, made)


def adapted(algebra: Sets, state: Pair, adapt: str | None) -> Pair:
    """Return a state whose earlier map has the jump of the last one; where there is none, it is the last one."""
    last, earlier = state.last, state.earlier
    if state.maps < 2 or earlier is None:
        return state._replace(earlier=last)
    ratio = last.jump // earlier.jump
    if ratio == 1:
        return state
    paths: list[Placed] = [(0, 1)]
    if adapt == "factorized_reduce":
        paths = [(0, 1), (1, 1)]
    elif adapt == "max_pool":
        paths = [(-((ratio - 1) // 2), (1 << ratio) - 1)]
    moved = algebra.joined(algebra.moved(earlier, algebra.terms(paths)))
    return state._replace(earlier=Map(last.jump, moved))
