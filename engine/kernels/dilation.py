"""Dilation of bit grids: every entry of a set, moved by every offset of a product.

Bit grids are those of engine/kernels/grids.py: uint64 (a, b, words), bits along the last axis.
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import jit


@jit
def dilate(grid, n_last, offsets_a, offsets_b, offsets_last):
    """Dilate a bit grid by a product of offsets; the window stays as it is.

    Entry e of the result is set iff some e - (a, b, c) is, with a, b and c in the offsets of the axes. Bits that leave
    the window are cut off.

    Parameters
    ----------
    grid : uint64 array (a, b, words)
    n_last : int
        Entries along the last axis.
    offsets_a, offsets_b, offsets_last : int64 arrays
        In any order. Rising, evenly spaced ones around 0 (odd kernels) are the fast way: log2 of their number of
        passes over the grid. 1024×1024, 3×3: a third of the time of passes over a grid with room around it, 31×31: two
        thirds. Others go axis by axis, once for each evenly spaced run on one side of 0.
    """
    shape = np.array([grid.shape[0], grid.shape[1], n_last])
    every = (_within(offsets_a, shape[0]), _within(offsets_b, shape[1]), _within(offsets_last, shape[2]))
    out, still = grid, True  # a copy to begin with: a fifth more time (1024×1024, 3×3)
    for axis, offsets in enumerate(every):
        if len(offsets) == 0:
            return np.zeros(grid.shape, np.uint64)
        if len(offsets) == 1 and offsets[0] == 0:
            continue
        still = False
        first, step, count = _progression(offsets, 0, False)
        if count == len(offsets) and count & 1 and 2 * first == -step * (count - 1):
            out = _dilate_around(out, axis, step, count // 2)
        else:
            out = _dilate_by_runs(out, axis, offsets)
    if still:
        return grid.copy()
    if n_last & 63:  # what left the window within the last word
        tail, flat = ~np.uint64(0) >> np.uint64(-n_last & 63), out.reshape(-1)
        for at in range(grid.shape[2] - 1, flat.shape[0], grid.shape[2]):
            flat[at] &= tail
    return out


@jit
def _dilate_around(grid, axis, step, reach):
    """Dilate by the multiples -reach..reach of a step, reach at least 1.

    A pass makes of the multiples up to c those up to c + m. With m <= c + 1 no multiple passes through an entry outside
    the window, so that the grid needs no room around it.
    """
    outer, inner, words = grid.shape
    flat, spare, free = grid.reshape(-1), np.empty(grid.size, np.uint64), np.empty(grid.size, np.uint64)
    slab = inner * words
    covered = 0
    while covered < reach:
        more = min(covered + 1, reach - covered)
        if axis == 2:
            _with_neighbour_bits(spare, flat, words, more * step)
        elif axis == 1:
            for at in range(0, outer * slab, slab):
                _with_neighbours(spare[at : at + slab], flat[at : at + slab], more * step * words)
        else:
            _with_neighbours(spare, flat, more * step * slab)
        flat, spare, free = spare, free, spare
        covered += more
    return flat.reshape(grid.shape)


@jit
def _dilate_by_runs(grid, axis, offsets):
    """Dilate by any offsets, one evenly spaced run on one side of 0 after the other, each away from 0."""
    out = np.zeros(grid.shape, np.uint64)
    at = 0
    while at < len(offsets):
        first, step, count = _progression(offsets, at, True)
        at += count
        near = first
        if first < 0:
            near, step = first + step * (count - 1), -step
        part = np.zeros(grid.shape, np.uint64)
        _unite_moved(part, grid, axis, near)
        covered = 1
        while covered < count:  # each pass doubles what is covered
            more = min(covered, count - covered)
            wider = part.copy()
            _unite_moved(wider, part, axis, more * step)
            part = wider
            covered += more
        to, of = out.reshape(-1), part.reshape(-1)
        for w in range(len(to)):
            to[w] |= of[w]
    return out


@jit
def _unite_moved(out, grid, axis, distance):
    """Unite a grid with another one moved up (down if negative) an axis."""
    outer, inner, words = grid.shape
    far = abs(distance)
    for a in range(outer - far if axis == 0 else outer):
        for b in range(inner - far if axis == 1 else inner):
            if axis == 2:
                _unite_moved_bits(out[a, b], grid[a, b], distance)
                continue
            up_a, up_b = a + far * (axis == 0), b + far * (axis == 1)
            to, of = (out[up_a, up_b], grid[a, b]) if distance >= 0 else (out[a, b], grid[up_a, up_b])
            for w in range(words):
                to[w] |= of[w]


@jit
def _unite_moved_bits(out, row, distance):
    """Unite a row of bits with another one moved up (down if negative)."""
    q, s, words = abs(distance) >> 6, np.uint64(abs(distance) & 63), len(row)
    t = np.uint64(63) - s
    for w in range(words - q):
        if distance >= 0:
            out[w + q] |= row[w] << s
        else:
            out[w] |= row[w + q] >> s
    for w in range(words - q - 1):
        if distance >= 0:
            out[w + q + 1] |= row[w] >> t >> np.uint64(1)
        else:
            out[w] |= row[w + q + 1] << t << np.uint64(1)


@jit
def _with_neighbours(out, grid, distance):
    """Write a row of words, united with itself moved up and down by `distance` words."""
    n, last = grid.shape[0], grid.shape[0] - 1
    for j in range(min(distance, n)):  # the ends have one neighbour, or none
        out[j], out[last - j] = grid[j], grid[last - j]
    for j in range(min(distance, n - distance)):
        out[j] |= grid[j + distance]
        out[last - j] |= grid[last - j - distance]
    if n > 2 * distance:
        to, low, stay, high = out[distance:], grid[: n - 2 * distance], grid[distance:], grid[2 * distance :]
        for j in range(n - 2 * distance):
            to[j] = low[j] | stay[j] | high[j]


@jit
def _with_neighbour_bits(out, grid, words, distance):
    """Write rows of `words` words, one behind the other, each united with itself moved up and down by `distance` bits.

    All rows as one long one, and then the words at their ends again: 1024×1024 take 9 µs, and 10 row by row, but 35
    where the ends come from a function with a test for each neighbour.
    """
    q, s = distance >> 6, np.uint64(distance & 63)
    t, n = np.uint64(64) - s, grid.shape[0]
    if words < 2 * q + 3:
        for at in range(0, n, words):
            _narrow(out[at : at + words], grid[at : at + words], q, s)
        return
    # slices, so that every index provably counts from 0 and the loops vectorise
    to, stay, low, high = out[q + 1 :], grid[q + 1 :], grid[1:], grid[2 * q + 1 :]
    if s == 0:
        for j in range(n - 2 * q - 2):
            to[j] = stay[j] | low[j] | high[j]
    else:
        far, top = grid, grid[2 * q + 2 :]
        for j in range(n - 2 * q - 2):
            to[j] = stay[j] | low[j] << s | far[j] >> t | high[j] >> s | top[j] << t
    one, width, t, whole = np.uint64(1), np.uint64(words), np.uint64(63) - s, np.uint64(q)
    for w in range(whole + one):
        own = ~np.uint64(0) if w == whole else np.uint64(0)  # words closer to the end have no whole word beyond
        for row in range(np.uint64(n) // width):
            first, last = row * width, row * width + width - one
            a, b = first + w, last - w
            out[a] = grid[a] | (grid[first] << s & own) | grid[a + whole] >> s | grid[a + whole + one] << t << one
            out[b] = grid[b] | (grid[last] >> s & own) | grid[b - whole] << s | grid[b - whole - one] >> t >> one


@jit
def _narrow(out, row, q, s):
    """One row of few words, united with itself moved up and down by q words and s bits."""
    words, t = len(row), np.uint64(64) - s
    for w in range(words):
        value = row[w]
        if w >= q:
            value |= row[w - q] << s
        if w + q < words:
            value |= row[w + q] >> s
        if s and w > q:
            value |= row[w - q - 1] >> t
        if s and w + q + 1 < words:
            value |= row[w + q + 1] << t
        out[w] = value


@jit
def _within(offsets, n):
    """Offsets that leave something in a window of n entries."""
    kept = np.empty(len(offsets), np.int64)
    found = 0
    for offset in offsets:
        if -n < offset < n:
            kept[found] = offset
            found += 1
    return kept[:found]


@jit
def _progression(offsets, at, one_side):
    """First, step and number of the evenly spaced, rising offsets from `at` on; if `one_side`, of 0."""
    stop = at + 1
    step = offsets[stop] - offsets[at] if stop < len(offsets) else 1
    while step > 0 and stop < len(offsets) and offsets[stop] - offsets[stop - 1] == step:
        if one_side and (offsets[stop] < 0) != (offsets[at] < 0):
            break
        stop += 1
    return offsets[at], max(step, 1), stop - at
