"""Norms by the statistics of the image itself: of layers, of groups of channels, of each channel.

The output is γ (x - m) / s of a group of n values. Of its squared gradient about 1 - 4 / n goes straight back, and
2 / n through m and s, spread evenly over the group: docs/theory.md, section 13.
"""

from __future__ import annotations

from math import prod
from typing import Any

from rfscale.engine.fields.squares.moments import AllMoments, Moments, moment_rule
from rfscale.engine.fields.squares.recorded import Node, Ref
from rfscale.engine.fields.squares.way import NAMED_BATCH_NORM, Given, WayBack, rule, unknown
from rfscale.engine.fields.squares.window import Window

OVER_LAST = ("native_layer_norm", "layer_norm")
BY_GROUPS = ("native_group_norm", "group_norm")
STATISTICS = "means and spreads of the values that a norm gets are those that follow from the weights"


@rule(*OVER_LAST)
def layer_norm(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """A norm over the last dims."""
    ref, shape, weight, _, eps = node.args[:5]
    _check(node, ref, output, weight)
    known = _over_last(way.known(node, ref), ref, len(shape))
    dims = tuple(range(len(ref.shape) - len(shape), len(ref.shape)))
    variance = _spread(known, dims)
    way.assumed[STATISTICS] = None
    values = way.whole(node, out)
    like = _standardized(way, node, ref, ref.shape, dims, values.dtype)
    if weight is not None:
        values = values * (weight.detach() ** way.power).to(values.dtype)
    yield ref, Window.whole(through_norm(values, variance + eps, dims, prod(shape), like), out.exponent)


@rule(*BY_GROUPS)
def group_norm(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """A norm over the map, of each group of channels."""
    ref, weight, _, groups, eps = _group_arguments(node)
    _check(node, ref, output, weight)
    yield from by_groups(way, node, out, ref, weight, groups, eps)


def by_groups(way: WayBack, node: Node, out: Window, ref: Ref, weight: Any, groups: int, eps: float) -> Given:
    """Yield what a map gets of a norm over it, of each group of channels."""
    way.assumed[STATISTICS] = None
    known = _grouped(way.known(node, ref), ref, groups)
    variance = _spread(known, (2,)) + eps  # (1, groups, 1)
    values = way.whole(node, out)
    like = _standardized(way, node, ref, (ref.shape[0], groups, -1), (2,), values.dtype)
    weight = None if weight is None else weight.detach().reshape(-1, *(1,) * (len(ref.shape) - 2))
    shape = (ref.shape[0], groups, -1)
    weighted = values if weight is None else values * (weight**way.power).to(values.dtype)
    back = through_norm(weighted.reshape(shape), variance, (2,), prod(ref.shape[1:]) // groups, like)
    yield ref, Window.whole(back.reshape(ref.shape), out.exponent)


def estimates_statistics(node: Node) -> bool:
    """Whether a batch norm takes the statistics of the image, as instance norms do."""
    arguments = node.named if node.name in NAMED_BATCH_NORM else {}
    return bool(arguments) and bool(arguments.get("training") or arguments.get("running_var") is None)


def _standardized(way: WayBack, node: Node, ref: Ref, shape: Any, dims: tuple[int, ...], dtype: Any) -> Any:
    """Values that the norm may have made, drawn; None on the way of squares."""
    if way.power == 2:
        return None
    x = way.drawn(node, ref, dtype).reshape(shape)
    x = x - x.mean(dims, keepdim=True)
    return x / x.square().mean(dims, keepdim=True).sqrt().clamp_min(1e-30)


def through_norm(values: Any, variance: Any, dims: tuple[int, ...], n: int, like: Any = None) -> Any:
    """What goes back through (x - m) / s: of squares, or of a gradient itself for the values that the norm made."""
    if like is not None:
        rest = values - values.mean(dims, keepdim=True) - like * (values * like).mean(dims, keepdim=True)
        return rest / variance.to(values.dtype).sqrt()
    values = values / variance.to(values.dtype)
    own = 1 - 4 / n + (3 + 3 * (n - 1) / (n + 1)) / n**2  # what a value gives itself, and each of the others
    other = (1 - 2 / n - own) / (n - 1) if n > 2 else 0.0
    return values * (own - other) + values.sum(dims, keepdim=True) * other


def _check(node: Node, ref: Any, output: int, weight: Any) -> None:
    if output or not isinstance(ref, Ref):
        raise unknown(node, "its statistics are read by themselves")
    if isinstance(weight, Ref):
        raise unknown(node, "its weights depend on the image")


def _over_last(known: Moments, ref: Ref, last: int) -> Moments:
    """Moments with the last dims as they are."""
    keep = len(ref.shape) - last
    return known.full((*known.mean.shape[:keep], *ref.shape[keep:]))


def _spread(known: Moments, dims: tuple[int, ...]) -> Any:
    """The variance of all values over some dims: of each, and between their means."""
    return (known.square.mean(dims, keepdim=True) - known.mean.mean(dims, keepdim=True).square()).clamp_min(0)


def _grouped(known: Moments, ref: Ref, groups: int) -> Moments:
    """Moments of a map as (1, groups, values), every place alike."""
    known = known.full((1, ref.shape[1], *known.mean.shape[2:]))
    return Moments(known.mean.reshape(1, groups, -1), known.variance.reshape(1, groups, -1))


def _group_arguments(node: Node) -> tuple[Any, Any, Any, int, float]:
    if node.name == "native_group_norm":
        ref, weight, bias, _, _, _, groups, eps = node.args[:8]
    else:
        ref, groups, weight, bias, eps = (*node.args[:5], None, None, 1e-5)[:5]
    return ref, weight, bias, groups, eps


@moment_rule(*OVER_LAST)
def _layer_norm(_all: AllMoments, node: Node, given: list[Moments]) -> Moments:
    ref, shape, weight, bias, eps = node.args[:5]
    known = _over_last(given[0], ref, len(shape))
    dims = tuple(range(len(ref.shape) - len(shape), len(ref.shape)))
    variance = _spread(known, dims) + eps
    mean = (known.mean - known.mean.mean(dims, keepdim=True)) / variance.sqrt()
    return _affine(Moments(mean, known.variance / variance), weight, bias)


@moment_rule(*BY_GROUPS)
def _group_norm(_all: AllMoments, node: Node, given: list[Moments]) -> Moments:
    ref, weight, bias, groups, eps = _group_arguments(node)
    known = _grouped(given[0], ref, groups)
    variance = _spread(known, (2,)) + eps
    mean = (known.mean - known.mean.mean(2, keepdim=True)) / variance.sqrt()
    shape = (1, ref.shape[1], *given[0].mean.shape[2:])
    wide = [None if v is None else v.detach().reshape(-1, *(1,) * (len(shape) - 2)) for v in (weight, bias)]
    return _affine(Moments(mean.reshape(shape), (known.variance / variance).reshape(shape)), *wide)


def _affine(known: Moments, weight: Any, bias: Any) -> Moments:
    mean, variance = known
    if weight is not None:
        mean, variance = mean * weight.detach().float(), variance * weight.detach().float().square()
    return Moments(mean if bias is None else mean + bias.detach().float(), variance)
