"""Convolutions, poolings, and what moves pixels between the map and its channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rfscale.engine.readers.tensors.layout import UnreadableError, neutral, spatial, with_dim
from rfscale.engine.readers.tensors.products import weighted
from rfscale.engine.readers.tensors.spatial_ops import clean, target_size, write_along
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker, axis_values


def window(
    k: Tracker,
    op: str,
    t: Tracked,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int] | str,
    dilation: Sequence[int],
    *,
    ceil_mode: bool = False,
    extra: Sequence[int] | None = None,
    mixes: bool = False,
    weights: tuple[int, int, int, bool] | None = None,
) -> Tracked:
    """A convolution or pooling; `padding` per side, all starts first.

    Parameters
    ----------
    extra : sequence of int, optional
        Output padding of a transposed convolution.
    weights : tuple, optional
        Channels in, channels out, groups, and whether there is a bias.
    """
    rank = len(kernel)
    t, axes = clean(k, t, rank, mixes)
    ndim = len(t.map)
    given: dict[str, Any] = {
        "kernel": axis_values(axes, kernel, ndim, 1),
        "stride": axis_values(axes, stride, ndim, 1),
        "dilation": axis_values(axes, dilation, ndim, 1),
        "padding": padding
        if isinstance(padding, str)
        else axis_values(axes, padding[:rank], ndim, 0) + axis_values(axes, padding[rank:], ndim, 0),
    }
    if ceil_mode:
        given["ceil_mode"] = True
    if extra is not None:
        given["output_padding"] = axis_values(axes, extra, ndim, 0)
    if weights is None:
        return write_along(k, t, axes, op, **given)
    before, channels, groups, bias = weights
    given |= {"bias": bias} | ({"groups": groups} if groups > 1 else {})
    return write_along(k, t, axes, op, channels, before, **given)


def convolve(
    k: Tracker,
    x: Any,
    w: Any,
    bias: bool,
    stride: Sequence[int],
    padding: Sequence[int] | str,
    dilation: Sequence[int],
    groups: int,
) -> Tracked:
    """Convolution by weights of shape (channels out, channels in / groups, kernel…), which must be constant."""
    _check_weights(x, w)
    kernel = w.shape[2:]
    before, channels = w.shape[1] * groups, w.shape[0]
    if max(kernel) == max(stride) == 1 and (isinstance(padding, str) or not any(padding)):
        return weighted(k, x, -len(kernel) - 1, before, channels, groups, bias)
    weights = (before, channels, groups, bias)
    return window(k, "conv", x, kernel, stride, padding, dilation, mixes=groups == 1, weights=weights)


def convolve_transposed(
    k: Tracker,
    x: Any,
    w: Any,
    bias: bool,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    extra: Sequence[int],
) -> Tracked:
    """Transposed convolution by constant weights of shape (channels in, channels out / groups, kernel…)."""
    _check_weights(x, w)
    weights = (w.shape[0], w.shape[1] * groups, groups, bias)
    mixes = groups == 1
    return window(
        k, "conv_transpose", x, w.shape[2:], stride, padding, dilation, extra=extra, mixes=mixes, weights=weights
    )


def _check_weights(x: Any, w: Any) -> None:
    if not isinstance(x, Tracked) or not isinstance(w, Constant):
        raise UnreadableError("its weights depend on the image")


def adaptive_pool(k: Tracker, t: Tracked, rank: int) -> Tracked:
    """Pooling to a size; to one entry per axis it reads the whole map."""
    size = k.shape[-rank:]
    if max(size) == 1 and {f.axis for dim in t.dims[-rank:] for f in spatial(dim)}:
        return k.reduce(t, range(-rank, 0))
    t, axes = clean(k, t, rank)
    target = target_size(t, axes, size)
    return write_along(k, t, axes, "adaptive_pool", size=target) if target != list(t.map) else t


def shuffle(k: Tracker, x: Tracked, op: str, factor: int) -> Tracked:
    """``pixel_shuffle`` or ``space_to_depth`` of the last two dims, channels before them."""
    x, axes = clean(k, x, 2)
    out = write_along(k, x, axes, op, scale=axis_values(axes, [factor] * 2, len(x.map), 1))
    return replace(out, dims=with_dim(out.dims, len(out.dims) - 3, neutral(k.shape[-3])))
