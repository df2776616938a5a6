"""MobileNet, version 2.

M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR
2018, Table 2.

Layers carry torchvision's names: `features.0`, `features.2.conv.0` (widens), `features.2.conv.1` (depthwise),
`features.2.conv.2` (narrows), `features.3.add`, …, `features.18`, `classifier.1`.
"""

from __future__ import annotations

from rfscale.engine.errors import InputError, shown
from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from rfscale.engine.zoo.blocks import divisible, inverted_residual, normed

CITATION = "Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018, Table 2"


# the paper's t, c, n, s: widening, channels, units, stride of the first unit
STAGES = (
    *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
    *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
)


def mobilenet_v2(*, alpha: float = 1.0, classes: int | None = 1000, input_size: int | tuple[int, ...] = 224) -> Network:
    """Return MobileNetV2 with torchvision's symmetric paddings.

    Parameters
    ----------
    alpha : float
        Width multiplier; channels are rounded to multiples of 8, and the last layer never gets fewer than 1280.
    classes : int or None
        Outputs of the classifier; None leaves it out.
    input_size : int or tuple of int

    Examples
    --------
    >>> mobilenet_v2().map_sizes()["features.18"]
    (7, 7)
    """
    if not 0 < alpha <= 16:
        raise InputError(f"alpha is {shown(alpha)}; the width multiplier must lie above 0 and be at most 16")
    b = NetworkBuilder("mobilenet_v2", input_size=input_size)
    before = divisible(32 * alpha)
    normed(b, "features.0", before, 3, 2)
    number = 1
    for widening, width, units, first_stride in STAGES:
        channels = divisible(width * alpha)
        for i in range(units):
            inverted_residual(
                b,
                f"features.{number}",
                "conv",
                kernel=3,
                stride=first_stride if i == 0 else 1,
                channels=(before, widening * before, channels),
            )
            before = channels
            number += 1
    normed(b, f"features.{number}", divisible(1280 * max(1.0, alpha)))
    if classes is not None:
        b.global_pool("avgpool")
        b.linear("classifier.1", channels=classes)
    return b.build()
