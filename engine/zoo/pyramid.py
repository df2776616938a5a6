"""The image pyramid: the image at half, a quarter, … of its size, and the same small stack on each.

E. H. Adelson, C. H. Anderson, J. R. Bergen, P. J. Burt, J. M. Ogden, "Pyramid Methods in Image Processing", RCA
Engineer 29(6), 1984. The paper filters with 5×5 weights before it halves; here the halving is a mean over 2×2 pixels,
and the stack (no table of the paper's) is ours.
"""

from __future__ import annotations

from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.layer import IMAGE
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import whole

CITATION = "Adelson et al., Pyramid Methods in Image Processing, RCA Engineer 29(6), 1984"


def image_pyramid(
    levels: int = 5, depth: int = 3, *, channels: int = 64, input_size: int | tuple[int, ...] = 512
) -> Network:
    """Return `depth` 3×3 convolutions on each of `levels` octaves; the last map of each level is an output.

    The levels share their weights: the parameters of the network are those of one level.

    Parameters
    ----------
    levels : int
        Level 0 reads the image, each further one the image halved once more (`level1.image`, …).
    depth : int
        Convolutions per level (`level0.conv1`, …).
    channels : int
        Channels of each convolution.
    input_size : int or tuple of int

    Examples
    --------
    >>> image_pyramid(levels=2, depth=1).outputs
    ('level0.conv1', 'level1.conv1')
    """
    levels, depth = whole(levels, "levels"), whole(depth, "depth")
    b = NetworkBuilder("image-pyramid", input_size=input_size)
    image = IMAGE
    outputs = []
    for level in range(levels):
        if level:
            image = b.avg_pool(f"level{level}.image", kernel=2, stride=2, inputs=image)
        source = image
        for i in range(1, depth + 1):
            source = b.conv(f"level{level}.conv{i}", kernel=3, padding=1, channels=channels, inputs=source)
        outputs.append(source)
    return b.build(outputs=outputs)
