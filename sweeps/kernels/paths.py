"""Kernels over the paths of a layered graph: counts of any size, least sums, non-dominated sets.

`follow` (n, c) holds the next node by node and choice, -1 where there is none. Counts are rows of digits to the base
2^32, lowest first, so that they are exact at any size.
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import inline, jit

BASE_BITS = 32
_MASK = np.int64(0xFFFFFFFF)
FAR = np.int64(1) << np.int64(62)


@inline
def _carry(row):
    over = np.int64(0)
    for i in range(row.shape[0]):
        total = row[i] + over
        row[i] = total & _MASK
        over = total >> BASE_BITS


@jit
def push_counts(follow, counts, n_after):
    """Paths from the start to each node of the next level. Sums of up to 2^31 digits fit before they are carried."""
    digits = counts.shape[1]
    out = np.zeros((n_after, digits), np.int64)
    for node in range(follow.shape[0]):
        for c in range(follow.shape[1]):
            after = follow[node, c]
            if after >= 0:
                for i in range(digits):
                    out[after, i] += counts[node, i]
    for after in range(n_after):
        _carry(out[after])
    return out


@jit
def pull_counts(follow, after):
    """Paths from each node to the end, from those of the next level."""
    digits = after.shape[1]
    out = np.zeros((follow.shape[0], digits), np.int64)
    for node in range(follow.shape[0]):
        for c in range(follow.shape[1]):
            if follow[node, c] >= 0:
                for i in range(digits):
                    out[node, i] += after[follow[node, c], i]
        _carry(out[node])
    return out


@jit
def pull_least(follow, weights, after, far):
    """Least sum of weights from each node to the end, `far` where there is no path."""
    out = np.full(follow.shape[0], far, after.dtype)
    for node in range(follow.shape[0]):
        for c in range(follow.shape[1]):
            if follow[node, c] >= 0 and after[follow[node, c]] < far:
                out[node] = min(out[node], weights[node, c] + after[follow[node, c]])
    return out


@jit
def renumber(keys):
    """Number the distinct keys in order of appearance: numbers, and where each number first appears."""
    size = 16
    while size < 2 * keys.shape[0]:
        size *= 2
    slots = np.full(size, -1, np.int64)
    numbers = np.empty(keys.shape[0], np.int32)
    first = np.empty(keys.shape[0], np.int64)
    mask = np.uint64(size - 1)
    n = 0
    for i in range(keys.shape[0]):
        code = np.uint64(keys[i]) * np.uint64(0x9E3779B97F4A7C15)
        slot = (code ^ (code >> np.uint64(32))) & mask
        while True:
            j = slots[np.int64(slot)]
            if j < 0:
                slots[np.int64(slot)] = n
                first[n] = i
                numbers[i] = n
                n += 1
                break
            if keys[first[j]] == keys[i]:
                numbers[i] = j
                break
            slot = (slot + np.uint64(1)) & mask
    return numbers, first[:n].copy()


@jit
def undominated(group, values):
    """Which rows are Pareto-optimal in their group: none other is at least as good in all columns; of equals the first.

    Rows come sorted by group, then by all columns in order. Smaller is better.
    """
    n, columns = values.shape
    keep = np.zeros(n, np.bool_)
    kept = np.empty(n, np.int64)
    n_kept = 0
    for i in range(n):
        if i == 0 or group[i] != group[i - 1]:
            n_kept = 0
        dominated = False
        for j in range(n_kept - 1, -1, -1):  # from the last: in two columns it decides
            dominated = True
            for column in range(columns):
                if values[kept[j], column] > values[i, column]:
                    dominated = False
                    break
            if dominated or columns <= 2:
                break
        if not dominated:
            keep[i] = True
            kept[n_kept] = i
            n_kept += 1
    return keep
