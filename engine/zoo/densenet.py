"""Densely connected networks: each layer reads all the layers before it in its block.

G. Huang, Z. Liu, L. van der Maaten, K. Q. Weinberger, "Densely Connected Convolutional Networks", CVPR 2017, Table 1
(the variants with bottlenecks and compression, "DenseNet-BC").

Layers carry torchvision's names: `features.conv0`, `features.denseblock1.denselayer1.conv1`,
`features.transition1.conv`, …, `classifier`. What a layer reads is `features.denseblock1.denselayer2.cat`;
`features.denseblock1` … are the maps that come out of the blocks.
"""

from __future__ import annotations

from rfscale.engine.errors import InputError, shown
from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import whole
from rfscale.engine.zoo.blocks import normed

CITATION = "Huang, Liu, van der Maaten, Weinberger, Densely Connected Convolutional Networks, CVPR 2017, Table 1"
LAYERS = {121: (6, 12, 24, 16), 161: (6, 12, 36, 24), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32)}
GROWTH = {161: 48}  # channels that each layer adds; 32 in the others
BOTTLENECK = 4  # channels of a layer's 1×1 over its growth


def densenet(depth: int = 121, *, classes: int | None = 1000, input_size: int | tuple[int, ...] = 224) -> Network:
    """Return a densely connected network of 121, 161, 169 or 201 layers.

    Parameters
    ----------
    depth : int
    classes : int or None
        Outputs of the classifier; None leaves it out.
    input_size : int or tuple of int

    Examples
    --------
    >>> densenet(121).map_sizes()["features.denseblock4"]
    (7, 7)
    """
    if whole(depth, "depth") not in LAYERS:
        raise InputError(f"depth is {shown(depth)}; it must be one of {', '.join(map(str, LAYERS))}")
    growth = GROWTH.get(depth, 32)
    channels = 2 * growth
    b = NetworkBuilder(f"densenet{depth}", input_size=input_size)
    normed(b, "features.conv0", channels, 7, 2)
    b.max_pool("features.pool0", kernel=3, stride=2, padding=1)
    for block, layers in enumerate(LAYERS[depth], start=1):
        _block(b, f"features.denseblock{block}", layers, growth)
        channels += layers * growth
        if block < 4:
            channels //= 2
            normed(b, f"features.transition{block}.conv", channels)
            b.avg_pool(f"features.transition{block}.pool", kernel=2, stride=2)
    if classes is not None:
        b.global_pool("avgpool")
        b.linear("classifier", channels=classes)
    return b.build()


def _block(b: NetworkBuilder, name: str, layers: int, growth: int) -> None:
    """Append a dense block; the concatenation of one layer is the one of the layer before and its output."""
    source = b.last
    for i in range(1, layers + 1):
        normed(b, f"{name}.denselayer{i}.conv1", BOTTLENECK * growth, inputs=source)
        new = normed(b, f"{name}.denselayer{i}.conv2", growth, 3)
        source = b.concat(name if i == layers else f"{name}.denselayer{i + 1}.cat", inputs=[source, new])
