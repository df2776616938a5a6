"""The exact figures of every entry of one feature map."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import TYPE_CHECKING, Unpack

import numpy as np

from rfscale.engine.errors import INPUT_SIZE, InputError
from rfscale.engine.footprints.footprint_figures import FootprintFigures
from rfscale.engine.footprints.forward import kept_trace
from rfscale.engine.footprints.intervals import Intervals
from rfscale.engine.footprints.plan import GlobalOps, attributes
from rfscale.engine.network.network import Size
from rfscale.engine.readers.load import as_network
from rfscale.engine.readers.reading import NetworkLike, Reading
from rfscale.engine.variables import ENTRY_MAP, annotate

if TYPE_CHECKING:
    import xarray as xr


def entry_map(
    network: NetworkLike,
    layer: str,
    input_size: int | Sequence[int],
    global_ops: GlobalOps = "include",
    **reading: Unpack[Reading],
) -> xr.Dataset:
    """Return the exact figures of every entry of one feature map.

    Parameters
    ----------
    network : Network, or what `load` takes
    layer : str
    input_size : int or sequence of int
        Pixels per axis.
    global_ops : {"include", "skip"}
    **reading
        How a model is read, as in `load`: example_input, unknown, axes, image, name, arguments.

    Returns
    -------
    xr.Dataset
        area, width, density over (entry_y, entry_x), and extent, start, centre, max_gap, overlap over (entry_y,
        entry_x, axis); `rfscale.engine.variables.ENTRY_MAP` says what each is. An entry that reads only padding has
        area and extent 0. `centre` is in pixels, whole or half: the middle of an entry's bounding box if all maps went
        on beyond their borders; nan downstream of a global op, whose map must end, and of merged maps of different
        jumps. It is interval arithmetic: a branch whose entry reads nothing along one axis (transposed convolution,
        kernel < stride) counts along the others.
    """
    import xarray as xr

    network = as_network(network, reading, input_size)
    if input_size is None:
        raise InputError("without borders all entries are alike, see profile", remedy=("give ", INPUT_SIZE))
    index = network.index(layer)
    traced = kept_trace(network, input_size, global_ops)
    figures = FootprintFigures(traced).map_figures(index)
    shape = traced.plan.steps[index].size
    assert shape is not None
    dims = tuple(f"entry_{axis}" for axis in network.axes)

    def stacked(arrays: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack([np.broadcast_to(a, shape) for a in arrays], axis=-1)

    data = {
        **{name: (dims, getattr(figures, name)) for name in ("area", "width", "density")},
        **{name: ((*dims, "axis"), stacked(getattr(figures, name))) for name in ("extent", "max_gap", "overlap")},
        "start": ((*dims, "axis"), stacked(figures.first)),
        "centre": ((*dims, "axis"), stacked(_centres(traced.plan.steps[index].intervals, shape))),
    }
    coords = {d: np.arange(n) for d, n in zip(dims, shape, strict=True)} | {"axis": list(network.axes)}
    out = xr.Dataset(data, coords)
    out.attrs = attributes(traced.plan, f"entry_map {layer}", "every", global_ops)
    return annotate(out, ENTRY_MAP)


def _centres(intervals: Sequence[Intervals] | None, shape: Size) -> list[np.ndarray]:
    """Per axis the middle of the interval of each entry, laid along that axis; nan where it is not known."""
    if intervals is None:
        return [np.array(nan)] * len(shape)
    rows = [np.array([i.middle(o) for o in range(n)]) for i, n in zip(intervals, shape, strict=True)]
    return list(np.ix_(*rows))
