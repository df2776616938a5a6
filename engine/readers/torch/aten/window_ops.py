"""ATen operators that act along the axes: convolutions, poolings, resampling, padding, unfold and fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from rfscale.engine.readers.tensors.layout import (
    UnreadableError,
    check_place,
    joined,
    regroup,
    some_of,
    spatial,
    without_place,
)
from rfscale.engine.readers.tensors.operators import spatial_ops as sp
from rfscale.engine.readers.tensors.operators import window_ops as wd
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker
from rfscale.engine.readers.torch.registry import ATEN, Handler, aten, listed

# windows ------------------------------------------------------------------------------------------------------------


@aten("conv1d", "conv2d", "conv3d")
def _conv(
    k: Tracker, x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Tracked:
    n, axes = len(w.shape) - 2, len(k.image)
    if n > axes and len(x.shape) < n + 2:  # torch takes the batch's dim for the channels'
        raise UnreadableError(f"it is {n}-D and the image has {axes} axes: its example needs {n + 2} dims")
    words: dict[Any, Any] = {"same": "same", "valid": [0] * (2 * n)}
    sides = words[padding] if isinstance(padding, str) else listed(padding, n) * 2
    return wd.convolve(k, x, w, b is not None, listed(stride, n), sides, listed(dilation, n), groups)


@aten("convolution", "_convolution", "convolution_overrideable")
def _convolution(
    k: Tracker, x: Any, w: Any, b: Any, stride: Any, padding: Any, dilation: Any, transposed: bool, extra: Any, g: int,
    *_: Any,
) -> Tracked:  # fmt: skip
    if transposed:
        return _conv_transpose(k, x, w, b, stride, padding, extra, g, dilation)
    return _conv(k, x, w, b, stride, padding, dilation, g)


@aten("_convolution_mode")
def _convolution_by_word(
    k: Tracker, x: Any, w: Any, b: Any, stride: Any, padding: str, dilation: Any, groups: int
) -> Tracked:
    return _conv(k, x, w, b, stride, padding, dilation, groups)


@aten("mkldnn_convolution")
def _mkldnn(k: Tracker, x: Any, w: Any, b: Any, padding: Any, stride: Any, dilation: Any, groups: int) -> Tracked:
    return _conv(k, x, w, b, stride, padding, dilation, groups)


@aten("cudnn_convolution")
def _cudnn(k: Tracker, x: Any, w: Any, padding: Any, stride: Any, dilation: Any, groups: int, *_: Any) -> Tracked:
    return _conv(k, x, w, None, stride, padding, dilation, groups)


@aten("slow_conv3d", "thnn_conv2d", "_slow_conv2d_forward", "slow_conv_dilated2d", "slow_conv3d_forward")
@aten("slow_conv_dilated3d")
def _slow_conv(
    k: Tracker, x: Any, w: Any, _kernel: Any, b: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Tracked:
    return _conv(k, x, w, b, stride, padding, dilation)


@aten("_conv_depthwise2d", "conv_depthwise3d")
def _depthwise(k: Tracker, x: Any, w: Any, _kernel: Any, b: Any, stride: Any, padding: Any, dilation: Any) -> Tracked:
    return _conv(k, x, w, b, stride, padding, dilation, x.shape[1])


@aten("slow_conv_transpose2d", "slow_conv_transpose3d")
def _slow_transposed(
    k: Tracker, x: Any, w: Any, _kernel: Any, b: Any = None, stride: Any = 1, padding: Any = 0, extra: Any = 0,
    dilation: Any = 1,
) -> Tracked:  # fmt: skip
    return _conv_transpose(k, x, w, b, stride, padding, extra, 1, dilation)


@aten("conv_tbc")
def _conv_of_sequences(k: Tracker, x: Tracked, w: Any, _bias: Any, padding: int = 0) -> Tracked:
    """Time, batch, channels, and a kernel of time, channels in, channels out."""
    shape = k.shape
    k.shape = tuple(shape[d] for d in (1, 2, 0))
    turned = Constant(tuple(w.shape[d] for d in (2, 1, 0)))
    out = _conv(k, replace(x, dims=tuple(x.dims[d] for d in (1, 2, 0))), turned, True, 1, padding)
    return replace(out, dims=tuple(out.dims[d] for d in (2, 0, 1)))


@aten("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def _conv_transpose(
    k: Tracker,
    x: Any,
    w: Any,
    b: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tracked:
    n = len(w.shape) - 2
    stride, padding, dilation, extra = (listed(v, n) for v in (stride, padding, dilation, output_padding))
    return wd.convolve_transposed(k, x, w, b is not None, stride, padding * 2, dilation, groups, extra)


def _pool(op: str, rank: int) -> Handler:
    def handler(
        k: Tracker, x: Tracked, kernel: Any, stride: Any = None, padding: Any = 0, *rest: Any, **named: Any
    ) -> Any:
        dilation: Any = 1
        if op == "max_pool":
            dilation, rest = (rest[0], rest[1:]) if rest else (named.get("dilation", 1), ())
        ceil_mode = bool(rest[0] if rest else named.get("ceil_mode", False))
        kernel = listed(kernel, rank)
        stride = listed(stride, rank) if stride not in (None, []) else kernel
        sides = listed(padding, rank) * 2
        return wd.window(k, op, x, kernel, stride, sides, listed(dilation, rank), ceil_mode=ceil_mode)

    return handler


for _rank in (1, 2, 3):
    ATEN[f"max_pool{_rank}d"] = _pool("max_pool", _rank)
    ATEN[f"avg_pool{_rank}d"] = _pool("avg_pool", _rank)
    ATEN[f"adaptive_avg_pool{_rank}d"] = lambda k, x, size, r=_rank: wd.adaptive_pool(k, x, r)
    ATEN[f"_adaptive_avg_pool{_rank}d"] = ATEN[f"adaptive_avg_pool{_rank}d"]


def _with_indices(rank: int, adaptive: bool) -> Handler:
    def handler(k: Tracker, x: Tracked, *rest: Any, **named: Any) -> Any:
        k.shape = k.shape[0]
        out = wd.adaptive_pool(k, x, rank) if adaptive else ATEN[f"max_pool{rank}d"](k, x, *rest, **named)
        return [out, out]

    return handler


for _rank in (1, 2, 3):
    ATEN[f"max_pool{_rank}d_with_indices"] = _with_indices(_rank, False)
    ATEN[f"adaptive_max_pool{_rank}d"] = _with_indices(_rank, True)


# resampling and borders ---------------------------------------------------------------------------------------------


def interpolate(k: Tracker, x: Tracked, mode: str, scale: Any, **coordinates: Any) -> Tracked:
    """Torch's upsample operators. Where factors are given, torch places the entries by them, not by the sizes."""
    rank = len(k.shape) - 2
    before, after = x.shape[-rank:], k.shape[-rank:]
    given = listed(scale, rank) if scale is not None else []
    whole = all(abs(s * n - m) < 1e-6 for s, n, m in zip(given, before, after, strict=False))
    if whole or coordinates.get("align_corners"):  # those are placed by the sizes anyway
        return sp.resize(k, x, rank, mode, **coordinates)
    scales = [sp.factor(s) for s in given]
    if mode == "nearest" and not all(map(_as_exact, scales, after)):
        raise UnreadableError(
            f"it resamples by {max(map(float, scales)):g}, where rounding decides which entry is read"
        )
    return sp.resize_by(k, x, rank, mode, scales, **coordinates)


