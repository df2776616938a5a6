"""Figures of single entries of a traced network."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan, prod
from typing import Literal, NamedTuple

import numpy as np

from engine.errors import InputError, shown
from engine.figures import MapFigures, map_figures
from engine.network import Size
from engine.plan import Step
from engine.spec import listed, whole
from engine.trace import Trace
from engine.unions import Term

Entry = Literal["center"] | int | Sequence[int]


class Figures(NamedTuple):
    """Figures of one entry; the tuples hold one value per axis. `shared` is -1 where there is no next entry."""

    area: float
    first: tuple[float, ...]
    extent: tuple[float, ...]
    max_gap: tuple[int, ...]
    shared: tuple[float, ...]
    terms: int = 0
    phases: int = 1


def check_entry(entry: object, size: Size | None, ndim: int, layer: str) -> tuple[int, ...]:
    """Return an entry as one int per axis: inside the map in finite mode (`size` given), any whole number otherwise."""
    if isinstance(entry, str) and entry == "center":
        return tuple(n // 2 for n in size) if size else (0,) * ndim
    values = listed(entry)
    if values is None and ndim == 1:
        values = [entry]
    if values is None or len(values) != ndim:
        raise InputError(f"entry is {shown(entry)}; it must be 'center' or {ndim} whole numbers, one per axis")
    low, high = -(2**31), 2**31
    index = tuple(whole(v, "entry", low, high) for v in values)
    if size and not all(0 <= i < n for i, n in zip(index, size, strict=True)):
        raise InputError(
            f"entry {shown(index)} lies outside the {'×'.join(map(str, size))} map of layer {layer!r}; "
            f"give numbers from 0 to {'×'.join(str(n - 1) for n in size)}"
        )
    return index


class Reader:
    """Figures of single entries of a trace. Layers that share their terms share the work."""

    def __init__(self, traced: Trace) -> None:
        self.traced = traced
        self.plan = traced.plan
        self._maps: dict[int, MapFigures | None] = {}
        self._known: dict[tuple[int, tuple[int, ...] | None], Figures] = {}

    def figures(self, index: int, entry: Entry = "center") -> Figures:
        """Figures of one entry of a layer; in interior mode those of the largest footprint of all phases."""
        step, terms = self.plan.steps[index], self.traced.terms[index]
        finite = self.plan.input_size
        at = check_entry(entry, step.size, len(self.plan.network.axes), step.layer.name) if finite else None
        if step.everything:
            return self._everything(step, at)
        if terms is None:
            return self._walked(index, at)
        key = id(terms) if len(terms) > 1 else hash(tuple(map(id, terms[0])))
        if (key, at) not in self._known:
            self._known[key, at] = self._term_figures(terms[0], at) if len(terms) == 1 else self._map_at(index, at)
        return self._known[key, at]

    def _everything(self, step: Step, at: tuple[int, ...] | None) -> Figures:
        size, ndim = self.plan.input_size, len(self.plan.network.axes)
        if size is None or step.size is None or at is None:
            return Figures(inf, (nan,) * ndim, (inf,) * ndim, (0,) * ndim, (inf,) * ndim, 0, 1)
        area = prod(size)
        shared = tuple(area if i + 1 < n else -1 for i, n in zip(at, step.size, strict=True))
        return Figures(area, (0,) * ndim, size, (0,) * ndim, shared, 0, 1)

    def _term_figures(self, term: Term, at: tuple[int, ...] | None) -> Figures:
        """Figures of one product: each axis by itself."""
        phases = 1
        if at is None:  # the largest product has the largest set on each axis
            phases = prod(len(f) for f in term)
            at = (0,) * len(term) if phases == 1 else tuple(int(f.measures[0].argmax()) for f in term)
        pixels = [int(f.measures[0][i]) for f, i in zip(term, at, strict=True)]
        area = prod(pixels)
        if area == 0:
            return Figures(0, *((0,) * len(term),) * 3, (0,) * len(term), 1, phases)
        first = tuple(int(f.first[i]) for f, i in zip(term, at, strict=True))
        extent = tuple(int(f.last[i]) - a + 1 for f, i, a in zip(term, at, first, strict=True))
        gap = tuple(int(f.measures[1][i]) for f, i in zip(term, at, strict=True))
        common = [int(f.measures[2][i]) for f, i in zip(term, at, strict=True)]
        shared = tuple(-1 if c < 0 else area // p * c for c, p in zip(common, pixels, strict=True))
        return Figures(area, first, extent, gap, shared, 1, phases)

    def _map_at(self, index: int, at: tuple[int, ...] | None) -> Figures:
        """Figures of a union of several products."""
        terms = self.traced.terms[index]
        assert terms is not None
        if id(terms) not in self._maps:
            self._maps[id(terms)] = map_figures(terms)
        figures = self._maps[id(terms)]
        if figures is None:
            return self._walked(index, at)
        shape = figures.area.shape
        phases = 1 if at else prod(shape)
        if at is None:
            at = tuple(int(i) for i in np.unravel_index(int(figures.area.argmax()), shape))

        def pick(arrays: tuple[np.ndarray, ...]) -> tuple[int, ...]:
            return tuple(int(np.broadcast_to(a, shape)[at]) for a in arrays)

        return Figures(
            int(figures.area[at]),
            pick(figures.first),
            pick(figures.extent),
            pick(figures.max_gap),
            pick(figures.shared),
            len(terms),
            phases,
        )

    def _walked(self, index: int, at: tuple[int, ...] | None) -> Figures:
        """Figures from bit grids, entry by entry: for unions of too many products."""
        from engine.walk import grid_figures

        if at is not None:
            return Figures(*grid_figures(self.plan, index, at))
        intervals = self.plan.steps[index].intervals
        assert intervals is not None
        shape = tuple(len(i.bounds) for i in intervals)
        every = (grid_figures(self.plan, index, tuple(map(int, i))) for i in np.ndindex(*shape))
        return Figures(*max(every, key=lambda f: f[0]))._replace(phases=prod(shape))
