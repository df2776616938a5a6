"""Exact sets of drawn chains, a set in a lane.

The set X of a chain is symmetric: a sum of progressions {0, g, ..., (k-1)·g}. All that come have gaps g that are
multiples of the jump, so that the pixels of X that are equal modulo the jump go the same way whatever the others do.
X is kept as copies, in as many different residues, of one set Y, of Y ⊕ {0, 1} and of Y ⊕ {0, 1, 2}, in units of a
spacing. Y of length n is kept by its *ends* where it has all entries from 64 to n - 65 (any set of up to 128): a word
whose bit b says whether entry b is there. Then

- Y ⊕ {0, g} has the ends ``e | e << g``, and no other gap if g is at most the run of entries between the gaps of Y;
- it has 2·|Y| - |Y ∩ (Y + g)| entries, which gives the pixels that two neighbouring entries share.

No branch depends on a lane, so that the compiler takes 8 sets at once. Where ends are not enough, X is divided by the
residues of the jump anew (`_divided`): of a run of entries each residue has a run, of one of two lengths. Of random
chains of 3×3 to 7×7 with strides and holes, 1 in 40 needs words of bits even so (`words`).
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import inline, inner_with, popcount, source_version
from rfscale.sweeps.kernels.drawn import lanes
from rfscale.sweeps.kernels.drawn.lanes import (
    DILATION,
    EXTENT,
    FORM,
    JUMP,
    LENGTH,
    MORE_TAPS,
    ONES,
    PIXELS,
    SHARED,
    SLOW,
    SPACING,
    STEP,
    STRIDE,
    TERMS,
    THREES,
    TWOS,
)

inner = inner_with(error_model="numpy")  # nothing is divided by 0, and no test for it is compiled

VERSION = lanes.VERSION ^ source_version(__file__, globals())  # for kernels that inline these: see `source_version`

_ONE, _ZERO, _FULL = np.uint64(1), np.uint64(0), np.uint64(0xFFFFFFFFFFFFFFFF)


# scalars -------------------------------------------------------------------------------------------------------------


@inline
def lowest(n):
    """The n lowest bits, all of them from 64 on."""
    return _FULL if n >= 64 else (_ONE << np.uint64(n & 63)) - _ONE


@inline
def _raised(ends, shift):
    """A word moved up; nothing is left from 64 on."""
    return _ZERO if shift >= 64 else ends << np.uint64(shift & 63)


@inner
def _pixels(ends, length):
    """Pixels of a set that is kept by its ends."""
    half = length >> 1
    absent = 2 * np.int64(popcount(~ends & lowest(half)))
    middle = np.int64(~(ends >> np.uint64(half & 63)) & _ONE)
    return length - absent - (middle if half < 64 and length & 1 else 0)


@inner
def run_of(ends, length):
    """Length of the run of pixels between the gaps near both ends; not positive if there is none."""
    gaps = ~ends & lowest((length + 1) >> 1)
    gaps |= gaps >> np.uint64(1)
    gaps |= gaps >> np.uint64(2)
    gaps |= gaps >> np.uint64(4)
    gaps |= gaps >> np.uint64(8)
    gaps |= gaps >> np.uint64(16)
    gaps |= gaps >> np.uint64(32)
    return length - 2 * np.int64(popcount(gaps))


@inner
def divisor(a, b, version=VERSION):
    """Greatest common divisor."""
    while b:
        a, b = b, a % b
    return a


# many lanes ----------------------------------------------------------------------------------------------------------


@inline
def _doubled(bits, terms, more, step):
    """A union of sets, each moved by a step further than the one before, with as many more, up to more + 1."""
    further = min(terms, more + 1 - terms)
    return bits | _raised(bits, further * step), terms + further


@inner
def advance_ends(n, whole, ends, doublings, version=VERSION):
    """Take the sets of n lanes through a layer of each, where ends are enough; the others are marked SLOW.

    Return how many are marked. `doublings`: so that 2^doublings is no less than any kernel.
    """
    slow = 0
    for i in range(n):
        more, gap = whole[MORE_TAPS + i], whole[DILATION + i] * whole[JUMP + i]
        length, spacing, bits = whole[LENGTH + i], whole[SPACING + i], ends[i]
        unit = spacing if spacing > 0 else gap
        step = np.int64(np.float64(gap) / np.float64(unit))  # exact wherever it is whole
        longer = length + more * step
        by_ends = whole[FORM + i] == 0 and (
            more == 0 or (step * unit == gap and (longer <= 128 or step <= run_of(bits, length)))
        )
        taken = by_ends and more > 0
        whole[EXTENT + i] += more * gap
        whole[LENGTH + i] = longer if taken else length
        whole[SPACING + i] = unit if taken else spacing
        whole[JUMP + i] = whole[JUMP + i] * whole[STRIDE + i] if by_ends else whole[JUMP + i]
        whole[SLOW + i] = 0 if by_ends else 1
        slow += 0 if by_ends else 1
        step = step if taken else 0
        bits, terms = _doubled(bits, 1, more, step)  # kernels up to 8 in this loop: without it, a third longer
        bits, terms = _doubled(bits, terms, more, step)
        bits, terms = _doubled(bits, terms, more, step)
        ends[i], whole[STEP + i], whole[TERMS + i] = bits, step, terms
    for _ in range(3, doublings):
        for i in range(n):
            ends[i], whole[TERMS + i] = _doubled(ends[i], whole[TERMS + i], whole[MORE_TAPS + i], whole[STEP + i])
    return slow


@inner
def count_ends(n, whole, ends, version=VERSION):
    """Write pixels and shared pixels of the sets of n lanes, where ends are enough; the others are marked SLOW.

    Return how many are marked.
    """
    slow = 0
    for i in range(n):
        length, jump, bits = whole[LENGTH + i], whole[JUMP + i], ends[i]
        ones, twos, threes = whole[ONES + i], whole[TWOS + i], whole[THREES + i]
        unit = max(whole[SPACING + i], np.int64(1))
        step = np.int64(np.float64(jump) / np.float64(unit))
        longest, run = length + (2 if twos + threes > 0 else 0), run_of(bits, length)
        apart = step * unit != jump or step >= longest
        by_ends = whole[FORM + i] == 0 and (longest <= 128 or longest == length or run > 0)
        by_ends = by_ends and (apart or longest + step <= 128 or step <= run)
        second = bits | (bits << _ONE)
        third = second | (bits << np.uint64(2))
        pixels = _pixels(bits, length)
        both = _pixels(bits | _raised(bits, step), length + step)
        more, more_both = _pixels(second, length + 1), _pixels(second | _raised(second, step), length + 1 + step)
        most, most_both = _pixels(third, length + 2), _pixels(third | _raised(third, step), length + 2 + step)
        shared = ones * (2 * pixels - both if step < length else 0)
        shared += twos * (2 * more - more_both if step < length + 1 else 0)
        shared += threes * (2 * most - most_both if step < length + 2 else 0)
        whole[PIXELS + i] = ones * pixels + twos * more + threes * most
        whole[SHARED + i] = 0 if apart else shared
        whole[SLOW + i] = 0 if by_ends else 1
        slow += 0 if by_ends else 1
    return slow


# one lane, by residues ------------------------------------------------------------------------------------------------


@inner
def added_runs(kept, length, copies, version=VERSION):
    """Copies of runs by length, the shortest length first, with some more; length -1 if there are too many lengths."""
    shortest, ones, twos, threes = kept
    if length == 0 or copies == 0 or shortest < 0:
        return kept
    if shortest == 0:
        return length, copies, np.int64(0), np.int64(0)
    while length < shortest and threes == 0:
        shortest, ones, twos, threes = shortest - 1, np.int64(0), ones, twos
    if length == shortest:
        return shortest, ones + copies, twos, threes
    if length == shortest + 1:
        return shortest, ones, twos + copies, threes
    if length == shortest + 2:
        return shortest, ones, twos, threes + copies
    return np.int64(-1), ones, twos, threes


@inner
def _runs_of(kept, bits, length, copies, ways, version=VERSION):
    """The same with the runs of each residue modulo `ways` of a set that is kept by its ends; -1 if one is no run."""
    each, rest = length // ways, length % ways
    low = ~bits & lowest((length + 1) >> 1)  # what is missing near the first end; and near the other, from there
    high = low & lowest(length >> 1)
    if low == _ZERO:
        kept = added_runs(kept, each, copies * (ways - rest))
        return added_runs(kept, each + 1, copies * rest)
    if ways > 64 or (low >> np.uint64(ways & 63)) & ~low:
        return np.int64(-1), copies, copies, copies
    for r in range(ways):
        size, p = each + (1 if r < rest else 0), np.int64(r)
        while p < 64 and (low >> np.uint64(p & 63)) & _ONE:
            size, p = size - 1, p + ways
        p = (rest - 1 - r) % ways
        while p < 64 and (high >> np.uint64(p & 63)) & _ONE:
            size, p = size - 1, p + ways
        kept = added_runs(kept, size, copies)
    return kept


@inner
def keep_runs(i, whole, ends, kept, version=VERSION):
    """Keep the set of a lane as runs, by length, of the residues of its jump."""
    whole[LENGTH + i], whole[ONES + i], whole[TWOS + i], whole[THREES + i] = kept
    whole[SPACING + i] = whole[JUMP + i] if kept[0] + kept[2] + kept[3] > 1 else 0
    whole[FORM + i], ends[i] = 0, lowest(kept[0])


@inline
def _divided(i, whole, ends, version=VERSION):
    """Keep the set of a lane by the residues of its jump, where each has a run of entries."""
    spacing, jump, length, bits = whole[SPACING + i], whole[JUMP + i], whole[LENGTH + i], ends[i]
    if spacing == 0 or jump % spacing or jump == spacing:
        return
    twos, threes, ways = whole[TWOS + i], whole[THREES + i], jump // spacing
    if twos + threes and length + 2 > 128 and run_of(bits, length) <= 0:
        return
    zero = np.int64(0)
    kept = _runs_of((zero, zero, zero, zero), bits, length, whole[ONES + i], ways)
    if twos and kept[0] >= 0:
        kept = _runs_of(kept, bits | (bits << _ONE), length + 1, twos, ways)
    if threes and kept[0] >= 0:
        kept = _runs_of(kept, bits | (bits << _ONE) | (bits << np.uint64(2)), length + 2, threes, ways)
    if kept[0] > 0:
        keep_runs(i, whole, ends, kept)


@inline
def advance_divided(i, whole, ends, version=VERSION):
    """Take the set of one lane, kept by ends, through its layer as `advance_ends` does, after a division by residues.

    The spacing may become smaller, too. Return whether it could.
    """
    _divided(i, whole, ends)
    more, gap = whole[MORE_TAPS + i], whole[DILATION + i] * whole[JUMP + i]
    length, spacing, bits = whole[LENGTH + i], whole[SPACING + i], ends[i]
    unit = divisor(gap, spacing) if spacing else gap
    factor, step = max(spacing // unit, 1), gap // unit
    wide = (length - 1) * factor + 1
    longer = wide + more * step
    if longer > 128 and (factor > 1 or step > run_of(bits, length)):
        return False
    if factor > 1:
        bits = _ZERO
        for p in range(0, min(wide, 64), factor):
            bits |= ((ends[i] >> np.uint64(p // factor)) & _ONE) << np.uint64(p)
    terms = np.int64(1)
    while terms < more + 1:
        further = min(terms, more + 1 - terms)
        bits |= _raised(bits, further * step)
        terms += further
    whole[LENGTH + i], whole[SPACING + i], ends[i] = longer, unit, bits
    return True
