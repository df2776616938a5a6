"""The tables of a space with branches, as those of a chain: built-in formulas first, then those of the user."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.errors import InputError, Parameter
from rfscale.sweeps.states.compiled import CompiledSpace, compiled
from rfscale.sweeps.validation.branches.along_wiring import BuiltIn, Formulas, Own
from rfscale.sweeps.validation.branches.drawn import DrawnPairs, DrawnScales, DrawnUnions, drawn_choices
from rfscale.sweeps.validation.branches.exact import PairNodes, ScaleNodes, UnionNodes
from rfscale.sweeps.validation.branches.walk import BranchWalk
from rfscale.sweeps.validation.own_formulas import OwnFormula
from rfscale.sweeps.validation.space import Collected, figure_names
from rfscale.sweeps.validation.walk_space import Progress

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.space import Space


def branch_walks(
    space: Space,
    random: int | None,
    seed: int,
    memory: int,
    progress: Progress | None,
    own: Sequence[OwnFormula],
) -> list[BranchWalk]:
    """Return the passes over a space: one of the built-in formulas together, and one of each of the user's."""
    ndim = len(space.axes)
    axes = 1 if space.square else ndim
    counts = np.int64 if (random or space.size) < 2**62 else np.float64
    drawn = None if random is None else drawn_choices(space, random, seed)
    found = compiled(space)
    if drawn is None:
        cells = {p.folded.use.prefix: p.folded.use.size for p in found.programs if p.folded is not None}
        if cells:
            raise InputError(
                f"space {space.name!r} has cells of {prod(cells.values()):.4g} choices in all, known by their effects, "
                "and formulas tell apart what has one effect",
                remedy=("judge some architectures: give ", Parameter("random"), ", such as 1000"),
            )
        found.build_all(memory)
    formulas: list[Formulas] = [BuiltIn(ndim, axes)]
    formulas += [Own(formula, ndim, axes) for formula in own]
    return [
        BranchWalk(space, one, _exact(space, found, drawn), counts, drawn, None if i else progress)
        for i, one in enumerate(formulas)
    ]


def _exact(space: Space, found: CompiledSpace, drawn: np.ndarray | None) -> UnionNodes:
    """The exact side of a walk."""
    if drawn is None:
        whole = PairNodes if space.reads_pairs else ScaleNodes if space.scaled else UnionNodes
        return whole(space, found)
    some = DrawnPairs if space.reads_pairs else DrawnScales if space.scaled else DrawnUnions
    return some(space, found, drawn)


class BranchCollected(Collected):
    """Tables of the passes over a space with branches."""

    def __init__(self, walks: Sequence[BranchWalk]) -> None:
        self.walk: Any = walks[0]
        self.walks = walks
        self.kinds = sorted(walks[0].kinds, key=lambda kind: [window[::-1] for window in kind])
        self.names = figure_names(walks[0].axes, walks[0].space.axes)
        self.formulas = tuple(name for walk in walks for name in walk.formulas.names)
        tables = zip(*(walk.tables(self.kinds) for walk in walks), strict=True)
        self.table, self.worst, self.place = (np.concatenate(parts, axis=3) for parts in tables)

    def _path(self, stage: int, kind: int, overlap: int, measure: int) -> tuple[int, ...]:
        """The choices that lead to the worst map of a cell."""
        place = self.place[stage, kind, overlap, measure]
        for walk in self.walks:
            measure -= len(self.names) * len(walk.formulas.names)
            if measure < 0:
                return walk.path(stage, place)
        raise AssertionError("a measure belongs to a formula")
