"""Import a torchvision without compiled code."""

from __future__ import annotations

from typing import Any

_DECLARED: list[Any] = []  # torch forgets a library that nobody holds


def declare_torchvision_operators() -> None:
    """Declare the operators that a torchvision without compiled code lacks, so that it can be imported."""
    import torch

    library: Any = torch.library
    library = library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _DECLARED.append(library)
