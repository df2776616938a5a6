"""The exact side of architectures that are drawn: each goes its own way, and no graph of all states is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.spaces.graphs.wiring import EARLIER, NO_PATH, Given, on_axes
from rfscale.sweeps.states.cells.compile import Folded
from rfscale.sweeps.states.cells.figures import map_figures
from rfscale.sweeps.states.cells.maps import Pair, PairEffect, Terms
from rfscale.sweeps.states.compiled import CompiledSpace
from rfscale.sweeps.states.scales.effects import MapEffects
from rfscale.sweeps.states.unions import figures_along
from rfscale.sweeps.validation.branches.exact import (
    Figures,
    PairNodes,
    ScaleNodes,
    UnionNodes,
    Wirings,
    by_axis,
    found_by,
)

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.space import Space

MAX_DRAWN = 1_000_000
MAX_CHOICES = 2**63 - 1  # of a stage: one is drawn as a number


def choices_of(space: Space) -> list[int]:
    """Return how many choices the factors that each stage introduces have together."""
    return [prod(len(space.dims[name]) for name in new) for new in space.introduced]


def drawn_choices(space: Space, random: int, seed: int) -> np.ndarray:
    """Return the choices of architectures, drawn uniformly and with replacement: int64 array (architectures, stages).

    Raises
    ------
    InputError
        Where so many are too many, or choices of a stage.
    """
    if random > MAX_DRAWN:
        raise InputError(f"random is {random}; of a space with branches at most {MAX_DRAWN:,} architectures are drawn")
    choices = choices_of(space)
    for stage, n in zip(space.stages, choices, strict=True):
        if n > MAX_CHOICES:
            raise InputError(
                f"stage {stage.name!r} has {n:.4g} choices; architectures are drawn where a stage has at most 2^63",
                remedy="sample some, rf.sample(space, 100), and validate their networks",
            )
    draw = np.random.default_rng(seed)
    return np.stack([draw.integers(n, size=random) for n in choices], axis=1)


class DrawnUnions(UnionNodes):
    """Architectures of a space whose stages read the one before only."""

    def __init__(self, space: Space, found: CompiledSpace, drawn: np.ndarray) -> None:
        super().__init__(space, found)
        self.drawn = drawn
        self._figures: dict[int, Figures] = {}  # after the last two stages

    def ends(self, stage: int, nodes: np.ndarray, variant: np.ndarray, choice: np.ndarray) -> np.ndarray:
        found = figures_along(self.programs[: stage + 1], self.drawn[:, : stage + 1], len(self.space.axes))
        self._figures = {n: f for n, f in self._figures.items() if n == stage - 1} | {stage: by_axis(found)}
        return nodes

    def figures(self, stage: int, nodes: np.ndarray) -> Figures:
        return {name: values[nodes] for name, values in self._figures[stage].items()}


class DrawnScales(ScaleNodes):
    """Architectures of a space with skips or upsampling."""

    def __init__(self, space: Space, found: CompiledSpace, drawn: np.ndarray) -> None:
        super().__init__(space, found)
        start = np.zeros((1 + (1 + self.axes) * len(self.programs[0].before), len(drawn)), np.int64)
        self._maps = {0: start}  # before the last two stages

    def ends(self, stage: int, nodes: np.ndarray, variant: np.ndarray, choice: np.ndarray) -> np.ndarray:
        table = self.programs[stage].effects_on_maps
        effects = [table[v][c] for v, c in zip(variant.tolist(), choice.tolist(), strict=True)]
        self._maps = {stage: self._maps[stage], stage + 1: self.graph.along(stage, effects, self._maps[stage])}
        return nodes

    def maps(self, stage: int, nodes: np.ndarray) -> np.ndarray:
        return self._maps[stage][:, nodes]

    def figures(self, stage: int, nodes: np.ndarray) -> Figures:
        return by_axis(self.graph.figures_of(stage, self.maps(stage + 1, nodes)[0]))


class DrawnPairs(PairNodes):
    """Architectures of a space with cells of two inputs, or of many choices."""

    def __init__(self, space: Space, found: CompiledSpace, drawn: np.ndarray) -> None:
        super().__init__(space, found)
        self._pairs: list[Pair] = [Pair(0, None, self.graph.algebra.image)]
        self._numbers = {self._pairs[0]: 0}
        self._states = {0: np.zeros(len(drawn), np.int64)}  # before the last two stages
        uses = {p.folded.use.prefix: i for i, p in reversed([*enumerate(self.programs)]) if p.folded is not None}
        self._cells = {prefix: drawn[:, first] for prefix, first in uses.items()}
        self._first = uses
        self._effects: dict[tuple[int, int], PairEffect] = {}

    def pair(self, number: int) -> Pair:
        return self._pairs[number]

    def ends(self, stage: int, nodes: np.ndarray, variant: np.ndarray, choice: np.ndarray) -> np.ndarray:
        program = self.programs[stage]
        known: dict[tuple[int, PairEffect], int] = {}
        after = np.empty(len(nodes), np.int64)
        if program.folded is not None:
            effects = [self._effect(program.folded, c) for c in self._cells[program.folded.use.prefix].tolist()]
        else:
            effects = [program.effects[v][c] for v, c in zip(variant.tolist(), choice.tolist(), strict=True)]
        for i, key in enumerate(zip(self._states[stage].tolist(), effects, strict=True)):
            if key not in known:
                pair = self.graph.moved(self._pairs[key[0]], key[1], program)
                known[key] = self._numbers.setdefault(pair, len(self._pairs))
                if known[key] == len(self._pairs):
                    self._pairs.append(pair)
            after[i] = known[key]
        self._states = {stage: self._states[stage], stage + 1: after}
        return nodes

    def figures(self, stage: int, nodes: np.ndarray) -> Figures:
        found, place = np.unique(self._states[stage + 1][nodes], return_inverse=True)
        figures = map_figures([self._pairs[n].last for n in found.tolist()], len(self.space.axes), self.axes)
        return by_axis({name: values[place.reshape(-1)] for name, values in figures.items()})

    def columns(self, stage: int, nodes: np.ndarray) -> np.ndarray:
        """Return the states of nodes before a stage, and the choices of the cell that it uses, if it is folded."""
        state, folded = self._states[stage][nodes], self.programs[stage].folded
        cell = self._cells[folded.use.prefix][nodes] if folded is not None else np.zeros_like(state)
        return np.stack([state, cell], axis=1)

    def wirings(self, stage: int, variant: int, column: Sequence[int]) -> Wirings:
        program = self.programs[stage]
        if program.folded is None:
            return super().wirings(stage, variant, column)
        given = found_by(self.pair(column[0]))
        wired = program.folded.stage.wired(
            self._chosen(program.folded, column[1]), len(self.space.axes), given, program.keep
        )
        return lambda choice: wired

    def _chosen(self, folded: Folded, choice: int) -> dict[str, Any]:
        """The ops of a cell, from the number of its choice."""
        out = {}
        for name in reversed(self.space.introduced[self._first[folded.use.prefix]]):
            choice, digit = divmod(choice, len(self.space.dims[name]))
            out[name] = self.space.dims[name][digit]
        return out

    def _effect(self, folded: Folded, choice: int) -> PairEffect:
        """What the uses of a cell do in one stage."""
        key = self._first[folded.use.prefix], choice
        if key not in self._effects:
            once = replace(folded.stage, params={**folded.stage.params, "repeat": 1})
            nodes = once.wired(self._chosen(folded, choice), len(self.space.axes), Given(maps=2), True).nodes
            paths: dict[Any, Terms] = {}
            if nodes[-1:] != (NO_PATH,):
                parts = MapEffects(folded.stage.name, None, self.axes).effect(nodes).parts
                paths = {
                    source: tuple(sorted(tuple([f.sets[0] for f in path]) for path in own)) for source, own in parts
                }
            stride = on_axes(folded.use.cell.stride, self.axes)
            self._effects[key] = PairEffect(1, stride, paths.get(EARLIER.layer, ()), paths.get(None, ()))
        return self._effects[key]._replace(uses=folded.repeat)
