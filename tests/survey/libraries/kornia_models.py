"""Detectors, descriptors, filters and networks of kornia, without weights."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib import import_module
from typing import Any

import kornia
from kornia import feature

from tests.survey.subjects import Made, Subject

img, rgb, patch = (1, 1, 64, 64), (1, 3, 96, 96), (1, 1, 32, 32)


def _named(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


MODELS: list[tuple[str, Any, tuple[int, ...]]] = [
    ("HardNet", lambda: feature.HardNet(False), patch),
    ("HardNet8", lambda: feature.HardNet8(False), patch),
    ("HyNet", lambda: feature.HyNet(False), patch),
    ("SOSNet", lambda: feature.SOSNet(False), patch),
    ("TFeat", lambda: feature.TFeat(False), patch),
    ("SIFTDescriptor", lambda: feature.SIFTDescriptor(32), patch),
    ("DenseSIFT", lambda: feature.DenseSIFTDescriptor(), img),
    ("MKD", lambda: feature.MKDDescriptor(32, whitening=None), patch),
    ("AffNet", lambda: feature.LAFAffNetShapeEstimator(False).features, patch),
    ("OriNet", lambda: feature.OriNet(False), patch),
    ("KeyNet", lambda: feature.KeyNet(False), img),
    ("DISK", lambda: feature.DISK(), (1, 3, 128, 128)),
    ("DISK.unet", lambda: feature.DISK().unet, (1, 3, 128, 128)),
    ("DeDoDe.det", lambda: feature.DeDoDe(descriptor_model="B").detector, (1, 3, 112, 112)),
    ("DeDoDe.desc", lambda: feature.DeDoDe(descriptor_model="B").descriptor, (1, 3, 112, 112)),
    ("DeDoDe", lambda: feature.DeDoDe(descriptor_model="B"), (1, 3, 112, 112)),
    ("LoFTR.backbone", lambda: feature.LoFTR(None).backbone, (1, 1, 64, 64)),
    ("CornerHarris", lambda: feature.CornerHarris(0.04), img),
    ("CornerGFTT", lambda: feature.CornerGFTT(), img),
    ("BlobHessian", lambda: feature.BlobHessian(), img),
    ("BlobDoG", lambda: feature.BlobDoGSingle(), img),
    ("ALIKED", lambda: feature.ALIKED(), rgb),
    ("Sobel", lambda: kornia.filters.Sobel(), rgb),
    ("Laplacian", lambda: kornia.filters.Laplacian(3), rgb),
    ("SpatialGradient", lambda: kornia.filters.SpatialGradient(), rgb),
    ("SpatialGradient3", lambda: kornia.filters.SpatialGradient(order=2), rgb),
    ("Canny", lambda: kornia.filters.Canny(), rgb),
    ("GaussianBlur", lambda: kornia.filters.GaussianBlur2d((5, 5), (1.0, 1.0)), rgb),
    ("BoxBlur", lambda: kornia.filters.BoxBlur((3, 3)), rgb),
    ("MedianBlur", lambda: kornia.filters.MedianBlur((3, 3)), rgb),
    ("Bilateral", lambda: kornia.filters.BilateralBlur((3, 3), 0.1, (1.0, 1.0)), rgb),
    ("MotionBlur", lambda: kornia.filters.MotionBlur(3, 35.0, 0.5), rgb),
    ("BlurPool", lambda: kornia.filters.BlurPool2D(3, 2), rgb),
    ("MaxBlurPool", lambda: kornia.filters.MaxBlurPool2D(3, 2), rgb),
    ("UnsharpMask", lambda: kornia.filters.UnsharpMask((3, 3), (1.0, 1.0)), rgb),
    ("PyrDown", lambda: kornia.geometry.transform.PyrDown(), rgb),
    ("PyrUp", lambda: kornia.geometry.transform.PyrUp(), rgb),
    ("ScalePyramid", lambda: kornia.geometry.transform.ScalePyramid(2, 1.6, 15), img),
    ("Rot180", lambda: kornia.geometry.transform.Rot180(), rgb),
    ("Hflip", lambda: kornia.geometry.transform.Hflip(), rgb),
    ("Resize", lambda: kornia.geometry.transform.Resize((48, 48)), rgb),
    ("Rescale", lambda: kornia.geometry.transform.Rescale(0.5), rgb),
    ("RgbToGray", lambda: kornia.color.RgbToGrayscale(), rgb),
    ("RgbToLab", lambda: kornia.color.RgbToLab(), rgb),
    ("RgbToHsv", lambda: kornia.color.RgbToHsv(), rgb),
    ("RgbToYuv420", lambda: kornia.color.RgbToYuv420(), rgb),
    (
        "ViT",
        lambda: _named("kornia.models.vit.VisionTransformer")(
            image_size=96, patch_size=16, embed_dim=64, num_heads=4, depth=2
        ),
        rgb,
    ),
    ("MobileViT", lambda: _named("kornia.models.vit_mobile.MobileViT")("xxs"), (1, 3, 256, 256)),
    ("TinyViT", lambda: _named("kornia.models.tiny_vit.TinyViT").from_config("5m"), (1, 3, 224, 224)),
    (
        "RTDETR",
        lambda: _named("kornia.models.rt_detr.RTDETR").from_config(
            _named("kornia.models.rt_detr.RTDETRConfig")("resnet18d", 80, head_num_queries=10)
        ),
        (1, 3, 160, 160),
    ),
    (
        "RTDETR.hgnet",
        lambda: _named("kornia.models.rt_detr.RTDETR").from_config(
            _named("kornia.models.rt_detr.RTDETRConfig")("hgnetv2_l", 80)
        ),
        (1, 3, 160, 160),
    ),
    ("YuNet", lambda: _named("kornia.models.yunet.YuNet")("test", False), (1, 3, 160, 160)),
    (
        "Sam.encoder",
        lambda: (
            _named("kornia.models.sam.Sam")
            .from_config(_named("kornia.models.sam.SamConfig")("mobile_sam"))
            .image_encoder
        ),
        (1, 3, 1024, 1024),
    ),
    ("SOLD2", lambda: feature.SOLD2_detector(False), img),
    ("ExtractTensorPatches", lambda: _named("kornia.contrib.ExtractTensorPatches")((8, 8), stride=4), rgb),
    ("Normalize", lambda: kornia.enhance.Normalize(0.5, 0.5), rgb),
    ("CenterCrop", lambda: _named("kornia.augmentation.CenterCrop")(64), rgb),
    ("PadTo", lambda: _named("kornia.augmentation.PadTo")((128, 128)), rgb),
]


def subjects() -> Iterator[Subject]:
    """All of the list."""
    for name, make, shape in MODELS:
        yield Subject(f"kornia:{name}", name.partition(".")[0], partial(_made, make, shape))


def _made(make: Any, shape: tuple[int, ...]) -> Made:
    return Made(make().eval(), shape)
