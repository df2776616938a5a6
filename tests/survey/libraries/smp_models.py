"""Architectures of segmentation-models-pytorch with some encoders each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import segmentation_models_pytorch as smp

from tests.survey.subjects import Made, Subject, squares

ARCHITECTURES = """
Unet UnetPlusPlus MAnet Linknet FPN PSPNet PAN DeepLabV3 DeepLabV3Plus UPerNet Segformer
""".split()
WITHOUT_MIT = ("UnetPlusPlus", "Linknet")
ENCODERS = "resnet18 resnet50 mobilenet_v2 efficientnet-b0 mit_b0 tu-convnext_atto".split()


def subjects() -> Iterator[Subject]:
    """Each architecture with each of the encoders that it takes, and DPT with a ViT."""
    for architecture in ARCHITECTURES:
        for encoder in ENCODERS:
            if encoder == "mit_b0" and architecture in WITHOUT_MIT:
                continue
            name = f"smp:{architecture}({encoder})"
            yield Subject(name, architecture, partial(_made, architecture, encoder))
    yield Subject("smp:DPT(tu-vit_base_patch16_224)", "DPT", partial(_made, "DPT", "tu-vit_base_patch16_224", 224))


def _made(architecture: str, encoder: str, size: int = 256) -> Made:
    module = getattr(smp, architecture)(encoder, encoder_weights=None).eval()
    return Made(module, (1, 3, size, size), squares(3, 96) if size == 256 else ())
