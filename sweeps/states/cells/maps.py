"""What a state of a space with cells of two inputs is: the last map and the one before it, moved together.

A map is a jump and its terms: products of placed sets of pixels, one for each axis, or one for all where windows are
alike on all axes; none contained in another (`Sets`), or their hull alone (`Hulls`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rfscale.sweeps.spaces.graphs.wiring import PerAxis, on_axes
from rfscale.sweeps.states.effects import Term, is_within, maximal_terms

Terms = tuple[Term, ...]  # sorted; of hulls at most one: first and last pixel on each axis


class Map(NamedTuple):
    """The footprint of a map's entry 0, and the pixels between neighbouring entries on each axis, or on all."""

    jump: tuple[int, ...]
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
    stride : tuple of int
        Of each use, on each axis, or on all.
    earlier, last : Terms
        Sets of the paths from each input.
    """

    uses: int
    stride: tuple[int, ...]
    earlier: Terms
    last: Terms


class Sets:
    """Terms as placed sets: what figures of the plane need.

    `axes` are those that a term has a set for; `differing` those of layers that differ, 1 where all are alike.
    """

    def __init__(self, axes: int) -> None:
        self.axes = self.differing = axes
        self.image = Map((1,) * axes, (((0, 1),) * axes,))
        self._sums: dict[tuple[int, int, int], int] = {}

    def terms(self, paths: Iterable[Term]) -> Terms:
        """Return the terms of an effect from the sets of its paths, on all axes that differ."""
        return self.own_terms(paths)

    def own_terms(self, paths: Iterable[Term]) -> Terms:
        """Return the same from sets on the axes of terms."""
        return tuple(sorted(maximal_terms(paths)))

    def steps(self, stride: PerAxis) -> tuple[int, ...]:
        """Return a stride on the axes of terms."""
        return on_axes(stride, self.axes)

    def moved(self, of: Map, paths: Terms) -> list[Term]:
        """Return what paths make of a map, not yet maximal."""
        out: list[Term] = []
        if self.axes == 1:  # sooner than by any number of axes, and every state is made by this
            (jump,), sums, total = of.jump, self._sums, self._sum
            for ((first, taps),) in paths:
                for ((start, bits),) in of.terms:
                    out.append(((start + jump * first, sums.get((bits, taps, jump)) or total(bits, taps, jump)),))
            return out
        for path in paths:
            for term in of.terms:
                sets = zip(term, path, of.jump, strict=True)
                out.append(tuple([(start + j * first, self._sum(bits, t, j)) for (start, bits), (first, t), j in sets]))
        return out

    def _sum(self, bits: int, taps: int, jump: int) -> int:
        """A set united with itself moved by every tap, `jump` pixels apart; kept."""
        key = (bits, taps, jump)
        total, left = self._sums.get(key, 0), taps
        if total:
            return total
        while left:
            low = left & -left
            total |= bits << (low.bit_length() - 1) * jump
            left ^= low
        self._sums[key] = total
        return total

    def joined(self, terms: list[Term]) -> Terms:
        """Return the terms of a union."""
        if len(terms) != 2:
            return tuple(terms) if len(terms) == 1 else tuple(sorted(maximal_terms(terms)))
        one, other = terms  # half of all unions
        if is_within(one, other):
            return (other,)
        if is_within(other, one):
            return (one,)
        return (one, other) if one < other else (other, one)

    def start(self, terms: Terms) -> tuple[int, ...]:
        """Return the first pixel of some terms on each axis."""
        first = terms[0][0][0]  # they are sorted
        return (first, *[min([term[axis][0] for term in terms]) for axis in range(1, self.axes)])

    def shifted(self, terms: Terms, by: Sequence[int]) -> Terms:
        """Return terms moved back by some pixels."""
        if self.axes == 1:  # three times as fast
            (n,) = by
            return tuple([((first - n, bits),) for ((first, bits),) in terms])
        return tuple([tuple([(first - n, bits) for (first, bits), n in zip(t, by, strict=True)]) for t in terms])


class Hulls(Sets):
    """Terms as first and last pixel of them all, on the axes `along`: what extent and jump need."""

    def __init__(self, axes: int, along: Sequence[int]) -> None:
        super().__init__(len(along))
        self.differing, self.along = axes, tuple(along)
        self.image = Map((1,) * self.axes, (((0, 0),) * self.axes,))

    def terms(self, paths: Iterable[Term]) -> Terms:
        """Return the hull of the sets of paths, on all axes that differ."""
        return self.own_terms([tuple([path[a] for a in self.along]) for path in paths])

    def own_terms(self, paths: Iterable[Term]) -> Terms:
        """Return the same from sets on the axes of terms."""
        return self.joined([tuple([(first, first + bits.bit_length() - 1) for first, bits in path]) for path in paths])

    def steps(self, stride: PerAxis) -> tuple[int, ...]:
        """Return a stride on the axes of terms."""
        whole = on_axes(stride, self.differing)
        return tuple([whole[a] for a in self.along])

    def moved(self, of: Map, paths: Terms) -> list[Term]:
        """Return what paths make of a map."""
        return [
            tuple([(a + j * low, b + j * high) for (a, b), (low, high), j in zip(term, path, of.jump, strict=True)])
            for path in paths
            for term in of.terms
        ]

    def joined(self, terms: list[Term]) -> Terms:
        """Return the hull of a union."""
        if not terms:
            return ()
        return (tuple([(min([a for a, _ in on]), max([b for _, b in on])) for on in zip(*terms, strict=True)]),)

    def shifted(self, terms: Terms, by: Sequence[int]) -> Terms:
        """Return terms moved back by some pixels."""
        return tuple([tuple([(low - n, high - n) for (low, high), n in zip(t, by, strict=True)]) for t in terms])


def after(algebra: Sets, state: Pair, found: list[Term], jump: tuple[int, ...], keep: bool) -> Pair:
    """Return the state after one use, which leads to some terms at a jump; `keep` where the next one reads two maps."""
    terms, maps = algebra.joined(found), min(2, state.maps + 1)
    before = state.last if keep and maps == 2 else None
    origin = terms or (before.terms if before is not None else ())
    by = algebra.start(origin) if origin else ()
    if any(by):
        terms = algebra.shifted(terms, by)
        before = None if before is None else Map(before.jump, algebra.shifted(before.terms, by))
    return Pair(maps, before, Map(jump, terms))


def adapted(algebra: Sets, state: Pair, adapt: str | None) -> Map:
    """Return the earlier map of a state, at the jump of the last one; where there is none, that is the earlier one."""
    last, earlier = state.last, state.earlier
    if state.maps < 2 or earlier is None:
        return last
    if last.jump == earlier.jump:
        return earlier
    ratio = [j // before for j, before in zip(last.jump, earlier.jump, strict=True)]
    paths: list[Term] = [((0, 1),) * algebra.axes]
    if adapt == "factorized_reduce":  # one entry further on the axes that skip some
        paths.append(tuple([(int(r > 1), 1) for r in ratio]))
    elif adapt == "max_pool":
        paths = [tuple([(-((r - 1) // 2), (1 << r) - 1) for r in ratio])]
    return Map(last.jump, algebra.joined(algebra.moved(earlier, algebra.own_terms(paths))))
