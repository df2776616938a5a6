"""Footprints by walking back from one entry, layer by layer, over grids of entries.

Slower than the forward pass of `rfscale.engine.footprints.forward`, but a union of any shape costs the same: footprints
that are no small union of products come from here, and path counts use the same windows and tables of reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.engine.footprints.figures import Figures
from rfscale.engine.footprints.intervals import LIMIT
from rfscale.engine.footprints.plan import Plan, Step, unbounded
from rfscale.engine.kernels import arrays
from rfscale.engine.kernels.arrays import Reads
from rfscale.engine.kernels.borders import border_entry
from rfscale.engine.network.axis_maps import BORDERS, IDENTITY, AxisMap, whole_map
from rfscale.engine.network.network import Size

MAX_CELLS = 1 << 31  # of one grid of bits: 256 MiB
MAX_READS = 1 << 27  # entries of one table of reads: 1 GiB
FEW_READS = 1 << 12  # of a table that is made without a kernel, in 1 ms
IMAGE = -1  # position of the image among the layers

Entry = tuple[int, ...]
Window = tuple[tuple[int, int], ...]  # first entry and the one after the last, per axis


# ---------------------------------------------------------------- windows


def windows(plan: Plan, layer_index: int, entries: Entry | Sequence[Entry]) -> dict[int, Window]:
    """Return, for each layer that is reached (and -1, the image), a box of entries that holds all that are read.

    Parameters
    ----------
    plan : Plan
    layer_index : int
        Position of the layer to start from.
    entries : tuple of int, or sequence of such
        One entry, or several.

    Raises
    ------
    InputError
        Where a layer has a global receptive field in interior mode, or pixels lie beyond 2^53.
    """
    start = _listed(entries)
    reached = {layer_index: tuple((min(column), max(column) + 1) for column in zip(*start, strict=True))}
    for position in range(layer_index, -1, -1):
        if position not in reached:
            continue
        step = plan.steps[position]
        if step.is_global and plan.input_size is None:
            raise unbounded(step.layer.name)
        for source in step.sources:
            window = _read_window(plan, step, source, reached[position])
            if all(lo < hi for lo, hi in window):
                known = reached.get(source, window)
                reached[source] = tuple((min(a, c), max(b, d)) for (a, b), (c, d) in zip(known, window, strict=True))
    if any(max(abs(lo), abs(hi)) > LIMIT for lo, hi in reached.get(IMAGE, ())):
        raise InputError(f"the footprint of layer {plan.steps[layer_index].layer.name!r} reaches beyond 2^53 pixels")
    return reached


def check_cells(plan: Plan, reached: dict[int, Window], limit: int) -> None:
    """Refuse windows of more than `limit` entries, by the name of their layer."""
    for position, window in reached.items():
        if prod(hi - lo for lo, hi in window) > limit:
            name = "the image" if position == IMAGE else f"layer {plan.steps[position].layer.name!r}"
            shape = "×".join(str(hi - lo) for lo, hi in window)
            raise InputError(f"the walk back needs a grid of {shape} entries of {name}; at most {limit} are supported")


def axis_maps(plan: Plan, step: Step, source: int) -> tuple[AxisMap, ...]:
    """How a layer reads one of its sources, per axis."""
    if step.maps is not None:
        return step.maps
    return (whole_map(1) if plan.is_broadcast(step, source) else IDENTITY,) * len(plan.network.axes)


def _listed(entries: Entry | Sequence[Entry]) -> list[Entry]:
    return [tuple(e) for e in entries] if isinstance(entries[0], Sequence) else [tuple(entries)]  # type: ignore[arg-type]


def _read_window(plan: Plan, step: Step, source: int, window: Window) -> Window:
    sizes = plan.map_size(source) or (None,) * len(window)
    if step.maps is None and not plan.is_broadcast(step, source):
        return window
    axes = zip(axis_maps(plan, step, source), window, sizes, strict=True)
    return tuple(_read_range(m, lo, hi, n) for m, (lo, hi), n in axes)


def _read_range(axis_map: AxisMap, lo: int, hi: int, n: int | None) -> tuple[int, int]:
    """Bounds of the entries that outputs lo..hi-1 read. Taps stand in ascending order and repeat every `up`."""
    up, down, taps = axis_map.up, axis_map.down, axis_map.taps
    head = [down * (o // up) + taps[o % up][0] for o in range(lo, min(hi, lo + up)) if taps[o % up]]
    tail = [down * (o // up) + taps[o % up][-1] for o in range(max(lo, hi - up), hi) if taps[o % up]]
    if down < 0:  # mirrored, one phase: the last output reads first
        head, tail = tail, head
    if not head:
        return 0, 0
    first, stop = min(head), max(tail) + 1
    if n is None:
        return first, stop
    inside = max(first, 0), min(stop, n)
    if axis_map.border == "zeros" or inside == (first, stop):
        return inside
    copied = [inside] if inside[0] < inside[1] else []
    for a, b in ((first, min(stop, 0)), (max(first, n), stop)):  # reads on the left of the map, and on the right
        if a < b:
            copied.append(_copied(a, b, n, axis_map.border))
    return min(a for a, _ in copied), max(b for _, b in copied)


def _copied(a: int, b: int, n: int, border: str) -> tuple[int, int]:
    """Bounds of the entries of a map of n that a..b-1, all on one side of it, are copies of."""
    if border == "circular" and a // n != (b - 1) // n:
        return 0, n
    ends = [border_entry(entry, n, BORDERS[border]) for entry in (a, b - 1)]
    return min(ends), max(ends) + 1


# ---------------------------------------------------------------- one layer back


def read_table(axis_map: AxisMap, outputs: tuple[int, int], entries: tuple[int, int], n: int | None) -> Reads:
    """Return which entries of a window the outputs of a window read; `n` entries in the map, None: no borders."""
    (first, stop), (low, high), table = outputs, entries, axis_map.table
    widest = table.taps.shape[1]
    if (stop - first) * widest > MAX_READS:
        raise InputError(f"{stop - first} outputs of {widest} taps each; at most {MAX_READS} reads are supported")
    if n is None:  # far from 0, entries would overflow: move whole periods away
        periods = first // axis_map.up
        first, stop = first - periods * axis_map.up, stop - periods * axis_map.up
        low, high = low - periods * axis_map.down, high - periods * axis_map.down
    if (stop - first) * widest <= FEW_READS:
        return _few_reads(axis_map, range(first, stop), (low, high), n)
    from rfscale.engine.kernels import grids

    return grids.reads(table, (first, stop), (low, high), -1 if n is None else n)


def _few_reads(axis_map: AxisMap, outputs: range, entries: tuple[int, int], n: int | None) -> Reads:
    """The same table without a kernel, 1 ms for 2^12 reads."""
    (low, high), border = entries, BORDERS[axis_map.border]
    begin, group = [0], list[int]()
    index: list[int] = []
    before: list[int] | None = None
    for o in outputs:
        read = axis_map.reads(o) if n is None else [border_entry(e, n, border) for e in axis_map.reads(o)]
        here = [entry - low for entry in read if low <= entry < high and (n is None or entry >= 0)]
        group.append(group[-1] if here == before else len(group))
        begin.append(begin[-1] + len(here))
        index += here
        before = here
    return Reads(np.array(begin, np.int64), np.array(index, np.int64), np.array(group, np.int64))


def _back(grid: np.ndarray, maps: Sequence[AxisMap], window: Window, target: Window, size: Size | None) -> np.ndarray:
    """Entries of the `target` window that the needed outputs of `window` read: bit grid to bit grid."""
    from rfscale.engine.kernels import grids

    if window == target and all(m.is_identity for m in maps):
        return grid
    lead = 3 - len(maps)
    if maps[0].reads_all:
        return arrays.full([1] * lead + [hi - lo for lo, hi in target], bool(grid.any()))
    bounds = list(zip(maps, window, target, size or (None,) * len(maps), strict=True))
    shape = (1,) * lead + tuple(hi - lo for lo, hi in target)
    # windows that reach far beyond a finite map would be spread over a buffer of the whole reach
    spans = [
        m.down * (hi - lo - 1) + (p.step * (p.taps - 1) if (p := m.progression) else 0) + 1
        for m, (lo, hi), *_ in bounds
    ]
    fits = prod(spans) <= 4 * prod(shape) + (1 << 20)
    last = window[-1][1] - window[-1][0]
    windows = [(1, 0, 1, 1)] * lead  # stride, start, step, count
    for axis, (axis_map, outputs, entries, n) in enumerate(bounds, start=lead):
        even = axis_map.progression
        if even and fits and (n is None or axis_map.border == "zeros"):
            start = axis_map.down * outputs[0] + even.start - entries[0]
            windows.append((axis_map.down, start, even.step, even.taps))
            continue
        windows.append((1, 0, 1, 1))
        table = read_table(axis_map, outputs, entries, n)
        if axis < 2:
            before, after = prod(grid.shape[:axis]), prod(grid.shape[axis + 1 :])
            flat = grids.union_leading(grid.reshape(before, -1, after), table, shape[axis])
            grid = flat.reshape(*grid.shape[:axis], shape[axis], *grid.shape[axis + 1 :])
        else:
            flat = grids.union_last(grid.reshape(-1, grid.shape[2]), table, shape[2])
            grid, last = flat.reshape(*grid.shape[:2], -1), shape[2]
    return grids.window_back(grid, last, arrays.Windows(*zip(*windows, strict=True)), shape)


# ---------------------------------------------------------------- footprints


def grid_bits(plan: Plan, layer_index: int, entries: Entry | Sequence[Entry]) -> tuple[np.ndarray, Window]:
    """Return the union of the footprints of some entries as a bit grid.

    Parameters
    ----------
    plan : Plan
        Interior or finite: with a plan's input size, the footprint is cut at the borders of every layer.
    layer_index : int
        Position of the layer; in interior mode without a global receptive field.
    entries : tuple of int, or sequence of such
        One entry, or several. Inside the map in finite mode, any in interior mode.

    Returns
    -------
    grid : uint64 array (a, b, words)
        Laid out as in `rfscale.engine.kernels.grids`; no axis is left out, leading ones may have length 1. No words
        where it is empty.
    window : tuple of (int, int)
        Pixels [first, stop) per axis that the grid spans. The last axis starts at a multiple of 64.
    """
    start = _listed(entries)
    ndim = len(start[0])
    reached = windows(plan, layer_index, start)
    if IMAGE not in reached:
        return np.zeros((1, 1, 0), np.uint64), ((0, 0),) * ndim
    *leading, (lo, hi) = reached[IMAGE]
    reached[IMAGE] = (*leading, (lo & ~63, hi))
    check_cells(plan, reached, MAX_CELLS)
    walked = {layer_index: _drawn(start, reached[layer_index])}
    for position in range(layer_index, -1, -1):
        if position not in walked:
            continue
        step, grid = plan.steps[position], walked.pop(position)
        for source in dict.fromkeys(step.sources):
            if source in reached:
                maps = axis_maps(plan, step, source)
                try:
                    read = _back(grid, maps, reached[position], reached[source], plan.map_size(source))
                except InputError as error:
                    raise error.within(f"layer {step.layer.name!r} ({step.layer.op})") from None
                walked[source] = walked[source] | read if source in walked else read
    return walked[IMAGE], reached[IMAGE]


def _drawn(entries: list[Entry], window: Window) -> np.ndarray:
    """Bit grid of single entries."""
    grid = np.zeros([1] * (3 - len(window)) + [hi - lo for lo, hi in window], bool)
    for entry in entries:
        grid[(0,) * (3 - len(window)) + tuple(e - lo for e, (lo, _) in zip(entry, window, strict=True))] = True
    return arrays.pack(grid)


def grid_pixels(plan: Plan, layer_index: int, entries: Entry | Sequence[Entry]) -> tuple[np.ndarray, Size]:
    """Return the union of the footprints of some entries as a grid of bool, and the pixel of its first cell.

    Finite: the whole image. Interior: the bounding box, of no cells where it is empty. Parameters as for `grid_bits`.
    """
    size = plan.input_size
    bits, window = grid_bits(plan, layer_index, entries)
    ndim = len(window)
    cells = arrays.unpack(bits, window[-1][1] - window[-1][0]).reshape([hi - lo for lo, hi in window])
    if size:
        grid = np.zeros(size, bool)
        grid[tuple(slice(lo, hi) for lo, hi in window)] = cells
        return grid, (0,) * ndim
    rows = [np.flatnonzero(cells.any(axis=tuple(a for a in range(ndim) if a != axis))) for axis in range(ndim)]
    if not all(len(s) for s in rows):
        return np.zeros((0,) * ndim, bool), (0,) * ndim
    origin = tuple(lo + int(s[0]) for (lo, _), s in zip(window, rows, strict=True))
    return cells[tuple(slice(int(s[0]), int(s[-1]) + 1) for s in rows)], origin


def grid_figures(plan: Plan, layer_index: int, entry: Entry) -> Figures:
    """Return the figures of one entry's footprint, counted on the grid. Parameters as for `grid_bits`."""
    return next(figures_of(plan, layer_index, [entry]))


