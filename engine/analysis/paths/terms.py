"""Path counts as a sum of products: for each product a vector of counts per axis.

Every layer reads its axes one by one, so one way through the branches of a network gives a product of vectors. Ways
that pass equal layers give equal vectors, and are one product: a row of n blocks with skips has n + 1. The effective
box needs sums of the products alone, never their grid: 5 ms for 357 of a U-Net on three axes.
"""

from __future__ import annotations

from math import inf, prod
from typing import NamedTuple

import numpy as np

from rfscale.engine.analysis.path_counts import counted_entry, path_shares, rows_back
from rfscale.engine.errors import InputError
from rfscale.engine.fields.mass_box import box_of_shares, smallest_box
from rfscale.engine.footprints.backward import IMAGE, Window, axis_maps, windows
from rfscale.engine.footprints.plan import Entry, GlobalOps, Plan, Step

MAX_CELLS = 1 << 26  # of the grids of path counts of all layers: a second or two
FEW_CELLS = 1 << 18  # grids that are walked in some milliseconds; two axes seldom need more


class Terms(NamedTuple):
    """A sum of products, scaled by powers of two, which is exact.

    Attributes
    ----------
    rows : tuple of float64 array (different vectors, entries)
        Per axis; the largest number of each vector lies between 1 and 2.
    vectors : int array (products, axes)
        The vector of each product on each axis.
    weight, exponent : float64 and int64 array (products,)
        The factor of each product is weight · 2^exponent.
    """

    rows: tuple[np.ndarray, ...]
    vectors: np.ndarray
    weight: np.ndarray
    exponent: np.ndarray

    @property
    def size(self) -> int:
        """Numbers to work on in one layer."""
        return sum(r.size for r in {id(r): r for r in self.rows}.values()) + 8 * self.vectors.size


def path_terms(plan: Plan, layer_index: int, reached: dict[int, Window], most: float = inf) -> Terms | None:
    """Return the path counts of one entry over the image's window; None where a map takes more than `most` numbers.

    Parameters
    ----------
    plan : Plan
    layer_index : int
        Position of the layer.
    reached : dict of position to window
        From `rfscale.engine.footprints.backward.windows`, for one entry; it reaches the image.
    """
    ndim = len(reached[layer_index])
    one = np.ones((1, 1))
    walked = {layer_index: [Terms((one,) * ndim, np.zeros((1, ndim), np.int64), np.ones(1), np.zeros(1, np.int64))]}
    for position in range(layer_index, -1, -1):
        if position not in walked:
            continue
        terms, step = _united(walked.pop(position)), plan.steps[position]
        if terms.size > most:
            return None
        for source in step.sources:
            if source in reached:
                walked.setdefault(source, []).append(_back(plan, step, source, terms, reached))
    return _united(walked[IMAGE])


def _back(plan: Plan, step: Step, source: int, terms: Terms, reached: dict[int, Window]) -> Terms:
    """Terms of one layer's input from those of its output."""
    window, target = reached[plan.network.index(step.layer.name)], reached[source]
    maps, sizes = axis_maps(plan, step, source), plan.map_size(source) or (None,) * len(window)
    if window == target and all(m.is_identity for m in maps):
        return terms
    done: dict[tuple[object, ...], tuple[np.ndarray, np.ndarray]] = {}
    rows, exponent = [], terms.exponent
    for axis, before in enumerate(terms.rows):
        key = id(before), id(maps[axis]), window[axis], target[axis], sizes[axis]
        if key not in done:  # axes that are alike share their vectors
            made = rows_back(step, maps[axis], before, window[axis], target[axis], sizes[axis])
            powers = np.frexp(made.max(axis=1, initial=0.0))[1] - 1
            done[key] = np.ldexp(made, -powers[:, None]), powers
        made, powers = done[key]
        rows.append(made)
        exponent = exponent + powers[terms.vectors[:, axis]]
    return Terms(tuple(rows), terms.vectors, terms.weight, exponent)


