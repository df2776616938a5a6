"""What one layer does to the size of a map along one axis, as far as input sizes depend on it."""

from __future__ import annotations

from fractions import Fraction

from rfscale.engine.network.layer import Layer
from rfscale.engine.network.ops import OPS, same_padding

COSTS = ("channels", "groups", "bias")
LARGE = 1 << 40  # entries of a map that no window or border is as large as


def size_after(layer: Layer, axis: int, before: int) -> int:
    """Entries after a layer of a map of `before` entries; an InputError where it takes no such map."""
    return OPS[layer.op].size(layer.params, axis, before)


def is_window(layer: Layer) -> bool:
    """Whether a layer is a window that moves over the whole map."""
    return "kernel" in layer.params and layer.op != "conv_transpose"


def _block(layer: Layer, axis: int) -> int:
    return int(layer.params["block"][axis]) if layer.params.get("block") else 0


def _span(layer: Layer, axis: int) -> int:
    return int(layer.params["dilation"][axis] * (layer.params["kernel"][axis] - 1) + 1)


def modulus_of(layer: Layer, axis: int) -> int:
    """What should divide the map that a layer reads: its stride, or the blocks that its windows keep to."""
    p = layer.params
    if is_window(layer):
        return _block(layer, axis) or int(p["stride"][axis])
    return int(p["scale"][axis]) if layer.op == "space_to_depth" else 1


def added_entries(layer: Layer, axis: int) -> int | None:
    """Entries that a layer adds to every map (or cuts, below 0); None where they depend on the map."""
    p, op = layer.params, OPS[layer.op]
    shifts = (is_window(layer) and not _block(layer, axis)) or layer.op == "conv_transpose"
    shifts = p["stride"][axis] == 1 if shifts else layer.op == "crop" and p["size"] is None
    if shifts or (layer.op == "pad" and p["mode"] in ("zeros", "replicate")):
        return op.size(p, axis, LARGE) - LARGE
    if layer.op in ("roll", "flip", "pointwise", "window_attention", "attention", "cumulative"):
        return 0
    return None


def proportion(layer: Layer, axis: int, low: Fraction, high: Fraction) -> tuple[int, int, Fraction, Fraction]:
    """Entries of the map that are so many more after one layer, and bounds of its size, where the map is large."""
    p, op = layer.params, OPS[layer.op]
    if block := _block(layer, axis):
        row = op.size(p, axis, block)
        return block, row, row * (low / block - 1), row * high / block
    if is_window(layer):
        stride = int(p["stride"][axis])
        if isinstance(p["padding"], str):  # of TensorFlow and ONNX: an entry for every stride begun
            return stride, 1, low / stride, (high + stride - 1) / stride
        added = sum(same_padding(p, axis, None)) - _span(layer, axis)
        return stride, 1, (low + added + 1) / stride, (high + added) / stride + 1 + bool(p.get("ceil_mode"))
    if layer.op == "conv_transpose":
        stride, added = int(p["stride"][axis]), op.size(p, axis, 0)
        return 1, stride, stride * low + added, stride * high + added
    if layer.op in ("upsample", "pixel_shuffle"):
        scale = int(p["scale"][axis])
        return 1, scale, scale * low, scale * high
    if layer.op == "space_to_depth":
        scale = int(p["scale"][axis])
        return scale, 1, low / scale - 1, high / scale
    if layer.op == "slice" and (p["stop"][axis] or 0) <= 0:
        step, left = int(p["step"][axis]), int(p["start"][axis]) - int(p["stop"][axis] or 0)
        return step, 1, (low - left) / step, (high - left) / step + 1
    if layer.op == "pad":
        added = op.size(p | {"mode": "zeros"}, axis, 0)
        return 1, 1, low + added, high + added
    size = Fraction(
        op.size(p, axis, least_entries(layer, axis))
    )  # a map of one size, once what it reads is large enough
    return 1, 0, size, size


def least_entries(layer: Layer, axis: int) -> int:
    """Entries that a map needs for a layer to act as on any larger one."""
    p = layer.params
    if layer.op == "slice":
        start, stop = int(p["start"][axis]), int(p["stop"][axis] or 0)
        return max(stop, start + 1 - min(stop, 0))
    if layer.op == "crop":
        return int(p["size"][axis]) if p["size"] else 1
    if layer.op == "pad":
        return max(p["padding"]) + 1
    return 1


def leaves_unread(layer: Layer, axis: int, before: int) -> bool:
    """Whether a window leaves entries at the end of its map unread, more than those between any two windows."""
    p = layer.params
    if not is_window(layer) or _block(layer, axis) or p.get("ceil_mode"):
        return False
    first, last = same_padding(p, axis, before)
    span, stride = _span(layer, axis), int(p["stride"][axis])
    return (before + first + last - span) % stride > last + max(0, stride - span)
