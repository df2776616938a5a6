"""ConvNeXt-T.

Z. Liu, H. Mao, C.-Y. Wu, C. Feichtenhofer, T. Darrell, S. Xie, "A ConvNet for the 2020s", CVPR 2022, Table 9 and
Figure 4.

Layers carry torchvision's names: `features.0` (4×4 of stride 4), `features.1.0.block.0` (depthwise 7×7),
`features.1.0.block.3` and `features.1.0.block.5` (1×1), `features.1.0.add`, `features.2.1` (2×2 of stride 2), …,
`classifier.2`; `features.1`, `features.3`, `features.5`, `features.7` are the maps after each stage.
"""

from __future__ import annotations

from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network

CITATION = "Liu et al., A ConvNet for the 2020s, CVPR 2022, Table 9"
BLOCKS = (3, 3, 9, 3)
WIDTHS = (96, 192, 384, 768)


def convnext_tiny(*, classes: int | None = 1000, input_size: int | tuple[int, ...] = 224) -> Network:
    """Return ConvNeXt-T.

    Parameters
    ----------
    classes : int or None
        Outputs of the classifier; None leaves it out.
    input_size : int or tuple of int

    Examples
    --------
    >>> convnext_tiny().map_sizes()["features.7"]
    (7, 7)
    """
    b = NetworkBuilder("convnext_tiny", input_size=input_size)
    b.conv("features.0", kernel=4, stride=4, channels=WIDTHS[0])
    for stage, (blocks, width) in enumerate(zip(BLOCKS, WIDTHS, strict=True)):
        if stage:
            b.conv(f"features.{2 * stage}.1", kernel=2, stride=2, channels=width)
        for i in range(blocks):
            source, name = b.last, f"features.{2 * stage + 1}.{i}"
            b.conv(f"{name}.block.0", kernel=7, padding=3, channels=width, groups=width)
            b.conv(f"{name}.block.3", kernel=1, channels=4 * width)
            b.conv(f"{name}.block.5", kernel=1, channels=width)
            b.add(f"{name}.add", inputs=[f"{name}.block.5", source])
        b.pointwise(f"features.{2 * stage + 1}")
    if classes is not None:
        b.global_pool("avgpool")
        b.linear("classifier.2", channels=classes)
    return b.build()
