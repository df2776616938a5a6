"""What kernels are given and return, and bit grids as arrays: plain numpy, so that nothing is compiled to import this.

numba's cache does not watch this file: delete `__pycache__` after a change here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

FULL_WORD = np.uint64(0xFFFFFFFFFFFFFFFF)


class Sets(NamedTuple):
    """The sets of n entries, bit-packed; pixels are whole numbers and may be negative.

    Rows are kept in a band around their own first pixel, so memory goes with the extent, not with the image.

    Attributes
    ----------
    first, last : int64 arrays (n,)
        First and last pixel of each set; last < first for an empty one.
    bits : uint64 array (n, words)
        Bit b of word w of row i is pixel ``64*((first[i] >> 6) + w) + b``.
    repeat : int
        Interior mode: the family goes on without end, set i + n*q is set i moved by repeat*q pixels, a negative number
        where a map is mirrored. With 0 (finite mode) the entries end at 0 and n - 1.
    """

    first: np.ndarray
    last: np.ndarray
    bits: np.ndarray
    repeat: int


class Windows(NamedTuple):
    """One window per axis: output o reads the entries ``stride*o + start + step*i``, i < count.

    Outputs and entries are both counted from the start of their window of the map; strides and steps are at least 1.
    """

    strides: tuple[int, int, int]
    starts: tuple[int, int, int]
    steps: tuple[int, int, int]
    counts: tuple[int, int, int]


class Reads(NamedTuple):
    """What the outputs of a window read along one axis.

    Attributes
    ----------
    begin : int64 array (outputs + 1,)
        Output o reads ``entries[begin[o]:begin[o + 1]]``.
    entries : int64 array
        Entries, counted from the start of their window.
    group : int64 array (outputs,)
        Equal for neighbouring outputs that read the same entries.
    """

    begin: np.ndarray
    entries: np.ndarray
    group: np.ndarray


def pack(grid: np.ndarray) -> np.ndarray:
    """Bit grid of a bool grid (a, b, n)."""
    width = -(-grid.shape[-1] // 64) * 64
    padded = np.zeros((*grid.shape[:-1], width), bool)
    padded[..., : grid.shape[-1]] = grid
    return np.packbits(padded, axis=-1, bitorder="little").view("<u8").astype(np.uint64, copy=False)


def full(shape: Sequence[int], value: bool) -> np.ndarray:
    """Bit grid of a shape (a, b, n) whose cells all have one value."""
    bits = np.full((*shape[:-1], -(-shape[-1] // 64)), FULL_WORD if value else 0, np.uint64)
    if shape[-1] & 63:
        bits[..., -1] &= (np.uint64(1) << np.uint64(shape[-1] & 63)) - np.uint64(1)
    return bits


def unpack(bits: np.ndarray, n: int) -> np.ndarray:
    """Bool grid (a, b, n) of a bit grid."""
    octets = np.ascontiguousarray(bits, "<u8").view(np.uint8)
    return np.unpackbits(octets, axis=-1, count=n, bitorder="little").view(bool)
