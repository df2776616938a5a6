"""Path weights: how many paths lead from each pixel to one entry, and the field they make.

The share of paths is the effective receptive field of a network whose weights are all alike (W. Luo, Y. Li, R. Urtasun,
R. Zemel: Understanding the effective receptive field in deep convolutional neural networks, NeurIPS 2016).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import reduce
from math import frexp, log2, prod
from typing import TYPE_CHECKING

import numpy as np

from engine.entries import Entry, check_entry
from engine.errors import InputError, shown
from engine.kernels import grids
from engine.layers import IDENTITY, OPS
from engine.network import Network
from engine.plan import Globals, Plan, Step, resolve
from engine.profiles import attributes
from engine.variables import ONE, PIXEL, Variable, annotate
from engine.walk import IMAGE, Window, check_cells, is_broadcast, map_size, progression, read_table, windows

if TYPE_CHECKING:
    import xarray as xr

MAX_CELLS = 1 << 28  # of one grid of path counts: 2 GiB
_LARGE = 2.0**256  # counts above are scaled down; one layer multiplies them by less than 2^120

FIELD: dict[str, Variable] = {
    "mean": Variable(("axis",), "f", PIXEL, "centre of mass of the path weights"),
    "std": Variable(("axis",), "f", PIXEL, "standard deviation of the path weights"),
    "box_start": Variable(("axis",), "i", PIXEL, "first pixel of the box that holds most of the mass"),
    "box_extent": Variable(("axis",), "i", PIXEL, "length of the box that holds most of the mass"),
    "mass": Variable((), "f", ONE, "share of the path weights in the box"),
}


def path_weights(
    network: Network,
    layer: str,
    entry: Entry = "center",
    input_size: int | Sequence[int] | None = None,
    globals: Globals = "include",
) -> xr.DataArray:
    """Return the share of the paths to one entry of a feature map that come from each pixel.

    Each tap of a layer is one path, whatever its weight, and a merge that names a layer twice has its paths twice;
    channels are not counted. A global op reads every entry of its input once.

    Parameters
    ----------
    network : Network
    layer : str
        Name of the layer.
    entry : "center" or sequence of int
        One whole number per axis. "center" is n // 2 of a map of n; in interior mode it is entry 0.
    input_size : int or sequence of int, optional
        Pixels per axis (finite). Without it the weights are interior: no borders, pixels of any number.
    globals : {"include", "skip"}
        Whether merges take in branches that see everything.

    Returns
    -------
    xr.DataArray of float64
        Over the axes, with pixel numbers as coordinates, of sum 1: the whole image in finite mode, the bounding box in
        interior mode. A share below 1e-308 may be 0. ``attrs["log2_paths"]`` is the logarithm of the number of paths.

    Raises
    ------
    InputError
        For an unknown layer, an entry outside its map or without paths, a layer that sees everything in interior mode,
        or a grid of more than 2^28 entries; the message names the layer.

    Examples
    --------
    >>> net = Network.sequential({"kernel": 3}, {"kernel": 3}, axes=1)
    >>> (path_weights(net, "conv2") * 9).values.round(12).tolist()
    [1.0, 2.0, 3.0, 2.0, 1.0]
    """
    import xarray as xr

    index = network.index(layer)
    plan = resolve(network, input_size, globals)
    at = check_entry(entry, map_size(plan, index), len(network.axes), layer)
    weights, origin, paths = _weights(plan, index, at)
    coords = {axis: np.arange(n) + o for axis, n, o in zip(network.axes, weights.shape, origin, strict=True)}
    out = xr.DataArray(weights, coords, network.axes, name="path_weights")
    out.attrs = attributes(plan, f"path_weights {layer}", list(at), globals)
    out.attrs |= {"long_name": f"share of the paths to entry {at} of {layer}", "units": ONE, "log2_paths": paths}
    for axis in network.axes:
        out[axis].attrs = {"units": PIXEL, "long_name": f"pixel number along {axis}"}
    return out


def _weights(plan: Plan, index: int, at: tuple[int, ...]) -> tuple[np.ndarray, tuple[int, ...], float]:
    """Weights of sum 1, the pixel of their first cell, and log2 of the number of paths."""
    reached = windows(plan, index, at)
    parts, sums = [], [0.0]
    if IMAGE in reached:
        check_cells(
            plan, {IMAGE: tuple((0, n) for n in plan.input_size) if plan.input_size else reached[IMAGE]}, MAX_CELLS
        )
        every = tuple(range(len(at)))
        # along a chain the counts are an outer product of those of each axis. 3×3, interior: 20 layers the same
        # speed, 100 layers 7 times, 1200 layers 700 times
        parts = [
            _counts(plan, index, reached, axes)
            for axes in ([(a,) for a in every] if _is_chain(plan, reached) else [every])
        ]
        sums = [float(grid.sum()) for grid, _ in parts]
    if min(sums) == 0:
        name = plan.steps[index].layer.name
        raise InputError(f"entry {at} of layer {name!r} has no paths, it sees only padding; choose another entry")
    weights = reduce(np.multiply.outer, [grid / total for (grid, _), total in zip(parts, sums, strict=True)])
    paths = sum(log2(total) + exponent for (_, exponent), total in zip(parts, sums, strict=True))
    frame = _frame(plan, index, at, reached[IMAGE])
    out = np.zeros([hi - lo for lo, hi in frame])
    inside = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(frame, reached[IMAGE], strict=True)]
    origin, source = tuple(lo for lo, _ in frame), (lo for lo, _ in reached[IMAGE])
    out[_cut(inside, origin)] = weights[_cut(inside, source)]
    return out, origin, paths


def _frame(plan: Plan, index: int, at: tuple[int, ...], window: Window) -> Window:
    """Pixels to show: the image, or the bounding box of the footprint."""
    if plan.input_size:
        return tuple((0, n) for n in plan.input_size)
    intervals = plan.steps[index].intervals
    assert intervals is not None
    boxes = [i.at(o) for i, o in zip(intervals, at, strict=True)]
    return tuple((b[0], b[1] + 1) if b else w for b, w in zip(boxes, window, strict=True))


def _cut(window: Iterable[tuple[int, int]], origin: Iterable[int]) -> tuple[slice, ...]:
    return tuple(slice(lo - o, hi - o) for (lo, hi), o in zip(window, origin, strict=True))


def _is_chain(plan: Plan, reached: dict[int, Window]) -> bool:
    return all(len(plan.steps[position].sources) == 1 for position in reached if position != IMAGE)


# ---------------------------------------------------------------- the walk back

Counts = tuple[np.ndarray, int]  # numbers of paths: an array, times a power of two


def _counts(plan: Plan, index: int, reached: dict[int, Window], axes: tuple[int, ...]) -> Counts:
    """Paths from each pixel of the image's window to one entry, along some axes."""
    boxes = {position: tuple(window[a] for a in axes) for position, window in reached.items()}
    check_cells(plan, boxes, MAX_CELLS)
    walked: dict[int, Counts] = {index: (np.ones((1,) * len(axes)), 0)}
    for position in range(index, -1, -1):
        if position not in walked:
            continue
        step, (grid, exponent) = plan.steps[position], _scaled(*walked.pop(position))
        for source in step.sources:
            if source not in boxes:
                continue
            if OPS[step.layer.op].kind == "global" or is_broadcast(plan, step, source):
                back = np.full([hi - lo for lo, hi in boxes[source]], grid.sum())
            else:
                back = _counts_back(plan, step, source, axes, grid, boxes)
            walked[source] = _sum(walked.get(source), (back, exponent))
    return walked[IMAGE]


