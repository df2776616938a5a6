"""A space as the flat tables that the kernels of `rf.validate` read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np

from rfscale.engine.formulas.registry import PUBLISHED_BY_WINDOW
from rfscale.sweeps.kernels.formula_errors import OVERLAP_BINS
from rfscale.sweeps.states.compile import Program

Window = tuple[int, int, int]  # kernel, stride, dilation


Kind = tuple[Window, ...]  # of a map: the window of the last layer before it, by axis


NUMBERS = {name: i for i, name in enumerate(("conv1", "conv1_s2", "pool2", "conv3", "conv3_s2", "dilated3"), start=1)}


SEVEN = 7  # number of the formula for a 7×7 of stride 2 as the first layer


@dataclass(frozen=True)
class Flat:
    """Programs of all stages as tables; `rfscale.sweeps.kernels.formula_errors.walk` says what the arrays hold.

    Attributes
    ----------
    kinds : list of list of Kind
        Per stage, what the last column of `chains` numbers.
    lines : tuple of int
        Per stage, its first line in `chains`.
    cells : int
        Cells of the tables: one for each stage, overlap of what it reads and kind of map, in that order.
    """

    stages: np.ndarray
    variant: np.ndarray
    next_live: np.ndarray
    chains: np.ndarray
    layers: np.ndarray
    frames: np.ndarray
    kinds: list[list[Kind]]
    lines: tuple[int, ...]
    cells: int

    def behind(self, stage: int, until: int) -> tuple[np.ndarray, ...]:
        """Return the arguments of `walk` for stages stage … until - 1."""
        frames = self.frames[stage : until + 1] - self.frames[stage] + 1
        stages = np.ascontiguousarray(self.stages[stage:until])
        return stages, self.variant, self.next_live, self.chains, self.layers, frames


def flatten(programs: Sequence[Program], axes: int, article: bool) -> Flat:
    """Return the tables of some programs; `article` is whether its formulas are for so many axes."""
    rows: list[tuple[int, ...]] = []
    runs: dict[tuple[tuple[int, ...], ...], int] = {}  # where the layers of a chain begin
    kinds: list[list[Kind]] = []
    chains: list[tuple[int, ...]] = []
    lines, stages, frames = [], [], [1]
    n_variant = n_live = cells = 0
    for program in programs:
        names: dict[Kind, int] = {}
        lines.append(len(chains))
        longest = 0
        for choices in program.layers:
            read = [tuple(_layer(layer, axes, article) for layer in chain) for chain in choices]
            before: tuple[tuple[int, ...], ...] = ()
            order = [[_order(layer, axes) for layer in chain] for chain in read]
            for c in sorted(range(len(read)), key=order.__getitem__):
                chain = read[c]
                if chain not in runs:
                    runs[chain] = len(rows)
                    rows += chain
                common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, chain, strict=False)))
                after = [c[common] for c in (before, chain) if len(c) > common]
                same = len(after) == 2 and _order(after[0], axes)[:-1] == _order(after[1], axes)[:-1]
                last = chain[-1] if chain else (1, 1, 1) * axes
                kind: Kind = tuple((last[3 * a], last[3 * a + 1], last[3 * a + 2]) for a in range(axes))
                chains.append((c, runs[chain], len(chain), common, names.setdefault(kind, len(names)), same))
                longest, before = max(longest, len(chain)), chain
        stages.append((program.choices, n_variant, n_live, cells, len(names)))
        frames.append(frames[-1] + longest)
        kinds.append(list(names))
        n_variant, n_live = n_variant + len(program.variant), n_live + program.next_live.size
        cells += OVERLAP_BINS * len(names)
    variant = [p.variant * p.choices + line for p, line in zip(programs, lines, strict=True)]
    return Flat(
        np.array(stages, np.int64),
        np.concatenate(variant),
        np.concatenate([p.next_live.reshape(-1) for p in programs]),
        np.array(chains, np.int64),
        np.array(rows or [(1,) * 3 * axes + (0,)], np.int64),
        np.array(frames, np.int64),
        kinds,
        tuple(lines),
        cells,
    )


def _order(layer: tuple[int, ...], axes: int) -> tuple[tuple[int, ...], ...]:
    """Kernels, dilations and strides: layers in this order that differ in stride alone are neighbours."""
    return layer[: 3 * axes : 3], layer[2 : 3 * axes : 3], layer[1 : 3 * axes : 3]


def _layer(layer: Any, axes: int, article: bool) -> tuple[int, ...]:
    """Kernel, stride and dilation by axis, and the number of the article's formula, 0 if there is none."""
    windows = []
    for a in range(axes):
        k, s, d = layer.kernel[a], layer.stride[a], layer.dilation[a]
        windows.append((k, s, d if k > 1 else 1))
    number = 0
    if article and len(set(windows)) == 1:
        number = SEVEN if windows[0] == (7, 2, 1) else NUMBERS.get(PUBLISHED_BY_WINDOW.get(windows[0], ""), 0)
    return (*(value for window in windows for value in window), number)
