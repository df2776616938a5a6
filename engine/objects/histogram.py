"""Questions about a histogram of object sizes: shares, quantiles, modes, the levels of a feature pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

BINS = 16  # per octave
MEASURES = ("size", "width", "height", "aspect", "relative")
OCTAVES = {"aspect": (-8, 8), "relative": (-16, 1)}  # what is outside falls into the first or last bin
PIXELS = (-6, 16)  # octaves of size, width and height; what is outside is left out
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

SMOOTHING = 0.25  # octaves: the standard deviation of the Gaussian before peaks are searched
LEAST_PEAK = 0.1  # of the highest peak: how far another one rises above the lowest point between them
CANONICAL_LEVEL, CANONICAL_SIZE = 4, 224.0  # of FPN's rule: the level of objects of that size in pixels


def shares(sizes: xr.Dataset, measure: str = "size") -> tuple[np.ndarray, np.ndarray]:
    """Return the centres of the bins, and the share of all objects in each."""
    counts = sizes[measure].sum("category")
    total = float(counts.sum())
    return counts[counts.dims[0]].values, counts.values / total if total else counts.values


def share_below(sizes: xr.Dataset, limits: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the share of objects whose size is below each limit, linear within a bin on the log axis."""
    edges, total = _cumulated(sizes, "size")
    return np.interp(np.log2(np.asarray(limits, float)), np.log2(edges), total)


def _cumulated(sizes: xr.Dataset, measure: str) -> tuple[np.ndarray, np.ndarray]:
    """The edges of the bins, and the share of all objects below each."""
    dim = str(sizes[measure].dims[1])
    edges = np.append(sizes[f"{dim}_low"].values, sizes[f"{dim}_high"].values[-1:])
    return edges, np.append(0, np.cumsum(shares(sizes, measure)[1]))


def quantile(sizes: xr.Dataset, q: float, measure: str = "size") -> float:
    """Return a quantile, linear within a bin on the log axis; NaN where nothing was counted."""
    edges, total = _cumulated(sizes, measure)
    if not total[-1]:
        return float("nan")
    rising = np.flatnonzero(np.diff(total) > 0)
    bin_ = int(rising[min(int(np.searchsorted(total[rising + 1], q)), len(rising) - 1)])
    part = (q - total[bin_]) / (total[bin_ + 1] - total[bin_])
    return float(edges[bin_] * (edges[bin_ + 1] / edges[bin_]) ** min(max(part, 0.0), 1.0))


def modes(sizes: xr.Dataset) -> np.ndarray:
    """Return the peaks of the size histogram in pixels, smoothed by a Gaussian of `SMOOTHING`, highest first.

    A peak counts if it rises above the lowest point between it and any higher one by `LEAST_PEAK`.
    """
    centres, share = shares(sizes)
    reach = int(3 * SMOOTHING * BINS)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (SMOOTHING * BINS)) ** 2)
    curve = np.convolve(np.pad(share, reach), kernel, "valid")
    inner = np.concatenate([[-1.0], curve, [-1.0]])
    peaks: list[int] = np.flatnonzero((inner[1:-1] > inner[:-2]) & (inner[1:-1] >= inner[2:])).tolist()
    kept: list[int] = []
    for peak in sorted(peaks, key=lambda p: -float(curve[p])):
        dips = [curve[min(peak, other) : max(peak, other)].min() for other in kept]
        if all(curve[peak] - dip >= LEAST_PEAK * curve.max() for dip in dips):
            kept.append(peak)
    return centres[kept]


def fpn_level_of(size: np.ndarray, low: int = 2, high: int = 5) -> np.ndarray:
    """Return the level that FPN's rule gives objects of some sizes in pixels: k = ⌊4 + log2(size / 224)⌋.

    T.-Y. Lin et al., Feature Pyramid Networks for Object Detection, CVPR 2017, equation 1; levels beyond the ends go to
    the ends.
    """
    return np.clip(np.floor(CANONICAL_LEVEL + np.log2(size / CANONICAL_SIZE)), low, high).astype(int)


def fpn_levels(sizes: xr.Dataset, low: int = 2, high: int = 5) -> dict[int, float]:
    """Return the share of objects by level of FPN's rule, linear within a bin on the log axis."""
    limits = CANONICAL_SIZE * 2.0 ** (np.arange(low + 1, high + 1) - CANONICAL_LEVEL)
    total = np.concatenate([[0.0], share_below(sizes, limits), [1.0]])
    return {low + i: float(share) for i, share in enumerate(np.diff(total))}
