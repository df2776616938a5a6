"""The kernel `walk`: formulas beside exact figures, along every architecture of some stages, and their errors counted.

A *map* is the output of a stage of one architecture. Where windows are alike on all axes there is one axis, and `power`
says how many it stands for. `rfscale.sweeps.validation.kernel_tables` says what the arguments hold.

numba's cache watches this file alone: the version of the functions that are inlined from others is a parameter.
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import inline, jit_with, source_version
from rfscale.sweeps.kernels import formula_recurrence, frames
from rfscale.sweeps.kernels.formula_recurrence import (
    CLOSED_INSIDE,
    PUBLISHED_INSIDE,
    SOLID,
    advance_state,
    box_overlap,
    share,
    snap,
)
from rfscale.sweeps.kernels.frames import advance_set

# division by 0 is inf or nan, as numpy has it: the article's formulas meet it
jit = jit_with(error_model="numpy")

EXACT = 1e-9  # relative error of an area, difference of an overlap, that rounding may make
LOWEST, HIGHEST, PER_OCTAVE = -16, 8, 4  # powers of two between which errors are distinguished
BINS = 3 + PER_OCTAVE * (HIGHEST - LOWEST)  # exact, smaller, the bins, larger
# further columns: exact in the domain (and not in the first one), in the domain and not exact, impossible
INSIDE, INSIDE_OFF, IMPOSSIBLE = BINS, BINS + 1, BINS + 2
COLUMNS = BINS + 3
OVERLAP_BINS = 10

_SHIFT = 50  # of the bits of a float64: what is left is exponent and two bits of mantissa
_OFFSET = (1023 + LOWEST) * PER_OCTAVE

VERSION = formula_recurrence.VERSION ^ frames.VERSION  # of the functions that are inlined: see `source_version`
OWN_VERSION = source_version(__file__, globals())  # for kernels that inline functions of this file


# scalars: counting ---------------------------------------------------------------------------------------------------


@inline
def error_bin(error):
    """Column of an error: 0 up to EXACT, then four bins to each power of two from 2^LOWEST to 2^HIGHEST."""
    place = (np.float64(error).view(np.int64) >> _SHIFT) + (2 - _OFFSET)
    return 0 if error <= EXACT else min(max(place, 1), BINS - 1)


@inline
def exact_figures(figures, f, power, exact, error):
    """Write area, product of pixels, and overlap by axis, shared/pixels; and the bounding box's errors.

    These are the same for all members of a frame. Errors of areas are relative, those of overlaps differences.
    """
    axes = figures.shape[1]
    n = 1 + axes
    area, box = 1.0, 1.0
    for a in range(axes):
        pixels, extent = np.float64(figures[f, a, 1]), np.float64(figures[f, a, 0])
        area *= pixels
        box *= extent
        exact[1 + a] = share(figures[f, a, 3], pixels)
        error[2 * n + 1 + a] = abs(box_overlap(extent, figures[f, a, 2]) - exact[1 + a])
    for _ in range(power - 1):
        area *= figures[f, 0, 1]
        box *= figures[f, 0, 0]
    exact[0] = area
    error[2 * n] = (box - area) / area


@inline
def _errors(value, flag, t, j, power, exact, error, inside):
    """Write the other formulas' errors for member j of frame t, nan without a value, and whose domain it is in."""
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
def _earlier(place, cell, row, choice):
    """Whether a map precedes the one that is kept: of equal errors the first is kept, in any order of work."""
    if row != place[cell, 0]:
        return row < place[cell, 0]
    for s in range(choice.shape[0]):
        if choice[s] != place[cell, 1 + s]:
            return choice[s] < place[cell, 1 + s]
    return False


@inline
def _count(table, worst, place, at, error, inside, S, P, weight, row, choice):
    """Add one map, `weight` times, to cell `at`; where an error is the cell's largest so far, keep the choices."""
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
            column = error_bin(wrong)
            if within:
                if column:
                    table[np.uint64(line + INSIDE_OFF)] += weight
                else:
                    column = INSIDE
            table[np.uint64(line + column)] += weight
            most = worst[np.uint64(cell)]
            if wrong > most or (wrong == most and wrong > EXACT and _earlier(place, cell, row, choice)):
                worst[np.uint64(cell)] = wrong
                place[cell, 0] = row
                for s in range(choice.shape[0]):
                    place[cell, 1 + s] = choice[s]
    if S <= 0.0:
        table[np.uint64(at * measures * COLUMNS + IMPOSSIBLE)] += weight
    if P < -EXACT or P > 1.0 + EXACT:
        for m in range(1, n):
            table[np.uint64((at * measures + m) * COLUMNS + IMPOSSIBLE)] += weight


