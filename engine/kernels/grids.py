"""Kernels on grids of entries: one step backwards through a layer, on sets (bits) and on path counts (float64).

A bit grid is uint64 (a, b, words): bit i of word w of a row is entry ``64*w + i`` of the window along the last axis,
the leading axes are plain, and bits beyond the window are 0. Networks of one and two axes have leading axes of length
1. Float grids are plain arrays.
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import jit, lowest_bit, popcount

_FULL = np.uint64(0xFFFFFFFFFFFFFFFF)


def pack(grid: np.ndarray) -> np.ndarray:
    """Bit grid of a bool grid (a, b, n)."""
    width = -(-grid.shape[-1] // 64) * 64
    padded = np.zeros((*grid.shape[:-1], width), bool)
    padded[..., : grid.shape[-1]] = grid
    return np.packbits(padded, axis=-1, bitorder="little").view("<u8").astype(np.uint64, copy=False)


def unpack(bits: np.ndarray, n: int) -> np.ndarray:
    """Bool grid (a, b, n) of a bit grid."""
    octets = np.ascontiguousarray(bits, "<u8").view(np.uint8)
    return np.unpackbits(octets, axis=-1, count=n, bitorder="little").view(bool)


# ---------------------------------------------------------------- windows: word-parallel


@jit
def _or_moved(out, grid, distance):
    """Write a flat bit grid, united with itself moved up by `distance` bits, less than it has."""
    q, s = distance >> 6, np.uint64(distance & 63)
    t = np.uint64(64) - s
    for j in range(q):
        out[j] = grid[j]
    rest = grid.shape[0] - q
    # slices, so that every index provably counts from 0 and the loops vectorise
    to, stay, low = out[q:], grid[q:], grid[:rest]
    to[0] = stay[0] | (low[0] << s)
    if s == 0:
        for j in range(1, rest):
            to[j] = stay[j] | low[j]
        return
    to, stay, high = to[1:], stay[1:], low[1:]
    for j in range(rest - 1):
        to[j] = stay[j] | (high[j] << s) | (low[j] >> t)


@jit
def _even_bits(half):
    """The 32 low bits of a word, spread to its even bits."""
    x = half & np.uint64(0xFFFFFFFF)
    x = (x | (x << np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    x = (x | (x << np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    x = (x | (x << np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    x = (x | (x << np.uint64(2))) & np.uint64(0x3333333333333333)
    return (x | (x << np.uint64(1))) & np.uint64(0x5555555555555555)


@jit
def _spread_row(out, at, grid, start, words, stride):
    """Write each entry e of a row of `words` words to entry stride*e of a row of zeros. All but `stride` unsigned."""
    if stride == 1:
        for w in range(words):
            out[at + w] = grid[start + w]
    elif stride == 2:  # a solid grid: 9 times the speed of bit by bit
        for w in range(words):
            out[at + w + w] = _even_bits(grid[start + w])
            out[at + w + w + np.uint64(1)] = _even_bits(grid[start + w] >> np.uint64(32))
    else:
        for w in range(words):
            rest = grid[start + w]
            while rest:
                e = np.uint64(stride) * (np.uint64(64) * w + lowest_bit(rest))
                out[at + (e >> np.uint64(6))] |= np.uint64(1) << (e & np.uint64(63))
                rest &= rest - np.uint64(1)


@jit
def _move_row(out, at, grid, start, words, s):
    """Copy a row of bits that starts at bit s of word `start`. All unsigned."""
    t = np.uint64(63) - s
    for w in range(words):
        out[at + w] = grid[start + w] >> s | grid[start + w + np.uint64(1)] << t << np.uint64(1)


@jit
def window_back(grid, n_last, strides, starts, steps, counts, shape):
    """Entries that windows read, for a set of needed outputs.

    Output o reads the entries ``stride*o + start + step*i``, i < count, on each axis, where both o and the entry are
    counted from the start of their window; what lies outside the window of entries is cut off.

    Parameters
    ----------
    grid : uint64 array (a, b, words)
        Needed outputs: a bit grid.
    n_last : int
        Outputs along the last axis.
    strides, starts, steps, counts : int64 arrays (3,)
        The window per axis; strides and steps are at least 1.
    shape : int64 array (3,)
        Entries per axis of the window of entries.

    Returns
    -------
    uint64 array (shape[0], shape[1], words)
    """
    # All axes in one flat buffer, whose rows have room for what windows add and a word of 0 behind it: moving along any
    # axis is then one long shift. Rows are found in it by number: slices of 3-D arrays took 104 µs in place of 23
    # (1024×1024, 3×3). A solid 512×512 grid, 3×3, stride 2: 30 times the speed of a table of reads.
    outer, inner, words = grid.shape
    span_a = strides[0] * (outer - 1) + steps[0] * (counts[0] - 1) + 1
    span_b = strides[1] * (inner - 1) + steps[1] * (counts[1] - 1) + 1
    width = (strides[2] * (n_last - 1) + steps[2] * (counts[2] - 1) >> 6) + 1
    pitch = width + 1
    flat, given = np.zeros(1 + span_a * span_b * pitch, np.uint64), grid.reshape(-1)
    for a in range(outer):
        for b in range(inner):
            at = 1 + (a * strides[0] * span_b + b * strides[1]) * pitch
            _spread_row(flat, np.uint64(at), given, np.uint64((a * inner + b) * words), np.uint64(words), strides[2])
    spare = np.empty_like(flat)
    unit = 1  # bits from one entry to the next along an axis
    for axis in (2, 1, 0):
        covered = 1
        while covered < counts[axis]:  # each pass doubles what is covered
            more = min(covered, counts[axis] - covered)
            _or_moved(spare, flat, steps[axis] * more * unit)
            flat, spare = spare, flat
            covered += more
        unit = pitch * 64 if axis == 2 else unit * span_b
    # word w of a row of the result starts at bit s of word w + q of a row of the buffer
    n_words = (shape[2] + 63) >> 6
    out = np.zeros(shape[0] * shape[1] * n_words, np.uint64)
    q, s = -starts[2] >> 6, np.uint64(-starts[2] & 63)
    first, stop = max(0, -q - 1), min(n_words, width - q)
    tail = _FULL >> np.uint64(-shape[2] & 63)
    for a in range(max(0, starts[0]), min(shape[0], span_a + starts[0])):
        for b in range(max(0, starts[1]), min(shape[1], span_b + starts[1])):
            at = (a * shape[1] + b) * n_words
            source = 1 + ((a - starts[0]) * span_b + b - starts[1]) * pitch + q
            if first < stop:
                _move_row(out, np.uint64(at + first), flat, np.uint64(source + first), np.uint64(stop - first), s)
            out[at + n_words - 1] &= tail
    return out.reshape((shape[0], shape[1], n_words))


# ---------------------------------------------------------------- any map: from a table of reads


@jit
def _mapped(entry, n, border):
    """Entry of a map of n that a read refers to; -1 for none."""
    if 0 <= entry < n:
        return entry
    if border == 1:
        return -entry if entry < 0 else 2 * (n - 1) - entry
    if border == 2:
        return 0 if entry < 0 else n - 1
    if border == 3:
        return entry % n
    return -1


@jit
def reads(up, down, taps, counts, first, stop, low, high, n, border):
    """Table of the entries that outputs read through a map (up, down, taps).

    Parameters
    ----------
    first, stop, low, high : int
        Outputs first..stop-1, and the window low..high-1 of entries; reads outside it are dropped.
    n, border : int
        Entries of the map (below 0: no borders), and what a read outside is: 0 nothing, 1 reflect, 2 replicate, 3
        circular.

    Returns
    -------
    begin : int64 array (stop - first + 1,)
        Output first + o reads ``index[begin[o]:begin[o + 1]]``.
    index : int64 array
        Entries, counted from `low`.
    group : int64 array (stop - first,)
        Equal for neighbouring outputs that read the same entries.
    """
    begin = np.zeros(stop - first + 1, np.int64)
    index = np.empty(0, np.int64)
    for fill in range(2):
        if fill:
            index = np.empty(begin[-1], np.int64)
        found = 0
        for o in range(first, stop):
            r = o % up
            for k in range(counts[r]):
                entry = down * (o // up) + taps[r, k]
                if n >= 0:
                    entry = _mapped(entry, n, border)
                    if entry < 0:
                        continue
                if low <= entry < high:
                    if fill:
                        index[found] = entry - low
                    found += 1
            begin[o - first + 1] = found
    group = np.arange(stop - first)
    for o in range(1, stop - first):
        length = begin[o + 1] - begin[o]
        same = length == begin[o] - begin[o - 1]
        for j in range(begin[o], begin[o + 1]):
            same = same and index[j] == index[j - length]
        if same:
            group[o] = group[o - 1]
    return begin, index, group


@jit
def union_leading(grid, begin, index, n_out):
    """Needed entries along a leading axis: (outer, outputs, inner words) to (outer, n_out, inner words)."""
    outer, outputs, inner = grid.shape
    out = np.zeros((outer, n_out, inner), np.uint64)
    for a in range(outer):
        for o in range(outputs):
            row = grid[a, o]
            for j in range(begin[o], begin[o + 1]):
                to = out[a, index[j]]
                for w in range(inner):
                    to[w] |= row[w]
    return out


@jit
def union_last(grid, begin, index, group, n_out):
    """Needed entries along the last axis: (rows, words) of outputs to (rows, words) of n_out entries."""
    rows, words = grid.shape
    out = np.zeros((rows, (n_out + 63) >> 6), np.uint64)
    for row in range(rows):
        done = -1
        for w in range(words):
            rest = grid[row, w]
            while rest:
                o = 64 * w + np.int64(lowest_bit(rest))
                rest &= rest - np.uint64(1)
                if group[o] != done:  # attention in windows of 64, a solid grid: 50 times the speed
                    done = group[o]
                    for j in range(begin[o], begin[o + 1]):
                        out[row, index[j] >> 6] |= np.uint64(1) << np.uint64(index[j] & 63)
    return out


@jit
def add_leading(grid, begin, index, n_out):
    """Path counts one layer back along a leading axis: (outer, outputs, inner) to (outer, n_out, inner)."""
    outer, outputs, inner = grid.shape
    out = np.zeros((outer, n_out, inner))
    for a in range(outer):
        for o in range(outputs):
            row = grid[a, o]
            for j in range(begin[o], begin[o + 1]):
                to = out[a, index[j]]
                for i in range(inner):
                    to[i] += row[i]
    return out


@jit
def add_last(grid, begin, index, n_out):
    """Path counts one layer back along the last axis: (rows, outputs) to (rows, n_out)."""
    rows, outputs = grid.shape
    out = np.zeros((rows, n_out))
    for row in range(rows):
        for o in range(outputs):
            paths = grid[row, o]
            if paths:
                for j in range(begin[o], begin[o + 1]):
                    out[row, index[j]] += paths
    return out


@jit
def add_shifted(grid, start, step, count, n_out):
    """`add_last` where output o reads the entries o + start + step*i, i < count. 400×400, 3 taps: 6 times its speed."""
    rows, outputs = grid.shape
    out = np.zeros((rows, n_out))
    for row in range(rows):
        for i in range(count):
            shift = start + step * i
            low, stop = max(0, -shift), min(outputs, n_out - shift)
            if low < stop:
                paths, to = grid[row, low:stop], out[row, low + shift : stop + shift]
                for o in range(stop - low):
                    to[o] += paths[o]
    return out


# ---------------------------------------------------------------- drawing and measuring


@jit
def draw(rows_a, rows_b, rows_last, n_a, n_b):
    """Union of outer products of sets: bit rows (terms, words) per axis to a bit grid (n_a, n_b, words)."""
    words = rows_last.shape[1]
    out = np.zeros((n_a, n_b, words), np.uint64)
    for t in range(rows_last.shape[0]):
        for a in range(n_a):
            if rows_a[t, a >> 6] >> np.uint64(a & 63) & np.uint64(1):
                for b in range(n_b):
                    if rows_b[t, b >> 6] >> np.uint64(b & 63) & np.uint64(1):
                        to = out[a, b]
                        for w in range(words):
                            to[w] |= rows_last[t, w]
    return out


@jit
def measure(grid):
    """Entries of a bit grid, and its projections on the axes: bool (a,), bool (b,) and bits (words,)."""
    outer, inner, words = grid.shape
    seen_a, seen_b = np.zeros(outer, np.bool_), np.zeros(inner, np.bool_)
    seen_last = np.zeros(words, np.uint64)
    total = np.int64(0)
    for a in range(outer):
        for b in range(inner):
            row = np.uint64(0)
            for w in range(words):
                word = grid[a, b, w]
                total += np.int64(popcount(word))
                row |= word
                seen_last[w] |= word
            if row:
                seen_a[a] = seen_b[b] = True
    return total, seen_a, seen_b, seen_last
