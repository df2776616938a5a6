"""Where the entries of a map lie on the image, and which entries of a map have a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np

from rfscale.engine.errors import InputError, Parameter
from rfscale.engine.footprints.footprint_figures import FootprintFigures
from rfscale.engine.footprints.forward import kept_trace
from rfscale.engine.footprints.intervals import Intervals
from rfscale.engine.footprints.plan import Entry, GlobalOps, Plan, Step, attributes
from rfscale.engine.network.modules import module_attributes, module_layers
from rfscale.engine.network.network import Network, Size
from rfscale.engine.network.spec import listed, per_axis, whole
from rfscale.engine.readers.load import as_network
from rfscale.engine.readers.reading import NetworkLike, Reading
from rfscale.engine.variables import ENTRIES_AT, WHERE, annotate

if TYPE_CHECKING:
    import xarray as xr

PIXEL = Parameter("pixel")


class _Place(NamedTuple):
    """Where one entry lies, per axis: its box, and the first and last pixel of its footprint; nan where unknown."""

    entry: tuple[int, ...]
    box: list[tuple[float, float]]
    pixels: list[tuple[float, float]]


def where(
    network: NetworkLike,
    layer: str | None = None,
    entry: Entry = "center",
    input_size: int | Sequence[int] | None = None,
    global_ops: GlobalOps = "include",
    **reading: Unpack[Reading],
) -> xr.Dataset:
    """Return where an entry of a map lies on the image: its centre, its box, and what of the box is padding.

    Parameters
    ----------
    network : Network, or what `load` takes
    layer : str, optional
        Name of a layer, or of a module: what it returns. By default every layer has a row.
    entry : "center" or sequence of int
        One whole number per axis, from 0 on. With every layer, those whose map has no such entry are left out, and
        ``attrs["outside"]`` counts them.
    input_size : int or sequence of int, optional
        Pixels per axis. With it a box is cut at the borders, and maps end; without it pixels have any number, those
        below 0 padding.
    global_ops : {"include", "skip"}
        Whether merges take in branches with a global receptive field.
    **reading
        How a model is read, as in `load`: example_input, unknown, axes, image, name, arguments.

    Returns
    -------
    xr.Dataset
        Over (layer, axis), in pixels: `centre`, the middle of the box; `box_start` and `box_end`, its first and last
        pixel if the map went on beyond its borders; `start`, `end` and `extent`, what the entry reads of the image;
        `padding_start` and `padding_end`, how far the box reaches beyond it (with an input size). `inside`, over layer:
        the share of the box that is image. Downstream of layers that read one way an end is infinite, of global
        ones both are; with an input size their box is nan, and so is that of merged maps of different jumps.

    Raises
    ------
    InputError
        For an unknown layer, and an entry outside its map; as `profile` otherwise.

    Examples
    --------
    >>> import rfscale as rf
    >>> net = rf.Network.sequential({"kernel": 7, "stride": 2, "padding": 3, "name": "stem"})
    >>> found = rf.where(net, "stem", (0, 10), input_size=64)
    >>> found.centre.values.tolist(), found.start.values.tolist(), found.end.values.tolist()
    ([[0.0, 20.0]], [[0.0, 17.0]], [[3.0, 23.0]])
    >>> found.padding_start.values.tolist()
    [[3.0, 0.0]]
    """
    import xarray as xr

    net = as_network(network, reading, input_size)
    traced = kept_trace(net, input_size, global_ops)
    counted, plan = FootprintFigures(traced), traced.plan
    asked = range(len(net)) if layer is None else [net.index(name) for name in module_layers(net, layer)]
    places: dict[int, _Place] = {}
    outside: InputError | None = None
    for index in asked:
        try:
            at = counted.entry(index, entry)
        except InputError as error:
            if layer is not None or not _lies_outside(entry, plan.map_size(index)):
                raise
            outside = outside or error
            continue
        places[index] = _place(counted, index, at)
    if outside and not places:
        raise outside
    out = xr.Dataset(_figures(plan, places), _coordinates(net, places))
    out.attrs = attributes(plan, f"where {layer or 'every layer'}", entry, global_ops) | module_attributes(net)
    if outside:
        out.attrs["outside"] = len(asked) - len(places)
    return annotate(out, WHERE)


def _lies_outside(entry: Entry, size: Size | None) -> bool:
    """Whether an entry is one, of a larger map."""
    numbers = listed(entry) or [entry]
    fits = size is not None and len(numbers) == len(size)
    return fits and all(isinstance(n, int | np.integer) and n >= 0 for n in numbers)


def _place(counted: FootprintFigures, index: int, at: tuple[int, ...]) -> _Place:
    step, ndim = counted.plan.steps[index], len(at)
    if step.is_global and counted.plan.input_size is None:
        ends = (
            [i.ends(o) for i, o in zip(step.half_lines, at, strict=True)] if step.half_lines else [(-inf, inf)] * ndim
        )
        return _Place(at, ends, ends)
    figures = counted.figures_at(index, at)
    pixels = [(nan, nan)] * ndim
    if figures.area:
        pixels = [(float(a), float(a + n - 1)) for a, n in zip(figures.first, figures.extent, strict=True)]
    box = pixels
    if counted.plan.input_size is not None:
        box = [i.ends(o) for i, o in zip(step.intervals, at, strict=True)] if step.intervals else [(nan, nan)] * ndim
    return _Place(at, box, pixels)


def _figures(plan: Plan, places: dict[int, _Place]) -> dict[str, Any]:
    box, pixels = (np.array([p[i] for p in places.values()], float) for i in (1, 2))
    reach = [plan.steps[i].intervals or plan.steps[i].half_lines for i in places]
    jumps = [[p / q for p, q in (i.jump for i in r)] if r else [nan] * len(plan.network.axes) for r in reach]
    with np.errstate(invalid="ignore"):  # the middle of what has no ends
        centre = np.where(np.isfinite(box).all(axis=2), box.mean(axis=2), nan)
        data = {
            "entry": np.array([p.entry for p in places.values()], np.int64),
            "jump": np.array(jumps, float),
            "centre": centre,
            "box_start": box[..., 0],
            "box_end": box[..., 1],
            "start": pixels[..., 0],
            "end": pixels[..., 1],
            "extent": pixels[..., 1] - pixels[..., 0] + 1,
        }
    layers = [plan.steps[i].layer for i in places]
    out: dict[str, Any] = {"op": ("layer", np.array([layer.op for layer in layers], object))}
    out |= {name: (("layer", "axis"), values) for name, values in data.items()}
    if plan.input_size is not None:
        last = np.array(plan.input_size) - 1
        before, after = np.maximum(0, -box[..., 0]), np.maximum(0, box[..., 1] - last)
        length = box[..., 1] - box[..., 0] + 1
        out["padding_start"], out["padding_end"] = (("layer", "axis"), before), (("layer", "axis"), after)
        out["inside"] = "layer", np.maximum(0, (length - before - after) / length).prod(axis=1)
    return out


def _coordinates(net: Network, indices: Any) -> dict[str, Any]:
    return {"layer": np.array([net.layers[i].name for i in indices], str), "axis": list(net.axes)}


# from pixels to entries -----------------------------------------------------------------------------------------------


def entries_at(
    network: NetworkLike,
    pixel: int | Sequence[int],
    layer: str | None = None,
    input_size: int | Sequence[int] | None = None,
    global_ops: GlobalOps = "include",
    *,
    size: int | Sequence[int] = 1,
    **reading: Unpack[Reading],
) -> xr.Dataset:
    """Return the entries of a map whose box has a pixel, or a part of a box of pixels: the inverse of `where`.

    Parameters
    ----------
    network : Network, or what `load` takes
    pixel : int or sequence of int
        One whole number per axis: a pixel, or the first one of a box.
    layer : str, optional
        Name of a layer, or of a module. By default every layer has a row.
    input_size : int or sequence of int, optional
        Pixels per axis. With it only the entries that a map has are given, and what they read of the image.
    global_ops : {"include", "skip"}
        Whether merges take in branches with a global receptive field.
    size : int or sequence of int
        Pixels of the box per axis.
    **reading
        How a model is read, as in `load`: example_input, unknown, axes, image, name, arguments.

    Returns
    -------
    xr.Dataset
        Over (layer, axis): `first_entry` and `last_entry` whose bounding box has a pixel of the box, nan where none
        has, and in interior mode where the receptive field is global; `nearest`, the entry whose centre is nearest to
        the middle of the box (the first of two), and `offset`, the pixels from that centre to the middle; nan where
        entries have no centre.

    Raises
    ------
    InputError
        For a pixel outside the image, and as `where`.

    Examples
    --------
    >>> import rfscale as rf
    >>> net = rf.Network.sequential({"kernel": 7, "stride": 2, "padding": 3, "name": "stem"})
    >>> found = rf.entries_at(net, (20, 1), "stem", input_size=64)
    >>> found.first_entry.values.tolist(), found.last_entry.values.tolist(), found.nearest.values.tolist()
    ([[9.0, 0.0]], [[11.0, 2.0]], [[10.0, 0.0]])
    """
    import xarray as xr

    net = as_network(network, reading, input_size)
    low = per_axis(pixel, PIXEL, len(net.axes), minimum=-(2**31))
    extent = per_axis(size, Parameter("size"), len(net.axes))
    traced = kept_trace(net, input_size, global_ops)
    counted, plan = FootprintFigures(traced), traced.plan
    for n, total, axis in zip(low, plan.input_size or (), net.axes, strict=False):
        whole(n, f"pixel along {axis}", 0, total - 1)
    box = [(a, a + n - 1) for a, n in zip(low, extent, strict=True)]
    indices = range(len(net)) if layer is None else [net.index(name) for name in module_layers(net, layer)]
    found = [_reading(counted, i, box) if plan.input_size else _any_reading(plan.steps[i], box) for i in indices]
    nearest = [_nearest(plan.steps[i], box, plan.map_size(i)) for i in indices]
    dims = ("layer", "axis")
    data = {
        "first_entry": (dims, np.array([[a for a, _ in row] for row in found], float)),
        "last_entry": (dims, np.array([[b for _, b in row] for row in found], float)),
        "nearest": (dims, np.array([[entry for entry, _ in row] for row in nearest], float)),
        "offset": (dims, np.array([[offset for _, offset in row] for row in nearest], float)),
    }
    out = xr.Dataset(data, _coordinates(net, indices))
    out.attrs = attributes(plan, f"entries_at {layer or 'every layer'}", None, global_ops)
    out.attrs |= {"pixel": list(low), "size": list(extent), **module_attributes(net)}
    return annotate(out, ENTRIES_AT)


Range = tuple[float, float]  # first and last entry


def _reading(counted: FootprintFigures, index: int, box: Sequence[tuple[int, int]]) -> list[Range]:
    """First and last entry per axis of those of a finite map whose footprint's bounding box meets a box."""
    figures = counted.map_figures(index)
    shape = counted.plan.steps[index].size
    meets = np.broadcast_to(figures.area > 0, shape or ())
    for (low, high), first, extent in zip(box, figures.first, figures.extent, strict=True):
        meets = meets & (first <= high) & (first + extent > low)
    every = range(meets.ndim)
    rows = [np.flatnonzero(meets.any(axis=tuple(b for b in every if b != a))) for a in every]
    return [(float(row[0]), float(row[-1])) if len(row) else (nan, nan) for row in rows]


