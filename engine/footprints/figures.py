"""Figures of single entries of a traced network."""

from __future__ import annotations

from math import inf, nan, prod
from typing import NamedTuple

import numpy as np

from rfscale.engine.footprints.entry_figures import union_figures
from rfscale.engine.footprints.forward import Trace
from rfscale.engine.footprints.map_figures import MapFigures, map_figures
from rfscale.engine.footprints.plan import Entry, Step, check_entry
from rfscale.engine.footprints.unions import Term
from rfscale.engine.network.network import Size


class Figures(NamedTuple):
    """Figures of one entry; the tuples hold one value per axis. `shared` is -1 where there is no next entry."""

    area: float
    first: tuple[float, ...]
    extent: tuple[float, ...]
    max_gap: tuple[int, ...]
    shared: tuple[float, ...]
    terms: int = 0
    phases: int = 1


class FootprintFigures:
    """Figures of a trace: of one entry, or of all entries of a map. Layers that share their sets share the work."""

    def __init__(self, traced: Trace) -> None:
        self.traced = traced
        self.plan = traced.plan
        self._maps: dict[object, MapFigures | None] = {}
        self._entries: dict[object, Figures] = {}

    def figures(self, index: int, entry: Entry = "center") -> Figures:
        """Figures of one entry of a layer; in interior mode those of the phase with the largest footprint."""
        step, terms = self.plan.steps[index], self.traced.terms[index]
        finite = self.plan.input_size
        at = check_entry(entry, step.size, len(self.plan.network.axes), step.layer.name) if finite else None
        if step.is_global:
            return self._everything(step, at)
        if terms is None:
            return self._walked(index, at)
        key = _identity(terms), at
        if key not in self._entries:
            self._entries[key] = _term_figures(terms[0], at) if len(terms) == 1 else self._union_figures(index, at)
        return self._entries[key]

    def start(self, index: int) -> tuple[float, ...]:
        """First pixel of entry 0's footprint per axis, interior mode; nan where there is none."""
        ndim = len(self.plan.network.axes)
        terms, zero = self.traced.terms[index], (0,) * ndim
        if self.plan.steps[index].is_global:
            return (nan,) * ndim
        if terms is None:
            found = self._walked(index, zero)
        elif len(terms) == 1:
            found = _term_figures(terms[0], zero)
        else:
            found = self._union_figures(index, zero)
        return found.first if found.area else (nan,) * ndim

    def map_figures(self, index: int) -> MapFigures:
        """Figures of all entries of a layer, finite mode."""
        step, terms = self.plan.steps[index], self.traced.terms[index]
        assert step.size is not None
        assert self.plan.input_size is not None
        if step.is_global:
            return _everything_map(step.size, self.plan.input_size)
        return (self._map(terms) if terms is not None else None) or self._walked_map(index, step.size)

    def _map(self, terms: list[Term]) -> MapFigures | None:
        key = _identity(terms)
        if key not in self._maps:
            self._maps[key] = map_figures(terms)
        return self._maps[key]

    def _everything(self, step: Step, at: tuple[int, ...] | None) -> Figures:
        size, ndim = self.plan.input_size, len(self.plan.network.axes)
        if size is None or step.size is None or at is None:
            return Figures(inf, (nan,) * ndim, (inf,) * ndim, (0,) * ndim, (inf,) * ndim)
        area = prod(size)
        shared = tuple(area if i + 1 < n else -1 for i, n in zip(at, step.size, strict=True))
        return Figures(area, (0,) * ndim, size, (0,) * ndim, shared)

    def _union_figures(self, index: int, at: tuple[int, ...] | None) -> Figures:
        """Figures of a union of several products."""
        terms = self.traced.terms[index]
        assert terms is not None
        if at is None and all(len(f) == 1 for f in terms[0]):
            at = (0,) * len(terms[0])
        if at is not None:
            return Figures(*union_figures(terms, at), len(terms), 1)
        figures = self._map(terms)
        if figures is None:
            return self._walked(index, None)
        shape = figures.area.shape
        rank = _rank(figures.area, np.sum([np.broadcast_to(s, shape) for s in figures.shared], axis=0))
        largest = tuple(int(i) for i in np.unravel_index(rank, shape))
        return Figures(*union_figures(terms, largest), len(terms), prod(shape))

    def _walked(self, index: int, at: tuple[int, ...] | None) -> Figures:
        """Figures from bit grids, entry by entry: for unions of too many products."""
        from rfscale.engine.footprints.backward import figures_of, grid_figures

        if at is not None:
            return Figures(*grid_figures(self.plan, index, at))
        intervals = self.plan.steps[index].intervals
        assert intervals is not None
        shape = tuple(len(i.bounds) for i in intervals)
        every = figures_of(self.plan, index, np.ndindex(*shape))
        return Figures(*max(every, key=lambda f: (f.area, -sum(f.shared))))._replace(phases=prod(shape))

    def _walked_map(self, index: int, shape: Size) -> MapFigures:
        from rfscale.engine.footprints.backward import figures_of

        rows = list(figures_of(self.plan, index, np.ndindex(*shape)))

        def column(values: list[float]) -> np.ndarray:
            return np.array(values, np.int64).reshape(shape)

        def columns(values: list[tuple[float, ...]]) -> tuple[np.ndarray, ...]:
            return tuple(column(list(v)) for v in zip(*values, strict=True))

        return MapFigures(
            column([r.area for r in rows]),
            columns([r.first for r in rows]),
            columns([r.extent for r in rows]),
            columns([r.max_gap for r in rows]),
            columns([r.shared for r in rows]),
        )


def _identity(terms: list[Term]) -> tuple[int, ...]:
    """What tells terms apart: their families, which the trace keeps alive."""
    return tuple(id(f) for term in terms for f in term)


def _rank(area: np.ndarray, shared: np.ndarray) -> int:
    """Flat position of the largest footprint; of equally large ones, of that which shares least with its neighbours."""
    return int(np.where(area == area.max(), shared, np.iinfo(np.int64).max).argmin())


def _term_figures(term: Term, at: tuple[int, ...] | None) -> Figures:
    """Figures of one product: each axis by itself."""
    phases = 1
    if at is None:  # the largest product has the largest set on each axis
        phases = prod(len(f) for f in term)
        at = (0,) * len(term) if phases == 1 else tuple(_rank(f.measures[0], f.measures[2]) for f in term)
    pixels, gap, common = zip(*(f.measures_at(i) for f, i in zip(term, at, strict=True)), strict=True)
    area = prod(pixels)
    if area == 0:
        none = (0,) * len(term)
        return Figures(0, none, none, none, none, 1, phases)
    first = tuple(int(f.first[i]) for f, i in zip(term, at, strict=True))
    extent = tuple(int(f.last[i]) - a + 1 for f, i, a in zip(term, at, first, strict=True))
    shared = tuple(-1 if c < 0 else area // p * c for c, p in zip(common, pixels, strict=True))
    return Figures(area, first, extent, gap, shared, 1, phases)


def _everything_map(shape: Size, size: Size) -> MapFigures:
    """Figures of a layer whose every entry sees the whole image."""
    area = np.full(shape, prod(size), np.int64)
    shared = []
    for axis in range(len(shape)):
        row = area.copy()
        row[(slice(None),) * axis + (-1,)] = -1
        shared.append(row)
    zero = np.zeros((1,) * len(shape), np.int64)
    extents = tuple(np.full((1,) * len(shape), n, np.int64) for n in size)
    return MapFigures(area, (zero,) * len(shape), extents, (zero,) * len(shape), tuple(shared))
