"""The space of OFA-MobileNetV3, 2.18·10^19 networks: `rfscale sweep examples/ofa_mobilenet_v3.py:SPACE`.

Cai, Gan, Wang, Zhang, Han: "Once-for-All: Train One Network and Specialize it for Efficient Deployment", ICLR 2020.
Five units of 2 to 4 inverted residuals; each has a depthwise window of 3, 5 or 7 and expands its channels 3, 4 or 6
times. A unit is one choice, named by its blocks: `k3e4-k7e6`. Squeeze-and-excitation, which is global, is left out, and
so are residual connections: they read entries that the windows read as well.

Run it for the number of networks by extent::

    python examples/ofa_mobilenet_v3.py
"""

from __future__ import annotations

from itertools import product
from typing import Any

import rfscale as rf

UNITS = {"u1": (24, 2), "u2": (40, 2), "u3": (80, 2), "u4": (112, 1), "u5": (160, 2)}  # channels, stride
BLOCKS = list(product((3, 5, 7), (3, 4, 6)))  # kernel, expansion


def block(before: int, channels: int, kernel: int, expand: int, stride: int) -> list[dict[str, Any]]:
    """Return the layers of an inverted residual."""
    return [
        {"kernel": 1, "channels": expand * before},
        {"kernel": kernel, "stride": stride, "groups": "depthwise"},
        {"kernel": 1, "channels": channels},
    ]


def unit(before: int, channels: int, stride: int) -> list[dict[str, Any]]:
    """Return the choices of a unit: every block of every depth."""
    choices = []
    for depth in (2, 3, 4):
        for blocks in product(BLOCKS, repeat=depth):
            layers: list[dict[str, Any]] = []
            for i, (kernel, expand) in enumerate(blocks):
                layers += block(channels if i else before, channels, kernel, expand, 1 if i else stride)
            choices.append({"name": "-".join(f"k{k}e{e}" for k, e in blocks), "layers": layers})
    return choices


def space() -> rf.Space:
    """Return the space."""
    stages: list[dict[str, Any]] = [{"name": "stem", "kernel": 3, "stride": 2, "channels": 16}]
    stages.append({"name": "first", "choices": [block(16, 16, 3, 1, 1)]})
    before = 16
    for name, (channels, stride) in UNITS.items():
        stages.append({"name": name, "choices": unit(before, channels, stride)})
        before = channels
    return rf.Space.from_dict({"name": "ofa-mobilenet-v3", "channels": 16, "input_size": 224, "stages": stages})


def __getattr__(name: str) -> rf.Space:
    if name == "SPACE":
        return space()
    raise AttributeError(name)


if __name__ == "__main__":
    print(rf.count(space(), "extent").to_series())
