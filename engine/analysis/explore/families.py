"""Families of 1-D sets as lists of intervals, of which a page makes any footprint; docs/formats.md has the form."""

from __future__ import annotations

from typing import Any

import numpy as np

from rfscale.engine.footprints.pixel_sets import Family

MAX_PHASES = 64  # entries after which the sets of a map with borders may repeat
FEW_RUNS = 6  # so few are not worth a search for phases

Run = list[int | None]  # entries, first pixel of the first, step between neighbours, number of the shape


class FamilyTable:
    """Families and the shapes of their sets, each listed once, by number."""

    def __init__(self) -> None:
        self.families: list[dict[str, Any]] = []
        self.shapes: list[list[int]] = []
        self._number: dict[int, int] = {}
        self._shape: dict[tuple[int, ...], int] = {}
        self._alive: list[Family] = []

    def number(self, family: Family) -> int:
        """Return the number of a family, which is listed if it is new."""
        if id(family) not in self._number:
            self._alive.append(family)
            self._number[id(family)] = len(self.families)
            self.families.append(self._listed(family))
        return self._number[id(family)]

    def _listed(self, family: Family) -> dict[str, Any]:
        first, repeat = family.first, family.repeat
        shapes = np.array(self._shapes(family))
        first = np.where(shapes == self._shape_number(()), 0, first)
        if repeat:  # without borders: one set for each phase, and no end of entries
            phases = [[[None, int(f), repeat, int(s)]] for f, s in zip(first, shapes, strict=True)]
            return {"entries": None, "phases": phases}
        n = len(first)
        period = 1
        if _breaks(first, shapes, 1) > FEW_RUNS:
            period = min(range(1, min(MAX_PHASES, n // 2) + 1), key=lambda p: _breaks(first, shapes, p) + p)
        phases = [_runs(first[u::period].tolist(), shapes[u::period].tolist()) for u in range(period)]
        return {"entries": n, "phases": phases}

    def _shapes(self, family: Family) -> list[int]:
        """The number of the shape of every set."""
        pixels, extent = family.measures[0], family.extent
        out = []
        for entry, (n, e) in enumerate(zip(pixels.tolist(), extent.tolist(), strict=True)):
            shape = () if n == 0 else (e,) if n == e else _lengths(family.pixels(entry))
            out.append(self._shape_number(shape))
        return out

    def _shape_number(self, shape: tuple[int, ...]) -> int:
        if shape not in self._shape:
            self._shape[shape] = len(self.shapes)
            self.shapes.append(list(shape))
        return self._shape[shape]


def _lengths(pixels: np.ndarray) -> tuple[int, ...]:
    """Lengths of what a set has and what it lacks, in turn: {0, 1, 4} is 2, 2, 1."""
    jumps = np.flatnonzero(np.diff(pixels) > 1)
    starts = np.concatenate([[0], jumps + 1])
    ends = np.concatenate([jumps, [len(pixels) - 1]])
    edges = np.stack([pixels[starts], pixels[ends] + 1], axis=1).ravel()
    return tuple(int(n) for n in np.diff(edges))


def _breaks(first: np.ndarray, shapes: np.ndarray, period: int) -> int:
    """How often a set is not the one a period before, moved as far as that one was."""
    step = first[period:] - first[:-period]
    return int((step[period:] != step[:-period]).sum() + (shapes[period:] != shapes[:-period]).sum())


def _runs(first: list[int], shapes: list[int]) -> list[Run]:
    """Runs of equal shapes that move evenly."""
    runs: list[Run] = []
    at = 0
    while at < len(first):
        end, step = at + 1, 0
        if end < len(first) and shapes[end] == shapes[at]:
            step = first[end] - first[at]
            while end < len(first) and shapes[end] == shapes[at] and first[end] - first[end - 1] == step:
                end += 1
        runs.append([end - at, first[at], step if end - at > 1 else 0, shapes[at]])
        at = end
    return runs
