"""PatchGAN: a discriminator that judges patches.

P. Isola, J.-Y. Zhu, T. Zhou, A. A. Efros, "Image-to-Image Translation with Conditional Adversarial Networks", CVPR
2017, Section 6.1.2 of the appendix. The paper prints stride 2 throughout; its receptive fields of 16, 70 and 286 are
those of the authors' code, whose last two layers have stride 1.
"""

from __future__ import annotations

from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import whole

CITATION = "Isola, Zhu, Zhou, Efros, Image-to-Image Translation with Conditional Adversarial Networks, CVPR 2017"


def patchgan(
    layers: int = 3, *, width: int = 64, input_channels: int = 6, input_size: int | tuple[int, ...] = 256
) -> Network:
    """Return the discriminator of `layers` strided layers and two more; its scores are `conv<layers + 2>`.

    Parameters
    ----------
    layers : int
        Layers of stride 2: 1, 3 and 5 make the patches of 16, 70 and 286 pixels.
    width : int
        Channels of the first layer; they double up to 8 times as many.
    input_channels : int
        6: the image that is judged, on top of the one that it was made from.
    input_size : int or tuple of int

    Examples
    --------
    >>> patchgan().map_sizes()["conv5"]
    (30, 30)
    """
    layers, width = whole(layers, "layers", maximum=20), whole(width, "width")
    b = NetworkBuilder(
        "patchgan" if layers == 3 else f"patchgan{layers}", input_size=input_size, input_channels=input_channels
    )
    for i in range(layers + 1):
        b.conv(
            f"conv{i + 1}",
            kernel=4,
            stride=2 if i < layers else 1,
            padding=1,
            channels=width << min(i, 3),
            bias=i == 0,  # the others are followed by batch normalisation
        )
    b.conv(f"conv{layers + 2}", kernel=4, padding=1, channels=1)
    return b.build()
