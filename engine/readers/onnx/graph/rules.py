"""Shapes that the common operators make, from the shapes and constants that enter them.

The onnx package infers the same, node by node, at ten times the price; what is not here, it infers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from rfscale.engine.readers.onnx.graph.node import Node
from rfscale.engine.readers.tensors.tracking import Shape

Rule = Callable[[Node], list[Shape]]
RULES: dict[str, Rule] = {}
SAME = """
Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Cast Ceil Celu Clip Cos Cosh CumSum CumProd DequantizeLinear
DynamicQuantizeLinear Dropout Elu Erf Exp Floor Gelu HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf
IsNaN LRN LayerNormalization LeakyRelu Log LogSoftmax LpNormalization MeanVarianceNormalization Mish Neg Not PRelu
QuantizeLinear Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt Swish Tan Tanh
ThresholdedRelu Trilu BatchNormalization GroupNormalization ReverseSequence ScatterND ScatterElements Scatter CastLike
""".split()
BROADCAST = """
Add And BitShift BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mod Mul
Or Pow Sub Sum Where Xor
""".split()
_ONE_NUMBER = ("DynamicQuantizeLinear",)  # the further outputs are a scale and a zero point


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule under the names of operators."""

    def register(made: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, made))
        return made

    return register


def _axes(node: Node, rank: int, position: int = 1) -> list[int] | None:
    given = node.ints("axes", position)
    return None if given is None else [a % rank for a in given]


@rule(*SAME)
def _same(node: Node) -> list[Shape]:
    x: Shape = node.inputs[0].shape
    if node.op == "BatchNormalization" and node.outputs > 1:
        return [x] + [node.inputs[1].shape] * (node.outputs - 1)
    if node.op == "LayerNormalization" and node.outputs > 1:
        axis = node.attrs.get("axis", -1) % len(x)
        return [x] + [(*x[:axis], *[1] * (len(x) - axis))] * (node.outputs - 1)
    return [x] + [() if node.op in _ONE_NUMBER else x] * (node.outputs - 1)


@rule(*BROADCAST)
def _broadcast(node: Node) -> list[Shape]:
    shapes = {v.shape for v in node.inputs}
    if len(shapes) == 1:
        return [shapes.pop()]
    if node.opset < 7 and node.attrs.get("broadcast"):
        return [node.inputs[0].shape]
    out: list[int] = [1] * max(map(len, shapes))
    for shape in shapes:
        for i, n in enumerate(reversed(shape), 1):
            if n != 1:
                if out[-i] not in (1, n):
                    raise ValueError(f"{shapes} do not broadcast")
                out[-i] = n
    return [tuple(out)]


@rule("Expand")
def _expand(node: Node) -> list[Shape]:
    return [np.broadcast_shapes(node.inputs[0].shape, tuple(_whole(node, "shape", 1)))]


def _whole(node: Node, name: str, position: int) -> list[int]:
    given = node.ints(name, position)
    if given is None:
        raise ValueError(f"no {name}")
    return given


