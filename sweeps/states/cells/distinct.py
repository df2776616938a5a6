"""The distinct effects of a cell, with the number of its choices that has each: node by node, equal maps merged.

A level has a row of maps for each combination that can occur, and how many choices lead to it; nodes that are read
alike later stand in any order. Of the last node, only the number of choices for each effect is kept: which choices
these are is found again when a question asks for some.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.kernels import cells as kernels
from rfscale.sweeps.kernels import paths
from rfscale.sweeps.spaces.graphs.cell import Cell, CellUse
from rfscale.sweeps.spaces.graphs.wiring import ChainLayer
from rfscale.sweeps.states.cells.maps import Sets, Terms
from rfscale.sweeps.states.cells.steps import Alternatives, Ops, Universe, interchangeable, steps_of_cell

MAX_ROWS = 1 << 24  # states × choices of one node, before equal ones are merged
MAX_EFFECTS = 1 << 22


@dataclass
class _Level:
    """The maps after a node: columns by name, rows of map numbers, and how the level before leads here."""

    names: list[str]
    rows: np.ndarray
    weight: np.ndarray
    follow: np.ndarray
    alternatives: Alternatives | None


class DistinctEffects:
    """Effects of one use of a cell of many choices.

    Attributes
    ----------
    masks : uint64 array (effects, words)
        Sets of the paths of each from both inputs, as `Universe` codes them.
    counts : int64 array
        Choices of each.
    """

    def __init__(
        self,
        stage: str,
        use: CellUse,
        layers: Callable[[Mapping[str, Any]], Sequence[ChainLayer]],
        algebra: Sets,
        hulls: bool,
    ) -> None:
        assert isinstance(use.cell, Cell)
        self.stage, self.use, self.cell = stage, use, use.cell
        cell = self.cell
        if set(cell.output) & set(cell.inputs):
            raise InputError(f"stage {stage!r}: an input of cell {cell.name!r} is its output; take a node")
        self.steps = steps_of_cell(cell)
        self.ops = Ops(stage, cell, layers, algebra.terms)
        self.universe = Universe(stage, cell, self.ops, len(self.steps), hulls)
        self._index: dict[bytes, int] = {}
        self._alike = interchangeable(self.steps, cell.output)
        self._maps = np.zeros((0, self.universe.words), np.uint64)  # numbered masks
        self._moved = np.zeros((0, len(self.ops.paths), self.universe.words), np.uint64)
        self._levels = [_Level([], np.zeros((1, 0), np.int32), np.ones(1, np.int64), np.zeros((0, 0), np.int32), None)]
        for i in range(len(self.steps) - 1):
            self._add(i)
        self._last = self._last_arguments()
        last_node: Any = kernels.last_node
        self.masks, self.counts, fits = last_node(*self._last, MAX_EFFECTS)
        if not fits:
            self._refuse(self.steps[-1].name, f"more than {MAX_EFFECTS}")
        self.free = prod(
            n for name, n in self._sizes().items() if name not in self._used()
        )  # of nodes that lead nowhere
        self.counts = self.counts * self.free
        self._classes: dict[tuple[int, int], tuple[np.ndarray, list[tuple[Terms, Terms]]]] = {}

    def classes(self, jump: int, width: int) -> tuple[np.ndarray, list[tuple[Terms, Terms]]]:
        """Return the class of each effect, and an effect of each class: those that do the same to wide footprints.

        Two effects do the same to every union of runs of at least `width` pixels if they do so to one such run.
        """
        key = (jump, width)
        if key not in self._classes:
            masks, terms = self.universe.widened(self.masks, jump, width)
            number, first = distinct_rows(masks)
            found = terms(masks[first])
            pairs = [(row[0], row[-1]) if len(row) == 2 else ((), row[0]) for row in found]
            self._classes[key] = number, pairs
        return self._classes[key]

    # levels ----------------------------------------------------------------------------------------------------------

    def _sizes(self) -> dict[str, int]:
        return {name: len(labels) for name, labels in self.use.factors}

    def _used(self) -> set[str]:
        return {f"{self.use.prefix}_{name}" for step in self.steps for name, _ in step.factors if name}

    def _refuse(self, node: str, many: str) -> None:
        raise InputError(
            f"stage {self.stage!r}: cell {self.cell.name!r} leads to {many} combinations of maps at node {node!r}; "
            "that is too many",
            remedy="give fewer nodes or ops, or ask only for extent and jump, which need no sets",
        )

    def _numbered(self, masks: np.ndarray) -> np.ndarray:
        """Numbers of masks; new ones are added."""
        known = len(self._maps)
        number, first = distinct_rows(np.concatenate([self._maps, masks]))
        new = first[known:] - known
        self._maps = np.concatenate([self._maps, masks[new]])
        self._moved = np.concatenate([self._moved, self.universe.moved(masks[new])])
        return number[known:]

    def _read_later(self, i: int) -> list[str]:
        """Nodes up to number i that a later one reads."""
        later = {s for step in self.steps[i + 1 :] for subset in step.subsets for s in subset}
        return [step.name for step in self.steps[: i + 1] if step.name in later]

    def _kept(self, i: int) -> list[str]:
        """Columns after node i: maps that a later node reads or that are part of the output."""
        read = self._read_later(i)
        return [s.name for s in self.steps[: i + 1] if s.name in read or s.name in self.cell.output]

    def _own(self, level: _Level) -> np.ndarray:
        """Mask of every slot of a level: (rows, sources × ops, words), inputs first."""
        n, words = len(level.rows), self.universe.words
        fixed = np.broadcast_to(self.universe.fixed, (n, *self.universe.fixed.shape))
        return np.concatenate([fixed, self._moved[level.rows]], axis=1).reshape(n, -1, words)

    def _add(self, i: int) -> None:
        """Add the level after node i, which is not the last."""
        step, level = self.steps[i], self._levels[-1]
        alternatives = self.ops.alternatives(step, [*self.cell.inputs, *level.names])
        slots, times = alternatives
        if len(level.rows) * len(slots) > MAX_ROWS:
            self._refuse(step.name, str(len(level.rows) * len(slots)))
        own = self._own(level)
        made = np.zeros((len(level.rows), len(slots), self.universe.words), np.uint64)
        for edge in range(slots.shape[1]):
            made |= own[:, slots[:, edge]]
        number = self._numbered(made.reshape(-1, self.universe.words))
        columns = {name: np.repeat(level.rows[:, c], len(slots)) for c, name in enumerate(level.names)}
        columns[step.name] = number
        names = self._kept(i)
        rows = np.stack([columns[name] for name in names], axis=1).astype(np.int32)
        for group in self._groups(names):
            rows[:, group] = np.sort(rows[:, group], axis=1)
        follow, first = distinct_rows(rows)
        weight = np.zeros(len(first), np.int64)
        np.add.at(weight, follow, (level.weight[:, None] * times).reshape(-1))
        self._levels.append(_Level(names, rows[first], weight, follow.reshape(-1, len(slots)), alternatives))

    def _groups(self, names: Sequence[str]) -> list[list[int]]:
        """Columns that stand in any order."""
        groups: dict[Any, list[int]] = {}
        for c, name in enumerate(names):
            groups.setdefault(self._alike[name], []).append(c)
        return [group for group in groups.values() if len(group) > 1]

    def _last_arguments(self) -> tuple[np.ndarray, ...]:
        level, step = self._levels[-1], self.steps[-1]
        base = np.zeros((len(level.rows), self.universe.words), np.uint64)
        for c, name in enumerate(level.names):
            if name in self.cell.output:
                base |= self._maps[level.rows[:, c]]
        slots, times = self.ops.alternatives(step, [*self.cell.inputs, *level.names])
        return level.rows, base, level.weight, self._moved, self.universe.fixed, slots, times

    # choices ---------------------------------------------------------------------------------------------------------

    def choices(self, wanted: Sequence[tuple[int, int]]) -> list[int]:
        """Return choices of the cell, each the number so-and-so of those with some effect: (effect, number).

        A choice is its position among all combinations of the cell's factors, row-major.
        """
        effects = np.array([e for e, _ in wanted], np.int64)
        number = np.array([n // self.free for _, n in wanted], np.int64)
        order = np.lexsort([number, effects])
        masks, begin = np.unique(effects[order], return_index=True)
        out = np.zeros((3, len(wanted)), np.int64)
        last_choices: Any = kernels.last_choices
        last_choices(*self._last, self.masks[masks], np.append(begin, len(wanted)), number[order], out)
        found = [0] * len(wanted)
        for i, (row, choice, rest) in zip(order.tolist(), out.T.tolist(), strict=True):
            found[i] = self._choice(row, choice, rest, wanted[i][1] % self.free)
        return found

    def _choice(self, row: int, last: int, number: int, free: int) -> int:
        """Number of a choice, from the row of the last level, what the last node is, and which one of those it is."""
        times = int(self._last[6][last])
        number, member = divmod(number, times)
        trail = [(last, member)]
        for i in range(len(self.steps) - 1, 0, -1):  # back to the beginning
            level, before = self._levels[i], self._levels[i - 1]
            assert level.alternatives is not None
            for flat in np.flatnonzero(level.follow == row).tolist():
                row_before, choice = divmod(flat, level.follow.shape[1])
                times = int(level.alternatives.times[choice])
                many = int(before.weight[row_before]) * times
                if number < many:
                    break
                number -= many
            number, member = divmod(number, times)
            trail.append((choice, member))
            row = row_before
        return self._position(trail[::-1], free)

    def _position(self, trail: Sequence[tuple[int, int]], free: int) -> int:
        """Position of the choice that takes some alternative at each node."""
        digits: dict[str, int] = {}
        maps: dict[str, int] = {}  # of the nodes so far
        kinds = len(self.ops.paths)
        for i, (choice, member) in enumerate(trail):
            step, names = self.steps[i], self._standing(i, maps)
            slots, _ = self.ops.alternatives(step, [*self.cell.inputs, *self._levels[i].names])
            sources = [*self.cell.inputs, *names]
            chosen: list[tuple[str, int]] = []
            mask = np.zeros(self.universe.words, np.uint64)
            for slot, ops in zip(slots[choice].tolist(), step.ops, strict=True):
                source, kind = sources[slot // kinds], slot % kinds
                alike = [o for o, name in enumerate(ops) if self.ops.of[name] == kind]
                member, which = divmod(member, len(alike))
                chosen.append((source, alike[which]))
                fixed = source in self.cell.inputs
                mask |= self.universe.fixed[slot // kinds, kind] if fixed else self._moved[maps[source], kind]
            if step.alike:
                places = list(dict.fromkeys(s for subset in step.subsets for s in subset))
                chosen.sort(key=lambda edge: places.index(edge[0]))
            values = [step.subsets.index(tuple(s for s, _ in chosen)), *(o for _, o in chosen)]
            for (name, _), digit in zip(step.factors, values, strict=True):
                digits[f"{self.use.prefix}_{name}"] = digit
            if i + 1 < len(self.steps):
                maps[step.name] = self._number_of(mask)
        out = 0
        for name, size in self._sizes().items():
            if name not in digits:
                free, digits[name] = divmod(free, size)
            out = out * size + digits[name]
        return out

    def _standing(self, i: int, maps: Mapping[str, int]) -> list[str]:
        """The nodes that stand in the columns of the level before node i: those that are alike are sorted by map."""
        names = list(self._levels[i].names)
        for group in self._groups(names):
            found = sorted((names[c] for c in group), key=lambda name: maps[name])
            for c, name in zip(group, found, strict=True):
                names[c] = name
        return names

    def _number_of(self, mask: np.ndarray) -> int:
        if len(self._index) < len(self._maps):
            self._index = {row.tobytes(): i for i, row in enumerate(self._maps)}
        return self._index[mask.tobytes()]


def distinct_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number distinct rows of whole numbers in order of appearance: numbers, and where each first appears."""
    number, first = np.zeros(len(rows), np.int32), np.zeros(min(1, len(rows)), np.int64)
    for column in rows.T:
        values = np.ascontiguousarray(column)
        if values.dtype.kind == "u":
            values = paths.renumber(values.view(np.int64))[0]
        number, first = paths.renumber(number.astype(np.int64) << 31 | values)
    return number, first