def _as_exact(scale: Fraction, size: int) -> bool:
    """Whether torch, which divides in float32, reads the entries that exact division gives."""
    step = np.float32(1 / float(scale))
    return all(int(np.float32(o) * step) == int(o / scale) for o in range(size))


def _interpolation(mode: str, takes_corners: bool, **coordinates: Any) -> Handler:
    def handler(k: Tracker, x: Tracked, size: Any = None, *rest: Any) -> Tracked:
        corners = takes_corners and bool(rest and rest[0])
        scale = rest[int(takes_corners)] if len(rest) > takes_corners else None
        if len(rest) > takes_corners + 1:  # one factor per axis, in the overloads without lists
            scale = None if None in rest[takes_corners:] else list(rest[takes_corners:])
        return interpolate(k, x, mode, scale, **coordinates, **({"align_corners": True} if corners else {}))

    return handler


for _rank, _mode in ((1, "linear"), (2, "bilinear"), (3, "trilinear")):
    ATEN[f"upsample_{_mode}{_rank}d"] = _interpolation("bilinear", True)
    ATEN[f"upsample_nearest{_rank}d"] = _interpolation("nearest", False)
    ATEN[f"_upsample_nearest_exact{_rank}d"] = _interpolation("nearest", False, coordinates="half_pixel", rounding="up")


