"""Halo: the margin that tiled inference needs so that a tile's outputs equal those of the whole image.

A tile is a box of image pixels; its outputs are the entries at its place. The network is run on a *crop*: the tile and
a margin on each side that does not touch the border of the image. `rfscale.engine.footprints.margins` works it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from rfscale.engine.analysis.tiling.tile_costs import padded_size
from rfscale.engine.analysis.tiling.tiles import check_tile
from rfscale.engine.footprints.margins import find_sides
from rfscale.engine.footprints.plan import GlobalOps
from rfscale.engine.network.input_sizes import input_sizes
from rfscale.engine.network.network import check_size
from rfscale.engine.readers.load import as_network
from rfscale.engine.readers.reading import NetworkLike, SizedReading
from rfscale.engine.variables import HALO, annotate, provenance

if TYPE_CHECKING:
    import xarray as xr


def halo(
    network: NetworkLike,
    tile: int | Sequence[int] | None = None,
    *,
    image_size: int | Sequence[int] | None = None,
    layers: Sequence[str] | None = None,
    global_ops: GlobalOps = "include",
    **reading: Unpack[SizedReading],
) -> xr.Dataset:
    """Return the margin per side that tiles of a network need, and what it costs.

    Parameters
    ----------
    network : Network, or what `load` takes
    tile : int or sequence of int, optional
        Pixels of a tile per axis, margins not counted: a multiple of the period.
    image_size : int or sequence of int, optional
        Pixels per axis of the images that are cut: `pad_to` says what to pad them to.
    layers : sequence of str, optional
        The maps that must be exact; by default the network's outputs.
    global_ops : {"include", "skip"}
        Layers with a global receptive field cannot be tiled. "skip" leaves them out where they merge with others: the
        result holds for what is left.
    **reading
        How a model is read, as in `load`: example_input, input_size, unknown, axes, image, name, arguments.

    Returns
    -------
    xr.Dataset
        Over (axis, side): `reach`, the pixels out of the tile that outputs depend on, and `margin`, the pixels that a
        crop needs, which keep the phase of every layer. Over axis: `period` and `valid`, the sizes that the network
        takes, in words; with `image_size` `pad_to`, the smallest of them that is no smaller; with `tile` also `tile`,
        `crop` and `useful`, the pixels of a tile whose crop is as large as `tile`. Scalars `waste`, pixels computed for
        each pixel of the tile (1 is none), and `waste_as_crop`, the same if `tile` is the size of the crop (inf where
        nothing of it is useful).

    Raises
    ------
    InputError
        For layers with a global receptive field or a map that depends on the size of the image, and for tiles that are
        no multiple of the period; the message names the layer, or the nearest tile sizes.

    Examples
    --------
    >>> import rfscale as rf
    >>> found = halo(rf.Network.sequential({"kernel": 3, "padding": 1}, {"kernel": 5, "padding": 2}), 10)
    >>> found.margin.values.tolist(), found.crop.values.tolist(), float(found.waste)
    ([[3, 3], [3, 3]], [16, 16], 2.56)
    """
    import xarray as xr

    network = as_network(network, reading)
    image = None if image_size is None else check_size(image_size, len(network.axes), "image_size")
    sides, dropped = find_sides(network, layers, global_ops)
    data: dict[str, Any] = {
        "reach": (("axis", "side"), [s.reach for s in sides]),
        "margin": (("axis", "side"), [s.margin for s in sides]),
        "period": ("axis", [s.period for s in sides]),
        "valid": ("axis", np.array([sizes.text for sizes in input_sizes(network)], object)),
    }
    if image is not None:
        data["pad_to"] = "axis", list(padded_size(network, image))
    if tile is not None:
        size = check_tile(tile, sides, network)
        crop = [t + sum(s.margin) for t, s in zip(size, sides, strict=True)]
        useful = [max(0, t - sum(s.margin)) for t, s in zip(size, sides, strict=True)]
        data["tile"], data["crop"], data["useful"] = ("axis", list(size)), ("axis", crop), ("axis", useful)
        data["waste"] = ((), prod(crop) / prod(size))
        data["waste_as_crop"] = ((), prod(size) / prod(useful) if prod(useful) else float("inf"))
    out = xr.Dataset(data, {"axis": list(network.axes), "side": ["start", "end"]})
    left_out = list(dropped) or None
    out.attrs = provenance("halo", network, layers=list(sides[0].scale), global_ops=global_ops, dropped=left_out)
    return annotate(out, HALO)
