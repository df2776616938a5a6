"""DeepLabv3+ on a residual network.

L.-C. Chen, Y. Zhu, G. Papandreou, F. Schroff, H. Adam, "Encoder-Decoder with Atrous Separable Convolution for Semantic
Image Segmentation", ECCV 2018, Figure 2 and Section 3; the encoder is ResNet-101 of Section 4.2, whose last stage is
dilated instead of strided (all its 3×3 by the same rate: no multi-grid).

Layers: those of the residual network; `aspp.conv1x1`, `aspp.rate6.depthwise`, `aspp.rate6`, …, `aspp.pool`,
`aspp.image`, `aspp.cat`, `aspp`; `decoder.up`, `decoder.low`, `decoder.cat`, `decoder.conv1`, `decoder.conv2`;
`classes` and `output`.
"""

from __future__ import annotations

from collections.abc import Sequence

from rfscale.engine.errors import InputError, shown
from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network, Size, check_size
from rfscale.engine.zoo import resnet
from rfscale.engine.zoo.blocks import normed

CITATION = "Chen et al., Encoder-Decoder with Atrous Separable Convolution, ECCV 2018, Figure 2"
WIDTH = 256  # channels of head and decoder


# per output stride: strides and dilations of the four stages, rates of the head
STRIDES = {16: ((1, 2, 2, 1), (1, 1, 1, 2), (6, 12, 18)), 8: ((1, 2, 1, 1), (1, 1, 2, 4), (12, 24, 36))}


def deeplabv3plus(
    depth: int = 101,
    *,
    output_stride: int = 16,
    separable: bool = True,
    align_corners: bool = False,
    classes: int = 21,
    input_size: int | tuple[int, ...] | None = None,
) -> Network:
    """Return DeepLabv3+, up to class scores at the image's size.

    The head holds image pooling, a global op: analyse with ``global_ops="skip"`` to leave its branch out.

    Parameters
    ----------
    depth : int
        Depth of the residual network.
    output_stride : {16, 8}
        Jump of the map that the head reads; with 8 the rates double.
    separable : bool
        Make each 3×3 of head and decoder of a depthwise 3×3 and a 1×1.
    align_corners : bool
        Interpolate from corner to corner, as the authors' code does, instead of between half-pixel centres.
    classes : int
    input_size : int or tuple of int, optional
        A multiple of the output stride (512 by default); with `align_corners` one pixel more (513 by default).

    Examples
    --------
    >>> deeplabv3plus().map_sizes()["aspp"]
    (32, 32)
    """
    resnet.check(depth, "3x3")
    if output_stride not in STRIDES:
        raise InputError(f"output_stride is {shown(output_stride)}; it must be one of {', '.join(map(str, STRIDES))}")
    strides, dilations, rates = STRIDES[output_stride]
    size = check_size(input_size or (513 if align_corners else 512), 2)
    b = NetworkBuilder("deeplabv3plus", input_size=size)
    normed(b, "conv1", 64, 7, 2)
    b.max_pool("maxpool", kernel=3, stride=2, padding=1)
    low, *_, high = resnet.stages(b, depth, strides=strides, dilations=dilations)
    _head(b, high, depth, rates, separable)
    _enlarge(b, "decoder.up", output_stride, 4, size, align_corners)
    normed(b, "decoder.low", 48, inputs=low)
    b.concat("decoder.cat", inputs=["decoder.up", "decoder.low"])
    _atrous(b, "decoder.conv1", b.last, WIDTH + 48, 1, separable)
    _atrous(b, "decoder.conv2", b.last, WIDTH, 1, separable)
    b.conv("classes", kernel=1, channels=classes)
    _enlarge(b, "output", 4, 1, size, align_corners)
    return b.build()


def _head(b: NetworkBuilder, source: str, depth: int, rates: Sequence[int], separable: bool) -> None:
    """Append the 1×1, the dilated 3×3 and the image pooling side by side, and what joins them."""
    channels = 512 * (resnet.EXPANSION if depth >= 50 else 1)
    branches = [normed(b, "aspp.conv1x1", WIDTH, inputs=source)]
    branches += [_atrous(b, f"aspp.rate{rate}", source, channels, rate, separable) for rate in rates]
    b.global_pool("aspp.pool", inputs=source)
    branches.append(normed(b, "aspp.image", WIDTH))
    b.concat("aspp.cat", inputs=branches)
    normed(b, "aspp", WIDTH)


def _atrous(b: NetworkBuilder, name: str, source: str, channels: int, rate: int, separable: bool) -> str:
    """Append a dilated 3×3, or a depthwise one and a 1×1, after a map of so many channels."""
    params = {"kernel": 3, "dilation": rate, "padding": rate, "bias": False, "inputs": source}
    if not separable:
        return b.conv(name, channels=WIDTH, **params)
    b.conv(f"{name}.depthwise", channels=channels, groups=channels, **params)
    return normed(b, name, WIDTH)


def _enlarge(b: NetworkBuilder, name: str, old: int, new: int, size: Size, align_corners: bool) -> None:
    """Append the interpolation that brings a jump down from `old` to `new`."""
    if align_corners:
        b.resize(name, size=[(n - 1) // new + 1 for n in size], mode="bilinear", align_corners=True)
    else:
        b.upsample(name, scale=old // new, mode="bilinear")