def _united(parts: list[Terms]) -> Terms:
    """The sum of several sums: equal vectors become one, then equal products."""
    if len(parts) == 1:
        return parts[0]
    rows, columns, done = [], [], {}
    for axis in range(len(parts[0].rows)):
        arrays = [part.rows[axis] for part in parts]
        key = tuple(map(id, arrays))
        if key not in done:
            every = np.concatenate(arrays)
            first: dict[bytes, int] = {}
            number = np.array([first.setdefault(row.tobytes(), i) for i, row in enumerate(every)])
            kept, number = np.unique(number, return_inverse=True)
            done[key] = every[kept], number
        every, number = done[key]
        starts = np.cumsum([0, *(len(a) for a in arrays)])
        rows.append(every)
        columns.append(np.concatenate([number[s + p.vectors[:, axis]] for s, p in zip(starts, parts, strict=False)]))
    index, weight, exponent = (
        np.stack(columns, 1),
        np.concatenate([p.weight for p in parts]),
        np.concatenate([p.exponent for p in parts]),
    )
    products, place = np.unique(index, axis=0, return_inverse=True)
    place = place.reshape(-1)
    highest = np.full(len(products), np.iinfo(np.int64).min)
    np.maximum.at(highest, place, exponent)
    total = np.bincount(place, np.ldexp(weight, exponent - highest[place]), len(products))
    return Terms(tuple(rows), products, total, highest)


class TooManyCountsError(InputError):
    """An effective box takes more path counts than may be worked out."""


def effective_box(
    plan: Plan, layer: str, entry: Entry, mass: float, most: float = MAX_CELLS, global_ops: GlobalOps = "skip"
) -> np.ndarray:
    """Return the sides of the box that holds a share of the path counts of one entry, in pixels.

    The same as ``mass_box(path_counts(...), mass).box_extent``, without the grid of counts where it is a sum of few
    products.

    Parameters
    ----------
    plan : Plan
        Of `resolve`, with the same `global_ops`.
    layer : str
    entry : "center" or sequence of int
    mass : float
        Share of the path counts that the box holds.
    most : float
        Path counts that may be worked out: one for each entry of each map upstream that the entry depends on.
    global_ops : {"include", "skip"}

    Returns
    -------
    int array (axes,)

    Raises
    ------
    TooManyCountsError
        Where it would take more.
    InputError
        Where there are no path counts.
    """
    index = plan.network.index(layer)
    at = counted_entry(plan, index, entry, global_ops)
    reached = windows(plan, index, at)
    cells = sum(prod(hi - lo for lo, hi in window) for window in reached.values())
    if IMAGE in reached and cells > FEW_CELLS:
        terms = path_terms(plan, index, reached, cells / len(reached))
        if terms is not None and (box := box_of_terms(terms, mass)):
            return np.array([stop - first for first, stop in box])
    if cells > most:
        raise TooManyCountsError(f"effective box not computed, it takes {cells:.1e} path counts")
    lows, highs, _ = box_of_shares(path_shares(plan, index, at)[0], mass)
    return np.array(highs, np.int64) - np.array(lows, np.int64)


def box_of_terms(terms: Terms, mass: float) -> list[tuple[int, int]] | None:
    """Return the cells [first, stop) per axis of the smallest box of equal tails that holds a share of the paths.

    The same box as `mass_box` finds on the grid. None where there are no paths.
    """
    weight = np.ldexp(terms.weight, terms.exponent - terms.exponent.max(initial=0))
    sums = [np.concatenate([np.zeros((len(r), 1)), np.cumsum(r, axis=1)], axis=1) for r in terms.rows]

    def paths(bounds: list[tuple[int, int]]) -> np.ndarray:
        axes = zip(sums, bounds, terms.vectors.T, strict=True)
        return weight * np.prod([(s[:, max(lo, hi)] - s[:, lo])[i] for s, (lo, hi), i in axes], axis=0)

    total = float(paths([(0, s.shape[1] - 1) for s in sums]).sum())
    if not total:
        return None
    whole = np.array([s[i, -1] for s, i in zip(sums, terms.vectors.T, strict=True)])  # (axes, products)
    marginals = []
    for axis, rows in enumerate(terms.rows):
        others = weight * np.prod(np.delete(whole, axis, 0), axis=0)
        marginals.append(np.bincount(terms.vectors[:, axis], others, len(rows)) @ rows)
    lows, highs, _ = smallest_box(marginals, total, mass, lambda bounds: float(paths(bounds).sum()))
    return list(zip(lows, highs, strict=True))
