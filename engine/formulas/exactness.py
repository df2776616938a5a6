"""Whether the value of a formula is the exact one: formulas are floats, and rounding is no error of theirs."""

from __future__ import annotations

ROUNDING = 1e-9  # relative error of an area or a width, difference of an overlap; also the bound of kernels


def same(a: float, b: float) -> bool:
    """Whether two figures are equal but for rounding; infinities are, NaN is equal to nothing."""
    return a == b or abs(a - b) <= ROUNDING * max(1.0, abs(b))