ATEN["upsample_bicubic2d"] = _interpolation("bicubic", True)


def _antialiased(mode: str) -> Handler:
    """Antialiasing widens the windows of what shrinks, and leaves alone what grows."""

    def handler(k: Tracker, x: Tracked, size: Any, corners: bool, *scales: Any) -> Tracked:
        given = listed(scales[0], 2) if len(scales) == 1 and scales[0] else [s for s in scales if s]
        shrinks = any(m < n for n, m in zip(x.shape[-2:], k.shape[-2:], strict=True))
        if not shrinks:
            return ATEN[f"upsample_{mode}2d"](k, x, size, corners, *scales)
        whole = all(abs(s * n - m) < 1e-6 for s, n, m in zip(given, x.shape[-2:], k.shape[-2:], strict=False))
        if corners or not whole:
            raise UnreadableError("it shrinks a map with antialiasing, and places the entries other than by the sizes")
        return sp.resize(k, x, 2, mode, antialias=True)

    return handler


for _mode in ("bilinear", "bicubic"):
    ATEN[f"_upsample_{_mode}2d_aa"] = _antialiased(_mode)


@aten("pad")
def _pad(k: Tracker, x: Tracked, sides: Sequence[int], mode: str = "constant", value: Any = None) -> Tracked:
    rank = len(x.shape)
    before, after = [0] * rank, [0] * rank
    for i in range(len(sides) // 2):
        before[rank - 1 - i], after[rank - 1 - i] = sides[2 * i], sides[2 * i + 1]
    return sp.pad(k, x, before, after, {"constant": "zeros"}.get(mode, mode))


@aten("max_unpool2d", "max_unpool3d")
def _unpool(k: Tracker, x: Any, indices: Any, *_: Any) -> Tracked:
    """Each entry goes to where its pool found it: an entry may hold what the windows around it found, or nothing."""
    pool = k.drafts[indices.layer] if isinstance(indices, Tracked) and indices.layer >= 0 else None
    if pool is None or pool.op != "max_pool" or pool.size != x.map:
        raise UnreadableError("values decide where its entries go")
    rank = len(k.shape) - 2
    both = k.elementwise([x, indices], shape=x.shape)
    both, axes = sp.clean(k, both, rank)
    params = {key: pool.params[key] for key in ("kernel", "stride", "dilation", "padding")}
    ndim = len(both.map)
    spans = [d * (n - 1) + 1 for d, n in zip(params["dilation"], params["kernel"], strict=True)]
    target = sp.target_size(both, axes, k.shape[-rank:])
    if tuple(target) != k.map_of(pool.sources[0]):
        raise UnreadableError("it unpools to another size than that of the map that was pooled")
    params["padding"] = list(params["padding"])
    lacking = [0] * ndim
    for a, n in enumerate(both.map):  # the last windows end where the map does, or before, or beyond
        over = (n - 1) * params["stride"][a] + spans[a] - params["padding"][a] - target[a]
        params["padding"][ndim + a], lacking[a] = max(over, 0), max(-over, 0)
    made = [n - m for n, m in zip(target, lacking, strict=True)]
    out = k.after(both, "conv_transpose", sp.all_whole(both, axes, made), **params)
    first = len(out.dims) - rank
    for j, axis in enumerate(axes):
        if axis is not None:
            out = sp.pad_dim(k, out, first + j, 0, lacking[axis])
    return out


ATEN["constant_pad_nd"] = lambda k, x, sides, value=0: _pad(k, x, sides)


for _mode, _name in (("reflect", "reflection"), ("replicate", "replication")):
    for _rank in (1, 2, 3):
        ATEN[f"{_name}_pad{_rank}d"] = lambda k, x, sides, m=_mode: _pad(k, x, sides, m)


@aten("roll")
def _roll(k: Tracker, x: Tracked, shifts: Any, dims: Any = ()) -> Tracked:
    if not dims:
        raise UnreadableError("it rolls a map as one row")
    for shift, d in zip(listed(shifts, len(dims)), dims, strict=True):
        x = sp.roll(k, x, d % len(x.dims), shift)
    return x


@aten("pixel_shuffle")
def _pixel_shuffle(k: Tracker, x: Tracked, factor: int) -> Tracked:
    return wd.shuffle(k, x, "pixel_shuffle", factor)


@aten("pixel_unshuffle")
def _pixel_unshuffle(k: Tracker, x: Tracked, factor: int) -> Tracked:
    return wd.shuffle(k, x, "space_to_depth", factor)


@aten("im2col")
def _im2col(k: Tracker, x: Tracked, kernel: Any, dilation: Any, padding: Any, stride: Any) -> Tracked:
    """Unfold: windows as a map of their own; side by side they are a view, and stay exact entry by entry."""
    kernel, dilation, padding, stride = (listed(v, 2) for v in (kernel, dilation, padding, stride))
    shape = k.shape
    if kernel == stride and dilation == [1, 1] and padding == [0, 0]:
        x, _ = sp.clean(k, x, 2)
        (h, w), (a, b) = x.shape[-2:], kernel
        split = regroup(x.dims, [*x.shape[:2], h // a, a, w // b, b])
        return replace(x, dims=regroup(tuple(split[d] for d in (0, 1, 3, 5, 2, 4)), shape))
    k.shape = (*x.shape[:2], *_positions(x.shape[-2:], kernel, dilation, padding, stride))
    out = wd.window(k, "avg_pool", x, kernel, stride, padding * 2, dilation)
    entries = without_place(kernel[0] * kernel[1], of=(out.layer,)) if isinstance(out, Tracked) else ()
    return replace(out, dims=(out.dims[0], joined((*x.dims[1], *entries)), out.dims[2] + out.dims[3]))


@aten("col2im")
def _col2im(k: Tracker, x: Tracked, size: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> Tracked:
    """Fold: windows added up on the map that they were cut from."""
    kernel, dilation, padding, stride = (listed(v, 2) for v in (kernel, dilation, padding, stride))
    count = _positions(size, kernel, dilation, padding, stride)
    batch, channels = x.shape[0], x.shape[1] // (kernel[0] * kernel[1])
    if kernel == stride and dilation == [1, 1] and padding == [0, 0] and spatial(x.dims[1]):
        split = regroup(x.dims, [batch, channels, *kernel, *count])
        return replace(x, dims=regroup(tuple(split[d] for d in (0, 1, 4, 2, 5, 3)), k.shape))
    check_place(x.dims[1])
    x = replace(x, dims=regroup(x.dims, [batch, x.shape[1], *count]))
    spans = zip(size, count, kernel, dilation, padding, stride, strict=True)
    extra = [n - ((c - 1) * s - 2 * p + d * (f - 1) + 1) for n, c, f, d, p, s in spans]
    out = wd.window(k, "conv_transpose", x, kernel, stride, padding * 2, dilation, extra=extra)
    return replace(out, dims=(out.dims[0], some_of(x.dims[1], channels), *out.dims[2:]))


def _positions(size: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> list[int]:
    spans = zip(size, kernel, dilation, padding, stride, strict=True)
    return [(n + 2 * p - d * (f - 1) - 1) // s + 1 for n, f, d, p, s in spans]
