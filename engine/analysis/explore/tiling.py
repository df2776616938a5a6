"""The margins of tiles, and what tiles of many sizes cost: the line of the page with a slider."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rfscale.engine.analysis.tiling.halo import halo
from rfscale.engine.analysis.tiling.tile_costs import tile_costs
from rfscale.engine.errors import InputError
from rfscale.engine.footprints.plan import GlobalOps
from rfscale.engine.network.network import Network

STEPS = 40  # places of the slider
LARGEST = {1: 1 << 18, 2: 4096, 3: 512}  # pixels of a tile along an axis


def tiling_of(network: Network, global_ops: GlobalOps, is_global: Sequence[bool]) -> dict[str, Any]:
    """Return `margin`, `period`, `valid`, `layers` and `tiles` (tile, crop, waste, memory), or `why_none`.

    Of a network whose outputs have a global receptive field they are those of its last map without.
    """
    layers = None
    local = [layer.name for layer, of_all in zip(network.layers, is_global, strict=True) if not of_all]
    if local and any(is_global[network.index(name)] for name in network.outputs):
        layers = local[-1:]
    try:
        found = halo(network, layers=layers, global_ops=global_ops)
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
    return {
        "layers": layers or [],
        "margin": found.margin.values.tolist(),
        "period": period,
        "valid": [str(text) for text in found.valid.values.tolist()],
        "tiles": tiles,
    }


def _tiles(period: list[int], margin: int) -> list[list[int]]:
    """Tiles from small to large, in even steps on a log scale, rounded up to the period."""
    largest = max(LARGEST[len(period)], 4 * margin)
    smallest = max(16, largest // 256)
    sides = {smallest * (largest / smallest) ** (i / (STEPS - 1)) for i in range(STEPS)}
    rounded = {tuple(-(-round(side) // p) * p for p in period) for side in sorted(sides)}
    return [list(tile) for tile in sorted(rounded)]
