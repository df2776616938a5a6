"""What the entries of a map read of another one, or of the image: on each axis a placed set for each phase.

Upsampling makes entries differ: of a map that was upsampled by 2, even entries read other pixels, relative to their
place, than odd ones. A family says what each of them reads on one axis (docs/theory.md, 15.1). A path is a family for
each axis, or one for all where windows are alike on all axes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from math import gcd, lcm
from operator import le
from typing import NamedTuple

from rfscale.sweeps.spaces.graphs.wiring import ChainLayer, first_tap, transposed_start
from rfscale.sweeps.states.effects import Placed, Reach, window
from rfscale.sweeps.states.elements import set_bits


class Family(NamedTuple):
    """Entry ``up*m + r`` reads the set of phase r, moved by ``down*m``.

    Attributes
    ----------
    up, down : int
        So many entries go on by `down` entries (pixels) of what they read.
    sets : tuple of (first, bits), one for each phase r < up
        Bit 0 of `bits` is set.
    """

    up: int
    down: int
    sets: tuple[Placed, ...]

    @property
    def jump(self) -> Fraction:
        """Entries (pixels) from what one entry reads to what the next one does."""
        return Fraction(self.down, self.up)

    def at(self, entry: int) -> Placed:
        """Return the set that an entry reads."""
        period, phase = divmod(entry, self.up)
        first, bits = self.sets[phase]
        return first + self.down * period, bits

    def moved(self, by: int) -> Family:
        """Return the family, all sets moved."""
        return Family(self.up, self.down, tuple([(first + by, bits) for first, bits in self.sets])) if by else self


IDENTITY = Family(1, 1, ((0, 1),))
Path = tuple[Family, ...]  # on each axis, or one for all


def layer_path(layer: ChainLayer, axes: int) -> Path:
    """Return what a layer's entries read of the map before, on so many axes that differ."""
    return tuple([_layer_family(layer, axis) for axis in range(axes)])


def _layer_family(layer: ChainLayer, axis: int) -> Family:
    step = layer.stride[axis]
    if layer.op == "conv_transpose":
        return _transposed(layer.kernel[axis], step)
    if layer.op == "upsample":
        return Family(step, 1, tuple(_interpolated(r, step, layer.mode) for r in range(step)))
    return Family(1, step, ((first_tap(layer, axis), window(1, layer.kernel[axis], layer.dilation[axis])),))


def _interpolated(phase: int, scale: int, mode: str | None) -> Placed:
    """Nearest: the entry that lies there. Bilinear: the neighbours of a centre, or the one entry that is there."""
    if mode != "bilinear":
        return 0, 1
    first, rest = divmod(2 * phase + 1 - scale, 2 * scale)
    return first, 3 if rest else 1


