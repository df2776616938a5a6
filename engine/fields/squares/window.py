"""Expected squared gradients of one tensor: zero outside a window, scaled by a power of two."""

from __future__ import annotations

from dataclasses import dataclass
from math import frexp, inf, log2
from typing import Any

import torch

_LARGE, _SMALL = 2.0**40, 2.0**-40


@dataclass(frozen=True)
class Window:
    """Expected squared gradients with respect to one tensor.

    Attributes
    ----------
    values : torch.Tensor
        Those of a window over the dims after the first two; of all else all.
    start : tuple of int
        First entry of the window along each of these dims; below 0 where borders are ignored.
    shape : tuple of int
        Of the whole tensor.
    exponent : float
        They are ``values * channels * 2**exponent``.
    channels : torch.Tensor, optional
        One factor for each entry of dim 1, for whoever reads the values: a convolution takes it into its weights.
    """

    values: Any
    start: tuple[int, ...]
    shape: tuple[int, ...]
    exponent: float = 0.0
    channels: Any = None

    @classmethod
    def whole(cls, values: Any, exponent: float = 0.0) -> Window:
        """All values of a tensor."""
        return cls(values, (0,) * max(values.dim() - 2, 0), tuple(values.shape), exponent)

    @property
    def is_whole(self) -> bool:
        """Whether the window is the tensor."""
        return tuple(self.values.shape) == self.shape and not any(self.start)

    @property
    def is_inside(self) -> bool:
        """Whether no part of the window lies outside the tensor."""
        sizes = self.values.shape[2:]
        return all(a >= 0 and a + n <= m for a, n, m in zip(self.start, sizes, self.shape[2:], strict=True))

    def full(self) -> Any:
        """The values of the whole tensor."""
        if self.is_whole:
            return self.values
        out = self.values.new_zeros(self.shape)
        out[self.place()] = self.values
        return out

    def place(self) -> tuple[slice, ...]:
        """Where the window is in the tensor."""
        sizes = self.values.shape[2:]
        return (slice(None), slice(None), *(slice(a, a + n) for a, n in zip(self.start, sizes, strict=True)))

    def clipped(self) -> Window:
        """What lies inside the tensor."""
        if self.is_inside:
            return self
        low = [max(a, 0) for a in self.start]
        high = [min(a + n, m) for a, n, m in zip(self.start, self.values.shape[2:], self.shape[2:], strict=True)]
        high = [max(a, b) for a, b in zip(low, high, strict=True)]
        cut = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, self.start, strict=True))
        return Window(
            self.values[(slice(None), slice(None), *cut)], tuple(low), self.shape, self.exponent, self.channels
        )

    def times(self, factor: Any) -> Window:
        """The same times a factor that broadcasts; a number costs nothing."""
        if not isinstance(factor, torch.Tensor):
            return self.times(torch.tensor(factor)) if factor <= 0 else self._shifted(log2(factor))
        return Window(self.values * factor, self.start, self.shape, self.exponent)

    def scaled(self) -> Window:
        """The same values near 1, so that products of many layers stay within what floats hold."""
        largest = float(torch.maximum(self.values.max(), -self.values.min())) if self.values.numel() else 0.0
        if largest == 0 or _SMALL < largest < _LARGE:
            return self
        power = frexp(largest)[1]
        return Window(self.values * 2.0**-power, self.start, self.shape, self.exponent + power)

    def per_channel(self, factor: Any) -> Window:
        """The same times one factor for each entry of dim 1."""
        factor = factor if self.channels is None else factor * self.channels
        return Window(self.values, self.start, self.shape, self.exponent, factor)

    def ready(self) -> Window:
        """The same without factors that wait."""
        if self.channels is None:
            return self
        factor = self.channels.to(self.values.dtype).reshape(1, -1, *(1,) * (self.values.dim() - 2))
        return Window(self.values * factor, self.start, self.shape, self.exponent)

    def squared(self) -> Window:
        """The squares of the values."""
        channels = None if self.channels is None else self.channels.square()
        return Window(self.values.square(), self.start, self.shape, 2 * self.exponent, channels)

    @property
    def log2_sum(self) -> float:
        """Binary logarithm of the sum of values, none of which is below 0."""
        total = float(self.ready().values.sum())
        return log2(total) + self.exponent if total > 0 else -inf

    def _shifted(self, power: float) -> Window:
        return Window(self.values, self.start, self.shape, self.exponent + power, self.channels)


def added(known: Window | None, new: Window) -> Window:
    """The sum of two: branches add."""
    if known is None:
        return new
    known, new = known.ready(), new.ready()
    high = max(known.exponent, new.exponent)
    a, b = (w.values if w.exponent == high else w.values * 2.0 ** max(w.exponent - high, -1000.0) for w in (known, new))
    if known.start == new.start and a.shape == b.shape:
        return Window(a + b, new.start, new.shape, high)
    low = [min(p, q) for p, q in zip(known.start, new.start, strict=True)]
    ends = [max(p + n, q + m) for p, n, q, m in zip(known.start, a.shape[2:], new.start, b.shape[2:], strict=True)]
    out = a.new_zeros((*a.shape[:2], *(e - s for e, s in zip(ends, low, strict=True))))
    for values, start in ((a, known.start), (b, new.start)):
        at = tuple(slice(s - o, s - o + n) for s, o, n in zip(start, low, values.shape[2:], strict=True))
        out[(slice(None), slice(None), *at)] += values
    return Window(out, tuple(low), new.shape, high)
