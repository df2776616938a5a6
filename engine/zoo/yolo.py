"""YOLOv5: a CSP backbone with spatial pyramid pooling (SPPF) and a path aggregation neck (PAN).

There is no paper of its own; the layers are those of release 6.0 (github.com/ultralytics/yolov5, models/yolov5s.yaml
and common.py). Its parts come from C.-Y. Wang et al., "CSPNet", CVPR Workshops 2020; K. He et al., "Spatial Pyramid
Pooling in Deep Convolutional Networks for Visual Recognition", ECCV 2014; S. Liu et al., "Path Aggregation Network for
Instance Segmentation", CVPR 2018.

Layers carry that release's numbers: `model.0`, `model.2.cv1`, `model.2.m.0.cv2`, …, `model.9` (the pyramid pooling),
…, `model.24.m.0` (the predictions for the finest map).
"""

from __future__ import annotations

from math import ceil

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from rfscale.engine.zoo.blocks import normed

CITATION = "Jocher et al., YOLOv5 release 6.0 (github.com/ultralytics/yolov5)"


# multiples of depth and width
VARIANTS = {"n": (0.33, 0.25), "s": (0.33, 0.5), "m": (0.67, 0.75), "l": (1.0, 1.0), "x": (1.33, 1.25)}
ANCHORS = 3  # boxes per entry of each map


def yolov5(variant: str = "s", *, classes: int | None = None, input_size: int | tuple[int, ...] = 640) -> Network:
    """Return YOLOv5; its three feature maps are the outputs.

    Parameters
    ----------
    variant : {"n", "s", "m", "l", "x"}
        Depth and width.
    classes : int or None
        Classes (80 for COCO) for which each map gets its 1×1 prediction layer, `model.24.m.0` … . None leaves them out.
    input_size : int or tuple of int
        A multiple of 32, or the maps that merge differ in size.

    Examples
    --------
    >>> net = yolov5("s")
    >>> [net.map_sizes()[name][0] for name in net.outputs]
    [80, 40, 20]
    """
    if not isinstance(variant, str) or variant not in VARIANTS:
        raise InputError(f"variant is {shown(variant)}; {nearest(variant, VARIANTS)}")
    deep, wide = VARIANTS[variant]
    b = NetworkBuilder(f"yolov5{variant}", input_size=input_size)
    maps: list[str] = []

    def width(channels: int) -> int:
        return ceil(channels * wide / 8) * 8

    def conv(channels: int, kernel: int, stride: int = 1, padding: int | None = None) -> None:
        maps.append(normed(b, f"model.{len(maps)}", width(channels), kernel, stride, padding=padding))

    def c3(channels: int, units: int, shortcut: bool = True) -> None:
        maps.append(_c3(b, f"model.{len(maps)}", width(channels), max(round(units * deep), 1), shortcut))

    def up_and_join(other: int) -> None:
        maps.append(b.upsample(f"model.{len(maps)}", scale=2, mode="nearest"))
        join(other)

    def join(other: int) -> None:
        maps.append(b.concat(f"model.{len(maps)}", inputs=[maps[-1], maps[other]]))

    conv(64, 6, 2, padding=2)
    for channels, units in ((128, 3), (256, 6), (512, 9), (1024, 3)):
        conv(channels, 3, 2)
        c3(channels, units)
    maps.append(_sppf(b, f"model.{len(maps)}", width(1024)))
    for channels, other in ((512, 6), (256, 4)):  # down to the finest map …
        conv(channels, 1)
        up_and_join(other)
        c3(channels, 3, shortcut=False)
    for channels, other in ((256, 14), (512, 10)):  # … and back
        conv(channels, 3, 2)
        join(other)
        c3(2 * channels, 3, shortcut=False)
    outputs = [maps[17], maps[20], maps[23]]
    if classes is not None:
        for i, source in enumerate(outputs):
            b.conv(f"model.24.m.{i}", kernel=1, channels=ANCHORS * (classes + 5), inputs=source)
    return b.build(outputs=outputs)


def _c3(b: NetworkBuilder, name: str, channels: int, units: int, shortcut: bool) -> str:
    """Append a cross-stage block: residual units on one half of the channels, nothing on the other."""
    source, half = b.last, channels // 2
    main = normed(b, f"{name}.cv1", half)
    for i in range(units):
        normed(b, f"{name}.m.{i}.cv1", half, inputs=main)
        last = normed(b, f"{name}.m.{i}.cv2", half, 3)
        main = b.add(f"{name}.m.{i}.add", inputs=[main, last]) if shortcut else last
    other = normed(b, f"{name}.cv2", half, inputs=source)
    b.concat(f"{name}.cat", inputs=[main, other])
    return normed(b, name, channels)


def _sppf(b: NetworkBuilder, name: str, channels: int) -> str:
    """Append pyramid pooling: 5×5 pools in a chain, whose maps span 1, 5, 9 and 13 entries."""
    stages = [normed(b, f"{name}.cv1", channels // 2)]
    stages += [b.max_pool(f"{name}.m.{i}", kernel=5, stride=1, padding=2) for i in range(3)]
    b.concat(f"{name}.cat", inputs=stages)
    return normed(b, name, channels)