@inline
def random_number(counter):
    """Splitmix64: a number from a counter."""
    x = counter * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@inline
def drawn_choice(counter, choices):
    """One of some choices; the bias is below choices/2^53."""
    return np.int64(np.float64(random_number(counter) >> np.uint64(11)) * (choices / 9007199254740992.0))


# steps of the walk ----------------------------------------------------------------------------------------------------
# Arrays are taken out of the tuples once, before the loop: kernels/frames.py says why.


@inline
def _load_sets(figures, place, used, bits, sets, start, words, g, width):
    """Write the exact sets of group g to frame 0."""
    for a in range(figures.shape[1]):
        for i in range(4):
            figures[0, a, i] = sets[g, a, i]
        place[0, a] = 0
        if start[g, a] >= 0:
            at, n = 1 + a * width, (figures[0, a, 0] + 63) >> 6
            for w in range(n):
                bits[at + w] = words[start[g, a] + w]
            for w in range(n, used[0, a]):
                bits[at + w] = np.uint64(0)
            place[0, a], used[0, a] = at, n


@inline
def _load_members(value, flag, state, flags, first, n):
    """Write the formulas of the n members of a group, rows first ..., to frame 0."""
    for j in range(n):
        for i in range(value.shape[2]):
            value[0, j, i] = state[first + j, i]
        for a in range(flag.shape[2]):
            flag[0, j, a] = flags[first + j, a]


@inline
def _split_choices(counts, later, stages, split, number):
    """Write the choices that a piece's number stands for to counts[:, 0], the last of `split` stages fastest.

    later[s] is 0 where stage s and those after it, up to `split`, are at their first choice.
    """
    later[split] = 0
    for s in range(split - 1, -1, -1):
        counts[s, 0] = number % stages[s, 0]
        number //= stages[s, 0]
        later[s] = later[s + 1] + counts[s, 0]


