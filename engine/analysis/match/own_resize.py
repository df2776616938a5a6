"""The resize with which a network begins: detectors of torchvision bring images to their size themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rfscale.engine.network.layer import IMAGE
from rfscale.engine.network.network import Network, Size

RESIZES = ("resize", "upsample")


class OwnResize(NamedTuple):
    """What a network does to the size of its images before anything else.

    Attributes
    ----------
    network : Network
        The rest, whose image is the resized one.
    before, after : tuple of int or None
        Pixels per axis of an image that goes in, and what it becomes; None where the network carries no size.
    """

    network: Network
    before: Size | None
    after: Size | None


def without_own_resize(network: Network, input_size: int | Sequence[int] | None = None) -> OwnResize | None:
    """Return a network without the resize with which it begins; None if it has none, or if not all maps are after it.

    Sizes are those of an image of `input_size`, by default the network's own.

    Examples
    --------
    >>> layers = [{"name": "scale", "op": "resize", "size": 800}, {"name": "conv", "kernel": 3}]
    >>> found = without_own_resize(Network.from_dict({"input_size": 400, "layers": layers}))
    >>> found.before, found.after, found.network.input_size
    ((400, 400), (800, 800), (800, 800))
    """
    readers = [layer for layer in network.layers if IMAGE in layer.inputs]
    first = readers[0]
    if len(readers) > 1 or first.op not in RESIZES or first.name in network.outputs:
        return None
    spec = network.to_dict()
    layers = [layer for layer in spec["layers"] if layer["name"] != first.name]
    before = first.name
    for layer in layers:  # a layer without `inputs` reads the one before it
        given = layer.get("inputs", before)
        renamed = [IMAGE if name == first.name else name for name in ([given] if isinstance(given, str) else given)]
        layer["inputs"] = renamed[0] if len(renamed) == 1 else renamed
        before = layer["name"]
    sizes = network.map_sizes(input_size) if input_size is not None or network.input_size else {}
    after = sizes.get(first.name)
    modules = {name: layer for name, layer in network.modules.items() if layer != first.name}
    spec |= {"layers": layers, "modules": modules}
    if after is not None:
        spec["input_size"] = list(after)
    return OwnResize(Network.from_dict(spec), sizes.get(IMAGE), after)
