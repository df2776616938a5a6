"""The tables of a space with branches, as those of a chain: built-in formulas first, then those of the user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.validation.branches.along_wiring import BuiltIn, Formulas, Own
from rfscale.sweeps.validation.branches.walk import BranchWalk
from rfscale.sweeps.validation.own_formulas import OwnFormula
from rfscale.sweeps.validation.space import Collected, figure_names
from rfscale.sweeps.validation.walk_space import Progress

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.space import Space

MAX_DRAWN = 1_000_000


def branch_walks(
    space: Space,
    random: int | None,
    seed: int,
    memory: int,
    progress: Progress | None,
    own: Sequence[OwnFormula],
) -> list[BranchWalk]:
    """Return the passes over a space: one of the built-in formulas together, and one of each of the user's."""
    ndim, drawn = len(space.axes), None
    axes = 1 if space.square else ndim
    counts = np.int64 if space.size < 2**62 else np.float64
    if random is not None:
        if random > MAX_DRAWN:
            raise InputError(
                f"random is {random}; of a space with branches at most {MAX_DRAWN:,} architectures are drawn"
            )
        draw = np.random.default_rng(seed)
        choices = [int(np.prod([len(space.dims[n]) for n in new], initial=1)) for new in space.introduced]
        drawn = np.stack([draw.integers(n, size=random) for n in choices], axis=1)
    formulas: list[Formulas] = [BuiltIn(ndim, axes)]
    formulas += [Own(formula, ndim, axes) for formula in own]
    return [BranchWalk(space, one, memory, counts, drawn, None if i else progress) for i, one in enumerate(formulas)]


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
