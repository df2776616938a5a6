"""Kernels that carry formulas beside exact figures through the layers of chains, and count their errors.

A *map* is the output of a stage of one architecture. The state of the formulas is S and P of the article (nan: it has
no value), then w and u of the closed form on each axis, continued outside its domain as well. Where windows are alike
on all axes there is one axis, and `power` says how many it stands for. Flags, on each axis, are the bits below.

Kernels and the scalars they inline stand in one file: numba's cache does not see a change in another one.
"""

from __future__ import annotations

import numba
import numpy as np

from rfscale.engine.kernels.jit import inline, popcount

# division by 0 is inf or nan, as numpy has it: the article's formulas meet it
jit = numba.njit(cache=True, nogil=True, error_model="numpy")


parallel = numba.njit(cache=True, nogil=True, error_model="numpy", parallel=True)


# flags of a state: the closed form can go on; it is in its domain; the article's formulas are; the map is solid by 6.3
REGULAR, CLOSED_INSIDE, PUBLISHED_INSIDE, SOLID = 1, 2, 4, 8


FRESH = REGULAR | CLOSED_INSIDE | PUBLISHED_INSIDE | SOLID


EXACT = 1e-9  # relative error of an area, difference of an overlap, that rounding may make


SNAP = 1e-11  # nearer to the exact value than this, S and P are set to it: rounding does not add up with depth


LOWEST, HIGHEST, PER_OCTAVE = -16, 8, 4  # powers of two between which errors are told apart


BINS = 3 + PER_OCTAVE * (HIGHEST - LOWEST)  # exact, smaller, the bins, larger


# further columns: exact in the domain (and not in the first one), in the domain and not exact, impossible
INSIDE, INSIDE_OFF, IMPOSSIBLE = BINS, BINS + 1, BINS + 2


COLUMNS = BINS + 3


OVERLAP_BINS = 10


_SHIFT = 50  # of the bits of a float64: what is left is exponent and two bits of mantissa


_OFFSET = (1023 + LOWEST) * PER_OCTAVE


_ONE = np.uint64(1)


_FULL = np.uint64(0xFFFFFFFFFFFFFFFF)


# scalars: formulas ---------------------------------------------------------------------------------------------------


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
    """Pixels w and fresh pixels u behind a window on one axis; `advance` for scalars."""
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
        if k > 1 and d * u > w and (s < d or s % d != 0):
            after &= ~REGULAR
    if k > 1 and d * jump > extent:
        after &= ~SOLID
    return after


@inline
def _step(value, flag, f, t, j, figures, layers, x):
    """Formulas of member j of frame t behind layer x, from frame f."""
    axes = flag.shape[2]
    S, P, article = value[f, j, 0], value[f, j, 1], layers[x, 3 * axes]
    for a in range(axes):
        k, s, d = layers[x, 3 * a], layers[x, 3 * a + 1], layers[x, 3 * a + 2]
        w, u = value[f, j, 2 + 2 * a], value[f, j, 3 + 2 * a]
        flag[t, j, a] = _flags(flag[f, j, a], article, P, w, u, figures[f, a, 0], figures[f, a, 2], k, s, d)
        value[t, j, 2 + 2 * a], value[t, j, 3 + 2 * a] = closed(w, u, k, s, d)
    value[t, j, 0], value[t, j, 1] = published(article, S, P)


@inline
def _snap(value, t, j, area, overlap):
    """Set S and P to the exact values where they agree."""
    if abs(value[t, j, 0] - area) <= SNAP * area:
        value[t, j, 0] = area
    if abs(value[t, j, 1] - overlap) <= SNAP:
        value[t, j, 1] = overlap


# scalars: exact sets -------------------------------------------------------------------------------------------------
# The room of a set is zero outside its words, before and after, so that no shift needs a look at its ends. Unsigned
# indices let the compiler see that none is negative.


@inline
def _moved(words, i, shift, rest):
    """Word i of a set moved up by shift bits; rest is 63 - shift."""
    return (words[np.uint64(i)] << shift) | ((words[np.uint64(i - 1)] >> _ONE) >> rest)


