"""Exact sets of drawn chains for which ends are not enough (`sets`): one lane at a time, on words of bits."""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import inline, inner_with, lowest_bit, popcount, source_version
from rfscale.sweeps.kernels import frames
from rfscale.sweeps.kernels.drawn import sets
from rfscale.sweeps.kernels.drawn.lanes import (
    AT,
    DILATION,
    EXTENT,
    FORM,
    JUMP,
    LENGTH,
    MORE_TAPS,
    ONES,
    PIXELS,
    ROOM,
    ROW,
    SHARED,
    SLOW,
    SPACING,
    STRIDE,
    THREES,
    TWOS,
)
from rfscale.sweeps.kernels.drawn.sets import added_runs, advance_divided, divisor, keep_runs, lowest
from rfscale.sweeps.kernels.frames import moved_word, shared_pixels

inner = inner_with(error_model="numpy")  # nothing is divided by 0, and no test for it is compiled

VERSION = (
    sets.VERSION ^ frames.VERSION ^ source_version(__file__, globals())
)  # for kernels that inline these: see `source_version`

_ONE, _ZERO, _FULL = np.uint64(1), np.uint64(0), np.uint64(0xFFFFFFFFFFFFFFFF)
_MASKS = (0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F, 0x00FF00FF00FF00FF, 0x0000FFFF0000FFFF)


# Arrays are made longer before a loop over lanes: where one may be another in a loop, numba counts references in each
# turn, which took half of the time.


@inner
def words_needed(n, whole, version=VERSION):
    """Words that the lanes marked SLOW need at most for a layer, in all, and those of the widest set."""
    total, widest = np.int64(0), np.int64(0)
    for i in range(n):
        if whole[SLOW + i]:
            gap, spacing = whole[DILATION + i] * whole[JUMP + i], max(whole[SPACING + i], np.int64(1))
            last = (whole[LENGTH + i] - 1) * spacing + whole[MORE_TAPS + i] * gap
            most = last // divisor(gap, spacing) // 64 + 3
            total, widest = total + 4 * most, max(widest, most)
    return total, widest


@inner
def words_to_count(n, whole, version=VERSION):
    """Words that any of the lanes marked SLOW needs to be counted, one lane after another."""
    longest = np.int64(0)
    for i in range(n):
        longest = max(longest, whole[LENGTH + i] * whole[SLOW + i])
    return longest // 64 + 3


@inline
def lengthened(words, used, n):
    """The words, of which some are used, with room for n more."""
    if used + n > words.shape[0]:
        more = np.zeros(2 * (used + n), np.uint64)
        for w in range(used):  # numba compiles a copy of slices for 2 s: its error has a text
            more[w] = words[w]
        words = more
    return words


@inner
def place_words(words, used, n, version=VERSION):
    """Clear n words after those that are used and one more, which stays 0: return where they begin and end."""
    for w in range(used, used + 1 + n):
        words[w] = _ZERO
    return used + 1, used + 1 + n


@inner
def write_ends(words, at, bits, length, version=VERSION):
    """Write a set that is kept by its ends as words, which are zero."""
    words[at] = bits
    if length <= 64:
        return
    first = (length + 63) >> 6
    for w in range(1, first):
        words[at + w] = lowest(min(max(length - 64 - 64 * w, 0), 64))
    other = bits  # the same from the other end
    for i in range(5):
        shift, mask = np.uint64(1 << i), np.uint64(_MASKS[i])
        other = ((other >> shift) & mask) | ((other & mask) << shift)
    other = (other >> np.uint64(32)) | (other << np.uint64(32))
    w, shift = (length - 64) >> 6, np.uint64((length - 64) & 63)
    words[at + w] |= other << shift
    if shift:
        words[at + w + 1] |= other >> (np.uint64(64) - shift)


@inner
def ends_of_words(words, at, length, version=VERSION):
    """Whether a set of words can be kept by its ends."""
    if length <= 128:
        return True
    last = length - 64  # pixels 64 to last - 1 must all be there
    for w in range(1, last >> 6):
        if words[at + w] != _FULL:
            return False
    return ~words[at + (last >> 6)] & lowest(last & 63) == _ZERO


@inner
def _widened(words, at, length, factor, out, to, version=VERSION):
    """Write a set, each of whose pixels p becomes p·factor, to words of another array, which are zero."""
    for w in range((length + 63) >> 6):
        word = words[at + w]
        while word:
            p = (64 * w + np.int64(lowest_bit(word))) * factor
            out[to + (p >> 6)] |= _ONE << np.uint64(p & 63)
            word &= word - _ONE


