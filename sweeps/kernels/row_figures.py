"""Figures of unions of rectangles whose rows fit some words: rows of equal content are worked out once.

The states are those of sweeps/kernels/unions.py; wider sets, and unions of boxes, go to its `union_figures`.
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import inline, jit, popcount
from rfscale.sweeps.kernels.unions import VERSION, terms_of

helper = jit  # of what the kernel calls, and Python does not

MAX_WORDS = 8  # of a row
_ZERO, _FULL = np.uint64(0), np.uint64(0xFFFFFFFFFFFFFFFF)


@inline
def _placed(sets, axis, element, shift, words, term, to):
    """Write a set, `shift` pixels further, into a row of `term`."""
    at, by = shift >> 6, np.uint64(shift & 63)
    for w in range(words):
        term[to, w] = _ZERO
    for w in range(min(sets.shape[2], words - at)):
        word = sets[axis, element, w]
        term[to, at + w] |= word << by
        if by and at + w + 1 < words:
            term[to, at + w + 1] |= word >> (np.uint64(64) - by)


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
def _longest_gap(row, length):
    """Longest run of pixels that a row lacks, between those that it has."""
    longest, gap = np.int64(0), np.int64(0)
    for x in range(length):
        if (row[x >> 6] >> np.uint64(x & 63)) & np.uint64(1):
            gap = 0
        else:
            gap += 1
            longest = max(longest, gap)
    return longest


@helper
def _rows(sets, terms, n_terms, start, low, along, words, term, where, content):
    """Write the distinct rows of a union of rectangles: where they are, and what they hold; return how many.

    Rows go along an axis; where axes differ, row 1 of `term` is the set across them. Rows that no term has hold
    nothing. A row holds all terms that contain its place: term by term, those rows are split off that gain something.
    """
    n, last = 1, start.shape[0] - 1
    for w in range(words):
        where[0, w], content[0, w] = _FULL, _ZERO
    for i in range(n_terms):
        e = terms[i]
        _placed(sets, along, e, start[along, e] - low[along], words, term, 0)
        if last:
            _placed(sets, last - along, e, start[last - along, e] - low[last - along], words, term, 1)
        for j in range(n):
            inside, outside, more = _ZERO, _ZERO, _ZERO
            for w in range(words):
                across = term[1, w] if last else term[0, w]  # 1.1 times as fast as term[last, w]
                inside |= where[j, w] & across
                outside |= where[j, w] & ~across
                more |= term[0, w] & ~content[j, w]
            if inside and more:
                if outside:
                    for w in range(words):
                        where[n, w] = where[j, w] & ~(term[1, w] if last else term[0, w])
                        content[n, w] = content[j, w]
                    n += 1
                for w in range(words):
                    where[j, w] &= term[1, w] if last else term[0, w]
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
    low, high = np.empty(axes, np.int64), np.empty(axes, np.int64)
    where = np.empty((64 * MAX_WORDS + 2, MAX_WORDS), np.uint64)
    content = np.empty((64 * MAX_WORDS + 2, MAX_WORDS), np.uint64)
    for row in range(begin, end):
        for i in range(2 + 5 * axes):
            out[i, row] = 0
        if component[row] < 0:
            continue
        n_terms = terms_of(masks[row], first[component[row]], inside, rest, terms)
        wide = np.int64(0)
        for a in range(axes):
            low[a], high[a] = start[a, terms[0]], start[a, terms[0]] + extent[a, terms[0]]
            for i in range(1, n_terms):
                low[a] = min(low[a], start[a, terms[i]])
                high[a] = max(high[a], start[a, terms[i]] + extent[a, terms[i]])
            wide = max(wide, (high[a] - low[a] + 63) >> 6)
        for a in range(axes):
            length, step = high[a] - low[a], jump[a, terms[0]]
            n_rows = _rows(sets, terms, n_terms, start, low, a, wide, term, where, content)
            area, shared = np.int64(0), np.int64(0)
            for w in range(wide):
                union[w] = _ZERO
            for j in range(n_rows):
                rows, pixels = np.int64(0), np.int64(0)
                for w in range(wide):
                    rows += np.int64(popcount(where[j, w]))
                    pixels += np.int64(popcount(content[j, w]))
                    union[w] |= content[j, w]
                area += rows * pixels
                if step < length:
                    shared += rows * _shared(content[j], wide, step)
            pixels = np.int64(0)
            for w in range(wide):
                pixels += np.int64(popcount(union[w]))
            if ndim == 1:
                area, shared = pixels, (_shared(union, wide, step) if step < length else np.int64(0))
            at = 2 + 5 * a
            out[0, row], out[1, row] = area, n_terms if ndim > 1 else 1
            out[at, row], out[at + 1, row], out[at + 2, row], out[at + 3, row] = shared, length, pixels, step
            out[at + 4, row] = 0 if pixels == length else _longest_gap(union, length)
