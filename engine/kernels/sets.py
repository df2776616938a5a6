"""Kernels on families of 1-D pixel sets.

A family is three arrays: `first` and `last` (n,), the first and last pixel of each set, with last < first for an empty
one; and `bits` (n, words), where bit b of word w of row i is pixel ``64*((first[i] >> 6) + w) + b``. Rows are kept in a
band around their own first pixel, so memory goes with the extent, not with the image.

A family with `repeat` > 0 goes on for ever: set i + n*q is set i moved by repeat*q pixels (interior mode). With
`repeat` 0 the entries end at 0 and n - 1 (finite mode), and `border` says what a read outside is: 0 nothing, 1 reflect,
2 replicate, 3 circular.
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import inline, jit, lowest_bit, popcount

WORD = 64


_FAR = np.int64(1) << np.int64(62)


_FULL = np.uint64(0xFFFFFFFFFFFFFFFF)


@inline
def _source(entry, n, repeat, border):
    """Row and pixel shift of an entry; row -1 for none."""
    if 0 <= entry < n:
        return entry, 0
    if repeat > 0:
        q = entry // n
        return entry - q * n, q * repeat
    if border == 1:
        return (-entry if entry < 0 else 2 * (n - 1) - entry), 0
    if border == 2:
        return (0 if entry < 0 else n - 1), 0
    if border == 3:
        return entry % n, 0
    return -1, 0


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
def apply_map(first, last, bits, repeat, up, down, taps, counts, n_out, border, limit):
    """Sets of the output entries 0..n_out-1 of a layer (up, down, taps) over a family.

    Returns `first`, `last`, `bits`, and the words a row needs; where those pass `limit` in all, `bits` is empty.
    """
    n = first.shape[0]
    out_first = np.empty(n_out, np.int64)
    out_last = np.empty(n_out, np.int64)
    width = 1
    r, base = 0, 0  # o = up*m + r, base = down*m, counted along: divisions would take most of the time
    for o in range(n_out):
        low, high = _FAR, -_FAR
        for k in range(counts[r]):
            i, shift = _source(base + taps[r, k], n, repeat, border)
            if i >= 0 and last[i] >= first[i]:
                low = min(low, first[i] + shift)
                high = max(high, last[i] + shift)
        if high < low:
            low, high = 0, -1
        out_first[o] = low
        out_last[o] = high
        width = max(width, (high >> 6) - (low >> 6) + 1)
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
            i, shift = _source(base + taps[r, k], n, repeat, border)
            if i >= 0 and last[i] >= first[i]:
                word = first[i] >> 6
                _or_row(out, o, out_word, bits, i, (last[i] >> 6) - word + 1, word * 64 + shift)
        r += 1
        if r == up:
            r, base = 0, base + down
    return out_first, out_last, out, width


@jit
def unite(first_a, last_a, bits_a, first_b, last_b, bits_b):
    """Row by row union of two families of one length."""
    n = first_a.shape[0]
    first = np.empty(n, np.int64)
    last = np.empty(n, np.int64)
    width = 1
    for i in range(n):
        if last_a[i] < first_a[i]:
            first[i], last[i] = first_b[i], last_b[i]
        elif last_b[i] < first_b[i]:
            first[i], last[i] = first_a[i], last_a[i]
        else:
            first[i], last[i] = min(first_a[i], first_b[i]), max(last_a[i], last_b[i])
        width = max(width, (last[i] >> 6) - (first[i] >> 6) + 1)
    bits = np.zeros((n, width), np.uint64)
    for i in range(n):
        word = first[i] >> 6
        if last_a[i] >= first_a[i]:
            at = first_a[i] >> 6
            _or_row(bits, i, word, bits_a, i, (last_a[i] >> 6) - at + 1, at * 64)
        if last_b[i] >= first_b[i]:
            at = first_b[i] >> 6
            _or_row(bits, i, word, bits_b, i, (last_b[i] >> 6) - at + 1, at * 64)
    return first, last, bits


@inline
def _word_at(first, last, bits, i, word):
    """Word number `word` of row i, 0 outside the row."""
    at = word - (first[i] >> 6)
    if at < 0 or at > (last[i] >> 6) - (first[i] >> 6):
        return np.uint64(0)
    return bits[i, at]


@jit
def compare(first_a, last_a, bits_a, first_b, last_b, bits_b):
    """Bit 0: every set of a contains that of b; bit 1: every set of b contains that of a."""
    over, under = True, True
    for i in range(first_a.shape[0]):
        empty_a, empty_b = last_a[i] < first_a[i], last_b[i] < first_b[i]
        if empty_a or empty_b:
            over = over and empty_b
            under = under and empty_a
        else:
            if first_a[i] > first_b[i] or last_a[i] < last_b[i]:
                over = False
            if first_b[i] > first_a[i] or last_b[i] < last_a[i]:
                under = False
            if over or under:
                for word in range(min(first_a[i], first_b[i]) >> 6, (max(last_a[i], last_b[i]) >> 6) + 1):
                    a = _word_at(first_a, last_a, bits_a, i, word)
                    b = _word_at(first_b, last_b, bits_b, i, word)
                    if b & ~a:
                        over = False
                    if a & ~b:
                        under = False
        if not over and not under:
            return 0
    return (1 if over else 0) + (2 if under else 0)


@jit
def _longest_gap(row, first, last):
    """Longest run of zeros between two set bits of a row."""
    longest, run_start = 0, first
    base = (first >> 6) * 64
    for w in range((last >> 6) - (first >> 6) + 1):
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
    """Pixels of each set, its longest gap, and the pixels it shares with the next entry's set.

    In finite mode the last entry has no next: it shares -1.
    """
    n = first.shape[0]
    pixels = np.zeros(n, np.int64)
    gaps = np.zeros(n, np.int64)
    shared = np.zeros(n, np.int64)
    for i in range(n):
        total = np.int64(0)
        for w in range((last[i] >> 6) - (first[i] >> 6) + 1 if last[i] >= first[i] else 0):
            total += np.int64(popcount(bits[i, w]))
        pixels[i] = total
        if total < last[i] - first[i] + 1:
            gaps[i] = _longest_gap(bits[i], first[i], last[i])
        j, shift = _source(i + 1, n, repeat, 0)
        if j < 0:
            shared[i] = -1
        elif last[i] >= first[i] and last[j] >= first[j]:
            shared[i] = _shared(first, last, bits, i, j, shift)
    return pixels, gaps, shared


@jit
def _shared(first, last, bits, i, j, shift):
    """Pixels of row i that are in row j moved by `shift`."""
    low = max(first[i], first[j] + shift)
    high = min(last[i], last[j] + shift)
    q, s = shift >> 6, np.uint64(shift & 63)
    t = np.uint64(64) - s
    total = np.int64(0)
    for word in range(low >> 6, (high >> 6) + 1):
        moved = _word_at(first, last, bits, j, word - q) << s
        if s:
            moved |= _word_at(first, last, bits, j, word - q - 1) >> t
        total += np.int64(popcount(_word_at(first, last, bits, i, word) & moved))
    return total


@jit
def stack_words(first, last, bits, low, n_words, out):
    """Write a family's rows into `out` (n, n_words), whose first word of row i is number `low[i]`."""
    for i in range(first.shape[0]):
        if last[i] >= first[i]:
            at = (first[i] >> 6) - low[i]
            for w in range((last[i] >> 6) - (first[i] >> 6) + 1):
                if 0 <= at + w < n_words:
                    out[i, at + w] |= bits[i, w]


@jit
def term_masks(stack, max_masks):
    """How often each set of terms covers a pixel, entry by entry.

    Parameters
    ----------
    stack : uint64 array (terms, n, words)
        The terms' sets along one axis, aligned.

    Returns
    -------
    masks : uint64 array (m,)
        The sets of terms that occur, one bit a term.
    times : int64 array (n, m)
        Pixels of each entry that just those terms cover. `m` is `max_masks` + 1 where more occur.
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


@jit
def union_sizes(stack, masks):
    """Pixels in the union of the terms of each mask, entry by entry: int64 (masks, n)."""
    terms, n, words = stack.shape
    out = np.zeros((masks.shape[0], n), np.int64)
    for m in range(masks.shape[0]):
        for i in range(n):
            total = np.int64(0)
            for w in range(words):
                word = np.uint64(0)
                for t in range(terms):
                    if (masks[m] >> np.uint64(t)) & np.uint64(1):
                        word |= stack[t, i, w]
                total += np.int64(popcount(word))
            out[m, i] = total
    return out
