"""The formulas' recurrences, one layer a step, as scalars that the kernels of `rf.validate` inline.

They are the compiled twins of `rfscale.engine.formulas.registry`; tests/sweeps/kernels compare the two, bit by bit.

numba's cache watches only a kernel's own file. A kernel that inlines these functions takes `VERSION` as the default of
its last parameter: a default is part of the signature, and so of the key under which machine code is stored.
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import inline, source_version

VERSION = source_version(__file__, globals())

# the article's formulas by number
NO_FORMULA, CONV1, CONV1_S2, POOL2, CONV3, CONV3_S2, DILATED3, CONV7_S2_FIRST = range(8)

# flags of a state on one axis: the closed form can go on; it is in its domain; the article's formulas are; and the set
# is solid by the rule d*jump <= extent at every layer so far
REGULAR, CLOSED_INSIDE, PUBLISHED_INSIDE, SOLID = 1, 2, 4, 8
ALL_FLAGS = REGULAR | CLOSED_INSIDE | PUBLISHED_INSIDE | SOLID

ROUNDING = 1e-11  # S and P nearer to the exact value than this are set to it: rounding does not add up with depth


@inline
def published(article, S, P):
    """Area S' in pixels and overlap P' of a layer's output from those of its input, as the article prints them.

    nan where it has no formula: for `article` 0, and for the 7×7 of stride 2 on anything but the image (S = 1, P = 0).
    P' of the dilated 3×3 is inf where its divisor 9 - 24·max(P - 1/2, 0) is 0.
    """
    q = 1.0 - P
    if article == CONV1:
        return S, P
    if article == CONV1_S2:
        return S, 2.0 * max(P - 0.5, 0.0)
    if article == POOL2:
        return (2.0 - P) * (2.0 - P) * S, P / (2.0 - P)
    if article == CONV3:
        return S + 4.0 * q * S + 4.0 * q * q * S, (1.0 + q * (5.0 - 2.0 * P)) / (1.0 + 4.0 * q * (2.0 - P))
    if article == CONV3_S2:
        return S + 4.0 * q * S + 4.0 * q * q * S, (1.0 + 2.0 * q) / (1.0 + 4.0 * q * (2.0 - P))
    if article == DILATED3:
        over = max(P - 0.5, 0.0)
        scale = 9.0 - 24.0 * over
        top = 15.0 * P if P < 0.5 else 6.0 + 3.0 * q - (14.0 + 4.0 * q) * over
        return 9.0 * S - 24.0 * over * S, top / scale if scale != 0.0 else np.inf
    if article == CONV7_S2_FIRST and S == 1.0 and P == 0.0:
        return 49.0, 5.0 / 7.0
    return np.nan, np.nan


@inline
def closed_form(w, u, k, s, d):
    """Pixels w' on one axis of a window's output, and u' that the next entry does not have; registry's `advance`.

    w' = w + (k-1)·min(w, d·u). For d·u <= w: u' = min(w', s·u); otherwise w' less the pixels that two entries share,
    the sum over |i| < k of (k - |i|)·max(0, w - |s - i·d|·u).
    """
    step = d * u
    wider = w + (k - 1) * min(w, step)
    if step <= w:
        return wider, min(wider, s * u)
    shared = 0.0
    for i in range(1 - k, k):
        shared += (k - abs(i)) * max(w - abs(s - i * d) * u, 0.0)
    return wider, wider - shared


@inline
def share(part, whole):
    """Pixels of a part over those of the whole, of footprints neither empty nor infinite: `figures.share`.

    Of pixels that two neighbouring entries share it is the exact overlap.
    """
    return part / np.float64(whole)


@inline
def box_overlap(extent, jump):
    """Overlap of two neighbouring bounding boxes, pixels on one axis; registry's."""
    return max(0.0, 1.0 - jump / np.float64(extent))


@inline
def domain(flags, article, P, w, u, extent, jump, k, s, d):
    """Flags of a window's output on one axis, from those of its input, its P, w, u, and its exact extent and jump."""
    after = flags
    if article != CONV1 and (article == NO_FORMULA or flags & REGULAR == 0 or (article == DILATED3 and P > 0.5)):
        after &= ~PUBLISHED_INSIDE  # registry's `published_is_exact`
    if k > 1 or s > 1:
        if flags & REGULAR == 0:
            after &= ~CLOSED_INSIDE
        if k > 1 and d * u > w and (s < d or s % d != 0):  # registry's `leaves_gaps`
            after &= ~REGULAR
    if k > 1 and d * jump > extent:
        after &= ~SOLID
    return after


@inline
def advance_state(value, flag, figures, f, t, j, layers, x):
    """Write the formulas of member j of frame t: those of frame f after layer x.

    `value` (frame, member, 2 + 2·axes) holds S, P, then w and u by axis; `flag` (frame, member, axis) the flags;
    `figures` (frame, axis, 4) extent, pixels, jump and shared of the exact sets; `layers` are those of `Tables`.
    """
    axes = flag.shape[2]
    S, P, article = value[f, j, 0], value[f, j, 1], layers[x, 3 * axes]
    for a in range(axes):
        k, s, d = layers[x, 3 * a], layers[x, 3 * a + 1], layers[x, 3 * a + 2]
        w, u = value[f, j, 2 + 2 * a], value[f, j, 3 + 2 * a]
        flag[t, j, a] = domain(flag[f, j, a], article, P, w, u, figures[f, a, 0], figures[f, a, 2], k, s, d)
        value[t, j, 2 + 2 * a], value[t, j, 3 + 2 * a] = closed_form(w, u, k, s, d)
    value[t, j, 0], value[t, j, 1] = published(article, S, P)


@inline
def snapped(S, P, area, overlap):
    """S and P: the exact values where they differ by rounding alone."""
    near_area, near_overlap = abs(S - area) <= ROUNDING * area, abs(P - overlap) <= ROUNDING
    return area if near_area else S, overlap if near_overlap else P


@inline
def snap(value, t, j, area, overlap):
    """Set S and P of member j of frame t to the exact values where they differ by rounding alone."""
    value[t, j, 0], value[t, j, 1] = snapped(value[t, j, 0], value[t, j, 1], area, overlap)
