"""ONNX convolutions, poolings and resizes: paddings by word, sizes by word, and nine ways to place pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.readers import spatial as sp
from engine.readers.layout import UnreadableError, spatial
from engine.readers.tracking import Constant, Tracked, Tracker

if TYPE_CHECKING:
    from engine.readers.onnx_ops import Node

_ROUNDING = {"round_prefer_floor": "down", "round_prefer_ceil": "up", "floor": "floor", "ceil": "ceil"}
_COORDINATES = {
    "half_pixel": "half_pixel",
    "pytorch_half_pixel": "half_pixel",
    "half_pixel_symmetric": "half_pixel",
    "align_corners": "align_corners",
    "asymmetric": "asymmetric",
}


def _padding(attrs: Mapping[str, Any], rank: int) -> list[int] | str:
    word = attrs.get("auto_pad", "NOTSET")
    if word in ("SAME_UPPER", "SAME_LOWER"):
        return "same" if word == "SAME_UPPER" else "same_lower"
    return [0] * (2 * rank) if word == "VALID" else list(attrs.get("pads", [0] * (2 * rank)))


def _weights(x: Any, w: Any) -> list[int]:
    if not isinstance(x, Tracked) or not isinstance(w, Constant):
        raise UnreadableError("its weights depend on the image")
    if len(w.shape) != len(x.dims):
        raise UnreadableError("the shape of its weights is not known")
    return list(w.shape[2:])


def convolve(k: Tracker, x: Any, w: Any, bias: bool, attrs: Mapping[str, Any]) -> Tracked:
    """Conv, in all its paddings."""
    kernel = _weights(x, w)
    rank, groups = len(kernel), attrs.get("group", 1)
    padding = _padding(attrs, rank)
    stride, dilation = attrs.get("strides", [1] * rank), attrs.get("dilations", [1] * rank)
    before, channels = w.shape[1] * groups, w.shape[0]
    if max(kernel) == max(stride) == 1 and (isinstance(padding, str) or not any(padding)):
        return k.weighted(x, -rank - 1, before, channels, groups, bias)
    weights = (before, channels, groups, bias)
    return sp.window(k, "conv", x, kernel, stride, padding, dilation, mixes=groups == 1, weights=weights)


def deconvolve(k: Tracker, x: Any, w: Any, bias: bool, attrs: Mapping[str, Any]) -> Tracked:
    """ConvTranspose; `output_shape` and `auto_pad` become paddings."""
    kernel = _weights(x, w)
    rank, groups = len(kernel), attrs.get("group", 1)
    stride, dilation = attrs.get("strides", [1] * rank), attrs.get("dilations", [1] * rank)
    extra = list(attrs.get("output_padding", [0] * rank))
    padding = list(attrs.get("pads", [0] * (2 * rank)))
    word = attrs.get("auto_pad", "NOTSET")
    if "output_shape" in attrs or word.startswith("SAME"):
        for a in range(rank):
            full = stride[a] * (x.shape[2 + a] - 1) + dilation[a] * (kernel[a] - 1) + 1
            total = full + extra[a] - k.shape[2 + a]
            extra[a] += max(0, -total)
            less, more = max(0, total) // 2, max(0, total) - max(0, total) // 2
            padding[a], padding[rank + a] = (less, more) if word == "SAME_UPPER" else (more, less)
    elif word == "VALID":
        padding = [0] * (2 * rank)
    weights = (w.shape[0], w.shape[1] * groups, groups, bias)
    return sp.window(
        k, "conv_transpose", x, kernel, stride, padding, dilation, extra=extra, mixes=groups == 1, weights=weights
    )


def pool(k: Tracker, op: str, x: Tracked, attrs: Mapping[str, Any]) -> Tracked:
    """MaxPool, AveragePool, LpPool."""
    kernel = attrs["kernel_shape"]
    rank = len(kernel)
    stride, dilation = attrs.get("strides", [1] * rank), attrs.get("dilations", [1] * rank)
    ceil_mode = bool(attrs.get("ceil_mode", 0))
    return sp.window(k, op, x, kernel, stride, _padding(attrs, rank), dilation, ceil_mode=ceil_mode)


def average_global(k: Tracker, x: Tracked) -> Tracked:
    """Global pooling over all dims behind the channels."""
    return k.reduce(x, range(2, len(x.dims)))


def _scales(node: Node, rank: int) -> list[float] | None:
    """Scales per dim, where the node gives scales and not sizes."""
    attrs = node.attrs
    if node.op == "Upsample" and "scales" not in attrs and "height_scale" in attrs:
        return [1.0, 1.0, attrs["height_scale"], attrs["width_scale"]]
    if "scales" in attrs:
        return list(attrs["scales"])
    position = 1 if node.op == "Upsample" or node.opset < 11 else 2
    given = node.inputs[position] if len(node.inputs) > position else None
    if given is None or 0 in given.shape:
        return None
    if not isinstance(given, Constant) or given.value is None:
        raise UnreadableError("its scales are not constant")
    return [float(v) for v in np.ravel(given.value)]


def resample(k: Tracker, node: Node) -> Tracked:
    """Resize and Upsample of every opset."""
    x, attrs = node.inputs[0], node.attrs
    rank = len(x.dims)
    changed = [d for d in range(rank) if k.shape[d] != x.shape[d]]
    if any(d < rank - len(x.map) for d in changed):
        raise UnreadableError("it resamples other dims than the last ones")
    mode = {"nearest": "nearest", "linear": "bilinear", "bilinear": "bilinear", "cubic": "bicubic"}.get(
        attrs.get("mode", "nearest")
    )
    old = node.op == "Upsample" or node.opset < 11
    place = "asymmetric" if old else attrs.get("coordinate_transformation_mode", "half_pixel")
    if mode is None or place not in _COORDINATES or attrs.get("antialias"):
        raise UnreadableError(f"it resamples in a way that is not known ({attrs.get('mode')}, {place})")
    rounding = "floor" if old else _ROUNDING[attrs.get("nearest_mode", "round_prefer_floor")]
    scales = _scales(node, rank)
    axes = [int(a) % rank for a in attrs.get("axes", range(rank))]
    for d, s in zip(axes, scales or (), strict=False):
        if place != "align_corners" and abs(s * x.shape[d] - k.shape[d]) > 1e-4:
            raise UnreadableError(f"it resamples {x.shape[d]} entries by {s:g}, which is no whole number of entries")
    return sp.resize(k, x, len(x.map), mode, **_coordinates(mode, place, rounding, x, k.shape))


def _coordinates(mode: str, place: str, rounding: str, x: Tracked, shape: Sequence[int]) -> dict[str, Any]:
    """What a `resize` layer has to say beyond its mode; nothing where that is the default."""
    coordinates = _COORDINATES[place]
    if coordinates == "align_corners" and mode != "nearest":
        return {"align_corners": True}
    if mode != "nearest":
        return {} if coordinates == "half_pixel" else {"coordinates": coordinates}
    pairs = [(n, m) for n, m, dim in zip(x.shape, shape, x.dims, strict=True) if spatial(dim)]
    if coordinates == "asymmetric" and rounding == "floor":
        return {}
    if coordinates == "half_pixel" and rounding in ("down", "up") and all(m % n == 0 for n, m in pairs):
        return {}
    return {"coordinates": coordinates, "rounding": rounding}
