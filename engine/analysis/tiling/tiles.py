"""The tiles of an image: what to cut, and where the outputs go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple, Unpack

from rfscale.engine.errors import InputError, Parameter
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
    checked: set[Size] = set()
    for places in product(*places_along(network, image, tile, sides)):
        if not have_entries(place.outputs for place in places):
            continue
        lengths = tuple(place.length for place in places)
        if lengths not in checked:
            _check_fits(network, lengths)
            check_alike(network, sides[0].scale, lengths, global_ops, image)
            checked.add(lengths)
        inner, outer = {}, {}
        for name in sides[0].scale:
            spans = [place.spans[name] for place in places]
            inner[name] = tuple(slice(low - off, high - off) for low, high, off in spans)
            outer[name] = tuple(slice(low, high) for low, high, _ in spans)
        yield Tile(tuple(slice(*place.crop) for place in places), inner, outer)


def _check_fits(network: Network, crop: Size) -> None:
    try:
        network.map_sizes(crop)
    except InputError as error:
        raise InputError(
            f"{network.name} does not take the crop of a tile at the border, {'×'.join(map(str, crop))} pixels: "
            f"{error.reason}",
            remedy=("give a larger ", Parameter("tile"), ", or one that leaves no narrow rest of the image"),
        ) from None


class Place(NamedTuple):
    """Where tiles lie along one axis.

    Attributes
    ----------
    crop : tuple of int
        First pixel of the crop, and the one after its last.
    spans : dict
        Per output from and to which entry the tile goes, and the number of the crop's first entry.
    """

    crop: tuple[int, int]
    spans: dict[str, tuple[int, int, int]]

    @property
    def length(self) -> int:
        """Pixels of the crop."""
        return self.crop[1] - self.crop[0]

    @property
    def outputs(self) -> frozenset[str]:
        """Outputs that have entries there."""
        return frozenset(name for name, (low, high, _) in self.spans.items() if low < high)


def places_along(network: Network, image: Size, tile: Size, sides: Sequence[Side]) -> list[list[Place]]:
    """Return the places of tiles along each axis of an image; tiles lie at all combinations that have entries."""
    whole = network.map_sizes(image)
    found: list[list[Place]] = []
    for axis, (n, t, side) in enumerate(zip(image, tile, sides, strict=True)):
        sizes = {name: whole[name][axis] for name in side.scale}
        found.append([_place(start, t, n, side, sizes) for start in range(0, n, t)])
    return found


def have_entries(outputs: Iterable[frozenset[str]]) -> bool:
    """Whether a tile has entries, from the outputs that have some at its place along each axis.

    Without padding, the end of the image has none of its own.
    """
    return bool(frozenset.intersection(*outputs))


def _place(start: int, tile: int, image: int, side: Side, sizes: dict[str, int]) -> Place:
    crop = _crop_bounds(start, tile, image, side)
    spans = {}
    for name, (entries, pixels) in side.scale.items():
        size = sizes[name]
        stop = size if start + tile >= image else min(size, (start + tile) * entries // pixels)
        spans[name] = min(size, start * entries // pixels), stop, crop[0] * entries // pixels
    return Place(crop, spans)


def _crop_bounds(start: int, tile: int, image: int, side: Side) -> tuple[int, int]:
    """The bounds of one tile's crop along one axis; a rest of the image of less than a period is added."""
    low, high = max(0, start - side.margin[0]), start + tile + side.margin[1]
    if low == 0:
        high = max(high, side.least[0])
    if high + side.period <= image:
        return low, high
    return max(0, min(low, image - image % side.period - side.least[1])), image


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
