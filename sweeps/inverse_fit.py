"""How well chosen maps fit a histogram of object sizes: a sum over neighbouring chosen maps, in whole numbers.

Chosen values v1 < ... < vk cost ``head(v1) + pair(v1, v2) + ... + pair(vk-1, vk) + tail(vk)``, as the nearest of
ascending values is one of the two neighbours of an object:

- tightness: the mean of |log2(v / size)|; objects between two values go to the nearer one;
- coverage: the share of objects that no value is within `factor` of.

Each term is rounded once to a multiple of 2^-46 and is a whole number from there on, so that sums are the same in
any order and ties are ties. For a < b <= v the difference ``pair(a, v) - pair(b, v)`` never falls as v grows, and
``tail(a) - tail(b)`` is its limit: for one object x it is 0 while x < a or x > v, and min(x - a, v - x) less
max(0, min(x - b, v - x)) otherwise, whose slope in v is 0 or 1. Coverage: max(0, B(v) - A(a)) - max(0, B(v) - A(b))
with B rising and A(a) <= A(b). The kernel drops partial choices by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from sweeps.objects import share_below, shares

if TYPE_CHECKING:
    import xarray as xr

Objective = Literal["tightness", "coverage"]
UNIT = 2.0**46
MARGIN = 8  # units: more than what rounding can do to a comparison of sums of tightness; coverage is exact


class Fit(NamedTuple):
    """Terms for ascending values, as arrays for the kernel.

    Attributes
    ----------
    head, tail : int64 arrays (values,)
        Cost of the objects below the first and above the last chosen value, in units.
    logs : float array (values,)
        log2 of the values.
    below, above : int64 arrays (values,)
        Tightness: `below` is the first bin at or above the value. Coverage: units of objects below value / factor, and
        below value·factor.
    bins, mass, moment : float arrays
        log2 of the bins' centres; sums of share and of share·log2 of the bins before each.
    margin : int
        `MARGIN` for tightness, -1 for coverage: which it is.
    """

    head: np.ndarray
    tail: np.ndarray
    logs: np.ndarray
    below: np.ndarray
    above: np.ndarray
    bins: np.ndarray
    mass: np.ndarray
    moment: np.ndarray
    margin: int


def fit_terms(values: np.ndarray, sizes: xr.Dataset, objective: Objective, factor: float) -> Fit:
    """Return the terms of ascending values on a histogram of `sweeps.objects.object_sizes`."""
    centres, share = shares(sizes)
    bins, logs = np.log2(centres), np.log2(values)
    mass = np.append(0.0, np.cumsum(share))
    moment = np.append(0.0, np.cumsum(share * bins))
    if objective == "coverage":
        ends = share_below(sizes, [sizes.bin_high.values[-1]])[0]
        below, above = (_units(share_below(sizes, v) / ends) for v in (values / factor, values * factor))
        return Fit(below, int(UNIT) - above, logs, below, above, bins, mass, moment, -1)
    at = np.searchsorted(bins, logs)
    head = _units(logs * mass[at] - moment[at])
    tail = _units((moment[-1] - moment[at]) - logs * (mass[-1] - mass[at]))
    return Fit(head, tail, logs, at.astype(np.int64), at.astype(np.int64), bins, mass, moment, MARGIN)


def _units(values: np.ndarray) -> np.ndarray:
    return np.maximum(np.rint(values * UNIT), 0).astype(np.int64)


def fit_of(fit: Fit, chosen: Sequence[int]) -> int:
    """Return the cost in units of chosen values, given by their ascending positions."""
    from sweeps.inverse_kernels import pair

    between = sum(int(pair(a, b, fit)) for a, b in zip(chosen, chosen[1:], strict=False))
    return int(fit.head[chosen[0]]) + between + int(fit.tail[chosen[-1]])
