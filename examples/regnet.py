"""The design space AnyNetX, from which RegNets come, 1.8·10^18 networks: `rfscale sweep examples/regnet.py:SPACE`.

Radosavovic, Kosaraju, Girshick, He, Dollár: "Designing Network Design Spaces", CVPR 2020. Four stages of 1 to 16 blocks
(1×1, 3×3 in groups, 1×1); the first block has stride 2. Width (multiples of 8 up to 1024), bottleneck ratio (1, 2, 4)
and group width (1, 2, 4, 8, 16, 32) are choices that no footprint depends on. The shortcut, a 1×1, reads entries that
the 3×3 reads as well. There are no costs: widths and groups fit each other only after rounding.

Run it for the number of networks by extent, and how few states they come to::

    python examples/regnet.py
"""

from __future__ import annotations

from itertools import product
from typing import Any

import rfscale as rf

WIDTHS, RATIOS, GROUPS = range(8, 1025, 8), (1, 2, 4), (1, 2, 4, 8, 16, 32)


def space() -> rf.Space:
    """Return the space."""
    blocks = [
        {"name": f"w{w}b{b}g{g}", "layers": [{"kernel": 3, "stride": 2}]} for w, b, g in product(WIDTHS, RATIOS, GROUPS)
    ]
    stages: list[dict[str, Any]] = [{"name": "stem", "kernel": 3, "stride": 2}]
    for i in range(1, 5):
        stages.append({"name": f"s{i}", "choices": blocks})
        stages.append({"name": f"s{i}_more", "kernel": 3, "repeat": list(range(16))})
    return rf.Space.from_dict({"name": "anynet-x", "stages": stages})


def __getattr__(name: str) -> rf.Space:
    if name == "SPACE":
        return space()
    raise AttributeError(name)


if __name__ == "__main__":
    print(rf.count(space(), "extent").to_series())
