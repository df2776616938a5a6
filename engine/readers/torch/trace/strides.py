"""How the entries of results lie in memory, as torch lays them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, TypeAlias

Ints: TypeAlias = Sequence[int]


def contiguous(shape: Ints) -> tuple[int, ...]:
    """Strides of a tensor whose entries lie one after another."""
    out, step = [], 1
    for n in reversed(shape):
        out.append(step)
        step *= n if n > 1 else 1
    return tuple(out[::-1])


def channels_last(shape: Ints) -> tuple[int, ...]:
    """Strides of a batch of maps whose channels lie beside each other."""
    batch, inner = prod(shape[1:]), contiguous((*shape[2:], shape[1]))
    return (batch, inner[-1], *inner[:-1])


def is_channels_last(t: Any) -> bool:
    """Whether torch takes the strides of a tensor for channels_last; ambiguous ones are not."""
    if t.dim() not in (4, 5):
        return False
    shape, strides, least = t.shape, t.stride(), 0
    if strides[1] == 0:
        return False
    for d in (1, *range(t.dim() - 1, 1, -1), 0):
        if shape[d] == 0 or strides[d] < least or (d == 0 and least == strides[1]):
            return False
        least = strides[d] * max(1, shape[d])
    return True


def elementwise_strides(shape: Ints, operands: Sequence[tuple[Ints, Ints]]) -> tuple[int, ...]:
    """Strides of the result of an elementwise operator: its dims lie in memory as those of its operands.

    Parameters
    ----------
    shape : sequence of int
        Of the result.
    operands : sequence of (shape, strides)
        Of the tensors that are broadcast to it.
    """
    rank = len(shape)
    steps = []
    for own, strides in operands:
        first = rank - len(own)
        spread = [0 if n == 1 != shape[first + d] else s for d, (n, s) in enumerate(zip(own, strides, strict=True))]
        steps.append([0] * first + spread)

    def outer(a: int, b: int) -> int:
        """1 where dim a is to lie outside dim b, -1 where it is not; 0 where no operand says it."""
        for step in steps:
            if step[a] and step[b]:
                if step[a] != step[b]:
                    return 1 if step[a] > step[b] else -1
                if shape[a] > shape[b]:
                    return 1
        return 0

    order = list(range(rank))[::-1]  # the innermost first
    for i in range(1, rank):
        at = i
        for before in range(i - 1, -1, -1):
            found = outer(order[before], order[at])
            if found > 0:
                order[before], order[at], at = order[at], order[before], before
            elif found < 0:
                break
    out, step = [0] * rank, 1
    for d in order:
        out[d] = step
        step *= shape[d]
    return tuple(out)
