"""The distinct effects of a cell, with the number of its choices that has each: node by node, equal maps merged.

A level has a row for each combination that can occur, and how many choices lead to it: what the output has so far, the
maps that are read later, and costs where these are asked for. A map stands for all that add the same to that output,
through whatever ops may follow; nodes that are read alike later stand in any order. Of the last node, only the number
of choices for each effect is kept: which choices these are is found again when a question asks for some.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, NamedTuple

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.kernels import cells as kernels
from rfscale.sweeps.kernels import paths
from rfscale.sweeps.spaces.graphs.cell import Cell, CellUse
from rfscale.sweeps.spaces.graphs.wiring import ChainLayer
from rfscale.sweeps.states.cells.maps import Sets, Terms
from rfscale.sweeps.states.cells.steps import Alternatives, Ops, Prices, Universe, interchangeable, steps_of_cell

MAX_ROWS = 1 << 24  # states × choices of one node, before equal ones are merged
MAX_EFFECTS = 1 << 22
MAX_SEQUENCES = 128  # of ops that may follow a map; where there are more, maps that add the same are not merged


class Wanted(NamedTuple):
    """Costs that effects are told apart by, and which of them a question needs.

    Attributes
    ----------
    prices : mapping of str to tuple
        What each op costs (`Prices`).
    directions : float or int array (costs, columns), or None
        Weights of the sums that shall be small; None: all costs are wanted.
    k : int
        Choices wanted of each effect: others that as many are no worse than in every column are left out.
    """

    prices: Prices
    directions: np.ndarray | None
    k: int


@dataclass
class _Level:
    """The rows after a node: columns of maps by name, and how the level before leads here (-1: left out)."""

    names: list[str]
    rows: np.ndarray
    base: np.ndarray  # mask of what the output has
    costs: np.ndarray
    weight: np.ndarray
    follow: np.ndarray
    alternatives: Alternatives | None
    base_number: np.ndarray
    pairs: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # base number × maps + map, rising
    stands: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # the map that stands for that one
    maps: int = 0


class DistinctEffects:
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
        hulls: bool,
        wanted: Wanted | None = None,
    ) -> None:
        assert isinstance(use.cell, Cell)
        self.stage, self.use, self.cell, self._wanted = stage, use, use.cell, wanted
        cell = self.cell
        if set(cell.output) & set(cell.inputs):
            raise InputError(f"stage {stage!r}: an input of cell {cell.name!r} is its output; take a node")
        if use.size >= 2**63:
            raise InputError(
                f"stage {stage!r}: cell {cell.name!r} has {use.size:.4g} choices; at most 2^63 are counted",
                remedy="give fewer nodes or ops",
            )
        self.steps = steps_of_cell(cell)
        self.ops = Ops(stage, cell, layers, algebra.terms, wanted.prices if wanted else None)
        self.universe = Universe(stage, cell, self.ops, len(self.steps), hulls)
        words = self.universe.words
        self._index: dict[bytes, int] = {}
        self._made: dict[int, Alternatives] = {}
        self._alike = interchangeable(self.steps, cell.output)
        self._maps = np.zeros((0, words), np.uint64)  # numbered masks
        self._moved = np.zeros((0, len(self.ops.paths), words), np.uint64)
        self._levels = [
            _Level(
                [],
                np.zeros((1, 0), np.int32),
                np.zeros((1, words), np.uint64),
                np.zeros((1, self.ops.costs.shape[2]), np.int64),
                np.ones(1, np.int64),
                np.zeros((0, 0), np.int32),
                None,
                np.zeros(1, np.int32),
            )
        ]
        for i in range(len(self.steps) - 1):
            self._add(i)
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
        costs = " and costs" if self._wanted is not None else ""
        raise InputError(
            f"stage {self.stage!r}: cell {self.cell.name!r} leads to {many} combinations of maps{costs} at node "
            f"{node!r}; that is too many",
            remedy="give fewer nodes or ops, or ask only for extent and jump, which need no sets",
        )

    def _least(self) -> int:
        """1 or -1 where only the least or the largest of one cost is needed of each effect; else 0."""
        wanted = self._wanted
        if wanted is None or wanted.k != 1 or wanted.directions is None or wanted.directions.shape != (1, 1):
            return 0
        return 1 if wanted.directions[0, 0] > 0 else -1

    def needed(self, group: np.ndarray, costs: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Which rows a question needs: bool array. Rows of a group are alike but for their costs."""
        if self._wanted is None or self._wanted.directions is None:
            return np.ones(len(group), bool)
        values = costs @ self._wanted.directions
        order = np.lexsort([*values.T[::-1], group])
        kept: Any = kernels.undominated_rows
        keep = np.zeros(len(group), bool)
        keep[order] = kept(group[order].astype(np.int64), values[order], weight[order], self._wanted.k)
        return keep

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

    def _alternatives(self, i: int) -> Alternatives:
        """What node i may be, on the columns of the level before it."""
        if i not in self._made:
            self._made[i] = self.ops.alternatives(self.steps[i], [*self.cell.inputs, *self._levels[i].names])
        return self._made[i]

    def _own(self, level: _Level) -> np.ndarray:
        """Mask of every slot of a level: (rows, sources × ops, words), inputs first."""
        n, words = len(level.rows), self.universe.words
        fixed = np.broadcast_to(self.universe.fixed, (n, *self.universe.fixed.shape))
        return np.concatenate([fixed, self._moved[level.rows]], axis=1).reshape(n, -1, words)

    def _add(self, i: int) -> None:
        """Add the level after node i, which is not the last."""
        step, level, words = self.steps[i], self._levels[-1], self.universe.words
        alternatives = self._alternatives(i)
        slots, times, costs = alternatives
        if len(level.rows) * len(slots) > MAX_ROWS:
            self._refuse(step.name, str(len(level.rows) * len(slots)))
        own = self._own(level)
        made = np.zeros((len(level.rows), len(slots), words), np.uint64)
        for edge in range(slots.shape[1]):
            made |= own[:, slots[:, edge]]
        number = self._numbered(made.reshape(-1, words))
        base = np.broadcast_to(level.base[:, None], made.shape)
        base = np.ascontiguousarray(base | made if step.name in self.cell.output else base).reshape(-1, words)
        columns = {name: np.repeat(level.rows[:, c], len(slots)) for c, name in enumerate(level.names)}
        columns[step.name] = number
        names = self._read_later(i)
        rows = np.stack([columns[name] for name in names], axis=1) if names else np.zeros((len(number), 0))
        total = (level.costs[:, None] + costs).reshape(len(number), -1)
        weight = (level.weight[:, None] * times).reshape(-1)
        self._levels.append(self._merged(i, names, rows.astype(np.int64), base, total, weight, alternatives))

    def _merged(
        self,
        i: int,
        names: list[str],
        rows: np.ndarray,
        base: np.ndarray,
        costs: np.ndarray,
        weight: np.ndarray,
        alternatives: Alternatives,
    ) -> _Level:
        """The level after node i of rows that may be alike."""
        base_number, _ = distinct_rows(base)
        keys = base_number[:, None] * np.int64(len(self._maps)) + rows
        pairs, place = np.unique(keys, return_inverse=True)
        stands = self._standing_for(pairs, base, base_number, len(self.steps) - 1 - i)
        rows = stands[place.reshape(rows.shape)].astype(np.int32)
        for group in self._groups(names):
            rows[:, group] = np.sort(rows[:, group], axis=1)
        follow, first = distinct_rows(np.concatenate([base_number[:, None], rows], axis=1))
        if costs.shape[1]:
            total, _ = distinct_rows(np.ascontiguousarray(costs).view(np.uint64))
            alike = follow
            follow, first = distinct_rows(np.stack([follow, total], axis=1))
        summed = np.zeros(len(first), np.int64)
        np.add.at(summed, follow, weight)
        if costs.shape[1]:
            keep = self.needed(alike[first], costs[first], summed)
            place = np.where(keep, np.cumsum(keep) - 1, -1).astype(np.int32)
            follow, first, summed = place[follow], first[keep], summed[keep]
        return _Level(
            names,
            rows[first],
            base[first],
            costs[first],
            summed,
            follow.reshape(-1, len(alternatives.times)),
            alternatives,
            base_number[first],
            pairs,
            stands,
            len(self._maps),
        )

    def _standing_for(self, pairs: np.ndarray, base: np.ndarray, base_number: np.ndarray, left: int) -> np.ndarray:
        """The map that stands for each of some (base number × maps + map): of those that add the same, the first.

        `left` nodes follow: a map adds what all sequences of so many ops, or fewer, make of it, beside the base.
        """
        number, maps = np.divmod(pairs, max(1, len(self._maps)))
        sequences, level = [], [(0, self._maps)]  # last op of each, and what it makes: the order of ops is the same
        for _ in range(left):
            level = [(o, self.universe.moved_by(masks, o)) for first, masks in level for o in range(first, self.kinds)]
            sequences += [masks for _, masks in level]
            if len(sequences) > MAX_SEQUENCES:
                return maps
        if not len(pairs):
            return maps
        masks = np.zeros((int(base_number.max()) + 1, base.shape[1]), np.uint64)
        masks[base_number] = base
        alike = np.concatenate([m[maps] | masks[number] for m in sequences], axis=1)
        group, first = distinct_rows(np.concatenate([number[:, None].astype(np.uint64), alike], axis=1))
        return maps[first][group]

    @property
    def kinds(self) -> int:
        """Classes of ops."""
        return len(self.ops.paths)

    def _groups(self, names: Sequence[str]) -> list[list[int]]:
        """Columns that stand in any order."""
        groups: dict[Any, list[int]] = {}
        for c, name in enumerate(names):
            groups.setdefault(self._alike[name], []).append(c)
        return [group for group in groups.values() if len(group) > 1]

    def _last_rows(self) -> tuple[Any, ...]:
        """Arguments of `last_node`: rows merged by what a choice of the last node reads of them."""
        level, step, inputs = self._levels[-1], self.steps[-1], len(self.cell.inputs)
        op_times = np.zeros((len(step.ops), self.kinds), np.int64)
        for edge, names in enumerate(step.ops):
            np.add.at(op_times[edge], [self.ops.of[name] for name in names], 1)
        cost_number, _ = distinct_rows(level.costs.view(np.uint64))
        sources = [*self.cell.inputs, *level.names]
        read, origin, weight = [], [], []
        for subset in step.subsets:
            at = [sources.index(s) for s in subset]
            columns = [np.full(len(level.rows), a) if a < inputs else level.rows[:, a - inputs] + inputs for a in at]
            maps = np.stack(columns, axis=1).astype(np.int64)
            if (op_times == op_times[0]).all():
                maps.sort(axis=1)
            merged = [(level.base_number, len(level.rows)), (cost_number, len(level.rows))]
            number, first = _numbered([*merged, *((column, len(self._maps) + inputs) for column in maps.T)])
            summed = np.zeros(len(first), np.int64)
            np.add.at(summed, number, level.weight)
            read.append(maps[first])
            origin.append(first)
            weight.append(summed)
        rows = np.concatenate(origin)
        price, first = distinct_rows(self.ops.costs.reshape((inputs + 1) * self.kinds, -1).view(np.uint64))
        prices = np.ascontiguousarray(self.ops.costs.reshape(len(price), -1)[first])
        return (
            np.concatenate(read),
            level.base[rows],
            np.concatenate(weight),
            level.costs[rows],
            self._moved,
            self.universe.fixed,
            op_times,
            price.astype(np.int64).reshape(inputs + 1, -1),
            prices,
        )

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

    def _standing(self, level: _Level, row: int, columns: Mapping[str, tuple[int, str]]) -> list[str]:
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


def _numbered(columns: Sequence[tuple[np.ndarray, int]]) -> tuple[np.ndarray, np.ndarray]:
    """As `distinct_rows`, of columns of whole numbers below some size each."""
    key, size = np.zeros(len(columns[0][0]), np.int64), 1
    for column, below in columns:
        if size * below >= 2**62:
            key, first = paths.renumber(key)
            key, size = key.astype(np.int64), len(first)
        key, size = key * below + column, size * below
    number, first = paths.renumber(key)
    return number, first


def distinct_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number distinct rows of whole numbers in order of appearance: numbers, and where each first appears."""
    number, first = np.zeros(len(rows), np.int32), np.zeros(min(1, len(rows)), np.int64)
    for column in rows.T:
        values = np.ascontiguousarray(column)
        if values.dtype.kind == "u":
            values = paths.renumber(values.view(np.int64))[0]
        number, first = paths.renumber(number.astype(np.int64) << 31 | values)
    return number, first
