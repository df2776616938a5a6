"""The kernel `rows_after`: figures of all choices of some stages after many states, of which nothing is merged.

States of one jump go through the same shifts, whatever their sets are. They are taken together, a state in a lane of
the processor's vectors, and no branch depends on one of them: 4 times as fast as state by state where sets are small.

Sets are those of sweeps/kernels/states.py: bit b of word w is pixel 64*w + b, and the first pixel is 0.
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import inline, jit, popcount

# states side by side. 16 are 2 times as slow: the compiler unrolls so short a loop before it thinks of vectors
LANES = 64
TILE = 16  # states whose rows are turned and written at once: they stay in the cache

_ONE = np.uint64(1)
_FULL = np.uint64(0xFFFFFFFFFFFFFFFF)
_HALF, _LOWER = np.int64(32), np.int64(0xFFFFFFFF)  # shared << _HALF | pixels: one number in the place of two


@inline
def _write_runs(bits, slot, extents, grown):
    """Write the words of solid sets, which are not there as long as all sets of a slot are solid."""
    for w in range(bits.shape[1]):
        for i in range(LANES):
            inside = min(max(extents[i] + grown - 64 * w, 0), 64)
            bits[slot, w, i] = _FULL if inside == 64 else (_ONE << np.uint64(inside)) - _ONE


@jit
def _or_shifted(bits, source, slot, n_words, shift):
    """Write sets, or themselves moved up by `shift`; the words of the source are 0 after its sets.

    From the top word down, reads come before writes where source and slot are one.
    """
    q, s = shift >> 6, np.uint64(shift & 63)
    t = np.uint64(63) - s  # and one more: a shift by 64 is undefined
    for w in range(n_words - 1, q, -1):
        for i in range(LANES):
            bits[slot, w, i] = (
                bits[source, w, i] | (bits[source, w - q, i] << s) | ((bits[source, w - q - 1, i] >> _ONE) >> t)
            )
    if n_words > q:
        for i in range(LANES):
            bits[slot, q, i] = bits[source, q, i] | (bits[source, 0, i] << s)
    if source != slot:
        for w in range(min(q, n_words)):
            for i in range(LANES):
                bits[slot, w, i] = bits[source, w, i]


@inline
def _after_window(bits, extents, facts, slot, kernel, gap):
    """Write the sets X ⊕ {0, gap, 2·gap, ...}, `kernel` terms, of the sets X of the slot before.

    facts[slot] is words of the widest set, words that may hold any pixel, whether all sets are solid: then there are
    no bits; and extent of the shortest and of the widest. Solid sets stay so while the gap is at most the extent.
    """
    source, grown = slot - 1, (kernel - 1) * gap
    stays = facts[source, 2] == 1 and gap <= facts[source, 3]
    facts[slot, 3], facts[slot, 4] = facts[source, 3] + grown, facts[source, 4] + grown
    n_words = (facts[slot, 4] + 63) >> 6
    facts[slot, 0], facts[slot, 2] = n_words, 1 if stays else 0
    if stays:
        return
    if facts[source, 2] == 1:
        _write_runs(bits, source, extents, facts[source, 3] - facts[0, 3])
        facts[source, 1] = bits.shape[1]
    for w in range(n_words, facts[slot, 1]):
        for i in range(LANES):
            bits[slot, w, i] = np.uint64(0)
    facts[slot, 1] = n_words
    _or_shifted(bits, source, slot, n_words, gap)
    terms = 2
    while terms < kernel:  # doubling: log2(kernel) passes
        more = min(terms, kernel - terms)
        _or_shifted(bits, slot, slot, n_words, more * gap)
        terms += more


@inline
def _count(bits, extents, facts, slot, jump, both, place):
    """Write the pixels of the sets of a slot, and those that each shares with itself moved by a jump: _HALF says how.

    Counted, kept and turned as one number, and some nodes at a time: the kernel is 1.12 times as fast.
    """
    n_words = facts[slot, 0]
    if facts[slot, 2] == 1:
        grown = facts[slot, 3] - facts[0, 3]
        for i in range(LANES):
            extent = extents[i] + grown
            both[place, i] = extent | (max(extent - jump, 0) << _HALF)
        return
    q, s = jump >> 6, np.uint64(jump & 63)
    t = np.uint64(63) - s
    for i in range(LANES):
        both[place, i] = 0
    for w in range(min(q, n_words)):
        for i in range(LANES):
            both[place, i] += np.int64(popcount(bits[slot, w, i]))
    if n_words > q:
        for i in range(LANES):
            word = bits[slot, q, i]
            shared = np.int64(popcount(word & (bits[slot, 0, i] << s)))
            both[place, i] += np.int64(popcount(word)) + (shared << _HALF)
    for w in range(q + 1, n_words):
        for i in range(LANES):
            word = bits[slot, w, i]
            moved = (bits[slot, w - q, i] << s) | ((bits[slot, w - q - 1, i] >> _ONE) >> t)
            both[place, i] += np.int64(popcount(word)) + (np.int64(popcount(word & moved)) << _HALF)


@inline
def _load(bits, extents, facts, extent, start, words, states, first, n):
    """Write n states of one jump, all solid or none, to slot 0; lanes that are left over have the first's extent."""
    state = np.int64(states[first])
    solid = start[state] < 0
    shortest = widest = extent[state]
    for i in range(LANES):
        state = np.int64(states[first + i]) if i < n else np.int64(states[first])
        extents[i] = extent[state]
        shortest, widest = min(shortest, extent[state]), max(widest, extent[state])
    n_words = (widest + 63) >> 6
    before = facts[0, 1]
    facts[0, 0], facts[0, 1], facts[0, 2] = n_words, n_words, 1 if solid else 0
    facts[0, 3], facts[0, 4] = shortest, widest
    if solid:
        facts[0, 1] = before
        return
    for w in range(n_words, before):
        for i in range(LANES):
            bits[0, w, i] = np.uint64(0)
    for i in range(LANES):
        have = np.int64(0)
        if i < n:
            state = np.int64(states[first + i])
            have = (extent[state] + 63) >> 6
            for w in range(have):
                bits[0, w, i] = words[start[state] + w]
        for w in range(have, n_words):
            bits[0, w, i] = np.uint64(0)


