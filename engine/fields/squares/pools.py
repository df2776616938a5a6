"""Rules of pools, resampling and moves of values."""

from __future__ import annotations

from math import prod
from typing import Any

import torch

from rfscale.engine.fields.squares.pointwise import functional
from rfscale.engine.fields.squares.recorded import Node, Ref, leaves, replaced
from rfscale.engine.fields.squares.way import Given, WayBack, rule, unknown
from rfscale.engine.fields.squares.window import Window
from rfscale.engine.fields.squares.windows_of import Taps, chosen_back, taps_back, taps_inside

MOVES = """
view _unsafe_view reshape permute transpose t flatten unsqueeze squeeze expand clone contiguous alias _to_copy to cat
stack slice select split split_with_sizes chunk unbind narrow constant_pad_nd pad reflection_pad1d reflection_pad2d
reflection_pad3d replication_pad1d replication_pad2d replication_pad3d roll flip index_select index pixel_shuffle
pixel_unshuffle channel_shuffle upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d
_upsample_nearest_exact2d _upsample_nearest_exact3d repeat unfold im2col as_strided sum diagonal movedim swapaxes
view_as_real lift_fresh _reshape_alias native_dropout dropout repeat_interleave cumsum
""".split()  # each output is a sum of inputs: coefficients of 0 and 1, which are their own squares
ALONG_AXES = """
upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d _upsample_bilinear2d_aa
_upsample_bicubic2d_aa _adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d
adaptive_avg_pool3d
""".split()  # linear, axis by axis, and a map of ones stays one
MAX_POOLS = (
    "max_pool2d_with_indices", "max_pool3d_with_indices", "max_pool1d", "max_pool2d", "max_pool3d", "mkldnn_max_pool2d",
)  # fmt: skip


# pools ---------------------------------------------------------------------------------------------------------------


@rule(*MAX_POOLS)
def max_pool(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """One tap of each window is chosen, each as often as any other."""
    ref, taps = _pool_arguments(node, 5)
    if output:
        raise unknown(node, "its indices are no values")
    if way.power == 1:
        assert way.chance is not None
        number = way.chance.uniform(out.values)
        yield ref, chosen_back(out, ref.shape, taps, number, borders=way.borders)
        return
    share = 1 / taps_inside(out, ref.shape, taps) if way.borders else 1.0 / prod(taps.kernel)
    yield ref, taps_back(out, ref.shape, share, taps)


@rule("avg_pool1d", "avg_pool2d", "avg_pool3d")
def avg_pool(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """The mean of a window: the square of each tap's share."""
    ref, taps = _pool_arguments(node, 4)
    arguments = node.named
    divisor = arguments.get("divisor_override")
    if divisor:
        share: Any = 1.0 / divisor
    elif not way.borders:
        share = 1.0 / prod(taps.kernel)
    else:
        share = 1 / taps_inside(out, ref.shape, taps, beyond=arguments.get("count_include_pad", True))
    yield ref, taps_back(out, ref.shape, share**way.power, taps)


def _pool_arguments(node: Node, number: int) -> tuple[Ref, Taps]:
    ref, *rest = node.args
    axes = len(ref.shape) - 2
    values = [list(v) for v in rest[: number - 1] if isinstance(v, list | tuple)]
    values += [[]] * (4 - len(values))
    kernel, stride, padding, dilation = ([*v] * axes if len(v) == 1 else v for v in values)
    return ref, Taps(kernel, stride or kernel, padding or [0] * axes, dilation or [1] * axes)


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
