"""Kernels that carry formulas beside exact figures through the layers of chains, and reduce their errors to tables.

An *edge* is one map: row (what the stage reads) and choice. The state of the formulas is S and P of the article (nan:
it has no value), and w and u of the closed form, continued outside its domain as well. Flags are the bits below.

Kernels and the scalars they inline stand in one file: numba's cache does not see a change in another one.
"""

from __future__ import annotations

import numba
import numpy as np

from engine.kernels._jit import inline, jit

parallel = numba.njit(cache=True, nogil=True, parallel=True)

# flags of a state: the closed form can go on; it is in its domain; the article's formulas are; the map is solid by 6.3
REGULAR, CLOSED_INSIDE, PUBLISHED_INSIDE, SOLID = 1, 2, 4, 8
FRESH = REGULAR | CLOSED_INSIDE | PUBLISHED_INSIDE | SOLID
MEASURES = 6  # area and overlap of published, closed form, interval
TASKS = 8  # pieces of a call, each with tables of its own: sums do not depend on the number of threads
EXACT = 1e-9  # relative error of an area, difference of an overlap, that rounding may make
SNAP = 1e-11  # nearer to the exact value than this, S and P are set to it: rounding does not add up with depth
LOWEST, HIGHEST, PER_OCTAVE = -16, 8, 4  # powers of two between which errors are told apart
BINS = 3 + PER_OCTAVE * (HIGHEST - LOWEST)  # exact, smaller, the bins, larger
TALLIES = 4  # with a value, in the domain, in the domain and not exact, impossible
_SHIFT = 50  # of the bits of a float64: what is left is exponent and two bits of mantissa
_OFFSET = (1023 + LOWEST) * PER_OCTAVE
_ROUND = 16  # bits of S and P that may differ between states that merge: 1.5e-11 relative


# scalars -------------------------------------------------------------------------------------------------------------


@inline
def published(article, S, P):
    """S and P behind a layer as the article prints them; `article` numbers its formulas, 0: it has none."""
    q = 1.0 - P
    if article == 1:
        return S, P
    if article == 2:
        return S, 2.0 * max(P - 0.5, 0.0)
    if article == 3:
        return (2.0 - P) * (2.0 - P) * S, P / (2.0 - P)
    if article == 4:
        return S + 4.0 * q * S + 4.0 * q * q * S, (1.0 + q * (5.0 - 2.0 * P)) / (1.0 + 4.0 * q * (2.0 - P))
    if article == 5:
        return S + 4.0 * q * S + 4.0 * q * q * S, (1.0 + 2.0 * q) / (1.0 + 4.0 * q * (2.0 - P))
    if article == 6:
        over = max(P - 0.5, 0.0)
        scale = 9.0 - 24.0 * over
        top = 15.0 * P if P < 0.5 else 6.0 + 3.0 * q - (14.0 + 4.0 * q) * over
        return 9.0 * S - 24.0 * over * S, top / scale if scale != 0.0 else np.inf
    if article == 7 and S == 1.0 and P == 0.0:
        return 49.0, 5.0 / 7.0
    return np.nan, np.nan


@inline
def closed(w, u, k, s, d):
    """Pixels w and fresh pixels u behind a window on one axis; `engine.formulas.advance` for scalars."""
    step = d * u
    wider = w + (k - 1) * min(w, step)
    if step <= w:
        return wider, min(wider, s * u)
    shared = 0.0
    for i in range(1 - k, k):
        shared += (k - abs(i)) * max(w - abs(s - i * d) * u, 0.0)
    return wider, wider - shared


@inline
def _flags(flags, article, P, w, u, extent, jump, k, s, d):
    """Flags behind a layer, from what it reads."""
    after = flags
    if article == 0 or (article == 6 and P > 0.5) or (article != 1 and flags & REGULAR == 0):
        after &= ~PUBLISHED_INSIDE
    if k > 1 or s > 1:
        if flags & REGULAR == 0:
            after &= ~CLOSED_INSIDE
        # taps d apart leave single runs again where the stride keeps to every d-th entry
        if k > 1 and d * u > w and s % d != 0:
            after &= ~REGULAR
    if k > 1 and d * jump > extent:
        after &= ~SOLID
    return after


