"""Distinct rows of numbers, numbered in order of appearance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rfscale.sweeps.kernels import paths

MAX_KEY = 2**62  # values of a column, or of a key of several, that are told apart without numbering them first


def distinct_columns(
    columns: Sequence[np.ndarray], renumber: Callable[..., Any] = paths.renumber
) -> tuple[np.ndarray, np.ndarray]:
    """Number the distinct rows of some columns of numbers.

    Parameters
    ----------
    columns : sequence of arrays (n,)
    renumber : callable
        `paths.renumber`, or its Python function.

    Returns
    -------
    numbers : int32 array (n,)
    first : int64 array
        Where each number first appears.

    Examples
    --------
    >>> numbers, first = distinct_columns([np.array([7, 7, 5, 7]), np.array([0.5, 1, 0.5, 0.5])])
    >>> numbers.tolist(), first.tolist()
    ([0, 1, 2, 0], [0, 1, 2])
    """
    n = len(columns[0])
    key, size = np.zeros(n, np.int64), 1
    if not n:
        return np.zeros(0, np.int32), key
    for column in columns:
        values = column
        if values.dtype.kind not in "iu":
            values, _ = renumber(np.ascontiguousarray(values, float).view(np.int64))
        low, high = int(values.min()), int(values.max())
        if (high - low + 1) * size >= MAX_KEY and size > 1:
            key, first = renumber(key)
            key, size = key.astype(np.int64), len(first)
        if (high - low + 1) * size >= MAX_KEY:
            values, first = renumber(np.ascontiguousarray(values).astype(np.int64, copy=False))  # 2^64 wraps, 1 to 1
            low, high = 0, len(first) - 1
        above = values - np.uint64(low) if values.dtype == np.uint64 else values.astype(np.int64) - low
        key = key * (high - low + 1) + above.astype(np.int64, copy=False)
        size *= high - low + 1
    return renumber(key)


def distinct_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the distinct rows of an array (n, columns), as `distinct_columns` does."""
    if not rows.shape[1]:
        return np.zeros(len(rows), np.int32), np.zeros(min(1, len(rows)), np.int64)
    return distinct_columns([*rows.T])
