"""What tiles cost: pixels that are computed more than once, and memory; and the tile that keeps within limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from math import nan, prod
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np

from rfscale.engine.analysis.tiling.tiles import Place, check_tile, have_entries, places_along
from rfscale.engine.errors import InputError, Parameter, nearest, shown
from rfscale.engine.footprints.margins import Side, find_sides
from rfscale.engine.footprints.plan import GlobalOps
from rfscale.engine.network.input_sizes import input_sizes
from rfscale.engine.network.memory import BYTES, peak_memory
from rfscale.engine.network.network import Network, Size, check_size
from rfscale.engine.network.spec import is_number, listed
from rfscale.engine.readers.load import as_network
from rfscale.engine.readers.reading import NetworkLike, SizedReading
from rfscale.engine.variables import TILE_COSTS, annotate, provenance

if TYPE_CHECKING:
    import xarray as xr

LISTED = {1: range(8, 21, 2), 2: range(6, 13), 3: range(4, 10)}  # powers of two that are listed, by number of axes
LARGEST = 1 << 22  # pixels of a tile along an axis that are tried


@dataclass(frozen=True)
class TileCost:
    """What one tile costs: its crop, the pixels computed for each of use, and the bytes that maps take.

    Attributes
    ----------
    tile, crop : tuple of int
        Pixels per axis; of an image, the largest crop.
    tiles : int
        How many cover the image; 1 without one.
    waste : float
    memory : float
        Bytes; nan where channels are not known.
    """

    tile: Size
    crop: Size
    tiles: int
    waste: float
    memory: float


def tile_costs(
    network: NetworkLike,
    tiles: Sequence[int | Sequence[int]] | None = None,
    *,
    image_size: int | Sequence[int] | None = None,
    dtype: str = "float32",
    layers: Sequence[str] | None = None,
    global_ops: GlobalOps = "include",
    **reading: Unpack[SizedReading],
) -> xr.Dataset:
    """Return what tiles of several sizes cost.

    Parameters
    ----------
    network : Network, or what `load` takes
    tiles : sequence of (int or sequence of int), optional
        Pixels of a tile per axis, multiples of the period; by default powers of two, rounded up to it.
    image_size : int or sequence of int, optional
        Pixels per axis of the images that are cut: crops have no margin at their borders, and `waste` counts that.
        They are padded to the nearest valid size.
    dtype : str
        Type of the maps' values: float64, float32, bfloat16, float16 or int8.
    layers, global_ops
        As in `halo`.
    **reading
        How a model is read, as in `load`: example_input, input_size, unknown, axes, image, name, arguments.

    Returns
    -------
    xr.Dataset
        Over (option, axis): `tile` and `crop`, in pixels. Over option: `tiles`, how many cover the image, `waste`,
        pixels computed for each of use, and `memory`, the most bytes that maps take at one time when the network runs
        on a crop; see `rfscale.engine.network.memory` for what it counts. nan where channels are not known.

    Raises
    ------
    InputError
        As `halo`; for a dtype that is not known, and an image smaller than any valid size.

    Examples
    --------
    >>> import rfscale as rf
    >>> found = tile_costs("unet-padded", [256, 512, 1024])
    >>> found.crop.sel(axis="x").values.tolist(), found.waste.round(2).values.tolist()
    ([448, 704, 1216], [3.06, 1.89, 1.41])
    """
    net = as_network(network, reading)
    cost, sides = _cost_of(net, image_size, dtype, layers, global_ops)
    sizes = _listed(net, sides, cost.padded) if tiles is None else _given(tiles, sides, net)
    return costs_dataset([cost(size) for size in sizes], net, dtype, cost.image)


def choose_tile(
    network: NetworkLike,
    *,
    waste: float | None = None,
    memory: float | None = None,
    image_size: int | Sequence[int] | None = None,
    dtype: str = "float32",
    layers: Sequence[str] | None = None,
    global_ops: GlobalOps = "include",
    **reading: Unpack[SizedReading],
) -> tuple[int, ...]:
    """Return the tile that keeps within limits, as square as the period allows.

    Parameters
    ----------
    network : Network, or what `load` takes
    waste : float, optional
        The smallest tile with no more pixels computed for each of use.
    memory : float, optional
        The largest tile whose maps take no more bytes. With both limits, it must keep the other one too.
    image_size, dtype, layers, global_ops, **reading
        As in `tile_costs`.

    Returns
    -------
    tuple of int
        Pixels per axis.

    Raises
    ------
    InputError
        Where no tile keeps the limits; the message says the nearest.

    Examples
    --------
    >>> choose_tile("unet-padded", waste=1.5), choose_tile("unet-padded", memory=2e9)
    ((864, 864), (1200, 1200))
    """
    if waste is None and memory is None:
        raise InputError("choose_tile needs a limit", remedy=("give ", Parameter("waste"), " or ", Parameter("memory")))
    limits: tuple[tuple[str, Any, int], ...] = ("waste", waste, 1), ("memory", memory, 0)
    for name, limit, least in limits:
        if limit is not None and not (is_number(limit) and limit > least):
            raise InputError(argument=Parameter(name), value=limit, remedy=f"it must be more than {least}")
    net = as_network(network, reading)
    cost, sides = _cost_of(net, image_size, dtype, layers, global_ops)
    return _within(net, cost, sides, waste, memory)


def costs_dataset(costs: Sequence[TileCost], network: Network, dtype: str, image: Size | None) -> xr.Dataset:
    """Return costs as a dataset over (option, axis)."""
    import xarray as xr

    data = {
        "tile": (("option", "axis"), np.array([c.tile for c in costs], np.int64)),
        "crop": (("option", "axis"), np.array([c.crop for c in costs], np.int64)),
        "waste": ("option", np.array([c.waste for c in costs], float)),
        "memory": ("option", np.array([c.memory for c in costs], float)),
    }
    if image is not None:
        data["tiles"] = "option", np.array([c.tiles for c in costs], np.int64)
    out = xr.Dataset(data, {"axis": list(network.axes)})
    out.attrs = provenance("tile_costs", network, dtype=dtype, image_size=None if image is None else list(image))
    return annotate(out, TILE_COSTS)


# one tile -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Cost:
    """The cost of a tile as a function of its size."""

    network: Network
    sides: Sequence[Side]
    dtype: str
    image: Size | None
    padded: Size | None

    def __call__(self, tile: Size) -> TileCost:
        if self.image is None or self.padded is None:
            crop = tuple(t + sum(s.margin) for t, s in zip(tile, self.sides, strict=True))
            return TileCost(tile, crop, 1, prod(crop) / prod(tile), self._memory(crop))
        tiles = computed = 0
        crop = (0,) * len(tile)
        for kinds in product(*map(_kinds, places_along(self.network, self.padded, tile, self.sides))):
            if have_entries(kind.outputs for kind in kinds):
                tiles += prod(kind.places for kind in kinds)
                computed += prod(kind.pixels for kind in kinds)
                crop = tuple(max(n, kind.longest) for n, kind in zip(crop, kinds, strict=True))
        return TileCost(tile, crop, tiles, computed / prod(self.image), self._memory(crop))

    def _memory(self, crop: Size) -> float:
        try:
            return peak_memory(self.network, crop, self.dtype)
        except InputError:  # the network takes no crop of this size
            return nan


class _Kind(NamedTuple):
    """The places along one axis where the same outputs have entries: how many, and the pixels of their crops."""

    outputs: frozenset[str]
    places: int
    pixels: int
    longest: int


def _kinds(places: Sequence[Place]) -> list[_Kind]:
    lengths: dict[frozenset[str], list[int]] = {}
    for place in places:
        lengths.setdefault(place.outputs, []).append(place.length)
    return [_Kind(outputs, len(n), sum(n), max(n)) for outputs, n in lengths.items()]


def _cost_of(
    network: Network,
    image_size: int | Sequence[int] | None,
    dtype: str,
    layers: Sequence[str] | None,
    global_ops: GlobalOps,
) -> tuple[_Cost, list[Side]]:
    if not isinstance(dtype, str) or dtype not in BYTES:
        raise InputError(f"dtype is {shown(dtype)}; {nearest(dtype, BYTES)}")
    image = None if image_size is None else check_size(image_size, len(network.axes), "image_size")
    padded = None if image is None else padded_size(network, image)
    sides, _ = find_sides(network, layers, global_ops, padded)
    return _Cost(network, sides, dtype, image, padded), sides


def padded_size(network: Network, image: Size) -> Size:
    """Return the smallest valid size that is no smaller than an image along any axis: what to pad it to.

    Examples
    --------
    >>> layers = [{"op": "max_pool", "kernel": [2, 8, 4]}, {"op": "upsample", "scale": [2, 8, 4]}]
    >>> net = Network.sequential(*layers, {"op": "add", "inputs": ["input", "upsample2"]}, axes=3)
    >>> padded_size(net, (45, 101, 83))
    (46, 104, 84)
    """
    found = [sizes.at_least(n) for sizes, n in zip(input_sizes(network), image, strict=True)]
    if None in found:
        raise InputError(f"no image of {'×'.join(map(str, image))} pixels or more fits {network.name}")
    return tuple(n for n in found if n is not None)


# several tiles --------------------------------------------------------------------------------------------------------


def _rounded(pixels: int, sides: Sequence[Side], image: Size | None) -> Size:
    """The tile of so many pixels per axis, rounded up to the period, and no larger than the image."""
    up = [-(-pixels // s.period) * s.period for s in sides]
    return tuple(up) if image is None else tuple(
        min(t, -(-n // s.period) * s.period) for t, n, s in zip(up, image, sides, strict=True)
    )  # fmt: skip


def _given(tiles: Any, sides: Sequence[Side], network: Network) -> list[Size]:
    several = listed(tiles.tolist() if isinstance(tiles, np.ndarray) else tiles)
    if not several:
        raise InputError(argument=Parameter("tiles"), value=tiles, remedy="give a list of tiles, such as [256, 512]")
    return [check_tile(tile, sides, network) for tile in several]


def _listed(network: Network, sides: Sequence[Side], image: Size | None) -> list[Size]:
    found = dict.fromkeys(_rounded(1 << power, sides, image) for power in LISTED[len(network.axes)])
    return list(found)


def _within(network: Network, cost: _Cost, sides: Sequence[Side], waste: float | None, memory: float | None) -> Size:
    """The tile that keeps within limits: waste falls and memory grows with the tile."""
    image = cost.padded
    step = min(s.period for s in sides)
    most = LARGEST if image is None else max(image) + step

    def at(number: int) -> TileCost:
        return cost(_rounded(number * step, sides, image))

    if memory is not None and at(1).memory != at(1).memory:
        raise InputError(f"the memory of {network.name} is not known, for not all of its layers say their channels")
    if memory is None:
        assert waste is not None
        found = at(_first(lambda n: at(n).waste <= waste, most // step))
        if found.waste > waste:
            raise InputError(argument=Parameter("waste"), value=waste, remedy=_nearest(found))
        return found.tile
    over = _first(lambda n: at(n).memory > memory, most // step)
    found = at(over if at(over).memory <= memory else max(1, over - 1))
    if found.memory > memory:
        raise InputError(argument=Parameter("memory"), value=memory, remedy=_nearest(found))
    if waste is not None and found.waste > waste:
        remedy = f"with the memory given, {_nearest(found)}"
        raise InputError(argument=Parameter("waste"), value=waste, remedy=remedy)
    return found.tile


def _first(is_true: Callable[[int], bool], most: int) -> int:
    """The first number from 1 on for which something is true that stays so; `most` where it never is."""
    high = 1
    while high < most and not is_true(high):
        high *= 2
    low, high = high // 2, min(high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_true(middle) else (middle, high)
    return high


def _nearest(cost: TileCost) -> str:
    tile = "×".join(map(str, cost.tile))
    memory = f", {cost.memory:,.0f} bytes" if cost.memory == cost.memory else ""
    return f"the nearest is a tile of {tile}: waste {cost.waste:.3g}{memory}"
