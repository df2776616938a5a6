"""Kernels of `rf.evaluate`: formulas layer after layer over arrays, fused: each number is read once and written once.

The formulas are the compiled twins of `rfscale.engine.formulas.registry`, to rounding: factors common to numerator and
denominator are divided out. tests/engine/formulas/test_evaluate.py compares the two. Areas S and pixels w are in
pixels, overlaps P are shares from 0 to 1. Kernels and the scalars they inline stand in one file: numba's cache does not
see a change in another one.
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import inline, jit_with

BLOCK = 1024  # points: their areas and overlaps fill half a first-level cache

WINDOW, CONV1_S2, CONV3, CONV3_S2, POOL2, CONV7_S2_FIRST, DILATED3 = range(7)


# numpy's division: a check for 0 at every point would keep the compiler from using vectors
vectors = jit_with(error_model="numpy")


@inline
def _dilated3(S, P):
    """S' = (9 - 24·max(P - 1/2, 0))·S; P' as printed, ±inf where its divisor is 0 (P = 7/8)."""
    over, q = max(P - 0.5, 0.0), 1.0 - P
    shared = 15.0 * P if P < 0.5 else 6.0 + 3.0 * q - (14.0 + 4.0 * q) * over
    wider = 9.0 - 24.0 * over
    return wider * S, shared / wider


@inline
def _window(w, P, k, s, d):
    """Pixels and overlap: w' = w + (k-1)·min(w, d·u), u = w·(1-P); P' = max(0, 1 - min(w', s·u)/w') for d·u <= w.

    Otherwise w'·P' is the sum over |i| < k of (k - |i|)·max(0, w - |s - i·d|·u).
    """
    new = w * (1.0 - P)
    step = d * new
    wider = w + (k - 1) * min(w, step)
    if step <= w:
        return wider, max(1.0 - min(wider, s * new) / wider, 0.0)
    shared = 0.0
    for i in range(1 - k, k):
        shared += (k - abs(i)) * max(w - abs(s - i * d) * new, 0.0)
    return wider, shared / wider


@inline
def _layer(code, k, s, d, x, y, a, b, n):
    """Write n areas and overlaps after a layer to a and b; those before it are in x and y, which may be a and b.

    From 0 on: the compiler sees that no index is negative, and uses vectors.
    """
    if code == CONV3:  # the common factor 1 + 2(1-P) of the article's fraction is divided out
        for i in range(n):
            q = 1.0 - y[i]
            step = 1.0 + 2.0 * q
            a[i], b[i] = step * step * x[i], (1.0 + q) / step
    elif code == CONV3_S2:
        for i in range(n):
            step = 1.0 + 2.0 * (1.0 - y[i])
            a[i], b[i] = step * step * x[i], 1.0 / step
    elif code == POOL2:
        for i in range(n):
            rest = 2.0 - y[i]
            a[i], b[i] = rest * rest * x[i], y[i] / rest
    elif code == CONV1_S2:
        for i in range(n):
            a[i], b[i] = x[i], 2.0 * max(y[i] - 0.5, 0.0)
    elif code == CONV7_S2_FIRST:
        for i in range(n):
            a[i], b[i] = 49.0, 5.0 / 7.0
    elif code == DILATED3:
        for i in range(n):
            a[i], b[i] = _dilated3(x[i], y[i])
    else:
        for i in range(n):
            a[i], b[i] = _window(x[i], y[i], k, s, d)


@vectors
def after_one(layers, S, P, out_S, out_P, low, high):
    """Write the points low..high-1 after a single layer, straight to where they belong.

    Parameters
    ----------
    layers : int64 array (n, 4)
        Code, and for WINDOW the taps, stride and dilation.
    S, P, out_S, out_P : float64 arrays, contiguous
        For WINDOW, S holds the pixels on one axis.
    low, high : int
        A thread works on one part of the points. (To compile the same with a loop of numba's threads takes three times
        as long.)
    """
    S, P, out_S, out_P = S[low:high], P[low:high], out_S[low:high], out_P[low:high]
    _layer(layers[0, 0], layers[0, 1], layers[0, 2], layers[0, 3], S, P, out_S, out_P, high - low)


@vectors
def after_many(layers, S, P, out_S, out_P, low, high):
    """Do it for any number of layers, by way of blocks in the first-level cache.

    Layers outside and points inside, so that points go through the vector units side by side. Inlined, as a call counts
    references to every array by atomic operations.
    """
    a, b = np.empty(BLOCK), np.empty(BLOCK)
    for start in range(low, high, BLOCK):
        n = min(BLOCK, high - start)
        for i in range(n):
            a[i], b[i] = S[start + i], P[start + i]
        for row in range(layers.shape[0]):
            _layer(layers[row, 0], layers[row, 1], layers[row, 2], layers[row, 3], a, b, a, b, n)
        for i in range(n):
            out_S[start + i], out_P[start + i] = a[i], b[i]