def _transposed(kernel: int, stride: int) -> Family:
    start = transposed_start(kernel, stride)
    rows: list[list[int]] = [[] for _ in range(stride)]
    for i in range(kernel):
        phase = (i - start) % stride
        rows[phase].append((phase + start - i) // stride)
    return Family(stride, 1, tuple((min(row), sum(1 << t - min(row) for t in row)) for row in rows))


def of_reach(reach: Reach) -> tuple[Path, ...]:
    """Return the paths through layers that only thin out entries."""
    paths = [tuple([Family(1, s, (p,)) for s, p in zip(reach.stride, term, strict=True)]) for term in reach.terms]
    return tuple(sorted(paths))


def jumps(path: Path) -> tuple[Fraction, ...]:
    """Return the entries (pixels) from what one entry reads to what the next one does, on each axis."""
    return tuple([family.jump for family in path])


def composed(outer: Path, inner: Path) -> Path:
    """Return what entries read through the entries that they read."""
    return tuple(map(compose, outer, inner))


def compose(outer: Family, inner: Family) -> Family:
    """Return what entries read through the entries that they read, on one axis."""
    if outer.up == inner.up == 1:
        (first, taps), (start, bits) = outer.sets[0], inner.sets[0]
        return Family(1, outer.down * inner.down, ((first * inner.down + start, _sumset(bits, taps, inner.down)),))
    up, down, rows = inner
    times = up // gcd(up, outer.down)
    low = min([first for first, _ in outer.sets])
    high = max([first + taps.bit_length() for first, taps in outer.sets]) + outer.down * (times - 1)
    entries = [divmod(e, up) for e in range(low, high)]
    reads = [[first - low + tap for tap in set_bits(taps)] for first, taps in outer.sets]
    begins = range(0, times * outer.down, outer.down)
    sets = _solid(inner, entries, begins, reads)
    if sets is None:
        placed = [(rows[phase][0] + period * down, rows[phase][1]) for period, phase in entries]
        sets = [_united([placed[at + i] for i in each]) for at in begins for each in reads]
    return reduced(Family(outer.up * times, down * outer.down * times // up, tuple(sets)))


def _solid(
    inner: Family, entries: Sequence[tuple[int, int]], begins: Iterable[int], reads: Sequence[Sequence[int]]
) -> list[Placed] | None:
    """The unions of what is read at each beginning, by their ends; None where sets have holes or may leave some."""
    for _, bits in inner.sets:
        if bits & bits + 1:
            return None
    firsts = [inner.sets[phase][0] + period * inner.down for period, phase in entries]
    ends = [first + inner.sets[phase][1].bit_length() for first, (_, phase) in zip(firsts, entries, strict=True)]
    step = max([b - a for each in reads for a, b in pairwise(each)], default=1)
    rising = firsts == sorted(firsts) and ends == sorted(ends)
    if not rising or not all(map(le, firsts[step:], ends)):  # then neighbours join
        return None
    hulls = [(firsts[at + each[0]], ends[at + each[-1]]) for at in begins for each in reads]
    return [(first, (1 << end - first) - 1) for first, end in hulls]


def _sumset(bits: int, taps: int, step: int) -> int:
    out = 0
    while taps:
        low = taps & -taps
        out |= bits << (low.bit_length() - 1) * step
        taps ^= low
    return out


def union(placed: Iterable[Placed]) -> Placed:
    """Return the union of placed sets."""
    return _united(list(placed))


def _united(placed: list[Placed]) -> Placed:
    low, out = placed[0]
    for first, bits in placed:
        if first < low:
            low, out = first, out << low - first | bits
        else:
            out |= bits << first - low
    return low, out


def reduced(family: Family) -> Family:
    """Return the family with the fewest phases that say the same."""
    up, down, sets = family
    if up == 1:
        return family
    most = gcd(up, down)
    for parts in range(most, 1, -1):
        if most % parts:
            continue
        step, by = up // parts, down // parts
        if sets[step] == (sets[0][0] + by, sets[0][1]) and all(
            sets[i] == (sets[i - step][0] + by, sets[i - step][1]) for i in range(step, up)
        ):
            return Family(step, by, sets[:step])
    return family


def within(small: Family, large: Family) -> bool:
    """Whether every entry reads of one family no more than of the other."""
    if small.up == large.up:
        return all(map(inside, small.sets, large.sets))
    entries = range(lcm(small.up, large.up))
    return all(map(inside, map(small.at, entries), map(large.at, entries)))


def inside(small: Placed, large: Placed) -> bool:
    """Whether a placed set is a part of another."""
    shift = small[0] - large[0]
    return shift >= 0 and not small[1] << shift & ~large[1]


def maximal(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Return the paths that no other one contains, sorted."""
    every = set(paths)
    if len(every) == 1:
        return tuple(every)
    kept: list[Path] = []
    phases = lcm(*{f.up for path in every for f in path})
    size = {p: sum([sum([b.bit_count() for _, b in f.sets]) * (phases // f.up) for f in p]) for p in every}
    for path in sorted(every, key=size.__getitem__, reverse=True):  # what contains another is larger
        if not any(all(map(within, path, other)) for other in kept):
            kept.append(path)
    return tuple(sorted(kept))


def centres(paths: Sequence[Path]) -> tuple[Fraction, ...]:
    """Return the middle of the hull on each axis, as the mean of all entries, beside the entry's own place."""
    return tuple([_centre(families) for families in zip(*paths, strict=True)])


def _centre(families: Sequence[Family]) -> Fraction:
    up = lcm(*(f.up for f in families))
    total = -up * (up - 1) // families[0].up * families[0].down  # of all entries, twice
    for entry in range(up):
        first, bits = _united([f.at(entry) for f in families])
        total += 2 * first + bits.bit_length() - 1
    return Fraction(total, 2 * up)
