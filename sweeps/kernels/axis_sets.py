"""Kernels on one set per axis: what the terms of a state unite to on an axis (docs/theory.md, 14.4).

A state is a jump, an extent, and where its pixels begin in a pool of words, the first pixel being bit 0: -1 where all
pixels of the extent are there, and no words are kept. Without a path, jump and extent are 0. An effect is a stride and
runs of taps.
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import inline, jit, lowest_bit, popcount
from rfscale.sweeps.kernels.unions import VERSION, longer, rehashed, turned_end

_ONE, _ZERO, _FULL = np.uint64(1), np.uint64(0), np.uint64(0xFFFFFFFFFFFFFFFF)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_UPPER, _LOWER = np.uint64(0xFFFFFFFF00000000), np.uint64(0xFFFFFFFF)


@inline
def _fill(bits, length):
    """Set the first bits."""
    for w in range(length >> 6):
        bits[w] = _FULL
    if length & 63:
        bits[length >> 6] |= (_ONE << np.uint64(length & 63)) - _ONE


@jit
def _unite_moved(source, n_source, shift, target, n_target):
    """Unite a set with another one, `shift` bits further."""
    at, by = shift >> 6, np.uint64(shift & 63)
    for w in range(min(n_source, n_target - at) - 1, -1, -1):  # from above: a set may be moved onto itself
        word = source[w]
        if by:
            if at + w + 1 < n_target:
                target[at + w + 1] |= word >> (np.uint64(64) - by)
            target[at + w] |= word << by
        else:
            target[at + w] |= word


@jit
def _moved_by_runs(given, extent, jump, first, count, copies, out, size):
    """Write the union of a set moved by all taps: `first` and `count` of each run, taps `jump` bits apart."""
    words = (extent + 63) >> 6
    for w in range(size):
        out[w] = _ZERO
    for run in range(first.shape[0]):
        shift = first[run] * jump
        if count[run] == 1:
            _unite_moved(given, words, shift, out, size)
            continue
        wide = (extent + jump * (count[run] - 1) + 63) >> 6
        for w in range(wide):
            copies[w] = given[w] if w < words else _ZERO
        done = 1
        while done < count[run]:
            more = min(done, count[run] - done)
            _unite_moved(copies, wide, more * jump, copies, wide)
            done += more
        _unite_moved(copies, wide, shift, out, size)


@jit
def _place(table, jumps, extents, starts, words, jump, extent, bits, size, code):
    """Slot of a table that has a state or is free for it, and the number of the state: -1 if it is free."""
    mask = np.uint64(table.shape[0] - 1)
    slot = code & mask
    while table[np.int64(slot)]:
        entry = table[np.int64(slot)]
        if (entry ^ code) & _UPPER == _ZERO:
            at = np.int64(entry & _LOWER) - 1
            same = jumps[at] == jump and extents[at] == extent and (starts[at] < 0) == (size == 0)
            if same:
                for w in range(size):
                    if words[starts[at] + w] != bits[w]:
                        same = False
                        break
            if same:
                return np.int64(slot), at
        slot = (slot + _ONE) & mask
    return np.int64(slot), np.int64(-1)


@jit
def advance_sets(
    jump, extent, start, words, state, variant, stride, span, step, runs, first, count, wanted,
    origin, ends_before, earlier, later, limit, version=VERSION,
):  # fmt: skip
    """Apply every effect of a stage to every state; states that are equal by content are one.

    Parameters
    ----------
    jump, extent, start : int64 arrays (states,); words : uint64 array
        States before.
    state, variant, wanted, origin, ends_before, earlier, later
        As in `rfscale.sweeps.kernels.unions.advance`.
    stride, span, step : int64 arrays (effects,)
        Of each effect: entries between the outputs, length of the hull (0: no path), and longest distance between
        neighbouring taps.
    runs : int64 array (effects + 1,); first, count : int64 arrays (runs,)
        Where the runs of each effect begin, and their first tap and number of taps.
    limit : int
        Words that the states after may take.

    Returns
    -------
    Columns of the states after; ends, origin and whether the limit was kept, as in `advance`.
    """
    effects, size_most = wanted.shape[1], np.int64(1)
    for row in range(state.shape[0]):
        for effect in range(effects):
            size_most = max(size_most, (extent[state[row]] + jump[state[row]] * max(0, span[effect] - 1)) // 64 + 2)
    jumps, extents, starts = np.empty(1024, np.int64), np.empty(1024, np.int64), np.empty(1024, np.int64)
    hashes, source, pool = np.empty(1024, np.uint64), np.empty((1024, 2), np.int32), np.empty(4096, np.uint64)
    table = np.zeros(4096, np.uint64)
    used, filled = 0, 0
    ends = np.full((state.shape[0], effects), -1, np.int32)
    given, bits, copies = np.empty(size_most, np.uint64), np.empty(size_most, np.uint64), np.empty(size_most, np.uint64)
    for row in range(state.shape[0]):
        known, before = False, np.int64(state[row])
        for effect in range(effects):
            if not wanted[variant[row], effect]:
                continue
            end = turned_end(row, effect, origin, ends_before, earlier, later, ends)
            if end >= 0:
                ends[row, effect] = end
                continue
            after_jump, after_extent, size = np.int64(0), np.int64(0), np.int64(0)
            if extent[before] and span[effect]:
                after_jump = jump[before] * stride[effect]
                after_extent = extent[before] + jump[before] * (span[effect] - 1)
                if start[before] >= 0 or jump[before] * step[effect] > extent[before]:
                    if not known:
                        known = True
                        for w in range((extent[before] + 63) >> 6):
                            given[w] = words[start[before] + w] if start[before] >= 0 else _ZERO
                        if start[before] < 0:
                            _fill(given, extent[before])
                    size = (after_extent + 63) >> 6
                    low, high = runs[effect], runs[effect + 1]
                    _moved_by_runs(
                        given, extent[before], jump[before], first[low:high], count[low:high], copies, bits, size
                    )
                    pixels = np.int64(0)
                    for w in range(size):
                        pixels += np.int64(popcount(bits[w]))
                    if pixels == after_extent:
                        size = np.int64(0)
            code = (np.uint64(after_jump) * _MIX ^ np.uint64(after_extent)) * _MIX
            code ^= code >> np.uint64(29)
            for w in range(size):
                code = (code ^ bits[w]) * _MIX
                code ^= code >> np.uint64(29)
            slot, at = _place(table, jumps, extents, starts, pool, after_jump, after_extent, bits, size, code)
            if at < 0:
                at = used
                if 8 * (used + 1) + filled + size > limit:
                    return jumps[:0], extents[:0], starts[:0], pool[:0], ends, source.T, False
                if used == jumps.shape[0]:
                    jumps, extents, starts = (
                        longer(jumps, 2 * used),
                        longer(extents, 2 * used),
                        longer(starts, 2 * used),
                    )
                    hashes, source = longer(hashes, 2 * used), longer(source, 2 * used)
                if filled + size > pool.shape[0]:
                    pool = longer(pool, 2 * (filled + size))
                jumps[at], extents[at], hashes[at] = after_jump, after_extent, code
                starts[at] = filled if size else -1
                source[at, 0], source[at, 1] = row, effect
                pool[filled : filled + size] = bits[:size]
                filled += size
                table[slot] = (code & _UPPER) | np.uint64(at + 1)
                used += 1
                if 2 * used > table.shape[0]:
                    table = rehashed(hashes, used, 4 * table.shape[0])
            ends[row, effect] = at
    columns = jumps[:used].copy(), extents[:used].copy(), starts[:used].copy(), pool[:filled].copy()
    return (*columns, ends, source[:used].T.copy(), True)


@jit
def set_figures(jump, extent, start, words, out):
    """Write pixels, pixels that the next entry has as well, and the longest gap, of every state: int64 array (3, n)."""
    for i in range(jump.shape[0]):
        out[0, i], out[1, i], out[2, i] = extent[i], max(0, extent[i] - jump[i]), 0
        if start[i] < 0:
            continue
        size, at, by = (extent[i] + 63) >> 6, jump[i] >> 6, np.uint64(jump[i] & 63)
        pixels, shared, gap, last = np.int64(0), np.int64(0), np.int64(0), np.int64(-1)
        for w in range(size):
            word = words[start[i] + w]
            pixels += np.int64(popcount(word))
            if w + at < size:
                later = words[start[i] + w + at] >> by
                if by and w + at + 1 < size:
                    later |= words[start[i] + w + at + 1] << (np.uint64(64) - by)
                shared += np.int64(popcount(word & later))
            while word:
                x = 64 * w + np.int64(lowest_bit(word))
                gap = max(gap, x - last - 1)
                last = x
                word &= word - _ONE
        out[0, i], out[1, i], out[2, i] = pixels, shared, gap
