"""A small network trained in seconds to find squares of a known side, for fields before and after training.

Run as ``python examples/trained_fields.py``; needs PyTorch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

import rfscale as rf

FIELD = 17  # pixels: eight 3×3


def network(seed: int = 0, width: int = 8, norm: bool = False) -> nn.Sequential:
    """Eight 3×3 without padding: one entry that can see 17×17 pixels."""
    torch.manual_seed(seed)
    parts: list[nn.Module] = []
    for n in range(8):
        parts.append(nn.Conv2d(1 if n == 0 else width, 1 if n == 7 else width, 3))
        if n < 7:
            parts += [nn.BatchNorm2d(width)] if norm else []
            parts.append(nn.ReLU())
    model = nn.Sequential(*parts)
    for part in model:
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    return model


def images(side: int, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise, and in half of it a square of this side in the middle, as faint as a matched filter can just find."""
    noise = torch.randn((count, 1, FIELD, FIELD), generator=generator)
    has = (torch.rand(count, generator=generator) < 0.5).float()
    low = (FIELD - side) // 2
    square = torch.zeros(1, 1, FIELD, FIELD)
    square[..., low : low + side, low : low + side] = 3.0 / side
    return noise + has[:, None, None, None] * square, has


def train(model: nn.Sequential, side: int, steps: int = 300, seed: int = 1) -> float:
    """Train to say whether the square is there; returns the share of right answers on other images."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    loss: Any = nn.functional.binary_cross_entropy_with_logits
    model.train()
    for _ in range(steps):
        x, has = images(side, 128, generator)
        optimizer.zero_grad()
        loss(model(x).flatten(), has).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        x, has = images(side, 2000, generator)
        return float(((model(x).flatten() > 0) == (has > 0)).float().mean())


def main() -> None:
    """Print σ of the field before and after training on squares of each side, measured and predicted."""
    heads = ["side", "right", "σ of the square", "σ before", "σ after", "random signs: σ", "correlation"]
    print(f"| {' | '.join([*heads, 'signs kept: σ', 'correlation'])} |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for side in (3, 7, 11, 15):
        model = network()
        generator = torch.Generator().manual_seed(9)
        last = str(len(model) - 1)
        before = rf.field_figures(rf.effective_field(model, last, images(side, 400, generator)[0]))
        right = train(model, side)
        measured = rf.effective_field(model, last, images(side, 2000, generator)[0])
        found = [float(np.sqrt((side**2 - 1) / 12)), mean_std(before), mean_std(rf.field_figures(measured))]
        cells = [f"{sigma:.2f}" for sigma in found]
        for signs in ("random", "kept"):
            predicted = rf.predicted_field(model, last, input_size=FIELD, signs=signs)
            likeness = float(rf.compare_fields(measured, predicted).correlation)
            cells += [f"{mean_std(rf.field_figures(predicted)):.2f}", f"{likeness:.3f}"]
        print(f"| {side} | {right:.3f} | {' | '.join(cells)} |")


def mean_std(figures: Any) -> float:
    """σ, the mean of both axes."""
    return float(np.mean(figures["std"]))


if __name__ == "__main__":
    main()
