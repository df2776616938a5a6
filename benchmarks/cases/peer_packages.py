"""Other packages that compute receptive fields, as contenders: each function gives the extent (y, x) of a module's end.

    pip install -e '.[peers]'
    pip install --no-deps --ignore-requires-python torchscan==0.1.2 rfa-toolbox==1.7.0 receptivefield==0.5.0

What is not installed takes no part. rfa-toolbox declares Python < 3.11 and imports a name that Python 3.10 removed,
which `rfa` gives back; receptivefield has requirements that pip refuses from 24.1 on. torchscan is taken at 0.1.2, the
last release that follows more than one layer: 0.2.0 gives each layer's own window.
"""

from __future__ import annotations

import collections
import logging
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

Extent = tuple[int, int]
Peer = Callable[[Any, int], Extent]


def installed() -> dict[str, Peer]:
    """Return the packages that are here, by name."""
    known = {"rfa_toolbox": ("rfa-toolbox", rfa), "torchscan": ("torchscan", torchscan)}
    known["receptivefield"] = ("receptivefield", by_gradient)
    return {name: peer for package, (name, peer) in known.items() if find_spec(package)}


def rfa(module: Any, size: int) -> Extent:
    """rfa-toolbox: the largest finite receptive field of any layer, from a trace of the module."""
    import torch

    collections.Sequence = Sequence  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from rfa_toolbox import create_graph_from_pytorch_model

        with torch.no_grad():
            graph = create_graph_from_pytorch_model(module, input_res=(1, 3, size, size))
    found = []
    for node in graph.all_layers:
        field = node.receptive_field_max
        pair = (field, field) if not isinstance(field, Sequence) else field
        if all(value < float("inf") for value in pair):
            found.append((int(pair[0]), int(pair[1])))
    return max(found)


def torchscan(module: Any, size: int) -> Extent:
    """torchscan: the receptive field of the last layer that has a window, on one axis."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchscan import crawl_module

        layers = crawl_module(module, (3, size, size))["layers"]
    last = [layer["rf"] for layer in layers if "Pool" not in layer["type"] and layer["type"] != "Linear"][-1]
    return int(last), int(last)


def by_gradient(module: Any, size: int) -> Extent:
    """receptivefield: from the gradient of the module as it is, with its random weights."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from receptivefield.pytorch import PytorchReceptiveField

        logging.disable(logging.INFO)
        try:
            (answer,) = PytorchReceptiveField(lambda: _watched(torch.nn.Module, module)).compute((size, size, 3))
        finally:
            logging.disable(logging.NOTSET)
    return int(answer.rf.size.h), int(answer.rf.size.w)


def _watched(base: Any, module: Any) -> Any:
    """The module in one that leaves its map where receptivefield expects it."""

    class Watched(base):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.module, self.feature_maps = module, None

        def forward(self, image: Any) -> Any:
            value = self.module(image)
            self.feature_maps = [value]
            return value

    return Watched()
