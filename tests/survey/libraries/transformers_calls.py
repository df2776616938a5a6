"""Models of transformers that take something else than an image: patches of it, or a clip."""

from __future__ import annotations

from typing import Any

import torch


class AsPatches(torch.nn.Module):
    """Cuts an image into the rows of patches that Siglip2 is called with, as its processor does."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.patch = model.config.vision_config.patch_size

    def forward(self, pixel_values: torch.Tensor) -> Any:
        batch, channels, height, width = pixel_values.shape
        p, rows, columns = self.patch, height // self.patch, width // self.patch
        cut = pixel_values.reshape(batch, channels, rows, p, columns, p).permute(0, 2, 4, 3, 5, 1)
        patches = cut.reshape(batch, rows * columns, p * p * channels)
        mask = torch.ones(patches.shape[:2], dtype=torch.long, device=patches.device)
        shapes = torch.tensor([[rows, columns]] * batch, device=patches.device)
        return self.model(pixel_values=patches, pixel_attention_mask=mask, spatial_shapes=shapes)


class AsClip(torch.nn.Module):
    """Makes a clip of one image."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: torch.Tensor) -> Any:
        return self.model(pixel_values[:, None])


WRAPPERS = {"siglip2": AsPatches, "videomt": AsClip}
