"""EfficientNet-B0.

M. Tan, Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019, Table 1.

Layers carry torchvision's names: `features.0`, `features.2.0.block.0` (widens), `features.2.0.block.1` (depthwise),
`features.2.0.block.2.fc1` (squeeze-and-excitation), `features.2.0.block.3` (narrows), `features.2.1.add`, …,
`classifier.1`; `features.1` … `features.7` are the maps after each stage.
"""

from __future__ import annotations

from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from rfscale.engine.zoo.blocks import inverted_residual, normed

CITATION = "Tan, Le, EfficientNet: Rethinking Model Scaling for CNNs, ICML 2019, Table 1"


# per stage: widening, kernel, stride of the first unit, channels, units
STAGES = (
    *((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3)),
    *((6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1)),
)


def efficientnet_b0(*, classes: int | None = 1000, input_size: int | tuple[int, ...] = 224) -> Network:
    """Return EfficientNet-B0 with torchvision's symmetric paddings.

    Parameters
    ----------
    classes : int or None
        Outputs of the classifier; None leaves it out.
    input_size : int or tuple of int

    Examples
    --------
    >>> efficientnet_b0().map_sizes()["features.8"]
    (7, 7)
    """
    b = NetworkBuilder("efficientnet_b0", input_size=input_size)
    before = 32
    normed(b, "features.0", before, 3, 2)
    for stage, (widening, kernel, first_stride, channels, units) in enumerate(STAGES, start=1):
        for i in range(units):
            inverted_residual(
                b,
                f"features.{stage}.{i}",
                "block",
                kernel=kernel,
                stride=first_stride if i == 0 else 1,
                channels=(before, widening * before, channels),
                squeezed=before // 4,
            )
            before = channels
        b.pointwise(f"features.{stage}")
    normed(b, "features.8", 4 * before)
    if classes is not None:
        b.global_pool("avgpool")
        b.linear("classifier.1", channels=classes)
    return b.build()
