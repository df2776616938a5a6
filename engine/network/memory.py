"""The memory that the maps of a network take when it is run on one image."""

from __future__ import annotations

from math import nan, prod

from rfscale.engine.network.costs import channels
from rfscale.engine.network.layer import IMAGE
from rfscale.engine.network.modules import modules_around
from rfscale.engine.network.network import Network, Size

BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}  # of one value


def peak_memory(network: Network, size: Size, dtype: str = "float32") -> float:
    """Return the most bytes that maps take at one time in a forward pass without gradients.

    Parameters
    ----------
    network : Network
    size : tuple of int
        Pixels of the image per axis.
    dtype : str
        Of all maps: a key of `BYTES`.

    Returns
    -------
    float
        nan where the channels of some map are not known.

    Notes
    -----
    Layers run in their order, on one image. A map is kept from the layer that makes it to the last one that reads it,
    and what a module reads until that module returns, as Python does; outputs to the end, and the image all the time.
    While a layer runs, what it reads and what it makes are kept; then once more as much as it makes, for the norm or
    activation after it, which readers leave out of networks. Weights, the workspace of convolutions and the matrices of
    attention are not part of it.

    Examples
    --------
    >>> net = Network.sequential({"kernel": 3, "padding": 1, "channels": 8}, {"kernel": 3, "padding": 1, "channels": 2})
    >>> peak_memory(net, (10, 10)) == 4 * 100 * (3 + 8 + 8)
    True
    """
    known, sizes = channels(network), network.map_sizes(size)
    if any(known[layer.name] is None for layer in network.layers):
        return nan
    values = {name: (known[name] or 0) * prod(n) for name, n in sizes.items()}
    last = _last_uses(network)
    kept, peak = values[IMAGE], 0
    dropped: dict[int, list[str]] = {}
    for name, i in last.items():
        dropped.setdefault(i, []).append(name)
    for i, layer in enumerate(network.layers):
        made = values[layer.name]
        kept += made
        peak = max(peak, kept)
        kept -= sum(values[name] for name in dropped.get(i, ()) if name in layer.inputs)
        peak = max(peak, kept + made)
        kept -= sum(values[name] for name in dropped.get(i, ()) if name not in layer.inputs)
    return float(peak * BYTES[dtype])


def _last_uses(network: Network) -> dict[str, int]:
    """The layer, by number, after which each map is dropped."""
    ends: dict[str, int] = {}  # of a module, its last layer
    for i, layer in enumerate(network.layers):
        for module in modules_around(layer.name):
            ends[module] = i
    last = {layer.name: i for i, layer in enumerate(network.layers)}
    for i, layer in enumerate(network.layers):
        for source in layer.inputs:
            inside = modules_around(source) if source != IMAGE else []
            entered = next((m for m in modules_around(layer.name) if m not in inside), None)
            last[source] = max(last.get(source, 0), i if entered is None else ends[entered])
    return last | dict.fromkeys((*network.outputs, IMAGE), len(network.layers))
