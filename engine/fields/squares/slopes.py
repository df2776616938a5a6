"""Averages of nonlinearities over normal values: of their slope squared, and of their values."""

from __future__ import annotations

from functools import cache
from math import pi, sqrt
from typing import Any

import torch

from rfscale.engine.fields.squares.pointwise import functional
from rfscale.engine.fields.squares.recorded import Node, Ref, leaves, replaced

POINTS = 128  # of the normal distribution, at the middles of equal shares
FEWER_POINTS, LARGE = 16, 1 << 13  # for more channels, or tokens, than this
MOST_UNEVEN = 0.2  # by which a mean square may differ with fewer points
SMALLEST = 1e-12  # of a spread


def apply(node: Node, x: Any) -> Any:
    """Return what an operator on values makes of others."""
    if node.made is not None:
        return node.made(x)

    def change(value: Any) -> Any:
        if isinstance(value, Ref):
            return x
        return value.to(x.dtype) if isinstance(value, torch.Tensor) and value.is_floating_point() else value

    return functional(node.func)(*replaced(node.args, change), **replaced(node.kwargs, change))


_HOMOGENEOUS: dict[Any, bool] = {}


def is_homogeneous(node: Node, like: Any) -> bool:
    """Whether an operator keeps positive factors, as rectifiers do: φ(cx) = cφ(x)."""
    rest = [v for v in leaves((node.args, node.kwargs)) if not isinstance(v, Ref)]
    if node.made is not None or any(isinstance(v, torch.Tensor) for v in rest):
        return _keeps_factors(node, like)
    key = (node.func, *map(repr, rest))
    if key not in _HOMOGENEOUS:
        _HOMOGENEOUS[key] = _keeps_factors(node, like)
    return _HOMOGENEOUS[key]


def _keeps_factors(node: Node, like: Any) -> bool:
    points = torch.tensor([-2.7, -0.3, 0.4, 3.1]).reshape(-1, *(1,) * (like.dim() - 1)).expand(4, *like.shape[1:])
    return bool(torch.allclose(apply(node, 2 * points), 2 * apply(node, points)))


def slopes_of(node: Node, mean: Any, spread: Any, points: int | None = None) -> tuple[Any, Any]:
    """Return the mean square and the mean of the slope, for normal values of this mean and spread."""
    if is_homogeneous(node, mean):
        above, below = apply(node, torch.ones_like(mean)), -apply(node, -torch.ones_like(mean))
        share = torch.special.ndtr(mean / spread.clamp_min(SMALLEST))
        square = share * above.square() + (1 - share) * below.square()
        return square, share * above + (1 - share) * below
    x = _grid(mean, spread, points=points)
    with torch.enable_grad():
        x.requires_grad_()
        (slope,) = torch.autograd.grad(apply(node, x).sum(), x)
    return _averaged(slope.square(), mean), _averaged(slope, mean)


def average_of(node: Node, mean: Any, spread: Any, largest_of: int = 1) -> tuple[Any, Any]:
    """Return the mean of an operator's values and of their squares, for the largest of so many inputs."""
    if largest_of == 1 and is_homogeneous(node, mean):
        above, below = apply(node, torch.ones_like(mean)), -apply(node, -torch.ones_like(mean))
        z = mean / spread.clamp_min(SMALLEST)
        share, height = torch.special.ndtr(z), torch.exp(-z.square() / 2) / sqrt(2 * pi)
        up, square_up = mean * share + spread * height, (mean**2 + spread**2) * share + mean * spread * height
        square_down = mean**2 + spread**2 - square_up
        return above * up + below * (mean - up), above.square() * square_up + below.square() * square_down
    values = apply(node, _grid(mean, spread, largest_of))
    return _averaged(values, mean), _averaged(values.square(), mean)


def has_mean_square(node: Node, mean: Any, spread: Any) -> bool:
    """Whether the mean square of the slope does not depend on how finely it is worked out: 1 / x has none."""
    coarse, fine = (float(slopes_of(node, mean, spread, points)[0].mean()) for points in (FEWER_POINTS, POINTS))
    return abs(coarse - fine) <= MOST_UNEVEN * fine


def _grid(mean: Any, spread: Any, largest_of: int = 1, points: int | None = None) -> Any:
    points = points or (POINTS if mean.numel() <= LARGE else FEWER_POINTS)
    if mean.shape[0] > 1:  # no dim is free
        mean, spread = mean[None], spread[None]
    return (mean + spread * _quantiles(largest_of, points).reshape(-1, *(1,) * (mean.dim() - 1))).contiguous()


def _averaged(values: Any, mean: Any) -> Any:
    """The mean over the points of a grid, in the shape of the means that it was made for."""
    return values.mean(0).reshape(mean.shape)


@cache
def _quantiles(largest_of: int, points: int) -> Any:
    shares = (torch.arange(points, dtype=torch.float64) + 0.5) / points
    return torch.special.ndtri(shares ** (1 / largest_of)).float()


@cache
def largest_of(number: int) -> tuple[float, float]:
    """Return the mean and the variance of the largest of so many standard normal numbers."""
    x = torch.linspace(-9, 9, 4001, dtype=torch.float64)
    share = torch.special.ndtr(x) ** number
    weight, middle = share.diff(), (x[1:] + x[:-1]) / 2
    mean = float((weight * middle).sum())
    return mean, float((weight * (middle - mean) ** 2).sum())
