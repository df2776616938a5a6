"""Windows on the way back: convolutions by their squared weights, pools by the squares of their shares."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import torch

from rfscale.engine.fields.squares.window import Window


def conv_back(
    out: Window,
    shape: tuple[int, ...],
    squared: Any,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Window:
    """Squares at the input of a convolution of `shape`: each output spreads over its taps by the squared weights."""
    axes = len(shape) - 2
    kernel = tuple(squared.shape[2:])
    start = tuple(a * s - p for a, s, p in zip(out.start, stride, padding, strict=True))
    dtype, values = out.values.dtype, out.values.to(squared.dtype)
    if prod(kernel) == 1 and groups == 1:
        flat = squared.flatten(1).t() @ values.flatten(2)[0]
        spread = flat.to(dtype).reshape(1, -1, *values.shape[2:])
        if any(s > 1 for s in stride):
            sizes = [(n - 1) * s + 1 for n, s in zip(values.shape[2:], stride, strict=True)]
            wide = spread.new_zeros((1, flat.shape[0], *sizes))
            wide[(slice(None), slice(None), *(slice(None, None, s) for s in stride))] = spread
            spread = wide
        return Window(spread, start, shape, out.exponent)
    transpose: Any = (torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d)[axes - 1]
    spread = transpose(values, squared, None, tuple(stride), 0, 0, groups, tuple(dilation))
    return Window(spread.to(dtype), start, shape, out.exponent)


def conv_transpose_back(
    out: Window,
    shape: tuple[int, ...],
    squared: Any,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Window:
    """Squares at the input of a transposed convolution: a convolution of those at its output."""
    axes = len(shape) - 2
    conv: Any = (torch.conv1d, torch.conv2d, torch.conv3d)[axes - 1]
    values = out.full()
    # a transposed convolution whose output has rows beyond the last whole step reads no more entries
    back = conv(values, squared, None, tuple(stride), tuple(padding), tuple(dilation), groups)
    cut = tuple(slice(0, n) for n in shape[2:])
    back = back[(slice(None), slice(None), *cut)]
    return Window.whole(back, out.exponent)


def taps_back(
    out: Window,
    shape: tuple[int, ...],
    share: Any,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Window:
    """Squares at the input of a pool: each output gives all its taps `share` of its own."""
    values = out.values * share
    sizes = [
        (n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(values.shape[2:], stride, dilation, kernel, strict=True)
    ]
    spread = values.new_zeros((*values.shape[:2], *sizes))
    for tap in product(*(range(k) for k in kernel)):
        at = [
            slice(d * t, d * t + (n - 1) * s + 1, s)
            for t, d, n, s in zip(tap, dilation, values.shape[2:], stride, strict=True)
        ]
        spread[(slice(None), slice(None), *at)] += values
    start = tuple(a * s - p for a, s, p in zip(out.start, stride, padding, strict=True))
    return Window(spread, start, shape, out.exponent)


def taps_inside(
    out: Window,
    shape: tuple[int, ...],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    beyond: bool = False,
) -> Any:
    """How many taps of each output of a window lie in the map, or with `beyond` in the map with its padding."""
    axes = len(shape) - 2
    counts = torch.ones(())
    for axis in range(axes):
        n, p = shape[2 + axis], padding[axis]
        low, high = (-p, n + p) if beyond else (0, n)
        first = torch.arange(out.values.shape[2 + axis]) + out.start[axis]
        at = first[:, None] * stride[axis] - p + torch.arange(kernel[axis])[None, :] * dilation[axis]
        along = ((at >= low) & (at < high)).sum(1).to(out.values.dtype)
        counts = counts * along.reshape(-1, *(1,) * (axes - 1 - axis))
    return counts
