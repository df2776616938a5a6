"""Keras convolutions and poolings: `same` puts the odd pixel at the end, channels are last or first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from rfscale.engine.readers.keras.registry import Call, keras, per_axis
from rfscale.engine.readers.tensors.layout import UnreadableError, neutral, with_dim
from rfscale.engine.readers.tensors.operators import spatial_ops as sp
from rfscale.engine.readers.tensors.operators import window_ops as wd
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker, axis_values

_RANKS = (1, 2, 3)


def channels_before(call: Call, act: Callable[[Tracked], Tracked]) -> Tracked:
    """Do something to a map whose channels come before its pixels, wherever the layer has them."""
    x = call.x
    if call.channels_first:
        return act(x)
    first = replace(x, dims=(x.dims[0], x.dims[-1], *x.dims[1:-1]))
    out = act(first)
    return replace(out, dims=(out.dims[0], *out.dims[2:], out.dims[1]))


def _rank(call: Call, x: Tracked) -> int:
    rank = len(x.dims) - 2
    if rank not in _RANKS or f"{rank}D" not in call.kind:
        raise UnreadableError(f"it is called with a tensor of {len(x.dims)} dims")
    return rank


def _padding(call: Call, span: Sequence[int]) -> list[int] | str:
    """Padding of a layer whose kernel spans so many entries: a word, or numbers, all starts first."""
    word = str(call.get("padding", "valid")).lower()
    if word == "same":
        return "same"
    if word == "causal":
        return [n - 1 for n in span] + [0] * len(span)
    if word != "valid":
        raise UnreadableError(f"its padding is {word!r}")
    return [0] * (2 * len(span))


def _size(n: int, span: int, stride: int, word: Any) -> int:
    return -(-n // stride) if word in ("same", "causal") else (n - span) // stride + 1


def _convolved(k: Tracker, call: Call, x: Tracked, depthwise: bool) -> Tracked:
    rank = _rank(call, x)
    kernel = per_axis(call.get("kernel_size"), rank)
    stride, dilation = per_axis(call.get("strides", 1), rank), per_axis(call.get("dilation_rate", 1), rank)
    before = x.shape[1]
    groups = before if depthwise else per_axis(call.get("groups", 1), 1)[0]
    channels = before * per_axis(call.get("depth_multiplier", 1), 1)[0] if depthwise else call.get("filters")
    if type(channels) is not int or channels < 1 or groups < 1 or before % groups:
        raise UnreadableError(f"its channels {channels!r} and groups {groups} do not fit {before} channels")
    span = [d * (n - 1) + 1 for n, d in zip(kernel, dilation, strict=True)]
    padding, word = _padding(call, span), call.get("padding", "valid")
    sizes = [_size(n, f, s, word) for n, f, s in zip(x.shape[2:], span, stride, strict=True)]
    k.shape = (x.shape[0], channels, *sizes)
    weights = Constant((channels, before // groups, *kernel))
    bias = bool(call.get("use_bias", True)) and "Separable" not in call.kind
    return wd.convolve(k, x, weights, bias, stride, padding, dilation, groups)


@keras("Conv1D", "Conv2D", "Conv3D", "Convolution1D", "Convolution2D", "Convolution3D")
def _conv(k: Tracker, call: Call) -> Tracked:
    return channels_before(call, lambda x: _convolved(k, call, x, depthwise=False))


@keras("DepthwiseConv1D", "DepthwiseConv2D")
def _depthwise(k: Tracker, call: Call) -> Tracked:
    return channels_before(call, lambda x: _convolved(k, call, x, depthwise=True))


@keras("SeparableConv1D", "SeparableConv2D", "SeparableConvolution1D", "SeparableConvolution2D")
def _separable(k: Tracker, call: Call) -> Tracked:
    def act(x: Tracked) -> Tracked:
        deep = _convolved(k, call, x, depthwise=True)
        filters = per_axis(call.get("filters"), 1)[0]
        k.shape = (deep.shape[0], filters, *deep.shape[2:])
        ones = [1] * (len(x.dims) - 2)
        weights = Constant((filters, deep.shape[1], *ones))
        return wd.convolve(k, deep, weights, bool(call.get("use_bias", True)), ones, [0, 0] * len(ones), ones, 1)

    return channels_before(call, act)


@keras(*(f"Conv{n}DTranspose" for n in _RANKS), *(f"Convolution{n}DTranspose" for n in _RANKS))
def _transposed(k: Tracker, call: Call) -> Tracked:
    """Transposed convolution; of its full result Keras cuts the start and end that `padding` says."""

    def act(x: Tracked) -> Tracked:
        rank = _rank(call, x)
        kernel = per_axis(call.get("kernel_size"), rank)
        stride, dilation = per_axis(call.get("strides", 1), rank), per_axis(call.get("dilation_rate", 1), rank)
        filters, groups = per_axis(call.get("filters"), 1)[0], per_axis(call.get("groups", 1), 1)[0]
        given = call.get("output_padding")
        extra = [None] * rank if given is None else per_axis(given, rank)
        word = str(call.get("padding", "valid")).lower()
        cuts = [_cut(*sides, word) for sides in zip(kernel, stride, dilation, extra, strict=True)]
        full = [(n - 1) * s + d * (m - 1) + 1 for n, m, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True)]
        k.shape = (x.shape[0], filters, *(n - a - b for n, (a, b) in zip(full, cuts, strict=True)))
        padding = [a for a, _ in cuts] + [max(0, b) for _, b in cuts]
        longer = [max(0, -b) for _, b in cuts]
        weights = Constant((x.shape[1], filters // groups, *kernel))
        bias = bool(call.get("use_bias", True))
        return wd.convolve_transposed(k, x, weights, bias, stride, padding, dilation, groups, longer)

    return channels_before(call, act)


def _cut(kernel: int, stride: int, dilation: int, extra: int | None, word: str) -> tuple[int, int]:
    """Entries that are cut off the start and the end of the full transposed convolution; below zero: added."""
    span = dilation * (kernel - 1) + 1
    if word == "valid":
        return 0, -(max(span, stride) - span if extra is None else extra)
    if word != "same":
        raise UnreadableError(f"its padding is {word!r}")
    total = stride + span - 2 if extra is None else span + span % 2 - 2 + extra
    left = min(total // 2 + total % 2, span - 1)
    return span - 1 - left, span - 1 - (total - left)


@keras(*(f"{name}Pooling{n}D" for name in ("Max", "Average") for n in _RANKS), "MaxPool1D", "MaxPool2D", "MaxPool3D",
       "AvgPool1D", "AvgPool2D", "AvgPool3D")  # fmt: skip
def _pool(k: Tracker, call: Call) -> Tracked:
    def act(x: Tracked) -> Tracked:
        rank = _rank(call, x)
        kernel = per_axis(call.get("pool_size", 2), rank)
        stride = per_axis(call.get("strides", kernel), rank)
        word = call.get("padding", "valid")
        sizes = [_size(n, m, s, word) for n, m, s in zip(x.shape[2:], kernel, stride, strict=True)]
        k.shape = (*x.shape[:2], *sizes)
        op = "max_pool" if call.kind.startswith("Max") else "avg_pool"
        return wd.window(k, op, x, kernel, stride, _padding(call, kernel), [1] * rank)

    return channels_before(call, act)


@keras(*(f"Global{name}{n}D" for name in ("MaxPooling", "AveragePooling", "MaxPool", "AvgPool") for n in _RANKS))
def _global(k: Tracker, call: Call) -> Tracked:
    def act(x: Tracked) -> Tracked:
        return k.reduce(x, range(2, 2 + _rank(call, x)))

    out = channels_before(call, act)
    if call.get("keepdims", False):
        return out
    return replace(out, dims=(out.dims[0], out.dims[1 if call.channels_first else -1]))


@keras(*(f"Adaptive{name}Pooling{n}D" for name in ("Max", "Average") for n in _RANKS))
def _adaptive(k: Tracker, call: Call) -> Tracked:
    def act(x: Tracked) -> Tracked:
        rank = _rank(call, x)
        k.shape = (*x.shape[:2], *per_axis(call.get("output_size"), rank))
        out = wd.adaptive_pool(k, x, rank)
        return replace(
            out, dims=(*out.dims[:2], *(d or neutral(n) for d, n in zip(out.dims[2:], k.shape[2:], strict=True)))
        )

    return channels_before(call, act)


@keras("UpSampling1D", "UpSampling2D", "UpSampling3D")
def _upsampling(k: Tracker, call: Call) -> Tracked:
    modes = {"nearest": "nearest", "bilinear": "bilinear", "bicubic": "bicubic"}
    mode = modes.get(call.get("interpolation", "nearest"))
    if mode is None:
        raise UnreadableError(f"its interpolation is {call.get('interpolation')!r}")

    def act(x: Tracked) -> Tracked:
        rank = _rank(call, x)
        size = per_axis(call.get("size", 2), rank)
        k.shape = (*x.shape[:2], *(n * s for n, s in zip(x.shape[2:], size, strict=True)))
        return sp.resize(k, x, rank, mode)

    return channels_before(call, act)


@keras("Resizing")
def _resizing(k: Tracker, call: Call) -> Tracked:
    if (
        call.get("crop_to_aspect_ratio", False)
        or call.get("pad_to_aspect_ratio", False)
        or call.get("antialias", False)
    ):
        raise UnreadableError("it crops, pads or smooths")
    mode = call.get("interpolation", "bilinear")

    def act(x: Tracked) -> Tracked:
        size = per_axis([call.get("height"), call.get("width")], 2)
        whole = all(m % n == 0 for m, n in zip(size, x.shape[2:], strict=True))
        if mode != "bilinear" and not (mode == "nearest" and whole):
            raise UnreadableError(f"its interpolation is {mode!r}, which backends do not share")
        k.shape = (*x.shape[:2], *size)
        return sp.resize(k, x, 2, mode)

    return channels_before(call, act)


@keras("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def _pad(k: Tracker, call: Call) -> Tracked:
    def act(x: Tracked) -> Tracked:
        rank = _rank(call, x)
        sides = _sides(call.get("padding", 1), rank)
        if min(map(min, sides)) < 0:
            raise UnreadableError(f"its padding {sides} is below zero")
        t, axes = sp.clean(k, x, rank)
        k.shape = (*x.shape[:2], *(n + sum(side) for n, side in zip(x.shape[2:], sides, strict=True)))
        padding = [n for end in (0, 1) for n in axis_values(axes, [side[end] for side in sides], len(t.map), 0)]
        return sp.write_along(k, t, axes, "pad", padding=padding)

    return channels_before(call, act)


@keras("Cropping1D", "Cropping2D", "Cropping3D")
def _crop(k: Tracker, call: Call) -> Tracked:
    def act(x: Tracked) -> Tracked:
        for d, (start, end) in enumerate(_sides(call.get("cropping", 1), _rank(call, x)), start=2):
            x = sp.narrow(k, x, d, start, x.shape[d] - end)
        return x

    return channels_before(call, act)


def _sides(value: Any, rank: int) -> list[list[int]]:
    """Start and end of each axis, from one number, one for each axis, or a pair for each."""
    if rank == 1 and isinstance(value, list | tuple) and len(value) == 2:
        value = [value]
    values = list(value) if isinstance(value, list | tuple) else [value] * rank
    if len(values) != rank:
        raise UnreadableError(f"{value!r} is not one padding for each of {rank} axes")
    return [per_axis(v, 2) for v in values]


@keras("RandomCrop", "CenterCrop")
def _centre(k: Tracker, call: Call) -> Tracked:
    def act(x: Tracked) -> Tracked:
        size = per_axis([call.get("height"), call.get("width")], 2)
        over = [n - m for n, m in zip(x.shape[2:], size, strict=True)]
        if call.kind == "RandomCrop" or min(over) < 0:
            raise UnreadableError("it resizes or crops by chance")
        starts = [n // 2 for n in over]
        for d, (start, n) in enumerate(zip(starts, size, strict=True), start=2):
            x = sp.narrow(k, x, d, start, start + n)
        return x

    return channels_before(call, act)


@keras("DepthToSpace", "SpaceToDepth")
def _shuffle(k: Tracker, call: Call) -> Tracked:
    def act(x: Tracked) -> Tracked:
        n = per_axis(call.get("block_size"), 1)[0]
        grows = call.kind == "DepthToSpace"
        channels, *size = x.shape[1:]
        size = [m * n if grows else m // n for m in size]
        k.shape = (x.shape[0], channels // n**2 if grows else channels * n**2, *size)
        return wd.shuffle(k, x, "pixel_shuffle" if grows else "space_to_depth", n)

    return channels_before(call, act)


def widened(x: Tracked, dim: int) -> Tracked:
    """A tensor with a further dim of one entry."""
    return replace(x, dims=(*x.dims[:dim], (), *x.dims[dim:]))


def without(x: Tracked, dim: int) -> Tracked:
    """A tensor without one of its dims."""
    return replace(x, dims=with_dim(x.dims, dim))
