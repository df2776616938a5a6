"""A space as the flat tables that the kernels of `rf.validate` read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np

from rfscale.engine.formulas.registry import published_name
from rfscale.sweeps.kernels import formula_recurrence
from rfscale.sweeps.kernels.formula_errors import OVERLAP_BINS
from rfscale.sweeps.states.compile import Program

Window = tuple[int, int, int]  # kernel, stride, dilation
Kind = tuple[Window, ...]  # of a map: the window of the last layer before it, by axis


class Tables(NamedTuple):
    """Stages of a space as the kernels read them.

    Attributes
    ----------
    stages : int64 array (s, 5)
        Per stage: choices, offset in `variant`, offset in `next_live`, first cell of the counts, kinds.
    variant, next_live : int64 arrays
        By stage and live value (and choice): the first of the stage's lines in `chains`; the live value after it.
    chains : int64 array (c, 6)
        A line for each choice, in an order in which common beginnings stand together: choice, first layer, layers,
        layers in common with the line before, kind, and whether the layer after those in common differs in stride
        alone: its set is there already.
    layers : int64 array (l, 3·axes + 1)
        Kernel, stride, dilation by axis, and the number of the article's formula.
    frames : int64 array (s + 1,)
        First frame of every stage: there is one for each layer of its longest chain.
    width : int
        Words of the widest set, and two more.
    power : int
        How many axes of the space the first one stands for.
    most_choices : int
        Of any stage.
    """

    stages: np.ndarray
    variant: np.ndarray
    next_live: np.ndarray
    chains: np.ndarray
    layers: np.ndarray
    frames: np.ndarray
    width: int
    power: int
    most_choices: int

    def between(self, first: int, until: int) -> Tables:
        """Return the tables of stages first … until - 1, which need not be those that a space begins with."""
        frames = self.frames[first : until + 1] - self.frames[first] + 1
        return self._replace(stages=np.ascontiguousarray(self.stages[first:until]), frames=frames)


class Sources(NamedTuple):
    """Exact sets that stand before the first stage of a walk, one for each group of members.

    Attributes
    ----------
    figures : int64 array (g, axes, 4)
        Extent, pixels, jump, shared.
    start : int64 array (g, axes); words : uint64 array
        Where the bits of each set lie, -1 for a solid one.
    live : int64 array (g,)
        Live value.
    """

    figures: np.ndarray
    start: np.ndarray
    words: np.ndarray
    live: np.ndarray


class Members(NamedTuple):
    """States of the formulas that are walked from, those of one exact set and live value together.

    Attributes
    ----------
    group : int64 array (g + 1,)
        Where the rows of each group begin.
    state : float64 array (n, 2 + 2·axes); flags : int64 array (n, axes)
        S and P; w and u by axis; the flags by axis.
    weight : array (n, 1) or (n, choices)
        Architectures that each stands for, or those of them that have each choice of the first stage; may be 0.
    largest : int
        Rows of the largest group.
    """

    group: np.ndarray
    state: np.ndarray
    flags: np.ndarray
    weight: np.ndarray
    largest: int


class Starts(NamedTuple):
    """States that random chains are drawn from; windows are alike on all axes.

    Attributes
    ----------
    figures : int64 array (n, 4); start : int64 array (n,); words : uint64 array; live : int64 array (n,)
        As in `Sources`, one for each row.
    state : float64 array (n, 4); flags : int64 array (n, 1)
        As in `Members`.
    first : int64 array (n + 1,)
        The first chain of each row, and how many chains there are.
    """

    figures: np.ndarray
    start: np.ndarray
    words: np.ndarray
    live: np.ndarray
    state: np.ndarray
    flags: np.ndarray
    first: np.ndarray


class Pieces(NamedTuple):
    """How a walk is cut into pieces of work.

    Attributes
    ----------
    split, per_group : int
        The choices of so many stages are those of the piece; so many pieces make a group.
    drawn : int64 array (pieces,), or empty
        Chains to draw of each piece, choices uniform at every stage; empty: take all.
    seed : uint64
        Of the draws.
    """

    split: int
    per_group: int
    drawn: np.ndarray
    seed: np.uint64


class Tally(NamedTuple):
    """What a walk counts.

    Attributes
    ----------
    table : array (cells·measures·columns,)
        Maps by cell, measure (formula × figure) and column (error); kernels/formula_errors.py names the columns.
    worst : float64 array (cells·measures,)
        Largest errors; place : int64 array (cells·measures, 1 + stages): the row and the choices that lead there.
    """

    table: np.ndarray
    worst: np.ndarray
    place: np.ndarray


class EdgeSources(NamedTuple):
    """Exact side of what edges start from: arrays (n,), int64.

    `variant` is which chains the choices stand for, `source` the row in tables of the distinct exact states.
    """

    extent: np.ndarray
    jump: np.ndarray
    variant: np.ndarray
    source: np.ndarray


@dataclass(frozen=True)
class Flat:
    """A space as tables, and what is needed to read the counts.

    Attributes
    ----------
    tables : Tables
    kinds : list of list of Kind
        Per stage, what the last column of `stages` numbers.
    lines : tuple of int
        Per stage, its first line in `chains`.
    cells : int
        Cells of the counts: one for each stage, overlap of what it reads and kind of map, in that order.
    """

    tables: Tables
    kinds: list[list[Kind]]
    lines: tuple[int, ...]
    cells: int


def flatten(programs: Sequence[Program], axes: int, ndim: int, widest: int) -> Flat:
    """Return the tables of some programs.

    Parameters
    ----------
    axes, ndim : int
        Axes that are followed, and those of the space: equal, or one for all of them.
    widest : int
        Largest extent.
    """
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
            read = [tuple(_layer(layer, axes, ndim == 2) for layer in chain) for chain in choices]
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
    tables = Tables(
        np.array(stages, np.int64),
        np.concatenate(variant),
        np.concatenate([p.next_live.reshape(-1) for p in programs]),
        np.array(chains, np.int64),
        np.array(rows or [(1,) * 3 * axes + (0,)], np.int64),
        np.array(frames, np.int64),
        (widest + 63) // 64 + 2,
        ndim if axes == 1 else 1,
        max(p.choices for p in programs),
    )
    return Flat(tables, kinds, tuple(lines), cells)


def _order(layer: tuple[int, ...], axes: int) -> tuple[tuple[int, ...], ...]:
    """Kernels, dilations and strides: layers in this order that differ in stride alone are neighbours."""
    return layer[: 3 * axes : 3], layer[2 : 3 * axes : 3], layer[1 : 3 * axes : 3]


def _layer(layer: Any, axes: int, article: bool) -> tuple[int, ...]:
    """Kernel, stride and dilation by axis, and the number of the article's formula, 0 if there is none."""
    windows = []
    for a in range(axes):
        k, s, d = layer.kernel[a], layer.stride[a], layer.dilation[a]
        windows.append((k, s, d if k > 1 else 1))
    name = published_name(windows[0]) if article and len(set(windows)) == 1 else ""
    number = getattr(formula_recurrence, name.upper()) if name else formula_recurrence.NO_FORMULA
    return (*(value for window in windows for value in window), number)
