"""The distinct effects of a cell, with the number of its choices that has each: node by node, equal maps merged.

Of the last node, only the number of choices for each effect is kept: which choices these are is found again when a
question asks for some.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from rfscale.sweeps.kernels import cells as kernels
from rfscale.sweeps.spaces.graphs.cell import CellUse
from rfscale.sweeps.spaces.graphs.wiring import ChainLayer
from rfscale.sweeps.states.cells.levels import Level, NodeLevels, Wanted
from rfscale.sweeps.states.cells.maps import Sets, Terms
from rfscale.sweeps.states.numbering import distinct_columns, distinct_rows

MAX_EFFECTS = 1 << 22
Width = tuple[int, ...]  # pixels on each axis, or on all


class DistinctEffects(NodeLevels):
    """Effects of one use of a cell of many choices.

    Attributes
    ----------
    masks : uint64 array (effects, words)
        Sets of the paths of each from both inputs, as `Universe` codes them.
    costs : int64 array (effects, costs)
        With `wanted`, effects are told apart by their costs, too.
    counts : int64 array
        Choices of each.
    """

    def __init__(
        self,
        stage: str,
        use: CellUse,
        layers: Callable[[Mapping[str, Any]], Sequence[ChainLayer]],
        algebra: Sets,
        wanted: Wanted | None = None,
    ) -> None:
        super().__init__(stage, use, layers, algebra, wanted)
        words = self.universe.words
        last_node: Any = kernels.last_node
        found, self.counts, fits = last_node(*self._last_rows(), self._least(), MAX_EFFECTS)
        if not fits:
            self._refuse(self.steps[-1].name, f"more than {MAX_EFFECTS}")
        if wanted is not None:
            keep = self.needed(distinct_rows(found[:, :words])[0], found[:, words:].view(np.int64), self.counts)
            found, self.counts = found[keep], self.counts[keep]
        self.found, self.masks, self.costs = found, found[:, :words], found[:, words:].view(np.int64)
        self.free = prod(
            n for name, n in self._sizes().items() if name not in self._used()
        )  # of nodes that lead nowhere
        self.counts = self.counts * self.free
        self._classes: dict[tuple[Width, Width], tuple[np.ndarray, list[tuple[Terms, Terms]]]] = {}

    def classes(self, jump: Width, width: Width) -> tuple[np.ndarray, list[tuple[Terms, Terms]]]:
        """Return the class of each effect, and an effect of each class: those that do the same to wide footprints.

        Two effects do the same to every union of runs of at least `width` pixels if they do so to one such run, or
        product of runs where axes differ; `jump` and `width` are by axis.
        """
        key = (jump, width)
        if key not in self._classes:
            masks, terms = self.universe.widened(self.masks, jump, width)
            number, first = distinct_rows(masks)
            found = terms(masks[first])
            pairs = [(row[0], row[-1]) if len(row) == 2 else ((), row[0]) for row in found]
            self._classes[key] = number, pairs
        return self._classes[key]

    def _last_rows(self) -> tuple[Any, ...]:
        """Arguments of `last_node`: rows merged by what a choice of the last node reads of them."""
        level, step, inputs = self._levels[-1], self.steps[-1], len(self.cell.inputs)
        op_times = np.zeros((len(step.ops), self.kinds), np.int64)
        for edge, names in enumerate(step.ops):
            np.add.at(op_times[edge], [self.ops.of[name] for name in names], 1)
        sources = [*self.cell.inputs, *level.names]
        read = []
        for subset in step.subsets:
            at = [sources.index(s) for s in subset]
            columns = [np.full(len(level.rows), a) if a < inputs else level.rows[:, a - inputs] + inputs for a in at]
            maps = np.stack(columns, axis=1).astype(np.int64)
            if (op_times == op_times[0]).all():
                maps.sort(axis=1)
            read.append(maps)
        rows, maps, weight = self._merged_reads(level, read)
        price, first = distinct_rows(self.ops.costs.reshape((inputs + 1) * self.kinds, -1).view(np.uint64))
        prices = np.ascontiguousarray(self.ops.costs.reshape(len(price), -1)[first])
        return (
            maps,
            level.base[rows],
            weight,
            level.costs[rows],
            self._moved,
            self.universe.fixed,
            op_times,
            price.astype(np.int64).reshape(inputs + 1, -1),
            prices,
        )

    def _merged_reads(self, level: Level, read: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return rows of a level, the maps that the last node reads of each, and the choices that lead to both.

        `read` has the maps of each choice of them, row by row. Rows alike in what matters are one: also those of
        different choices, and, where only the least of a cost is wanted, those that cost more.
        """
        maps, rows = np.concatenate(read), np.tile(np.arange(len(level.rows)), len(read))
        number, first = distinct_columns([level.base_number[rows], *maps.T])
        weight, least = level.weight[rows], self._least()
        if least:
            cost = least * level.costs[rows, 0]
            lowest = np.full(len(first), np.iinfo(np.int64).max)
            np.minimum.at(lowest, number, cost)
            keep = cost == lowest[number]
            number, weight, at = number[keep], weight[keep], np.flatnonzero(keep)
            first = np.zeros(len(first), np.int64)
            first[number[::-1]] = at[::-1]  # the first is written last
        elif level.costs.shape[1]:
            cost_number, _ = distinct_rows(level.costs.view(np.uint64))
            number, first = distinct_columns([number, cost_number[rows]])
        summed = np.zeros(len(first), np.int64)
        np.add.at(summed, number, weight)
        return rows[first], maps[first], summed

    def _last_states(self) -> tuple[Any, ...]:
        """Arguments of `last_choices` up to what is wanted."""
        level = self._levels[-1]
        sources = [*self.cell.inputs, *level.names]
        slots, times, _ = self._alternatives(len(self.steps) - 1)
        of_source = np.minimum(np.arange(len(sources)), len(self.cell.inputs))
        costs = np.ascontiguousarray(self.ops.costs[of_source].reshape(len(sources) * self.kinds, -1))
        price, first = distinct_rows(costs.view(np.uint64))
        prices = price.astype(np.int64), np.ascontiguousarray(costs[first])
        own = self._moved, self.universe.fixed, slots, times
        return level.rows, level.base, level.weight, level.costs, *own, *prices

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
        last_choices(*self._last_states(), self.found[masks], np.append(begin, len(wanted)), number[order], out)
        found = [0] * len(wanted)
        for i, (row, choice, rest) in zip(order.tolist(), out.T.tolist(), strict=True):
            found[i] = self._choice(row, choice, rest, wanted[i][1] % self.free)
        return found

    def _choice(self, row: int, last: int, number: int, free: int) -> int:
        """Number of a choice, from the row of the last level, what the last node is, and which one of those it is."""
        times = int(self._alternatives(len(self.steps) - 1).times[last])
        number, member = divmod(number, times)
        trail = [(row, last, member)]
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
            trail.append((row_before, choice, member))
            row = row_before
        return self._position(trail[::-1], free)

    def _position(self, trail: Sequence[tuple[int, int, int]], free: int) -> int:
        """Position of the choice that takes, at each node, some alternative on a row of maps."""
        digits: dict[str, int] = {}
        standing: list[str] = []  # the node in each column
        for i, (row, choice, member) in enumerate(trail):
            step, level = self.steps[i], self._levels[i]
            slots = self._alternatives(i).slots
            sources = [*self.cell.inputs, *standing]
            chosen: list[tuple[str, int]] = []
            mask = np.zeros(self.universe.words, np.uint64)
            for slot, ops in zip(slots[choice].tolist(), step.ops, strict=True):
                at, kind = divmod(slot, self.kinds)
                alike = [o for o, name in enumerate(ops) if self.ops.of[name] == kind]
                member, which = divmod(member, len(alike))
                chosen.append((sources[at], alike[which]))
                read = at - len(self.cell.inputs)
                mask |= self.universe.fixed[at, kind] if read < 0 else self._moved[level.rows[row, read], kind]
            if step.alike:
                places = list(dict.fromkeys(s for subset in step.subsets for s in subset))
                chosen.sort(key=lambda edge: places.index(edge[0]))
            values = [step.subsets.index(tuple(s for s, _ in chosen)), *(o for _, o in chosen)]
            for (name, _), digit in zip(step.factors, values, strict=True):
                digits[f"{self.use.prefix}_{name}"] = digit
            if i + 1 < len(self.steps):
                columns = {name: (int(level.rows[row, c]), standing[c]) for c, name in enumerate(level.names)}
                columns[step.name] = self._number_of(mask), step.name
                standing = self._standing(self._levels[i + 1], trail[i + 1][0], columns)
        out = 0
        for name, size in self._sizes().items():
            if name not in digits:
                free, digits[name] = divmod(free, size)
            out = out * size + digits[name]
        return out

    def _standing(self, level: Level, row: int, columns: Mapping[str, tuple[int, str]]) -> list[str]:
        """The nodes in the columns of a row, from the map and the node of each column before maps were merged."""
        maps = np.array([columns[name][0] for name in level.names], np.int64)
        maps = level.stands[np.searchsorted(level.pairs, level.base_number[row] * np.int64(level.maps) + maps)]
        names = [columns[name][1] for name in level.names]
        for group in self._groups(level.names):
            found = sorted(group, key=lambda c: maps[c])
            for c, name in zip(group, [names[c] for c in found], strict=True):
                names[c] = name
        return names

    def _number_of(self, mask: np.ndarray) -> int:
        if len(self._index) < len(self._maps):
            self._index = {row.tobytes(): i for i, row in enumerate(self._maps)}
        return self._index[mask.tobytes()]
