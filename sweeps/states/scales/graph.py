"""The graph of states of a space with skips or upsampling: a state is the map that comes next and those still to read.

A state says which shape each of its maps has (shapes.py), and how many pixels those kept for later stages lie from the
one that comes next, on each axis. It is the graph of an axis (sweeps/states/graph.py) with other states.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.engine.footprints.figures import share
from rfscale.sweeps.states.compile import Program
from rfscale.sweeps.states.graph import WORD_BYTES, Level, joined
from rfscale.sweeps.states.numbering import distinct_columns
from rfscale.sweeps.states.scales.effects import MapEffect, Source, fractions
from rfscale.sweeps.states.scales.figures import AXIS_FIGURES
from rfscale.sweeps.states.scales.shapes import MismatchError, Shapes
from rfscale.sweeps.states.state_graph import StateGraph


class ScaleGraph(StateGraph):
    """Graph of the states of a space with skips or upsampling; built stage by stage as far as it is asked for.

    Parameters
    ----------
    programs : sequence of Program
    ndim : int
        Axes of the networks.
    axes : int
        Those that differ; 1 where all are alike.
    """

    def __init__(self, programs: Sequence[Program], ndim: int, axes: int) -> None:
        self.ndim, self.differing = ndim, axes
        super().__init__(programs)

    def _new_pool(self) -> Shapes:
        return Shapes(self.ndim, self.differing)

    def _clear(self) -> None:
        super()._clear()
        # of each level: shape of the map that comes next; shape and offsets of each one kept; by state
        self._columns = [np.zeros((1 + (1 + self.differing) * len(self.programs[0].before), 1), np.int64)]

    def _table_words(self, program: Program, nodes: int) -> int:
        columns = 4 + (1 + self.differing) * len(program.after)
        effects = max(len(set(row)) for row in program.effects_on_maps)
        held = sum(c.size for c in self._columns)
        return self._level_bytes // WORD_BYTES + held + nodes * (2 * program.choices + 2 * columns * effects)

    def _next(self, program: Program, before: Level, limit: int) -> Level | None:
        if limit < 1:
            return None
        made: list[np.ndarray] = []
        places: list[tuple[Any, np.ndarray]] = []
        total = 0
        for v, rows in program.variant_rows(before.live):
            effects = list(dict.fromkeys(program.effects_on_maps[v]))
            given = self._columns[-1][:, before.state[rows]]
            made += [self._step(effect, given, program) for effect in effects]
            if self.pool.held > limit:
                return None
            n, number = given.shape[1], {effect: i for i, effect in enumerate(effects)}
            column = np.array([number[e] for e in program.effects_on_maps[v]])
            places.append((rows, (total + np.arange(n))[:, None] + n * column))
            total += n * len(effects)
        state_of, first = distinct_columns([*np.concatenate(made, axis=1)])
        self._columns.append(np.concatenate(made, axis=1)[:, first])
        keys = np.empty((len(before.state), program.choices), np.int64)
        for rows, at in places:
            keys[rows] = state_of[at]
        return joined(keys, program, before, len(first))

    def _step(self, effect: MapEffect, given: np.ndarray, program: Program) -> np.ndarray:
        """Return the columns after an effect."""
        pool: Shapes = self.pool
        names: list[Source] = [None, *program.before]
        maps, here = given[1:].reshape(-1, 1 + self.differing, given.shape[1]), np.zeros((self.differing, 1), np.int64)
        shape = offset = np.zeros(0, np.int64)  # offsets have a row for each axis
        for i, (source, paths) in enumerate(effect.parts):
            at = names.index(source)
            own, start = (maps[at - 1, 0], maps[at - 1, 1:]) if at else (given[0], here)
            found, inverse = np.unique(own, return_inverse=True)
            part = pool.part(paths)
            try:
                after = np.array([pool.after(s, part, paths) for s in found.tolist()], np.int64)[inverse].T
            except InputError as error:
                raise error.within(f"stage {program.stage!r}") from None
            own, start = after[0], start + after[1:]
            if i:
                columns = np.stack([shape, own, *(start - offset)])
                inverse, first = distinct_columns([*columns])
                pairs = [
                    self._meet(a, b, tuple(by), effect, program, i)
                    for a, b, *by in zip(*columns[:, first].tolist(), strict=True)
                ]
                joined = np.array(pairs, np.int64)[inverse].T
                shape, offset = joined[0], offset + joined[1:]
            else:
                shape, offset = own, start
        out = [shape]
        for place in program.after:
            kept = maps[place - 1] if place else None
            out += [shape, *np.zeros_like(offset)] if kept is None else [kept[0], *(kept[1:] - offset)]
        return np.stack(out)

    def _meet(
        self, one: int, other: int, by: tuple[int, ...], effect: MapEffect, program: Program, part: int
    ) -> tuple[int, ...]:
        """The union of two shapes; where they do not fit, an `InputError` that names both maps."""
        try:
            found: tuple[int, ...] = self.pool.united(one, other, by, effect.aligned)
        except MismatchError as error:
            raise _mismatch(error, effect.parts[0][0], effect.parts[part][0], program.stage) from None
        return found

    def maps(self, stage: int) -> np.ndarray:
        """Return the maps before a stage, by state of the level before it: the columns of an int64 array.

        A column has the shape of the map that comes next; then shape and offset of each one kept for later stages.
        """
        return self._columns[stage]

    def along(self, stage: int, effects: Sequence[MapEffect], given: np.ndarray) -> np.ndarray:
        """Return the maps after an effect each of a stage, from columns of maps before it; no level is made."""
        numbers: dict[MapEffect, int] = {}
        number = np.array([numbers.setdefault(effect, len(numbers)) for effect in effects], np.int64)
        out = np.empty((1 + (1 + self.differing) * len(self.programs[stage].after), len(effects)), np.int64)
        for effect, n in numbers.items():
            at = np.flatnonzero(number == n)
            which, first = distinct_columns([*given[:, at]])
            out[:, at] = self._step(effect, given[:, at[first]], self.programs[stage])[:, which]
        return out

    def _work_out(self, stage: int) -> dict[str, np.ndarray]:
        """Figures of the states of a level."""
        return self.figures_of(stage, self._columns[stage + 1][0])

    def figures_of(self, stage: int, shapes: np.ndarray) -> dict[str, np.ndarray]:
        """Return the figures of some shapes; errors name a stage."""
        found, inverse = np.unique(shapes, return_inverse=True)
        try:
            rows = [self.pool.figures(shape) for shape in found.tolist()]
        except InputError as error:
            raise error.within(f"stage {self.programs[stage].stage!r}") from None
        area, terms, box, *on_axes = np.array(rows, np.int64)[inverse].T
        by_axis = (np.stack(on_axes[i :: len(AXIS_FIGURES)], axis=-1) for i in range(len(AXIS_FIGURES)))
        whole = dict(zip(AXIS_FIGURES, by_axis, strict=True))
        shares = {"overlap": share(whole.pop("shared"), area[:, None])}
        axes = {**shares, **{name: values.astype(np.int32) for name, values in whole.items()}}
        if self.differing == 1:
            axes = {name: values[:, 0] for name, values in axes.items()}
        return {"area": area, "box": box, "density": share(area, box), "terms": terms.astype(np.int32), **axes}


def _mismatch(error: MismatchError, one: Source, other: Source, stage: str) -> InputError:
    maps = " and ".join("that of the stage before" if s is None else f"that of stage {s!r}" for s in (one, other))
    if error.figure == "jump":
        jumps = " and ".join(map(fractions, error.values))
        return InputError(
            f"stage {stage!r}: of the maps that meet, {maps}, entries are {jumps} pixels apart; they need one jump",
            remedy="upsample the coarser one first, or skip from a stage of the same scale",
        )
    apart = [abs(a - b) for a, b in zip(*error.values, strict=True)]
    return InputError(
        f"stage {stage!r}: of the maps that meet, {maps}, centres are {fractions(apart)} pixels apart",
        remedy="use even pools with upsampling, odd kernels of stride with odd transposed convolutions, or say that it "
        "is meant with aligned: false",
    )