@rule("Reshape")
def _reshape(node: Node) -> list[Shape]:
    x, target = node.inputs[0].shape, _whole(node, "shape", 1)
    if not node.attrs.get("allowzero"):
        target = [x[i] if n == 0 else n for i, n in enumerate(target)]
    size, given = prod(x), prod(n for n in target if n != -1)
    if target.count(-1) == 1 and given and size % given == 0:
        target = [size // given if n == -1 else n for n in target]
    if prod(target) != size or min(target, default=0) < 0:
        raise ValueError(f"{x} cannot become {target}")
    return [tuple(target)]


@rule("Flatten")
def _flatten(node: Node) -> list[Shape]:
    x, axis = node.inputs[0].shape, node.attrs.get("axis", 1)
    axis = axis + len(x) if axis < 0 else axis
    return [(prod(x[:axis]), prod(x[axis:]))]


@rule("Transpose")
def _transpose(node: Node) -> list[Shape]:
    x = node.inputs[0].shape
    order = node.attrs.get("perm", range(len(x))[::-1])
    if sorted(order) != list(range(len(x))):
        raise ValueError(f"{order} is no order of {len(x)} dims")
    return [tuple(x[d] for d in order)]


@rule("Unsqueeze")
def _unsqueeze(node: Node) -> list[Shape]:
    x, given = node.inputs[0].shape, _whole(node, "axes", 1)
    rank = len(x) + len(given)
    new, rest = {a % rank for a in given}, iter(x)
    if len(new) < len(given):
        raise ValueError("axes twice")
    return [tuple(1 if d in new else next(rest) for d in range(rank))]


@rule("Squeeze")
def _squeeze(node: Node) -> list[Shape]:
    x = node.inputs[0].shape
    axes = _axes(node, len(x))
    gone = [d for d, n in enumerate(x) if n == 1] if axes is None else axes
    if any(x[d] != 1 for d in gone):
        raise ValueError(f"{x} has more than one entry along {gone}")
    return [tuple(n for d, n in enumerate(x) if d not in gone)]


@rule("Concat")
def _concat(node: Node) -> list[Shape]:
    shapes = [v.shape for v in node.inputs if v.shape != (0,)]  # torch joins empty lists with anything
    first = list(shapes[0])
    axis = node.attrs.get("axis", 1) % len(first)
    if any(len(s) != len(first) or any(m != n for d, (m, n) in enumerate(zip(s, first, strict=True)) if d != axis)
           for s in shapes):  # fmt: skip
        raise ValueError(f"{shapes} cannot be joined")
    first[axis] = sum(s[axis] for s in shapes)
    return [tuple(first)]


@rule("Slice")
def _slice(node: Node) -> list[Shape]:
    x = list(node.inputs[0].shape)
    starts, stops = _whole(node, "starts", 1), _whole(node, "ends", 2)
    axes = node.ints("axes", 3) or list(range(len(starts)))
    steps = node.ints("steps", 4) or [1] * len(starts)
    for axis, start, stop, step in zip(axes, starts, stops, steps, strict=True):
        x[axis] = len(range(*slice(start, stop, step).indices(x[axis])))
    return [tuple(x)]


@rule("Split")
def _split(node: Node) -> list[Shape]:
    x = node.inputs[0].shape
    axis = node.attrs.get("axis", 0) % len(x)
    sizes = node.ints("split", 1)
    if sizes is None:
        part = -(-x[axis] // node.outputs)
        sizes = [part] * (node.outputs - 1) + [x[axis] - part * (node.outputs - 1)]
    if sum(sizes) != x[axis] or min(sizes) < 0 or len(sizes) < node.outputs:
        raise ValueError(f"{sizes} are no parts of {x[axis]}")
    return [(*x[:axis], n, *x[axis + 1 :]) for n in sizes]


@rule("Gather")
def _gather(node: Node) -> list[Shape]:
    x, index = (v.shape for v in node.inputs)
    axis = node.attrs.get("axis", 0) % len(x)
    return [(*x[:axis], *index, *x[axis + 1 :])]


@rule("Compress")
def _compressed(node: Node) -> list[Shape]:
    x, axis = node.inputs[0].shape, node.attrs["axis"]
    d = axis % len(x)
    keeps = getattr(node.inputs[1], "value", None)
    if keeps is None:
        raise KeyError("values decide how many entries are left")
    return [(*x[:d], int(keeps[: x[d]].sum()), *x[d + 1 :])]


@rule("Tile")
def _tile(node: Node) -> list[Shape]:
    x, times = node.inputs[0].shape, _whole(node, "repeats", 1)
    return [tuple(n * m for n, m in zip(x, times, strict=True))]


@rule("Pad")
def _pad(node: Node) -> list[Shape]:
    x = list(node.inputs[0].shape)
    sides = _whole(node, "paddings" if "paddings" in node.attrs else "pads", 1)
    axes = node.ints("axes", 3) or list(range(len(x)))
    for i, axis in enumerate(axes):
        x[axis] += sides[i] + sides[len(axes) + i]
    return [tuple(x)]


@rule("DepthToSpace", "SpaceToDepth")
def _shuffle(node: Node) -> list[Shape]:
    (n, c, h, w), b = node.inputs[0].shape, node.attrs["blocksize"]
    if node.op == "DepthToSpace":
        return [(n, c // b**2, h * b, w * b)]
    return [(n, c * b**2, h // b, w // b)]


@rule("MatMul", "MatMulInteger")
def _matmul(node: Node) -> list[Shape]:
    a, b = node.inputs[0].shape, node.inputs[1].shape
    left, right = (a if len(a) > 1 else (1, *a)), (b if len(b) > 1 else (*b, 1))
    if left[-1] != right[-2]:
        raise ValueError(f"{a} and {b} cannot be multiplied")
    batch = np.broadcast_shapes(left[:-2], right[:-2])
    return [(*batch, *left[-2:-1][: len(a) > 1], *right[-1:][: len(b) > 1])]


@rule("Gemm")
def _gemm(node: Node) -> list[Shape]:
    (m, _), (k, n) = (node.inputs[i].shape for i in (0, 1))
    m = _ if node.attrs.get("transA") else m
    return [(m, k if node.attrs.get("transB") else n)]


@rule(*(f"Reduce{name}" for name in "Mean Sum Max Min L1 L2 Prod SumSquare LogSum LogSumExp".split()))
def _reduced(node: Node) -> list[Shape]:
    x = node.inputs[0].shape
    axes = _axes(node, len(x))
    if not axes:
        if node.attrs.get("noop_with_empty_axes"):
            return [x]
        axes = list(range(len(x)))
    return [_without(x, axes, node)]


@rule("ArgMax", "ArgMin")
def _argument(node: Node) -> list[Shape]:
    x = node.inputs[0].shape
    return [_without(x, [node.attrs.get("axis", 0) % len(x)], node)]


def _without(x: Shape, axes: Sequence[int], node: Node) -> Shape:
    if node.attrs.get("keepdims", 1):
        return tuple(1 if d in axes else n for d, n in enumerate(x))
    return tuple(n for d, n in enumerate(x) if d not in axes)


@rule("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def _global(node: Node) -> list[Shape]:
    x = node.inputs[0].shape
    return [(*x[:2], *[1] * (len(x) - 2))]


@rule("Resize", "Upsample")
def _resized(node: Node) -> list[Shape]:
    x = list(node.inputs[0].shape)
    attrs = node.attrs
    if attrs.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise ValueError("left to the onnx package")
    axes = attrs.get("axes") or list(range(len(x)))
    position = 1 if node.op == "Upsample" or node.opset < 11 else 2
    given = node.inputs[position] if len(node.inputs) > position else None
    if "scales" in attrs:
        factors = attrs["scales"]
    elif given is None or 0 in given.shape:
        for axis, n in zip(axes, _whole(node, "sizes", 3), strict=True):
            x[axis] = n
        return [tuple(x)]
    else:
        factors = [float(v) for v in np.ravel(given.value)]
    for axis, factor in zip(axes, factors, strict=True):
        x[axis] = int(np.floor(np.float32(x[axis]) * np.float32(factor)))
    if min(x) < 1:
        raise ValueError("it leaves nothing")
    return [tuple(x)]


# windows ------------------------------------------------------------------------------------------------------------


@rule("Conv", "ConvInteger", "QLinearConv")
def _conv(node: Node) -> list[Shape]:
    w = node.inputs[3 if node.op == "QLinearConv" else 1].shape
    x = node.inputs[0].shape
    if len(x) != len(w) or x[1] != w[1] * node.attrs.get("group", 1):
        raise ValueError(f"weights {w} do not fit a map {x}")
    return [(x[0], w[0], *_windows(node, x[2:], w[2:]))]


@rule("MaxPool", "AveragePool", "LpPool")
def _pool(node: Node) -> list[Shape]:
    x = node.inputs[0].shape
    return [(*x[:2], *_windows(node, x[2:], node.attrs["kernel_shape"], node.attrs.get("ceil_mode", 0)))] * node.outputs


def _windows(node: Node, x: Shape, kernel: Sequence[int], ceil_mode: int = 0) -> list[int]:
    """Entries per axis that windows make.

    A last window that would begin in the padding at the end is left out, as ONNX says, and PyTorch and onnxruntime do
    it. The shape inference of the onnx package counts it.
    """
    rank = len(x)
    attrs = node.attrs
    stride, dilation = attrs.get("strides", [1] * rank), attrs.get("dilations", [1] * rank)
    pads, word = attrs.get("pads", [0] * (2 * rank)), attrs.get("auto_pad", "NOTSET")
    if (
        not len(kernel) == len(stride) == len(dilation) == rank == len(pads) // 2
        or min(*stride, *dilation, *kernel) < 1
    ):
        raise ValueError("attributes of another rank, or below 1")
    size = []
    for a, n in enumerate(x):
        if word.startswith("SAME"):
            size.append(-(-n // stride[a]))
            continue
        before, after = (0, 0) if word == "VALID" else (pads[a], pads[rank + a])
        rest = n + before + after - dilation[a] * (kernel[a] - 1) - 1
        count = (-(-rest // stride[a]) if ceil_mode else rest // stride[a]) + 1
        size.append(count - (1 if ceil_mode and (count - 1) * stride[a] >= n + before else 0))
    if min(size) < 1:
        raise ValueError("no window fits")
    return size


@rule("ConvTranspose")
def _conv_transpose(node: Node) -> list[Shape]:
    x, w = node.inputs[0].shape, node.inputs[1].shape
    rank, attrs = len(w) - 2, node.attrs
    stride, dilation = attrs.get("strides", [1] * rank), attrs.get("dilations", [1] * rank)
    extra, pads = attrs.get("output_padding", [0] * rank), attrs.get("pads", [0] * (2 * rank))
    channels = w[1] * attrs.get("group", 1)
    if len(x) != len(w) or x[1] != w[0]:
        raise ValueError(f"weights {w} do not fit a map {x}")
    if "output_shape" in attrs:
        return [(x[0], channels, *attrs["output_shape"][-rank:])]
    word = attrs.get("auto_pad", "NOTSET")
    if word.startswith("SAME"):
        return [(x[0], channels, *(n * s for n, s in zip(x[2:], stride, strict=True)))]
    pads = [0] * (2 * rank) if word == "VALID" else pads
    size = [
        stride[a] * (n - 1) + extra[a] + dilation[a] * (w[2 + a] - 1) + 1 - pads[a] - pads[rank + a]
        for a, n in enumerate(x[2:])
    ]
    return [(x[0], channels, *size)]


# recurrent layers ---------------------------------------------------------------------------------------------------


@rule("LSTM", "GRU", "RNN")
def _recurrent(node: Node) -> list[Shape]:
    x, both = node.inputs[0].shape, node.attrs.get("direction", "forward") == "bidirectional"
    hidden = node.attrs.get("hidden_size") or node.inputs[2].shape[-1]
    count = 2 if both else 1
    if node.attrs.get("layout"):
        batch, time = x[:2]
        last: Shape = (batch, count, hidden)
        return [(batch, time, count, hidden), last, last][: node.outputs]
    time, batch = x[:2]
    return [(time, count, batch, hidden), (count, batch, hidden), (count, batch, hidden)][: node.outputs]