@inline
def _bin(error):
    if error <= EXACT:
        return 0
    place = np.int64(np.float64(error).view(np.int64) >> _SHIFT) - _OFFSET
    return 1 if place < 0 else min(place + 2, BINS - 1)


@inline
def _power(x, n):
    out = x
    for _ in range(n - 1):
        out *= x
    return out


@inline
def _tally(hist, tally, worst, place, task, kind, at, m, weight, value, exact, inside, possible, edge):
    """Count one value of one formula in the tables."""
    if np.isnan(value):
        return
    error = abs(value - exact) / exact if m % 2 == 0 else abs(value - exact)
    hist[task, kind, at, m, _bin(error)] += weight
    tally[task, kind, at, m, 0] += weight
    if inside:
        tally[task, kind, at, m, 1] += weight
        if error > EXACT:
            tally[task, kind, at, m, 2] += weight
    if not possible:
        tally[task, kind, at, m, 3] += weight
    if error > worst[task, kind, at, m]:
        worst[task, kind, at, m] = error
        place[task, kind, at, m] = edge


# drivers -------------------------------------------------------------------------------------------------------------


@parallel
def reduce_edges(
    state, flags, variant, weight, overlap_bin, extent, jump, source, picked, edges, choices, chain, layers, kinds,
    ndim, out_pixels, out_extent, out_jump, out_shared, out_state, out_flags, first_edge, hist, tally, worst, place,
):  # fmt: skip
    """Carry the formulas along edges, and add their errors against the exact figures to the tables.

    Parameters
    ----------
    state : float64 array (n, 4); flags : int64 array (n,)
        What each row reads, by the formulas.
    variant : int64 array (n,)
        Which chains its choices stand for.
    weight : array (n,), or (e,) with `picked`
        Architectures that each edge stands for.
    overlap_bin, extent, jump : int64 arrays (n,)
        Exact figures of what each row reads.
    source : int64 array (n,)
        Row of the exact figures behind each row: maps that are alike share them.
    picked : int64 array (e,), or empty
        Edges row·choices + choice; empty: all of them.
    edges, choices : int
    chain : int64 array (variants, choices, 2)
        First layer and number of layers of every choice.
    layers : int64 array (l, 4)
        Kernel, stride, dilation, number of the article's formula.
    kinds : int64 array (variants, choices)
        Row of the tables.
    ndim : int
        Axes: an area is a power of the pixels on one.
    out_pixels, out_extent, out_jump, out_shared : arrays (m,)
        Exact figures behind each edge, at source·choices + choice; with `picked` in the order of the edges.
    out_state : float64 array (e, 4) or (0, 4); out_flags : int64 array (e,) or (0,)
        Written: the formulas behind each edge, S and P as the exact ones where they agree.
    first_edge : int
        Number of the first edge in the whole stage, for `place`.
    hist, tally, worst, place : arrays (tasks, kinds, overlap bins, measures[, bins or tallies])
        Added to, nothing if they have no kinds. `worst` is the largest error and `place` the edge that has it.
    """
    counting = hist.shape[1] > 0
    keep = out_state.shape[0] > 0
    for task in numba.prange(TASKS):
        for i in range(task * edges // TASKS, (task + 1) * edges // TASKS):
            edge = picked[i] if picked.shape[0] else i
            row = edge // choices
            c = edge - row * choices
            v = variant[row]
            S, P, w, u = state[row, 0], state[row, 1], state[row, 2], state[row, 3]
            flag, e, j = flags[row], extent[row], jump[row]
            begin = chain[v, c, 0]
            for at in range(begin, begin + chain[v, c, 1]):
                k, s, d = layers[at, 0], layers[at, 1], layers[at, 2]
                flag = _flags(flag, layers[at, 3], P, w, u, e, j, k, s, d)
                S, P = published(layers[at, 3] if ndim == 2 else 0, S, P)
                w, u = closed(w, u, k, s, d)
                e += (k - 1) * d * j
                j *= s
            x = i if picked.shape[0] else source[row] * choices + c
            pixels = np.float64(out_pixels[x])
            exact_area, exact_overlap = _power(pixels, ndim), out_shared[x] / pixels
            if abs(S - exact_area) <= SNAP * exact_area:
                S = exact_area
            if abs(P - exact_overlap) <= SNAP:
                P = exact_overlap
            if keep:
                out_state[i, 0], out_state[i, 1], out_state[i, 2], out_state[i, 3] = S, P, w, u
                out_flags[i] = flag
            if counting:
                wt = weight[i] if picked.shape[0] else weight[row]
                kind, b, n = kinds[v, c], overlap_bin[row], edge if picked.shape[0] else first_edge + i
                area, over = _power(w, ndim), 1.0 - u / w
                wide = np.float64(out_extent[x])
                box, slide = _power(wide, ndim), max(0.0, 1.0 - out_jump[x] / wide)
                inside = flag & PUBLISHED_INSIDE != 0
                _tally(hist, tally, worst, place, task, kind, b, 0, wt, S, exact_area, inside, S > 0.0, n)
                in_range = -EXACT <= P <= 1.0 + EXACT
                _tally(hist, tally, worst, place, task, kind, b, 1, wt, P, exact_overlap, inside, in_range, n)
                inside = flag & CLOSED_INSIDE != 0
                _tally(hist, tally, worst, place, task, kind, b, 2, wt, area, exact_area, inside, True, n)
                _tally(hist, tally, worst, place, task, kind, b, 3, wt, over, exact_overlap, inside, True, n)
                inside = flag & SOLID != 0
                _tally(hist, tally, worst, place, task, kind, b, 4, wt, box, exact_area, inside, True, n)
                _tally(hist, tally, worst, place, task, kind, b, 5, wt, slide, exact_overlap, inside, True, n)


@inline
def _key(value):
    if np.isnan(value):
        return np.int64(-1)
    return (np.float64(value).view(np.int64) + (np.int64(1) << (_ROUND - 1))) >> _ROUND


@inline
def _hash(exact, live, flags, state, i):
    code = np.uint64(exact) * np.uint64(0x9E3779B97F4A7C15)
    code = (code ^ np.uint64(live * 16 + flags)) * np.uint64(0xC2B2AE3D27D4EB4F)
    for column in range(4):
        code ^= code >> np.uint64(29)
        code = (code ^ np.uint64(_key(state[i, column]))) * np.uint64(0x9E3779B97F4A7C15)
    return code ^ (code >> np.uint64(32))


@jit
def join(exact, live, state, flags, weight, row, choice, used, table, n_exact, n_live, n_state, n_flags, n_weight,
         n_row, n_choice):  # fmt: skip
    """Merge edges that end in one state, exact and by the formulas, and return how many nodes there are now.

    Parameters
    ----------
    exact, live, state, flags, weight, row, choice : arrays over edges
        State in the pool, live value, state of the formulas, architectures, and where the edge comes from.
    used : int
        Nodes so far.
    table : int32 array
        Finds a node by content; a power of two, at least twice as long as nodes will be many; -1 is empty.
    n_exact ... n_choice : arrays over nodes
        The nodes, with the edge that each was first met by. Written.
    """
    mask = np.uint64(table.shape[0] - 1)
    for i in range(exact.shape[0]):
        slot = _hash(exact[i], live[i], flags[i], state, i) & mask
        while True:
            n = table[np.int64(slot)]
            if n < 0:
                table[np.int64(slot)] = used
                n_exact[used], n_live[used], n_flags[used], n_weight[used] = exact[i], live[i], flags[i], weight[i]
                n_row[used], n_choice[used] = row[i], choice[i]
                n_state[used] = state[i]
                used += 1
                break
            same = n_exact[n] == exact[i] and n_live[n] == live[i] and n_flags[n] == flags[i]
            for column in range(4):
                same = same and _key(n_state[n, column]) == _key(state[i, column])
            if same:
                n_weight[n] += weight[i]
                break
            slot = (slot + np.uint64(1)) & mask
    return used


@jit
def rehash(exact, live, state, flags, used, size):
    """Return a table of `size` slots that finds the nodes."""
    table = np.full(size, -1, np.int32)
    mask = np.uint64(size - 1)
    for n in range(used):
        slot = _hash(exact[n], live[n], flags[n], state, n) & mask
        while table[np.int64(slot)] >= 0:
            slot = (slot + np.uint64(1)) & mask
        table[np.int64(slot)] = n
    return table