@inline
def _sumset(words, source, solid, extent, kernel, gap, out, n):
    """Write the sumset of a set and {0, gap, 2*gap, ...}, `kernel` terms, n words."""
    terms = 1
    if solid:
        have = (extent + 63) >> 6
        for w in range(have):
            words[np.uint64(out + w)] = _FULL
        if extent & 63:
            words[np.uint64(out + have - 1)] = (_ONE << np.uint64(extent & 63)) - _ONE
        for w in range(have, n):
            words[np.uint64(out + w)] = np.uint64(0)
    else:  # the first two terms as they are copied
        q, shift = gap >> 6, np.uint64(gap & 63)
        rest = np.uint64(63) - shift
        for w in range(min(q, n)):
            words[np.uint64(out + w)] = words[np.uint64(source + w)]
        for w in range(q, n):
            words[np.uint64(out + w)] = words[np.uint64(source + w)] | _moved(words, source + w - q, shift, rest)
        terms = 2
    while terms < kernel:  # doubling, from the top word down, so that reads come before writes
        more = min(terms, kernel - terms)
        q, shift = (more * gap) >> 6, np.uint64((more * gap) & 63)
        rest = np.uint64(63) - shift
        for w in range(n - 1, q - 1, -1):
            words[np.uint64(out + w)] |= _moved(words, out + w - q, shift, rest)
        terms += more


@inline
def _shared(words, at, extent, jump):
    """Pixels that a set has in common with itself moved by `jump`."""
    if at == 0 or jump >= extent:
        return max(np.int64(0), extent - jump)
    q, shift = jump >> 6, np.uint64(jump & 63)
    rest = np.uint64(63) - shift
    shared = np.int64(0)
    for w in range(q, (extent + 63) >> 6):
        shared += np.int64(popcount(words[np.uint64(at + w)] & _moved(words, at + w - q, shift, rest)))
    return shared


@inline
def _window(figures, words, place, used, f, t, a, width, layers, x, made):
    """Exact figures of frame t on axis a: extent, pixels, jump, shared; `place` is 0 for a solid set.

    `made` is whether the frame holds the set of the same kernel and dilation already.
    """
    k, s, d = layers[x, 3 * a], layers[x, 3 * a + 1], layers[x, 3 * a + 2]
    extent, pixels, jump, shared, at = (
        figures[f, a, 0],
        figures[f, a, 1],
        figures[f, a, 2],
        figures[f, a, 3],
        place[f, a],
    )
    gap = d * jump
    wide, next_jump = extent + (k - 1) * gap, jump * s
    if made:
        at, pixels = place[t, a], figures[t, a, 1]
        shared = _shared(words, at, wide, next_jump)
    elif k > 1 and (at > 0 or gap > extent):
        n, out = (wide + 63) >> 6, 1 + (t * place.shape[1] + a) * width
        _sumset(words, at, at == 0, extent, k, gap, out, n)
        for w in range(n, used[t, a]):
            words[np.uint64(out + w)] = np.uint64(0)
        used[t, a] = n
        pixels, at = np.int64(0), np.int64(out)
        for w in range(n):
            pixels += np.int64(popcount(words[np.uint64(out + w)]))
        if pixels == wide:
            at = np.int64(0)
        shared = _shared(words, at, wide, next_jump)
    else:
        if at == 0:
            pixels = wide
        shared = _shared(words, at, wide, next_jump)
    figures[t, a, 0], figures[t, a, 1], figures[t, a, 2], figures[t, a, 3] = wide, pixels, next_jump, shared
    place[t, a] = at


# scalars: counting ---------------------------------------------------------------------------------------------------


@inline
def _bin(error):
    place = (np.float64(error).view(np.int64) >> _SHIFT) + (2 - _OFFSET)
    return 0 if error <= EXACT else min(max(place, 1), BINS - 1)


@inline
def _exact(figures, f, power, exact, error):
    """Area and overlap on each axis; the errors of the bounding box, which are the same for all members."""
    axes = figures.shape[1]
    n = 1 + axes
    area, box = 1.0, 1.0
    for a in range(axes):
        pixels, extent = np.float64(figures[f, a, 1]), np.float64(figures[f, a, 0])
        area *= pixels
        box *= extent
        exact[1 + a] = figures[f, a, 3] / pixels
        error[2 * n + 1 + a] = abs(max(0.0, 1.0 - figures[f, a, 2] / extent) - exact[1 + a])
    for _ in range(power - 1):
        area *= figures[f, 0, 1]
        box *= figures[f, 0, 0]
    exact[0] = area
    error[2 * n] = (box - area) / area


