"""Windows on the way back: convolutions by their squared weights, pools by the squares of their shares."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

import torch

from rfscale.engine.fields.squares.window import Window


class Taps(NamedTuple):
    """Which taps each output of a convolution or a pool reads, one number for each axis.

    Attributes
    ----------
    kernel, stride, padding, dilation : sequence of int
    groups : int
        Of the channels.
    """

    kernel: Sequence[int]
    stride: Sequence[int]
    padding: Sequence[int]
    dilation: Sequence[int]
    groups: int = 1

    def first(self, start: Sequence[int]) -> tuple[int, ...]:
        """The entry of the input that the first tap of an output reads."""
        return tuple(a * s - p for a, s, p in zip(start, self.stride, self.padding, strict=True))


def conv_back(out: Window, shape: tuple[int, ...], squared: Any, taps: Taps) -> Window:
    """Squares at the input of a convolution of `shape`: each output spreads over its taps by the squared weights."""
    axes, start = len(shape) - 2, taps.first(out.start)
    dtype, values = out.values.dtype, out.values.to(squared.dtype)
    if prod(taps.kernel) == 1 and taps.groups == 1:
        flat = squared.flatten(1).t() @ values.flatten(2)[0]
        spread = flat.to(dtype).reshape(1, -1, *values.shape[2:])
        if any(s > 1 for s in taps.stride):
            sizes = [(n - 1) * s + 1 for n, s in zip(values.shape[2:], taps.stride, strict=True)]
            wide = spread.new_zeros((1, flat.shape[0], *sizes))
            wide[(slice(None), slice(None), *(slice(None, None, s) for s in taps.stride))] = spread
            spread = wide
        return Window(spread, start, shape, out.exponent)
    transpose: Any = (torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d)[axes - 1]
    spread = transpose(values, squared, None, tuple(taps.stride), 0, 0, taps.groups, tuple(taps.dilation))
    return Window(spread.to(dtype), start, shape, out.exponent)


def conv_transpose_back(out: Window, shape: tuple[int, ...], squared: Any, taps: Taps) -> Window:
    """Squares at the input of a transposed convolution: a convolution of those at its output."""
    axes = len(shape) - 2
    conv: Any = (torch.conv1d, torch.conv2d, torch.conv3d)[axes - 1]
    values = out.full()
    # a transposed convolution whose output has rows beyond the last whole step reads no more entries
    back = conv(values, squared, None, tuple(taps.stride), tuple(taps.padding), tuple(taps.dilation), taps.groups)
    cut = tuple(slice(0, n) for n in shape[2:])
    back = back[(slice(None), slice(None), *cut)]
    return Window.whole(back, out.exponent)


def taps_back(out: Window, shape: tuple[int, ...], share: Any, taps: Taps) -> Window:
    """Squares at the input of a pool: each output gives all its taps `share` of its own."""
    values = out.values * share
    kernel, stride, dilation = taps.kernel, taps.stride, taps.dilation
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
    return Window(spread, taps.first(out.start), shape, out.exponent)


def taps_inside(out: Window, shape: tuple[int, ...], taps: Taps, beyond: bool = False) -> Any:
    """How many taps of each output of a window lie in the map, or with `beyond` in the map with its padding."""
    axes = len(shape) - 2
    counts = torch.ones(())
    for axis in range(axes):
        n, p = shape[2 + axis], taps.padding[axis]
        low, high = (-p, n + p) if beyond else (0, n)
        first = torch.arange(out.values.shape[2 + axis]) + out.start[axis]
        at = first[:, None] * taps.stride[axis] - p + torch.arange(taps.kernel[axis])[None, :] * taps.dilation[axis]
        along = ((at >= low) & (at < high)).sum(1).to(out.values.dtype)
        counts = counts * along.reshape(-1, *(1,) * (axes - 1 - axis))
    return counts