@inline
def _cell(figures, read, stages, s):
    """First cell of a stage for the smallest overlap, shared/pixels, of what it reads, on any axis."""
    overlap = np.int64(OVERLAP_BINS)
    for a in range(figures.shape[1]):
        overlap = min(overlap, figures[read, a, 3] * OVERLAP_BINS // figures[read, a, 1])
    return stages[s, 3] + overlap * stages[s, 4]


@inline
def _lines(counts, choices, s, split, draws, counter):
    """Return the first line of a stage to take, where to stop, and the random counter after `draws` draws (0: all)."""
    first, stop = np.int64(0), choices
    if s < split:
        first = counts[s, 0]
        stop = first + 1
    elif draws == 1:
        counter += np.uint64(1)
        first = drawn_choice(counter, choices)
        stop = first + 1
        counts[s, first] = 1
    elif draws:
        for _ in range(draws):
            counter += np.uint64(1)
            counts[s, drawn_choice(counter, choices)] += 1
    return first, stop, counter


@jit
def walk(task, tasks, begin, end, sources, members, tables, pieces, tally, version=VERSION):
    """Walk depth first through all architectures of some stages after each source, and count their errors.

    Piece i of begin..end-1 is one of group i // per_group. One call is one task of several, each for a thread: it takes
    every n-th piece, and has tables of its own. (In a prange numba would optimise all this four times over.)

    Parameters
    ----------
    task, tasks, begin, end : int
    sources : Sources; members : Members; tables : Tables; pieces : Pieces; tally : Tally
        Described in `rfscale.sweeps.validation.kernel_tables`; the tally is added to.
    """
    stages, variant, next_live, chains, layers, first_frame, width, power, most_choices = tables
    split, per_group, drawn, seed = pieces
    sets, start, words, live = sources
    group, state, flags, weight, largest = members
    table, worst, place_of_worst = tally
    depth, axes, sampled = stages.shape[0], flags.shape[1], drawn.shape[0] > 0
    frames = first_frame[depth] + 1
    figures, bits = np.zeros((frames, axes, 4), np.int64), np.zeros(frames * axes * width + 2, np.uint64)
    place, used = np.zeros((frames, axes), np.int64), np.zeros((frames, axes), np.int64)
    value, flag = np.empty((frames, largest, 2 + 2 * axes)), np.empty((frames, largest, axes), np.int64)
    exact, error, inside = np.empty(1 + axes), np.empty(3 + 3 * axes), np.empty(3, np.int64)
    # by stage: live value and frame that it reads, its cell; the next line and where to stop; the line before, and how
    # many of its layers' frames are still there
    alive, reads, cell = np.zeros(depth + 1, np.int64), np.zeros(depth + 1, np.int64), np.zeros(depth, np.int64)
    position, stop, last = np.zeros(depth, np.int64), np.zeros(depth, np.int64), np.zeros(depth, np.int64)
    kept, choice, later = np.zeros(depth, np.int64), np.zeros(depth, np.int64), np.zeros(depth + 1, np.int64)
    counts = np.zeros((depth, most_choices), np.int64)  # how often each line was drawn
    for piece in range(begin + (task - begin) % tasks, end, tasks):
        g = piece // per_group
        first, n_members = group[g], group[g + 1] - group[g]
        _load_sets(figures, place, used, bits, sets, start, words, g, width)
        _load_members(value, flag, state, flags, first, n_members)
        _split_choices(counts, later, stages, split, piece - g * per_group)
        draws, counter = np.int64(0), np.uint64(0)
        if sampled:
            draws, counter = drawn[piece], random_number(seed ^ random_number(np.uint64(piece)))
        alive[0] = live[g]
        s, entering = np.int64(0), True
        while s >= 0:
            if entering:
                entering = False
                cell[s], last[s], kept[s] = _cell(figures, reads[s], stages, s), -2, 0
                position[s], stop[s], counter = _lines(counts, stages[s, 0], s, split, draws, counter)
            line, p, times = variant[stages[s, 1] + alive[s]], position[s], np.int64(1)
            # here and not in a function of its own, for which numba counts references: a quarter of a sample's time
            while sampled and p < stop[s] and counts[s, p] == 0:
                kept[s] = min(kept[s], chains[line + p, 3])
                p += 1
            if p >= stop[s]:
                s -= 1
                continue
            if sampled:
                times, counts[s, p] = counts[s, p], 0
            position[s] = p + 1
            line, keep = line + p, min(kept[s], chains[line + p, 3])
            beside, to = last[s] == p - 1 and chains[line, 5] == 1, first_frame[s] + keep - 1 if keep else reads[s]
            for i in range(keep, chains[line, 2]):  # the layers that differ from those of the line before
                f, to, layer = to, first_frame[s] + i, chains[line, 1] + i
                for a in range(axes):
                    advance_set(figures, place, used, bits, layers, layer, f, to, a, width, i == keep and beside)
                for j in range(n_members):
                    advance_state(value, flag, figures, f, to, j, layers, layer)
            choice[s], kept[s], last[s] = chains[line, 0], chains[line, 2], p
            if s >= split or later[s + 1] == 0:  # maps of the stages that are split: once, not in every piece
                at, column = cell[s] + chains[line, 4], choice[0] if weight.shape[1] > 1 else 0
                exact_figures(figures, to, power, exact, error)
                for j in range(n_members):
                    maps = weight[first + j, column] * times
                    if maps == 0:
                        continue
                    snap(value, to, j, exact[0], exact[1])
                    _errors(value, flag, to, j, power, exact, error, inside)
                    _count(
                        table, worst, place_of_worst, at, error, inside, value[to, j, 0], value[to, j, 1],
                        maps, first + j, choice,
                    )  # fmt: skip
            if s < depth - 1:
                alive[s + 1] = next_live[stages[s, 2] + alive[s] * stages[s, 0] + choice[s]]
                reads[s + 1], draws = to, times if sampled else np.int64(0)
                s, entering = s + 1, True
