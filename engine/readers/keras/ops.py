"""What each Keras layer does to a tracked tensor, convolutions and poolings aside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from string import ascii_lowercase
from typing import Any

from rfscale.engine.readers.keras.registry import Call, keras, per_axis
from rfscale.engine.readers.keras.window_ops import widened, without
from rfscale.engine.readers.tensors.layout import UnreadableError, neutral, regroup
from rfscale.engine.readers.tensors.operators.joins import concatenate
from rfscale.engine.readers.tensors.operators.products import contract, weighted
from rfscale.engine.readers.tensors.tracking import Constant, Shape, Tracked, Tracker

POINTWISE = """
ActivityRegularization AugMix CutMix MixUp RandAugment Solarization
AlphaDropout BatchNormalization BatchNormalizationV1 BatchNormalizationV2 Dropout ELU
GaussianDropout GaussianNoise Identity LeakyReLU Masking Normalization PReLU ReLU Rescaling SpatialDropout1D
SpatialDropout2D SpatialDropout3D SyncBatchNormalization ThresholdedReLU RandomBrightness RandomColorDegeneration
RandomColorJitter RandomContrast RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale
RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation RandomSaturation RandomSharpness
RandomShear RandomTranslation RandomZoom
""".split()  # augmentations do nothing in inference
FUNCTIONS = """
Abs Absolute Celu Clip Cos Elu Erf Exp Gelu HardSigmoid HardSilu HardSwish HardTanh LeakyRelu Log LogSigmoid Mish
Negative Relu Relu6 Round Rsqrt Selu Sigmoid Sign Silu Sin Softplus Softsign Sqrt Square Swish Tanh Cast Identity
Reciprocal Floor Ceil Log1p Expm1 Log10 Log2 Tan Arctan LogicalNot Sigmoid NanToNum StopGradient Isnan Isfinite
""".split()
_MEANS = "Mean Sum Max Min Amax Amin Var Std Prod Any All CountNonzero Logsumexp Norm".split()


@keras(*POINTWISE, *FUNCTIONS)
def _pointwise(k: Tracker, call: Call) -> Tracked:
    return call.x


@keras("CustomScaleLayer")
def _scaled_sum(k: Tracker, call: Call) -> Any:
    return _added(k, call)


@keras("LayerScale", "StochasticDepth")
def _scaled(k: Tracker, call: Call) -> Tracked:
    return call.x


@keras("Activation", "Softmax")
def _activation(k: Tracker, call: Call) -> Tracked:
    return activated(
        k, call.x, call.kind if call.kind == "Softmax" else call.config.get("activation"), call.get("axis", -1)
    )


def activated(k: Tracker, x: Any, activation: Any, axis: Any = -1) -> Any:
    """A tensor after an activation by its name; all but softmax act entry by entry.

    Raises
    ------
    UnreadableError
        For a function of the user's own.
    """
    if isinstance(activation, dict):
        module = str(activation.get("module") or "")
        known = module.partition(".")[0] in ("keras", "builtins") and activation.get("registered_name") is None
        kind, name = activation.get("class_name"), activation.get("config")
        activation = (
            (name if kind == "function" else kind) if known or activation.get("registered_name") == name else "?"
        )
    if activation is None or not isinstance(x, Tracked):
        return x
    name = str(activation).rpartition(">")[2].lower().replace("_", "")
    if ">" in str(activation) or name not in _ACTIVATIONS:
        raise UnreadableError(f"its activation {activation!r} is a function of the user's own")
    if "softmax" not in name and name != "sparsemax":
        return x
    axes = axis if isinstance(axis, list | tuple) else [axis]
    return k.statistic(x, axes)


_ACTIVATIONS = set(
    """celu elu exponential gelu glu hardshrink hardsigmoid hardsilu hardswish hardtanh leakyrelu linear logsigmoid
    logsoftmax mish relu relu6 selu sigmoid silu softmax softplus softshrink softsign sparseplus sparsesigmoid sparsemax
    squareplus swish tanh tanhshrink threshold identity""".split()
)


# norms ---------------------------------------------------------------------------------------------------------------


@keras("LayerNormalization", "UnitNormalization", "RMSNormalization")
def _layer_norm(k: Tracker, call: Call) -> Tracked:
    axis = call.get("axis", -1)
    return k.statistic(call.x, axis if isinstance(axis, list | tuple) else [axis])


@keras("GroupNormalization")
def _group_norm(k: Tracker, call: Call) -> Tracked:
    return k.statistic(call.x, range(1, len(call.x.dims)))


# merges --------------------------------------------------------------------------------------------------------------


@keras("Add", "Subtract", "Average", "Maximum", "Minimum", "Multiply", "Divide", "TrueDivide", "FloorDivide", "Power",
       "Mod", "Where", "Greater", "Less", "Equal", "NotEqual", "GreaterEqual", "LessEqual", "LogicalAnd",
       "LogicalOr", "Arctan2")  # fmt: skip
def _added(k: Tracker, call: Call) -> Any:
    values = list(call.inputs)
    longest = max(len(v.shape) for v in values)
    if "name" in call.config and call.config.get("dtype") is not None:  # a merge layer widens after the batch
        values = [_widened(v, longest) for v in values]
    shape = tuple(max((v.shape[d] for v in values if len(v.shape) >= -d), default=1) for d in range(-longest, 0))
    return k.elementwise(values, "multiply" if call.kind in ("Multiply", "Divide", "TrueDivide") else "add", shape)


def _widened(value: Any, rank: int) -> Any:
    while len(value.shape) < rank:
        value = widened(value, 1) if isinstance(value, Tracked) else Constant((value.shape[0], 1, *value.shape[1:]))
    return value


@keras("Concatenate")
def _concatenate(k: Tracker, call: Call) -> Tracked:
    axis, shapes = call.get("axis", -1), [v.shape for v in call.inputs]
    d = axis % len(shapes[0])
    k.shape = tuple(sum(s[d] for s in shapes) if e == d else n for e, n in enumerate(shapes[0]))
    return concatenate(k, call.inputs, d)


# layout --------------------------------------------------------------------------------------------------------------


@keras("Reshape")
def _reshape(k: Tracker, call: Call) -> Tracked:
    target = call.get("target_shape", call.get("newshape", ()))
    shape = [*([call.x.shape[0]] if "target_shape" in call.config else []), *target]
    return replace(call.x, dims=regroup(call.x.dims, _complete(shape, call.x.shape)))


def _complete(shape: list[Any], before: Shape) -> Shape:
    """A shape with the number that −1 or null stands for."""
    known = prod(n for n in shape if n not in (-1, None))
    if sum(n in (-1, None) for n in shape) > 1 or known < 1 or prod(before) % known:
        raise UnreadableError(f"its shape {shape} does not fit a tensor of {'×'.join(map(str, before))}")
    return tuple(prod(before) // known if n in (-1, None) else n for n in shape)


@keras("Flatten")
def _flatten(k: Tracker, call: Call) -> Tracked:
    x = call.x
    if call.channels_first:
        x = replace(x, dims=(x.dims[0], *x.dims[2:], x.dims[1]))
    return replace(x, dims=regroup(x.dims, (x.shape[0], prod(x.shape[1:]))))


@keras("Permute", "Transpose")
def _permute(k: Tracker, call: Call) -> Tracked:
    order = [0, *call.get("dims", ())] if call.kind == "Permute" else call.get("axes", [])
    x = call.x
    if sorted(order) != list(range(len(x.dims))):
        raise UnreadableError(f"its order {order} is not one of {len(x.dims)} dims")
    return replace(x, dims=tuple(x.dims[d] for d in order))


@keras("RepeatVector")
def _repeat(k: Tracker, call: Call) -> Tracked:
    return replace(call.x, dims=(call.x.dims[0], neutral(per_axis(call.get("n"), 1)[0]), *call.x.dims[1:]))


@keras("ExpandDims")
def _expand(k: Tracker, call: Call) -> Tracked:
    return widened(call.x, call.get("axis", -1) % (len(call.x.dims) + 1))


@keras("Squeeze")
def _squeeze(k: Tracker, call: Call) -> Tracked:
    x, axis = call.x, call.get("axis")
    if not isinstance(axis, int) or x.shape[axis] != 1:
        raise UnreadableError(f"it drops the dims {axis!r}")
    return without(x, axis % len(x.dims))


@keras(*_MEANS)
def _reduction(k: Tracker, call: Call) -> Tracked:
    x, axis = call.x, call.config.get("axis")
    axes = range(len(x.dims)) if axis is None else axis if isinstance(axis, list | tuple) else [axis]
    gone = {a % len(x.dims) for a in axes}
    out = k.reduce(x, gone)
    if call.get("keepdims", False):
        return out
    return replace(out, dims=tuple(dim for d, dim in enumerate(out.dims) if d not in gone))


# layers with weights ------------------------------------------------------------------------------------------------


@keras("Dense")
def _dense(k: Tracker, call: Call) -> Tracked:
    x = call.x
    return weighted(k, x, -1, x.shape[-1], per_axis(call.get("units"), 1)[0], bias=bool(call.get("use_bias", True)))


@keras("Embedding", "ReversibleEmbedding")
def _embedding(k: Tracker, call: Call) -> Tracked:
    return replace(call.x, dims=(*call.x.dims, neutral(per_axis(call.get("output_dim"), 1)[0])))


@keras("EinsumDense")
def _einsum(k: Tracker, call: Call) -> Tracked:
    """A product with weights, whose sizes are those of the input, or noted for the output."""
    x, equation = call.x, str(call.get("equation", "")).replace(" ", "")
    sides, _, output = equation.partition("->")
    own, _, weights = sides.partition(",")
    free = [c for c in ascii_lowercase if c not in equation][: len(x.dims) - len(own.replace("...", ""))]
    own, output = (text.replace("...", "".join(free)) for text in (own, output))
    noted = call.get("output_shape", [])
    noted = list(noted) if isinstance(noted, list | tuple) else [noted]
    sizes = dict(zip(output[len(output) - len(noted) :], noted, strict=True)) | dict(zip(own, x.shape, strict=True))
    k.shape = tuple(sizes[c] for c in output)
    return contract(k, [x, Constant(tuple(sizes[c] for c in weights))], [own, weights], output)


@keras("Dot")
def _dot(k: Tracker, call: Call) -> Tracked:
    """Sums of products along one dim of each of two tensors, for each of a batch."""
    a, b = call.inputs
    axes = call.get("axes")
    along = [d % len(t.shape) for d, t in zip(per_axis(axes, 2), (a, b), strict=True)]
    letters = iter(ascii_lowercase[2:])
    left, right = (["a" if d == 0 else "b" if d == at else next(letters) for d in range(len(t.shape))]
                   for t, at in zip((a, b), along, strict=True))  # fmt: skip
    output = [x for x in left if x != "b"] + [x for x in right if x not in "ab"]
    sizes = dict(zip(left + right, a.shape + b.shape, strict=True))
    k.shape = tuple(sizes[x] for x in output)
    out = contract(k, [a, b], ["".join(left), "".join(right)], "".join(output))
    return out if len(output) > 1 else widened(out, 1)


def over_time(call: Call, act: Callable[[Tracked], Any]) -> Any:
    """Call a layer on each entry of the first dim after the batch, which joins the batch meanwhile."""
    x = call.x
    batch, time = x.shape[:2]
    out = act(replace(x, dims=regroup(x.dims, (batch * time, *x.shape[2:]))))
    if not isinstance(out, Tracked):
        raise UnreadableError("its layer returns several tensors")
    return replace(out, dims=regroup(out.dims, (batch, time, *out.shape[1:])))
