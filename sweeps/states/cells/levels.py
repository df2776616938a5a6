"""The rows of maps that the nodes of a cell come to, node by node, equal ones merged.

A row has what the output has so far, the maps that are read later, and costs where these are asked for. A map stands
for all that add the same to that output, through whatever ops may follow; nodes that are read alike stand in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.kernels import cells as kernels
from rfscale.sweeps.spaces.graphs.cell import Cell, CellUse
from rfscale.sweeps.spaces.graphs.wiring import ChainLayer
from rfscale.sweeps.states.cells.maps import Sets
from rfscale.sweeps.states.cells.steps import Alternatives, Ops, Prices, Universe, interchangeable, steps_of_cell
from rfscale.sweeps.states.numbering import distinct_rows

MAX_ROWS = 1 << 24  # states × choices of one node, before equal ones are merged
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
class Level:
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


class NodeLevels:
    """Levels of the nodes of a cell of many choices, the last node aside."""

    def __init__(
        self,
        stage: str,
        use: CellUse,
        layers: Callable[[Mapping[str, Any]], Sequence[ChainLayer]],
        algebra: Sets,
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
        self.ops = Ops(stage, cell, layers, algebra, wanted.prices if wanted else None)
        self.universe = Universe(stage, cell, self.ops, len(self.steps), algebra)
        words = self.universe.words
        self._index: dict[bytes, int] = {}
        self._made: dict[int, Alternatives] = {}
        self._alike = interchangeable(self.steps, cell.output)
        self._maps = np.zeros((0, words), np.uint64)  # numbered masks
        self._moved = np.zeros((0, len(self.ops.paths), words), np.uint64)
        self._levels = [
            Level(
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

    def _own(self, level: Level) -> np.ndarray:
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
    ) -> Level:
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
        return Level(
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
