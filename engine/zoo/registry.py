"""The zoo: networks of the literature, by name.

`build` makes one from its name; `NETWORKS` says what there is. Each family has a small file of its own, whose builder
functions can be called directly and take parameters. Normalisation layers and activations are left out throughout.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.engine.network.network import Network
from rfscale.engine.zoo import (
    alexnet,
    aspp,
    context,
    convnext,
    deeplab,
    densenet,
    efficientnet,
    fpn,
    googlenet,
    hrnet,
    inception,
    mobilenet,
    mobilenet_v2,
    mobilenet_v3,
    patchgan,
    pyramid,
    resnet,
    segformer,
    sift,
    ssd,
    stacks,
    swin,
    tcn,
    unet,
    vgg,
    wavenet,
    yolo,
)


@dataclass(frozen=True)
class ZooEntry:
    """One network of the zoo.

    Attributes
    ----------
    name : str
        What users type.
    summary : str
        One line.
    citation : str
        Where its layers come from.
    build : callable
        Returns the network; keyword parameters vary it.
    """

    name: str
    summary: str
    citation: str
    build: Callable[..., Network]


_ENTRIES = (
    ZooEntry("stack", "n 3×3 convolutions, 20 by default", stacks.CITATION, stacks.stack),
    ZooEntry("pooled-stack", "n 3×3 convolutions, a 2×2 pool every few", stacks.CITATION, stacks.pooled_stack),
    ZooEntry("dilated-stack", "n dilated 3×3 convolutions", stacks.CITATION, stacks.dilated_stack),
    ZooEntry("strided-stack", "n strided 3×3 convolutions", stacks.CITATION, stacks.strided_stack),
    ZooEntry("stack20", "20 3×3 convolutions", stacks.CITATION, partial(stacks.stack, 20, name="stack20")),
    ZooEntry(
        "stack20-pool4",
        "20 3×3 convolutions, a 2×2 pool after each 4",
        stacks.CITATION,
        partial(stacks.pooled_stack, 20, 4, name="stack20-pool4"),
    ),
    ZooEntry("plain5", "5 3×3 convolutions", stacks.CITATION, partial(stacks.stack, 5, name="plain5")),
    ZooEntry(
        "dilated5",
        "5 3×3 convolutions of dilation 2",
        stacks.CITATION,
        partial(stacks.dilated_stack, 5, name="dilated5"),
    ),
    ZooEntry(
        "strided5", "5 3×3 convolutions of stride 2", stacks.CITATION, partial(stacks.strided_stack, 5, name="strided5")
    ),
    *(
        ZooEntry(
            f"resnet{depth}",
            f"ResNet-{depth} as in torchvision, stride in the 3×3",
            resnet.CITATION,
            partial(resnet.resnet, depth),
        )
        for depth in resnet.UNITS
    ),
    ZooEntry(
        "resnet50-v1",
        "ResNet-50 as published, stride in the first 1×1",
        resnet.CITATION,
        partial(resnet.resnet, 50, stride_in="1x1", name="resnet50-v1"),
    ),
    ZooEntry(
        "resnet50-slim",
        "ResNet-50 of TF-Slim, stride in the last unit of a block",
        f"{resnet.CITATION}; TF-Slim resnet_v1",
        partial(resnet.resnet, 50, stride_in="block_end", pool_padding="same", name="resnet50-slim"),
    ),
    ZooEntry("alexnet", "AlexNet as in torchvision", alexnet.CITATION, alexnet.alexnet),
    ZooEntry(
        "alexnet-slim",
        "AlexNet of TF-Slim (alexnet_v2)",
        f"{alexnet.CITATION}; TF-Slim alexnet_v2",
        alexnet.alexnet_slim,
    ),
    *(
        ZooEntry(
            f"vgg{depth}",
            f"VGG-{depth}, configuration {configuration}, without batch normalisation",
            vgg.CITATION,
            partial(vgg.vgg, depth),
        )
        for depth, configuration in zip(vgg.CONVOLUTIONS, "ABDE", strict=True)
    ),
    ZooEntry("mobilenet-v1", "MobileNet with SAME paddings", mobilenet.CITATION, mobilenet.mobilenet_v1),
    ZooEntry("mobilenet_v2", "MobileNetV2 as in torchvision", mobilenet_v2.CITATION, mobilenet_v2.mobilenet_v2),
    *(
        ZooEntry(
            f"mobilenet_v3_{size}",
            f"MobileNetV3 {size} as in torchvision",
            mobilenet_v3.CITATION,
            partial(mobilenet_v3.mobilenet_v3, small=size == "small"),
        )
        for size in ("large", "small")
    ),
    ZooEntry(
        "efficientnet_b0", "EfficientNet-B0 as in torchvision", efficientnet.CITATION, efficientnet.efficientnet_b0
    ),
    *(
        ZooEntry(
            f"densenet{depth}",
            f"DenseNet-{depth} as in torchvision",
            densenet.CITATION,
            partial(densenet.densenet, depth),
        )
        for depth in densenet.LAYERS
    ),
    ZooEntry("googlenet", "GoogLeNet as in torchvision, 3×3 in place of 5×5", googlenet.CITATION, googlenet.googlenet),
    ZooEntry(
        "googlenet-paper",
        "GoogLeNet as published, with its 5×5",
        googlenet.CITATION,
        partial(googlenet.googlenet, published=True),
    ),
    ZooEntry("inception_v3", "Inception v3 as in torchvision", inception.CITATION, inception.inception_v3),
    ZooEntry("convnext_tiny", "ConvNeXt-T as in torchvision", convnext.CITATION, convnext.convnext_tiny),
    ZooEntry("swin_t", "Swin-T as in torchvision, windows of 7 that shift", swin.CITATION, swin.swin_t),
    ZooEntry("hrnet_w18", "HRNet-W18, four resolutions side by side", hrnet.CITATION, partial(hrnet.hrnet, 18)),
    ZooEntry("unet", "U-Net as published: unpadded, shortcuts cropped", unet.CITATION, unet.unet),
    ZooEntry("unet-padded", "U-Net with padded 3×3", unet.CITATION, partial(unet.unet, padded=True)),
    ZooEntry("unet3d", "3D U-Net as published: unpadded, shortcuts cropped", unet.CITATION_3D, unet.unet3d),
    ZooEntry("deeplabv3plus", "DeepLabv3+ on ResNet-101, output stride 16", deeplab.CITATION, deeplab.deeplabv3plus),
    ZooEntry("segformer_b0", "SegFormer-B0 with its decoder", segformer.CITATION, segformer.segformer_b0),
    *(
        ZooEntry(
            f"yolov5{variant}",
            f"YOLOv5{variant}: backbone with SPPF, PAN neck, three maps",
            yolo.CITATION,
            partial(yolo.yolov5, variant),
        )
        for variant in yolo.VARIANTS
    ),
    ZooEntry("patchgan", "the discriminator that judges patches of 70×70", patchgan.CITATION, patchgan.patchgan),
    ZooEntry(
        "wavenet",
        "dilated causal layers, 1 … 512 three times (1-D)",
        wavenet.CITATION,
        wavenet.wavenet,
    ),
    ZooEntry("tcn", "residual units of dilated causal layers, 1 … 128 (1-D)", tcn.CITATION, tcn.tcn),
    ZooEntry("ssd300", "six feature maps on VGG-16, image of 300", ssd.CITATION, ssd.ssd300),
    ZooEntry("ssd512", "seven feature maps on VGG-16, image of 512", ssd.CITATION, ssd.ssd512),
    *(
        ZooEntry(
            f"fpn-resnet{depth}", f"feature pyramid P2–P6 on ResNet-{depth}", fpn.CITATION, partial(fpn.fpn, depth)
        )
        for depth in (50, 101)
    ),
    ZooEntry("aspp", "3×3 of dilation 6, 12 and 18 side by side, on a feature map", aspp.CITATION, aspp.aspp),
    ZooEntry("dorn-aspp", "the ASPP head on a dilated ResNet-101 of output stride 8", aspp.CITATION, aspp.dorn_aspp),
    ZooEntry("dorn", "the whole depth network, with its full-image encoder", aspp.CITATION, aspp.dorn),
    ZooEntry(
        "context-module",
        "3×3 of dilation 1, 1, 2, 4, 8, 16, 1, on a map of scores",
        context.CITATION,
        context.context_module,
    ),
    ZooEntry("image-pyramid", "a shared stack on the image at five octaves", pyramid.CITATION, pyramid.image_pyramid),
    ZooEntry("sift", "the scale space of SIFT, four octaves of Gaussian windows", sift.CITATION, sift.sift),
)


NETWORKS: dict[str, ZooEntry] = {entry.name: entry for entry in _ENTRIES}


def build(name: str, /, **params: Any) -> Network:
    """Return a network of the zoo.

    Parameters
    ----------
    name : str
        A key of `NETWORKS`.
    **params
        Parameters of its builder, such as `input_size` (all), `stride_in` (residual networks), `n` (stacks).

    Raises
    ------
    InputError
        For a name or a parameter that the zoo does not have.

    Examples
    --------
    >>> build("stack", n=12, input_size=64)
    <Network stack12: 12 layers, axes y, x, input 64×64>
    """
    if not isinstance(name, str) or name not in NETWORKS:
        raise InputError(f"no network {shown(name)} in the zoo; {nearest(name, NETWORKS)}")
    known = inspect.signature(NETWORKS[name].build).parameters
    for key in params:
        if key not in known:
            raise InputError(f"{name} has no parameter {shown(key)}; {nearest(key, known)}")
    return NETWORKS[name].build(**params)
