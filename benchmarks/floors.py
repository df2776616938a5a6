"""What the machine needs at least: the same bytes, and no work on them."""

from __future__ import annotations

import numba


@numba.njit(cache=True, nogil=True, parallel=True)
def copy(S, P, out_S, out_P):
    """Copy two arrays to two others on all threads, as STREAM does: what the memory allows."""
    for i in numba.prange(S.shape[0]):
        out_S[i] = S[i]
        out_P[i] = P[i]
