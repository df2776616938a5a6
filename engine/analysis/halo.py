"""Halo: the margin that tiled inference needs so that a tile's outputs equal those of the whole image.

A tile is a box of image pixels; its outputs are the entries at its place. The network is run on a *crop*: the tile and
a margin on each side that does not touch the border of the image. `rfscale.engine.footprints.margins` works it out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, Unpack

from rfscale.engine.errors import InputError
from rfscale.engine.footprints.margins import Side, check_alike, find_sides
from rfscale.engine.footprints.plan import GlobalOps
from rfscale.engine.network.network import Network, Size, check_size
from rfscale.engine.readers.load import as_network
from rfscale.engine.readers.reading import NetworkLike, SizedReading
from rfscale.engine.variables import HALO, annotate, provenance

if TYPE_CHECKING:
    import xarray as xr

Box = tuple[slice, ...]


@dataclass(frozen=True)
class Tile:
    """One tile: the box of the image to run the network on (`crop`), and where its outputs are.

    Per output, `inner` is the part of the crop's map that equals that of the whole image, and `outer` is its place
    there; one slice per axis.
    """

    crop: Box
    inner: dict[str, Box]
    outer: dict[str, Box]


def halo(
    network: NetworkLike,
    tile: int | Sequence[int] | None = None,
    *,
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
        crop needs, which keep the phase of every layer. Over axis: `period`; with `tile` also `tile`, `crop` and
        `useful`, the pixels of a tile whose crop is as large as `tile`. Scalars `waste`, pixels computed for each pixel
        of the tile (1 is none), and `waste_as_crop`, the same if `tile` is the size of the crop (inf where nothing of
        it is useful).

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
    sides, dropped = find_sides(network, layers, global_ops)
    data: dict[str, Any] = {
        "reach": (("axis", "side"), [s.reach for s in sides]),
        "margin": (("axis", "side"), [s.margin for s in sides]),
        "period": ("axis", [s.period for s in sides]),
    }
    if tile is not None:
        size = _check_tile(tile, sides, network)
        crop = [t + sum(s.margin) for t, s in zip(size, sides, strict=True)]
        useful = [max(0, t - sum(s.margin)) for t, s in zip(size, sides, strict=True)]
        data["tile"], data["crop"], data["useful"] = ("axis", list(size)), ("axis", crop), ("axis", useful)
        data["waste"] = ((), prod(crop) / prod(size))
        data["waste_as_crop"] = ((), prod(size) / prod(useful) if prod(useful) else float("inf"))
    out = xr.Dataset(data, {"axis": list(network.axes), "side": ["start", "end"]})
    left_out = list(dropped) or None
    out.attrs = provenance("halo", network, layers=list(sides[0].scale), global_ops=global_ops, dropped=left_out)
    return annotate(out, HALO)


def tiles(
    network: NetworkLike,
    image_size: int | Sequence[int],
    tile: int | Sequence[int],
    *,
    layers: Sequence[str] | None = None,
    global_ops: GlobalOps = "include",
    **reading: Unpack[SizedReading],
) -> Iterator[Tile]:
    """Yield the tiles that cover an image: what to cut, and where the outputs go.

    Parameters
    ----------
    network : Network, or what `load` takes
    image_size, tile : int or sequence of int
        Pixels per axis. A tile is a multiple of the period; those at the end of the image may be smaller.
    layers, global_ops
        As in `halo`.
    **reading
        How a model is read, as in `load`: example_input, input_size, unknown, axes, image, name, arguments.

    Yields
    ------
    Tile

    Raises
    ------
    InputError
        As `halo`; and where some layer reads a crop otherwise than the whole image, as a resize to a fixed size does.

    Examples
    --------
    >>> net = Network.sequential({"kernel": 3, "padding": 1}, axes=1)
    >>> [(t.crop, t.inner["conv1"], t.outer["conv1"]) for t in tiles(net, 6, 4)]
    [((slice(0, 5, None),), (slice(0, 4, None),), (slice(0, 4, None),)),
     ((slice(3, 6, None),), (slice(1, 3, None),), (slice(4, 6, None),))]
    """
    network = as_network(network, reading, image_size)
    image = check_size(image_size, len(network.axes), "image_size")
    whole = network.map_sizes(image)
    sides, _ = find_sides(network, layers, global_ops, image)
    size = _check_tile(tile, sides, network)
    checked: set[Size] = set()
    for corner in product(*(range(0, n, t) for n, t in zip(image, size, strict=True))):
        boxes = [_crop(a, t, n, s) for a, t, n, s in zip(corner, size, image, sides, strict=True)]
        crop = tuple(slice(low, high) for low, high in boxes)
        inner, outer = {}, {}
        for name in sides[0].scale:
            spans = [
                _span(side.scale[name], a, t, box[0], (n, out))
                for side, a, t, box, n, out in zip(sides, corner, size, boxes, image, whole[name], strict=True)
            ]
            inner[name] = tuple(slice(low - off, high - off) for low, high, off in spans)
            outer[name] = tuple(slice(low, high) for low, high, _ in spans)
        if all(any(s.start == s.stop for s in box) for box in outer.values()):
            continue  # without padding, the end of the image has no entries of its own
        lengths = tuple(high - low for low, high in boxes)
        if lengths not in checked:
            check_alike(network, lengths, global_ops, image)
            checked.add(lengths)
        yield Tile(crop, inner, outer)


def _span(scale: tuple[int, int], start: int, tile: int, crop: int, whole: tuple[int, int]) -> tuple[int, int, int]:
    """From and to which entry a tile goes along one axis, and the number of the crop's first entry."""
    entries, pixels = scale
    stop = whole[1] if start + tile >= whole[0] else min(whole[1], (start + tile) * entries // pixels)
    return min(whole[1], start * entries // pixels), stop, crop * entries // pixels


def _crop(start: int, tile: int, image: int, side: Side) -> tuple[int, int]:
    """Bounds of the crop of one tile along one axis; a rest of the image that is less than a period is added."""
    low, high = max(0, start - side.margin[0]), start + tile + side.margin[1]
    return low, high if high + side.period <= image else image


def _check_tile(tile: int | Sequence[int], sides: Sequence[Side], network: Network) -> Size:
    size = check_size(tile, len(sides), "tile")
    for axis, t, side in zip(network.axes, size, sides, strict=True):
        if t % side.period:
            near = sorted({max(1, t // side.period) * side.period, -(-t // side.period) * side.period})
            raise InputError(
                f"tile is {t} pixels along {axis}, which is no multiple of the period {side.period} of {network.name}; "
                f"give {' or '.join(map(str, near))}"
            )
    return size