def _counts_back(
    plan: Plan, step: Step, source: int, axes: tuple[int, ...], grid: np.ndarray, boxes: dict[int, Window]
) -> np.ndarray:
    """Counts of one layer's input from those of its output."""
    size = map_size(plan, source)
    window, target = boxes[plan.network.index(step.layer.name)], boxes[source]
    for place, axis in enumerate(axes):
        axis_map, outputs, entries = step.maps[axis] if step.maps else IDENTITY, window[place], target[place]
        if axis_map.is_identity and outputs == entries:
            continue
        n_out = entries[1] - entries[0]
        before, behind = grid.shape[:place], grid.shape[place + 1 :]
        even = progression(axis_map)
        if even and not behind and axis_map.down == 1 and (size is None or axis_map.border == "zeros"):
            start, spacing, taps = even
            flat = grids.add_shifted(
                grid.reshape(prod(before), -1), outputs[0] + start - entries[0], spacing, taps, n_out
            )
            grid = flat.reshape(*before, n_out)
            continue
        try:
            begin, index, _ = read_table(axis_map, outputs, entries, size[axis] if size else None)
        except InputError as error:
            raise InputError(f"layer {step.layer.name!r} ({step.layer.op}): {error}") from None
        if behind:
            flat = grids.add_leading(grid.reshape(prod(before), -1, prod(behind)), begin, index, n_out)
        else:
            flat = grids.add_last(grid.reshape(prod(before), -1), begin, index, n_out)
        grid = flat.reshape(*before, n_out, *behind)
    return grid


