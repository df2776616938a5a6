"""A layer on one axis: output entry up·m + r reads the input entries down·m + t, t in taps[r]."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import gcd
from typing import NamedTuple

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.engine.kernels.solid_pass import MAX_PERIOD, MAX_STEP

MAX_TAPS = 1 << 20  # table entries of one layer on one axis, a limit that catches typos in kernels
BORDERS = {"zeros": 0, "reflect": 1, "replicate": 2, "circular": 3}


class MapTable(NamedTuple):
    """An axis map for kernels: output up·m + r reads the entries down·m + taps[r, k], k < counts[r].

    `taps` is int64 (up, widest), `counts` int64 (up,), `border` a number of `BORDERS`.
    """

    up: int
    down: int
    taps: np.ndarray
    counts: np.ndarray
    border: int


class Progression(NamedTuple):
    """Evenly spaced taps of a map of one phase: output o reads down·o + start + step·i, i < taps."""

    start: int
    step: int
    taps: int


@dataclass(frozen=True, eq=False)
class AxisMap:
    """One layer on one axis. Made by the cached functions below, so that equal maps are one object.

    `border` says what a read outside a finite map is: nothing (`zeros`) or a path to a copied entry.
    """

    up: int
    down: int
    taps: tuple[Sequence[int], ...]
    border: str = "zeros"

    @property
    def is_identity(self) -> bool:
        return self.up == self.down == 1 and self.taps == ((0,),)

    @property
    def reads_all(self) -> bool:
        """Every output reads every entry of the input."""
        return self.down == 0

    @cached_property
    def progression(self) -> Progression | None:
        """The taps, if this is a window of evenly spaced ones; None otherwise."""
        taps = self.taps[0]
        steps = {b - a for a, b in itertools.pairwise(taps)}
        if self.up > 1 or self.down < 0 or len(steps) > 1 or not taps:
            return None
        return Progression(taps[0], steps.pop() if steps else 1, len(taps))

    @cached_property
    def window(self) -> tuple[int, int, int] | None:
        """Taps, stride and dilation of a window of evenly spaced taps; None for any other map."""
        even = self.progression
        return (even.taps, self.down, even.step) if even else None

    @cached_property
    def table(self) -> MapTable:
        """The map for kernels."""
        counts = np.array([len(t) for t in self.taps], dtype=np.int64)
        taps = np.zeros((self.up, max(1, int(counts.max()))), dtype=np.int64)
        for r, row in enumerate(self.taps):
            taps[r, : len(row)] = row
        return MapTable(self.up, self.down, taps, counts, BORDERS[self.border])

    @cached_property
    def outermost(self) -> tuple[tuple[int, int] | None, ...]:
        """The first and the last tap of each phase; None of one that reads nothing."""
        return tuple([(row[0], row[-1]) if row else None for row in self.taps])

    @cached_property
    def ends(self) -> tuple[int, ...] | None:
        """The outermost taps, as `rfscale.engine.kernels.solid_pass` takes them; None where it takes no such map.

        `up`, `down`, the most entries from a tap to the next; then the first and the last tap of each phase.
        """
        rows, ends = self.taps, [pair for pair in self.outermost if pair]
        if self.down < 0 or self.border not in ("zeros", "replicate") or self.up > MAX_PERIOD or len(ends) < self.up:
            return None
        if max(abs(t) for pair in ends for t in pair) > MAX_STEP or self.down > MAX_STEP:
            return None
        steps = [b - a for row in rows if not isinstance(row, range) for a, b in itertools.pairwise(row)]
        step = max(steps, default=1 if any(len(row) > 1 for row in rows) else 0)
        return (self.up, self.down, step, *itertools.chain.from_iterable(ends))

    def reads(self, entry: int) -> tuple[int, ...]:
        """Input entries that output entry `entry` reads, borders not considered."""
        m, r = divmod(entry, self.up)
        return tuple(self.down * m + t for t in self.taps[r])


def _guard(entries: int, what: str) -> None:
    if entries > MAX_TAPS:
        raise InputError(f"{what} makes a table of {entries} taps on one axis; at most {MAX_TAPS} are supported")


@lru_cache(maxsize=4096)
def window_map(kernel: int, stride: int = 1, dilation: int = 1, pad: int = 0) -> AxisMap:
    """Convolution, pooling, slice, pad, crop: a window of `kernel` taps, `dilation` apart."""
    _guard(kernel, f"kernel {kernel}")
    return AxisMap(1, stride, (tuple(dilation * i - pad for i in range(kernel)),))


@lru_cache(maxsize=1024)
def block_map(window: AxisMap, block: int, outputs: int) -> AxisMap:
    """A window with borders every `block` entries: each block makes `outputs` entries of its own."""
    taps = window.taps[0]
    _guard(outputs * len(taps), f"{len(taps)} taps in blocks of {block} entries")
    rows = tuple(tuple(t for t in (window.down * o + tap for tap in taps) if 0 <= t < block) for o in range(outputs))
    return AxisMap(outputs, block, rows)


@lru_cache(maxsize=4096)
def whole_map(n: int) -> AxisMap:
    """Global pooling, linear layer, full attention: each output reads all `n` entries. `down` is 0: one set for all.

    With n = 1 it spreads a map of one entry over one of any size.
    """
    return AxisMap(1, 0, (range(n),))


@lru_cache(maxsize=4096)
def transposed_map(kernel: int, stride: int, dilation: int, pad: int) -> AxisMap:
    """Transposed convolution: output o reads (o + pad - dilation*i)/stride wherever that is whole."""
    _guard(max(kernel, stride), f"kernel {kernel} at stride {stride}")
    rows: list[set[int]] = [set() for _ in range(stride)]
    for i in range(kernel):
        phase = (dilation * i - pad) % stride
        rows[phase].add((phase + pad - dilation * i) // stride)
    taps = tuple(tuple(sorted(row)) for row in rows)
    return AxisMap(stride, 1, taps)


@lru_cache(maxsize=4096)
def resample_map(
    size_in: int, size_out: int, mode: str, coordinates: str = "", rounding: str = "floor", antialias: bool = False
) -> AxisMap:
    """Nearest, bilinear or bicubic resampling of entries.

    The positions of the new entries among the old are what `coordinates` says: `half_pixel` (o + 1/2) in/out - 1/2,
    `asymmetric` o in/out, `align_corners` o (in - 1)/(out - 1); by default asymmetric for nearest, else half_pixel.
    With `antialias` the filter is, where entries become fewer, as wide among the new as otherwise among the old.
    """
    if antialias and size_out < size_in:
        return _shrinking_map(size_in, size_out, mode)
    coordinates = coordinates or _COORDINATES[mode]
    corners = coordinates == "align_corners" and min(size_in, size_out) > 1
    intervals_in, intervals_out = (size_in - 1, size_out - 1) if corners else (size_in, size_out)
    g = gcd(intervals_in, intervals_out)
    up, down = intervals_out // g, intervals_in // g
    _guard(up, f"resampling {size_in} entries to {size_out}")
    if coordinates == "half_pixel":
        positions = [((2 * r + 1) * down - up, 2 * up) for r in range(up)]
    elif corners or coordinates == "asymmetric":
        positions = [(r * down, up) for r in range(up)]
    else:  # one entry on either side: the corner is entry 0
        positions, mode, rounding = [(r * down, up) for r in range(up)], "nearest", "floor"
    inside = mode == "bilinear" or (mode == "nearest" and coordinates == "asymmetric" and rounding == "floor")
    taps = tuple(_neighbours(*position, mode, rounding) for position in positions)
    return AxisMap(up, down, taps, "zeros" if inside else "replicate")


def _shrinking_map(size_in: int, size_out: int, mode: str) -> AxisMap:
    """Entry t weighs what the filter says at x = (t + 1/2)·size_out/size_in - (o + 1/2), if that is not zero."""
    g = gcd(size_in, size_out)
    up, down = size_out // g, size_in // g
    reach = _REACH[mode]
    _guard(up * (2 * reach * down // up + 2), f"resampling {size_in} entries to {size_out}")
    taps = []
    for r in range(up):
        first, last = ((2 * r + 1 + 2 * side * reach) * down // (2 * up) for side in (-1, 1))
        offsets = ((t, abs((2 * t + 1) * up - (2 * r + 1) * down)) for t in range(first - 1, last + 2))
        taps.append(tuple(t for t, x in offsets if x < 2 * reach * down and (x == 0 or x % (2 * down))))
    return AxisMap(up, down, tuple(taps))


_REACH = {"bilinear": 1, "bicubic": 2}  # of the filters, which are zero at the other whole numbers
_COORDINATES = {"nearest": "asymmetric", "bilinear": "half_pixel", "bicubic": "half_pixel"}


def _neighbours(numerator: int, denominator: int, mode: str, rounding: str) -> tuple[int, ...]:
    """Entries that interpolation at a position reads; one of weight zero is no path."""
    base, rest = divmod(numerator, denominator)
    if mode == "nearest":
        return (base + ROUNDING[rounding](rest, denominator),)
    if rest == 0:
        return (base,)
    return (base, base + 1) if mode == "bilinear" else (base - 1, base, base + 1, base + 2)


ROUNDING: dict[str, Callable[[int, int], bool]] = {  # whether the fraction rest/whole is rounded up; `down`, `up`: ties
    "floor": lambda rest, whole: False,
    "ceil": lambda rest, whole: rest > 0,
    "down": lambda rest, whole: 2 * rest > whole,
    "up": lambda rest, whole: 2 * rest >= whole,
}


@lru_cache(maxsize=4096)
def adaptive_map(size_in: int, size_out: int) -> AxisMap:
    """Adaptive pooling: windows from floor to ceil of the cuts into `size_out` equal parts."""
    g = gcd(size_in, size_out)
    up, down = size_out // g, size_in // g
    _guard(up * (down // up + 2), f"pooling {size_in} entries to {size_out}")
    return AxisMap(up, down, tuple(tuple(range(r * down // up, -(-(r + 1) * down // up))) for r in range(up)))


@lru_cache(maxsize=1024)
def attention_window_map(window: int, dilation: int) -> AxisMap:
    """Attention inside windows: each entry reads the `window` entries, `dilation` apart, of its block."""
    block = window * dilation
    _guard(window * block, f"window {window} at dilation {dilation}")
    phases = tuple(tuple(range(r, block, dilation)) for r in range(dilation))
    return AxisMap(block, block, phases * window)


@lru_cache(maxsize=1024)
def border_map(pad: int, border: str) -> AxisMap:
    """Padding whose entries copy others (reflect, replicate, circular), or zeros."""
    return AxisMap(1, 1, ((-pad,),), border)


@lru_cache(maxsize=1024)
def flip_map(n: int) -> AxisMap:
    """A map of `n` entries in reverse: the one map whose jump is negative."""
    return AxisMap(1, -1, ((n - 1,),))


IDENTITY = window_map(1, 1, 1, 0)  # positional as everywhere: one key of the cache, one object
