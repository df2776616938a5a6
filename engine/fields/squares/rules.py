"""Expected squared gradients through one operator: what each input gets of that of the output.

A rule takes the way back, a node and the squares at its outputs, and yields (input, squares). The assumptions, and why
each factor is what it is, stand in docs/theory.md, section 13.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import torch

from rfscale.engine.errors import InputError
from rfscale.engine.fields.squares.moments import AllMoments
from rfscale.engine.fields.squares.pointwise import functional, slope_squared
from rfscale.engine.fields.squares.recorded import Node, Ref, leaves, replaced
from rfscale.engine.fields.squares.slopes import slopes_of
from rfscale.engine.fields.squares.window import Window
from rfscale.engine.fields.squares.windows_of import conv_back, conv_transpose_back, taps_back, taps_inside

Given = Iterator[tuple[Ref, Window]]
Rule = Callable[["WayBack", Node, Window, int], Given]

RULES: dict[str, Rule] = {}
NAMED_BATCH_NORM = (
    "native_batch_norm _native_batch_norm_legit_no_training _native_batch_norm_legit cudnn_batch_norm batch_norm "
    "_batch_norm_no_update _batch_norm_with_update"
).split()
SAME_SCALE = "signs of nonlinearities' inputs are even, and independent of the gradients"
FROM_WEIGHTS = (
    "inputs of nonlinearities are normal, each channel as batch norms say, or as follows from a standard normal image"
)
NORMAL = "values that {} gets are standard normal"
_WORTH_HALVING = 1_000_000  # multiplications: ResNet-50 at 224 pixels, last map, 72 ms of CPU instead of 94
MOVES = """
view _unsafe_view reshape permute transpose t flatten unsqueeze squeeze expand clone contiguous alias _to_copy to cat
stack slice select split split_with_sizes chunk unbind narrow constant_pad_nd pad reflection_pad1d reflection_pad2d
reflection_pad3d replication_pad1d replication_pad2d replication_pad3d roll flip index_select index pixel_shuffle
pixel_unshuffle channel_shuffle upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d
_upsample_nearest_exact2d _upsample_nearest_exact3d repeat unfold im2col as_strided sum diagonal movedim swapaxes
view_as_real lift_fresh _reshape_alias native_dropout dropout repeat_interleave cumsum
""".split()  # each output is a sum of inputs: coefficients of 0 and 1, which are their own squares
ON_VALUES = frozenset("_prelu_kernel prelu hardswish rrelu rrelu_with_noise softshrink hardshrink".split())  # untagged
ALONG_AXES = """
upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d _upsample_bilinear2d_aa
_upsample_bicubic2d_aa _adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d
adaptive_avg_pool3d
""".split()  # linear, axis by axis, and a map of ones stays one


class UnknownRuleError(InputError):
    """No rule is known for an operator: the prediction would be a wrong number."""


class WayBack:
    """What rules share.

    Parameters
    ----------
    nodes : list of Node
    borders : bool
        Whether padding ends the way; without borders maps go on beyond their edges.
    even : bool
        Whether the inputs of nonlinearities are taken for symmetrical, instead of what the weights say of them.
    halved : bool
        Whether large products are of bfloat16, with sums in float32: within 0.3 % of the largest value of a ResNet-50.
    """

    def __init__(self, nodes: list[Node], *, borders: bool = True, halved: bool = False, even: bool = False) -> None:
        self.nodes = nodes
        self.moments = None if even else AllMoments(nodes)
        self.halved = halved
        self.borders = borders
        self.assumed: dict[str, None] = {}
        self.slopes: dict[Any, tuple[Any, str]] = {}
        self.power = 2
        self._convolutions = 0

    def scaled(self, window: Window) -> Window:
        """A window near 1, every third time: what three layers do to it fits floats."""
        self._convolutions += 1
        return window if self._convolutions % 3 else window.scaled()

    def rule_of(self, node: Node) -> Rule:
        """The rule of a node."""
        if node.func.namespace != "aten":
            raise unknown(node, "it is no operator of PyTorch itself")
        rule = RULES.get(node.name)
        if rule is None and len(node.refs()) == 1 and (torch.Tag.pointwise in node.func.tags or node.name in ON_VALUES):
            rule = nonlinear
        if rule is None:
            raise unknown(node, "its slope depends on the values of the image in a way that weights do not say")
        return rule

    def through(self, node: Node, out: Window, output: int, power: int = 2) -> Given:
        """Yield what the inputs of a node get of squares (power 2), or of a gradient itself (1)."""
        rule, self.power = self.rule_of(node), power
        if rule not in (convolution, batch_norm) and not (rule is nonlinear and node.refs()[0].shape == out.shape):
            out = out.ready()
        for ref, window in rule(self, node, out, output):
            if ref.node == -2:
                raise unknown(node, "it reads what was written through another view of its memory")
            yield ref, window.clipped() if self.borders else window

    def varied(self, node: Node, mean: Window, output: int) -> Window | None:
        """The part of a squared mean that chance makes vary: of a slope that differs, of a tap that is chosen.

        The input gets it like the variance of the output; None for operators without chance.
        """
        rule = self.rule_of(node)
        squared = mean.squared()
        if rule is max_pool:
            ref, *sizes = _pool_arguments(node, 5)
            share = 1.0 / prod(sizes[0]) if not self.borders else 1 / taps_inside(squared, ref.shape, *sizes)
            return squared.ready().times(1 - share)
        if rule is not nonlinear:
            return None
        square, slope = _slopes(self, node)
        kept = slope**2 / square if not isinstance(square, torch.Tensor) else slope.square() / square.clamp_min(1e-30)
        if isinstance(kept, torch.Tensor) and node.outputs[output] == node.refs()[0].shape:
            flat = _by_channel(kept, node.refs()[0])
            if flat is not None:
                return squared.per_channel(1 - flat)
        return squared.ready().times(1 - kept)

    def whole(self, node: Node, out: Window) -> Any:
        """Squares of the whole output, for rules that have no windows."""
        if not self.borders and not out.is_inside:
            raise unknown(node, "it has no rule without borders")
        return out.full()


def unknown(node: Node, reason: str) -> UnknownRuleError:
    """Return the error that says where a prediction ends."""
    return UnknownRuleError(
        f"the field cannot be predicted from the weights: no rule for {node.label}, {reason}",
        remedy="measure it on images, or ask for a layer before it",
    )


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Enter a rule under the names of its operators."""

    def enter(found: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, found))
        return found

    return enter


