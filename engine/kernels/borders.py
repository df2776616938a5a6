"""Border rules: which entry of a map a read outside it refers to, once for Python and for kernels, which inline it.

numba's cache does not watch this file: delete `__pycache__` after a change here.
"""

from __future__ import annotations


def border_entry(entry: int, n: int, border: int) -> int:
    """Entry of a map of n entries that a read refers to; -1 for none.

    A read inside the map, 0 <= entry < n, refers to itself. Outside it depends on `border`:

    ===  =========  ==========================================================================
    0    zeros      -1: nothing
    1    reflect    -entry on the left, 2(n - 1) - entry on the right; at most n - 1 entries outside
    2    replicate  0 on the left, n - 1 on the right
    3    circular   entry mod n
    ===  =========  ==========================================================================
    """
    if 0 <= entry < n:
        return entry
    if border == 1:
        return -entry if entry < 0 else 2 * (n - 1) - entry
    if border == 2:
        return 0 if entry < 0 else n - 1
    if border == 3:
        return entry % n
    return -1
