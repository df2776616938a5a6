"""Memory of a whole answer: few large pieces in the place of many arrays.

What a sweep waits for is the first touch of new memory. The system hands it out by pages of 4 kB, or of 2 MB where a
whole one lies inside a piece that begins at a multiple of 2 MB. Numpy fills the arrays of 2,000,000 architectures
3 times as fast in such pieces, those of 16,777,216 1.4 times.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from rfscale.sweeps.runs.evaluator import Evaluator

# that arrays share at most: who keeps one of them alone keeps no more memory than that of others. With its 2 MB more it
# is below the 32 MB from which glibc gives memory back at once: the next answer need not touch it for the first time
PIECE_BYTES = 7 << 22
HUGE_PAGE = 1 << 21  # bytes
HUGE_FROM = 1 << 22  # bytes from which numpy asks for huge pages
LINE = 64  # bytes of a line of the cache, at which arrays begin


def answer_arrays(blocks: Evaluator, numbers: Mapping[str, int]) -> dict[str, dict[str, np.ndarray]]:
    """Return arrays for so many architectures of each stage, as `blocks.empty` does, not yet filled.

    Examples
    --------
    >>> import rfscale as rf
    >>> from rfscale.sweeps.runs.blocks import Blocks
    >>> blocks = Blocks(rf.Space.from_dict({"stages": [{"name": "a", "kernel": [3, 5, 7]}]}))
    >>> made = answer_arrays(blocks, {"a": 3})["a"]
    >>> made["extent"].shape, made["extent"].dtype
    ((3,), dtype('int32'))
    """
    needed: list[tuple[str, str, tuple[int, ...], np.dtype]] = []
    sizes: list[int] = []
    kinds = [(name, none.dtype, none.shape[1:]) for name, none in blocks.empty(0, 0, 0).items()]  # of every stage
    for stage, n in numbers.items():
        for name, dtype, inner in kinds:
            needed.append((stage, name, (n, *inner), dtype))
            sizes.append(-(-n * prod(inner) * dtype.itemsize // LINE) * LINE)
    out: dict[str, dict[str, np.ndarray]] = {stage: {} for stage in numbers}
    first = 0
    while first < len(needed):
        last, size = first + 1, sizes[first]
        while last < len(needed) and size + sizes[last] <= PIECE_BYTES:
            size += sizes[last]
            last += 1
        piece, at = _piece(size), 0
        for i in range(first, last):
            stage, name, shape, dtype = needed[i]
            out[stage][name] = np.ndarray(shape, dtype, piece, at)
            at += sizes[i]
        first = last
    return out


def _piece(size: int) -> np.ndarray:
    """Return new memory; a large piece begins where a huge page does."""
    if size < HUGE_FROM:
        return np.empty(size, np.uint8)
    whole = np.empty(size + HUGE_PAGE, np.uint8)
    start = -whole.ctypes.data % HUGE_PAGE
    return whole[start : start + size]
