"""Boxes and pyramids for the tests of levels and objects."""

from __future__ import annotations

import numpy as np

from rfscale.engine.network.network import Network

TRAINED = "short=800,cap=1333"


def squares(*sides: float) -> np.ndarray:
    return np.array([[side, side] for side in sides], float)


def drawn(median: float, spread: float, n: int = 4000) -> np.ndarray:
    """Boxes whose sides are log-normal, in pixels of the network."""
    sides = np.exp(np.random.default_rng(7).normal(np.log(median), spread, (n, 2)))
    return np.clip(sides, 2, 2000)


SMALL, LARGE = drawn(11, 0.7), drawn(300, 0.4)  # aerial images at 640 pixels; people near the camera


def pyramid(*strides: int, **network) -> Network:
    """A chain with an output of two convolutions at some strides."""
    layers, stride, before = [], 1, "input"
    while stride < max(strides):
        stride *= 2
        layers.append({"name": f"c{stride}", "kernel": 3, "stride": 2, "padding": 1, "inputs": before})
        before = f"c{stride}"
        if stride in strides:
            layers.append({"name": f"box{stride}", "kernel": 3, "padding": 1, "inputs": before})
            layers.append({"name": f"score{stride}", "kernel": 1, "inputs": before})
    return Network.from_dict({"layers": layers, "input_size": 256, **network})