def figures_of(plan: Plan, layer_index: int, entries: Iterable[Entry]) -> Iterator[Figures]:
    """Yield the figures of several entries' footprints, counted on the grid. Parameters as for `grid_bits`.

    In row-major order each footprint is walked once, not once more for each axis as the next entry of another.
    """
    size = plan.map_size(layer_index)
    walked: dict[Entry, tuple[np.ndarray, Window]] = {}

    def walk(entry: Entry) -> tuple[np.ndarray, Window]:
        if entry not in walked:
            walked[entry] = grid_bits(plan, layer_index, entry)
        return walked[entry]

    for entry in entries:
        bits, window = walk(entry)
        area, first, extent, gap = _measured(bits, window)
        shared = []
        for axis in range(len(window)):
            beyond = (*entry[:axis], entry[axis] + 1, *entry[axis + 1 :])
            exists = size is None or beyond[axis] < size[axis]
            shared.append(_common((bits, window), walk(beyond)) if exists else -1)
        del walked[entry]
        yield Figures(area, first, extent, gap, tuple(shared))


def _measured(bits: np.ndarray, window: Window) -> tuple[int, Entry, Entry, Entry]:
    """Area, first pixel, extent and longest gap of a bit grid."""
    from rfscale.engine.kernels import grids

    ndim = len(window)
    area, *projections = grids.measure(bits)
    if area == 0:
        return 0, (0,) * ndim, (0,) * ndim, (0,) * ndim
    projections[-1] = arrays.unpack(projections[-1][None, None], window[-1][1] - window[-1][0])[0, 0]
    rows = [np.flatnonzero(p) for p in projections[3 - ndim :]]
    first = tuple(lo + int(s[0]) for (lo, _), s in zip(window, rows, strict=True))
    extent = tuple(int(s[-1] - s[0]) + 1 for s in rows)
    gap = tuple(int(np.diff(s).max(initial=1)) - 1 for s in rows)
    return int(area), first, extent, gap


def _common(one: tuple[np.ndarray, Window], other: tuple[np.ndarray, Window]) -> int:
    """Pixels that two bit grids share. Their rows start at multiples of 64, so that words lie on words."""
    both = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(one[1], other[1], strict=True)]
    if any(lo >= hi for lo, hi in both):
        return 0
    parts = []
    for bits, window in (one, other):
        cut = [slice(lo - at, hi - at) for (lo, hi), (at, _) in zip(both, window, strict=True)]
        cut[-1] = slice(cut[-1].start >> 6, (cut[-1].stop + 63) >> 6)
        parts.append(bits[(slice(None),) * (3 - len(cut)) + tuple(cut)])
    return int(np.bitwise_count(parts[0] & parts[1]).sum())
