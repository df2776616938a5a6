"""Module paths: the parts of a network that dotted layer names tell apart, each by the layer that ends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.engine.network.network import Network


class Module(NamedTuple):
    """Layers whose names share their first parts.

    Attributes
    ----------
    name : str
        The parts that they share, or the whole name of a layer that stands alone.
    last : int
        Position of the layer that makes what the others read: the one of that name, or the last.
    layers : int
        How many layers.
    """

    name: str
    last: int
    layers: int


def modules(names: Sequence[str], depth: int) -> list[Module]:
    """Return the modules of the first `depth` parts of layer names, in the order of their last layers.

    Examples
    --------
    >>> [tuple(m) for m in modules(["stem.conv", "body.0.conv1", "body.0.conv2", "body.0", "body.1.conv1"], 2)]
    [('stem.conv', 0, 1), ('body.0', 3, 3), ('body.1.conv1', 4, 1)]
    """
    found: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        found.setdefault(".".join(name.split(".")[:depth]), []).append(position)
    parts = []
    for prefix, positions in found.items():
        named = [p for p in positions if names[p] == prefix]
        last = (named or positions)[-1]
        parts.append(Module(prefix if len(positions) > 1 else names[last], last, len(positions)))
    return sorted(parts, key=lambda m: m.last)


def fitting_depth(names: Sequence[str], rows: int) -> int:
    """Return the largest depth that leaves at most so many modules, or 1.

    Examples
    --------
    >>> fitting_depth(["a.0.x", "a.0.y", "a.1.x", "b"], 3)
    2
    """
    deepest = max((name.count(".") + 1 for name in names), default=1)
    return next((d for d in range(deepest, 1, -1) if len(modules(names, d)) <= rows), 1)


def module_layer(network: Network, name: str) -> str:
    """Return the layer of a name, or the last layer of the module of that name.

    Raises
    ------
    InputError
        With the nearest names of layers and modules.

    Examples
    --------
    >>> module_layer(Network.sequential({"name": "stem.conv", "kernel": 3}), "stem")
    'stem.conv'
    """
    if name in network:
        return name
    inside = [layer.name for layer in network.layers if layer.name.startswith(f"{name}.")]
    if inside:
        return inside[-1]
    known = {".".join(parts[:n]) for x in network.layers for parts in [x.name.split(".")] for n in range(1, len(parts))}
    raise InputError(
        f"{network.name} has no layer {shown(name)}; {nearest(name, known | {x.name for x in network.layers})}"
    )
