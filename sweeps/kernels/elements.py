"""Which placed sets contain which: the down-sets that the masks of sweeps/kernels/unions.py are made of."""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import jit

_ONE = np.uint64(1)


@jit
def containment(sets, pixels, inside):
    """Write the down-sets of the elements of one component, sorted by falling pixels: those that each contains.

    Parameters
    ----------
    sets : uint64 array (n, words)
        Pixels of each element on a grid of them all.
    pixels : int64 array (n,)
    inside : uint64 array (n, words of a mask)
        Zeros; written.
    """
    n, words = sets.shape
    for big in range(n):
        for small in range(big, n):
            if small > big and pixels[small] == pixels[big]:
                continue
            held = True
            for w in range(words):
                if sets[small, w] & ~sets[big, w]:
                    held = False
                    break
            if held:
                inside[big, small >> 6] |= _ONE << np.uint64(small & 63)
