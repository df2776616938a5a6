"""Networks of every kind that the page draws, small enough for a browser test."""

from __future__ import annotations

import base64
from typing import Any

import rfscale as rf

PHASES = {
    "name": "phases",
    "input_size": [40, 36],
    "layers": [
        {"name": "down", "kernel": 3, "stride": 2, "padding": 1},
        {"name": "deep", "kernel": 3, "dilation": 2, "padding": 2},
        {"name": "up", "op": "conv_transpose", "kernel": 4, "stride": 2, "padding": 1},
        {"name": "twice", "op": "upsample", "scale": 2, "mode": "bilinear"},
        {"name": "out", "kernel": 3, "padding": 1},
    ],
}
ASPP = {
    "name": "aspp",
    "input_size": [48, 56],
    "layers": [
        {"name": "stem", "kernel": 3, "stride": 2, "padding": 1},
        {"name": "a", "kernel": 1, "inputs": "stem"},
        {"name": "b", "kernel": 3, "dilation": 3, "padding": 3, "inputs": "stem"},
        {"name": "c", "kernel": [3, 5], "dilation": [6, 4], "padding": [6, 8], "inputs": "stem"},
        {"name": "d", "op": "global_pool", "inputs": "stem"},
        {"name": "cat", "op": "concat", "inputs": ["a", "b", "c"]},
        {"name": "all", "op": "concat", "inputs": ["cat", "d"]},
    ],
}
VOLUME = {
    "name": "volume",
    "input_size": [20, 24, 28],
    "layers": [
        {"name": "c1", "kernel": 3, "padding": 1},
        {"name": "p1", "op": "max_pool", "kernel": 2},
        {"name": "c2", "kernel": 3, "dilation": 2, "padding": 2},
        {"name": "flat", "kernel": [1, 3, 5], "padding": [0, 1, 2], "inputs": "p1"},
        {"name": "sum", "op": "add", "inputs": ["c2", "flat"]},
        {"name": "up", "op": "upsample", "scale": 2, "mode": "nearest"},
    ],
}
ROW = {
    "name": "row",
    "axes": 1,
    "input_size": [200],
    "layers": [
        {"name": "c1", "kernel": 3, "dilation": 1, "padding": 1},
        {"name": "c2", "kernel": 3, "dilation": 4, "padding": 4},
        {"name": "skip", "kernel": 2, "stride": 2, "inputs": "c1"},
        {"name": "c3", "kernel": 3, "dilation": 16, "stride": 2, "padding": 16, "inputs": "c2"},
        {"name": "sum", "op": "add", "inputs": ["c3", "skip"]},
    ],
}
HOSTILE = "</script><img src=x onerror=alert(1)>\"'&amp;<!--\u2028\u202e"
HOSTILE_NETWORK = {
    "name": f"n{HOSTILE}",
    "input_size": [16, 16],
    "layers": [
        {"name": f"a{HOSTILE}", "kernel": 3, "padding": 1},
        {"name": f"m.{HOSTILE}", "kernel": 3, "padding": 1},
        {"name": "m.__proto__", "kernel": 3, "padding": 1},
        {"name": "constructor", "kernel": 3, "padding": 1},
    ],
}

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

MAKERS: dict[str, Any] = {
    "chain": lambda: (rf.load("vgg16"), 64),
    "resnet": lambda: (rf.load("resnet18"), 97),
    "dilated": lambda: (rf.load("dilated5"), 60),
    "unet": lambda: (rf.load("unet-padded"), 96),
    "fpn": lambda: (rf.load("fpn-resnet50"), (128, 160)),
    "aspp": lambda: (rf.Network.from_dict(ASPP), None),
    "1-D": lambda: (rf.Network.from_dict(ROW), None),
    "3-D": lambda: (rf.Network.from_dict(VOLUME), None),
    "phases": lambda: (rf.Network.from_dict(PHASES), None),
}


def torch_model() -> Any:
    """A model of a user, with modules in modules, a skip and an upsampling."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, before: int, after: int, dilation: int) -> None:
            super().__init__()
            self.conv = nn.Conv2d(before, after, 3, padding=dilation, dilation=dilation)
            self.norm = nn.BatchNorm2d(after)

        def forward(self, x):
            return torch.relu(self.norm(self.conv(x)))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enc = nn.Sequential(Block(3, 8, 1), nn.MaxPool2d(2), Block(8, 8, 2))
            self.up = nn.Upsample(scale_factor=2, mode="bilinear")
            self.dec = Block(11, 4, 1)

        def forward(self, x):
            return self.dec(torch.cat([self.up(self.enc(x)), x], 1))

    return Net().eval()
