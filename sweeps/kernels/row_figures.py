"""Figures of unions of rectangles whose rows fit some words: rows of equal content are worked out once.

The states are those of sweeps/kernels/unions.py; wider sets, and unions of boxes, go to its `union_figures`.
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import inline, jit, lowest_bit, popcount
from rfscale.sweeps.kernels.unions import VERSION, terms_of

helper = jit  # of what the kernel calls, and Python does not

MAX_WORDS, FEW_WORDS = 8, 4  # of a row
_ZERO, _ONE, _FULL = np.uint64(0), np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF)


@inline
def _placed(sets, axis, element, shift, words, half, term, to):
    """Write a set, `shift` pixels further, into a row of `term`, whose first word is number `half`."""
    at, by = shift >> 6, np.uint64(shift & 63)
    for w in range(words):
        term[to, w] = _ZERO
    for w in range(min(sets.shape[2], words - at)):
        word, to_word = sets[axis, element, w], at + w - half if at + w >= half else at + w + half
        term[to, to_word] |= word << by
        if by and at + w + 1 < words:
            term[to, to_word + 1 if to_word + 1 < words else 0] |= word >> (np.uint64(64) - by)


@helper
def _shared(row, words, step):
    """Pixels of a row that are there again `step` pixels further."""
    at, by, total = step >> 6, np.uint64(step & 63), np.int64(0)
    for w in range(words - at):
        word = row[w + at] >> by
        if by and w + at + 1 < words:
            word |= row[w + at + 1] << (np.uint64(64) - by)
        total += np.int64(popcount(word & row[w]))
    return total


@helper
def _longest_gap(row, words):
    """Longest run of pixels that a row lacks, between those that it has."""
    longest, after = np.int64(0), np.int64(-1)  # the pixel after the last one that it has, so far
    for w in range(words):
        left = row[w]
        while left:
            begin = np.int64(lowest_bit(left))
            if after >= 0:
                longest = max(longest, 64 * w + begin - after)
            left = ~left & (_FULL << np.uint64(begin))  # the first pixel after this run
            end = np.int64(lowest_bit(left)) if left else np.int64(64)
            after = 64 * w + end
            left = row[w] & (_FULL << np.uint64(end)) if end < 64 else _ZERO
    return longest


@helper
def _mirrored(sets, axis, element, length):
    """Whether a set is its own mirror image."""
    for x in range(length >> 1):
        y = length - 1 - x
        one = sets[axis, element, x >> 6] >> np.uint64(x & 63)
        if (one ^ (sets[axis, element, y >> 6] >> np.uint64(y & 63))) & _ONE:
            return False
    return True


@helper
def _all_mirrored(terms, n_terms, sets, extent, mirrored):
    """Whether all terms are mirrored on all axes; what is found of an element is kept: 1 if it is, 2 if not."""
    for i in range(n_terms):
        e = terms[i]
        if mirrored[e] == 0:
            mirrored[e] = 1
            for a in range(extent.shape[0]):
                if not _mirrored(sets, a, e, extent[a, e]):
                    mirrored[e] = 2
        if mirrored[e] == 2:
            return False
    return True


@inline
def _met(term, where, content, j, words):
    """Whether a term has some of rows j, whether it lacks some, and whether they gain pixels: words not 0 if so.

    So many words are read, whether used or not: a number that the compiler knows is half the time.
    """
    inside, outside, more = _ZERO, _ZERO, _ZERO
    for w in range(words):
        inside |= where[j, w] & term[1, w]
        outside |= where[j, w] & ~term[1, w]
        more |= term[0, w] & ~content[j, w]
    return inside, outside, more


@helper
def _rows(sets, terms, n_terms, start, low, along, words, half, term, where, content):
    """Write the distinct rows of a union of rectangles: where they are, and what they hold; return how many.

    Rows go along an axis; where axes differ, row 1 of `term` is the set across them. Rows that no term has hold
    nothing. A row holds all terms that contain its place: term by term, those rows are split off that gain something.

    Where all terms are their own mirror images about one middle, at the beginning of word `half` of twice as many, only
    rows from there on are written, and these words first: the others are like them, and pixels from there on tell rows
    apart. Else `half` is 0.
    """
    n, last, few = 1, start.shape[0] - 1, (half if half else words) <= FEW_WORDS
    for w in range(MAX_WORDS):
        where[0, w] = _FULL if w < (half if half else words) else _ZERO
        content[0, w] = term[0, w] = term[1, w] = _ZERO
    for i in range(n_terms):
        e = terms[i]
        _placed(sets, along, e, start[along, e] - low[along], words, half, term, 0)
        across = last - along if last else along
        _placed(sets, across, e, start[across, e] - low[across], words, half, term, 1)
        for j in range(n):
            inside, outside, more = _met(term, where, content, j, 4) if few else _met(term, where, content, j, 8)
            if inside and more:
                if outside:
                    for w in range(MAX_WORDS):
                        where[n, w] = where[j, w] & ~term[1, w]
                        content[n, w] = content[j, w]
                    n += 1
                for w in range(MAX_WORDS):
                    where[j, w] &= term[1, w]
                    content[j, w] |= term[0, w]
    return n


@jit
def row_figures(
    begin, end, masks, component, first, inside, start, extent, jump, sets, ndim, out, version=VERSION
):  # fmt: skip
    """Figures of states whose terms are rectangles of at most `MAX_WORDS` words; arguments as of `union_figures`.

    `ndim` is 1 or 2.
    """
    words, axes = masks.shape[1], start.shape[0]
    rest, terms = np.empty(words, np.uint64), np.empty(64 * words, np.int64)
    term, union = np.empty((2, MAX_WORDS), np.uint64), np.empty(MAX_WORDS, np.uint64)
    whole = np.empty(MAX_WORDS, np.uint64)
    low, length = np.empty(axes, np.int64), np.empty(axes, np.int64)
    where = np.empty((64 * MAX_WORDS + 2, MAX_WORDS), np.uint64)
    content = np.empty((64 * MAX_WORDS + 2, MAX_WORDS), np.uint64)
    mirrored = np.zeros(extent.shape[1], np.int8)
    for row in range(begin, end):
        for i in range(2 + 5 * axes):
            out[i, row] = 0
        if component[row] < 0:
            continue
        n_terms = terms_of(masks[row], first[component[row]], inside, rest, terms)
        wide, half = np.int64(0), np.int64(1)
        for a in range(axes):
            low[a], high = start[a, terms[0]], start[a, terms[0]] + extent[a, terms[0]]
            middle = low[a] + high
            for i in range(1, n_terms):
                e = terms[i]
                low[a], high = min(low[a], start[a, e]), max(high, start[a, e] + extent[a, e])
                if 2 * start[a, e] + extent[a, e] != middle:
                    half = np.int64(0)
            length[a] = high - low[a]
            wide = max(wide, (length[a] + 63) >> 6)
        if half and (wide == 1 or not _all_mirrored(terms, n_terms, sets, extent, mirrored)):
            half = np.int64(0)
        if half:
            half = (wide + 1) >> 1
            wide = 2 * half
            for a in range(axes):
                low[a] -= 64 * half - (length[a] >> 1)
        for a in range(axes):
            step, across = jump[a, terms[0]], axes - 1 - a
            n_rows = _rows(sets, terms, n_terms, start, low, a, wide, half, term, where, content)
            area, shared = np.int64(0), np.int64(0)
            for w in range(wide):
                union[w] = _ZERO
            for j in range(n_rows):
                rows, pixels = np.int64(0), np.int64(0)
                for w in range(half if half else wide):
                    rows += np.int64(popcount(where[j, w]))
                if half:  # and as many on the other side of the middle, that row aside
                    rows = 2 * rows - (np.int64(where[j, 0] & _ONE) & length[across])
                for w in range(wide):
                    pixels += np.int64(popcount(content[j, w]))
                    whole[w] = content[j, w - half if w >= half else w + half]
                    union[w] |= whole[w]
                area += rows * pixels
                if step < length[a]:
                    shared += rows * _shared(whole, wide, step)
            pixels = np.int64(0)
            for w in range(wide):
                pixels += np.int64(popcount(union[w]))
            if ndim == 1:
                area, shared = pixels, (_shared(union, wide, step) if step < length[a] else np.int64(0))
            at = 2 + 5 * a
            out[0, row], out[1, row] = area, n_terms if ndim > 1 else 1
            out[at, row], out[at + 1, row], out[at + 2, row], out[at + 3, row] = shared, length[a], pixels, step
            out[at + 4, row] = 0 if pixels == length[a] else _longest_gap(union, wide)
