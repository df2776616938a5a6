"""Rules of convolutions, products, norms, nonlinearities and arithmetic."""

from __future__ import annotations

from typing import Any

import torch

from rfscale.engine.fields.squares.attention import attended
from rfscale.engine.fields.squares.gates import gate
from rfscale.engine.fields.squares.moments import Moments
from rfscale.engine.fields.squares.norms import by_groups, estimates_statistics
from rfscale.engine.fields.squares.pointwise import slope_squared
from rfscale.engine.fields.squares.recorded import Node, Ref, leaves
from rfscale.engine.fields.squares.slopes import has_mean_square, slopes_of
from rfscale.engine.fields.squares.way import (
    NAMED_BATCH_NORM,
    ON_ANY_VALUES,
    Given,
    WayBack,
    rule,
    same_place,
    unknown,
)
from rfscale.engine.fields.squares.window import Window
from rfscale.engine.fields.squares.windows_of import Taps, conv_back, conv_transpose_back

SAME_SCALE = "signs of nonlinearities' inputs are even, and independent of the gradients"
FROM_WEIGHTS = (
    "inputs of nonlinearities are normal, each channel as batch norms say, or as follows from a standard normal image"
)
NORMAL = "values that {} gets are standard normal"
POLES = frozenset(
    "reciprocal log log2 log10 log1p sqrt rsqrt pow tan logit atanh acosh asin acos erfinv digamma lgamma".split()
)  # slopes without bound
_WORTH_HALVING = 1_000_000  # multiplications: ResNet-50 at 224 pixels, last map, 72 ms of CPU instead of 94


# convolutions and products -------------------------------------------------------------------------------------------


