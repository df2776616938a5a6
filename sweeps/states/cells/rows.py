"""Distinct rows of whole numbers, numbered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rfscale.sweeps.kernels import paths


def numbered_columns(columns: Sequence[tuple[np.ndarray, int]]) -> tuple[np.ndarray, np.ndarray]:
    """As `distinct_rows`, of columns of whole numbers below some size each."""
    key, size = np.zeros(len(columns[0][0]), np.int64), 1
    for column, below in columns:
        if size * below >= 2**62:
            key, first = paths.renumber(key)
            key, size = key.astype(np.int64), len(first)
        key, size = key * below + column, size * below
    number, first = paths.renumber(key)
    return number, first


def distinct_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number distinct rows of whole numbers in order of appearance: numbers, and where each first appears."""
    number, first = np.zeros(len(rows), np.int32), np.zeros(min(1, len(rows)), np.int64)
    for column in rows.T:
        values = np.ascontiguousarray(column)
        if values.dtype.kind == "u":
            values = paths.renumber(values.view(np.int64))[0]
        number, first = paths.renumber(number.astype(np.int64) << 31 | values)
    return number, first
