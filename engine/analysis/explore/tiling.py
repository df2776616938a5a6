"""The margins of tiles, and what tiles of many sizes cost: the line of the page with a slider."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rfscale.engine.analysis.tiling.halo import halo
from rfscale.engine.analysis.tiling.tile_costs import tile_costs
from rfscale.engine.errors import InputError
from rfscale.engine.footprints.plan import GlobalOps
from rfscale.engine.network.input_sizes import AxisSizes, input_sizes
from rfscale.engine.network.network import Network

if TYPE_CHECKING:
    import xarray as xr

MOST_TRIED = 12  # maps before the outputs
STEPS = 40  # places of the slider
EXAMPLE = 200  # pixels from which sizes are listed as examples
LARGEST = {1: 1 << 18, 2: 4096, 3: 512}  # pixels of a tile along an axis


def tiling_of(network: Network, global_ops: GlobalOps, is_global: Sequence[bool]) -> dict[str, Any]:
    """Return `margin`, `period`, `valid`, `layers` and `tiles` (tile, crop, waste, memory), or `why_none`.

    Where the outputs cannot be tiled, as with a global receptive field, they are those of the last map that can.
    """
    layers: list[str] | None = None
    try:
        found = halo(network, global_ops=global_ops)
    except InputError as error:
        end = _last_tiled(network, is_global, global_ops)
        if end is None:
            return {"why_none": str(error)}
        found, layers = end
    try:
        period = [int(p) for p in found.period.values]
        sizes = _tiles(period, found.margin.values.max())
        costs = tile_costs(network, sizes, layers=layers, global_ops=global_ops)
    except InputError as error:
        return {"why_none": str(error)}
    tiles = [
        {
            "tile": costs.tile.values[i].tolist(),
            "crop": costs.crop.values[i].tolist(),
            "waste": round(float(costs.waste[i]), 4),
            "memory": None if costs.memory[i] != costs.memory[i] else float(costs.memory[i]),
        }
        for i in range(costs.sizes["option"])
    ]
    margin = found.margin.values.tolist()
    valid = [sizes_in_words(sizes) for sizes in input_sizes(network)]
    of_layer = f" of {layers[0]}" if layers else ""
    return {
        "sentence": f"Tiles{of_layer} need a margin of {_margins(network, margin)}; their sides are "
        f"{_multiples(period)}. The network takes images of these sizes: {_alike(valid)}.",
        "layers": layers or [],
        "margin": margin,
        "period": period,
        "valid": valid,
        "tiles": tiles,
    }


def sizes_in_words(sizes: AxisSizes) -> str:
    """Return the sizes that a network takes along an axis in words, with some of them.

    Examples
    --------
    >>> sizes_in_words(AxisSizes.multiples(32))
    'multiples of 32, such as 224, 256'
    >>> sizes_in_words(AxisSizes((), 29, 32, (0, 29, 30, 31)))
    'multiples of 32, such as 224, 256; also others, such as 221, 222, 223, 253'
    """
    if not sizes.rests or sizes.step == 1:
        return sizes.text
    if sizes.irregular:
        return f"{_listed(sizes.first(4))}, …"
    from_ = max(EXAMPLE, sizes.regular_from)
    if 0 not in sizes.rests:
        rest = f", every {sizes.step} pixels" if len(sizes.rests) == 1 else ""
        return f"{_listed(sizes.first(4))}, …{rest}"
    multiple = -(-from_ // sizes.step) * sizes.step
    words = f"multiples of {sizes.step}, such as {multiple}, {multiple + sizes.step}"
    others = [size for size in sizes.first(8, from_) if size % sizes.step][:4]
    return f"{words}; also others, such as {_listed(others)}" if others else words


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))


def _margins(network: Network, margin: list[list[int]]) -> str:
    """Margins in words, of all axes at once where they are alike."""
    shown = [f"{a} on each side" if a == b else f"{a} before and {b} after" for a, b in margin]
    if len(set(shown)) == 1:
        return shown[0]
    return ", ".join(f"{axis}: {text}" for axis, text in zip(network.axes, shown, strict=True))


def _multiples(period: Sequence[int]) -> str:
    return "of any length" if set(period) == {1} else f"multiples of {_alike(period)} pixels"


def _alike(values: Sequence[object]) -> str:
    return str(values[0]) if len(set(values)) == 1 else "×".join(map(str, values))


def _last_tiled(
    network: Network, is_global: Sequence[bool], global_ops: GlobalOps
) -> tuple[xr.Dataset, list[str]] | None:
    """The margins of the last map that can be tiled, and its name; None where none of the last ones can."""
    local = [layer.name for layer, of_all in zip(network.layers, is_global, strict=True) if not of_all]
    for name in local[: -MOST_TRIED - 1 : -1]:
        try:
            return halo(network, layers=[name], global_ops=global_ops), [name]
        except InputError:
            continue
    return None


def _tiles(period: list[int], margin: int) -> list[list[int]]:
    """Tiles from small to large, in even steps on a log scale, rounded up to the period."""
    largest = max(LARGEST[len(period)], 4 * margin)
    smallest = max(16, largest // 256)
    sides = {smallest * (largest / smallest) ** (i / (STEPS - 1)) for i in range(STEPS)}
    rounded = {tuple(-(-round(side) // p) * p for p in period) for side in sorted(sides)}
    return [list(tile) for tile in sorted(rounded)]
