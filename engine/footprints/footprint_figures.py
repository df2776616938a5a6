"""Figures and pixels of a traced network: which of the ways to count a footprint is taken is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan, prod

import numpy as np

from rfscale.engine.errors import INPUT_SIZE, InputError
from rfscale.engine.footprints.entry_figures import (
    draw_union,
    product_figures,
    union_figures,
    union_rows,
)
from rfscale.engine.footprints.figures import Figures, LayerFigures, stacked
from rfscale.engine.footprints.forward import Route, Terms, Trace
from rfscale.engine.footprints.intervals import Intervals
from rfscale.engine.footprints.map_figures import map_figures
from rfscale.engine.footprints.pixel_sets import largest_phase
from rfscale.engine.footprints.plan import Entry, check_entry, unbounded
from rfscale.engine.footprints.unions import Term
from rfscale.engine.network.network import Size

EXACT = 2.0**53  # pixels: float64 holds every whole number below
MAX_PHASES = 1 << 27  # of a union of products: some arrays of 1 GiB
MAX_PIXELS = 1 << 31  # of a drawing: 2 GiB of bool


class FootprintFigures:
    """Figures of a trace: of one entry, or of all entries of a map. Layers that share their sets share the work."""

    def __init__(self, traced: Trace) -> None:
        self.traced = traced
        self.plan = traced.plan
        self._maps: dict[object, Figures | None] = {}
        self._entries: dict[object, Figures] = {}
        self._layers: dict[object, Figures] = {}

    def figures(self, index: int, entry: Entry = "center") -> Figures:
        """Figures of one entry of a layer; in interior mode those of the phase with the largest footprint."""
        step = self.plan.steps[index]
        if not self.plan.input_size:
            return self._figures(index, None)
        return self._figures(index, check_entry(entry, step.size, len(self.plan.network.axes), step.layer.name))

    def of_layers(self, entry: Entry, asked: Sequence[int]) -> LayerFigures:
        """`figures` of every layer, at `entry` of those that are asked for, else at the centre."""
        plan, ndim = self.plan, len(self.plan.network.axes)
        at, quick = self._places(entry, asked), np.zeros(len(plan.steps), bool)
        columns = {name: np.zeros((len(plan.steps), ndim)) for name in ("first", "extent", "gap", "shared")}
        area = np.zeros(len(plan.steps))
        ends = np.full((len(plan.steps), ndim), nan)
        terms, phases = np.ones((2, len(plan.steps)), np.int64)
        if isinstance(self.traced.terms, Terms):
            quick = self._solid(at, area, columns)
        for i in np.flatnonzero(~quick).tolist():
            row = self.figures(i, tuple(at[i].tolist()) if plan.input_size else "center")
            area[i], terms[i], phases[i] = row.area, row.terms, row.phases
            for name, values in zip(columns, (row.first, row.extent, row.max_gap, row.shared), strict=True):
                columns[name][i] = values
            at[i] = row.entry or (0,) * ndim if plan.input_size is None else at[i]
            ends[i] = row.last or nan
        first, extent, gap, shared = (tuple(column.T) for column in columns.values())
        return LayerFigures(Figures(area, first, extent, gap, shared), terms, phases, at, ends)

    def _solid(self, at: np.ndarray, area: np.ndarray, columns: dict[str, np.ndarray]) -> np.ndarray:
        """Figures of the layers whose sets have no holes, all at once; which they are, bool (layers,)."""
        terms = self.traced.terms
        assert isinstance(terms, Terms)
        nodes = np.array(terms.nodes, np.int64)
        solid = nodes >= 0
        solid[solid] = terms.solid.alike(nodes[solid], self.plan.input_size is None)
        first, last, shared = terms.solid.ends(nodes[solid], at[solid])
        pixels = (last - first + 1).astype(float)
        found = pixels.prod(axis=1)
        exact = found < EXACT
        solid[solid] = exact
        area[solid] = found[exact]
        columns["first"][solid], columns["extent"][solid] = first[exact], pixels[exact]
        own = found[:, None] / pixels * shared
        columns["shared"][solid] = np.where(shared < 0, -1, own)[exact]
        return solid

    def _places(self, entry: Entry, asked: Sequence[int]) -> np.ndarray:
        """The entry of each layer, int64 (layers, axes)."""
        steps, ndim = self.plan.steps, len(self.plan.network.axes)
        if self.plan.input_size is None:
            return np.zeros((len(steps), ndim), np.int64)
        at = np.array([step.size for step in steps], np.int64) // 2
        if not isinstance(entry, str):
            for i in asked:
                at[i] = check_entry(entry, steps[i].size, ndim, steps[i].layer.name)
        return at

    def figures_at(self, index: int, at: tuple[int, ...]) -> Figures:
        """Figures of one entry of a layer whose footprints have bounds; in interior mode of any entry."""
        if self.plan.input_size or self.traced.route(index) is Route.GRIDS:
            return self._figures(index, at)
        families = self.traced.products(index)[0]
        periods, phase = zip(*(divmod(o, len(f)) for f, o in zip(families, at, strict=True)), strict=True)
        found = self._figures(index, phase)
        if not found.area:
            return found
        moved = zip(found.first, families, periods, strict=True)
        return found._replace(first=tuple(first + f.repeat * q for first, f, q in moved))

    def entry(self, index: int, entry: Entry = "center") -> tuple[int, ...]:
        """Return the entry that is asked for; "center" in interior mode: that of the largest footprint."""
        step, ndim = self.plan.steps[index], len(self.plan.network.axes)
        size = step.size if self.plan.input_size else None
        at = check_entry(entry, size, ndim, step.layer.name)
        if size or not isinstance(entry, str) or all(len(i.bounds) == 1 for i in step.intervals or ()):
            return at
        return self._figures(index, None).entry or at

    def map_figures(self, index: int) -> Figures:
        """Figures of all entries of a layer, finite mode: arrays that broadcast to the map's size."""
        step, route = self.plan.steps[index], self.traced.route(index)
        assert step.size is not None
        assert self.plan.input_size is not None
        return (self._map(self.traced.products(index)) if route is not Route.GRIDS else None) or self._grid_map(
            index, step.size
        )

    def pixels(self, index: int, at: tuple[int, ...]) -> tuple[np.ndarray, tuple[int, ...]]:
        """Footprint of one entry as a bool grid, and the pixel of its first cell.

        Finite: the whole image. Interior: the bounding box.

        Raises
        ------
        InputError
            For an infinite footprint, and for more than 2^31 pixels.
        """
        from rfscale.engine.footprints.backward import grid_pixels

        layer, size, route = self.plan.steps[index].layer.name, self.plan.input_size, self.traced.route(index)
        if route is Route.INFINITE:
            raise unbounded(layer)
        if size:
            _check_pixels(layer, size)
        if route is Route.GRIDS:
            return grid_pixels(self.plan, index, at)
        rows = union_rows(self.traced.products(index), at)
        window = [(0, n) for n in size or ()]
        if size is None:
            columns = [[row[a] for row in rows] for a in range(len(at))]
            low = (min((int(pixels[0]) for pixels in column), default=0) for column in columns)
            stop = (max((int(pixels[-1]) + 1 for pixels in column), default=0) for column in columns)
            window = list(zip(low, stop, strict=True))
            _check_pixels(layer, tuple(hi - lo for lo, hi in window))
        return draw_union(rows, window), tuple(lo for lo, _ in window)

    def _map(self, terms: list[Term]) -> Figures | None:
        key = _identity(terms)
        if key not in self._maps:
            self._maps[key] = map_figures(terms)
        return self._maps[key]

    def _figures(self, index: int, at: tuple[int, ...] | None) -> Figures:
        """Figures of entry `at`; None (interior mode): of the phase with the largest footprint."""
        terms = self.traced.terms[index]
        alike = index if terms is None else id(terms), at  # a layer that moves no pixel has the list of its source
        found = self._layers.get(alike)
        if found is None:
            key = index if terms is None else _identity(terms), at
            found = self._entries.get(key)
            if found is None:
                found = self._entries[key] = self._counted(index, at)
            self._layers[alike] = found
        return found

    def _counted(self, index: int, at: tuple[int, ...] | None) -> Figures:
        route = self.traced.route(index)
        if route is Route.INFINITE:
            return _infinite(self.plan.steps[index].half_lines, len(self.plan.network.axes))
        if route is Route.GRIDS:
            return self._grid_figures(index, at)
        terms = self.traced.products(index)
        return product_figures(terms[0], at) if route is Route.PRODUCT else self._union_figures(index, at)

    def _union_figures(self, index: int, at: tuple[int, ...] | None) -> Figures:
        """Figures of a union of several products."""
        terms = self.traced.products(index)
        if at is None and all(len(f) == 1 for f in terms[0]):
            at = (0,) * len(terms[0])
        if at is not None:
            return union_figures(terms, at)
        phases = prod(len(f) for f in terms[0])
        if phases > MAX_PHASES:
            name = self.plan.steps[index].layer.name
            raise InputError(
                f"the footprints of layer {name!r} repeat only after {phases} entries; {MAX_PHASES} are the most",
                remedy=("give ", INPUT_SIZE),
            )
        figures = self._map(terms)
        if figures is None:
            return self._grid_figures(index, None)
        shape = figures.area.shape
        shared = np.sum([np.broadcast_to(s, shape) for s in figures.shared], axis=0)
        largest = tuple(int(i) for i in np.unravel_index(largest_phase(figures.area, shared), shape))
        return union_figures(terms, largest)._replace(phases=prod(shape), entry=largest)

    def _grid_figures(self, index: int, at: tuple[int, ...] | None) -> Figures:
        """Figures from bit grids, entry by entry: for unions of too many products."""
        from rfscale.engine.footprints.backward import figures_of, grid_figures

        if at is not None:
            return grid_figures(self.plan, index, at)
        intervals = self.plan.steps[index].intervals
        assert intervals is not None
        shape = tuple(len(i.bounds) for i in intervals)
        if prod(shape) == 1:
            return grid_figures(self.plan, index, (0,) * len(shape))
        every = zip(np.ndindex(*shape), figures_of(self.plan, index, np.ndindex(*shape)), strict=True)
        entry, figures = max(every, key=lambda found: (found[1].area, -sum(found[1].shared)))
        return figures._replace(phases=prod(shape), entry=entry)

    def _grid_map(self, index: int, shape: Size) -> Figures:
        from rfscale.engine.footprints.backward import figures_of

        return stacked(list(figures_of(self.plan, index, np.ndindex(*shape))), shape=shape)


