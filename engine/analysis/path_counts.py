"""Path counts: how many paths lead from each pixel to one entry, and the field they make.

The share of paths is the effective receptive field of a network whose weights are all alike (W. Luo, Y. Li, R. Urtasun,
R. Zemel: Understanding the effective receptive field in deep convolutional neural networks, NeurIPS 2016).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import reduce
from itertools import pairwise
from math import frexp, log2, prod
from typing import TYPE_CHECKING, Unpack

import numpy as np

from rfscale.engine.columns import pixel_grid
from rfscale.engine.errors import InputError
from rfscale.engine.footprints.backward import (
    FEW_READS,
    IMAGE,
    Window,
    axis_maps,
    check_cells,
    read_table,
    windows,
)
from rfscale.engine.footprints.footprint_figures import FootprintFigures
from rfscale.engine.footprints.forward import kept_trace
from rfscale.engine.footprints.plan import Entry, GlobalOps, Plan, Step, attributes, check_entry, resolve
from rfscale.engine.kernels.arrays import Reads
from rfscale.engine.kernels.before_kernels import BeforeKernels
from rfscale.engine.network.axis_maps import IDENTITY, AxisMap
from rfscale.engine.network.network import Network
from rfscale.engine.readers.load import as_network
from rfscale.engine.readers.reading import NetworkLike, Reading
from rfscale.engine.variables import PATH_COUNTS, annotate_array

if TYPE_CHECKING:
    import xarray as xr

MAX_CELLS = 1 << 28  # of one grid of path counts: 2 GiB
ADDED = BeforeKernels(few=1 << 11, most=1 << 26)  # numbers that are added up without kernels: 2 ns each
READ_COST = 500  # numbers that are added up in the time of one read by itself
_LARGE = 2.0**256  # counts above are scaled down; one layer multiplies them by less than 2^120


def path_counts(
    network: NetworkLike,
    layer: str,
    entry: Entry = "center",
    input_size: int | Sequence[int] | None = None,
    global_ops: GlobalOps = "include",
    **reading: Unpack[Reading],
) -> xr.DataArray:
    """Return the share of the paths to one entry of a feature map that come from each pixel.

    Each tap of a layer is one path, whatever its weight, and a merge that names a layer twice has its paths twice;
    channels are not counted. A global op reads every entry of its input once.

    Parameters
    ----------
    network : Network, or what `load` takes
    layer : str
        Name of the layer.
    entry : "center" or sequence of int
        One whole number per axis. "center" is n // 2 of a map of n; in interior mode the entry of the largest
        footprint, as in `profile` (0 where all are alike). ``attrs["entry"]`` says which it is.
    input_size : int or sequence of int, optional
        Pixels per axis (finite). Without it the counts are interior: no borders, pixels of any number.
    global_ops : {"include", "skip"}
        Whether merges take in branches with a global receptive field.
    **reading
        How a model is read, as in `load`: example_input, unknown, axes, image, name, arguments.

    Returns
    -------
    xr.DataArray of float64
        Over the axes, with pixel numbers as coordinates, of sum 1: the whole image in finite mode, the bounding box in
        interior mode. A share below 1e-308 may be 0. ``attrs["log2_paths"]`` is the logarithm of the number of paths.

    Raises
    ------
    InputError
        For an unknown layer, an entry outside its map or without paths, a layer with a global receptive field in
        interior mode, or a grid of more than 2^28 entries; the message names the layer.

    Examples
    --------
    >>> import rfscale as rf
    >>> net = rf.Network.sequential({"kernel": 3}, {"kernel": 3}, axes=1)
    >>> (path_counts(net, "conv2") * 9).values.round(12).tolist()
    [1.0, 2.0, 3.0, 2.0, 1.0]
    """
    network = as_network(network, reading, input_size)
    index = network.index(layer)
    plan = resolve(network, input_size, global_ops)
    at = counted_entry(plan, index, entry, global_ops)
    shares, origin, paths = path_shares(plan, index, at)
    attrs = attributes(plan, f"path_counts {layer}", list(at), global_ops) | {"log2_paths": paths}
    out = pixel_grid(shares, network.axes, origin, "path_counts", attrs)
    return annotate_array(out, PATH_COUNTS, entry=at, layer=layer)


def counted_entry(plan: Plan, index: int, entry: Entry, global_ops: GlobalOps) -> tuple[int, ...]:
    """The entry whose paths are counted: "center" in interior mode is that of the largest footprint."""
    step, ndim = plan.steps[index], len(plan.network.axes)
    at = check_entry(entry, plan.map_size(index), ndim, step.layer.name)
    phases = prod(len(i.bounds) for i in step.intervals or ())
    if plan.input_size is None and isinstance(entry, str) and phases > 1:
        at = FootprintFigures(kept_trace(plan.network, None, global_ops)).entry(index)
    return at


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


def path_shares(plan: Plan, index: int, at: tuple[int, ...]) -> tuple[np.ndarray, tuple[int, ...], float]:
    """Return the shares of sum 1 without labels, the pixel of their first cell, and log2 of the number of paths."""
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
        raise InputError(f"entry {at} of layer {name!r} has no paths, it reads only padding; choose another entry")
    shares = reduce(np.multiply.outer, [grid / total for (grid, _), total in zip(parts, sums, strict=True)])
    paths = sum(log2(total) + exponent for (_, exponent), total in zip(parts, sums, strict=True))
    frame = _frame(plan, index, at, reached[IMAGE])
    out = np.zeros([hi - lo for lo, hi in frame])
    inside = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(frame, reached[IMAGE], strict=True)]
    origin, source = tuple(lo for lo, _ in frame), (lo for lo, _ in reached[IMAGE])
    out[_cut(inside, origin)] = shares[_cut(inside, source)]
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
            if axis_maps(plan, step, source)[0].reads_all:
                back = np.full([hi - lo for lo, hi in boxes[source]], grid.sum())
            else:
                back = _counts_back(plan, step, source, axes, grid, boxes)
            walked[source] = _sum(walked.get(source), (back, exponent))
    return walked[IMAGE]


def _counts_back(
    plan: Plan, step: Step, source: int, axes: tuple[int, ...], grid: np.ndarray, boxes: dict[int, Window]
) -> np.ndarray:
    """Counts of one layer's input from those of its output."""
    size = plan.map_size(source)
    window, target = boxes[plan.network.index(step.layer.name)], boxes[source]
    for place, axis in enumerate(axes):
        axis_map, outputs, entries = step.maps[axis] if step.maps else IDENTITY, window[place], target[place]
        if axis_map.is_identity and outputs == entries:
            continue
        n_out, n = entries[1] - entries[0], size[axis] if size else None
        before, after = grid.shape[:place], grid.shape[place + 1 :]
        if after:
            flat = _leading_back(step, axis_map, grid.reshape(prod(before), -1, prod(after)), outputs, entries, n)
        else:
            flat = rows_back(step, axis_map, grid.reshape(prod(before), -1), outputs, entries, n)
        grid = flat.reshape(*before, n_out, *after)
    return grid


