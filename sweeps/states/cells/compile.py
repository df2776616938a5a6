"""Spaces with cells of two inputs, or of many choices, compiled: what every choice of a stage does to both maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.spaces.graphs.cell import Cell, CellUse
from rfscale.sweeps.spaces.graphs.wiring import ChainLayer, Given, Wired, on_axes
from rfscale.sweeps.spaces.stages import Ref, Stage, Value
from rfscale.sweeps.states.cell_effects import CellEffects
from rfscale.sweeps.states.cells.maps import PairEffect
from rfscale.sweeps.states.effects import Effects, Reach, apart, by_axis

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.space import Space


class Folded(NamedTuple):
    """Uses of a cell of more choices than a table holds.

    Attributes
    ----------
    use : CellUse
    stage : Stage
    repeat : int
    last : bool
        Whether no later stage has the same choice.
    """

    use: CellUse
    stage: Stage
    repeat: int
    last: bool


class PairCompiler:
    """Compiles the stages of one space; `values` are those of its factors."""

    def __init__(self, space: Space, values: dict[str, tuple[Value, ...]]) -> None:
        self.space, self.values, self.ndim = space, values, len(space.axes)
        self.differing = 1 if space.square else self.ndim  # axes; 1 stands for all

    def compile(self, i: int, reads: Sequence[str], new: Sequence[str]) -> dict[str, Any]:
        """Return the program's own part of stage number i, which reads some live factors and brings in `new`."""
        stage = self.space.stages[i]
        adapt = stage.cell.cell.adapt if stage.cell is not None and isinstance(stage.cell.cell, Cell) else None
        later = self.space.stages[i + 1] if i + 1 < len(self.space.stages) else None
        keep = later is not None and later.reads_earlier
        out: dict[str, Any] = {"tries": (), "layers": (), "adapt": adapt, "keep": keep}
        if stage.folded:
            return {**out, "folded": self._folded(i)}
        names = [*reads, *new]
        shape = prod(len(self.values[n]) for n in reads), prod(len(self.values[n]) for n in new)
        flat = self._of_cell(stage, names) if stage.cell is not None else self._of_layers(stage, names)
        rows = tuple(tuple(flat[v * shape[1] : (v + 1) * shape[1]]) for v in range(shape[0]))

        def wirings(variant: int, given: Given) -> Iterator[Wired]:
            chosen = next(islice(combinations(reads, self.values), variant, None))
            return (stage.wired(chosen | c, self.ndim, given, keep) for c in combinations(new, self.values))

        return {**out, "effects": rows, "pair_wirings": wirings}

    def _folded(self, i: int) -> Folded:
        stage = self.space.stages[i]
        use, repeat = stage.cell, stage.params.get("repeat", 1)
        assert use is not None
        if isinstance(repeat, Ref) or not isinstance(repeat, int) or repeat < 1:
            raise InputError(
                f"repeat of stage {stage.name!r} is a choice, and its cell {use.cell.name!r} has {use.size:.4g}",
                remedy="give one number of repetitions, or a cell of fewer choices",
            )
        last = not any(s.cell is not None and s.cell.prefix == use.prefix for s in self.space.stages[i + 1 :])
        return Folded(use, stage, repeat, last)

    def _of_layers(self, stage: Stage, names: Sequence[str]) -> list[PairEffect]:
        made, out = Effects(stage.name, self.differing), []
        for chosen in combinations(names, self.values):
            reach = made.reach(stage.wired(chosen, self.ndim).nodes)
            out.append(PairEffect(1, reach.stride, (), tuple(sorted(reach.terms))))
        return out

    def _of_cell(self, stage: Stage, names: Sequence[str]) -> list[PairEffect]:
        """Effects of the uses of a cell, for all choices at once."""
        use = stage.cell
        assert use is not None
        axes = {name: i for i, name in enumerate(names)}

        def layers(block: Any) -> list[ChainLayer]:
            return stage.block_layers(block, {}, self.ndim)

        made = CellEffects(stage.name, use.cell, use.prefix, layers, axes, self.differing)
        shape = [len(self.values[n]) for n in names]
        earlier, last = (np.broadcast_to(grid, shape).reshape(-1) for grid in made.pair())
        repeat = stage.params.get("repeat", 1)
        times = np.full(prod(shape), 1 if isinstance(repeat, Ref) else repeat)
        if isinstance(repeat, Ref):
            axis = axes[repeat.factor]
            own = np.array(self.values[repeat.factor], np.int64).reshape(
                [-1 if i == axis else 1 for i in range(len(shape))]
            )
            times = np.broadcast_to(own, shape).reshape(-1)
        if (times < 1).any():
            raise InputError(
                f"repeat of stage {stage.name!r} may be 0, beside cells of two inputs; give at least 1, or choices"
            )
        stride, terms = on_axes(use.cell.stride, self.differing), [tuple(sorted(reach.terms)) for reach in made.reach]
        known: dict[tuple[int, int, int], PairEffect] = {}
        out = []
        for key in zip(times.tolist(), earlier.tolist(), last.tolist(), strict=True):
            if key not in known:
                self._check(stage, use.cell, made.reach[key[1]], made.reach[key[2]])
                known[key] = PairEffect(key[0], stride, terms[key[1]], terms[key[2]])
            out.append(known[key])
        return out

    def _check(self, stage: Stage, cell: Any, earlier: Reach, last: Reach) -> None:
        """Refuse paths from both inputs that do not fit."""
        for reach in (earlier, last):
            stride = on_axes(cell.stride, self.differing)
            if reach.terms and reach.stride != stride:
                raise InputError(
                    f"stage {stage.name!r}: cell {cell.name!r} has stride {by_axis(stride)}, and a path of stride "
                    f"{by_axis(reach.stride)}; beside cells of two inputs all have the cell's",
                    remedy="give its ops stride: 1, and the cell its stride",
                )
        if cell.aligned and earlier.terms and last.terms and earlier.centre != last.centre:
            raise InputError(
                f"stage {stage.name!r}: paths from the inputs of cell {cell.name!r} have centres "
                f"{apart(earlier.centre, last.centre)} entries apart",
                remedy="use odd kernels in both or even ones in both, or say that it is meant with aligned: false",
            )


def combinations(names: Sequence[str], values: Mapping[str, Sequence[Value]]) -> Iterator[dict[str, Value]]:
    """Yield the combinations of the values of some factors, row-major."""
    for combo in product(*(values[n] for n in names)):
        yield dict(zip(names, combo, strict=True))
