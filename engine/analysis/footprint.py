"""The footprint of one entry on the pixel grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

import numpy as np

from rfscale.engine.footprints.footprint_figures import FootprintFigures
from rfscale.engine.footprints.forward import trace
from rfscale.engine.footprints.plan import Entry, GlobalOps, attributes, check_entry
from rfscale.engine.readers.load import as_network
from rfscale.engine.readers.reading import NetworkLike, Reading

if TYPE_CHECKING:
    import xarray as xr


def footprint(
    network: NetworkLike,
    layer: str,
    entry: Entry = "center",
    input_size: int | Sequence[int] | None = None,
    global_ops: GlobalOps = "include",
    **reading: Unpack[Reading],
) -> xr.DataArray:
    """Return the exact set of input pixels with a path to one entry of a feature map.

    Parameters
    ----------
    network : Network, or what `load` takes
    layer : str
        Name of the layer.
    entry : "center" or sequence of int
        One whole number per axis. Interior entries may be any; "center" is entry 0 there.
    input_size : int or sequence of int, optional
        Pixels per axis (finite). Without it the footprint is interior: no borders, pixels of any number.
    global_ops : {"include", "skip"}
        Whether merges take in branches with a global receptive field.
    **reading
        How a model is read, as in `load`: example_input, unknown, axes, image, name, arguments.

    Returns
    -------
    xr.DataArray of bool
        Over the axes, with pixel numbers as coordinates: the whole image in finite mode, the bounding box in interior
        mode.

    Raises
    ------
    InputError
        For an unknown layer, an entry outside its map, a footprint without bounds (interior, downstream of a global
        op), or one of more than 2^31 pixels.

    Examples
    --------
    >>> import rfscale as rf
    >>> net = rf.Network.sequential(*[{"kernel": 3, "dilation": 2}] * 5)
    >>> fp = footprint(net, "conv5")
    >>> fp.shape, int(fp.sum())
    ((21, 21), 121)
    """
    import xarray as xr

    network = as_network(network, reading, input_size)
    index = network.index(layer)
    traced = trace(network, input_size, global_ops)
    size = traced.plan.steps[index].size if traced.plan.input_size else None
    at = check_entry(entry, size, len(network.axes), layer)
    grid, origin = FootprintFigures(traced).pixels(index, at)
    coords = {axis: np.arange(n) + o for axis, n, o in zip(network.axes, grid.shape, origin, strict=True)}
    out = xr.DataArray(grid, coords, network.axes, name="footprint")
    out.attrs = attributes(traced.plan, f"footprint {layer}", list(at), global_ops)
    out.attrs |= {"long_name": f"footprint of entry {at} of {layer}", "units": "1"}
    for axis in network.axes:
        out[axis].attrs = {"units": "pixel", "long_name": f"pixel number along {axis}"}
    return out
