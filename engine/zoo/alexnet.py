"""AlexNet, in one tower.

A. Krizhevsky, I. Sutskever, G. E. Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", NIPS 2012,
Section 3.5, with the widths of the one-tower variant in A. Krizhevsky, "One weird trick for parallelizing convolutional
neural networks", arXiv:1404.5997, 2014, as torchvision and TF-Slim have them.
"""

from __future__ import annotations

from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network

CITATION = (
    "Krizhevsky, Sutskever, Hinton, ImageNet Classification with Deep CNNs, NIPS 2012, Section 3.5; "
    "Krizhevsky, arXiv:1404.5997, 2014"
)


def alexnet(*, classes: int | None = 1000, input_size: int | tuple[int, ...] = 224) -> Network:
    """Return torchvision's AlexNet. The adaptive pool to 6×6 changes nothing at the size of 224.

    Parameters
    ----------
    classes : int or None
        Outputs of the classifier; None leaves it out.
    input_size : int or tuple of int

    Examples
    --------
    >>> alexnet().map_sizes()["pool5"]
    (6, 6)
    """
    b = NetworkBuilder("alexnet", input_size=input_size)
    b.conv("conv1", kernel=11, stride=4, padding=2, channels=64)
    b.max_pool("pool1", kernel=3, stride=2)
    b.conv("conv2", kernel=5, padding=2, channels=192)
    b.max_pool("pool2", kernel=3, stride=2)
    _last_convolutions(b, 384, 256, 256)
    if classes is not None:
        b.adaptive_pool("avgpool", size=6)
        b.linear("fc6", channels=4096)
        b.linear("fc7", channels=4096)
        b.linear("fc8", channels=classes)
    return b.build()


def alexnet_slim(*, classes: int | None = 1000, input_size: int | tuple[int, ...] = 224) -> Network:
    """Return TF-Slim's alexnet_v2: unpadded first layer and pools, and convolutions in place of linear layers.

    Parameters
    ----------
    classes : int or None
        Outputs of the classifier; None leaves it out.
    input_size : int or tuple of int

    Examples
    --------
    >>> alexnet_slim().map_sizes()["pool5"]
    (5, 5)
    """
    b = NetworkBuilder("alexnet-slim", input_size=input_size)
    b.conv("conv1", kernel=11, stride=4, padding="valid", channels=64)
    b.max_pool("pool1", kernel=3, stride=2)
    b.conv("conv2", kernel=5, padding="same", channels=192)
    b.max_pool("pool2", kernel=3, stride=2)
    _last_convolutions(b, 384, 384, 256)
    if classes is not None:
        b.conv("fc6", kernel=5, padding="valid", channels=4096)
        b.conv("fc7", kernel=1, channels=4096)
        b.conv("fc8", kernel=1, channels=classes)
    return b.build()


def _last_convolutions(b: NetworkBuilder, *widths: int) -> None:
    for i, channels in enumerate(widths, start=3):
        b.conv(f"conv{i}", kernel=3, padding=1, channels=channels)
    b.max_pool("pool5", kernel=3, stride=2)
