"""VGG.

K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015, Table 1,
configurations A, B, D and E. Layers: `conv1_1`, `conv1_2`, `pool1`, …, `pool5`, `fc6`, `fc7`, `fc8`.
"""

from __future__ import annotations

from rfscale.engine.errors import InputError, shown
from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import whole

CITATION = "Simonyan, Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015, Table 1"
CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
WIDTHS = (64, 128, 256, 512, 512)


def vgg(depth: int = 16, *, classes: int | None = 1000, input_size: int | tuple[int, ...] = 224) -> Network:
    """Return VGG-11, 13, 16 or 19, without batch normalisation.

    Parameters
    ----------
    depth : int
    classes : int or None
        Outputs of the classifier; None leaves it out. Before it stands torchvision's adaptive pool to 7×7, which
        changes nothing at the paper's size of 224.
    input_size : int or tuple of int

    Examples
    --------
    >>> vgg(16).map_sizes()["pool5"]
    (7, 7)
    """
    if whole(depth, "depth") not in CONVOLUTIONS:
        raise InputError(f"depth is {shown(depth)}; it must be one of {', '.join(map(str, CONVOLUTIONS))}")
    b = NetworkBuilder(f"vgg{depth}", input_size=input_size)
    for block in range(1, 6):
        convolutions(b, depth, block)
        b.max_pool(f"pool{block}", kernel=2, stride=2)
    if classes is not None:
        b.adaptive_pool("avgpool", size=7)
        b.linear("fc6", channels=4096)
        b.linear("fc7", channels=4096)
        b.linear("fc8", channels=classes)
    return b.build()


def convolutions(b: NetworkBuilder, depth: int, block: int) -> None:
    """Append the 3×3 layers of one block, counted from 1, to `b`."""
    for i in range(1, CONVOLUTIONS[depth][block - 1] + 1):
        b.conv(f"conv{block}_{i}", kernel=3, padding=1, channels=WIDTHS[block - 1])
