"""Formulas layer after layer over arrays, fused: each number is read once and written once.

Kernels and the scalars they inline stand in one file: numba's cache does not see a change in another one.
"""

from __future__ import annotations

import numba
import numpy as np

from engine.kernels._jit import WIDTH, fence, inline, store_past_cache

STEP = 128  # points between two stores: few enough that the processor reads the next ones meanwhile
TASKS = 64  # some more than there are threads
PAST_CACHE = 1 << 22  # points from which on the answer is larger than the caches
WINDOW, CONV1_S2, CONV3, CONV3_S2, POOL2, CONV7_S2_FIRST, DILATED3 = range(7)

# numpy's division: a check for 0 at every point would keep the compiler from using vectors
vectors = numba.njit(cache=True, nogil=True, error_model="numpy")
parallel = numba.njit(cache=True, nogil=True, error_model="numpy", parallel=True)


@inline
def _dilated3(S, P):
    over, q = max(P - 0.5, 0.0), 1.0 - P
    shared = 15.0 * P if P < 0.5 else 6.0 + 3.0 * q - (14.0 + 4.0 * q) * over
    wider = 9.0 - 24.0 * over
    return wider * S, shared / wider


@inline
def _window(w, P, k, s, d):
    fresh = w * (1.0 - P)
    step = d * fresh
    wider = w + (k - 1) * min(w, step)
    if step <= w:
        return wider, max(1.0 - min(wider, s * fresh) / wider, 0.0)
    shared = 0.0
    for i in range(1 - k, k):
        shared += (k - abs(i)) * max(w - abs(s - i * d) * fresh, 0.0)
    return wider, shared / wider


@inline
def _layer(code, k, s, d, a, b, n):
    """Put the first n points of a block, areas and overlaps, behind a layer."""
    if code == CONV3:  # the common factor 1 + 2(1-P) of the article's fraction is divided out
        for i in range(n):
            q = 1.0 - b[i]
            step = 1.0 + 2.0 * q
            a[i], b[i] = step * step * a[i], (1.0 + q) / step
    elif code == CONV3_S2:
        for i in range(n):
            step = 1.0 + 2.0 * (1.0 - b[i])
            a[i], b[i] = step * step * a[i], 1.0 / step
    elif code == POOL2:
        for i in range(n):
            rest = 2.0 - b[i]
            a[i], b[i] = rest * rest * a[i], b[i] / rest
    elif code == CONV1_S2:
        for i in range(n):
            b[i] = 2.0 * max(b[i] - 0.5, 0.0)
    elif code == CONV7_S2_FIRST:
        for i in range(n):
            a[i], b[i] = 49.0, 5.0 / 7.0
    elif code == DILATED3:
        for i in range(n):
            a[i], b[i] = _dilated3(a[i], b[i])
    else:
        for i in range(n):
            a[i], b[i] = _window(a[i], b[i], k, s, d)


@inline
def _store(target, low, source, n):
    """Write a block to target[low : low + n] past the cache, but for points before the first boundary and the last."""
    head = min(n, (-(target.ctypes.data + 8 * low) % (8 * WIDTH)) // 8)
    last = head + (n - head) // WIDTH * WIDTH
    for i in range(head):
        target[low + i] = source[i]
    for i in range(head, last, WIDTH):
        store_past_cache(target, low + i, source, i)
    for i in range(last, n):
        target[low + i] = source[i]


@vectors
def _blocks(layers, S, P, out_S, out_P, low, high, past_cache):
    """Write the points low..high-1.

    All that is done for a block is inlined here: a call counts references by atomic operations, and those wait for the
    stores past the cache; three times the time.
    """
    a, b = np.empty(STEP), np.empty(STEP)
    for start in range(low, high, STEP):
        n = min(STEP, high - start)
        for i in range(n):
            a[i], b[i] = S[start + i], P[start + i]
        for layer in range(layers.shape[0]):
            _layer(layers[layer, 0], layers[layer, 1], layers[layer, 2], layers[layer, 3], a, b, n)
        if past_cache:
            _store(out_S, start, a, n)
            _store(out_P, start, b, n)
        else:
            for i in range(n):
                out_S[start + i], out_P[start + i] = a[i], b[i]
    fence()


@parallel
def evaluate(layers, S, P, out_S, out_P):
    """Write S and P behind layers in a row: block by block, each in the first-level cache.

    Parameters
    ----------
    layers : int64 array (n, 4)
        Code, and for WINDOW the taps, stride and dilation. Without any, this is a copy.
    S, P, out_S, out_P : float64 arrays, contiguous
        For WINDOW, S holds the pixels on one axis.
    """
    n = S.shape[0]
    line = (-out_S.ctypes.data % 64) // 8  # where a cache line begins; large arrays begin alike
    blocks = (n + STEP - 1) // STEP
    for task in numba.prange(TASKS):
        low = min(n, line + task * blocks // TASKS * STEP) if task else 0
        high = min(n, line + (task + 1) * blocks // TASKS * STEP) if task < TASKS - 1 else n
        _blocks(layers, S, P, out_S, out_P, low, high, n >= PAST_CACHE)


@parallel
def copy(S, P, out_S, out_P):
    """Two arrays copied to two others, as STREAM does it: what the memory allows."""
    for i in numba.prange(S.shape[0]):
        out_S[i] = S[i]
        out_P[i] = P[i]
