"""Kernels on families of 1-D pixel sets: the set of every entry of a map along one axis.

The drivers take the fields of their named tuples one by one, as in ``unite(*a, *b)``: to unpack a tuple of arrays that
comes from Python costs 1.1 µs a call, more than most of these kernels take for an interior map.
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.arrays import Sets
from rfscale.engine.kernels.borders import border_entry
from rfscale.engine.kernels.jit import inline, jit, lowest_bit, popcount

BEYOND_ALL_PIXELS = np.int64(1) << np.int64(62)

inlined_border_entry = inline(border_entry)


@inline
def _row_and_shift(entry, n, repeat, border):
    """Row of an entry, and the pixels by which its set is moved; row -1 for none."""
    if 0 <= entry < n:
        return entry, 0
    if repeat != 0:
        q = entry // n
        return entry - q * n, q * repeat
    return inlined_border_entry(entry, n, border), 0


@inline
def _words(first, last):
    """Words from that of the first pixel to that of the last; 0 or 1 for an empty set."""
    return (last >> 6) - (first >> 6) + 1


@inline
def _or_row(out, o, out_word, bits, i, words, position):
    """OR row i of `bits`, whose bit 0 is pixel `position`, into row o of `out`, whose first word is number `out_word`.

    Rows by index: handing over slices costs 1.3 times the whole of `apply_map`.
    """
    delta = position - out_word * 64
    q = delta >> 6
    s = np.uint64(delta & 63)
    width = out.shape[1]
    if s == 0:
        for w in range(words):
            out[o, q + w] |= bits[i, w]
        return
    t = np.uint64(64) - s
    for w in range(words):
        word = bits[i, w]
        if q + w >= 0:
            out[o, q + w] |= word << s
        if q + w + 1 < width:
            out[o, q + w + 1] |= word >> t


@jit
def apply_map(first, last, bits, repeat, up, down, taps, counts, border, n_out, limit):
    """Sets of the outputs of a layer: F'(o) = ∪ F(down·⌊o/up⌋ + t) over the taps t of phase o mod up.

    A read outside the entries of a finite family follows the border of the map; an output that reads nothing has the
    empty set.

    Parameters
    ----------
    first, last, bits, repeat
        `Sets` that the layer reads, one by one: as a named tuple they take 1 µs more to hand over.
    up, down, taps, counts, border
        A `rfscale.engine.network.axis_maps.MapTable`, one by one.
    n_out : int
        Outputs 0..n_out-1 are made.
    limit : int
        Words that the result may take in all.

    Returns
    -------
    first, last : int64 arrays (n_out,)
    bits : uint64 array (n_out, words)
        Empty where words·n_out passes `limit`.
    words : int
        Words that the widest row needs.
    """
    n = first.shape[0]
    out_first = np.empty(n_out, np.int64)
    out_last = np.empty(n_out, np.int64)
    width = 1
    r, base = 0, 0  # o = up*m + r, base = down*m, counted along: divisions would take most of the time
    for o in range(n_out):
        low, high = BEYOND_ALL_PIXELS, -BEYOND_ALL_PIXELS
        for k in range(counts[r]):
            i, shift = _row_and_shift(base + taps[r, k], n, repeat, border)
            if i >= 0 and last[i] >= first[i]:
                low = min(low, first[i] + shift)
                high = max(high, last[i] + shift)
        if high < low:
            low, high = 0, -1
        out_first[o] = low
        out_last[o] = high
        width = max(width, _words(low, high))
        r += 1
        if r == up:
            r, base = 0, base + down
    if width * n_out > limit:
        return out_first, out_last, np.zeros((0, 0), np.uint64), width
    out = np.zeros((n_out, width), np.uint64)
    r, base = 0, 0
    for o in range(n_out):
        out_word = out_first[o] >> 6
        for k in range(counts[r]):
            i, shift = _row_and_shift(base + taps[r, k], n, repeat, border)
            if i >= 0 and last[i] >= first[i]:
                _or_row(out, o, out_word, bits, i, _words(first[i], last[i]), (first[i] >> 6) * 64 + shift)
        r += 1
        if r == up:
            r, base = 0, base + down
    return out_first, out_last, out, width


@jit
def unite(first_a, last_a, bits_a, repeat_a, first_b, last_b, bits_b, repeat_b):
    """Entry by entry union of two families of one length: first, last and bits of A(i) ∪ B(i)."""
    a, b = Sets(first_a, last_a, bits_a, repeat_a), Sets(first_b, last_b, bits_b, repeat_b)
    n = first_a.shape[0]
    first = np.empty(n, np.int64)
    last = np.empty(n, np.int64)
    width = 1
    for i in range(n):
        if a.last[i] < a.first[i]:
            first[i], last[i] = b.first[i], b.last[i]
        elif b.last[i] < b.first[i]:
            first[i], last[i] = a.first[i], a.last[i]
        else:
            first[i], last[i] = min(a.first[i], b.first[i]), max(a.last[i], b.last[i])
        width = max(width, _words(first[i], last[i]))
    bits = np.zeros((n, width), np.uint64)
    for i in range(n):
        word = first[i] >> 6
        if a.last[i] >= a.first[i]:
            _or_row(bits, i, word, a.bits, i, _words(a.first[i], a.last[i]), (a.first[i] >> 6) * 64)
        if b.last[i] >= b.first[i]:
            _or_row(bits, i, word, b.bits, i, _words(b.first[i], b.last[i]), (b.first[i] >> 6) * 64)
    return first, last, bits


@inline
def _word_at(family, i, word):
    """Word number `word` of row i, 0 outside the row."""
    at = word - (family.first[i] >> 6)
    if at < 0 or at >= _words(family.first[i], family.last[i]):
        return np.uint64(0)
    return family.bits[i, at]


@jit
def compare(first_a, last_a, bits_a, repeat_a, first_b, last_b, bits_b, repeat_b):
    """Whether families contain each other: bit 0 if A(i) ⊇ B(i) for every entry i, bit 1 if A(i) ⊆ B(i)."""
    a, b = Sets(first_a, last_a, bits_a, repeat_a), Sets(first_b, last_b, bits_b, repeat_b)
    over, under = True, True
    for i in range(a.first.shape[0]):
        empty_a, empty_b = a.last[i] < a.first[i], b.last[i] < b.first[i]
        if empty_a or empty_b:
            over = over and empty_b
            under = under and empty_a
        else:
            if a.first[i] > b.first[i] or a.last[i] < b.last[i]:
                over = False
            if b.first[i] > a.first[i] or b.last[i] < a.last[i]:
                under = False
            if over or under:
                for word in range(min(a.first[i], b.first[i]) >> 6, (max(a.last[i], b.last[i]) >> 6) + 1):
                    of_a, of_b = _word_at(a, i, word), _word_at(b, i, word)
                    if of_b & ~of_a:
                        over = False
                    if of_a & ~of_b:
                        under = False
        if not over and not under:
            return 0
    return (1 if over else 0) + (2 if under else 0)


@jit
def _longest_gap(row, first, last):
    """Longest run of zeros between two set bits of a row, in pixels."""
    longest, run_start = 0, first
    base = (first >> 6) * 64
    for w in range(_words(first, last)):
        rest = row[w]
        while rest:
            pixel = base + 64 * w + np.int64(lowest_bit(rest))
            longest = max(longest, pixel - run_start)
            # skip the run of ones that starts here
            run = ~(rest >> np.uint64(pixel & 63))
            ones = np.int64(64) if run == 0 else np.int64(lowest_bit(run))
            run_start = pixel + ones
            end = (pixel & 63) + ones
            rest = np.uint64(0) if end >= 64 else (rest >> np.uint64(end)) << np.uint64(end)
    return longest


@jit
def measure(first, last, bits, repeat):
    """Figures of each set along its axis, all int64 (n,).

    Pixels |F(i)|; the longest gap, the longest run of missing pixels between its first and its last; and the pixels
    shared with the next entry, |F(i) ∩ F(i + 1)|: -1 for the last entry in finite mode. An empty set has 0 of each.
    """
    family = Sets(first, last, bits, repeat)
    n = first.shape[0]
    pixels = np.zeros(n, np.int64)
    gaps = np.zeros(n, np.int64)
    shared = np.zeros(n, np.int64)
    for i in range(n):
        total = np.int64(0)
        for w in range(_words(first[i], last[i]) if last[i] >= first[i] else 0):
            total += np.int64(popcount(bits[i, w]))
        pixels[i] = total
        if total < last[i] - first[i] + 1:
            gaps[i] = _longest_gap(bits[i], first[i], last[i])
        j, shift = _row_and_shift(i + 1, n, repeat, 0)
        if j < 0:
            shared[i] = -1
        elif last[i] >= first[i] and last[j] >= first[j]:
            shared[i] = _shared(family, i, j, shift)
    return pixels, gaps, shared


@jit
def _shared(family, i, j, shift):
    """Pixels of row i that are in row j moved by `shift`: |F(i) ∩ (F(j) + shift)|, neither of them empty."""
    low = max(family.first[i], family.first[j] + shift)
    high = min(family.last[i], family.last[j] + shift)
    q, s = shift >> 6, np.uint64(shift & 63)
    t = np.uint64(64) - s
    total = np.int64(0)
    for word in range(low >> 6, (high >> 6) + 1):
        moved = _word_at(family, j, word - q) << s
        if s:
            moved |= _word_at(family, j, word - q - 1) >> t
        total += np.int64(popcount(_word_at(family, i, word) & moved))
    return total


@jit
def stack_words(family, low, out):
    """OR a family's rows into `out` (n, words), whose first word of row i is number `low[i]`; other words are cut."""
    for i in range(family.first.shape[0]):
        if family.last[i] >= family.first[i]:
            at = (family.first[i] >> 6) - low[i]
            for w in range(_words(family.first[i], family.last[i])):
                if 0 <= at + w < out.shape[1]:
                    out[i, at + w] |= family.bits[i, w]


