"""Where the mass of a map over pixels lies: boxes, centre, standard deviation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from rfscale.engine.errors import InputError, Parameter
from rfscale.engine.network.spec import is_number
from rfscale.engine.variables import MASS_BOX, annotate, provenance

if TYPE_CHECKING:
    import xarray as xr


def mass_box(counts: xr.DataArray, mass: float = 0.95) -> xr.Dataset:
    """Return the centre, the spread and the box of path counts, or of any other non-negative field.

    The box cuts tails of one and the same mass off both ends of every axis: it begins at the first pixel where the
    mass from the start exceeds the tail's, and ends likewise. Of all such boxes it is the smallest that holds at least
    `mass` of the total.

    Parameters
    ----------
    counts : xr.DataArray
        As from `path_counts`; coordinates are pixel numbers, 0, 1, … where there are none.
    mass : float
        Share of the total that the box must hold.

    Returns
    -------
    xr.Dataset
        Over `axis`: mean, std, box_start, box_extent, in pixels; and the `mass` that the box does hold.

    Raises
    ------
    InputError
        For counts that are negative, not finite, or all 0, and for a mass outside 0 … 1.

    Examples
    --------
    >>> from rfscale import Network, path_counts
    >>> field = mass_box(path_counts(Network.sequential(*[{"kernel": 3}] * 6), "conv6"))
    >>> field.box_extent.values.tolist(), field["std"].values.tolist()
    ([9, 9], [2.0, 2.0])
    """
    import xarray as xr

    if not isinstance(counts, xr.DataArray):
        raise InputError(argument=Parameter("counts"), value=counts, remedy="give what path_counts returns")
    values = np.asarray(counts.values, float)
    lows, highs, held = box_of_shares(values, mass)
    total, marginals = float(values.sum()), _marginals(values)
    pixels = [np.asarray(counts[d].values) for d in counts.dims]
    means = [float((m / total * (p - p[0])).sum()) for m, p in zip(marginals, pixels, strict=True)]
    rest = [p - p[0] - mean for p, mean in zip(pixels, means, strict=True)]
    data = {
        "mean": ("axis", np.array([mean + p[0] for mean, p in zip(means, pixels, strict=True)])),
        "std": ("axis", np.sqrt([(m / total * r**2).sum() for m, r in zip(marginals, rest, strict=True)])),
        "box_start": ("axis", np.array([p[lo] for p, lo in zip(pixels, lows, strict=True)], np.int64)),
        "box_extent": ("axis", np.array(highs, np.int64) - np.array(lows, np.int64)),
        "mass": ((), held),
    }
    known = {str(k): v for k, v in counts.attrs.items() if k not in ("units", "long_name")}
    out = xr.Dataset(data, {"axis": [str(d) for d in counts.dims]}, provenance("mass_box") | known)
    return annotate(out, MASS_BOX)


def box_of_shares(values: np.ndarray, mass: float) -> tuple[list[int], list[int], float]:
    """Return cells [low, high) per axis of the box of a grid without labels, and the share it holds; as `mass_box`."""
    if not is_number(mass) or not 0 < mass <= 1:
        raise InputError(argument=Parameter("mass"), value=mass, remedy="it must be more than 0 and at most 1")
    total = float(values.sum())
    if not (np.isfinite(total) and total > 0 and values.min() >= 0):
        raise InputError(
            f"path counts sum to {total}, with a minimum of {values.min()}; they must be shares, none below 0"
        )
    return smallest_box(_marginals(values), total, mass, mass_within(values))


def _marginals(values: np.ndarray) -> list[np.ndarray]:
    every = range(values.ndim)
    return [values.sum(axis=tuple(b for b in every if b != a)) for a in every]


def mass_within(values: np.ndarray) -> Callable[[list[tuple[int, int]]], float]:
    """Return what says the mass of a grid within [low, high) of every axis; 0 where high is not above low."""
    return lambda box: float(values[tuple(slice(lo, max(lo, hi)) for lo, hi in box)].sum())


def smallest_box(
    marginals: list[np.ndarray], total: float, mass: float, held: Callable[[list[tuple[int, int]]], float]
) -> tuple[list[int], list[int], float]:
    """Return cells [low, high) per axis of the smallest box of equal tails that holds a mass, and the share it holds.

    The box changes only where the tail reaches a cumulative mass, and shrinks as the tail grows: bisection among those.

    Parameters
    ----------
    marginals : list of float64 array
        Mass per cell of each axis.
    total : float
    mass : float
        Share of the total.
    held : callable
        Returns the mass within [low, high) of every axis; 0 where high is not above low.
    """
    heads = [np.cumsum(m) / total for m in marginals]
    tails = [np.cumsum(m[::-1]) / total for m in marginals]
    candidates = np.unique(np.concatenate([[0.0], *heads, *tails]))
    # masses that differ by rounding alone are one: otherwise the box of a symmetric field would not be symmetric
    alike, enough = 1 + 1e-10, mass * (1 - 1e-12)

    def box(tail: float) -> tuple[list[int], list[int], float]:
        lows = [int(np.searchsorted(h, tail * alike, "right")) for h in heads]
        highs = [len(t) - int(np.searchsorted(t, tail * alike, "right")) for t in tails]
        return lows, highs, held(list(zip(lows, highs, strict=True))) / total

    good, bad = 0, len(candidates)
    while bad - good > 1:
        middle = (good + bad) // 2
        if box(candidates[middle])[2] >= enough:
            good = middle
        else:
            bad = middle
    return box(candidates[good])