def _scaled(grid: np.ndarray, exponent: int) -> Counts:
    """The same counts, small enough that one more layer cannot overflow."""
    largest = float(grid.max())
    if largest <= _LARGE:
        return grid, exponent
    power = frexp(largest)[1]
    return np.ldexp(grid, -power), exponent + power


def _sum(known: Counts | None, new: Counts) -> Counts:
    if known is None:
        return new
    (a, low), (b, high) = sorted((known, new), key=lambda counts: counts[1])
    return (a if low == high else np.ldexp(a, low - high)) + b, high


# ---------------------------------------------------------------- figures of the field


def effective_field(weights: xr.DataArray, mass: float = 0.95) -> xr.Dataset:
    """Return the centre, the spread and the box of path weights, or of any other non-negative field.

    The box cuts tails of one and the same mass off both ends of every axis: it begins at the first pixel where the
    mass from the start exceeds the tail's, and ends likewise. Of all such boxes it is the smallest that holds at least
    `mass` of the total.

    Parameters
    ----------
    weights : xr.DataArray
        As from `path_weights`; coordinates are pixel numbers, 0, 1, … where there are none.
    mass : float
        Share of the total that the box must hold.

    Returns
    -------
    xr.Dataset
        Over `axis`: mean, std, box_start, box_extent, in pixels; and the `mass` that the box does hold.

    Raises
    ------
    InputError
        For weights that are negative, not finite, or all 0, and for a mass outside 0 … 1.

    Examples
    --------
    >>> field = effective_field(path_weights(Network.sequential(*[{"kernel": 3}] * 6), "conv6"))
    >>> field.box_extent.values.tolist(), field["std"].values.tolist()
    ([9, 9], [2.0, 2.0])
    """
    import xarray as xr

    values = np.asarray(weights.values, float)
    if not 0 < mass <= 1:
        raise InputError(f"mass is {shown(mass)}; it must be more than 0 and at most 1")
    total = float(values.sum())
    if not (np.isfinite(total) and total > 0 and values.min() >= 0):
        raise InputError(f"weights sum to {total}, with a minimum of {values.min()}; they must be shares, none below 0")
    every = range(values.ndim)
    marginals = [values.sum(axis=tuple(b for b in every if b != a)) for a in every]
    pixels = [np.asarray(weights[d].values) for d in weights.dims]
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
    out = xr.Dataset(data, {"axis": [str(d) for d in weights.dims]}, dict(weights.attrs))
    return annotate(out, FIELD)


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


def chain_variance(network: Network, layer: str) -> np.ndarray:
    """Return the variance of the interior path weights of a chain of windows, from the closed form.

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
        or sees everything.

    Examples
    --------
    >>> chain_variance(Network.sequential(*[{"kernel": 3}] * 6), "conv6").tolist()
    [4.0, 4.0]
    """
    steps = resolve(network).steps
    chain = []
    position = network.index(layer)
    while position != IMAGE:
        step = steps[position]
        what = f"layer {step.layer.name!r} ({step.layer.op})"
        if len(step.sources) != 1 or step.everything:
            raise InputError(
                f"{what} reads {'everything' if step.everything else 'several maps'}; the closed form needs a chain"
            )
        taps = [even for m in step.maps or (IDENTITY,) * len(network.axes) if (even := progression(m))]
        if len(taps) < len(network.axes):
            raise InputError(
                f"{what} is no window of evenly spaced taps, the same at every entry, as the closed form needs"
            )
        chain.append((step, taps))
        position = step.sources[0]
    variances = [Fraction(0)] * len(network.axes)
    jumps = [1] * len(network.axes)
    for step, taps in reversed(chain):
        for axis, (_, dilation, kernel) in enumerate(taps):
            variances[axis] += Fraction((dilation * jumps[axis]) ** 2 * (kernel**2 - 1), 12)
            jumps[axis] *= step.maps[axis].down if step.maps else 1
    return np.array([float(v) for v in variances])
