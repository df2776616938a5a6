"""How well maps of given widths fit a histogram of object sizes, and which k of them fit best."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Literal

import numpy as np

from rfscale.engine.objects.choices import Choice, cheapest_choices
from rfscale.engine.objects.histogram import share_below, shares

if TYPE_CHECKING:
    import xarray as xr

Objective = Literal["tightness", "coverage"]


def octaves_apart(sizes: xr.Dataset, widths: np.ndarray) -> np.ndarray:
    """Return |log2(width / size)| of every bin and width, as an array (bins, widths)."""
    centres, _ = shares(sizes)
    apart: np.ndarray = np.abs(np.log2(centres)[:, None] - np.log2(widths))
    return apart


def tightness(sizes: xr.Dataset, widths: np.ndarray) -> float:
    """Return the mean of |log2(width / size)| with each object at its nearest width."""
    return float((shares(sizes)[1] * octaves_apart(sizes, widths).min(axis=1)).sum())


def gaps(sizes: xr.Dataset, widths: np.ndarray, factor: float) -> list[tuple[float, float, float]]:
    """Return the ranges of sizes farther than `factor` from every width, and the share of the objects in each."""
    ends = [float(sizes.bin_low[0]), float(sizes.bin_high[-1])]
    found, low = [], ends[0]
    for width in [*sorted(widths.tolist()), inf]:
        high = min(width / factor, ends[1])
        if low < high:
            below = share_below(sizes, [low, high])
            if below[1] > below[0]:
                found.append((low, high, float(below[1] - below[0])))
        low = max(low, width * factor)
    return found


def covered_ranges(widths: np.ndarray, factor: float) -> list[tuple[float, float]]:
    """Return the ranges of sizes within `factor` of a width, ascending, joined where they touch."""
    found: list[tuple[float, float]] = []
    for width in sorted(widths.tolist()):
        low, high = width / factor, width * factor
        if found and low <= found[-1][1]:
            low = found.pop()[0]
        found.append((low, high))
    return found


def best_maps(
    widths: np.ndarray, sizes: xr.Dataset, most: int, objective: Objective = "tightness", factor: float = 2.0
) -> list[Choice]:
    """Return the best 1, 2, …, `most` of some widths, exactly.

    Parameters
    ----------
    widths : float array (n,)
        Different ones, ascending.
    sizes : xr.Dataset
        Of `object_sizes`.
    most : int
        At most n.
    objective : {"tightness", "coverage"}
        The cost: the mean of |log2(width / size)| with each object at its nearest width, or the share of objects for
        which no width lies within `factor`.

    Returns
    -------
    list of Choice
        Item i has i + 1 widths.

    Notes
    -----
    The nearest of ascending widths is one of the two neighbours of an object, so the cost is a sum over pairs of
    neighbouring chosen widths, and the best choice a shortest path: `most`·n² steps.
    """
    if objective == "tightness":
        head, between, tail = _distances(np.log2(widths), sizes)
    else:
        above, below = share_below(sizes, widths * factor), share_below(sizes, widths / factor)
        head, tail = below, 1 - above
        between = np.maximum(0, below[None, :] - above[:, None])
    at = np.arange(len(widths))
    between = np.where(at[:, None] < at, between, inf)
    return [Choice(c.chosen, max(0.0, c.cost)) for c in cheapest_choices(head, between, tail, most)]


def _distances(c: np.ndarray, sizes: xr.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cost of the objects below the first, between two neighbouring, and above the last chosen width."""
    centres, share = shares(sizes)
    x = np.log2(centres)
    away = np.abs(x - c[:, None])  # width, bin
    head = (away * share * (x < c[:, None])).sum(axis=1)
    tail = (away * share * (x >= c[:, None])).sum(axis=1)
    between = np.zeros((len(c), len(c)))
    for i in range(len(c)):
        inside = (x >= c[i]) & (x < c[:, None])
        between[i] = (np.minimum(away[i], away) * share * inside).sum(axis=1)
    return head, between, tail