@inline
def _errors(value, flag, t, j, power, exact, error, inside):
    """Errors of the other formulas for one member, nan without a value; and whether it is in the domain of each."""
    axes = flag.shape[2]
    n = 1 + axes
    S, P, both = value[t, j, 0], value[t, j, 1], flag[t, j, 0]
    area = 1.0
    for a in range(axes):
        w = value[t, j, 2 + 2 * a]
        area *= w
        both &= flag[t, j, a]
        error[1 + a] = abs(P - exact[1 + a])
        error[n + 1 + a] = abs(1.0 - value[t, j, 3 + 2 * a] / w - exact[1 + a])
    for _ in range(power - 1):
        area *= value[t, j, 2]
    error[0] = abs(S - exact[0]) / exact[0]
    error[n] = abs(area - exact[0]) / exact[0]
    inside[0], inside[1], inside[2] = both & PUBLISHED_INSIDE, both & CLOSED_INSIDE, both & SOLID


@inline
def _earlier(place, cell, row, digits):
    """Whether a map comes before the one that is kept: of equal errors the first one stays, in any order of work."""
    if row != place[cell, 0]:
        return row < place[cell, 0]
    for s in range(digits.shape[0]):
        if digits[s] != place[cell, 1 + s]:
            return digits[s] < place[cell, 1 + s]
    return False


@inline
def _count(table, worst, place, at, error, inside, S, P, weight, row, digits):
    """Add one map to the tables, with its errors; where one is the largest so far, keep the choices behind it."""
    measures = error.shape[0]
    n = measures // 3
    for formula in range(3):
        within = inside[formula] != 0
        for m in range(formula * n, formula * n + n):  # not m // n: a division takes as long as all the rest
            wrong = error[m]
            if np.isnan(wrong):  # the article has no value
                continue
            cell = at * measures + m
            line = cell * COLUMNS
            column = _bin(wrong)
            if within:
                if column:
                    table[np.uint64(line + INSIDE_OFF)] += weight
                else:
                    column = INSIDE
            table[np.uint64(line + column)] += weight
            most = worst[np.uint64(cell)]
            if wrong > most or (wrong == most and wrong > EXACT and _earlier(place, cell, row, digits)):
                worst[np.uint64(cell)] = wrong
                place[cell, 0] = row
                for s in range(digits.shape[0]):
                    place[cell, 1 + s] = digits[s]
    if S <= 0.0:
        table[np.uint64(at * measures * COLUMNS + IMPOSSIBLE)] += weight
    if P < -EXACT or P > 1.0 + EXACT:
        for m in range(1, n):
            table[np.uint64((at * measures + m) * COLUMNS + IMPOSSIBLE)] += weight


@inline
def _random(counter):
    """Splitmix64: a number from a counter."""
    x = counter * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@inline
def _drawn(counter, choices):
    """One of some choices; the bias is below choices/2^53."""
    return np.int64(np.float64(_random(counter) >> np.uint64(11)) * (choices / 9007199254740992.0))


# drivers -------------------------------------------------------------------------------------------------------------


@parallel
def advance_edges(
    state, flags, extent, jump, variant, source, lines, chains, layers, choices, power, pixels, shared, out, out_flags,
):  # fmt: skip
    """Carry the formulas of every row along every choice of one stage; windows are alike on all axes.

    Parameters
    ----------
    state : float64 array (n, 4); flags : int64 array (n, 1); extent, jump : int64 arrays (n,)
        What each row reads.
    variant, source : int64 arrays (n,)
        Which chains its choices stand for, and its row of `pixels` and `shared`.
    lines, chains, layers
        As `walk` takes them; `lines` are those of the first variant.
    pixels, shared : int32 arrays (m, choices)
        Exact figures behind each row's choices.
    out : float64 array (n, choices, 4); out_flags : int64 array (n, choices, 1)
        Written.
    """
    for row in numba.prange(state.shape[0]):
        figures = np.empty((1, 1, 4), np.int64)
        value, flag = np.empty((1, 1, 4)), np.empty((1, 1, 1), np.int64)
        first, x = lines + variant[row] * choices, source[row]
        for line in range(first, first + choices):
            c = chains[line, 0]
            for i in range(4):
                value[0, 0, i] = state[row, i]
            flag[0, 0, 0], figures[0, 0, 0], figures[0, 0, 2] = flags[row, 0], extent[row], jump[row]
            for at in range(chains[line, 1], chains[line, 1] + chains[line, 2]):
                _step(value, flag, 0, 0, 0, figures, layers, at)
                figures[0, 0, 0] += (layers[at, 0] - 1) * layers[at, 2] * figures[0, 0, 2]
                figures[0, 0, 2] *= layers[at, 1]
            size = np.float64(pixels[x, c])
            area = size
            for _ in range(power - 1):
                area *= size
            _snap(value, 0, 0, area, shared[x, c] / size)
            for i in range(4):
                out[row, c, i] = value[0, 0, i]
            out_flags[row, c, 0] = flag[0, 0, 0]


