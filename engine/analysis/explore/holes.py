"""What the footprints of outputs leave out inside their extents, and after which layers of a dilation: in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from rfscale.engine.network.layer import IMAGE, Layer
from rfscale.engine.network.network import Network

MOST_LAYERS = 12  # that a sentence lists
NONE_LEFT_OUT = "No output leaves out a pixel inside its extent."
NO_BOUNDS = "The outputs have a global receptive field, which has no bounds to leave pixels out of."
FEW = 0.001  # shares below are not shown as a percentage


def holes_of(network: Network, figures: Mapping[str, Sequence[Any]], outputs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return sentences: for each output the share of the pixels that it leaves out, and where that begins.

    Parameters
    ----------
    network : Network
    figures : mapping
        By layer, as `figures_at` returns them.
    outputs : sequence of mapping
        `layer`, the position, and shown `name` of each.
    """
    lines: list[str] = []
    known = {output["layer"]: output["name"] for output in outputs if None not in figures["extent"][output["layer"]]}
    for index, name in known.items():
        left = _left_out(figures, index)
        if not left:
            continue
        extent, gap = figures["extent"][index], max(figures["max_gap"][index])
        pixels = round(prod(extent) - figures["area"][index])
        how = f"the longest gap is {gap} pixel{'s' * (gap > 1)}" if gap else "corners, without a gap on either axis"
        line = f"{name} leaves out {_percent(left)} of the {_size(extent)} pixels of its extent ({pixels}): {how}"
        lines.append(line + _after_layers(network, figures, index) + ".")
    return lines or [NONE_LEFT_OUT if known else NO_BOUNDS]


def _left_out(figures: Mapping[str, Sequence[Any]], index: int) -> float:
    """The share of the bounding box that a footprint lacks; 0 where none is known."""
    density = figures["density"][index]
    return 0.0 if density is None else 1.0 - density


def _after_layers(network: Network, figures: Mapping[str, Sequence[Any]], index: int) -> str:
    """Where it begins, and what is left out after each layer of a dilation that the output depends on."""
    upstream = _upstream(network, index)
    first = next((i for i in upstream if _left_out(figures, i)), index)
    begins = f"; it begins at {network.layers[first].name}" if first != index else ""
    dilated = [i for i in upstream if _rate(network.layers[i]) != "1" and figures["density"][i] is not None]
    if not dilated:
        return begins
    shown = [
        f"{network.layers[i].name} (dilation {_rate(network.layers[i])}) {_percent(_left_out(figures, i))}"
        for i in dilated[:MOST_LAYERS]
    ]
    more = f" and {len(dilated) - MOST_LAYERS} more" if len(dilated) > MOST_LAYERS else ""
    return f"{begins}; left out after {', '.join(shown)}{more}"


def _upstream(network: Network, index: int) -> list[int]:
    """The layer and all that it depends on, in order."""
    number = {layer.name: i for i, layer in enumerate(network.layers)}
    found, waiting = set(), [index]
    while waiting:
        i = waiting.pop()
        if i not in found:
            found.add(i)
            waiting += [number[source] for source in network.layers[i].inputs if source != IMAGE]
    return sorted(found)


def _rate(layer: Layer) -> str:
    rates = layer.params.get("dilation", (1,))
    return _size(rates[:1] if len(set(rates)) == 1 else rates)


def _size(values: Sequence[float]) -> str:
    return "×".join(f"{v:.0f}" for v in values)


def _percent(share: float) -> str:
    if 0 < share < FEW:
        return f"under {100 * FEW:.1g} %"
    return f"{100 * share:.2g} %" if share < 1 - FEW else f"{100 * share:.4g} %"
