"""The tiles of an image: what to cut, and where the outputs go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Unpack

from rfscale.engine.errors import InputError
from rfscale.engine.footprints.margins import Side, check_alike, find_sides
from rfscale.engine.footprints.plan import GlobalOps
from rfscale.engine.network.input_sizes import AxisSizes
from rfscale.engine.network.network import Network, Size, check_size
from rfscale.engine.readers.load import as_network
from rfscale.engine.readers.reading import NetworkLike, SizedReading

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
    sides, _ = find_sides(network, layers, global_ops, image)
    yield from cut_tiles(network, image, check_tile(tile, sides, network), sides, global_ops)


def cut_tiles(
    network: Network, image: Size, tile: Size, sides: Sequence[Side], global_ops: GlobalOps = "include"
) -> Iterator[Tile]:
    """Yield the tiles that cover an image, with the margins of `sides`."""
    whole = network.map_sizes(image)
    checked: set[Size] = set()
    for corner in product(*(range(0, n, t) for n, t in zip(image, tile, strict=True))):
        boxes = [crop_bounds(a, t, n, s) for a, t, n, s in zip(corner, tile, image, sides, strict=True)]
        crop = tuple(slice(low, high) for low, high in boxes)
        inner, outer = {}, {}
        for name in sides[0].scale:
            spans = [
                _span(side.scale[name], a, t, box[0], (n, out))
                for side, a, t, box, n, out in zip(sides, corner, tile, boxes, image, whole[name], strict=True)
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


def crop_bounds(start: int, tile: int, image: int, side: Side) -> tuple[int, int]:
    """Return the bounds of one tile's crop along one axis; a rest of the image of less than a period is added."""
    low, high = max(0, start - side.margin[0]), start + tile + side.margin[1]
    return low, high if high + side.period <= image else image


def check_tile(tile: int | Sequence[int], sides: Sequence[Side], network: Network) -> Size:
    """Return the pixels of a tile per axis, which are multiples of the periods."""
    size = check_size(tile, len(sides), "tile")
    for axis, t, side in zip(network.axes, size, sides, strict=True):
        if t % side.period:
            near = [n for n in AxisSizes.multiples(side.period).near(t) if n]
            raise InputError(
                f"tile is {t} pixels along {axis}, which is no multiple of the period {side.period} of {network.name}; "
                f"give {' or '.join(map(str, near))}"
            )
    return size
