"""Plain stacks of one layer, the case studies of the article.

The article is R. Sanatkar's on the spatial scales of feature maps (code: github.com/rezasanatkar/cnn_spatial_scale).
It gives kernels, strides and dilations only; the channels and the image size here are ours, for the cost figures.
Dilated 3×3 layers come from F. Yu and V. Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions", ICLR 2016.
Layers are called `conv1`, `conv2`, … and `pool1`, `pool2`, …
"""

from __future__ import annotations

from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import whole

CITATION = "Sanatkar, article on spatial scales (github.com/rezasanatkar/cnn_spatial_scale)"
Size = int | tuple[int, ...]


def stack(
    n: int = 20, kernel: int = 3, *, channels: int = 64, input_size: Size | None = 224, name: str | None = None
) -> Network:
    """Return `n` convolutions of stride 1, padded so that an odd kernel keeps the map's size.

    Parameters
    ----------
    n : int
        Number of convolutions.
    kernel : int
    channels : int
        Channels of each convolution.
    input_size : int, tuple of int or None
    name : str, optional

    Examples
    --------
    >>> stack(2).map_sizes()["conv2"]
    (224, 224)
    """
    return _stack(name or f"stack{n}", n, kernel, channels, input_size)


def pooled_stack(
    n: int = 20,
    every: int = 4,
    *,
    pool_last: bool = False,
    kernel: int = 3,
    channels: int = 64,
    input_size: Size | None = 224,
    name: str | None = None,
) -> Network:
    """Return `n` convolutions with a 2×2 max pool of stride 2 after each `every` of them.

    Parameters
    ----------
    n : int
        Number of convolutions.
    every : int
        Convolutions between two pools.
    pool_last : bool
        Whether a pool may also come after the last convolution. The article interleaves the pools, so it does not.
    kernel : int
    channels : int
        Channels of each convolution.
    input_size : int, tuple of int or None
    name : str, optional

    Examples
    --------
    >>> [layer.name for layer in pooled_stack(4, 2).layers]
    ['conv1', 'conv2', 'pool1', 'conv3', 'conv4']
    """
    n, every, kernel = whole(n, "n"), whole(every, "every"), whole(kernel, "kernel")
    b = NetworkBuilder(name or f"stack{n}-pool{every}", input_size=input_size)
    for i in range(1, n + 1):
        b.conv(f"conv{i}", kernel=kernel, padding=(kernel - 1) // 2, channels=channels)
        if i % every == 0 and (i < n or pool_last):
            b.max_pool(f"pool{i // every}", kernel=2, stride=2)
    return b.build()


def dilated_stack(
    n: int = 5,
    dilation: int = 2,
    *,
    kernel: int = 3,
    channels: int = 64,
    input_size: Size | None = 224,
    name: str | None = None,
) -> Network:
    """Return `n` convolutions of stride 1, all with the same dilation.

    Parameters
    ----------
    n : int
        Number of convolutions.
    dilation : int
    kernel : int
    channels : int
        Channels of each convolution.
    input_size : int, tuple of int or None
    name : str, optional

    Examples
    --------
    >>> dilated_stack(2).map_sizes()["conv2"]
    (224, 224)
    """
    return _stack(name or f"dilated{n}", n, kernel, channels, input_size, dilation=dilation)


def strided_stack(
    n: int = 5,
    stride: int = 2,
    *,
    kernel: int = 3,
    channels: int = 64,
    input_size: Size | None = 224,
    name: str | None = None,
) -> Network:
    """Return `n` convolutions, all with the same stride.

    Parameters
    ----------
    n : int
        Number of convolutions.
    stride : int
    kernel : int
    channels : int
        Channels of each convolution.
    input_size : int, tuple of int or None
    name : str, optional

    Examples
    --------
    >>> strided_stack(2).map_sizes()["conv2"]
    (56, 56)
    """
    return _stack(name or f"strided{n}", n, kernel, channels, input_size, stride=stride)


def _stack(
    name: str, n: int, kernel: int, channels: int, input_size: Size | None, *, stride: int = 1, dilation: int = 1
) -> Network:
    n, kernel, dilation = (whole(n, "n"), whole(kernel, "kernel"), whole(dilation, "dilation"))
    b = NetworkBuilder(name, input_size=input_size)
    for i in range(1, n + 1):
        padding = dilation * (kernel - 1) // 2
        b.conv(f"conv{i}", kernel=kernel, stride=stride, dilation=dilation, padding=padding, channels=channels)
    return b.build()
