"""What the memory allows: the floor that `rf.evaluate` is measured against."""

from __future__ import annotations

from typing import Any

import numba


@numba.njit(cache=True, nogil=True, parallel=True)
def _copy(S, P, out_S, out_P):
    for i in numba.prange(S.shape[0]):
        out_S[i] = S[i]
        out_P[i] = P[i]


copy: Any = _copy  # two arrays copied to two others, as STREAM does it
