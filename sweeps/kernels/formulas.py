"""The article's formulas over arrays of S and P, fused: each number is read once and written once.

Kernels and the scalars they inline stand in one file: numba's cache does not see a change in another one.
"""

from __future__ import annotations

import numba

from engine.kernels._jit import inline

parallel = numba.njit(cache=True, nogil=True, parallel=True)
BLOCK = 1024  # points


@inline
def _conv3(S, P):
    q = 1.0 - P
    step = 1.0 + 2.0 * q
    return step * step * S, (1.0 + q) / step


@inline
def _pool2(S, P):
    rest = 2.0 - P
    return rest * rest * S, P / rest


@parallel
def conv3(S, P, out_S, out_P):
    """S and P behind a 3×3 of stride 1, by the published formula with its common factor 1 + 2(1-P) divided out."""
    for i in numba.prange(S.shape[0]):
        out_S[i], out_P[i] = _conv3(S[i], P[i])


@parallel
def pool2(S, P, out_S, out_P):
    """S and P behind a 2×2 of stride 2."""
    for i in numba.prange(S.shape[0]):
        out_S[i], out_P[i] = _pool2(S[i], P[i])


@parallel
def recurrence(S, P, layers, out_S, out_P):
    """S and P behind `layers` 3×3 in a row.

    Block by block in the first-level cache; layers outside and points inside, so that points go through the vector
    units side by side.
    """
    n = S.shape[0]
    for block in numba.prange((n + BLOCK - 1) // BLOCK):
        low, high = block * BLOCK, min(n, (block + 1) * BLOCK)
        a, b = out_S[low:high], out_P[low:high]
        a[:] = S[low:high]
        b[:] = P[low:high]
        for _ in range(layers):
            for i in range(high - low):
                a[i], b[i] = _conv3(a[i], b[i])


@parallel
def copy(S, P, out_S, out_P):
    """Two arrays copied to two others, as STREAM does it: what the memory allows."""
    for i in numba.prange(S.shape[0]):
        out_S[i] = S[i]
        out_P[i] = P[i]
