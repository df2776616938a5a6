"""How well chosen maps fit a histogram of object sizes: a sum over neighbouring chosen maps, in whole numbers.

Chosen values v1 < ... < vk cost ``head(v1) + pair(v1, v2) + ... + pair(vk-1, vk) + tail(vk)``, as the nearest of
ascending values is one of the two neighbours of an object:

- tightness: the mean of |log2(v / size)|; objects between two values go to the nearer one;
- coverage: the share of objects that no value is within `factor` of.

Everything is a whole number, so that sums are the same in any order, ties are ties, and comparisons are exact: log2 of
values and of the bins' centres is rounded once, to a multiple of 2^-48 for 80 objects, 2^-39 for COCO val2017, and
objects are counted; shares covered are rounded to some 2^-46.

For a < b <= v the difference ``pair(a, v) - pair(b, v)`` never falls as v grows; its limit is ``tail(a) - tail(b)``.
For one object x it is 0 while x < a or x > v, and min(x - a, v - x) less max(0, min(x - b, v - x)) otherwise, whose
slope in v is 0 or 1. Coverage: max(0, B(v) - A(a)) - max(0, B(v) - A(b)) with B rising and A(a) <= A(b). The kernel
drops partial choices by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from rfscale.engine.objects.choices import no_path
from rfscale.engine.objects.histogram import share_below, shares

if TYPE_CHECKING:
    import xarray as xr

Objective = Literal["tightness", "coverage"]

BITS = 55  # of objects times the log2 of a size: with sizes up to 2^16 sums stay within int64


class Fit(NamedTuple):
    """Terms for ascending values, as arrays for the kernel.

    Attributes
    ----------
    head, tail : int64 arrays (values,)
        Cost of the objects below the first and above the last chosen value, in units.
    logs : int64 array (values,)
        log2 of the values.
    below, above : int64 arrays (values,)
        Tightness: both are the first bin at or above the value. Coverage: objects below value / factor, and below
        value·factor.
    bins, mass, moment : int64 arrays
        log2 of the bins' centres; sums of objects and of objects·log2 of the bins before each.
    nearest : bool
        Tightness; else coverage.
    unit : float
        Units in 1.
    """

    head: np.ndarray
    tail: np.ndarray
    logs: np.ndarray
    below: np.ndarray
    above: np.ndarray
    bins: np.ndarray
    mass: np.ndarray
    moment: np.ndarray
    nearest: bool
    unit: float


def fit_terms(values: np.ndarray, sizes: xr.Dataset, objective: Objective, factor: float) -> Fit:
    """Return the terms of ascending values on a histogram of `rfscale.engine.objects.sizes.object_sizes`."""
    centres, _ = shares(sizes)
    counts = _whole_counts(sizes["size"].sum("category").values)
    total = int(counts.sum())
    scale = 2.0 ** (BITS - total.bit_length())
    bins, logs = (np.rint(np.log2(v) * scale).astype(np.int64) for v in (centres, values))
    mass = np.append(0, np.cumsum(counts))
    moment = np.append(0, np.cumsum(counts * bins))
    if objective == "coverage":
        unit = total * 2.0 ** (46 - total.bit_length())  # a multiple of the objects: equal numbers of them are equal
        limits = np.concatenate([values / factor, values * factor])
        covered = np.rint(share_below(sizes, limits) * unit).astype(np.int64)
        below, above = covered[: len(values)], covered[len(values) :]
        return Fit(below, int(unit) - above, logs, below, above, bins, mass, moment, False, unit)
    at = np.searchsorted(bins, logs)
    head = logs * mass[at] - moment[at]
    tail = (moment[-1] - moment[at]) - logs * (mass[-1] - mass[at])
    return Fit(head, tail, logs, at, at, bins, mass, moment, True, total * scale)


def _whole_counts(counts: np.ndarray) -> np.ndarray:
    """Return counts as whole numbers: those of a resize over a range are shares of objects, as a rule of one size."""
    for parts in range(1, 65):
        if np.abs(counts * parts - np.rint(counts * parts)).max() < 1e-6:
            return np.rint(counts * parts).astype(np.int64)
    return np.rint(counts * (2.0**27 / counts.sum())).astype(np.int64)


def between(fit: Fit, values: Sequence[int]) -> np.ndarray:
    """Return the cost in units between two neighbouring chosen values, given by position: rows before columns."""
    from rfscale.sweeps.kernels.label_search import pair
    from rfscale.sweeps.kernels.plain import ANSWERS

    cost = ANSWERS.of(pair, len(values) ** 2)
    out = np.full((len(values), len(values)), no_path(np.dtype(np.int64)), np.int64)
    for i, j in combinations(range(len(values)), 2):
        out[i, j] = cost(values[i], values[j], fit)
    return out


def fit_of(fit: Fit, chosen: Sequence[int]) -> int:
    """Return the cost in units of chosen values, given by their ascending positions."""
    from rfscale.sweeps.kernels.label_search import pair
    from rfscale.sweeps.kernels.plain import ANSWERS

    cost = ANSWERS.of(pair, len(chosen))
    inner = sum(int(cost(a, b, fit)) for a, b in pairwise(chosen))
    return int(fit.head[chosen[0]]) + inner + int(fit.tail[chosen[-1]])
