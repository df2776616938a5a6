"""Weights and multiply-accumulate operations of layers, where channels are known."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan, prod

from rfscale.engine.network.layer import IMAGE, Layer
from rfscale.engine.network.network import Network, Size
from rfscale.engine.network.ops import OPS

_WEIGHTED = ("conv", "conv_transpose", "linear")


def channels(network: Network) -> dict[str, int | None]:
    """Return the channels of every map; None where a layer upstream does not say."""
    out: dict[str, int | None] = {IMAGE: network.input_channels}
    for layer in network.layers:
        out[layer.name] = channels_after(layer, [out[i] for i in layer.inputs])
    return out


def channels_after(layer: Layer, before: Sequence[int | None]) -> int | None:
    """Return the channels of a layer's map, from those of the maps it reads; None where they are not known."""
    if "channels" in layer.params:
        return int(layer.params["channels"])
    if layer.op in _WEIGHTED or None in before:
        return None
    known = [b for b in before if b is not None]
    if layer.op == "concat":
        return sum(known)
    if layer.op == "pixel_shuffle":
        cells = prod(layer.params["scale"])
        return known[0] // cells if known[0] % cells == 0 else None
    if layer.op == "space_to_depth":
        return known[0] * prod(layer.params["scale"])
    return max(known)


def layer_costs(network: Network, sizes: dict[str, Size] | None) -> list[tuple[float, float]]:
    """Return (params, macs) of every layer: nan where channels, or for macs sizes, are not known.

    Counted are the weights of convolutions and linear layers, their biases (params only), and no normalisation.
    """
    known = channels(network)
    costs = []
    for layer in network.layers:
        first = layer.inputs[0]
        of_maps = (sizes[first], sizes[layer.name]) if sizes else None
        costs.append(cost_of(layer, known[first], known[layer.name], of_maps))
    return costs


def cost_of(
    layer: Layer, before: int | None, after: int | None, sizes: tuple[Size, Size] | None
) -> tuple[float, float]:
    """Return (params, macs) of a layer, from the channels of the map it reads first and of its own, and their sizes."""
    if layer.op not in _WEIGHTED:
        # attention has weights that a spec does not tell
        return (0.0, 0.0) if OPS[layer.op].kind != "global" or layer.op == "global_pool" else (nan, nan)
    if before is None or after is None or (layer.op == "linear" and sizes is None):
        return nan, nan
    bias = after if layer.params.get("bias", True) else 0
    groups = layer.params.get("groups", 1)
    if layer.op == "linear":
        weights = before * prod(sizes[0]) * after if sizes else 0
        return float(weights + bias), float(weights)
    weights = prod(layer.params["kernel"]) * before // groups * after
    if sizes is None:
        return float(weights + bias), nan
    places = sizes[0 if layer.op == "conv_transpose" else 1]
    return float(weights + bias), float(weights * prod(places))
