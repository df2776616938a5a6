"""Windows on the way back: convolutions by their squared weights, pools by the squares of their shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    spread = values.new_zeros((*values.shape[:2], *_spread_sizes(out, taps)))
    for _, at in _taps_of(out, taps):
        spread[at] += values
    return Window(spread, taps.first(out.start), shape, out.exponent)


def chosen_back(out: Window, shape: tuple[int, ...], taps: Taps, numbers: Any, *, borders: bool) -> Window:
    """The gradient at the input of a pool of which each output gives all to one tap, which numbers from 0 to 1 choose.

    Taps outside the map are none, unless there are no borders.
    """
    inside = taps_inside(out, shape, taps) if borders else torch.tensor(float(prod(taps.kernel)))
    chosen = (numbers * inside).floor().minimum(inside - 1)
    spread = out.values.new_zeros((*out.values.shape[:2], *_spread_sizes(out, taps)))
    seen = torch.zeros(())  # taps inside that came before
    for tap, at in _taps_of(out, taps):
        there = torch.ones(())
        for axis, t in enumerate(tap) if borders else ():
            along = _entries(out, taps, axis) + t * taps.dilation[axis]
            within = ((along >= 0) & (along < shape[2 + axis])).to(out.values.dtype)
            there = there * within.reshape(-1, *(1,) * (len(tap) - 1 - axis))
        spread[at] += out.values * (there * (chosen == seen))
        seen = seen + there
    return Window(spread, taps.first(out.start), shape, out.exponent)


def _spread_sizes(out: Window, taps: Taps) -> list[int]:
    """Sizes of what the taps of a window reach."""
    sizes = out.values.shape[2:]
    return [
        (n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(sizes, taps.stride, taps.dilation, taps.kernel, strict=True)
    ]


def _taps_of(out: Window, taps: Taps) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """Each tap, and where it lies in what the taps of a window reach."""
    for tap in product(*(range(k) for k in taps.kernel)):
        at = (
            slice(d * t, d * t + (n - 1) * s + 1, s)
            for t, d, n, s in zip(tap, taps.dilation, out.values.shape[2:], taps.stride, strict=True)
        )
        yield tap, (slice(None), slice(None), *at)


def _entries(out: Window, taps: Taps, axis: int) -> Any:
    """The entry of the input, along one axis, that the first tap of each output reads."""
    first = torch.arange(out.values.shape[2 + axis]) + out.start[axis]
    return first * taps.stride[axis] - taps.padding[axis]


def taps_inside(out: Window, shape: tuple[int, ...], taps: Taps, beyond: bool = False) -> Any:
    """How many taps of each output of a window lie in the map, or with `beyond` in the map with its padding."""
    axes = len(shape) - 2
    counts = torch.ones(())
    for axis in range(axes):
        n, p = shape[2 + axis], taps.padding[axis]
        low, high = (-p, n + p) if beyond else (0, n)
        at = _entries(out, taps, axis)[:, None] + torch.arange(taps.kernel[axis])[None, :] * taps.dilation[axis]
        along = ((at >= low) & (at < high)).sum(1).to(out.values.dtype)
        counts = counts * along.reshape(-1, *(1,) * (axes - 1 - axis))
    return counts
