"""SSD: the feature maps of a single-shot detector on VGG-16.

W. Liu, D. Anguelov, D. Erhan, C. Szegedy, S. Reed, C.-Y. Fu, A. C. Berg, "SSD: Single Shot MultiBox Detector", ECCV
2016, Figure 2 and Section 3. The paper has no layer table; what it leaves open (the dilation of 6 in fc6, pools that
round up, the last layers of the 512 variant) is as in the authors' Caffe code, and so are the layer names.
"""

from __future__ import annotations

from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from rfscale.engine.zoo import vgg

CITATION = "Liu et al., SSD: Single Shot MultiBox Detector, ECCV 2016, Figure 2 and the authors' Caffe code"


# per added block: channels of the 1×1, channels, kernel, stride and padding of the layer after it
EXTRAS_300 = ((256, 512, 3, 2, 1), (128, 256, 3, 2, 1), (128, 256, 3, 1, 0), (128, 256, 3, 1, 0))
EXTRAS_512 = (
    *((256, 512, 3, 2, 1), (128, 256, 3, 2, 1), (128, 256, 3, 2, 1), (128, 256, 3, 2, 1)),
    (128, 256, 4, 1, 1),
)


BOXES_300 = (4, 6, 6, 6, 4, 4)  # default boxes per entry of each map
BOXES_512 = (4, 6, 6, 6, 6, 4, 4)


def ssd300(*, classes: int | None = None, input_size: int | tuple[int, ...] = 300) -> Network:
    """Return SSD300; its six feature maps are the outputs.

    Parameters
    ----------
    classes : int or None
        Classes with the background (21 for VOC, 81 for COCO) for which each map gets its two 3×3 prediction layers,
        `<map>.boxes` and `<map>.classes`. None leaves them out.
    input_size : int or tuple of int

    Examples
    --------
    >>> net = ssd300()
    >>> [net.map_sizes()[name][0] for name in net.outputs]
    [38, 19, 10, 5, 3, 1]
    """
    return _ssd("ssd300", EXTRAS_300, BOXES_300, classes, input_size)


def ssd512(*, classes: int | None = None, input_size: int | tuple[int, ...] = 512) -> Network:
    """Return SSD512; its seven feature maps are the outputs.

    Parameters
    ----------
    classes : int or None
        As in `ssd300`.
    input_size : int or tuple of int

    Examples
    --------
    >>> net = ssd512()
    >>> [net.map_sizes()[name][0] for name in net.outputs]
    [64, 32, 16, 8, 4, 2, 1]
    """
    return _ssd("ssd512", EXTRAS_512, BOXES_512, classes, input_size)


def _ssd(
    name: str,
    extras: tuple[tuple[int, ...], ...],
    boxes: tuple[int, ...],
    classes: int | None,
    input_size: int | tuple[int, ...],
) -> Network:
    b = NetworkBuilder(name, input_size=input_size)
    for block in range(1, 6):
        vgg.convolutions(b, 16, block)
        if block < 5:
            b.max_pool(f"pool{block}", kernel=2, stride=2, ceil_mode=True)
    b.max_pool("pool5", kernel=3, stride=1, padding=1)
    b.conv("fc6", kernel=3, dilation=6, padding=6, channels=1024)
    maps = ["conv4_3", b.conv("fc7", kernel=1, channels=1024)]
    for i, (reduced, channels, kernel, stride, padding) in enumerate(extras, start=6):
        b.conv(f"conv{i}_1", kernel=1, channels=reduced)
        maps.append(b.conv(f"conv{i}_2", kernel=kernel, stride=stride, padding=padding, channels=channels))
    if classes is not None:
        for source, n in zip(maps, boxes, strict=True):
            b.conv(f"{source}.boxes", kernel=3, padding=1, channels=4 * n, inputs=source)
            b.conv(f"{source}.classes", kernel=3, padding=1, channels=classes * n, inputs=source)
    return b.build(outputs=maps)
