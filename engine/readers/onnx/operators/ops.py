"""What each ONNX operator does to a tracked tensor, in every opset: old attributes beside new inputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from rfscale.engine.readers.onnx.graph.node import Node
from rfscale.engine.readers.onnx.operators.registry import onnx
from rfscale.engine.readers.onnx.operators.resize import resample
from rfscale.engine.readers.onnx.operators.window_ops import convolve, deconvolve, pool
from rfscale.engine.readers.tensors.layout import (
    UnreadableError,
    length,
    neutral,
    picked,
    regroup,
    some_of,
    spatial,
    with_dim,
)
from rfscale.engine.readers.tensors.operators import spatial_ops as sp
from rfscale.engine.readers.tensors.operators.entries import numbered, take
from rfscale.engine.readers.tensors.operators.joins import concatenate
from rfscale.engine.readers.tensors.operators.left_out import added, chosen, multiplied, scaled
from rfscale.engine.readers.tensors.operators.masked_scores import softmaxed
from rfscale.engine.readers.tensors.operators.moves import tile
from rfscale.engine.readers.tensors.operators.products import attend, einsum, matmul, weighted
from rfscale.engine.readers.tensors.operators.window_ops import shuffle
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker

POINTWISE = """
Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Cast Ceil Celu Clip Cos Cosh
DequantizeLinear Dropout Elu Erf Exp Floor Gelu HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu Log Mish Neg
Not PRelu QuantizeLinear Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign
Sqrt Swish Tan Tanh ThresholdedRelu ImageScaler Affine ParametricSoftplus ScaledTanh
""".split()
ADDED = """
Max Min Mean And Or Xor Equal Less Greater LessOrEqual GreaterOrEqual Mod Pow BitShift BitwiseAnd BitwiseOr BitwiseXor
""".split()


@onnx(*POINTWISE, *ADDED)
def _added(k: Tracker, node: Node) -> Tracked:
    return k.elementwise(node.inputs)


@onnx("Add", "Sum")
def _sum(k: Tracker, node: Node) -> Any:
    return added(k, k.elementwise(node.inputs), node.inputs)


@onnx("Sub")
def _difference(k: Tracker, node: Node) -> Any:
    a, b = node.inputs
    return added(k, k.elementwise([a, b]), [a, scaled(b, -1)])


@onnx("Where")
def _where(k: Tracker, node: Node) -> Any:
    return chosen(k, *node.inputs)


@onnx("CastLike")
def _cast_like(k: Tracker, node: Node) -> Any:
    """The entries of the first input; the second says the type alone."""
    return k.elementwise(node.inputs[:1])


@onnx("ConstantOfShape", "EyeLike", "RandomNormalLike", "RandomUniformLike")
def _without_values(k: Tracker, node: Node) -> Constant:
    return Constant(k.shape)


@onnx("BatchNormalization")
def _batch_norm(k: Tracker, node: Node) -> Any:
    """By running statistics entry by entry; in training, which has more outputs in old opsets, over the whole map."""
    x = node.inputs[0]
    training = node.attrs.get("training_mode", 0) if node.opset >= 14 else node.outputs > 1
    if training and isinstance(x, Tracked):
        x = k.statistic(x, [0, *range(2, len(x.dims))])
    return [k.elementwise([x, *node.inputs[1:]]), *(Constant(s or ()) for s in node.shapes[1:])]


@onnx("Mul")
def _product(k: Tracker, node: Node) -> Any:
    return multiplied(k, k.elementwise(node.inputs, "multiply"), node.inputs)


@onnx("Div")
def _quotient(k: Tracker, node: Node) -> Tracked:
    return k.elementwise(node.inputs, "multiply")


@onnx("Conv", "ConvInteger", "QLinearConv")
def _conv(k: Tracker, node: Node) -> Tracked:
    x, w, bias = node.inputs[0], node.inputs[1], node.inputs[2:]
    if node.op == "QLinearConv":
        w, bias = node.inputs[3], node.inputs[8:]
    elif node.op == "ConvInteger":
        bias = ()
    return convolve(k, x, w, any(b is not None for b in bias), node.attrs)


@onnx("ConvTranspose")
def _conv_transpose(k: Tracker, node: Node) -> Tracked:
    bias = len(node.inputs) > 2 and node.inputs[2] is not None
    return deconvolve(k, node.inputs[0], node.inputs[1], bias, node.attrs)


@onnx("MaxPool", "AveragePool", "LpPool")
def _pool(k: Tracker, node: Node) -> Any:
    op = {"MaxPool": "max_pool", "AveragePool": "avg_pool", "LpPool": "lp_pool"}[node.op]
    out = pool(k, op, node.inputs[0], node.attrs)
    return [out] * len(node.shapes)


@onnx("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def _global(k: Tracker, node: Node) -> Tracked:
    x = node.inputs[0]
    return k.reduce(x, range(2, len(x.dims)))


@onnx("Resize", "Upsample")
def _resize(k: Tracker, node: Node) -> Tracked:
    return resample(k, node)


@onnx("Pad")
def _pad(k: Tracker, node: Node) -> Tracked:
    x = node.inputs[0]
    rank = len(x.dims)
    sides = node.ints("paddings" if "paddings" in node.attrs else "pads", 1)
    axes = node.ints("axes", 3) or list(range(rank))
    if sides is None or len(sides) != 2 * len(axes):
        raise UnreadableError("its paddings are not known")
    before, after = [0] * rank, [0] * rank
    for i, axis in enumerate(axes):
        before[axis], after[axis] = sides[i], sides[len(axes) + i]
    modes = {"constant": "zeros", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
    return sp.pad(k, x, before, after, modes[node.attrs.get("mode", "constant")])


@onnx("DepthToSpace", "SpaceToDepth")
def _shuffle(k: Tracker, node: Node) -> Tracked:
    op = "pixel_shuffle" if node.op == "DepthToSpace" else "space_to_depth"
    return shuffle(k, node.inputs[0], op, node.attrs["blocksize"])


# layout -------------------------------------------------------------------------------------------------------------


@onnx("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def _view(k: Tracker, node: Node) -> Any:
    x = node.inputs[0]
    return replace(x, dims=regroup(x.dims, k.shape)) if isinstance(x, Tracked) else Constant(k.shape)


@onnx("Transpose")
def _transpose(k: Tracker, node: Node) -> Tracked:
    x = node.inputs[0]
    order = node.attrs.get("perm", range(len(x.dims))[::-1])
    return replace(x, dims=tuple(x.dims[d] for d in order))


@onnx("Expand")
def _expand(k: Tracker, node: Node) -> Tracked:
    return k.elementwise(node.inputs[:1])


@onnx("Tile")
def _tile(k: Tracker, node: Node) -> Tracked:
    out: Tracked = tile(k, node.inputs[0])
    return out


@onnx("Slice")
def _slice(k: Tracker, node: Node) -> Tracked:
    x = node.inputs[0]
    starts, stops = node.ints("starts", 1) or [], node.ints("ends", 2) or []
    axes = node.ints("axes", 3) or list(range(len(starts)))
    steps = node.ints("steps", 4) or [1] * len(starts)
    for axis, start, stop, step in zip(axes, starts, stops, steps, strict=True):
        d = axis % len(x.dims)
        entries = range(*slice(start, stop, step).indices(length(x.dims[d])))
        if entries and step < 0:
            x = take(k, x, d, entries)
        else:
            x = sp.narrow(k, x, d, entries.start, max(entries.start, entries.stop), abs(step), stop < 0)
    return x


@onnx("Split")
def _split(k: Tracker, node: Node) -> list[Tracked]:
    axis = node.attrs.get("axis", 0)
    if None in node.shapes:
        raise UnreadableError("the shapes of its outputs cannot be inferred")
    return sp.split(k, node.inputs[0], axis, [shape[axis] for shape in node.shapes if shape is not None])


@onnx("Concat")
def _concat(k: Tracker, node: Node) -> Tracked:
    parts = [v for v in node.inputs if 0 not in v.shape]
    d = node.attrs.get("axis", 1) % len(k.shape)
    if len(parts) == 3 and all(type(v) is Tracked for v in parts) and len(parts[1].dims[d]) == 1:
        before, after = (_mirrored(k, parts[1], parts[i], d, at_start=i == 0) for i in (0, 2))
        if before and after:
            starts, ends = ([n if e == d else 0 for e in range(len(k.shape))] for n in (before, after))
            return sp.pad(k, parts[1], starts, ends, "reflect")
    return concatenate(k, parts, d)


def _mirrored(k: Tracker, x: Tracked, part: Tracked, d: int, at_start: bool) -> int:
    """How many entries of a map a part mirrors at one of its ends, as padding by reflection does; 0 for others."""
    axis, n, m = x.dims[d][0].axis, x.shape[d], part.shape[d]
    flipped = k.drafts[part.layer] if part.layer >= 0 else None
    if flipped is None or flipped.op != "flip" or flipped.sources[0] < 0:
        return 0
    cut = k.drafts[flipped.sources[0]]
    start = 1 if at_start else n - 1 - m
    whole = all(size == (m if a == axis else x.map[a]) for a, size in enumerate(cut.size))
    mirrors = [bool(r) for r in flipped.params["reverse"]] == [a == axis for a in range(len(x.map))]
    if cut.op != "slice" or cut.sources != (x.layer,) or max(cut.params["step"]) > 1 or x.map[axis] != n:
        return 0
    return m if whole and mirrors and cut.params["start"][axis] == start else 0


@onnx("Gather")
def _gather(k: Tracker, node: Node) -> Tracked:
    x, index = node.inputs
    if not isinstance(x, Tracked):  # an embedding
        return replace(index, dims=(*index.dims, *(neutral(n) for n in k.shape[len(index.dims) :])))
    d = node.attrs.get("axis", 0) % len(x.dims)
    if not spatial(x.dims[d]):
        table = index.value if isinstance(index, Constant) and len(index.shape) == 1 else None
        new = [some_of(x.dims[d], n) for n in index.shape]
        if table is not None:
            new = [picked(x.dims[d], numbered(table, x, d))]
        out = replace(x, dims=with_dim(x.dims, d, *new))
        if not isinstance(index, Tracked):
            return out
        return k.elementwise([out, replace(index, dims=((),) * d + index.dims + ((),) * (len(x.dims) - d - 1))])
    if not isinstance(index, Constant):
        raise UnreadableError("which entries it picks depends on their values")
    if index.value is None:
        raise UnreadableError("it picks entries by a table whose values are not known")
    out = take(k, x, d, np.ravel(index.value).tolist())
    return replace(out, dims=with_dim(out.dims, d, *regroup((out.dims[d],), index.shape)))


# what mixes ---------------------------------------------------------------------------------------------------------


@onnx("MatMul", "MatMulInteger")
def _matmul(k: Tracker, node: Node) -> Tracked:
    return matmul(k, node.inputs[0], node.inputs[1])


@onnx("Gemm")
def _gemm(k: Tracker, node: Node) -> Tracked:
    a, b = node.inputs[:2]
    has_bias = len(node.inputs) > 2 and node.inputs[2] is not None
    if node.attrs.get("transA") or not isinstance(a, Tracked):
        raise UnreadableError("it multiplies a transposed map")
    if isinstance(b, Tracked):
        raise UnreadableError("its weights depend on the image")
    before, after = b.shape[::-1] if node.attrs.get("transB") else b.shape
    return weighted(k, a, -1, before, after, bias=has_bias)


@onnx("Softmax", "LogSoftmax", "Hardmax")
def _softmax(k: Tracker, node: Node) -> Tracked:
    x = node.inputs[0]
    axis = node.attrs.get("axis", -1 if node.opset >= 13 else 1) % len(x.dims)
    return softmaxed(k, x, [axis] if node.opset >= 13 else range(axis, len(x.dims)))


@onnx("LpNormalization")
def _along(k: Tracker, node: Node) -> Tracked:
    return k.statistic(node.inputs[0], [node.attrs.get("axis", -1)])


@onnx(*(f"Reduce{name}" for name in "Mean Sum Max Min L1 L2 Prod SumSquare LogSum LogSumExp".split()))
def _reduction(k: Tracker, node: Node) -> Tracked:
    x = node.inputs[0]
    axes = node.ints("axes", 1)
    if not axes:
        if node.attrs.get("noop_with_empty_axes"):
            return k.elementwise([x])
        axes = list(range(len(x.dims)))
    return k.reduction(x, axes)


@onnx("ArgMax", "ArgMin")
def _argument(k: Tracker, node: Node) -> Tracked:
    return k.reduction(node.inputs[0], [node.attrs.get("axis", 0)])


@onnx("LRN")
def _local_norm(k: Tracker, node: Node) -> Tracked:
    """Each channel scaled by its neighbours."""
    x = node.inputs[0]
    return replace(x, dims=with_dim(x.dims, 1, some_of(x.dims[1], length(x.dims[1]))))


@onnx("TopK")
def _topk(k: Tracker, node: Node) -> list[Tracked]:
    x = node.inputs[0]
    d = node.attrs.get("axis", -1) % len(x.dims)
    if spatial(x.dims[d]):
        raise UnreadableError("it picks entries by their values")
    out = replace(x, dims=with_dim(x.dims, d, neutral(k.shape[d])))
    return [out, out]


@onnx("SimplifiedLayerNormalization", domain="com.microsoft")
@onnx("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization")
def _layer_norm(k: Tracker, node: Node) -> Any:
    x = node.inputs[0]
    out = k.statistic(x, range(node.attrs.get("axis", -1) % len(x.dims), len(x.dims)))
    return [out, *(Constant(s or ()) for s in node.shapes[1:])]


@onnx("InstanceNormalization", "MeanVarianceNormalization")
def _instance_norm(k: Tracker, node: Node) -> Tracked:
    x = node.inputs[0]
    return k.statistic(x, node.attrs.get("axes", range(2, len(x.dims))))


@onnx("GroupNormalization")
def _group_norm(k: Tracker, node: Node) -> Tracked:
    x = node.inputs[0]
    return k.statistic(x, range(1, len(x.dims)))


@onnx("Einsum")
def _einsum(k: Tracker, node: Node) -> Tracked:
    return einsum(k, node.attrs["equation"], node.inputs)


@onnx("Attention")
def _attention(k: Tracker, node: Node) -> list[Any]:
    """Heads in a dim of their own, or beside the channels; a cache of keys and values is not read."""
    q, key, value, mask = (list(node.inputs) + [None] * 4)[:4]
    if any(isinstance(v, Tracked) for v in node.inputs[4:]):
        raise UnreadableError("it keeps a state from call to call")
    out = attend(k, q, key, value, mask, bool(node.attrs.get("is_causal")))
    return [out, *(Constant(s or ()) for s in node.shapes[1:])]
