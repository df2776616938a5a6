"""Entries of an axis that read others as a table says, in layers."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from rfscale.engine.readers.tensors.layout import UnreadableError, whole_axis
from rfscale.engine.readers.tensors.operators.spatial_ops import narrow, pad_dim
from rfscale.engine.readers.tensors.tracking import Tracked, Tracker, axis_values

Relation: TypeAlias = np.ndarray | None  # of bool, (entries, entries): which entries of an axis each of them reads
MAX_RUNS = 32  # of entries that read the same; each is a part of its own


def related(k: Tracker, t: Tracked, axis: int, reads: np.ndarray) -> Tracked:
    """Let each entry read the entries of an axis that a table says; the map keeps its size.

    Raises
    ------
    UnreadableError
        Where the table is no window, band, triangle or few runs of entries that read the same.
    """
    n, ndim = len(reads), len(t.map)
    every = np.ones((n, n), bool)

    def write(op: str, **given: int) -> Tracked:
        default = int(op != "cumulative")
        params: dict[str, Any] = {key: axis_values([axis], [v], ndim, default) for key, v in given.items()}
        return k.after(t, op, t.dims, **params)

    if np.array_equal(reads, np.eye(n, dtype=bool)):
        return t
    width = int(reads[0].sum())
    windows = np.kron(np.eye(n // width, dtype=bool), every[:width, :width]) if width and n % width == 0 else None
    if windows is not None and np.array_equal(reads, windows):
        return write("window_attention", window=width)
    if np.array_equal(reads, np.tril(every)):
        return write("cumulative", earlier=1)
    if np.array_equal(reads, np.triu(every)):
        return write("cumulative", later=1)
    band = _band(reads)
    if band:
        return _band_read(k, t, axis, *band)
    sides = reads & np.tril(every), reads & np.triu(every, 1)
    if (np.diff(reads.astype(int), axis=1, prepend=0) > 0).sum(1).max() > 1 and all(side.any() for side in sides):
        return k.merge("add", [related(k, t, axis, side) for side in sides], t.dims)
    return _runs_read(k, t, axis, reads)


def _band(reads: np.ndarray) -> tuple[int, int] | None:
    """First and last entry that each reads, counted from itself, where the border cuts what is beyond."""
    at, to = np.nonzero(reads)
    if not len(at):
        return None
    lo, hi = int((to - at).min()), int((to - at).max())
    steps = np.arange(len(reads)) - np.arange(len(reads))[:, None]
    return (lo, hi) if np.array_equal(reads, (lo <= steps) & (steps <= hi)) else None


def _whole(t: Tracked) -> Tracked:
    return Tracked(t.layer, t.map, tuple(whole_axis(a, m) for a, m in enumerate(t.map)))


def _band_read(k: Tracker, t: Tracked, axis: int, lo: int, hi: int) -> Tracked:
    n = t.map[axis]
    if (lo == 1 - n and hi < 0) or (hi == n - 1 and lo > 0):  # all before an entry, or after it
        side = "earlier" if hi < 0 else "later"
        given: dict[str, Any] = {side: axis_values([axis], [1], len(t.map), 0)}
        seen = k.after(t, "cumulative", t.dims, **given)
        rest = narrow(k, _whole(seen), axis, max(lo, 0), n + min(hi, 0))
        return replace(pad_dim(k, rest, axis, max(-hi, 0), max(lo, 0)), dims=t.dims)
    out = pad_dim(k, _whole(t), axis, -lo, hi)
    ndim = len(t.map)
    kernel, stride = axis_values([axis], [hi - lo + 1], ndim, 1), axis_values([], [], ndim, 1)
    return k.after(out, "avg_pool", t.dims, kernel=kernel, stride=stride)


def _runs_read(k: Tracker, t: Tracked, axis: int, reads: np.ndarray) -> Tracked:
    """Entries one after another that read the same: each of these parts by itself, at its place."""
    n, ndim = len(reads), len(t.map)
    starts = [0, *(i for i in range(1, n) if (reads[i] != reads[i - 1]).any()), n]
    if len(starts) > MAX_RUNS:
        raise UnreadableError("its mask leaves each query other keys")
    pieces = []
    for first, last in pairwise(starts):
        read = np.flatnonzero(reads[first])
        if not len(read):
            continue
        lo, hi = int(read[0]), int(read[-1]) + 1
        if len(read) < hi - lo:
            raise UnreadableError("its mask leaves each query other keys")
        piece = narrow(k, _whole(t), axis, lo, hi)
        size = axis_values([axis], [hi - lo], ndim, 1)
        if (lo, hi) == (first, last):
            piece = k.after(piece, "window_attention", piece.dims, window=size)
        else:
            dims = tuple(whole_axis(a, last - first if a == axis else m) for a, m in enumerate(t.map))
            piece = k.after(piece, "avg_pool", dims, kernel=size, stride=size)
            piece = k.after(piece, "resize", dims, size=[last - first if a == axis else m for a, m in enumerate(t.map)])
        pieces.append(pad_dim(k, piece, axis, first, n - last))
    return k.merge("concat", pieces, t.dims)