def _infinite(half_lines: tuple[Intervals, ...] | None, ndim: int) -> Figures:
    """Figures of a footprint without bounds; where some sides have bounds, those of the first entry that reads any."""
    entry = [next((u for u, b in enumerate(i.bounds) if b), -1) for i in half_lines or ()]
    if half_lines is None or min(entry) < 0:
        return Figures(inf, (nan,) * ndim, (inf,) * ndim, (0,) * ndim, (inf,) * ndim)
    low, high = zip(*(i.ends(u) for i, u in zip(half_lines, entry, strict=True)), strict=True)
    extent = tuple(hi - lo + 1 for lo, hi in zip(low, high, strict=True))
    shared = tuple(inf if e == inf else nan for e in extent)
    return Figures(inf, low, extent, (0,) * ndim, shared, entry=tuple(entry) if any(entry) else (), last=high)


def _check_pixels(layer: str, size: Size) -> None:
    if prod(size) > MAX_PIXELS:
        shape = "×".join(map(str, size))
        raise InputError(f"the footprint of layer {layer!r} spans {shape} pixels, too many to draw; use its figures")


def _identity(terms: list[Term]) -> tuple[int, ...]:
    """What tells terms apart: their families, which the trace keeps alive."""
    return tuple(id(f) for term in terms for f in term)
