"""Figures of all entries of a map at once, from its union of products: numbers of pixels by mask of terms."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from rfscale.engine.footprints.figures import Figures
from rfscale.engine.footprints.pixel_sets import Family
from rfscale.engine.footprints.unions import Term

MAX_MASKS = 4096  # sets of terms that may occur along one axis before entries are counted one by one on grids


def map_figures(terms: list[Term]) -> Figures | None:
    """Return the figures of all entries of a map, or None where more masks of terms occur than `MAX_MASKS`."""
    ndim = len(terms[0])
    if len(terms) == 1 and not any(f.is_empty.any() for f in terms[0]):
        return _product_figures(terms[0])
    boxes = [_boxes(terms, axis) for axis in range(ndim)]
    counted = _areas(terms)
    if counted is None:
        return None
    area, shared = counted
    first, extent, gap = (tuple(_zero_where_empty(box[i], area) for box in boxes) for i in range(3))
    return Figures(area, first, extent, gap, shared)


def _product_figures(term: Term) -> Figures:
    """Figures of one product none of whose sets is empty: each axis by itself."""
    ndim = len(term)
    pixels, gaps, common = ([_along(f.measures[i], a, ndim) for a, f in enumerate(term)] for i in range(3))
    shared = []
    for axis, family in enumerate(term):
        both = reduce(np.multiply, (common[a] if a == axis else p for a, p in enumerate(pixels)))
        if not family.repeat:
            both[(slice(None),) * axis + (-1,)] = -1
        shared.append(both)
    first = tuple(_along(f.first, a, ndim) for a, f in enumerate(term))
    extent = tuple(_along(f.extent, a, ndim) for a, f in enumerate(term))
    return Figures(reduce(np.multiply, pixels), first, extent, tuple(gaps), tuple(shared))


def _zero_where_empty(values: np.ndarray, area: np.ndarray) -> np.ndarray:
    """Zero where the footprint is empty."""
    return values if area.all() else np.where(area > 0, values, 0)


def _along(values: np.ndarray, axis: int, ndim: int) -> np.ndarray:
    """A 1-D array laid along one of `ndim` axes."""
    return values.reshape((1,) * axis + (-1,) + (1,) * (ndim - axis - 1))


def _boxes(terms: list[Term], axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First pixel, extent and longest gap along one axis.

    A term that is empty along another axis adds nothing, so each pattern of empty terms has a box of its own. There is
    one pattern only, unless some entries read nothing but padding.
    """
    ndim = len(terms[0])
    alive = np.zeros((1,) * ndim, np.uint64)
    for t, term in enumerate(terms):
        others = [_along(~f.is_empty, a, ndim) for a, f in enumerate(term) if a != axis]
        alive = alive | (reduce(np.logical_and, others, np.ones((1,) * ndim, bool)).astype(np.uint64) << np.uint64(t))
    patterns, which = np.unique(alive, return_inverse=True)
    rows = []
    for pattern in patterns.tolist():
        families = [term[axis] for t, term in enumerate(terms) if pattern >> t & 1]
        if not families:
            rows.append(np.zeros((3, len(terms[0][axis])), np.int64))
            continue
        family = reduce(Family.unite, families)
        rows.append(np.stack([family.first, family.extent, family.measures[1]]))
    table = np.stack(rows)  # pattern, figure, entry
    if len(patterns) == 1:
        first, extent, gap = (_along(row, axis, ndim) for row in table[0])
        return first, extent, gap
    spread = np.moveaxis(table[which.reshape(alive.shape).squeeze(axis)], -1, 0)  # entry, other axes…, figure
    spread = np.moveaxis(spread, 0, axis)
    return spread[..., 0], spread[..., 1], spread[..., 2]


def _areas(terms: list[Term]) -> tuple[np.ndarray, tuple[np.ndarray, ...]] | None:
    """Areas, and pixels shared with the next entry along each axis."""
    ndim = len(terms[0])
    covers = [_cover([term[a] for term in terms]) for a in range(ndim)]
    if any(c is None for c in covers):
        return None
    area = united([c for c in covers if c])
    shared = []
    for axis in range(ndim):
        # |A ∩ B| = |A| + |B| - |A ∪ B|, and the union with the next entry's footprint is again a union of products
        pair = _cover([term[axis].with_next() for term in terms])
        if pair is None:
            return None
        both = united([pair if a == axis else c for a, c in enumerate(covers) if c])
        common_axis = area + np.roll(area, -1, axis) - both
        if not terms[0][axis].repeat:
            common_axis[(slice(None),) * axis + (-1,)] = -1
        shared.append(common_axis)
    return area, tuple(shared)


def _cover(families: list[Family]) -> tuple[np.ndarray, np.ndarray] | None:
    """Masks of terms that occur along one axis, and how many pixels of each entry they cover."""
    from rfscale.engine.kernels import sets

    first = np.stack([np.where(f.is_empty, np.iinfo(np.int64).max, f.sets.first >> 6) for f in families])
    last = np.stack([np.where(f.is_empty, np.iinfo(np.int64).min, f.sets.last >> 6) for f in families])
    low = first.min(axis=0)
    low[low == np.iinfo(np.int64).max] = 0
    words = max(1, int((last.max(axis=0) - low).max()) + 1)
    stack = np.zeros((len(families), len(low), words), np.uint64)
    for f, out in zip(families, stack, strict=True):
        sets.stack_words(f.sets, low, out)
    masks, times = sets.term_masks(stack, MAX_MASKS)
    return None if len(masks) > MAX_MASKS else (masks, times)


def united(covers: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """What a union of products counts: a sum over the masks of all axes that have a term in common.

    Parameters
    ----------
    covers : sequence of (uint64 array (m,), int64 array (n, m)), one per axis
        Masks of terms that occur along the axis, bit t for term t, and how often each of n rows has each mask: of
        entries, their pixels, which makes areas; of pixels, the entries that they are in.

    Returns
    -------
    int64 array (n, …)
        One dim per axis.
    """
    out = (reduce(np.bitwise_and.outer, [masks for masks, _ in covers]) != 0).astype(np.int64)
    for axis, (_, times) in enumerate(covers):
        out = np.moveaxis(np.tensordot(times, out, axes=(1, axis)), 0, axis)
    return out
