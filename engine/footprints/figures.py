"""The record of figures of footprints, and the figures that follow from others."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import inf, nan
from operator import mul
from typing import Any, NamedTuple

import numpy as np


class Figures(NamedTuple):
    """Figures of one entry's footprint, or of many: numbers, or arrays that broadcast to one shape.

    Of an empty footprint `area`, `first`, `extent` and `max_gap` are 0; of an infinite one `area`, `extent` and
    `shared` are inf, `first` is nan and `max_gap` is 0: its holes are counted with borders only, on axes where it has
    bounds, too. Where it has bounds on some sides, `first`, `extent` and `last` tell them.

    Attributes
    ----------
    area : number or array
        Pixels of the footprint.
    first, extent, max_gap, shared : tuple of number or array, one per axis
        First pixel and length of the bounding box; longest run of missing rows inside it; pixels shared with the next
        entry along the axis, -1 where there is none.
    terms : int
        Products that the footprint is a union of; 0 where it is no small one.
    phases : int
        Footprints that the map repeats, where these are the figures of the largest (interior mode).
    entry : tuple of int
        Position of the largest within the period, per axis (interior mode); empty where there is one phase only.
    last : tuple of number
        Last pixel of the bounding box, per axis, of a footprint without bounds on some sides only; else empty.
    """

    area: Any
    first: tuple[Any, ...]
    extent: tuple[Any, ...]
    max_gap: tuple[Any, ...]
    shared: tuple[Any, ...]
    terms: int = 0
    phases: int = 1
    entry: tuple[int, ...] = ()
    last: tuple[float, ...] = ()

    @property
    def width(self) -> Any:
        """Side of a square of that area: √area, in pixels."""
        return np.sqrt(self.area)

    @property
    def density(self) -> Any:
        """Share of the bounding box that the footprint fills: area / product of extents."""
        return share(self.area, reduce(mul, self.extent))

    @property
    def overlap(self) -> tuple[Any, ...]:
        """Share of the footprint that the next entry's has too, per axis: shared / area."""
        return tuple(share(s, self.area) for s in self.shared)


class LayerFigures(NamedTuple):
    """Figures of one entry of every layer.

    Attributes
    ----------
    figures : Figures
        Of float64 arrays (layers,).
    terms, phases : int64 array (layers,)
    entry : int64 array (layers, axes)
        The entry of each layer that they are of.
    last : float64 array (layers, axes)
        As of `Figures`, of footprints without bounds on some sides; else nan.
    """

    figures: Figures
    terms: np.ndarray
    phases: np.ndarray
    entry: np.ndarray
    last: np.ndarray


def share(part: Any, whole: Any) -> Any:
    """Return part / whole, pixels both: 1 of an infinite part, nan of a part below 0 (there is none) and of 0 / 0."""
    if isinstance(part, int | float):  # 50 times as fast as arrays of one number
        return 1.0 if part == inf else part / whole if whole and part >= 0 else nan
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(np.less(part, 0), nan, np.divide(part, whole))
    return np.where(np.isinf(part), 1.0, ratio)


def stacked(rows: Sequence[Figures], dtype: Any = np.int64, shape: tuple[int, ...] = (-1,)) -> Figures:
    """Figures of several entries as one record of arrays of a shape."""

    def columns(values: list[tuple[Any, ...]]) -> tuple[np.ndarray, ...]:
        return tuple(np.array(column, dtype).reshape(shape) for column in zip(*values, strict=True))

    return Figures(
        np.array([row.area for row in rows], dtype).reshape(shape),
        columns([row.first for row in rows]),
        columns([row.extent for row in rows]),
        columns([row.max_gap for row in rows]),
        columns([row.shared for row in rows]),
    )
