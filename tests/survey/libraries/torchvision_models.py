"""Every model that torchvision lists: classification, segmentation, detection, video and optical flow."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torchvision import models

from tests.survey.subjects import Made, Subject, squares

VIDEO = {"mvit": (1, 3, 16, 224, 224), "swin3d": (1, 3, 16, 224, 224), "s3d": (1, 3, 16, 224, 224)}
DETECTION = {"ssdlite": 320, "ssd": 300}
FLOW_SIZE = (128, 136)


def subjects() -> Iterator[Subject]:
    """All that torchvision lists."""
    for name in models.list_models():
        builder = models.get_model_builder(name)
        parts = builder.__module__.split(".")[2:]
        yield Subject(f"torchvision:{name}", parts[-1], partial(_made, name, parts[0]))


def _made(name: str, task: str, **size: int) -> Made:
    given: dict[str, Any] = {"weights": None, **size}
    if task in ("detection", "segmentation"):
        given["weights_backbone"] = None
    if name in ("googlenet", "inception_v3"):
        given["init_weights"] = False
    module = models.get_model(name, **given).eval()
    if task == "detection":
        size = next((n for start, n in DETECTION.items() if name.startswith(start)), 800)
        return Made(module, (1, 3, size, size), ((1, 3, 128, 160),), call=lambda m, image: m(list(image)), fit=_fit)
    if task == "segmentation":
        return Made(module, (1, 3, 520, 520), squares(3, 96))
    if task == "video":
        shape = next((s for start, s in VIDEO.items() if name.startswith(start)), (1, 3, 16, 112, 112))
        return Made(module, shape, () if "mvit" in name else ((1, 3, 8, 64, 64),))
    if task == "optical_flow":
        return Made(_Flow(module), (1, 3, *FLOW_SIZE))
    if "inception" in name:
        return Made(module, (1, 3, 299, 299), squares(3, 160))
    if name.startswith("vit"):
        own = size.get("image_size", 224)
        return Made(module, (1, 3, own, own), smaller=lambda n: _made(name, task, image_size=n))
    return Made(module, (1, 3, 224, 224), () if name.startswith(("swin", "maxvit")) else squares(3, 96))


def _fit(module: Any, shape: tuple[int, ...]) -> None:
    """Let a detector take an image without resizing it."""
    height, width = shape[2:]
    module.transform.min_size, module.transform.max_size = (min(height, width),), max(height, width)
    module.transform.fixed_size = (width, height) if module.transform.fixed_size else None


class _Flow(torch.nn.Module):
    """Optical flow from an image to itself."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor) -> Any:
        return self.model(image, image, num_flow_updates=2)
