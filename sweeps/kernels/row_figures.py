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
def _placed(sets, element, shift, words, out):
    """Write a set, `shift` pixels further."""
    at, by = shift >> 6, np.uint64(shift & 63)
    for w in range(words):
        out[w] = _ZERO
    for w in range(min(sets.shape[1], words - at)):
        word = sets[element, w]
        out[at + w] |= word << by
        if by and at + w + 1 < words:
            out[at + w + 1] |= word >> (np.uint64(64) - by)


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
def _rows(across, along, terms, n_terms, start_across, start_along, low_across, low_along, words_across, words_along,
          term, same, other, where, content):  # fmt: skip
    """Write the distinct rows of a union of rectangles: where they are, and what they hold; return how many.

    `across` and `along` have the sets of each element across the rows and along them; `same` says that they are one.
    Rows that no term has hold nothing. A row holds all terms that contain its place: term by term, those rows are
    split off that gain something.
    """
    n = 1
    for w in range(words_across):
        where[0, w] = _FULL
    for w in range(words_along):
        content[0, w] = _ZERO
    for i in range(n_terms):
        e = terms[i]
        _placed(across, e, start_across[e] - low_across, words_across, term)
        if not same:
            _placed(along, e, start_along[e] - low_along, words_along, other)
        for j in range(n):
            inside, outside, more = _ZERO, _ZERO, _ZERO
            for w in range(words_across):
                inside |= where[j, w] & term[w]
                outside |= where[j, w] & ~term[w]
            for w in range(words_along):
                more |= other[w] & ~content[j, w]
            if inside and more:
                if outside:
                    for w in range(words_across):
                        where[n, w] = where[j, w] & ~term[w]
                    for w in range(words_along):
                        content[n, w] = content[j, w]
                    n += 1
                for w in range(words_across):
                    where[j, w] &= term[w]
                for w in range(words_along):
                    content[j, w] |= other[w]
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
    union, low, high = np.empty(MAX_WORDS, np.uint64), np.empty(axes, np.int64), np.empty(axes, np.int64)
    term, second = np.empty(MAX_WORDS, np.uint64), np.empty(MAX_WORDS, np.uint64)
    where = np.empty((64 * MAX_WORDS + 2, MAX_WORDS), np.uint64)
    content = np.empty((64 * MAX_WORDS + 2, MAX_WORDS), np.uint64)
    other = second if axes > 1 else term
    for row in range(begin, end):
        for i in range(out.shape[0]):
            out[i, row] = 0
        if component[row] < 0:
            continue
        n_terms = terms_of(masks[row], first[component[row]], inside, rest, terms)
        out[1, row] = n_terms if ndim > 1 else 1
        for a in range(axes):
            low[a], high[a] = start[a, terms[0]], start[a, terms[0]] + extent[a, terms[0]]
            for i in range(1, n_terms):
                low[a] = min(low[a], start[a, terms[i]])
                high[a] = max(high[a], start[a, terms[i]] + extent[a, terms[i]])
        for a in range(axes):
            b = axes - 1 - a  # the rows are those across axis a
            length, step = high[a] - low[a], jump[a, terms[0]]
            wide, tall = (length + 63) >> 6, (high[b] - low[b] + 63) >> 6
            n_rows = _rows(sets[b], sets[a], terms, n_terms, start[b], start[a], low[b], low[a], tall, wide,
                           term, axes == 1, other, where, content)  # fmt: skip
            area, shared = np.int64(0), np.int64(0)
            for w in range(wide):
                union[w] = _ZERO
            for j in range(n_rows):
                rows, pixels = np.int64(0), np.int64(0)
                for w in range(tall):
                    rows += np.int64(popcount(where[j, w]))
                for w in range(wide):
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
            out[0, row], out[at, row], out[at + 1, row], out[at + 2, row] = area, shared, length, pixels
            out[at + 3, row], out[at + 4, row] = step, 0 if pixels == length else _longest_gap(union, length)
