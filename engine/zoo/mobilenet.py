"""MobileNet (version 1).

A. G. Howard, M. Zhu, B. Chen, D. Kalenichenko, W. Wang, T. Weyand, M. Andreetto, H. Adam, "MobileNets: Efficient
Convolutional Neural Networks for Mobile Vision Applications", arXiv:1704.04861, 2017, Table 1.

The table prints stride 2 for its last depthwise layer, yet keeps the map at 7×7: the stride is 1, as in TF-Slim.
Layers: `conv0`, then `conv1_dw`, `conv1_pw` … `conv13_dw`, `conv13_pw`, in TF-Slim's numbering.
"""

from __future__ import annotations

from rfscale.engine.errors import InputError, shown
from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network

CITATION = "Howard et al., MobileNets, arXiv:1704.04861, 2017, Table 1"
STEM = 32


# (stride of the depthwise 3×3, channels of the pointwise 1×1)
UNITS = (
    *((1, 64), (2, 128), (1, 128), (2, 256), (1, 256)),
    *((2, 512), (1, 512), (1, 512), (1, 512), (1, 512), (1, 512)),
    *((2, 1024), (1, 1024)),
)


def mobilenet_v1(*, alpha: float = 1.0, classes: int | None = 1000, input_size: int | tuple[int, ...] = 224) -> Network:
    """Return MobileNet with TensorFlow's SAME paddings, which depend on the image's size.

    Parameters
    ----------
    alpha : float
        Width multiplier of the paper's Section 3.3; no layer gets fewer than 8 channels.
    classes : int or None
        Outputs of the classifier; None leaves it out.
    input_size : int or tuple of int

    Examples
    --------
    >>> mobilenet_v1().map_sizes()["conv13_pw"]
    (7, 7)
    """
    if not 0 < alpha <= 16:
        raise InputError(f"alpha is {shown(alpha)}; the width multiplier must lie above 0 and be at most 16")

    def width(channels: int) -> int:
        return max(8, int(alpha * channels))

    b = NetworkBuilder("mobilenet-v1", input_size=input_size)
    b.conv("conv0", kernel=3, stride=2, padding="same", channels=width(STEM), bias=False)
    before = width(STEM)
    for i, (stride, channels) in enumerate(UNITS, start=1):
        b.conv(f"conv{i}_dw", kernel=3, stride=stride, padding="same", channels=before, groups=before, bias=False)
        before = width(channels)
        b.conv(f"conv{i}_pw", kernel=1, channels=before, bias=False)
    if classes is not None:
        b.global_pool("avgpool")
        b.linear("fc", channels=classes)
    return b.build()
