"""Errors of the maps of drawn chains, and their counts: as `rfscale.sweeps.kernels.formula_errors`, a map in a lane."""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import inline, inner_with, source_version
from rfscale.sweeps.kernels import formula_errors, formula_recurrence
from rfscale.sweeps.kernels.drawn import lanes
from rfscale.sweeps.kernels.drawn.lanes import (
    AREA,
    BIN,
    CELL,
    COLUMN,
    ERROR,
    EXTENT,
    FLAGS,
    JUMP,
    NODE,
    OVERLAP,
    PIXELS,
    ROW,
    SHARED,
    UNSHARED,
    W,
)
from rfscale.sweeps.kernels.formula_errors import (
    COLUMNS,
    EXACT,
    IMPOSSIBLE,
    INSIDE,
    INSIDE_OFF,
    OVERLAP_BINS,
    error_bin,
)
from rfscale.sweeps.kernels.formula_recurrence import (
    CLOSED_INSIDE,
    PUBLISHED_INSIDE,
    SOLID,
    box_overlap,
    share,
    snapped,
)

inner = inner_with(error_model="numpy")  # division by 0 is inf or nan, as numpy has it: the article's formulas meet it

VERSION = (
    lanes.VERSION ^ formula_recurrence.VERSION ^ formula_errors.OWN_VERSION ^ source_version(__file__, globals())
)  # for kernels that inline these: see `source_version`

MEASURES = 6  # area and overlap, of three formulas


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
def judge(n, whole, value, power, first, version=VERSION):
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
def bar_of(worst):
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
def hold(n, whole, value, begin, held, at, bars, found, version=VERSION):
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
def count_held(low, high, held, begin, counts, version=VERSION):
    """Count the maps of a stage that are held, in counts by cell, measure and column, from `begin` on."""
    for i in range(low, high):
        counts[np.uint64(begin + held[np.uint64(i)])] += np.uint32(1)


@inner
def keep_found(n, whole, value, choice, stages, begin, bars, found, worst, place, version=VERSION):
    """Keep the choices of those n chains that may have the largest error of a measure of their cells."""
    for j in range(n):
        i = found[j]
        for m in range(4):
            wrong, bar = value[ERROR + m * ROW + i], (whole[CELL + i] - begin) * 4 + m
            if wrong >= bars[bar]:
                cell = whole[CELL + i] * MEASURES + (m + 2)
                _keep(worst, place, cell, wrong, whole, choice, i, stages)
                bars[bar] = bar_of(worst[cell])


@inner
def count_off(n, whole, value, table, version=VERSION):
    """Count the maps inside of a domain that are not exact."""
    for m in range(4):
        for i in range(n):
            inside = whole[FLAGS + i] & (CLOSED_INSIDE if m < 2 else SOLID)
            if inside and value[ERROR + m * ROW + i] > EXACT:
                table[(whole[CELL + i] * MEASURES + (m + 2)) * COLUMNS + INSIDE_OFF] += 1


@inner
def count_published(n, alive, whole, value, power, choice, stages, table, worst, place, version=VERSION):
    """Add the maps of the n chains that have S and P to the counts of the article's formulas."""
    for j in range(n):
        i = alive[j]
        pixels, cell = np.float64(whole[PIXELS + i]), whole[CELL + i] * MEASURES
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