@jit
def term_masks(stack, max_masks):
    """How often each set of terms covers a pixel, entry by entry.

    The mask of a pixel has bit t where term t holds it; pixels of mask 0 are not counted.

    Parameters
    ----------
    stack : uint64 array (terms, n, words)
        The terms' sets along one axis, aligned; at most 64 terms.

    Returns
    -------
    masks : uint64 array (m,)
        The masks that occur.
    times : int64 array (n, m)
        Pixels of each entry that have each mask. `m` is `max_masks` + 1 where more masks occur.
    """
    terms, n, words = stack.shape
    masks = np.zeros(max_masks + 1, np.uint64)
    times = np.zeros((n, max_masks + 1), np.int64)
    found = 0
    for i in range(n):
        here = 0
        for w in range(words):
            for b in range(64):
                mask = np.uint64(0)
                for t in range(terms):
                    mask |= ((stack[t, i, w] >> np.uint64(b)) & np.uint64(1)) << np.uint64(t)
                if mask == 0:
                    continue
                if here >= found or masks[here] != mask:
                    here = 0
                    while here < found and masks[here] != mask:
                        here += 1
                    if here == found:
                        if found == max_masks:
                            return masks, times
                        masks[found] = mask
                        found += 1
                times[i, here] += 1
    return masks[:found], times[:, :found]
