"""Where the paths to one entry come from, as cells of a coarse grid: the contours of the effective field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rfscale.engine.analysis.path_counts import counted_entry
from rfscale.engine.analysis.paths.terms import Terms, box_of_terms, path_terms
from rfscale.engine.errors import InputError
from rfscale.engine.footprints.backward import IMAGE, Window, windows
from rfscale.engine.footprints.plan import GlobalOps, Plan

SHARES = (0.5, 0.8, 0.95)  # of the paths, inside the contours
MOST_CELLS = {1: 256, 2: 48, 3: 16}  # along an axis
MOST_NUMBERS = 1 << 22  # to work on in one layer
ENOUGH = 1 - 1e-9  # cells whose masses differ by rounding alone are alike


def field_of(plan: Plan, index: int, global_ops: GlobalOps) -> dict[str, Any] | None:
    """Return the contours of one layer's effective field, all weights alike; None where there are none.

    Returns
    -------
    dict or None
        `entry`, the one that is meant; `first`, pixel of the first cell; `cell`, pixels per cell; `shape`, cells per
        axis; `levels`, for each cell, in row-major order as runs (value, times, …), in how many contours it is; `box`,
        the pixels [first, stop) per axis of the smallest box that holds 95 % of the paths.
    """
    try:
        entry = counted_entry(plan, index, "center", global_ops)
        reached = windows(plan, index, entry)
    except InputError:
        return None
    if IMAGE not in reached:
        return None
    terms = path_terms(plan, index, reached, MOST_NUMBERS)
    box = None if terms is None else box_of_terms(terms, SHARES[-1])
    if terms is None or box is None:
        return None
    window = reached[IMAGE]
    cell = [-(-(hi - lo) // MOST_CELLS[len(window)]) for lo, hi in window]
    levels = _levels(_cell_masses(terms, window, cell))
    return {
        "entry": list(entry),
        "first": [lo for lo, _ in window],
        "cell": cell,
        "shape": list(levels.shape),
        "levels": _runs(levels.ravel()),
        "box": [[lo + a, lo + b] for (lo, _), (a, b) in zip(window, box, strict=True)],
    }


def _cell_masses(terms: Terms, window: Window, cell: Sequence[int]) -> np.ndarray:
    """The share of the paths in every cell."""
    weight = np.ldexp(terms.weight, terms.exponent - terms.exponent.max(initial=0))
    sums = []
    for rows, (lo, hi), size in zip(terms.rows, window, cell, strict=True):
        sums.append(np.add.reduceat(rows, np.arange(0, hi - lo, size), axis=1))
    axes = [s[column] for s, column in zip(sums, terms.vectors.T, strict=True)]  # (products, cells)
    letters = "abc"[: len(axes)]
    mass = np.einsum(f"p,{','.join('p' + c for c in letters)}->{letters}", weight, *axes, optimize=True)
    return np.asarray(mass / mass.sum())


def _levels(mass: np.ndarray) -> np.ndarray:
    """In how many contours each cell is: the smallest sets of cells that hold the shares."""
    falling = np.sort(mass, axis=None)[::-1]
    held = np.cumsum(falling)
    levels = np.zeros(mass.shape, np.int64)
    for share in SHARES:
        last = falling[min(int(np.searchsorted(held, share * ENOUGH)), len(falling) - 1)]
        levels += mass >= last * ENOUGH
    return levels


def _runs(values: np.ndarray) -> list[int]:
    starts = np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1, [len(values)]])
    return np.stack([values[starts[:-1]], np.diff(starts)], axis=1).ravel().tolist()