@inner
def load_words(i, whole, ends, extent, start, given, words, used, version=VERSION):
    """Write a set of the pool, `extent` pixels whose bits begin at `start` (-1: solid), to a lane.

    Return how many words are used then.
    """
    whole[FORM + i], whole[LENGTH + i], whole[SPACING + i] = 0, extent, 1 if extent > 1 else 0
    whole[EXTENT + i], whole[ONES + i], whole[TWOS + i], whole[THREES + i] = extent, 1, 0, 0
    if start < 0:
        ends[i] = lowest(extent)
        return used
    unit = np.int64(0)
    for p in range(1, extent):
        if (given[start + (p >> 6)] >> np.uint64(p & 63)) & _ONE:
            unit = divisor(unit, p)
            if unit == 1:
                break
    length = (extent - 1) // unit + 1
    at, after = place_words(words, used, (length + 63) >> 6)
    if unit == 1:
        for w in range(after - at):
            words[at + w] = given[start + w]
    else:
        for p in range(length):
            bit = (given[start + ((p * unit) >> 6)] >> np.uint64((p * unit) & 63)) & _ONE
            words[at + (p >> 6)] |= bit << np.uint64(p & 63)
    whole[LENGTH + i], whole[SPACING + i] = length, unit
    if ends_of_words(words, at, length):
        ends[i] = words[at]
        return used
    whole[FORM + i], whole[AT + i], whole[ROOM + i] = 1, at, after - at
    return after


@inner
def _united(given, out, n, move, version=VERSION):
    """Write n words of a set united with itself moved up, to another array; both begin at 1."""
    q, shift = move >> 6, np.uint64(move & 63)
    rest = np.uint64(63) - shift
    for w in range(1, 1 + min(q, n)):
        out[w] = given[w]
    for w in range(1 + q, 1 + n):
        out[w] = given[w] | (given[w - q] << shift) | ((given[w - q - 1] >> _ONE) >> rest)


@inner
def _write_wider(words, at, length, more, out, version=VERSION):
    """Write Y ⊕ {0, ..., more} of words, `more` up to 2, to another array from 1 on; return how many entries it has."""
    size = np.int64(0)
    for w in range((length + more + 63) >> 6):
        word, before = words[at + w] if w < (length + 63) >> 6 else _ZERO, words[at + w - 1]
        if more > 1:
            word |= (word << _ONE) | (word << np.uint64(2)) | (before >> np.uint64(63)) | (before >> np.uint64(62))
        elif more > 0:
            word |= (word << _ONE) | (before >> np.uint64(63))
        out[1 + w] = word
        size += np.int64(popcount(word))
    return size


@inline
def _firsts(words, w, ways):
    """Of a word of a set from 1 on, the entries of which the one before of their residue modulo `ways` is missing."""
    q, shift = w - (ways >> 6), np.uint64(ways & 63)
    return words[1 + w] & ~moved_word(words, 1 + q, shift, np.uint64(63) - shift) if q >= 0 else words[1 + w]


@inner
def _count_firsts(words, n, ways, version=VERSION):
    """How many there are in n words."""
    firsts = np.int64(0)
    for w in range(n):
        firsts += np.int64(popcount(_firsts(words, w, ways)))
    return firsts


