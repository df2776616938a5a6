"""Families of pixel sets as Python's whole numbers, a bit for each pixel: what needs no compiled code.

A set is a pair: its first pixel, and its bits from that pixel on, of which the lowest is 1; `EMPTY` is (0, 0). The
functions give what the kernels of `rfscale.engine.kernels.sets` give; tests compare the two. For the few sets of an
interior map they are faster, and a process whose only question is small never loads or compiles a kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from rfscale.engine.kernels.arrays import Sets
from rfscale.engine.kernels.borders import border_entry
from rfscale.engine.network.axis_maps import BORDERS, AxisMap

Row = tuple[int, int]  # first pixel, and the bits from it on
Rows = list[Row]
EMPTY: Row = (0, 0)


def reads_of(rows: Rows, repeat: int, layer: AxisMap, outputs: int) -> list[list[Row]]:
    """Return the sets that each output of a layer reads, where it reads them, without the empty ones."""
    n, border = len(rows), BORDERS[layer.border]
    found = []
    for o in range(outputs):
        sets = []
        m, r = divmod(o, layer.up)
        for tap in layer.taps[r]:
            entry, shift = layer.down * m + tap, 0
            if not 0 <= entry < n:
                if repeat:
                    q, entry = divmod(entry, n)
                    shift = q * repeat
                else:
                    entry = border_entry(entry, n, border)
                    if entry < 0:
                        continue
            first, bits = rows[entry]
            if bits:
                sets.append((first + shift, bits))
        found.append(sets)
    return found


def widest(reads: Sequence[Sequence[Row]]) -> int:
    """Return the 64-bit words that the widest of some unions takes."""
    words = 1
    for sets in reads:
        if sets:
            low = min(first for first, _ in sets)
            high = max(first + bits.bit_length() for first, bits in sets)
            words = max(words, (high - 1 >> 6) - (low >> 6) + 1)
    return words


def united(sets: Sequence[Row]) -> Row:
    """Return the union of sets, none of them empty."""
    if not sets:
        return EMPTY
    low = min(first for first, _ in sets)
    union = 0
    for first, bits in sets:
        union |= bits << first - low
    return low, union


def unite(a: Rows, b: Rows) -> Rows:
    """Return the entry by entry union of two families of one length."""
    return [united([row for row in pair if row[1]]) for pair in zip(a, b, strict=True)]


def compare(a: Rows, b: Rows) -> int:
    """Return bit 0 if a(i) ⊇ b(i) for every entry i, bit 1 if a(i) ⊆ b(i)."""
    over = under = True
    for row, other in zip(a, b, strict=True):
        if row != other:
            over = over and _contains(row, other)
            under = under and _contains(other, row)
            if not over and not under:
                break
    return over + 2 * under


def _contains(row: Row, other: Row) -> bool:
    first, bits = row
    start, inside = other
    if not inside:
        return True
    if start < first or start + inside.bit_length() > first + bits.bit_length():
        return False
    return not inside << start - first & ~bits


def measure(rows: Rows, repeat: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pixels, longest gap, and pixels shared with the next entry (-1: none) of each set, int64 (n,)."""
    beyond = [(rows[0][0] + repeat, rows[0][1])] if repeat else []
    shared = [_common(a, b) for a, b in pairwise([*rows, *beyond])]
    if not repeat:
        shared.append(-1)
    return (
        np.array([bits.bit_count() for _, bits in rows], np.int64),
        np.array([_longest_gap(bits) for _, bits in rows], np.int64),
        np.array(shared, np.int64),
    )


def _longest_gap(bits: int) -> int:
    """Longest run of zeros between two ones."""
    if bits.bit_count() == bits.bit_length():
        return 0
    return max(map(len, bin(bits)[2:].split("1")))


def _common(a: Row, b: Row) -> int:
    """Pixels in both sets."""
    (first, bits), (start, other) = (a, b) if a[0] <= b[0] else (b, a)
    return (bits >> start - first & other).bit_count() if other else 0


def as_arrays(rows: Rows, words: int, repeat: int) -> Sets:
    """Return the same sets as the kernels take them; `words` is what the widest takes."""
    packed = b"".join([(bits << (first & 63)).to_bytes(8 * words, "little") for first, bits in rows])
    return Sets(
        np.array([first for first, _ in rows], np.int64),
        np.array([first + bits.bit_length() - 1 for first, bits in rows], np.int64),
        np.frombuffer(packed, "<u8").reshape(len(rows), words).astype(np.uint64),  # a copy, which may be written to
        repeat,
    )
