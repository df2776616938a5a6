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
MOST_NUMBERS = 1 << 20  # to work on in one layer
MOST_WORK = 10**8  # of all layers: those that an entry depends on, times the entries that it reads of them; seconds
ENOUGH = 1 - 1e-9  # cells whose masses differ by rounding alone are alike


def fields_of(plan: Plan, first: Sequence[int], global_ops: GlobalOps) -> dict[str, Any]:
    """Return the contours of layers by position, and the number of the source for one that only passes it on.

    Layers of `first` come first, then all others in order, as long as the work lasts.
    """
    found: dict[str, Any] = {}
    left = MOST_WORK
    for index in dict.fromkeys([*first, *range(len(plan.steps))]):
        step = plan.steps[index]
        if step.passes and step.sources[0] >= 0:
            found[str(index)] = step.sources[0]
            continue
        reached = None if step.is_global else _reached(plan, index, global_ops)
        if reached is None:
            continue
        work = len(reached[1]) * sum(hi - lo for window in reached[1].values() for lo, hi in window)
        if work <= left:
            left -= work
            field = _field(plan, index, *reached)
            if field is not None:
                found[str(index)] = field
    return found


def _reached(plan: Plan, index: int, global_ops: GlobalOps) -> tuple[tuple[int, ...], dict[int, Window]] | None:
    """The entry whose field is worked out, and what it depends on; None where there are no paths to the image."""
    try:
        entry = counted_entry(plan, index, "center", global_ops)
        reached = windows(plan, index, entry)
    except InputError:
        return None
    return (entry, reached) if IMAGE in reached else None


def _field(plan: Plan, index: int, entry: tuple[int, ...], reached: dict[int, Window]) -> dict[str, Any] | None:
    """The contours of one layer's effective field, all weights alike; None where there are none.

    Returns
    -------
    dict or None
        `entry`, the one that is meant; `first`, pixel of the first cell; `cell`, pixels per cell; `shape`, cells per
        axis; `levels`, for each cell, in row-major order as runs (value, times, …), in how many contours it is; `box`,
        the pixels [first, stop) per axis of the smallest box that holds 95 % of the paths.
    """
    terms = path_terms(plan, index, reached, MOST_NUMBERS)
    box = None if terms is None else box_of_terms(terms, SHARES[-1])
    if terms is None or box is None:
        return None
    window = reached[IMAGE]
    cell = [
        max(-(-(hi - lo) // MOST_CELLS[len(window)]), _widest_gap(rows))
        for (lo, hi), rows in zip(window, terms.rows, strict=True)
    ]
    levels = _levels(_cell_masses(terms, window, cell))
    return {
        "entry": list(entry),
        "first": [lo for lo, _ in window],
        "cell": cell,
        "shape": list(levels.shape),
        "levels": _runs(levels.ravel()),
        "box": [[lo + a, lo + b] for (lo, _), (a, b) in zip(window, box, strict=True)],
    }


def _widest_gap(rows: np.ndarray) -> int:
    """Pixels between neighbours with paths: no cell is smaller, so that holes do not break a contour up."""
    steps = np.diff(np.flatnonzero(rows.any(axis=0)))
    return int(steps.max()) if len(steps) else 1


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
