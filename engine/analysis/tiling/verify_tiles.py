"""The proof of a halo on the model itself: run on tiles and on the whole image, the outputs are the same."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from math import inf, isfinite, nan, prod
from os import PathLike
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from rfscale.engine.analysis.tiling.tile_costs import padded_size
from rfscale.engine.analysis.tiling.tiles import Tile, check_tile, cut_tiles
from rfscale.engine.errors import InputError, Parameter
from rfscale.engine.files import need_package
from rfscale.engine.footprints.margins import Side, find_sides
from rfscale.engine.network.memory import peak_memory
from rfscale.engine.network.network import Network, Size, check_size
from rfscale.engine.readers.load import as_network, maker_of, torch_model
from rfscale.engine.readers.reading import NetworkLike, SizedReading
from rfscale.engine.variables import TILE_TEST, annotate, provenance

if TYPE_CHECKING:
    import xarray as xr

SMALLEST = 16  # pixels per axis of a tile that is chosen


def verify_tiles(
    model: NetworkLike,
    tile: int | Sequence[int] | None = None,
    image_size: int | Sequence[int] | None = None,
    *,
    seed: int = 0,
    **reading: Unpack[SizedReading],
) -> xr.Dataset:
    """Run a PyTorch model on tiles and on the whole image, in float64, and return the largest differences.

    Parameters
    ----------
    model : torch.nn.Module, or a text that `load` takes and that makes one
        A copy runs on the CPU in evaluation mode, with the weights that it has. It takes one image (batch, channels,
        pixels per axis).
    tile, image_size : int or sequence of int, optional
        Pixels per axis; an image that the network does not take is padded. All tiles are run. By default both are as
        small as shows every margin, and three tiles are run: at the start, inside and at the end of all axes.
    seed : int
        Of the image's random values, and of weights that the model draws when it is made.
    **reading
        How a model is read, as in `load`: example_input, input_size, unknown, axes, image, name, arguments.

    Returns
    -------
    xr.Dataset
        Over output, the tensors that the model returns and that are maps: `difference`, the largest between tiled and
        whole; `shorter_difference`, that of a tile inside with margins one period shorter, to show that these are not
        enough (inf where such a crop lacks entries, nan where no margin can be shorter);
        `largest`, the largest value. A library may add up in another order on maps of another size, which leaves some
        1e-16 of the values; with weights of few digits, such as whole numbers, nothing is rounded, and the difference
        is 0. attrs: `image_size`, `tile`, `tiles` that were run, `tiles_of_image`, and `not_compared`, returned tensors
        that are no map, such as boxes.

    Raises
    ------
    InputError
        For what is no PyTorch module, for one that does not run on such an image or returns no maps, and as `halo`.
    """
    if isinstance(model, str | PathLike):
        maker_of(str(model))
    need_package("torch", "to run the model")
    import torch
    import xarray as xr

    network = as_network(model, reading)
    sides, _ = find_sides(network, None, "include")
    image, size = _sizes(network, sides, tile, image_size)
    _check_memory(network, image)
    sides, _ = find_sides(network, None, "include", image)
    options = {key: value for key, value in reading.items() if value is not None}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        arguments: Any = options.pop("arguments", {})
        runner = _Runner(torch_model(model, arguments, options))
        pixels = torch.randint(-128, 129, (1, network.input_channels, *image)).double() / 64
        whole = runner(pixels)
        maps = _maps(network, image, whole)
        tiles = list(cut_tiles(network, image, size, sides))
        total = len(tiles)
        if tile is None and image_size is None:  # axes do not depend on each other: all kinds of place along each
            tiles = list({id(t): t for t in (tiles[0], max(tiles, key=_volume), tiles[-1])}.values())
        differences = _differences(runner, pixels, whole, maps, tiles)
        if not all(map(isfinite, differences.values())):
            raise InputError(f"{network.name} returns other outputs of a crop than of the whole image")
        shorter = dict.fromkeys(maps, nan)
        if _shorter(sides) != sides:  # one tile shows it: the one inside, with all its margins
            inside = max(cut_tiles(network, image, size, _shorter(sides)), key=_volume)
            shorter = _differences(runner, pixels, whole, maps, [inside])
    data = {
        "difference": ("output", np.array([differences[i] for i in maps])),
        "shorter_difference": ("output", np.array([shorter[i] for i in maps])),
        "largest": ("output", np.array([float(whole[i].abs().max()) for i in maps])),
    }
    out = xr.Dataset(data, {"output": np.array([_label(whole[i], i) for i in maps], str)})
    left_out = [_label(t, i) for i, t in enumerate(whole) if i not in maps]
    facts = {
        "image_size": list(image),
        "tile": list(size),
        "tiles": len(tiles),
        "tiles_of_image": total,
        "not_compared": left_out or None,
    }
    out.attrs = provenance("verify_tiles", network, seed=seed, **facts)
    return annotate(out, TILE_TEST)


def _check_memory(network: Network, image: Size) -> None:
    """Refuse an image whose maps would fill the memory of this machine."""
    needed, room = peak_memory(network, image, "float64"), physical_memory() / 2
    if needed > room:
        raise InputError(
            f"{network.name} takes {needed:.2g} bytes in float64 on an image of {'×'.join(map(str, image))}, and "
            f"half of this machine's memory is {room:.2g}",
            remedy=("give a smaller ", Parameter("image_size"), " or ", Parameter("tile"), "; small ones show as much"),
        )


def physical_memory() -> float:
    """Return the bytes of memory that this machine has; inf where the system does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return inf


