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

_ONE = np.uint64(1)
_FULL = np.uint64(0xFFFFFFFFFFFFFFFF)


@inline
def _write_runs(bits, slot, extents):
    """Write the words of solid sets, which are not there as long as all sets of a slot are solid."""
    for w in range(bits.shape[1]):
        for i in range(LANES):
            inside = min(max(extents[slot, i] - 64 * w, 0), 64)
            bits[slot, w, i] = _FULL if inside == 64 else (_ONE << np.uint64(inside)) - _ONE


@inline
def _or_shifted(bits, slot, n_words, shift):
    """OR sets with themselves moved up by `shift`, in place: from the top word down, reads come before writes."""
    q, s = shift >> 6, np.uint64(shift & 63)
    t = np.uint64(63) - s  # and one more: a shift by 64 is undefined
    for w in range(n_words - 1, q, -1):
        for i in range(LANES):
            bits[slot, w, i] |= (bits[slot, w - q, i] << s) | ((bits[slot, w - q - 1, i] >> _ONE) >> t)
    if n_words > q:
        for i in range(LANES):
            bits[slot, q, i] |= bits[slot, 0, i] << s


@inline
def _after_layer(bits, extents, facts, source, slot, kernel, stride, dilation):
    """Write the sets X ⊕ {0, gap, 2·gap, ...}, `kernel` terms, of the sets X of a slot; gap = dilation·jump.

    facts[slot] is jump, words of the widest set, and whether all sets are solid: then there are no bits. Solid sets
    stay so while the gap is at most the extent.
    """
    jump, have, solid = facts[source, 0], facts[source, 1], facts[source, 2]
    gap = jump * dilation
    shortest, widest = extents[source, 0], np.int64(0)
    for i in range(LANES):
        shortest = min(shortest, extents[source, i])
        extents[slot, i] = extents[source, i] + (kernel - 1) * gap
        widest = max(widest, extents[slot, i])
    n_words = (widest + 63) >> 6
    stays = solid == 1 and (kernel == 1 or gap <= shortest)
    facts[slot, 0], facts[slot, 1], facts[slot, 2] = jump * stride, n_words, 1 if stays else 0
    if stays:
        return
    if solid == 1:
        _write_runs(bits, source, extents)
    for w in range(have):
        for i in range(LANES):
            bits[slot, w, i] = bits[source, w, i]
    for w in range(have, n_words):
        for i in range(LANES):
            bits[slot, w, i] = np.uint64(0)
    terms = 1
    while terms < kernel:  # doubling: log2(kernel) passes
        more = min(terms, kernel - terms)
        _or_shifted(bits, slot, n_words, more * gap)
        terms += more


@inline
def _count(bits, extents, facts, slot, pixels, shared):
    """Write the pixels of the sets of a slot, and those that each shares with itself moved by the jump."""
    jump, n_words = facts[slot, 0], facts[slot, 1]
    if facts[slot, 2] == 1:
        for i in range(LANES):
            pixels[i] = extents[slot, i]
            shared[i] = max(extents[slot, i] - jump, 0)
        return
    for i in range(LANES):
        pixels[i], shared[i] = 0, 0
    for w in range(n_words):
        for i in range(LANES):
            pixels[i] += np.int64(popcount(bits[slot, w, i]))
    q, s = jump >> 6, np.uint64(jump & 63)
    t = np.uint64(63) - s
    if n_words > q:
        for i in range(LANES):
            shared[i] += np.int64(popcount(bits[slot, q, i] & (bits[slot, 0, i] << s)))
    for w in range(q + 1, n_words):
        for i in range(LANES):
            moved = (bits[slot, w - q, i] << s) | ((bits[slot, w - q - 1, i] >> _ONE) >> t)
            shared[i] += np.int64(popcount(bits[slot, w, i] & moved))


@inline
def _load(bits, extents, facts, jump, extent, start, words, states, first, n):
    """Write n states of one jump, all solid or none, to slot 0; lanes that are left over have the first's extent."""
    state = np.int64(states[first])
    solid = start[state] < 0
    widest = np.int64(0)
    for i in range(LANES):
        state = np.int64(states[first + i]) if i < n else np.int64(states[first])
        extents[0, i] = extent[state]
        widest = max(widest, extent[state])
    n_words = (widest + 63) >> 6
    facts[0, 0], facts[0, 1], facts[0, 2] = jump[state], n_words, 1 if solid else 0
    if solid:
        return
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
def rows_after(
    jump, extent, start, words, groups, states, live, rows, stages, tries, variant, next_live, leaf,
    parent, kernel, stride, dilation, width, low, high, out_pixels, out_extent, out_jump, out_shared,
):  # fmt: skip
    """Write the figures after all choices of some stages, the last stage fastest, of the states of some groups.

    One call is the groups low..high-1, for a thread of its own. Groups share no row.

    Parameters
    ----------
    jump, extent, start, words
        The pool.
    groups : int64 array (g + 1,)
        Where each group begins in `states`: at most LANES of one jump and live value, all solid or none.
    states, live, rows : int32 arrays (n,)
        State, live value, and row of the tables.
    stages, tries, variant, next_live, leaf, parent, kernel, stride, dilation
        As in `rfscale.sweeps.kernels.states.enumerate_range`.
    width : int
        Words of the widest set.
    low, high : int
    out_pixels, out_extent, out_jump, out_shared : int32 arrays (n, choices)
    """
    depth = stages.shape[0]
    slots = np.int64(0)
    for v in range(tries.shape[0]):
        slots = max(slots, stages[depth - 1, 3] + tries[v, 1] + 1)
    bits = np.zeros((slots, width, LANES), np.uint64)
    extents, facts = np.zeros((slots, LANES), np.int64), np.zeros((slots, 3), np.int64)
    pixels, shared = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    digits, alive, inputs = np.zeros(depth, np.int64), np.zeros(depth + 1, np.int64), np.zeros(depth + 1, np.int64)
    last = depth - 1
    for group in range(low, high):
        first, n = groups[group], groups[group + 1] - groups[group]
        _load(bits, extents, facts, jump, extent, start, words, states, first, n)
        alive[0] = np.int64(live[first])
        level, at = np.int64(0), np.int64(0)
        digits[:] = 0
        while level >= 0:
            v = variant[stages[level, 1] + alive[level]]
            base, source = stages[level, 3], inputs[level]
            if digits[level] == 0:  # the stage's layers are worked out once for all of its choices
                for node in range(tries[v, 1]):
                    line = tries[v, 0] + node
                    up = source if parent[line] == 0 else base + parent[line]
                    _after_layer(bits, extents, facts, up, base + node + 1, kernel[line], stride[line], dilation[line])
            if level < last and digits[level] < stages[level, 0]:
                c = digits[level]
                node = leaf[tries[v, 2] + c]
                inputs[level + 1] = source if node == 0 else base + node
                alive[level + 1] = next_live[stages[level, 2] + alive[level] * stages[level, 0] + c]
                digits[level] = c + 1
                level += 1
                digits[level] = 0
                continue
            if level == last:
                for c in range(stages[last, 0]):
                    node = leaf[tries[v, 2] + c]
                    slot = source if node == 0 else base + node
                    _count(bits, extents, facts, slot, pixels, shared)
                    for i in range(n):
                        row = rows[first + i]
                        out_pixels[row, at + c] = pixels[i]
                        out_extent[row, at + c] = extents[slot, i]
                        out_jump[row, at + c] = facts[slot, 0]
                        out_shared[row, at + c] = shared[i]
                at += stages[last, 0]
            level -= 1
