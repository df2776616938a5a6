"""The footprint of one entry on the pixel grid."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan, sqrt
from typing import TYPE_CHECKING, Unpack

import numpy as np

from rfscale.engine.columns import pixel_grid
from rfscale.engine.footprints.footprint_figures import FootprintFigures
from rfscale.engine.footprints.forward import kept_trace
from rfscale.engine.footprints.plan import Entry, GlobalOps, attributes
from rfscale.engine.readers.load import as_network
from rfscale.engine.readers.reading import NetworkLike, Reading
from rfscale.engine.variables import FOOTPRINT, FOOTPRINT_FIGURES, annotate, annotate_array, provenance

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
        One whole number per axis. Interior entries may be any; "center" is that of the largest footprint there, as
        in `profile` (0 where all are alike). ``attrs["entry"]`` says which it is.
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
    network = as_network(network, reading, input_size)
    index = network.index(layer)
    traced = kept_trace(network, input_size, global_ops)
    counted = FootprintFigures(traced)
    at = counted.entry(index, entry)
    grid, origin = counted.pixels(index, at)
    attrs = attributes(traced.plan, f"footprint {layer}", list(at), global_ops)
    out = pixel_grid(grid, network.axes, origin, "footprint", attrs)
    return annotate_array(out, FOOTPRINT, entry=at, layer=layer)


def footprint_figures(footprint: xr.DataArray) -> xr.Dataset:
    """Return area, width, density, extent and first pixel of a footprint that is drawn.

    Parameters
    ----------
    footprint : xr.DataArray of bool
        As from `footprint`.

    Returns
    -------
    xr.Dataset
        Scalars, and per `axis`; `rfscale.engine.variables.FOOTPRINT_FIGURES` says what each is. An empty footprint has
        area and extent 0.

    Examples
    --------
    >>> from rfscale import Network
    >>> figures = footprint_figures(footprint(Network.sequential({"kernel": 3, "dilation": 2}), "conv1"))
    >>> int(figures.area), figures.extent.values.tolist(), round(float(figures.density), 2)
    (9, [5, 5], 0.36)
    """
    import xarray as xr

    filled = footprint.values
    other_axes = [tuple(b for b in range(filled.ndim) if b != a) for a in range(filled.ndim)]
    places = [np.flatnonzero(filled.any(axis=others)) for others in other_axes]
    area = int(filled.sum())
    ends = [(p[0], p[-1] + 1) if area else (0, 0) for p in places]
    extent = np.array([high - low for low, high in ends], np.int64)
    start = [footprint[d].values[low] for d, (low, _) in zip(footprint.dims, ends, strict=True)]
    data = {
        "area": ((), area),
        "width": ((), sqrt(area)),
        "density": ((), area / int(extent.prod()) if area else nan),
        "extent": ("axis", extent),
        "start": ("axis", np.array(start, np.int64)),
    }
    out = xr.Dataset(data, {"axis": [str(d) for d in footprint.dims]}, provenance("footprint_figures"))
    out.attrs |= {k: v for k, v in footprint.attrs.items() if k not in ("units", "long_name")}
    return annotate(out, FOOTPRINT_FIGURES)