@inline
def _divided_words(i, whole, ends, words, one, starts, version=VERSION):
    """Do what `_divided` does for a set of words; return whether it is kept by ends now."""
    spacing, jump, length, at = whole[SPACING + i], whole[JUMP + i], whole[LENGTH + i], whole[AT + i]
    ways = jump // spacing
    if jump % spacing or ways < 2 or ways > starts.shape[0]:
        return False
    zero = np.int64(0)
    kept = (zero, zero, zero, zero)
    for more in range(3):
        copies, n = whole[ONES + more * ROW + i], length + more
        if copies == 0:
            continue
        _write_wider(words, at, length, more, one)
        if _count_firsts(one, (n + 63) >> 6, ways) > ways:  # one of each residue, if all are runs: most are found here
            return False
        for r in range(ways):
            starts[r] = -1
        for w in range((n + 63) >> 6):
            word = _firsts(one, w, ways)
            while word:
                p = 64 * w + np.int64(lowest_bit(word))
                if starts[p % ways] >= 0:
                    return False
                starts[p % ways] = p
                word &= word - _ONE
        for r in range(ways):
            if starts[r] >= 0:  # its last one is the first of another residue from the other end
                last = n - 1 - starts[(n - 1 - r) % ways]
                kept = added_runs(kept, (last - starts[r]) // ways + 1, copies)
        if kept[0] < 0:
            return False
    keep_runs(i, whole, ends, kept)
    return True


@inner
def _keep_words(i, whole, ends, words, used, made, version=VERSION):
    """Keep the set that was made of a lane, by its ends if these are enough; return how many words are used then."""
    length = whole[LENGTH + i]
    if ends_of_words(made, 1, length):
        whole[FORM + i], ends[i] = 0, made[1]
        return used
    n = (length + 63) >> 6
    if n > whole[ROOM + i]:
        whole[AT + i], used = place_words(words, used, 2 * n)
        whole[ROOM + i] = used - whole[AT + i]
    at = whole[AT + i]
    for w in range(n):
        words[at + w] = made[1 + w]
    return used


@inline
def _advance(i, whole, ends, words, used, one, two, version=VERSION):
    """Take the set of one lane through its layer on words, for which there is room; return how many are used then."""
    more, gap = whole[MORE_TAPS + i], whole[DILATION + i] * whole[JUMP + i]
    length, spacing, at = whole[LENGTH + i], whole[SPACING + i], whole[AT + i]
    unit = divisor(gap, spacing) if gap % max(spacing, 1) else max(spacing, 1)
    factor, step = spacing // unit, gap // unit
    wide = (length - 1) * factor + 1
    longer = wide + more * step
    old, n = (length + 63) >> 6, (longer + 63) >> 6
    if whole[FORM + i] == 0:
        at, used = place_words(words, used, 2 * max(old, n))
        whole[ROOM + i] = used - at
        write_ends(words, at, ends[i], length)
    if factor > 1:
        for w in range(n):
            one[1 + w] = _ZERO
        _widened(words, at, length, factor, one, 1)
    else:
        for w in range(old):
            one[1 + w] = words[at + w]
        for w in range(old, n):
            one[1 + w] = _ZERO
    terms, turn = np.int64(1), 0
    while terms < more + 1:  # `one` and `two` by turns
        further = min(terms, more + 1 - terms)
        if turn == 0:
            _united(one, two, n, further * step)
        else:
            _united(two, one, n, further * step)
        terms, turn = terms + further, 1 - turn
    whole[LENGTH + i], whole[SPACING + i], whole[FORM + i], whole[AT + i] = longer, unit, 1, at
    return _keep_words(i, whole, ends, words, used, two) if turn else _keep_words(i, whole, ends, words, used, one)


@inner
def advance_words(n, whole, ends, words, used, one, two, starts, version=VERSION):
    """Take the sets of the lanes that are marked SLOW through their layers, on words if need be.

    There is room in the words, and in two arrays for what is between; `starts` is one for residues. Return how many
    words are used then.
    """
    for i in range(n):
        if not whole[SLOW + i]:
            continue
        if whole[MORE_TAPS + i]:
            by_ends = whole[FORM + i] == 0 or _divided_words(i, whole, ends, words, one, starts)
            if not (by_ends and advance_divided(i, whole, ends)):
                used = _advance(i, whole, ends, words, used, one, two)
        whole[JUMP + i] *= whole[STRIDE + i]
    return used


@inline
def _count(i, whole, ends, words, used, one, version=VERSION):
    """Write pixels and shared pixels of one lane, by words, for which there is room."""
    length, unit, at = whole[LENGTH + i], max(whole[SPACING + i], np.int64(1)), whole[AT + i]
    if whole[FORM + i] == 0:
        at, _ = place_words(words, used, (length + 63) >> 6)
        write_ends(words, at, ends[i], length)
    pixels, shared, step = np.int64(0), np.int64(0), whole[JUMP + i] // unit
    apart = whole[JUMP + i] % unit != 0
    for more in range(3):
        copies = whole[ONES + more * ROW + i]
        if copies == 0:
            continue
        size = _write_wider(words, at, length, more, one)
        pixels += copies * size
        shared += 0 if apart else copies * shared_pixels(one, 1, length + more, step)
    whole[PIXELS + i], whole[SHARED + i] = pixels, shared


@inner
def count_words(n, whole, ends, words, used, one, version=VERSION):
    """Write pixels and shared pixels of the lanes that are marked SLOW, for which there is room."""
    for i in range(n):
        if whole[SLOW + i]:
            _count(i, whole, ends, words, used, one)
