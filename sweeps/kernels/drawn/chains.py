"""The kernel `walk_drawn`: formulas beside exact figures, along chains that are drawn at random; counts of errors.

Chains are taken in blocks, stage by stage, a chain in a lane (`lanes`): one pass over a block draws the choices, others
take the exact sets (`sets`) and the formulas through the layers, and count. Each pass is a loop without branches as far
as it can be. The errors are those of `rfscale.sweeps.kernels.formula_errors`, bit by bit, and are counted in the same
cells. Windows are alike on all axes.

A choice is a number of splitmix64 of the seed, the chain and the stage: the same chains in any blocks and threads.
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import inline, inner_with, jit_with
from rfscale.sweeps.kernels import formula_errors, formula_recurrence
from rfscale.sweeps.kernels.drawn import words as words_of_lanes
from rfscale.sweeps.kernels.drawn.lanes import (
    AREA,
    ARTICLE,
    BIN,
    CELL,
    COLUMN,
    DILATION,
    ERROR,
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
    PIXELS,
    RESIDUES,
    ROW,
    SHARED,
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
    EXACT,
    IMPOSSIBLE,
    INSIDE,
    INSIDE_OFF,
    OVERLAP_BINS,
    drawn_choice,
    error_bin,
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
    box_overlap,
    published,
    share,
    snapped,
)

# division by 0 is inf or nan, as numpy has it: the article's formulas meet it
jit, inner = jit_with(error_model="numpy"), inner_with(error_model="numpy")

VERSION = (
    words_of_lanes.VERSION ^ formula_recurrence.VERSION ^ formula_errors.OWN_VERSION
)  # of what is inlined: see `source_version`

_MEASURES = 6  # area and overlap, of three formulas
# Blocks whose maps are counted together, stage by stage: the counts of one stage are in the cache then, and those of
# all are not. Counted block by block, they took 2.5 times as long
HELD = 60


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
def _column(wrong, inside):
    """Column of an error."""
    column = error_bin(wrong)
    return INSIDE if column == 0 and inside else column


@inline
def overlap_bin(overlap):
    """Bin of an overlap, shared/pixels: the division rounds no quotient below 2^31 to a number of another bin."""
    return min(np.int64(overlap * OVERLAP_BINS), OVERLAP_BINS)


@inner
def _judge(n, whole, value, power, first, version=VERSION):
    """Write errors of the closed form and the bounding box, area and overlap of each, and where they are counted.

    Return how many are inside of a domain and not exact. Places are those in the table after the `first` cell, the
    stage's. The bin of the overlap is that of the next stage's maps.
    """
    off = 0
    for i in range(n):
        pixels, w = np.float64(whole[PIXELS + i]), value[W + i]
        box = np.float64(whole[EXTENT + i])
        exact = pixels * (pixels if power > 1 else 1.0) * (pixels if power > 2 else 1.0)
        closed = w * (w if power > 1 else 1.0) * (w if power > 2 else 1.0)
        boxed = box * (box if power > 1 else 1.0) * (box if power > 2 else 1.0)
        overlap = share(whole[SHARED + i], pixels)
        closed_area, closed_overlap = abs(closed - exact) / exact, abs(1.0 - value[UNSHARED + i] / w - overlap)
        box_area, box_shared = (boxed - exact) / exact, abs(box_overlap(box, whole[JUMP + i]) - overlap)
        value[ERROR + i], value[ERROR + ROW + i] = closed_area, closed_overlap
        value[ERROR + 2 * ROW + i], value[ERROR + 3 * ROW + i] = box_area, box_shared
        in_closed, in_box = whole[FLAGS + i] & CLOSED_INSIDE != 0, whole[FLAGS + i] & SOLID != 0
        at = (whole[CELL + i] - first) * (4 * COLUMNS)
        whole[COLUMN + i] = at + _column(closed_area, in_closed)
        whole[COLUMN + ROW + i] = at + (COLUMNS + _column(closed_overlap, in_closed))
        whole[COLUMN + 2 * ROW + i] = at + (2 * COLUMNS + _column(box_area, in_box))
        whole[COLUMN + 3 * ROW + i] = at + (3 * COLUMNS + _column(box_shared, in_box))
        whole[BIN + i] = overlap_bin(overlap)
        off += 1 if in_closed and max(closed_area, closed_overlap) > EXACT else 0
        off += 1 if in_box and max(box_area, box_shared) > EXACT else 0
    return off


@inline
def _bar(worst):
    """The least error that may be kept beside the largest of a cell so far; equal ones of rounding are not."""
    if worst < 0.0:
        return 0.0
    return worst if worst > EXACT else np.int64(np.float64(worst).view(np.int64) + 1).view(np.float64)


@inline
def _keep(worst, place, cell, wrong, whole, choice, i, stages):
    """Keep the choices of chain i where its error is the cell's largest so far.

    Of equal errors those of the first chain by node and choices are kept, in any order of work.
    """
    better, node = wrong > worst[cell], whole[NODE + i]
    if not better and wrong > EXACT:
        unlike, kept = node, place[cell, 0]
        for s in range(stages):
            if unlike != kept:
                break
            unlike, kept = choice[s * ROW + i], place[cell, 1 + s]
        better = unlike < kept
    if better:
        worst[cell], place[cell, 0] = wrong, node
        for s in range(stages):
            place[cell, 1 + s] = choice[s * ROW + i]


@inner
def _hold(n, whole, value, begin, held, at, bars, found, version=VERSION):
    """Write where the maps of a stage are counted to `held`, from `at` on.

    Return how many may have the largest error of their cell, and write which: without a branch for each.
    """
    many = 0
    for i in range(n):
        for m in range(4):
            held[np.uint64(at + m * n + i)] = whole[COLUMN + m * ROW + i]
        cell = (whole[CELL + i] - begin) * 4
        large = value[ERROR + i] >= bars[np.uint64(cell)]
        large |= value[ERROR + ROW + i] >= bars[np.uint64(cell + 1)]
        large |= value[ERROR + 2 * ROW + i] >= bars[np.uint64(cell + 2)]
        large |= value[ERROR + 3 * ROW + i] >= bars[np.uint64(cell + 3)]
        found[np.uint64(many)] = i
        many += np.int64(large)
    return many


@inner
def _count_held(low, high, held, begin, counts, version=VERSION):
    """Count the maps of a stage that are held, in counts by cell, measure and column, from `begin` on."""
    for i in range(low, high):
        counts[np.uint64(begin + held[np.uint64(i)])] += np.uint32(1)


@inner
def _keep_found(n, whole, value, choice, stages, begin, bars, found, worst, place, version=VERSION):
    """Keep the choices of those n chains that may have the largest error of a measure of their cells."""
    for j in range(n):
        i = found[j]
        for m in range(4):
            wrong, bar = value[ERROR + m * ROW + i], (whole[CELL + i] - begin) * 4 + m
            if wrong >= bars[bar]:
                cell = whole[CELL + i] * _MEASURES + (m + 2)
                _keep(worst, place, cell, wrong, whole, choice, i, stages)
                bars[bar] = _bar(worst[cell])


@inner
def _count_off(n, whole, value, table, version=VERSION):
    """Count the maps inside of a domain that are not exact."""
    for m in range(4):
        for i in range(n):
            inside = whole[FLAGS + i] & (CLOSED_INSIDE if m < 2 else SOLID)
            if inside and value[ERROR + m * ROW + i] > EXACT:
                table[(whole[CELL + i] * _MEASURES + (m + 2)) * COLUMNS + INSIDE_OFF] += 1


@inner
def _count_published(n, alive, whole, value, power, choice, stages, table, worst, place, version=VERSION):
    """Add the maps of the n chains that have S and P to the counts of the article's formulas."""
    for j in range(n):
        i = alive[j]
        pixels, cell = np.float64(whole[PIXELS + i]), whole[CELL + i] * _MEASURES
        area = pixels * (pixels if power > 1 else 1.0) * (pixels if power > 2 else 1.0)
        overlap = share(whole[SHARED + i], pixels)
        S, P = snapped(value[AREA + i], value[OVERLAP + i], area, overlap)
        value[AREA + i], value[OVERLAP + i] = S, P
        inside = whole[FLAGS + i] & PUBLISHED_INSIDE != 0
        for m in range(2):
            wrong = abs(P - overlap) if m else abs(S - area) / area
            if np.isnan(wrong):  # the article has no value
                continue
            column = _column(wrong, inside)
            table[(cell + m) * COLUMNS + column] += 1
            if inside and column != INSIDE:
                table[(cell + m) * COLUMNS + INSIDE_OFF] += 1
            if wrong >= worst[cell + m]:
                _keep(worst, place, cell + m, wrong, whole, choice, i, stages)
        if S <= 0.0:
            table[cell * COLUMNS + IMPOSSIBLE] += 1
        if P < -EXACT or P > 1.0 + EXACT:
            table[(cell + 1) * COLUMNS + IMPOSSIBLE] += 1


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
        bars[at] = _bar(worst[(first_cell + (at >> 2)) * _MEASURES + 2 + (at & 3)])
    room, filled = 4 * LANES * min(HELD, (end - begin) // tasks + 1), 0
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
            off = _judge(n, whole, value, power, stages[s, 3])
            many = _hold(n, whole, value, first_cell, held, s * room + filled, bars, found)
            _keep_found(many, whole, value, choice, s + 1, first_cell, bars, found, worst, place)
            if off:
                _count_off(n, whole, value, table)
            _count_published(left, alive, whole, value, power, choice, s + 1, table, worst, place)
            if s < depth - 1:
                _enter(n, whole, choice, s, stages[s], next_live)
        filled += 4 * n
        if filled + 4 * LANES > room or block + tasks >= end:
            for s in range(depth):
                _count_held(s * room, s * room + filled, held, (stages[s, 3] - first_cell) * (4 * COLUMNS), counts)
            filled = 0
