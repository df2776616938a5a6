"""Footprints on the pixel grid: the pixels of one entry, and the figures of every entry of a map."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.engine.footprints.forward import Trace, trace
from rfscale.engine.footprints.pixel_sets import Family
from rfscale.engine.footprints.plan import Entry, GlobalOps, attributes, check_entry, unbounded
from rfscale.engine.network.network import Network, Size

if TYPE_CHECKING:
    import xarray as xr

MAX_PIXELS = 1 << 31  # of a drawing: 2 GiB of bool


def footprint(
    network: Network,
    layer: str,
    entry: Entry = "center",
    input_size: int | Sequence[int] | None = None,
    global_ops: GlobalOps = "include",
) -> xr.DataArray:
    """Return the exact set of input pixels behind one entry of a feature map.

    Parameters
    ----------
    network : Network
    layer : str
        Name of the layer.
    entry : "center" or sequence of int
        One whole number per axis. Interior entries may be any; "center" is entry 0 there.
    input_size : int or sequence of int, optional
        Pixels per axis (finite). Without it the footprint is interior: no borders, pixels of any number.
    global_ops : {"include", "skip"}
        Whether merges take in branches with a global receptive field.

    Returns
    -------
    xr.DataArray of bool
        Over the axes, with pixel numbers as coordinates: the whole image in finite mode, the bounding box in interior
        mode.

    Raises
    ------
    InputError
        For an unknown layer, an entry outside its map, or a footprint without bounds (interior, behind a global op).

    Examples
    --------
    >>> net = Network.sequential(*[{"kernel": 3, "dilation": 2}] * 5)
    >>> fp = footprint(net, "conv5")
    >>> fp.shape, int(fp.sum())
    ((21, 21), 121)
    """
    import xarray as xr

    index = network.index(layer)
    traced = trace(network, input_size, global_ops)
    step, size = traced.plan.steps[index], traced.plan.input_size
    at = check_entry(entry, step.size if size else None, len(network.axes), layer)
    if step.is_global:
        if size is None:
            raise unbounded(layer)
        _check_pixels(layer, size)
        grid, origin = np.ones(size, bool), (0,) * len(size)
    else:
        grid, origin = _drawn(traced, index, at, size)
    coords = {axis: np.arange(n) + o for axis, n, o in zip(network.axes, grid.shape, origin, strict=True)}
    out = xr.DataArray(grid, coords, network.axes, name="footprint")
    out.attrs = attributes(traced.plan, f"footprint {layer}", list(at), global_ops)
    out.attrs |= {"long_name": f"pixels seen by entry {at} of {layer}", "units": "1"}
    for axis in network.axes:
        out[axis].attrs = {"units": "pixel", "long_name": f"pixel number along {axis}"}
    return out


def _check_pixels(layer: str, size: Size) -> None:
    if prod(size) > MAX_PIXELS:
        shape = "×".join(map(str, size))
        raise InputError(f"the footprint of layer {layer!r} spans {shape} pixels, too many to draw; use its figures")


def _drawn(traced: Trace, index: int, at: tuple[int, ...], size: Size | None) -> tuple[np.ndarray, tuple[int, ...]]:
    """The footprint of one entry as a grid of bool, and the pixel of its first cell."""
    terms, layer = traced.terms[index], traced.plan.steps[index].layer.name
    if terms is None:
        from rfscale.engine.footprints.backward import grid_pixels

        return grid_pixels(traced.plan, index, at)
    rows = [[_row(f, i) for f, i in zip(term, at, strict=True)] for term in terms]
    rows = [row for row in rows if all(len(pixels) for pixels in row)]
    ndim = len(at)
    if size is None:
        low = [min((int(row[a][0]) for row in rows), default=0) for a in range(ndim)]
        high = [max((int(row[a][-1]) + 1 for row in rows), default=0) for a in range(ndim)]
    else:
        low, high = [0] * ndim, list(size)
    shape = tuple(h - lo for lo, h in zip(low, high, strict=True))
    _check_pixels(layer, shape)
    grid = np.zeros(shape, bool)
    for row in rows:
        grid[np.ix_(*(pixels - lo for pixels, lo in zip(row, low, strict=True)))] = True
    return grid, tuple(low)


def _row(family: Family, entry: int) -> np.ndarray:
    """Pixel numbers of one set of a family."""
    q, i = divmod(entry, len(family)) if family.repeat else (0, entry)
    if family.last[i] < family.first[i]:
        return np.zeros(0, np.int64)
    bits = np.unpackbits(family.bits[i].astype("<u8").view(np.uint8), bitorder="little")
    pixels: np.ndarray = np.flatnonzero(bits) + (int(family.first[i]) >> 6) * 64 + q * family.repeat
    return pixels