@jit
def walk(
    task, tasks, sources, start, words, group, live, state, flags, weight, stages, variant, next_live, chains, layers,
    frames, width, power, split, per_group, begin, end, drawn, seed, table, worst, place,
):  # fmt: skip
    """Walk depth first through all architectures of some stages behind each source, and count their errors.

    One call is one task of several, each for a thread: a task takes every n-th piece and has tables of its own. (In a
    prange numba would optimise all this four times over.)

    Parameters
    ----------
    task, tasks : int
    sources : int64 array (g, axes, 4)
        Extent, pixels, jump, shared of the exact sets that stand before the first stage.
    start : int64 array (g, axes); words : uint64 array
        Where the bits of each lie, -1 for a solid one.
    group : int64 array (g + 1,)
        The rows with each exact set.
    live : int64 array (g,)
        Live value of each.
    state : float64 array (n, 2 + 2*axes); flags : int64 array (n, axes); weight : array (n,)
        What the formulas say of each row, and the architectures that it stands for.
    stages : int64 array (s, 5)
        Per stage: choices, offset in `variant`, offset in `next_live`, first cell of the tables, kinds.
    variant, next_live : int64 arrays
        By stage and live value (and choice): the first of the stage's lines in `chains`; the live value behind it.
    chains : int64 array (c, 6)
        Choices in an order in which common beginnings stand together: choice, first layer, layers, layers in common
        with the line before, kind, and whether the layer after those in common differs in stride alone: its set is
        there already.
    layers : int64 array (l, 3*axes + 1)
        Kernel, stride, dilation by axis, and the number of the article's formula.
    frames : int64 array (s + 1,)
        First frame of every stage: there is one for each layer of its longest chain.
    width : int
        Words of the widest set, and two more.
    split, per_group : int
        The choices of so many stages are those of the piece; so many pieces make a group.
    begin, end : int
        Pieces to walk through.
    drawn : int64 array (pieces,), or empty
        Chains to draw of each piece, choices uniform at every stage; empty: take all.
    seed : uint64
        Of the draws.
    table : array (cells*measures*columns,); worst : float64 array (cells*measures,)
    place : int64 array (cells*measures, 1 + s)
        Added to.
    """
    depth, axes = stages.shape[0], flags.shape[1]
    largest = np.int64(1)
    for g in range(group.shape[0] - 1):
        largest = max(largest, group[g + 1] - group[g])
    most = stages[:, 0].max()
    figures = np.zeros((frames[depth] + 1, axes, 4), np.int64)
    at_bits, used = np.zeros((frames[depth] + 1, axes), np.int64), np.zeros((frames[depth] + 1, axes), np.int64)
    bits = np.zeros((frames[depth] + 1) * axes * width + 2, np.uint64)
    value = np.empty((frames[depth] + 1, largest, state.shape[1]))
    flag = np.empty((frames[depth] + 1, largest, axes), np.int64)
    exact, error = np.empty(2 + 2 * axes), np.empty(3 + 3 * axes)
    inside = np.empty(3, np.int64)
    counts = np.zeros((depth, most), np.int64)
    position, stop, kept = np.zeros(depth, np.int64), np.zeros(depth, np.int64), np.zeros(depth, np.int64)
    alive, reads, cell = np.zeros(depth + 1, np.int64), np.zeros(depth + 1, np.int64), np.zeros(depth, np.int64)
    last, digits, prefix = np.zeros(depth, np.int64), np.zeros(depth, np.int64), np.zeros(depth + 1, np.int64)
    for piece in range(begin + (task - begin) % tasks, end, tasks):
        g = piece // per_group
        first, members = group[g], group[g + 1] - group[g]
        for a in range(axes):
            for i in range(4):
                figures[0, a, i] = sources[g, a, i]
            at_bits[0, a] = 0
            if start[g, a] >= 0:
                at_bits[0, a] = 1 + a * width
                n = (sources[g, a, 0] + 63) >> 6
                for w in range(n):
                    bits[1 + a * width + w] = words[start[g, a] + w]
                for w in range(n, used[0, a]):
                    bits[1 + a * width + w] = np.uint64(0)
                used[0, a] = n
        for j in range(members):
            for i in range(2 + 2 * axes):
                value[0, j, i] = state[first + j, i]
            for a in range(axes):
                flag[0, j, a] = flags[first + j, a]
        rest = piece - g * per_group
        prefix[split] = 0  # behind stage s: whether a later stage of the prefix is not at its first choice
        for s in range(split - 1, -1, -1):
            counts[s, 0] = rest % stages[s, 0]
            rest //= stages[s, 0]
            prefix[s] = prefix[s + 1] + counts[s, 0]
        counter = np.uint64(0)
        chances = np.int64(0)
        if drawn.shape[0]:
            counter = _random(seed ^ _random(np.uint64(piece)))
            chances = drawn[piece]
        alive[0] = live[g]
        s, fresh = np.int64(0), True
        while s >= 0:
            choices = stages[s, 0]
            if fresh:
                fresh = False
                low, b = reads[s], np.int64(OVERLAP_BINS)
                for a in range(axes):
                    b = min(b, figures[low, a, 3] * OVERLAP_BINS // figures[low, a, 1])
                cell[s] = stages[s, 3] + b * stages[s, 4]
                position[s], stop[s], kept[s], last[s] = 0, choices, 0, -2
                if s < split:
                    position[s] = counts[s, 0]
                    stop[s] = position[s] + 1
                elif chances == 1:
                    counter += np.uint64(1)
                    position[s] = _drawn(counter, choices)
                    stop[s] = position[s] + 1
                    counts[s, position[s]] = 1
                elif chances:
                    for _ in range(chances):
                        counter += np.uint64(1)
                        counts[s, _drawn(counter, choices)] += 1
            line = variant[stages[s, 1] + alive[s]]
            p = position[s]
            times = np.int64(1)
            if drawn.shape[0]:
                while p < stop[s] and counts[s, p] == 0:
                    kept[s] = min(kept[s], chains[line + p, 3])
                    p += 1
                if p < stop[s]:
                    times = counts[s, p]
                    counts[s, p] = 0
            if p >= stop[s]:
                s -= 1
                continue
            position[s] = p + 1
            c, at, length, kind = chains[line + p, 0], chains[line + p, 1], chains[line + p, 2], chains[line + p, 4]
            to = reads[s]
            for i in range(length):
                f = to
                to = frames[s] + i
                keep = min(kept[s], chains[line + p, 3])
                if i < keep:
                    continue
                made = i == keep and last[s] == p - 1 and chains[line + p, 5] == 1
                for a in range(axes):
                    _window(figures, bits, at_bits, used, f, to, a, width, layers, at + i, made)
                for j in range(members):
                    _step(value, flag, f, to, j, figures, layers, at + i)
            kept[s], last[s] = length, p
            digits[s] = c
            if s >= split or prefix[s + 1] == 0:
                _exact(figures, to, power, exact, error)
                for j in range(members):
                    _snap(value, to, j, exact[0], exact[1])
                    _errors(value, flag, to, j, power, exact, error, inside)
                    _count(
                        table, worst, place, cell[s] + kind, error, inside, value[to, j, 0], value[to, j, 1],
                        weight[first + j] * times, first + j, digits,
                    )  # fmt: skip
            if s < depth - 1:
                alive[s + 1] = next_live[stages[s, 2] + alive[s] * choices + c]
                reads[s + 1] = to
                chances = times if drawn.shape[0] else np.int64(0)
                s += 1
                fresh = True
