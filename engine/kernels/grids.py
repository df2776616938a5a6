"""Kernels on grids of entries: one step backwards through a layer, on sets (bits) and on path counts (float64).

A bit grid is uint64 (a, b, words): bit i of word w of a row is entry ``64*w + i`` of the window along the last axis,
the leading axes are plain, and bits beyond the window are 0. Networks of one and two axes have leading axes of length
1. Float grids are plain arrays.
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.arrays import FULL_WORD, Reads
from rfscale.engine.kernels.borders import border_entry
from rfscale.engine.kernels.jit import inline, jit, lowest_bit, popcount

inlined_border_entry = inline(border_entry)


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


@inline
def _spread(grid, strides, span_b, pitch, size):
    """Flat buffer of `size` words with output (a, b, o) of a bit grid at row (a·stride, b·stride), bit o·stride."""
    outer, inner, words = grid.shape
    flat, given = np.zeros(size, np.uint64), grid.reshape(-1)
    for a in range(outer):
        for b in range(inner):
            at = 1 + (a * strides[0] * span_b + b * strides[1]) * pitch
            _spread_row(flat, np.uint64(at), given, np.uint64((a * inner + b) * words), np.uint64(words), strides[2])
    return flat


@inline
def _widened(flat, spare, distance, count):
    """Unite a flat buffer with itself moved up by 1 … count - 1 times a distance: result, and the other buffer."""
    covered = 1
    while covered < count:  # each pass doubles what is covered
        more = min(covered, count - covered)
        _or_moved(spare, flat, distance * more)
        flat, spare = spare, flat
        covered += more
    return flat, spare


@inline
def _cut_out(flat, starts, shape, span_a, span_b, width):
    """Bit grid of `shape` entries from a buffer of rows of `width` words, whose first bit is entry `starts`."""
    n_words = (shape[2] + 63) >> 6
    out = np.zeros(shape[0] * shape[1] * n_words, np.uint64)
    # word w of a row of the result starts at bit s of word w + q of a row of the buffer
    q, s = -starts[2] >> 6, np.uint64(-starts[2] & 63)
    first, stop = max(0, -q - 1), min(n_words, width - q)
    tail = FULL_WORD >> np.uint64(-shape[2] & 63)
    for a in range(max(0, starts[0]), min(shape[0], span_a + starts[0])):
        for b in range(max(0, starts[1]), min(shape[1], span_b + starts[1])):
            at = (a * shape[1] + b) * n_words
            source = 1 + ((a - starts[0]) * span_b + b - starts[1]) * (width + 1) + q
            if first < stop:
                _move_row(out, np.uint64(at + first), flat, np.uint64(source + first), np.uint64(stop - first), s)
            out[at + n_words - 1] &= tail
    return out.reshape((shape[0], shape[1], n_words))


@jit
def window_back(grid, n_last, windows, shape):
    """Entries that the windows of needed outputs read: ∪ {stride·o + start + step·i : i < count} on each axis.

    Entries outside their window of the map are cut off.

    Parameters
    ----------
    grid : uint64 array (a, b, words)
        Needed outputs: a bit grid.
    n_last : int
        Outputs along the last axis.
    windows : Windows
    shape : tuple of 3 int
        Entries per axis of the window of entries.

    Returns
    -------
    uint64 array (shape[0], shape[1], words)
    """
    # All axes in one flat buffer, whose rows have room for what windows add and a word of 0 at the end: moving along
    # any axis is then one long shift. Rows are found in it by number: slices of 3-D arrays took 104 µs in place of 23
    # (1024×1024, 3×3). A solid 512×512 grid, 3×3, stride 2: 30 times the speed of a table of reads.
    strides, starts, steps, counts = windows
    span_a = strides[0] * (grid.shape[0] - 1) + steps[0] * (counts[0] - 1) + 1
    span_b = strides[1] * (grid.shape[1] - 1) + steps[1] * (counts[1] - 1) + 1
    width = (strides[2] * (n_last - 1) + steps[2] * (counts[2] - 1) >> 6) + 1
    row_bits = 64 * (width + 1)
    flat = _spread(grid, strides, span_b, width + 1, 1 + span_a * span_b * (width + 1))
    spare = np.empty_like(flat)
    flat, spare = _widened(flat, spare, steps[2], counts[2])
    flat, spare = _widened(flat, spare, steps[1] * row_bits, counts[1])
    flat, spare = _widened(flat, spare, steps[0] * row_bits * span_b, counts[0])
    return _cut_out(flat, starts, shape, span_a, span_b, width)


# ---------------------------------------------------------------- any map: from a table of reads


@jit
def reads(axis_map, outputs, entries, n):
    """What outputs read through a map: the entries down·⌊o/up⌋ + t over the taps t of phase o mod up.

    Parameters
    ----------
    axis_map : rfscale.engine.network.axis_maps.MapTable
    outputs, entries : tuple of 2 int
        Outputs [first, stop), and the window [low, high) of entries; reads outside it are dropped.
    n : int
        Entries of the map, where reads outside follow its border; below 0: there are no borders.

    Returns
    -------
    Reads
    """
    up, down, taps, counts, border = axis_map
    first, stop = outputs
    low, high = entries
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
                    entry = inlined_border_entry(entry, n, border)
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
    return Reads(begin, index, group)


@jit
def union_leading(grid, table, n_out):
    """Entries that needed outputs read, along a leading axis: bits (outer, outputs, inner) to (outer, n_out, inner).

    ``out[:, e]`` is the union of ``grid[:, o]`` over the outputs o that read entry e, by a table of `Reads`.
    """
    begin, index, _ = table
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
def union_last(grid, table, n_out):
    """Entries that needed outputs read, along the last axis: bits (rows, words) of outputs to those of n_out entries.

    Entry e of a row is needed where an output o of the row is that reads it, by a table of `Reads`.
    """
    begin, index, group = table
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
def add_leading(grid, table, n_out):
    """Path counts one layer back along a leading axis: (outer, outputs, inner) to (outer, n_out, inner).

    ``out[:, e]`` is the sum of ``grid[:, o]`` over the outputs o that read entry e, once for each read.
    """
    begin, index, _ = table
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
def add_last(grid, table, n_out):
    """Path counts one layer back along the last axis: (rows, outputs) to (rows, n_out), as `add_leading`."""
    begin, index, _ = table
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
def add_shifted(grid, progression, n_out):
    """`add_last` where output o reads the entries o + start + step·i, i < count.

    `progression` is (start, step, count), as `rfscale.engine.network.axis_maps.Progression`.
    Entries outside 0..n_out-1 are cut off. 400×400, 3 taps: 6 times the speed of `add_last`.
    """
    start, step, count = progression
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


# ---------------------------------------------------------------- measuring


@jit
def measure(grid):
    """Number of entries in a bit grid, and its projections on the axes: bool (a,), bool (b,) and bits (words,)."""
    outer, inner, words = grid.shape
    any_a, any_b = np.zeros(outer, np.bool_), np.zeros(inner, np.bool_)
    any_last = np.zeros(words, np.uint64)
    total = np.int64(0)
    for a in range(outer):
        for b in range(inner):
            row = np.uint64(0)
            for w in range(words):
                word = grid[a, b, w]
                total += np.int64(popcount(word))
                row |= word
                any_last[w] |= word
            if row:
                any_a[a] = any_b[b] = True
    return total, any_a, any_b, any_last
