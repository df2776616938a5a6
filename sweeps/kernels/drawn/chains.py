"""The kernel `walk_drawn`: formulas beside exact figures, along chains that are drawn at random; counts of errors.

Chains are taken in blocks, stage by stage, a chain in a lane (`lanes`): one pass over a block draws the choices, others
take the exact sets (`sets`) and the formulas through the layers, and count (`counts`). Each pass is a loop without
branches as far as it can be. The errors are those of `rfscale.sweeps.kernels.formula_errors`, bit by bit, and are
counted in the same cells. Windows are alike on all axes.

A choice is a number of splitmix64 of the seed, the chain and the stage: the same chains in any blocks and threads.
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import inline, inner_with, jit_with
from rfscale.sweeps.kernels.drawn import counts as counts_of_lanes
from rfscale.sweeps.kernels.drawn import words as words_of_lanes
from rfscale.sweeps.kernels.drawn.counts import (
    MEASURES,
    bar_of,
    count_held,
    count_off,
    count_published,
    hold,
    judge,
    keep_found,
)
from rfscale.sweeps.kernels.drawn.lanes import (
    AREA,
    ARTICLE,
    BIN,
    CELL,
    DILATION,
    EXTENT,
    FLAGS,
    FLOAT_ROWS,
    FORM,
    JUMP,
    LANES,
    LENGTH,
    LINE,
    LIVE,
    MORE_TAPS,
    NODE,
    ONES,
    OVERLAP,
    RESIDUES,
    ROW,
    SPACING,
    STRIDE,
    THREES,
    TWOS,
    UNSHARED,
    WHOLE_ROWS,
    W,
)
from rfscale.sweeps.kernels.drawn.sets import advance_ends, count_ends
from rfscale.sweeps.kernels.drawn.words import (
    advance_words,
    count_words,
    lengthened,
    load_words,
    words_needed,
    words_to_count,
)
from rfscale.sweeps.kernels.formula_errors import (
    COLUMNS,
    OVERLAP_BINS,
    drawn_choice,
    random_number,
)
from rfscale.sweeps.kernels.formula_recurrence import (
    CLOSED_INSIDE,
    CONV1,
    DILATED3,
    NO_FORMULA,
    PUBLISHED_INSIDE,
    REGULAR,
    SOLID,
    published,
)

# division by 0 is inf or nan, as numpy has it: the article's formulas meet it
jit, inner = jit_with(error_model="numpy"), inner_with(error_model="numpy")

# of what is inlined: see `source_version`; `^` would leave out what is in both
VERSION = words_of_lanes.VERSION + 31 * counts_of_lanes.VERSION

# Blocks times stages whose maps are counted together, stage by stage: the counts of one stage are in the cache then,
# and those of all are not. Counted block by block, they took 2.5 times as long
HELD = 720


# passes over a block --------------------------------------------------------------------------------------------------


@inner
def _draw(n, whole, choice, s, counter, depth, stage, variant, lines, version=VERSION):
    """Draw a line of a stage for each of n chains, the first of which has this counter; write the cells of its maps."""
    choices, first_variant, first, kinds = stage[0], stage[1], stage[3], stage[4]
    for i in range(n):
        p = drawn_choice(counter + np.uint64(i * depth), choices)
        line = variant[np.uint64(first_variant + whole[LIVE + i])] + p
        whole[LINE + i] = line
        choice[s * ROW + i] = lines[np.uint64(line), 0]
        whole[CELL + i] = first + whole[BIN + i] * kinds + lines[np.uint64(line), 4]


@inner
def _take_layers(n, whole, lines, layers, at, version=VERSION):
    """Write the layer that each chain has at a place of its line; beyond its last, one that changes nothing."""
    for i in range(n):
        line = np.uint64(whole[LINE + i])
        if at < lines[line, 2]:
            x = np.uint64(lines[line, 1] + at)
            whole[MORE_TAPS + i], whole[STRIDE + i] = layers[x, 0] - 1, layers[x, 1]
            whole[DILATION + i], whole[ARTICLE + i] = layers[x, 2], layers[x, 3]
        else:
            whole[MORE_TAPS + i], whole[STRIDE + i], whole[DILATION + i], whole[ARTICLE + i] = 0, 1, 1, CONV1


@inner
def _advance_formulas(n, whole, value, version=VERSION):
    """Take w, u and the flags of n chains through a layer of each: `closed_form` and `domain`, without branches.

    Where d·u > w, windows that share pixels are those with |s - i·d| < d: two numbers i at most, from s/d rounded down
    on. No other term of the sum is above 0.
    """
    for i in range(n):
        more, stride = whole[MORE_TAPS + i], whole[STRIDE + i]
        dilation, article = whole[DILATION + i], whole[ARTICLE + i]
        near = np.int64(np.float64(stride) / np.float64(dilation))
        away = stride - near * dilation
        first, second = max(more + 1 - near, 0), max(more - near, 0)
        w, u, P = value[W + i], value[UNSHARED + i], value[OVERLAP + i]
        flags, jump = whole[FLAGS + i], whole[JUMP + i]
        extent = whole[EXTENT + i]
        step = dilation * u
        wider = w + more * min(w, step)
        shared = first * max(w - away * u, 0.0) + second * max(w - (dilation - away) * u, 0.0)
        inside, outside = min(wider, stride * u), wider - shared
        value[W + i] = wider
        value[UNSHARED + i] = inside if step <= w else outside
        regular = flags & REGULAR
        stays = article == CONV1 or (article != NO_FORMULA and regular != 0 and not (article == DILATED3 and P > 0.5))
        lost = 0 if stays else PUBLISHED_INSIDE
        lost |= CLOSED_INSIDE if (more > 0 or stride > 1) and regular == 0 else 0
        lost |= REGULAR if more > 0 and step > w and (stride < dilation or away > 0) else 0
        lost |= SOLID if more > 0 and dilation * jump > extent else 0
        whole[FLAGS + i] = flags & ~lost


@inner
def _advance_published(n, alive, whole, value, version=VERSION):
    """Take S and P of the n chains that have any through a layer; return how many still have."""
    left = 0
    for j in range(n):
        i = alive[j]
        S, P = published(whole[ARTICLE + i], value[AREA + i], value[OVERLAP + i])
        value[AREA + i], value[OVERLAP + i] = S, P
        if not (np.isnan(S) and np.isnan(P)):
            alive[left] = i
            left += 1
    return left


@inner
def _enter(n, whole, choice, s, stage, next_live, version=VERSION):
    """Write the live value after a stage."""
    for i in range(n):
        at = stage[2] + whole[LIVE + i] * stage[0] + choice[s * ROW + i]
        whole[LIVE + i] = next_live[np.uint64(at)]


@inner
def _load(n, chain, node, whole, value, ends, alive, starts, words, version=VERSION):
    """Write the states that n chains are drawn from; return how many words are used, and chains have S and P."""
    figures, start, given, live, state, flags, first = starts
    used, left = np.int64(0), np.int64(0)
    for i in range(n):
        while chain + i >= first[node + 1]:
            node += 1
        if i and node == whole[NODE + i - 1] and whole[FORM + i - 1] == 0:
            ends[i] = ends[i - 1]
            for row in (EXTENT, LENGTH, SPACING, ONES, TWOS, THREES, FORM, JUMP, FLAGS, LIVE, NODE, BIN):
                whole[row + i] = whole[row + i - 1]
        else:
            used = load_words(i, whole, ends, figures[node, 0], start[node], given, words, used)
            whole[JUMP + i], whole[FLAGS + i] = figures[node, 2], flags[node, 0]
            whole[LIVE + i], whole[NODE + i] = live[node], node
            whole[BIN + i] = min(figures[node, 3] * OVERLAP_BINS // figures[node, 1], OVERLAP_BINS)
        value[AREA + i], value[OVERLAP + i] = state[node, 0], state[node, 1]
        value[W + i], value[UNSHARED + i] = state[node, 2], state[node, 3]
        if not (np.isnan(state[node, 0]) and np.isnan(state[node, 1])):
            alive[left] = i
            left += 1
    return used, left


@inline
def _node_of(first, chain):
    """The row that a chain is drawn from."""
    low, high = np.int64(0), first.shape[0] - 1
    while high - low > 1:
        middle = (low + high) >> 1
        if first[middle] <= chain:
            low = middle
        else:
            high = middle
    return low


@jit
def walk_drawn(task, tasks, begin, end, starts, tables, seed, tally, counts, version=VERSION):
    """Draw chains of some stages after the states that they start from, and count the errors of their maps.

    Block b of begin..end-1 is the chains from b·LANES on. One call is one task of several, each for a thread: it takes
    every n-th block, and has tables of its own.

    Parameters
    ----------
    task, tasks, begin, end : int
    starts : Starts; tables : Tables; tally : Tally
        Described in `rfscale.sweeps.validation.kernel_tables`; the tally is added to.
    seed : uint64
    counts : uint32 array (cells·4·COLUMNS,)
        Of the closed form and the bounding box: maps by cell of these stages, measure and column. Added to, and not in
        the table of the tally.
    """
    stages, variant, next_live, lines, layers, first_frame, _, power, _ = tables
    table, worst, place = tally
    first, depth, doublings = starts.first, stages.shape[0], np.int64(0)
    chains = first[-1]
    for x in range(layers.shape[0]):
        while 1 << doublings < layers[x, 0]:
            doublings += 1
    widest_start = np.int64(1)
    for row in range(starts.figures.shape[0]):
        widest_start = max(widest_start, (starts.figures[row, 0] + 63) >> 6)
    whole, value = np.zeros(WHOLE_ROWS * ROW, np.int64), np.zeros(FLOAT_ROWS * ROW)
    ends, alive = np.zeros(LANES, np.uint64), np.zeros(LANES, np.int64)
    choice, words = np.zeros(depth * ROW, np.int64), np.zeros(LANES * (widest_start + 4), np.uint64)
    one, two = np.zeros(64, np.uint64), np.zeros(64, np.uint64)
    residues = np.zeros(RESIDUES, np.int64)
    key, first_cell = random_number(seed), stages[0, 3]
    cells = stages[depth - 1, 3] + OVERLAP_BINS * stages[depth - 1, 4] - first_cell
    bars, found = np.empty(4 * cells), np.zeros(LANES + 1, np.int64)
    for at in range(4 * cells):
        bars[at] = bar_of(worst[(first_cell + (at >> 2)) * MEASURES + 2 + (at & 3)])
    room, filled = 4 * LANES * min(max(HELD // depth, 1), (end - begin) // tasks + 1), 0
    held = np.empty(depth * room, np.int32)
    for block in range(begin + (task - begin) % tasks, end, tasks):
        chain = block * LANES
        n = min(LANES, chains - chain)
        node = _node_of(first, chain)
        used, left = _load(n, chain, node, whole, value, ends, alive, starts, words)
        for s in range(depth):
            _draw(n, whole, choice, s, key + np.uint64(chain * depth + s), depth, stages[s], variant, lines)
            for at in range(first_frame[s + 1] - first_frame[s]):
                _take_layers(n, whole, lines, layers, at)
                _advance_formulas(n, whole, value)
                left = _advance_published(left, alive, whole, value)
                if advance_ends(n, whole, ends, doublings):
                    needed, widest = words_needed(n, whole)
                    words = lengthened(words, used, needed)
                    if widest > one.shape[0]:
                        one, two = np.zeros(2 * widest, np.uint64), np.zeros(2 * widest, np.uint64)
                    used = advance_words(n, whole, ends, words, used, one, two, residues)
            if count_ends(n, whole, ends):
                needed = words_to_count(n, whole)
                words = lengthened(words, used, needed)
                if needed > one.shape[0]:
                    one, two = np.zeros(2 * needed, np.uint64), np.zeros(2 * needed, np.uint64)
                count_words(n, whole, ends, words, used, one)
            off = judge(n, whole, value, power, stages[s, 3])
            many = hold(n, whole, value, first_cell, held, s * room + filled, bars, found)
            keep_found(many, whole, value, choice, s + 1, first_cell, bars, found, worst, place)
            if off:
                count_off(n, whole, value, table)
            count_published(left, alive, whole, value, power, choice, s + 1, table, worst, place)
            if s < depth - 1:
                _enter(n, whole, choice, s, stages[s], next_live)
        filled += 4 * n
        if filled + 4 * LANES > room or block + tasks >= end:
            for s in range(depth):
                count_held(s * room, s * room + filled, held, (stages[s, 3] - first_cell) * (4 * COLUMNS), counts)
            filled = 0
