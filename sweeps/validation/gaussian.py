"""The Gaussian approximation of the effective receptive field (Luo et al., 2016) against exact path counts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import erf, nan, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.network.spec import whole
from rfscale.engine.variables import annotate, provenance
from rfscale.sweeps.variables import GAUSSIAN

if TYPE_CHECKING:
    import xarray as xr

MAX_PIXELS = 1 << 18


def gaussian(
    kernel: Sequence[int] = (2, 3, 7), stride: Sequence[int] = (1,), dilation: Sequence[int] = (1,), depth: int = 50
) -> xr.Dataset:
    """Return the distance of path counts from the normal distribution, by window and number of layers in a row.

    Returns
    -------
    xr.Dataset
        Over (window, depth): `distance`, total variation, and `variance`, of uniform weights along one axis; nan where
        the footprint is wider than 2^18 pixels. `window` has the coordinates kernel, stride and dilation.

    Examples
    --------
    >>> data = gaussian([3], dilation=[1, 2], depth=10)
    >>> data.distance.sel(window=["k3 s1 d1", "k3 s1 d2"], depth=10).round(3).values.tolist()
    [0.007, 0.5]
    """
    import xarray as xr

    windows = list(
        product(*((whole(v, "a kernel, stride or dilation") for v in x) for x in (kernel, stride, dilation)))
    )
    whole(depth, "depth", 1, 1000)
    values = np.full((2, len(windows), depth), nan)
    for i, (k, s, d) in enumerate(windows):
        along, jump = np.ones(1), 1
        for n in range(depth):
            reach = (k - 1) * d * jump
            if len(along) + reach > MAX_PIXELS:
                break
            wider = np.zeros(len(along) + reach)
            for tap in range(k):
                wider[tap * d * jump : tap * d * jump + len(along)] += along / k
            along, jump = wider, jump * s
            values[:, i, n] = _distance(along)
    dims = ("window", "depth")
    data: dict[str, Any] = {
        "distance": (dims, values[0]),
        "variance": (dims, values[1]),
    }
    coords: dict[str, Any] = {
        "window": [f"k{k} s{s} d{d}" for k, s, d in windows],
        "depth": np.arange(1, depth + 1),
        **{name: ("window", [w[i] for w in windows]) for i, name in enumerate(("kernel", "stride", "dilation"))},
    }
    return annotate(xr.Dataset(data, coords, provenance("gaussian")), GAUSSIAN)


def _distance(along: np.ndarray) -> tuple[float, float]:
    """Total-variation distance of weights from the normal distribution of their variance; the variance."""
    mean, variance = moments(along)
    if variance == 0:
        return 0.0, 0.0
    scale = sqrt(2 * variance)
    inside = np.diff([erf((x - 0.5 - mean) / scale) for x in range(len(along) + 1)]) / 2
    return float(np.abs(along - inside).sum() + 1 - inside.sum()) / 2, variance


def moments(along: np.ndarray) -> tuple[float, float]:
    """Return the mean and the variance of the pixels 0, 1, … under weights that sum to 1."""
    pixels = np.arange(len(along))
    mean = float(along @ pixels)
    return mean, float(along @ (pixels - mean) ** 2)