def _any_reading(step: Step, box: Sequence[tuple[int, int]]) -> list[Range]:
    """The same of an interior map; downstream of layers that read one way an end is infinite."""
    reach = step.intervals or step.half_lines
    if reach is None:
        return [(nan, nan)] * len(box)
    return [_meeting(i, low, high) for i, (low, high) in zip(reach, box, strict=True)]


def _meeting(intervals: Intervals, low: int, high: int) -> Range:
    n, shift = len(intervals.bounds), intervals.shift
    ends = []
    for u in range(n):
        first, last = intervals.ends(u)
        if first == first:  # entry u + n·q covers first + shift·q … last + shift·q
            back = inf if last == inf else (int(last) - low) // abs(shift)
            on = inf if first == -inf else (high - int(first)) // abs(shift)
            back, on = (back, on) if shift > 0 else (on, back)  # a mirrored map goes the other way
            below, above = u - n * back, u + n * on
            if below <= above:
                ends.append((below, above))
    return (min(a for a, _ in ends), max(b for _, b in ends)) if ends else (nan, nan)


def _nearest(step: Step, box: Sequence[tuple[int, int]], size: Size | None) -> list[tuple[float, float]]:
    """Per axis the entry whose centre is nearest to the middle of a box, and the pixels from there to the middle."""
    if step.intervals is None:
        return [(nan, nan)] * len(box)
    sizes = size or (None,) * len(box)
    return [_nearest_entry(i, (a + b) / 2, n) for i, (a, b), n in zip(step.intervals, box, sizes, strict=True)]


def _nearest_entry(intervals: Intervals, middle: float, size: int | None) -> tuple[float, float]:
    n, shift = len(intervals.bounds), intervals.shift
    candidates = set()
    for u in range(n):
        centre = intervals.middle(u)
        if centre == centre:
            turns = (middle - centre) // shift
            candidates |= {u + n * int(turns + i) for i in (0, 1)}
    if size is not None:  # at the borders the nearest may be of another phase
        candidates |= {*range(n), *range(size - n, size)}
        candidates = {o for o in candidates if 0 <= o < size and intervals.at(o)}
    if not candidates:
        return nan, nan
    best = min(sorted(candidates), key=lambda o: abs(middle - intervals.middle(o)))
    return float(best), middle - intervals.middle(best)
