"""MobileNet, version 3, large and small.

A. Howard, M. Sandler, G. Chu, L.-C. Chen, B. Chen, M. Tan, W. Wang, Y. Zhu, R. Pang, V. Vasudevan, Q. V. Le, H. Adam,
"Searching for MobileNetV3", ICCV 2019, Tables 1 and 2.

Layers carry torchvision's names: `features.0`, `features.4.block.0` (widens), `features.4.block.1` (depthwise),
`features.4.block.2.fc1` (squeeze-and-excitation), `features.4.block.3` (narrows), `features.5.add`, …, `classifier.3`.
"""

from __future__ import annotations

from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from rfscale.engine.zoo.blocks import divisible, inverted_residual, normed

CITATION = "Howard et al., Searching for MobileNetV3, ICCV 2019, Tables 1 and 2"


# per unit of the paper's tables: kernel, channels inside and after, squeeze-and-excitation, stride
LARGE = (
    *((3, 16, 16, 0, 1), (3, 64, 24, 0, 2), (3, 72, 24, 0, 1)),
    *((5, 72, 40, 1, 2), (5, 120, 40, 1, 1), (5, 120, 40, 1, 1)),
    *((3, 240, 80, 0, 2), (3, 200, 80, 0, 1), (3, 184, 80, 0, 1), (3, 184, 80, 0, 1)),
    *((3, 480, 112, 1, 1), (3, 672, 112, 1, 1)),
    *((5, 672, 160, 1, 2), (5, 960, 160, 1, 1), (5, 960, 160, 1, 1)),
)


SMALL = (
    *((3, 16, 16, 1, 2), (3, 72, 24, 0, 2), (3, 88, 24, 0, 1)),
    *((5, 96, 40, 1, 2), (5, 240, 40, 1, 1), (5, 240, 40, 1, 1), (5, 120, 48, 1, 1), (5, 144, 48, 1, 1)),
    *((5, 288, 96, 1, 2), (5, 576, 96, 1, 1), (5, 576, 96, 1, 1)),
)


def mobilenet_v3(
    *, small: bool = False, classes: int | None = 1000, input_size: int | tuple[int, ...] = 224
) -> Network:
    """Return MobileNetV3 with torchvision's symmetric paddings.

    Parameters
    ----------
    small : bool
        The small network instead of the large one.
    classes : int or None
        Outputs of the classifier; None leaves it out.
    input_size : int or tuple of int

    Examples
    --------
    >>> mobilenet_v3().map_sizes()["features.16"]
    (7, 7)
    """
    units, hidden = (SMALL, 1024) if small else (LARGE, 1280)
    b = NetworkBuilder(f"mobilenet_v3_{'small' if small else 'large'}", input_size=input_size)
    before = 16
    normed(b, "features.0", before, 3, 2)
    for i, (kernel, inside, channels, squeeze, stride) in enumerate(units, start=1):
        inverted_residual(
            b,
            f"features.{i}",
            "block",
            kernel=kernel,
            stride=stride,
            channels=(before, inside, channels),
            squeezed=divisible(inside // 4) if squeeze else None,
        )
        before = channels
    normed(b, f"features.{len(units) + 1}", 6 * before)
    if classes is not None:
        b.global_pool("avgpool")
        b.linear("classifier.0", channels=hidden)
        b.linear("classifier.3", channels=classes)
    return b.build()
