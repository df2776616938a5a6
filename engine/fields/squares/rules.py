"""Rules of convolutions, products, norms, nonlinearities and arithmetic."""

from __future__ import annotations

from math import prod
from typing import Any

import torch

from rfscale.engine.fields.squares.pointwise import slope_squared
from rfscale.engine.fields.squares.recorded import Node, Ref, leaves
from rfscale.engine.fields.squares.slopes import slopes_of
from rfscale.engine.fields.squares.way import NAMED_BATCH_NORM, ON_ANY_VALUES, Given, WayBack, rule, unknown, varied
from rfscale.engine.fields.squares.window import Window
from rfscale.engine.fields.squares.windows_of import Taps, conv_back, conv_transpose_back

SAME_SCALE = "signs of nonlinearities' inputs are even, and independent of the gradients"
FROM_WEIGHTS = (
    "inputs of nonlinearities are normal, each channel as batch norms say, or as follows from a standard normal image"
)
NORMAL = "values that {} gets are standard normal"
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
    halved = way.halved and way.power == 2 and groups == 1 and not transposed and work > _WORTH_HALVING
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
    if isinstance(bias, Ref) or (isinstance(a, Ref) == isinstance(b, Ref)):
        raise unknown(node, "both its factors depend on the image")
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
    yield ref, out.per_channel(batch_norm_scale(node) ** way.power)


def batch_norm_scale(node: Node) -> Any:
    """The factor of each channel."""
    arguments = {a.name: v for a, v in zip(node.func._schema.arguments, node.args, strict=False)} | node.kwargs
    if arguments.get("training") or arguments.get("running_var") is None:
        raise unknown(node, "it uses the statistics of the image")
    variance = arguments["running_var"].detach().double()
    eps = arguments.get("eps", arguments.get("epsilon", 1e-5))
    weight = arguments.get("weight")
    scale = (variance + eps).rsqrt()
    return scale if weight is None else scale * weight.detach()


@rule(ON_ANY_VALUES, takes_channels=True)
def nonlinear(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """An operator on each value: the mean square of its slope."""
    (ref,) = node.refs()
    square, slope = _slopes(way, node)
    factor = square if way.power == 2 else slope
    flat = _by_channel(factor, ref) if isinstance(factor, torch.Tensor) and ref.shape == out.shape else None
    if flat is not None:
        yield ref, out.per_channel(flat)
        return
    yield same_place(node, ref, out, factor.to(out.values.dtype) if isinstance(factor, torch.Tensor) else factor)


@varied(ON_ANY_VALUES)
def slopes_that_differ(way: WayBack, node: Node, squared: Window, output: int) -> Window:
    """The variance of a slope, as a share of its mean square."""
    square, slope = _slopes(way, node)
    kept = slope**2 / square if not isinstance(square, torch.Tensor) else slope.square() / square.clamp_min(1e-30)
    if isinstance(kept, torch.Tensor) and node.outputs[output] == node.refs()[0].shape:
        flat = _by_channel(kept, node.refs()[0])
        if flat is not None:
            return squared.per_channel(1 - flat)
    return squared.ready().times(1 - kept)


def _by_channel(factor: Any, ref: Ref) -> Any:
    """Factors that differ along dim 1 alone, as a row; None for others."""
    wide = factor.dim() == len(ref.shape) and factor.numel() == factor.shape[1] == ref.shape[1]
    return factor.flatten() if wide else None


def _slopes(way: WayBack, node: Node) -> tuple[Any, Any]:
    """Mean square and mean of the slope of a nonlinearity."""
    (ref,) = node.refs()
    if id(node) in way.slopes:
        found, assumed = way.slopes[id(node)]
        way.assumed[assumed] = None
        return found
    known = None if way.moments is None else way.moments.of(ref)
    if known is not None:
        known = known.narrow() if len(ref.shape) > 2 else known
        found, assumed = slopes_of(node, known.mean, known.variance.sqrt()), FROM_WEIGHTS
    else:
        rest = [v for v in leaves((node.args, node.kwargs)) if not isinstance(v, Ref)]
        key = None if any(isinstance(v, torch.Tensor) for v in rest) else (node.func, *map(repr, rest))
        if key is None or key not in way.slopes:
            square, slope, any_scale = slope_squared(node, ref)
            one = (float(square), float(slope)) if square.numel() == 1 else (square, slope)
            way.slopes[key] = one, SAME_SCALE if any_scale else NORMAL.format(node.name)
        found, assumed = way.slopes[key]
    way.slopes[id(node)] = found, assumed
    way.assumed[assumed] = None
    return found


def same_place(node: Node, ref: Ref, out: Window, factor: Any) -> tuple[Ref, Window]:
    """Squares of an input that broadcasts to the output."""
    window = out.times(factor) if not isinstance(factor, torch.Tensor) else out.ready().times(factor)
    if ref.shape == out.shape:
        return ref, window
    values = window.full()
    if len(ref.shape) < values.dim():
        values = values.sum(tuple(range(values.dim() - len(ref.shape))))
    wide = [d for d, n in enumerate(ref.shape) if n == 1 and values.shape[d] != 1]
    return ref, Window.whole(values.sum(wide, keepdim=True) if wide else values, out.exponent)


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
    """A product with a constant: times its square; one of two maps has no rule."""
    a, b = node.args[:2]
    if isinstance(b, Ref) or not isinstance(a, Ref):
        if isinstance(a, Ref) or node.name in ("div", "divide"):
            raise unknown(node, "it multiplies what the image decides, such as a gate")
        a, b = b, a
    if node.kwargs.get("rounding_mode"):
        raise unknown(node, "it rounds")
    factor = (b.detach().to(out.values.dtype) if isinstance(b, torch.Tensor) else float(b)) ** way.power
    if isinstance(factor, torch.Tensor) and not out.is_whole and factor.dim() > 2 and prod(factor.shape[2:]) > 1:
        out = Window.whole(way.whole(node, out), out.exponent)
    yield same_place(node, a, out, 1 / factor if node.name in ("div", "divide") else factor)


@rule("detach")
def detach(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """Nothing goes back through it, as in autograd."""
    yield from ()