class _Runner:
    """A copy of a model in float64, which returns the tensors of its result in order."""

    def __init__(self, model: Any) -> None:
        self._model = deepcopy(model).double().cpu().eval()

    def __call__(self, pixels: Any) -> list[Any]:
        try:
            return list(_tensors(self._model(pixels)))
        except Exception as error:
            shape = ", ".join(map(str, pixels.shape))
            message = " ".join(f"{type(error).__name__}: {error}".split())
            raise InputError(f"the model does not run on an image of shape ({shape}) in float64: {message}") from None


def _tensors(result: Any) -> Iterator[Any]:
    """The tensors of what a model returns, in order."""
    import torch

    if isinstance(result, torch.Tensor):
        yield result
        return
    parts = result.values() if isinstance(result, Mapping) else result if isinstance(result, list | tuple) else ()
    for part in parts or vars(result).values() if hasattr(result, "__dict__") and not parts else parts:
        yield from _tensors(part)


def _maps(network: Network, image: Size, whole: Sequence[Any]) -> dict[int, str]:
    """Of the returned tensors that are maps of outputs, which output: outputs of one size lie alike."""
    sizes = network.map_sizes(image)
    by_size = {sizes[name]: name for name in reversed(network.outputs)}
    found = {i: by_size.get(tuple(t.shape[2:])) for i, t in enumerate(whole) if t.dim() == 2 + len(image)}
    maps = {i: name for i, name in found.items() if name is not None}
    if not maps:
        shapes = ", ".join("×".join(map(str, t.shape)) for t in whole) or "nothing"
        raise InputError(f"{network.name} returns no map of its outputs that can be compared: {shapes}")
    return maps


def _differences(
    runner: _Runner, pixels: Any, whole: Sequence[Any], maps: Mapping[int, str], tiles: Iterable[Tile]
) -> dict[int, float]:
    """The largest difference of each map between the tiles and the whole; inf where a crop lacks entries."""
    found = dict.fromkeys(maps, 0.0)
    for tile in tiles:
        parts = runner(pixels[(..., *tile.crop)])
        for i, name in maps.items():
            got, wanted = parts[i][(..., *tile.inner[name])], whole[i][(..., *tile.outer[name])]
            if got.shape != wanted.shape:
                found[i] = inf
            elif got.numel():
                found[i] = max(found[i], float((got - wanted).abs().max()))
    return found


def _volume(tile: Tile) -> int:
    return prod(s.stop - s.start for s in tile.crop)


def _shorter(sides: Sequence[Side]) -> list[Side]:
    """The sides with margins one period shorter, where there are any."""
    return [replace(s, margin=(max(0, s.margin[0] - s.period), max(0, s.margin[1] - s.period))) for s in sides]


def _sizes(
    network: Network, sides: Sequence[Side], tile: int | Sequence[int] | None, image_size: int | Sequence[int] | None
) -> tuple[Size, Size]:
    """The image and the tile: by default as small as gives one tile inside all its margins."""
    chosen = tuple(-(-SMALLEST // s.period) * s.period for s in sides)
    size = chosen if tile is None else check_tile(tile, sides, network)
    if image_size is not None:
        return padded_size(network, check_size(image_size, len(sides), "image_size")), size
    least = [
        -(-max(s.margin[0], 1) // t) * t + t + max(s.margin[1], s.period) for t, s in zip(size, sides, strict=True)
    ]
    return padded_size(network, tuple(least)), size


def _label(tensor: Any, number: int) -> str:
    return f"{number}: {'×'.join(map(str, tensor.shape))}"
