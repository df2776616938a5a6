"""The Gaussian approximation of the effective receptive field (Luo et al., 2016) against exact path weights.

Run it for the table of docs/validity.md::

    python -m sweeps.validation.gaussian
"""

from __future__ import annotations

from math import erf, sqrt
from typing import TYPE_CHECKING

import numpy as np

from engine.weights import path_weights

if TYPE_CHECKING:
    from engine.network import Network

DEPTHS = (1, 2, 3, 5, 10, 20, 50)
CHAINS = {
    "3×3": {"kernel": 3},
    "2×2": {"kernel": 2},
    "7×7": {"kernel": 7},
    "3×3, d = 2": {"kernel": 3, "dilation": 2},
    "2×2, s = 2": {"kernel": 2, "stride": 2},
    "3×3, s = 2": {"kernel": 3, "stride": 2},
}
MAX_STRIDED = 20  # layers: 2^20 pixels


def gaussian_distance(network: Network, layer: str) -> float:
    """Return the total-variation distance between path weights along the first axis and the normal of equal variance.

    The normal distribution is cut into the pixels: each has the mass between its edges. 0 is alike, 1 is disjoint.

    Examples
    --------
    >>> from engine import Network
    >>> chain = Network.sequential(*[{"kernel": 3}] * 20, axes=1)
    >>> [round(gaussian_distance(chain, f"conv{n}"), 4) for n in (1, 5, 20)]
    [0.1926, 0.0143, 0.0036]
    """
    weights = path_weights(network, layer)
    along = weights.sum([d for d in weights.dims if d != network.axes[0]]).values
    pixels = np.arange(len(along))
    mean = float(along @ pixels)
    sigma = sqrt(float(along @ (pixels - mean) ** 2))
    if sigma == 0:
        return 0.0
    edges = np.array([erf((x - 0.5 - mean) / (sigma * sqrt(2))) for x in range(len(along) + 1)])
    inside = np.diff(edges) / 2
    return float(np.abs(along - inside).sum() + 1 - inside.sum()) / 2


def table() -> list[str]:
    """Return the rows of a Markdown table: total-variation distance by chain and depth."""
    from engine.network import Network

    rows = ["| layers | " + " | ".join(map(str, DEPTHS)) + " |", "| --- |" + " ---: |" * len(DEPTHS)]
    for name, layer in CHAINS.items():
        cells = []
        for depth in DEPTHS:
            if layer.get("stride", 1) > 1 and depth > MAX_STRIDED:
                cells.append("–")
                continue
            network = Network.sequential(*[dict(layer)] * depth, axes=1)
            cells.append(f"{gaussian_distance(network, f'conv{depth}'):.4f}")
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return rows


if __name__ == "__main__":
    print("\n".join(table()))
