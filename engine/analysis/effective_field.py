"""Where the mass of a map over pixels lies: boxes, centre, standard deviation."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from rfscale.engine.analysis.path_counts import path_counts
from rfscale.engine.errors import InputError, shown
from rfscale.engine.footprints.backward import IMAGE, windows
from rfscale.engine.footprints.plan import Entry, GlobalOps, Plan, check_entry, resolve
from rfscale.engine.network.axis_maps import IDENTITY
from rfscale.engine.network.network import Network
from rfscale.engine.variables import EFFECTIVE_FIELD, annotate, provenance

if TYPE_CHECKING:
    import xarray as xr


def effective_field(counts: xr.DataArray, mass: float = 0.95) -> xr.Dataset:
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
    >>> field = effective_field(path_counts(Network.sequential(*[{"kernel": 3}] * 6), "conv6"))
    >>> field.box_extent.values.tolist(), field["std"].values.tolist()
    ([9, 9], [2.0, 2.0])
    """
    import xarray as xr

    values = np.asarray(counts.values, float)
    if not 0 < mass <= 1:
        raise InputError(f"mass is {shown(mass)}; it must be more than 0 and at most 1")
    total = float(values.sum())
    if not (np.isfinite(total) and total > 0 and values.min() >= 0):
        raise InputError(
            f"path counts sum to {total}, with a minimum of {values.min()}; they must be shares, none below 0"
        )
    every = range(values.ndim)
    marginals = [values.sum(axis=tuple(b for b in every if b != a)) for a in every]
    pixels = [np.asarray(counts[d].values) for d in counts.dims]
    means = [float((m / total * (p - p[0])).sum()) for m, p in zip(marginals, pixels, strict=True)]
    rest = [p - p[0] - mean for p, mean in zip(pixels, means, strict=True)]
    lows, highs, held = _box(values, marginals, total, mass)
    data = {
        "mean": ("axis", np.array([mean + p[0] for mean, p in zip(means, pixels, strict=True)])),
        "std": ("axis", np.sqrt([(m / total * r**2).sum() for m, r in zip(marginals, rest, strict=True)])),
        "box_start": ("axis", np.array([p[lo] for p, lo in zip(pixels, lows, strict=True)], np.int64)),
        "box_extent": ("axis", np.array(highs, np.int64) - np.array(lows, np.int64)),
        "mass": ((), held),
    }
    known = {str(k): v for k, v in counts.attrs.items() if k not in ("units", "long_name")}
    out = xr.Dataset(data, {"axis": [str(d) for d in counts.dims]}, provenance("effective_field") | known)
    return annotate(out, EFFECTIVE_FIELD)


def _box(
    values: np.ndarray, marginals: list[np.ndarray], total: float, mass: float
) -> tuple[list[int], list[int], float]:
    """Cells [low, high) per axis of the smallest box of equal tails that holds the mass, and what it holds.

    The box changes only where the tail reaches a cumulative mass, and shrinks as the tail grows: bisection among those.
    """
    heads = [np.cumsum(m) / total for m in marginals]
    tails = [np.cumsum(m[::-1]) / total for m in marginals]
    candidates = np.unique(np.concatenate([[0.0], *heads, *tails]))
    # masses that differ by rounding alone are one: otherwise the box of a symmetric field would not be symmetric
    alike, enough = 1 + 1e-10, mass * (1 - 1e-12)

    def box(tail: float) -> tuple[list[int], list[int], float]:
        lows = [int(np.searchsorted(h, tail * alike, "right")) for h in heads]
        highs = [len(t) - int(np.searchsorted(t, tail * alike, "right")) for t in tails]
        inside = values[tuple(slice(lo, max(lo, hi)) for lo, hi in zip(lows, highs, strict=True))]
        return lows, highs, float(inside.sum()) / total

    good, bad = 0, len(candidates)
    while bad - good > 1:
        middle = (good + bad) // 2
        if box(candidates[middle])[2] >= enough:
            good = middle
        else:
            bad = middle
    return box(candidates[good])


def effective_box(plan: Plan, layer: str, entry: Entry, mass: float, most: int, global_ops: GlobalOps) -> xr.DataArray:
    """Return the sides of the box that holds a share of the path counts of one entry, over `axis`, in pixels.

    Parameters
    ----------
    plan : Plan
        Of `resolve`, with the same `global_ops`.
    layer : str
    entry : "center" or sequence of int
    mass : float
        Share of the path counts that the box holds.
    most : int
        Path counts that may be worked out: one for each entry of each map upstream that the entry depends on.
    global_ops : {"include", "skip"}

    Raises
    ------
    InputError
        Where it would take more, and where there are no path counts.
    """
    network = plan.network
    index = network.index(layer)
    at = check_entry(entry, plan.map_size(index), len(network.axes), layer)
    cells = sum(prod(hi - lo for lo, hi in window) for window in windows(plan, index, at).values())
    if cells > most:
        raise TooManyCountsError(f"effective box not computed, it takes {cells:.1e} path counts")
    return effective_field(path_counts(network, layer, entry, plan.input_size, global_ops), mass).box_extent


class TooManyCountsError(InputError):
    """An effective box takes more path counts than may be worked out."""


def chain_variance(network: Network, layer: str) -> np.ndarray:
    """Return the variance of the interior path counts of a chain of windows, from the closed form.

    The sum of (dilation · jump)² (kernel² − 1)/12 over the layers, where jump is that of a layer's input.

    Parameters
    ----------
    network : Network
    layer : str
        Name of the last layer of the chain.

    Returns
    -------
    float64 array (axes,)
        In pixels squared.

    Raises
    ------
    InputError
        Where a layer on the way merges, has phases (upsampling, transposed convolution, resampling, window attention)
        or has a global receptive field.

    Examples
    --------
    >>> from rfscale import Network
    >>> chain_variance(Network.sequential(*[{"kernel": 3}] * 6), "conv6").tolist()
    [4.0, 4.0]
    """
    steps = resolve(network).steps
    chain = []
    position = network.index(layer)
    while position != IMAGE:
        step = steps[position]
        what = f"layer {step.layer.name!r} ({step.layer.op})"
        if len(step.sources) != 1 or step.is_global:
            raise InputError(
                f"{what} reads {'the whole map' if step.is_global else 'several maps'}; the closed form needs a chain"
            )
        taps = [even for m in step.maps or (IDENTITY,) * len(network.axes) if (even := m.progression)]
        if len(taps) < len(network.axes):
            raise InputError(
                f"{what} is no window of evenly spaced taps, the same at every entry, as the closed form needs"
            )
        chain.append((step, taps))
        position = step.sources[0]
    variances = [Fraction(0)] * len(network.axes)
    jumps = [1] * len(network.axes)
    for step, taps in reversed(chain):
        for axis, even in enumerate(taps):
            variances[axis] += Fraction((even.step * jumps[axis]) ** 2 * (even.taps**2 - 1), 12)
            jumps[axis] *= step.maps[axis].down if step.maps else 1
    return np.array([float(v) for v in variances])
