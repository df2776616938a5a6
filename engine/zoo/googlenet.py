"""GoogLeNet (Inception, version 1).

C. Szegedy, W. Liu, Y. Jia, P. Sermanet, S. Reed, D. Anguelov, D. Erhan, V. Vanhoucke, A. Rabinovich, "Going Deeper with
Convolutions", CVPR 2015, Table 1 and Figure 3.

torchvision's network, the default, has a 3×3 where the paper has a 5×5, a last pool of 2×2 instead of 3×3, and batch
normalisation instead of biases. Layers carry torchvision's names: `conv1`, `maxpool1`, `inception3a.branch1`,
`inception3a.branch2.0`, …, `fc`; `inception3a` … are the concatenations. The auxiliary classifiers, which serve
training only, are left out.
"""

from __future__ import annotations

from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network

CITATION = "Szegedy et al., Going Deeper with Convolutions, CVPR 2015, Table 1"


# the columns of the paper's table: 1×1; 3×3 reduced, 3×3; 5×5 reduced, 5×5; pool projection
MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def googlenet(
    *, published: bool = False, classes: int | None = 1000, input_size: int | tuple[int, ...] = 224
) -> Network:
    """Return GoogLeNet.

    Parameters
    ----------
    published : bool
        As in the paper, not as in torchvision: 5×5 layers in the third branches, a last pool of 3×3, biases.
    classes : int or None
        Outputs of the classifier; None leaves it out.
    input_size : int or tuple of int

    Examples
    --------
    >>> googlenet().map_sizes()["inception5b"]
    (7, 7)
    """
    b = NetworkBuilder("googlenet-paper" if published else "googlenet", input_size=input_size)
    b.conv("conv1", kernel=7, stride=2, padding=3, channels=64, bias=published)
    b.max_pool("maxpool1", kernel=3, stride=2, ceil_mode=True)
    b.conv("conv2", kernel=1, channels=64, bias=published)
    b.conv("conv3", kernel=3, padding=1, channels=192, bias=published)
    b.max_pool("maxpool2", kernel=3, stride=2, ceil_mode=True)
    for module, widths in MODULES.items():
        if module == "4a":
            b.max_pool("maxpool3", kernel=3, stride=2, ceil_mode=True)
        if module == "5a":
            b.max_pool("maxpool4", kernel=3 if published else 2, stride=2, ceil_mode=True)
        _module(b, f"inception{module}", widths, published)
    if classes is not None:
        b.global_pool("avgpool")
        b.linear("fc", channels=classes)
    return b.build()


def _module(b: NetworkBuilder, name: str, widths: tuple[int, ...], published: bool) -> None:
    source = b.last
    ones, reduced3, threes, reduced5, fives, pooled = widths
    branches = [b.conv(f"{name}.branch1", kernel=1, channels=ones, bias=published)]
    for branch, kernel, reduced, channels in ((2, 3, reduced3, threes), (3, 5 if published else 3, reduced5, fives)):
        b.conv(f"{name}.branch{branch}.0", kernel=1, channels=reduced, bias=published, inputs=source)
        padding = kernel // 2
        branches.append(
            b.conv(f"{name}.branch{branch}.1", kernel=kernel, padding=padding, channels=channels, bias=published)
        )
    b.max_pool(f"{name}.branch4.0", kernel=3, stride=1, padding=1, ceil_mode=True, inputs=source)
    branches.append(b.conv(f"{name}.branch4.1", kernel=1, channels=pooled, bias=published))
    b.concat(name, inputs=branches)
