"""Published and closed-form figures of every architecture: recurrences over the layers, one value per prefix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rfscale.engine.formulas.registry import START, advance, leaves_gaps, published_after
from rfscale.sweeps.runs import rows
from rfscale.sweeps.spaces.graphs.wiring import ChainLayer
from rfscale.sweeps.states.compile import AxisLayer, Program

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.space import Space


class Values(NamedTuple):
    """Values of the formulas of n architectures: what the next layer needs.

    `area`, `overlap` (n,) are the article's, nan where it has no formula; `pixels`, `new` (axes, n) the closed form's
    in whole numbers, `new` being those that the next entry has not; `regular` (axes, n) says where a formula can go on,
    `inside` (n,) whether there is a value at all.
    """

    area: np.ndarray
    overlap: np.ndarray
    pixels: np.ndarray
    new: np.ndarray
    regular: np.ndarray
    inside: np.ndarray


class Formulas:
    """The formulas of blocks of architectures."""

    def __init__(self, space: Space, programs: Sequence[Program]) -> None:
        self.programs = programs
        self.ndim = len(space.axes)
        self.square = space.square

    def fill(self, stage: int, start: int, stop: int, out: Mapping[str, np.ndarray]) -> None:
        """Write the formulas' values of architectures start..stop-1 of a stage."""
        values, _ = self._values(stage, start, stop)
        if "published_area" in out:
            out["published_area"][:] = values.area
        if "published_overlap" in out:
            out["published_overlap"][:] = values.overlap
        if "closed_form_area" in out:
            out["closed_form_area"][:] = np.where(values.inside, values.pixels.prod(axis=0, dtype=float), np.nan)
        if "closed_form_overlap" in out:
            overlap = np.where(values.inside, 1 - values.new / values.pixels, np.nan)
            out["closed_form_overlap"][:] = overlap[0] if self.square else overlap.T

    def _values(self, stage: int, low: int, high: int) -> tuple[Values, np.ndarray]:
        """Values and live values after a stage, of architectures low..high-1."""
        spans = [(low, high)]  # of each stage, from the last to what the first one reads
        for program in reversed(self.programs[: stage + 1]):
            spans.append((spans[-1][0] // program.choices, -(-spans[-1][1] // program.choices)))
        one, yes = np.ones(1), np.ones(1, bool)
        whole = np.ones((self.ndim, 1), np.int64)
        values, live = Values(one * START[0], one * START[1], whole, whole, whole > 0, yes), np.zeros(1, np.int32)
        for program, (first, _), (begin, end) in zip(self.programs, spans[:0:-1], spans[-2::-1], strict=False):
            cut = slice(begin - first * program.choices, end - first * program.choices)
            values, live = self._after(program, values, live, cut)
        return values, live

    def _after(self, program: Program, before: Values, live: np.ndarray, cut: slice) -> tuple[Values, np.ndarray]:
        """Values and live values after one stage, cut to some of its architectures."""
        after_live = rows.walk(live, program.next_live.astype(np.int32), cut.start, cut.stop)
        shape = (len(live), program.choices)
        columns = [np.empty((*v.shape[:-1], *shape), v.dtype) for v in before]
        for v, at in program.variant_rows(live):
            known: dict[tuple[int, ChainLayer], int] = {}
            ends = [Values(*(x[..., at] for x in before))]
            for c, chain in enumerate(program.layers[v]):
                for column, values in zip(columns, self._chain(chain, known, ends), strict=True):
                    column[..., at, c] = values
        return Values(*(c.reshape(*c.shape[:-2], -1)[..., cut] for c in columns)), after_live

    def _chain(
        self, chain: tuple[ChainLayer, ...], known: dict[tuple[int, ChainLayer], int], ends: list[Values]
    ) -> Values:
        """Values after the layers of a choice; `ends` are those of beginnings, `known` what follows them."""
        at = 0
        for layer in chain:
            if (at, layer) not in known:
                windows = list(zip(layer.kernel, layer.stride, layer.dilation, strict=True))
                windows = [(k, s, d if k > 1 else 1) for k, s, d in windows]
                known[at, layer] = len(ends)
                ends.append(Values(*self._published(ends[at], windows), *self._closed(ends[at], windows)))
            at = known[at, layer]
        return ends[at]

    def _published(self, before: Values, windows: list[AxisLayer]) -> tuple[np.ndarray, np.ndarray]:
        alike = self.ndim == 2 and len(set(windows)) == 1
        return published_after(windows[0] if alike else None, before.area, before.overlap)

    def _closed(
        self, before: Values, windows: list[AxisLayer]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        if all(k == s == 1 for k, s, _ in windows):
            return before.pixels, before.new, before.regular, before.inside
        axes = list(zip(before.pixels, before.new, windows, strict=True))
        pairs = [advance(w, u, *window) for w, u, window in axes]
        goes_on = [r | (k == s == 1) for r, (k, s, _) in zip(before.regular, windows, strict=True)]
        inside = before.inside & np.logical_and.reduce(goes_on)
        gaps = np.stack([leaves_gaps(w, u, *window) | (w < 0) for w, u, window in axes])
        regular = inside & before.regular & ~gaps
        pixels = np.where(inside, np.stack([w for w, _ in pairs]), 1)
        new = np.where(inside, np.stack([u for _, u in pairs]), 1)
        return pixels, new, regular, inside
