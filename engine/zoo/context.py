"""The context module: dilations that double from layer to layer.

F. Yu, V. Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions", ICLR 2016, Table 1.
"""

from __future__ import annotations

from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import whole

CITATION = "Yu, Koltun, Multi-Scale Context Aggregation by Dilated Convolutions, ICLR 2016, Table 1"
DILATIONS = (1, 1, 2, 4, 8, 16, 1)
BASIC = (1, 1, 1, 1, 1, 1, 1)
LARGE = (2, 2, 4, 8, 16, 32, 32)


def context_module(*, large: bool = False, classes: int = 21, input_size: int | tuple[int, ...] = 64) -> Network:
    """Return the context module: seven dilated 3×3, then a 1×1.

    A pixel here is an entry of the map of class scores that the module reads. Each layer is padded by its dilation, so
    that the map keeps its size.

    Parameters
    ----------
    large : bool
        The large form, whose layers widen from 2 to 32 times the classes; the basic form is as wide as the classes.
    classes : int
        Channels that go in and come out.
    input_size : int or tuple of int
        Size of that map.

    Examples
    --------
    >>> context_module().layers[5].params["dilation"]
    (16, 16)
    """
    classes = whole(classes, "classes")
    b = NetworkBuilder("context-module", input_size=input_size, input_channels=classes)
    for i, (dilation, factor) in enumerate(zip(DILATIONS, LARGE if large else BASIC, strict=True), start=1):
        b.conv(f"conv{i}", kernel=3, dilation=dilation, padding=dilation, channels=factor * classes)
    b.conv("conv8", kernel=1, channels=classes)
    return b.build()
