"""Where the paths to one entry come from: the contours of the effective field, on a grid finer than a screen shows."""

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
MOST_CELLS = {1: 1024, 2: 448, 3: 40}  # along an axis: a cell is about a pixel of a screen
WIDEST_MEAN = 0.5  # of the extent: cells over which a field that rises and falls many times is averaged
RIPPLE = 1e-3  # of the largest value: by so little an averaged field may rise again
AT_ONCE = 1 << 12  # products that are summed up
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
        `entry`, the one that is meant; `first`, pixel of the first cell; `cell`, pixels per cell; `mean`, pixels over
        which the field is averaged; `shape`, cells per axis; `levels`, for each cell, in row-major order as runs
        (value, times, …), in how many contours it is; `box`, the pixels [first, stop) per axis of the smallest box that
        holds 95 % of the paths.
    """
    terms = path_terms(plan, index, reached, MOST_NUMBERS)
    box = None if terms is None else box_of_terms(terms, SHARES[-1])
    if terms is None or box is None:
        return None
    window = reached[IMAGE]
    cell = [-(-(hi - lo) // MOST_CELLS[len(window)]) for lo, hi in window]
    rows = tuple(
        np.add.reduceat(counts, np.arange(0, hi - lo, size), axis=1)
        for counts, (lo, hi), size in zip(terms.rows, window, cell, strict=True)
    )
    terms = terms._replace(rows=rows, weight=np.ldexp(terms.weight, terms.exponent - terms.exponent.max(initial=0)))
    means = [_mean_cells(terms, axis) for axis in range(len(window))]
    smooth = terms._replace(rows=tuple(map(_averaged, rows, means)))
    levels = _levels(_cell_masses(terms), _cell_masses(smooth))
    return {
        "entry": list(entry),
        "first": [lo for lo, _ in window],
        "cell": cell,
        "mean": [n * size for n, size in zip(means, cell, strict=True)],
        "shape": list(levels.shape),
        "levels": _runs(levels.ravel()),
        "box": [[lo + a, lo + b] for (lo, _), (a, b) in zip(window, box, strict=True)],
    }


def _cell_masses(terms: Terms) -> np.ndarray:
    """The paths of every cell, without the exponents of the terms."""
    letters = "abc"[: len(terms.rows)]
    subscripts = f"p,{','.join('p' + c for c in letters)}->{letters}"
    mass = np.zeros([rows.shape[1] for rows in terms.rows])
    for first in range(0, len(terms.weight), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        axes = [rows[column] for rows, column in zip(terms.rows, terms.vectors[part].T, strict=True)]
        mass += np.einsum(subscripts, terms.weight[part], *axes, optimize=True)
    return mass


def _mean_cells(terms: Terms, axis: int) -> int:
    """Over how many cells of an axis its field is averaged, so that it rises once and falls once.

    Holes and strides make a field of many peaks, whose contours are a multitude of specks.
    """
    weight = terms.weight.copy()
    for other, rows in enumerate(terms.rows):
        if other != axis:
            weight *= rows.sum(axis=1)[terms.vectors[:, other]]
    rows = terms.rows[axis]
    along = np.bincount(terms.vectors[:, axis], weight, len(rows)) @ rows
    most = int(len(along) * WIDEST_MEAN) // 2 * 2 + 1
    return next((n for n in range(1, most, 2) if _has_one_peak(_averaged(along[None], n)[0])), most)


def _has_one_peak(values: np.ndarray) -> bool:
    """Whether values rise up to the largest and fall after it, but for ripples."""
    top = int(values.argmax())
    low = RIPPLE * values[top]
    rises = np.maximum.accumulate(values[: top + 1]) - values[: top + 1]
    falls = values[top:] - np.minimum.accumulate(values[top:])
    return bool(rises.max() <= low and falls.max() <= low)


def _averaged(rows: np.ndarray, cells: int) -> np.ndarray:
    """Moving averages of moving averages, both over so many cells: weights that fall evenly on both sides."""
    for _ in range(2 if cells > 1 else 0):
        ends = np.pad(rows.cumsum(axis=1), ((0, 0), (cells - cells // 2, cells // 2)), mode="edge")
        ends[:, : cells - cells // 2] = 0
        rows = ends[:, cells:] - ends[:, :-cells]
    return rows


def _levels(mass: np.ndarray, smooth: np.ndarray) -> np.ndarray:
    """In how many contours each cell is: those where the averaged field is largest, until they hold the share."""
    order = np.argsort(-smooth, axis=None, kind="stable")
    falling = smooth.ravel()[order]
    held = np.cumsum(mass.ravel()[order])
    levels = np.zeros(mass.shape, np.int64)
    for share in SHARES:
        last = falling[min(int(np.searchsorted(held, share * ENOUGH * held[-1])), len(falling) - 1)]
        levels += smooth >= last * ENOUGH
    return levels


def _runs(values: np.ndarray) -> list[int]:
    starts = np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1, [len(values)]])
    return np.stack([values[starts[:-1]], np.diff(starts)], axis=1).ravel().tolist()
