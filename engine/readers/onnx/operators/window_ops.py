"""ONNX convolutions and poolings: paddings and sizes by number and by word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rfscale.engine.readers.tensors.layout import UnreadableError
from rfscale.engine.readers.tensors.operators import window_ops as wd
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker


def _padding(attrs: Mapping[str, Any], rank: int) -> list[int] | str:
    word = attrs.get("auto_pad", "NOTSET")
    if word in ("SAME_UPPER", "SAME_LOWER"):
        return "same" if word == "SAME_UPPER" else "same_lower"
    _check_word(word)
    return [0] * (2 * rank) if word == "VALID" else list(attrs.get("pads", [0] * (2 * rank)))


def _check_word(word: str) -> None:
    if word not in ("", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise UnreadableError(f"auto_pad is {word!r}, which ONNX does not know")


def _kernel(x: Any, w: Any) -> list[int]:
    if isinstance(x, Tracked) and isinstance(w, Constant) and len(w.shape) != len(x.dims):
        raise UnreadableError("the shape of its weights is not known")
    return list(w.shape[2:])


def convolve(k: Tracker, x: Any, w: Any, bias: bool, attrs: Mapping[str, Any]) -> Tracked:
    """Conv, in all its paddings."""
    rank = len(_kernel(x, w))
    stride, dilation = attrs.get("strides", [1] * rank), attrs.get("dilations", [1] * rank)
    return wd.convolve(k, x, w, bias, stride, _padding(attrs, rank), dilation, attrs.get("group", 1))


def deconvolve(k: Tracker, x: Any, w: Any, bias: bool, attrs: Mapping[str, Any]) -> Tracked:
    """ConvTranspose; `output_shape` and `auto_pad` become paddings."""
    kernel = _kernel(x, w)
    rank = len(kernel)
    stride, dilation = attrs.get("strides", [1] * rank), attrs.get("dilations", [1] * rank)
    extra = list(attrs.get("output_padding", [0] * rank))
    padding = list(attrs.get("pads", [0] * (2 * rank)))
    word = attrs.get("auto_pad", "NOTSET")
    _check_word(word)
    if "output_shape" in attrs or word.startswith("SAME"):
        for a in range(rank):
            full = stride[a] * (x.shape[2 + a] - 1) + dilation[a] * (kernel[a] - 1) + 1
            total = full + extra[a] - k.shape[2 + a]
            extra[a] += max(0, -total)
            less, more = max(0, total) // 2, max(0, total) - max(0, total) // 2
            padding[a], padding[rank + a] = (less, more) if word == "SAME_UPPER" else (more, less)
    elif word == "VALID":
        padding = [0] * (2 * rank)
    return wd.convolve_transposed(k, x, w, bias, stride, padding, dilation, attrs.get("group", 1), extra)


def pool(k: Tracker, op: str, x: Tracked, attrs: Mapping[str, Any]) -> Tracked:
    """MaxPool, AveragePool, LpPool."""
    kernel = attrs["kernel_shape"]
    rank = len(kernel)
    stride, dilation = attrs.get("strides", [1] * rank), attrs.get("dilations", [1] * rank)
    ceil_mode = bool(attrs.get("ceil_mode", 0))
    return wd.window(k, op, x, kernel, stride, _padding(attrs, rank), dilation, ceil_mode=ceil_mode)