@jit
def _write_rows(both, turned, nodes, begin, rows, first, n, pixels, shared):
    """Write the figures of n nodes to all rows of each, from columns of them all.

    Turned some nodes at a time in the cache, then row by row: the memory is written in long runs. Unsigned indices let
    the compiler see that none is negative: 3 times as fast.
    """
    choices = both.shape[0]
    for low in range(0, n, TILE):
        for c in range(choices):
            for i in range(TILE):
                turned[np.uint64(i), np.uint64(c)] = both[np.uint64(c), np.uint64(low + i)]
        for i in range(low, min(low + TILE, n)):
            node = nodes[first + i]
            for at in range(begin[node], begin[node + 1]):
                row = np.uint64(rows[at])
                for c in range(choices):
                    two = turned[np.uint64(i - low), np.uint64(c)]
                    pixels[row, np.uint64(c)] = two & _LOWER
                    shared[row, np.uint64(c)] = two >> _HALF


@jit
def rows_after(
    jump, extent, start, words, groups, tails, states, nodes, begin, rows, first, steps, ends, places, width, low, high,
    out_pixels, out_shared,
):  # fmt: skip
    """Write pixels and shared after all choices of some stages, the last stage fastest, of the states of some groups.

    One call is the groups low..high-1, for a thread of its own. Nodes share no row.

    Parameters
    ----------
    jump, extent, start, words
        The pool.
    groups : int64 array (g + 1,)
        Where each group begins in `states`: at most LANES of one jump and live value, all solid or none.
    tails : int64 array (g,)
        Which of the live values of `first` each group has.
    states, nodes : int32 arrays (n,)
        State and node.
    begin : int64 array (n + 1,); rows : int32 array
        Where the rows of each node begin in `rows`, and their numbers.
    first, steps, ends, places
        As in `rfscale.sweeps.states.tails.Tails`.
    width : int
        Words of the widest set.
    low, high : int
    out_pixels, out_shared : int32 arrays (rows, choices)
    """
    slots = np.int64(0)
    for step in range(steps.shape[0]):
        slots = max(slots, steps[step, 0] + 1)
    choices = out_pixels.shape[1]
    bits = np.zeros((slots, width, LANES), np.uint64)
    extents, facts = np.zeros(LANES, np.int64), np.zeros((slots, 5), np.int64)
    both, turned = np.empty((choices, LANES), np.int64), np.empty((TILE, choices), np.int64)
    for group in range(low, high):
        at, n, tail = groups[group], groups[group + 1] - groups[group], tails[group]
        _load(bits, extents, facts, extent, start, words, states, at, n)
        here = jump[np.int64(states[at])]
        for step in range(first[tail], first[tail + 1]):
            slot = steps[step, 0]
            if slot > 0:
                _after_window(bits, extents, facts, slot, steps[step, 1], steps[step, 2] * here)
            for end in range(steps[step, 3], steps[step + 1, 3]):
                place = places[ends[end, 1]]
                _count(bits, extents, facts, slot, ends[end, 0] * here, both, place)
                for way in range(ends[end, 1] + 1, ends[end + 1, 1]):
                    for i in range(LANES):
                        both[places[way], i] = both[place, i]
        _write_rows(both, turned, nodes, begin, rows, at, n, out_pixels, out_shared)
