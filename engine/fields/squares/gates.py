"""Gates: products of two tensors of the image, value by value.

What a factor is multiplied with is taken for independent of the gradient, and counts by its mean square: see
docs/theory.md, section 13.
"""

from __future__ import annotations

from typing import Any

import torch

from rfscale.engine.fields.squares.moments import AllMoments, Moments, independent, moment_rule
from rfscale.engine.fields.squares.recorded import Node, Ref
from rfscale.engine.fields.squares.way import Given, WayBack, rule, same_place, unknown
from rfscale.engine.fields.squares.window import Window

GATES = "the factors of a gate are independent, each multiplied with the mean square of the other"


def gate(way: WayBack, node: Node, out: Window, a: Ref, b: Ref) -> Given:
    """Yield what both factors of a product get: the mean square of the other, or (signs kept) drawn values."""
    if not independent(way.nodes, a, b):
        raise unknown(node, "both its factors are functions of one tensor, value by value")
    way.assumed[GATES] = None
    for ref, other in ((a, b), (b, a)):
        dtype = out.values.dtype
        factor = way.known(node, other).square.to(dtype) if way.power == 2 else way.drawn(node, other, dtype)
        yield same_place(node, ref, *way.fitting(node, out, factor))


@rule("glu")
def glu(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """One half of the channels times the sigmoid of the other."""
    ref = node.args[0]
    dim = node.args[1] if len(node.args) > 1 else -1
    values = way.whole(node, out)
    if way.power == 1:
        drawn, gate_of = way.drawn(node, ref, values.dtype).chunk(2, dim)
        opened = gate_of.sigmoid()
        yield ref, Window.whole(torch.cat([values * opened, values * drawn * opened * (1 - opened)], dim), out.exponent)
        return
    first, second = way.known(node, ref).full(ref.shape).halves(dim)
    way.assumed[GATES] = None
    opened, steep = _of_sigmoid(second)
    back = torch.cat([values * opened.to(values.dtype), values * (first.square * steep).to(values.dtype)], dim)
    yield ref, Window.whole(back, out.exponent)


@moment_rule("glu")
def _glu(_all: AllMoments, node: Node, given: list[Moments]) -> Moments:
    ref = node.args[0]
    first, second = given[0].full(ref.shape).halves(node.args[1] if len(node.args) > 1 else -1)
    grid = _grid(second).sigmoid()
    mean, square = grid.mean(0), grid.square().mean(0)
    return Moments(first.mean * mean, first.square * square - (first.mean * mean).square()).plain()


def _of_sigmoid(known: Moments) -> tuple[Any, Any]:
    """The mean square of a sigmoid, and of its slope."""
    opened = _grid(known).sigmoid()
    return opened.square().mean(0), (opened * (1 - opened)).square().mean(0)


def _grid(known: Moments) -> Any:
    shares = (torch.arange(16, dtype=known.mean.dtype) + 0.5) / 16
    points = torch.special.ndtri(shares).reshape(-1, *(1,) * known.mean.dim())
    return known.mean + points * known.variance.sqrt()