@rule("convolution", "_convolution", "convolution_overrideable", takes_channels=True)
def convolution(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """A convolution with weights: their squares."""
    ref, weight, _, stride, padding, dilation, transposed, _, groups, *_ = node.args
    if not isinstance(ref, Ref) or isinstance(weight, Ref):
        raise unknown(node, "its weights depend on the image")
    axes = len(ref.shape) - 2
    stride, padding, dilation = ([*v] * axes if len(v) == 1 else [*v] for v in (stride, padding, dilation))
    taps = Taps(weight.shape[2:], stride, padding, dilation, groups)
    work = weight.numel() * out.values[0, 0].numel()
    inexact = way.power == 2 or way.chance is not None
    halved = way.halved and inexact and groups == 1 and not transposed and work > _WORTH_HALVING
    weight = weight.detach().to(torch.bfloat16 if halved else out.values.dtype)
    squared = weight.square() if way.power == 2 else weight
    if out.channels is not None and not transposed and squared.numel() < out.values.numel():
        squared = squared * out.channels.to(squared.dtype).reshape(-1, *(1,) * (axes + 1))
        out = Window(out.values, out.start, out.shape, out.exponent)
    out = out.ready()
    if ref.node == -1 and groups == 1 and way.power == 2:  # of the image only the sum over channels is asked for
        squared = squared.sum(0 if transposed else 1, keepdim=True)
        shape = (ref.shape[0], 1, *ref.shape[2:])
    else:
        shape = ref.shape
    if transposed:
        out = Window.whole(way.whole(node, out), out.exponent)
        back = conv_transpose_back(out, shape, squared, taps)
    else:
        back = conv_back(out, shape, squared, taps)
    yield ref, way.scaled(back)


@rule("linear", "addmm", "mm", "matmul", "bmm", "baddbmm")
def product_with(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """A product with a constant matrix: with its squares."""
    name = node.name
    bias, a, b = (node.args[0], *node.args[1:3]) if name in ("addmm", "baddbmm") else (None, *node.args[:2])
    if isinstance(bias, Ref) or not (isinstance(a, Ref) or isinstance(b, Ref)):
        raise unknown(node, "its bias depends on the image")
    if isinstance(a, Ref) and isinstance(b, Ref):
        yield from attended(way, node, out, a, b)
        return
    values = way.whole(node, out)
    if name == "linear":
        back = values @ b.detach().to(values.dtype) ** way.power
    elif isinstance(a, Ref):
        back = values @ (b.detach().to(values.dtype) ** way.power).transpose(-1, -2)
    else:
        back = (a.detach().to(values.dtype) ** way.power).transpose(-1, -2) @ values
    ref = a if isinstance(a, Ref) else b
    yield ref, Window.whole(back.reshape(ref.shape), out.exponent)


# norms, nonlinearities, arithmetic -----------------------------------------------------------------------------------


@rule(*NAMED_BATCH_NORM, takes_channels=True)
def batch_norm(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """A batch norm in evaluation mode: one factor for each channel."""
    ref = node.args[0]
    if not isinstance(ref, Ref) or any(isinstance(a, Ref) for a in node.args[1:]):
        raise unknown(node, "its statistics depend on the image")
    if estimates_statistics(node):
        arguments = node.named
        eps, channels = arguments.get("eps", arguments.get("epsilon", 1e-5)), ref.shape[1]
        yield from by_groups(way, node, out.ready(), ref, arguments.get("weight"), channels, eps)
        return
    yield ref, out.per_channel(batch_norm_scale(node) ** way.power)


def batch_norm_scale(node: Node) -> Any:
    """The factor of each channel."""
    arguments = node.named
    variance = arguments["running_var"].detach().double()
    eps = arguments.get("eps", arguments.get("epsilon", 1e-5))
    weight = arguments.get("weight")
    scale = (variance + eps).rsqrt()
    return scale if weight is None else scale * weight.detach()


@rule(ON_ANY_VALUES, takes_channels=True)
def nonlinear(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """An operator on each value: the mean square of its slope."""
    (ref,) = node.refs()
    square, slope = slopes(way, node)
    if way.power == 1 and way.chance is not None:
        yield same_place(node, ref, *_drawn_slopes(way, node, out.ready(), square, slope))
        return
    factor = square if way.power == 2 else slope
    flat = _by_channel(factor, ref) if isinstance(factor, torch.Tensor) and ref.shape == out.shape else None
    if flat is not None:
        yield ref, out.per_channel(flat)
        return
    out, factor = way.fitting(node, out.ready(), factor)
    yield same_place(node, ref, out, factor.to(out.values.dtype) if isinstance(factor, torch.Tensor) else factor)


def _drawn_slopes(way: WayBack, node: Node, out: Window, square: Any, slope: Any) -> tuple[Window, Any]:
    """A window, and slopes of this mean and mean square for each of its values."""
    assert way.chance is not None
    square, slope = (v if isinstance(v, torch.Tensor) else torch.tensor(v) for v in (square, slope))
    spread = (square - slope.square()).clamp_min(0).sqrt()
    (wide, mean), (_, spread) = (way.fitting(node, out, v.to(out.values.dtype)) for v in (slope, spread))
    return wide, mean + spread * way.chance.signs(wide.values)


def slopes_that_differ(way: WayBack, node: Node, squared: Window, output: int) -> Window:
    """The variance of a slope, as a share of its mean square: what a squared gradient leaves to chance."""
    square, slope = slopes(way, node)
    kept = slope**2 / square if not isinstance(square, torch.Tensor) else slope.square() / square.clamp_min(1e-30)
    if isinstance(kept, torch.Tensor) and node.outputs[output] == node.refs()[0].shape:
        flat = _by_channel(kept, node.refs()[0])
        if flat is not None:
            return squared.per_channel(1 - flat)
    squared, kept = way.fitting(node, squared.ready(), kept)
    return squared.times(1 - kept)


def _by_channel(factor: Any, ref: Ref) -> Any:
    """Factors that differ along dim 1 alone, as a row; None for others."""
    wide = factor.dim() == len(ref.shape) and factor.numel() == factor.shape[1] == ref.shape[1]
    return factor.flatten() if wide else None


def slopes(way: WayBack, node: Node) -> tuple[Any, Any]:
    """Mean square and mean of the slope of a nonlinearity."""
    (ref,) = node.refs()
    if id(node) in way.slopes:
        found, assumed = way.slopes[id(node)]
        way.assumed[assumed] = None
        return found
    known = None if way.moments is None else way.moments.of(ref)
    if node.made is not None or node.name in POLES:
        unit = torch.ones((1,) * len(ref.shape))
        of = known or Moments(unit * 0, unit)
        if not has_mean_square(node, of.mean, of.variance.sqrt()):
            raise unknown(node, "the mean square of its slope is not finite")
    if known is not None:
        found, assumed = slopes_of(node, known.mean, known.variance.sqrt()), FROM_WEIGHTS
    else:
        rest = [v for v in leaves((node.args, node.kwargs)) if not isinstance(v, Ref)]
        several = node.made is not None or any(isinstance(v, torch.Tensor) for v in rest)
        key = None if several else (node.func, *map(repr, rest))
        if key is None or key not in way.slopes:
            square, slope, any_scale = slope_squared(node, ref)
            one = (float(square), float(slope)) if square.numel() == 1 else (square, slope)
            way.slopes[key] = one, SAME_SCALE if any_scale else NORMAL.format(node.name)
        found, assumed = way.slopes[key]
    way.slopes[id(node)] = found, assumed
    way.assumed[assumed] = None
    return found


@rule("add", "sub", "rsub")
def add(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """Branches add: each gets all of it."""
    alpha = float(node.kwargs.get("alpha", 1)) * (1 if node.name == "add" else -1)
    for place, value in enumerate(node.args[:2]):
        if isinstance(value, Ref):
            first = (place == 0) == (node.name != "rsub")
            yield same_place(node, value, out, 1.0 if first else alpha**way.power)


@rule("mul", "div", "multiply", "divide")
def multiply(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """A product with a constant: times its square; of two tensors of the image: a gate."""
    a, b = node.args[:2]
    if isinstance(b, Ref) or not isinstance(a, Ref):
        one = way.composed(node) if isinstance(a, Ref) else None
        if one is not None:
            yield from nonlinear(way, one, out.ready(), output)
            return
        if node.name in ("div", "divide"):
            raise unknown(node, "it divides by what the image decides")
        if isinstance(a, Ref):
            yield from gate(way, node, out, a, b)
            return
        a, b = b, a
    if node.kwargs.get("rounding_mode"):
        raise unknown(node, "it rounds")
    factor = (b.detach().to(out.values.dtype) if isinstance(b, torch.Tensor) else float(b)) ** way.power
    factor = 1 / factor if node.name in ("div", "divide") else factor
    yield same_place(node, a, *way.fitting(node, out, factor))


@rule("detach")
def detach(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """Nothing goes back through it, as in autograd."""
    yield from ()
