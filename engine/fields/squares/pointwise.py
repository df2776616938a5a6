"""What nonlinearities do to an expected squared gradient: the mean square of their slope."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from rfscale.engine.fields.squares.recorded import Node, Ref, replaced

POINTS = 512  # of the normal distribution, at the middles of equal shares; symmetrical, without 0


def slope_squared(node: Node, ref: Ref) -> tuple[Any, Any, bool]:
    """Return mean square and mean of the slope of a nonlinearity, and whether they are the same at any scale.

    The operator itself is called on a grid of values, and differentiated: 1/2 for a rectifier, (1 + a²)/2 for a leaky
    one of slope a below 0. The grid is the standard normal distribution; for operators of any
    scale, φ(cx) = cφ(x) for c > 0, only its symmetry counts.
    """
    shape = _grid_shape(node, ref)
    quantiles = (torch.arange(POINTS, dtype=torch.float64) + 0.5) / POINTS
    grid = torch.special.ndtri(quantiles).reshape(-1, *(1,) * (len(shape) - 1))
    grid = grid.expand(shape).contiguous()

    def call(x: Any) -> Any:
        if node.made is not None:
            return node.made(x)

        def change(value: Any) -> Any:
            if isinstance(value, Ref):
                return x
            return value.double() if isinstance(value, torch.Tensor) and value.is_floating_point() else value

        return functional(node.func)(*replaced(node.args, change), **replaced(node.kwargs, change))

    slope = _slope(call, grid)
    same = torch.allclose(slope, _slope(call, 2 * grid))
    return slope.square().mean(0, keepdim=True), slope.mean(0, keepdim=True), same


def functional(func: Any) -> Any:
    """The variant of an operator that writes into nothing."""
    name = func.__name__.split(".")[0]
    packet = func
    if name.endswith("_") and not name.endswith("__"):
        packet = getattr(getattr(torch.ops, func.namespace), name.rstrip("_"))
    return packet


def _slope(call: Callable[[Any], Any], grid: Any) -> Any:
    with torch.enable_grad():
        x = grid.clone().requires_grad_()
        (slope,) = torch.autograd.grad(call(x).sum(), x)
    return slope


def _grid_shape(node: Node, ref: Ref) -> tuple[int, ...]:
    """Grid points first, then the dims along which constants differ."""
    rank = len(ref.shape)
    sizes = [1] * rank
    given = [v for v in (*node.args, *node.kwargs.values()) if isinstance(v, torch.Tensor)]
    for shape in (tuple(v.shape) for v in given):
        for back, n in enumerate(reversed(shape[-rank:]), 1):
            sizes[-back] = max(sizes[-back], n)
    return (POINTS, *sizes[1:]) if rank else (POINTS,)
