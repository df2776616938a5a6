"""Modules whose tensors do not have the shape of their layers' maps, or do not depend on what they seem to.

Each is a pair: what a forward pass does with a layer's map, and the shape of the image.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class After(nn.Module):
    """A 3×3 convolution, and what follows it."""

    def __init__(self, channels, then):
        super().__init__()
        self.conv, self.then = nn.Conv2d(1, channels, 3, padding=1), then

    def forward(self, x):
        return self.then(self.conv(x))


class MaskedConv(nn.Conv2d):
    """A convolution whose weights are multiplied by a mask, a buffer."""

    def __init__(self, mask, **given):
        mask = torch.as_tensor(mask, dtype=torch.float32)
        super().__init__(1, 1, tuple(mask.shape), **given)
        self.register_buffer("mask", mask)

    def forward(self, x):
        return self._conv_forward(x, self.weight * self.mask, self.bias)


def masked_diagonal():
    return MaskedConv(torch.eye(3), padding=1)


def constant_like(y, kind):
    """A constant that has its type, device or shape from a map."""
    one = torch.ones(y.shape[-2:])
    wide = y.mean((2, 3), keepdim=True).expand(y.shape)
    return {
        "type_as": lambda: one.type_as(wide),
        "to": lambda: one.to(wide),
        "zeros_like": lambda: torch.zeros_like(wide),
        "full_like": lambda: torch.full_like(wide, 2.0),
        "new_zeros": lambda: wide.new_zeros(y.shape),
        "new_tensor": lambda: wide.new_full((1,), 3.0),
        "expand_as": lambda: torch.ones(1).expand_as(wide),
        "view_as": lambda: torch.ones(y.shape).view_as(wide),
        "fill_": lambda: wide.clone().fill_(2.0),
        "zero_": lambda: wide.clone().zero_(),
        "copy_": lambda: wide.clone().copy_(one),
    }[kind]()


CONSTANTS = "type_as to zeros_like full_like new_zeros new_tensor expand_as view_as fill_ zero_ copy_".split()


def blocks(y, a=2, b=3):
    n, c, h, w = y.shape
    return y.view(n, c, h // a, a, w // b, b)


def shuffled(y, r=2):
    n, c, h, w = y.shape
    return y.view(n, c // r**2, r, r, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, c // r**2, h * r, w * r)


def unshuffled(y, r=2):
    n, c, h, w = y.shape
    return y.view(n, c, h // r, r, w // r, r).permute(0, 1, 3, 5, 2, 4).reshape(n, c * r**2, h // r, w // r)


RESHAPED = {
    "mean of blocks": lambda y: blocks(y).mean((3, 5)),
    "max of blocks": lambda y: blocks(y).amax((3, 5)),
    "max of blocks by axis": lambda y: blocks(y).max(5)[0].max(3)[0],
    "sum of blocks": lambda y: blocks(y).sum((3, 5)),
    "blocks that keep their dims": lambda y: blocks(y).mean((3, 5), keepdim=True)[..., 0].squeeze(3),
    "pixel shuffle": shuffled,
    "pixel shuffle, channels last": lambda y: shuffled(y).permute(0, 2, 3, 1),
    "pixel unshuffle": unshuffled,
    "rows of blocks": lambda y: blocks(y).mean(3).flatten(3),
    "a block less its mean": lambda y: (blocks(y) - blocks(y).mean((3, 5), keepdim=True)).reshape(y.shape),
    "a block less its mean, unsqueezed": lambda y: (blocks(y) - blocks(y).mean((3, 5))[:, :, :, None, :, None]).reshape(
        y.shape
    ),
}
NORMS = {
    "no running statistics": nn.BatchNorm2d(2, track_running_stats=False),
    "training": lambda y: F.batch_norm(y, None, None, training=True),
}
