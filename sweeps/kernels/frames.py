"""Exact sets of a walk along chains, as scalars that `formula_errors` inlines.

A frame is what stands after one layer on the way to the current architecture; frame 0 is what is given:

- `figures` (frame, axis, 4): extent, pixels, jump, shared;
- `place`, `used` (frame, axis): where the set's bits begin in `bits`, 0 for a solid set; how many words may hold any.

They are arrays and not one NamedTuple, as numba counts references wherever an array is taken out of a tuple: the walk
took 4 times as long. A caller's cache key contains `VERSION`, as `formula_recurrence` says.
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import inline, popcount, source_version

VERSION = source_version(__file__, globals())

_ONE = np.uint64(1)
_FULL = np.uint64(0xFFFFFFFFFFFFFFFF)


# Words before and after a set are zero, so that no shift needs a test at its ends. Unsigned indices let the compiler
# see that none is negative.


@inline
def moved_word(words, i, shift, rest):
    """Word i of a set moved up by shift bits; rest is 63 - shift."""
    return (words[np.uint64(i)] << shift) | ((words[np.uint64(i - 1)] >> _ONE) >> rest)


@inline
def _sumset(words, source, solid, extent, kernel, gap, out, n):
    """Write X ⊕ {0, gap, 2·gap, ...}, `kernel` terms, as n words at `out`; X has `extent` pixels, bits at `source`."""
    terms = 1
    if solid:
        have = (extent + 63) >> 6
        for w in range(have):
            words[np.uint64(out + w)] = _FULL
        if extent & 63:
            words[np.uint64(out + have - 1)] = (_ONE << np.uint64(extent & 63)) - _ONE
        for w in range(have, n):
            words[np.uint64(out + w)] = np.uint64(0)
    else:  # the first two terms as they are copied
        q, shift = gap >> 6, np.uint64(gap & 63)
        rest = np.uint64(63) - shift
        for w in range(min(q, n)):
            words[np.uint64(out + w)] = words[np.uint64(source + w)]
        for w in range(q, n):
            words[np.uint64(out + w)] = words[np.uint64(source + w)] | moved_word(words, source + w - q, shift, rest)
        terms = 2
    while terms < kernel:  # doubling, from the top word down, so that reads come before writes
        more = min(terms, kernel - terms)
        q, shift = (more * gap) >> 6, np.uint64((more * gap) & 63)
        rest = np.uint64(63) - shift
        for w in range(n - 1, q - 1, -1):
            words[np.uint64(out + w)] |= moved_word(words, out + w - q, shift, rest)
        terms += more


@inline
def shared_pixels(words, at, extent, jump):
    """Pixels |X ∩ (X + jump)| of a set; `at` is 0 for a solid one, which has extent - jump of them, at least 0."""
    if at == 0 or jump >= extent:
        return max(np.int64(0), extent - jump)
    q, shift = jump >> 6, np.uint64(jump & 63)
    rest = np.uint64(63) - shift
    shared = np.int64(0)
    for w in range(q, (extent + 63) >> 6):
        shared += np.int64(popcount(words[np.uint64(at + w)] & moved_word(words, at + w - q, shift, rest)))
    return shared


@inline
def advance_set(figures, place, used, bits, layers, x, f, t, a, width, made):
    """Write the exact set of frame t on axis a: that of frame f after layer x, a window of k taps.

    extent' = extent + (k-1)·d·jump and jump' = s·jump. A solid set stays solid while d·jump <= extent; otherwise the
    new set is the sumset of the old one and {0, d·jump, ..., (k-1)·d·jump}. `made`: the frame holds the set of the same
    kernel and dilation already, and the stride alone differs.
    """
    k, s, d = layers[x, 3 * a], layers[x, 3 * a + 1], layers[x, 3 * a + 2]
    extent, pixels, jump, at = figures[f, a, 0], figures[f, a, 1], figures[f, a, 2], place[f, a]
    gap = d * jump
    wide, next_jump = extent + (k - 1) * gap, jump * s
    if made:
        at, pixels = place[t, a], figures[t, a, 1]
    elif k > 1 and (at > 0 or gap > extent):
        n, out = (wide + 63) >> 6, 1 + (t * place.shape[1] + a) * width
        _sumset(bits, at, at == 0, extent, k, gap, out, n)
        for w in range(n, used[t, a]):
            bits[np.uint64(out + w)] = np.uint64(0)
        used[t, a] = n
        pixels, at = np.int64(0), np.int64(out)
        for w in range(n):
            pixels += np.int64(popcount(bits[np.uint64(out + w)]))
        if pixels == wide:
            at = np.int64(0)
    elif at == 0:
        pixels = wide
    figures[t, a, 0], figures[t, a, 1], figures[t, a, 2] = wide, pixels, next_jump
    figures[t, a, 3] = shared_pixels(bits, at, wide, next_jump)
    place[t, a] = at