def rows_back(
    step: Step, axis_map: AxisMap, rows: np.ndarray, outputs: tuple[int, int], entries: tuple[int, int], n: int | None
) -> np.ndarray:
    """Counts of one layer's input from those of its output on one axis: (rows, outputs) to (rows, entries).

    `n` entries in the map; None: no borders.
    """
    n_out = entries[1] - entries[0]
    if axis_map.is_identity and outputs == entries:
        return rows
    if axis_map.reads_all:
        return np.repeat(rows.sum(axis=1, keepdims=True), n_out, axis=1)
    even = axis_map.progression
    shifted = even and axis_map.down == 1 and (n is None or axis_map.border == "zeros")
    few = _few_back(step, axis_map, rows[:, :, None], outputs, entries, n, rising=bool(shifted))
    if few is not None:
        return few[:, :, 0]
    from rfscale.engine.kernels import grids

    if even and shifted:
        return grids.add_shifted(rows, even._replace(start=outputs[0] + even.start - entries[0]), n_out)
    return grids.add_last(rows, _table(step, axis_map, outputs, entries, n), n_out)


def _leading_back(
    step: Step, axis_map: AxisMap, grid: np.ndarray, outputs: tuple[int, int], entries: tuple[int, int], n: int | None
) -> np.ndarray:
    """As `rows_back`, along the middle axis: (outer, outputs, inner) to (outer, entries, inner)."""
    few = _few_back(step, axis_map, grid, outputs, entries, n)
    if few is not None:
        return few
    from rfscale.engine.kernels import grids

    return grids.add_leading(grid, _table(step, axis_map, outputs, entries, n), entries[1] - entries[0])


def _few_back(
    step: Step,
    axis_map: AxisMap,
    grid: np.ndarray,
    outputs: tuple[int, int],
    entries: tuple[int, int],
    n: int | None,
    rising: bool = False,
) -> np.ndarray | None:
    """What the kernels of one step back give, in numpy and in the same order; None where these are to do it.

    `rising`: the first tap first, as `add_shifted`; otherwise the first output first, as by a table of reads.
    """
    even, down, n_out = axis_map.progression, axis_map.down, entries[1] - entries[0]
    taps, per_read = max(map(len, axis_map.taps)), grid.shape[0] * grid.shape[2]
    if not even or down < 1 or even.step < 1 or not (n is None or axis_map.border == "zeros"):
        if taps * grid.shape[1] > FEW_READS or not ADDED.takes(taps * grid.shape[1] * (per_read + READ_COST)):
            return None
        return _by_table(grid, _table(step, axis_map, outputs, entries, n), n_out)
    if not ADDED.takes(grid.size * taps):
        return None
    out = np.zeros((grid.shape[0], n_out, grid.shape[2]))
    for i in range(taps) if rising else reversed(range(taps)):
        entry = down * outputs[0] + even.start + even.step * i - entries[0]  # that the first output reads
        low, stop = max(0, -(entry // down)), min(grid.shape[1], (n_out - 1 - entry) // down + 1)
        if low < stop:
            out[:, entry + down * low : entry + down * (stop - 1) + 1 : down] += grid[:, low:stop]
    return out


def _by_table(grid: np.ndarray, table: Reads, n_out: int) -> np.ndarray:
    """The kernel `add_leading`, read by read in numpy."""
    out = np.zeros((grid.shape[0], n_out, grid.shape[2]))
    read = table.entries.tolist()
    for o, (start, stop) in enumerate(pairwise(table.begin.tolist())):
        for entry in read[start:stop]:
            out[:, entry] += grid[:, o]
    return out


def _table(step: Step, axis_map: AxisMap, outputs: tuple[int, int], entries: tuple[int, int], n: int | None) -> Reads:
    try:
        return read_table(axis_map, outputs, entries, n)
    except InputError as error:
        raise error.within(f"layer {step.layer.name!r} ({step.layer.op})") from None


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
