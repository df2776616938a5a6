"""The best choices of k values, where a choice costs a sum over neighbouring chosen values: a shortest path."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Choice(NamedTuple):
    """Positions of the chosen values, in the order in which they follow each other, and what they cost."""

    chosen: tuple[int, ...]
    cost: float


def cheapest_choices(head: np.ndarray, between: np.ndarray, tail: np.ndarray, most: int) -> list[Choice]:
    """Return the cheapest choice of 1, 2, …, `most` of n values, exactly.

    Chosen values v1, v2, …, vk cost ``head[v1] + between[v1, v2] + … + between[vk-1, vk] + tail[vk]``.

    Parameters
    ----------
    head, tail : arrays (n,)
        Cost before the first and after the last chosen value.
    between : array (n, n)
        Cost between two neighbouring chosen values; what cannot follow costs `no_path` of its type.
    most : int
        Item i of the result has i + 1 values; there must be such a choice.

    Notes
    -----
    `most`·n² steps. Of choices that cost the same, the one with the smallest last position is returned, of these the
    one with the smallest position before it, and so on.
    """
    far = no_path(between.dtype)
    cost, out = head, []
    back: list[np.ndarray] = []
    for _ in range(most):
        last = int(np.argmin(cost + tail))
        path = [last]
        for step in reversed(back):
            path.append(int(step[path[-1]]))
        out.append(Choice(tuple(reversed(path)), (cost[last] + tail[last]).item()))
        through = cost[:, None] + between
        back.append(through.argmin(axis=0))
        cost = np.minimum(through.min(axis=0), far)
    return out


def no_path(dtype: np.dtype) -> float | int:
    """Return the cost of a step that there is not: infinity, or a whole number that two sums of keep within int64."""
    return np.inf if dtype.kind == "f" else 2**61
