"""Sampling at places that a constant grid names: exact where rows and columns are sampled each by themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

from rfscale.engine.readers.tensors.layout import UnreadableError
from rfscale.engine.readers.tensors.operators.entries import take
from rfscale.engine.readers.tensors.operators.spatial_ops import pad_dim
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker

VALUES_DECIDE = "values decide which entries it reads"
AROUND = {"nearest": (0,), "bilinear": (0, 1), "bicubic": (-1, 0, 1, 2)}  # entries from the one before a place
FIRST = 2  # dim of the map's first axis
MAX_PLACE = 1 << 30


def sampled(k: Tracker, x: Any, grid: Any, mode: str, padding: str, corners: bool) -> Any:
    """Sample a map at the places of a grid, whose last dim has one coordinate for each axis, the last axis first.

    Raises
    ------
    UnreadableError
        Where the grid depends on the image or on parameters, samples other than rows by columns, or lies so near to
        entries that rounding decides whether it reads their neighbours.
    """
    if not isinstance(x, Tracked) or not isinstance(grid, Constant) or grid.varies:
        raise UnreadableError(VALUES_DECIDE)
    if grid.value is None:
        raise UnreadableError("it samples at places whose values are not known")
    places = np.asarray(grid.value)
    if mode not in AROUND or padding not in ("zeros", "border", "reflection"):
        raise UnreadableError(f"it samples in a way that is not known ({mode}, {padding})")
    if not np.isfinite(places).all():
        raise UnreadableError("it samples at places that are no numbers")
    if (places != places[:1]).any():
        raise UnreadableError("it samples each entry of a batch elsewhere")
    axes = places.shape[-1]
    for axis in range(axes):
        here = np.moveaxis(places[0, ..., axes - 1 - axis], axis, 0).reshape(places.shape[1 + axis], -1)
        if (here != here[:, :1]).any():
            raise UnreadableError("it samples entry by entry, not by rows and columns")
        tables = _tables(here[:, 0], x.shape[FIRST + axis], mode, padding, corners)
        x = _read(k, x, FIRST + axis, tables)
        if not isinstance(x, Tracked):
            return Constant(k.shape)
    return x


def _tables(places: np.ndarray, n: int, mode: str, padding: str, corners: bool) -> list[np.ndarray]:
    """Tables of the entries that have weight: -1 or n where there is none.

    Libraries work coordinates out in several orders, in the grid's type: they must agree on what has weight.
    """
    kind = places.dtype.type
    one, half, whole = kind(1), kind(0.5), kind(n)
    if corners:
        ways = [(places + one) / kind(2) * (whole - one), (places + one) * ((whole - one) / kind(2))]
    else:
        ways = [((places + one) * whole - one) / kind(2), (places + one) * (whole / kind(2)) - half]
    ways.append(((places.astype(float) + 1) * (n - 1 if corners else n) - (0 if corners else 1)) / 2)
    found = [_with_weight(np.asarray(way), n, mode, padding, corners) for way in ways]
    if any((a != b).any() for other in found[1:] for a, b in zip(found[0], other, strict=True)):
        raise UnreadableError("its places lie so near to entries that rounding decides which others it reads")
    return found[0]


def _with_weight(at: np.ndarray, n: int, mode: str, padding: str, corners: bool) -> list[np.ndarray]:
    if padding != "zeros" and mode != "bicubic":
        at = _inside(at, n, padding, corners)
    at = at.clip(-MAX_PLACE, MAX_PLACE)
    if mode == "nearest":
        return [_entries(np.rint(at).astype(int), n)]
    before = np.floor(at)
    between = at != before
    out = []
    for step in AROUND[mode]:
        entries = before.astype(int) + step
        if padding != "zeros" and mode == "bicubic":
            entries = np.rint(_inside(entries.astype(float), n, padding, corners)).astype(int)
        out.append(_entries(np.where(between | (step == 0), entries, -1), n))
    return out


def _entries(table: np.ndarray, n: int) -> np.ndarray:
    return table.clip(-1, n)


def _inside(at: np.ndarray, n: int, padding: str, corners: bool) -> np.ndarray:
    """Places beyond the border on the border, or as far inside."""
    if padding == "reflection":
        low, span = (0.0, n - 1.0) if corners else (-0.5, float(n))
        away = np.abs(at - low) % (2 * span) if span else np.zeros_like(at)
        at = np.where(away > span, 2 * span - away, away) + low
    return at.clip(0, n - 1)


def _read(k: Tracker, x: Tracked, d: int, tables: list[np.ndarray]) -> Any:
    """The entries of a dim that tables name, those of all tables together at each place."""
    n = x.shape[d]
    first = tables[0]
    others = [np.where((t < 0) | (t >= n), first, t) for t in tables[1:]]  # what has no weight is another's
    empty = [(first < 0) | (first >= n), *((o < 0) | (o >= n) for o in others)]
    if all(e.all() for e in empty):
        return None
    if any(e.any() for e in empty):
        x = pad_dim(k, x, d, 1, 1)
        first, others = first + 1, [o + 1 for o in others]
    every = list({tuple(t): t.tolist() for t in (first, *others)}.values())
    parts = [take(k, x, d, table) for table in every]
    return k.merge("add", parts, parts[0].dims)