# convolutions and products -------------------------------------------------------------------------------------------


@rule("convolution", "_convolution", "convolution_overrideable")
def convolution(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """A convolution with weights: their squares."""
    ref, weight, _, stride, padding, dilation, transposed, _, groups, *_ = node.args
    if not isinstance(ref, Ref) or isinstance(weight, Ref):
        raise unknown(node, "its weights depend on the image")
    axes = len(ref.shape) - 2
    stride, padding, dilation = ([*v] * axes if len(v) == 1 else [*v] for v in (stride, padding, dilation))
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
        back = conv_transpose_back(out, shape, squared, stride, padding, dilation, groups)
    else:
        back = conv_back(out, shape, squared, stride, padding, dilation, groups)
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


@rule(*NAMED_BATCH_NORM)
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


def nonlinear(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """An operator on each value: the mean square of its slope."""
    (ref,) = node.refs()
    square, slope = _slopes(way, node)
    factor = square if way.power == 2 else slope
    flat = _by_channel(factor, ref) if isinstance(factor, torch.Tensor) and ref.shape == out.shape else None
    if flat is not None:
        yield ref, out.per_channel(flat)
        return
    yield _same_place(node, ref, out, factor.to(out.values.dtype) if isinstance(factor, torch.Tensor) else factor)


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


def _same_place(node: Node, ref: Ref, out: Window, factor: Any) -> tuple[Ref, Window]:
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
            yield _same_place(node, value, out, 1.0 if first else alpha**way.power)


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
    yield _same_place(node, a, out, 1 / factor if node.name in ("div", "divide") else factor)


@rule("detach")
def detach(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """Nothing goes back through it, as in autograd."""
    yield from ()


# pools ---------------------------------------------------------------------------------------------------------------


@rule(
    "max_pool2d_with_indices", "max_pool3d_with_indices", "max_pool1d", "max_pool2d", "max_pool3d", "mkldnn_max_pool2d"
)
def max_pool(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """One tap of each window is chosen, each as often as any other."""
    ref, kernel, stride, padding, dilation = _pool_arguments(node, 5)
    if output:
        raise unknown(node, "its indices are no values")
    share = (
        1.0 / prod(kernel) if not way.borders else 1 / taps_inside(out, ref.shape, kernel, stride, padding, dilation)
    )
    yield ref, taps_back(out, ref.shape, share, kernel, stride, padding, dilation)


@rule("avg_pool1d", "avg_pool2d", "avg_pool3d")
def avg_pool(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """The mean of a window: the square of each tap's share."""
    ref, kernel, stride, padding, _ = _pool_arguments(node, 4)
    arguments = {a.name: v for a, v in zip(node.func._schema.arguments, node.args, strict=False)} | node.kwargs
    ones = [1] * len(kernel)
    divisor = arguments.get("divisor_override")
    if divisor:
        share: Any = 1.0 / divisor
    elif not way.borders:
        share = 1.0 / prod(kernel)
    else:
        share = 1 / taps_inside(
            out, ref.shape, kernel, stride, padding, ones, beyond=arguments.get("count_include_pad", True)
        )
    yield ref, taps_back(out, ref.shape, share**way.power, kernel, stride, padding, ones)


def _pool_arguments(node: Node, number: int) -> tuple[Ref, list[int], list[int], list[int], list[int]]:
    ref, *rest = node.args
    axes = len(ref.shape) - 2
    values = [list(v) for v in rest[: number - 1] if isinstance(v, list | tuple)]
    values += [[]] * (4 - len(values))
    kernel, stride, padding, dilation = ([*v] * axes if len(v) == 1 else v for v in values)
    return ref, kernel, stride or kernel, padding or [0] * axes, dilation or [1] * axes


@rule("mean")
def mean(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """A mean: the square of its share."""
    (ref,) = node.refs()
    n = prod(ref.shape) / prod(node.outputs[output])
    yield ref, _moved(way, node, ref, Window.whole(way.whole(node, out) * n, out.exponent), output).times(n**-way.power)


@rule(*ALONG_AXES)
def along_axes(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """Resampling: the squares of its weights, axis by axis."""
    (ref,) = node.refs()
    values = way.whole(node, out)
    for dim in range(2, len(ref.shape)):
        n, rest = ref.shape[dim], range(2, len(ref.shape))
        unit = torch.eye(n, dtype=torch.float64).reshape(n, 1, *(n if d == dim else 1 for d in rest))
        unit = unit.expand(n, 1, *ref.shape[2:])
        out_of = functional(node.func)(*replaced(node.args, lambda v, u=unit: u if isinstance(v, Ref) else v))
        at = [slice(None), 0, *(slice(None) if d == dim else 0 for d in rest)]
        weights = (out_of[tuple(at)] ** way.power).to(values.dtype)  # (inputs, outputs) of this axis
        weights = torch.where(weights.abs() < 10.0 ** (-12 * way.power), 0.0, weights)
        values = torch.movedim(torch.movedim(values, dim, -1) @ weights.t(), -1, dim)
    yield ref, Window.whole(values, out.exponent)


# moves ---------------------------------------------------------------------------------------------------------------


@rule(*(name for name in MOVES if name != "cat"))
def move(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """Sums and moves of values: their own way back."""
    refs = list(dict.fromkeys(node.refs()))
    for ref in refs:
        if (
            len(refs) == 1
            and ref.shape == out.shape
            and node.name in ("clone", "contiguous", "alias", "_to_copy", "to")
        ):
            yield ref, out
        else:
            yield ref, _moved(way, node, ref, out, output)


@rule("cat")
def cat(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """Maps side by side: each its own channels."""
    tensors = node.args[0]
    dim = (node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)) % max(len(out.shape), 1)
    if dim != 1:
        yield from move(way, node, out, output)
        return
    at = 0
    for value in tensors:
        wide = value.shape[1]
        if isinstance(value, Ref):
            yield value, Window(out.values[:, at : at + wide], out.start, value.shape, out.exponent)
        at += wide


def _moved(way: WayBack, node: Node, ref: Ref, out: Window, output: int) -> Window:
    """Squares of one input of a linear operator whose coefficients are 0 and 1, by its derivative."""
    values = way.whole(node, out)
    constants = {r: values.new_zeros(r.shape) for r in node.refs()}
    with torch.enable_grad():
        constants[ref].requires_grad_()
        args, kwargs = replaced((node.args, node.kwargs), lambda v: constants[v] if isinstance(v, Ref) else v)
        made = [t for t in leaves(functional(node.func)(*args, **kwargs)) if isinstance(t, torch.Tensor)]
        (back,) = torch.autograd.grad(made[output], constants[ref], values.to(made[output].dtype))
    return Window.whole(back, out.exponent)
