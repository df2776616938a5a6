"""The short constants that an ONNX graph computes, such as shapes and sizes: computed with numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from rfscale.engine.readers.onnx.graph.constants import MAX_FLOATS, MAX_VALUES, is_kept, most_values, values_of
from rfscale.engine.readers.onnx.graph.node import Node
from rfscale.engine.readers.onnx.graph.shapes import constant_of
from rfscale.engine.readers.tensors.tracking import Constant, Shape

_DTYPES: dict[int, Any] = {
    1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_,
    10: np.float16, 11: np.float64, 12: np.uint32, 13: np.uint64,
}  # fmt: skip
Fold = Callable[[list[Any], Mapping[str, Any]], Any]
FOLD: dict[str, Fold] = {
    "Identity": lambda x, a: x[0].value,
    "Shape": lambda x, a: np.array(x[0].shape[a.get("start") or 0 : a.get("end")], np.int64),
    "Constant": lambda x, a: _constant(a),
    "ConstantOfShape": lambda x, a: _filled(x[0].value, a),
    "Gather": lambda x, a: np.take(x[0].value, x[1].value, axis=a.get("axis", 0)),
    "Concat": lambda x, a: np.concatenate([np.atleast_1d(v.value) for v in x], axis=a.get("axis", 0)),
    "Unsqueeze": lambda x, a: np.expand_dims(x[0].value, tuple(np.ravel(a["axes"] if "axes" in a else x[1].value))),
    "Squeeze": lambda x, a: np.squeeze(x[0].value, _axes(x, a)),
    "Reshape": lambda x, a: _reshaped(x, a),
    "Slice": lambda x, a: _slice(x, a),
    "Cast": lambda x, a: x[0].value.astype(_DTYPES.get(a["to"], np.float64)),
    "Range": lambda x, a: _range(*(v.value for v in x)),
    "Add": lambda x, a: x[0].value + x[1].value,
    "Sub": lambda x, a: x[0].value - x[1].value,
    "Mul": lambda x, a: x[0].value * x[1].value,
    "Div": lambda x, a: _divide(x[0].value, x[1].value),
    "Mod": lambda x, a: np.mod(x[0].value, x[1].value),
    "Neg": lambda x, a: -x[0].value,
    "Floor": lambda x, a: np.floor(x[0].value),
    "Ceil": lambda x, a: np.ceil(x[0].value),
    "Min": lambda x, a: np.minimum.reduce([v.value for v in x]),
    "Max": lambda x, a: np.maximum.reduce([v.value for v in x]),
    "ReduceProd": lambda x, a: np.prod(x[0].value, axis=_axes(x, a), keepdims=bool(a.get("keepdims", 1))),
    "Equal": lambda x, a: x[0].value == x[1].value,
    "Where": lambda x, a: np.where(*(v.value for v in x)),
    "Expand": lambda x, a: _expand(x[0].value, x[1].value),
    "Transpose": lambda x, a: np.transpose(x[0].value, a.get("perm")),
    "Size": lambda x, a: np.array(prod(x[0].shape), np.int64),
    "And": lambda x, a: np.logical_and(x[0].value, x[1].value),
    "Or": lambda x, a: np.logical_or(x[0].value, x[1].value),
    "Xor": lambda x, a: np.logical_xor(x[0].value, x[1].value),
    "Not": lambda x, a: np.logical_not(x[0].value),
    "Less": lambda x, a: x[0].value < x[1].value,
    "LessOrEqual": lambda x, a: x[0].value <= x[1].value,
    "Greater": lambda x, a: x[0].value > x[1].value,
    "GreaterOrEqual": lambda x, a: x[0].value >= x[1].value,
    "Abs": lambda x, a: np.abs(x[0].value),
    "Sign": lambda x, a: np.sign(x[0].value),
    "Round": lambda x, a: np.round(x[0].value),
    "Sqrt": lambda x, a: np.sqrt(x[0].value),
    "Pow": lambda x, a: np.power(x[0].value, x[1].value),
    "Clip": lambda x, a: _clipped(x, a),
    "Sum": lambda x, a: sum(v.value for v in x),
    "ReduceSum": lambda x, a: np.sum(x[0].value, axis=_axes(x, a), keepdims=bool(a.get("keepdims", 1))),
    "ReduceMax": lambda x, a: np.max(x[0].value, axis=_axes(x, a), keepdims=bool(a.get("keepdims", 1))),
    "ReduceMin": lambda x, a: np.min(x[0].value, axis=_axes(x, a), keepdims=bool(a.get("keepdims", 1))),
    "Flatten": lambda x, a: x[0].value.reshape(prod(x[0].shape[: a.get("axis", 1)]), -1),
    "Tile": lambda x, a: np.tile(x[0].value, x[1].value),
    "CumSum": lambda x, a: _summed_up(x, a),
    "GatherND": lambda x, a: _gathered(x, a),
    "ScatterND": lambda x, a: _scattered(x, a),
    "NonZero": lambda x, a: np.array(np.nonzero(x[0].value), np.int64),
}


def splits(node: Node) -> list[Constant]:
    """Return what Split makes of a constant."""
    x, shapes = node.inputs[0], node.shapes
    if x.value is None or any(s is None for s in shapes):
        return [constant_of(s) for s in shapes]
    axis = node.attrs.get("axis", 0)
    ends = np.cumsum([s[axis] for s in shapes if s is not None])[:-1]
    return [Constant(part.shape, part) for part in np.split(x.value, ends, axis)]


def shape_value(op: str, shape: Shape, attrs: Mapping[str, Any]) -> Constant:
    """Return what Shape or Size makes of a tensor of this shape."""
    if op == "Size":
        return Constant((), np.array(prod(shape)))
    value = np.array(shape[attrs.get("start") or 0 : attrs.get("end")], np.int64)
    return Constant(value.shape, value)


def folded(op: str, inputs: Sequence[Any], attrs: Mapping[str, Any], shape: Shape | None) -> Constant:
    """Return what a node makes of constants; its values where a reader may need them."""
    fold = FOLD.get(op)
    known = all(v is None or v.value is not None or op in ("Shape", "Size") for v in inputs)
    if op == "NonZero" and known and inputs:  # its shape depends on the values
        shape = inputs[0].shape
    if fold is not None and known and shape is not None and prod(shape) <= most_values(shape):
        try:
            value = np.asarray(fold([None if v is None else v for v in inputs], attrs))
        except (
            ValueError,
            TypeError,
            IndexError,
            ZeroDivisionError,
            AttributeError,
            OverflowError,
            MemoryError,
            FloatingPointError,
        ):
            return constant_of(shape)
        return Constant(value.shape, value if value.size <= most_values(value.shape) else None)
    return constant_of(shape)


def _constant(attrs: Mapping[str, Any]) -> Any:
    (key, value), *_ = attrs.items()
    if key == "value":
        if not is_kept(value):
            raise ValueError("too many values to keep")
        return values_of(value)
    return np.array(value)


def _filled(shape: Any, attrs: Mapping[str, Any]) -> Any:
    size = prod(map(int, shape))
    if size > MAX_FLOATS and not ("value" in attrs and size <= MAX_VALUES):
        raise ValueError("too many values to keep")
    value = values_of(attrs["value"]).ravel()[0] if "value" in attrs else np.float32(0)
    return np.full(tuple(shape), value)


def _axes(inputs: list[Any], attrs: Mapping[str, Any]) -> tuple[int, ...] | None:
    axes = attrs.get("axes")
    if axes is None and len(inputs) > 1 and inputs[1] is not None:
        axes = inputs[1].value
    return None if axes is None else tuple(int(a) for a in np.ravel(axes))


def _slice(inputs: list[Any], attrs: Mapping[str, Any]) -> Any:
    data = inputs[0].value
    if "starts" in attrs:
        starts, stops, axes, steps = attrs["starts"], attrs["ends"], attrs.get("axes"), None
    else:
        starts, stops, axes, steps = (v.value if v is not None else None for v in [*inputs[1:], None, None][:4])
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    index = [slice(None)] * data.ndim
    for axis, start, stop, step in zip(axes, starts, stops, steps, strict=True):
        index[int(axis)] = slice(int(start), int(stop), int(step))
    return data[tuple(index)]


def _range(start: Any, stop: Any, step: Any) -> Any:
    if step == 0 or abs((stop - start) / step) > MAX_VALUES:
        raise ValueError("too many values to keep")
    return np.arange(start, stop, step)


def _divide(a: Any, b: Any) -> Any:
    if np.issubdtype(np.asarray(a).dtype, np.integer):
        return np.trunc(np.divide(a, b)).astype(np.int64)  # ONNX divides whole numbers towards zero
    return np.divide(a, b)


def _expand(value: Any, shape: Any) -> Any:
    if prod(map(int, shape)) > MAX_VALUES:
        raise ValueError("too many values to keep")
    return value * np.ones(tuple(shape), value.dtype)


def _reshaped(inputs: list[Any], attrs: Mapping[str, Any]) -> Any:
    target = [int(n) for n in (attrs["shape"] if "shape" in attrs else inputs[1].value)]
    if not attrs.get("allowzero"):
        target = [inputs[0].shape[i] if n == 0 else n for i, n in enumerate(target)]
    return np.reshape(inputs[0].value, target)


def _clipped(inputs: list[Any], attrs: Mapping[str, Any]) -> Any:
    least, most = ([v.value if v is not None else None for v in inputs[1:]] + [None, None])[:2]
    return np.clip(inputs[0].value, attrs.get("min", least), attrs.get("max", most))


def _summed_up(inputs: list[Any], attrs: Mapping[str, Any]) -> Any:
    if attrs.get("exclusive") or attrs.get("reverse"):
        raise ValueError("not computed")
    return np.cumsum(inputs[0].value, int(inputs[1].value))


def _gathered(inputs: list[Any], attrs: Mapping[str, Any]) -> Any:
    if attrs.get("batch_dims"):
        raise ValueError("not computed")
    return inputs[0].value[tuple(np.moveaxis(inputs[1].value, -1, 0))]


def _scattered(inputs: list[Any], attrs: Mapping[str, Any]) -> Any:
    if attrs.get("reduction", "none") != "none":
        raise ValueError("not computed")
    out = np.array(inputs[0].value)
    out[tuple(np.moveaxis(inputs[1].value, -1, 0))] = inputs[2].value
    return out
