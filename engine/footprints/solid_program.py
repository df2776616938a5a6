"""The program of a plan: its layers as one flat list of numbers, which `rfscale.engine.kernels.solid_pass` runs."""

from __future__ import annotations

from functools import cache
from math import gcd, lcm
from typing import Any

import numpy as np

from rfscale.engine.errors import INPUT_SIZE, InputError
from rfscale.engine.footprints.plan import Plan, Step
from rfscale.engine.footprints.solid_sets import SolidSets
from rfscale.engine.kernels import solid_pass
from rfscale.engine.kernels.before_kernels import BeforeKernels
from rfscale.engine.kernels.solid_pass import (
    BOUNDS,
    ENDLESS,
    ENTRIES,
    FAR,
    FIELDS,
    HIGHEST,
    LOWEST,
    MAX_PERIOD,
    MAX_STEP,
    MERGE,
    PERIOD,
    REPEAT,
    RISING,
    UNKNOWN,
    WINDOW,
)
from rfscale.engine.network.axis_maps import AxisMap, whole_map

MAX_LISTED = 1 << 27  # sets by their ends: 2 GiB
INFINITE = -1  # in place of a node: the layer has no sets with bounds
NODES = BeforeKernels(few=8, most=1 << 18)  # that are followed without compiled code: 2 µs each, to load it takes 0.4 s


@cache
def _compiled() -> Any:
    """The compiled pass, imported where it is needed."""
    from rfscale.engine.kernels import compiled_pass

    return compiled_pass


class Program:
    """The layers of a plan as numbers, and room for their families.

    Attributes
    ----------
    ndim : int
    nodes : list of int
        Which node of the program has the footprints of each step, or INFINITE; node 0 is the image.
    """

    def __init__(self, plan: Plan) -> None:
        self.ndim = len(plan.network.axes)
        self.nodes: list[int] = []
        self._tables: list[int] = []
        self._places: dict[AxisMap, int] = {}
        self._instructions: list[int] = []
        self._periods = [[1] * self.ndim]  # of each node: a multiple of those that its families may have
        self._room = 0
        for step in plan.steps:
            self.nodes.append(self._node(plan, step))
        self._code = self._tables + self._instructions
        sizes = plan.input_size or (0,) * self.ndim
        different = [*dict.fromkeys(sizes)]
        self._image = [different.index(n) for n in sizes]
        families = [0] * (FIELDS * len(different))
        for i, n in enumerate(different):
            at = FIELDS * i
            families[at + BOUNDS], families[at + PERIOD], families[at + REPEAT], families[at + RISING] = 2 * i, 1, 1, 1
            families[at + LOWEST], families[at + HIGHEST] = (0, n - 1) if n else (-FAR, FAR)
            families[at + ENTRIES] = n or ENDLESS
        self._families = families
        self._arrays: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self._periods)

    def _node(self, plan: Plan, step: Step) -> int:
        sources = [self.nodes[s] if s >= 0 else 0 for s in step.sources]
        finite = plan.input_size is not None
        if step.is_global and not finite:
            return INFINITE
        if step.passes:
            return sources[0]
        if step.maps is None:
            if step.is_global and step.size:
                spread = (whole_map(1),) * self.ndim
                for i, source in enumerate(step.sources):
                    if plan.is_broadcast(step, source):
                        sources[i] = self._window(sources[i], spread, step.size)
            if len(sources) == 1:
                return sources[0]
            periods = [lcm(*column) for column in zip(*(self._periods[s] for s in sources), strict=True)]
            return self._made([MERGE, len(sources), *sources], periods)
        sizes = step.size if finite and step.size else (ENDLESS,) * self.ndim
        return self._window(sources[0], step.maps, sizes)

    def _window(self, source: int, maps: tuple[AxisMap, ...], sizes: tuple[int, ...]) -> int:
        words, periods = [WINDOW, source], []
        for axis_map, size, before in zip(maps, sizes, self._periods[source], strict=True):
            ends = axis_map.ends
            periods.append(axis_map.up * (before // gcd(before, axis_map.down)) if axis_map.down else 1)
            if ends is None or periods[-1] > MAX_PERIOD or (size > MAX_STEP and size != ENDLESS):
                return self._made([UNKNOWN], [1] * self.ndim)
            if axis_map not in self._places:
                self._places[axis_map] = len(self._tables)
                self._tables += ends
            words += (self._places[axis_map], size)
        return self._made(words, periods)

    def _made(self, words: list[int], periods: list[int]) -> int:
        self._instructions += words
        self._periods.append(periods)
        self._room += sum(periods)
        return len(self._periods) - 1

    def run(self) -> SolidFamilies:
        """Follow the sets through all layers."""
        ndim, start, nodes = self.ndim, len(self._tables), self.ndim * len(self)
        families = len(self._families) + FIELDS * nodes
        bounds = 2 * (ndim + self._room)
        if NODES.takes(len(self)):
            lists = (
                self._image + [0] * (nodes - ndim),
                self._families + [0] * (families - len(self._families)),
                [0] * bounds,
            )
            return SolidFamilies(ndim, solid_pass.follow(self._code, start, ndim, *lists), lists)
        if self._arrays is None:
            self._arrays = np.array(self._code, np.int64)
        arrays = (np.empty(nodes, np.int64), np.empty(families, np.int64), np.empty(bounds, np.int64))
        arrays[0][:ndim] = self._image
        arrays[1][: len(self._families)] = self._families
        arrays[2][: 2 * ndim] = 0
        return SolidFamilies(ndim, int(_compiled().follow(self._arrays, start, ndim, *arrays)), arrays)


class SolidFamilies:
    """The families that a program made.

    Attributes
    ----------
    left_out : int
        Nodes without families: their sets have holes, or are none of these.
    """

    def __init__(self, ndim: int, left_out: int, numbers: tuple[Any, Any, Any]) -> None:
        self.ndim, self.left_out = ndim, left_out
        self._numbers = numbers
        self._lists: tuple[list[int], list[int], list[int]] | None = None

    def _listed(self) -> tuple[list[int], list[int], list[int]]:
        if self._lists is None:
            nodes, families, bounds = (x if isinstance(x, list) else x.tolist() for x in self._numbers)
            self._lists = nodes, families, bounds
        return self._lists

    def of(self, node: int) -> tuple[int, ...]:
        """Numbers of a node's families, one per axis; below 0 where it is left out."""
        at = node * self.ndim
        return tuple(self._listed()[0][at : at + self.ndim])

    def has(self, node: int) -> bool:
        """Whether a node has families."""
        return bool(self._numbers[0][node * self.ndim] >= 0)

    def family(self, number: int) -> SolidSets:
        """Return a family by its number."""
        _, families, bounds = self._listed()
        at = FIELDS * number
        first, period = families[at + BOUNDS], families[at + PERIOD]
        ends = iter(bounds[first : first + 2 * period])
        n = families[at + ENTRIES]
        return SolidSets(
            tuple(zip(ends, ends, strict=True)), families[at + REPEAT], families[at + LOWEST], families[at + HIGHEST],
            0 if n == ENDLESS else n,
        )  # fmt: skip

    def ends(self, nodes: np.ndarray, entries: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """First and last pixels of many sets at once, and pixels shared with the next entry's set: -1 where none is.

        Parameters
        ----------
        nodes : int64 array (n,)
        entries : int64 array (n, axes)
            One entry of each node.

        Returns
        -------
        first, last, shared : int64 arrays (n, axes)
        """
        _, families, bounds = self._arrays()
        fields = families.reshape(-1, FIELDS)[self._numbers_of(nodes)]
        both = []
        for entry in (entries, entries + 1):
            periods, u = np.divmod(entry, fields[..., PERIOD])
            at, moved = fields[..., BOUNDS] + 2 * u, fields[..., REPEAT] * periods
            first = np.maximum(bounds[at] + moved, fields[..., LOWEST])
            both.append((first, np.minimum(bounds[at + 1] + moved, fields[..., HIGHEST])))
        (first, last), (start, end) = both
        shared = np.maximum(np.minimum(last, end) - np.maximum(first, start) + 1, 0)
        shared[entries + 1 == fields[..., ENTRIES]] = -1
        return first, last, shared

    def listed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Every set of every family, by its ends.

        Returns
        -------
        begin : int64 array (families + 1,)
        first, last : int64 arrays
            Those of family f stand from begin[f] to begin[f + 1]: one for each entry of its map; without borders one
            for each phase.
        """
        nodes, families, bounds = self._arrays()
        made = int(nodes.max()) + 1
        fields = families[: made * FIELDS].reshape(-1, FIELDS)
        counts = np.where(fields[:, ENTRIES] == ENDLESS, fields[:, PERIOD], fields[:, ENTRIES])
        begin = np.zeros(made + 1, np.int64)
        np.cumsum(counts, out=begin[1:])
        if begin[-1] > MAX_LISTED:
            raise InputError(
                f"the sets of all entries take {16 * int(begin[-1])} bytes, more than the limit of {16 * MAX_LISTED}",
                remedy=("analyse a smaller ", INPUT_SIZE),
            )
        if NODES.takes(4 * made):
            ends = [self.family(f).arrays() for f in range(made)]
            return begin, np.concatenate([a for a, _ in ends]), np.concatenate([b for _, b in ends])
        first, last = np.empty((2, int(begin[-1])), np.int64)
        _compiled().list_sets(families, made, bounds, begin, first, last)
        return begin, first, last

    def alike(self, nodes: np.ndarray, one_phase: bool) -> np.ndarray:
        """Whether each of some nodes has families, and, if `one_phase`, all sets are one, moved along: bool (n,)."""
        numbers = self._numbers_of(nodes)
        found: np.ndarray = numbers[:, 0] >= 0
        if not one_phase:
            return found
        periods = self._arrays()[1].reshape(-1, FIELDS)[:, PERIOD]
        return found & (periods[np.maximum(numbers, 0)] == 1).all(axis=1)

    def _numbers_of(self, nodes: np.ndarray) -> np.ndarray:
        return self._arrays()[0][self.ndim * nodes[:, None] + np.arange(self.ndim)]

    def _arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if isinstance(self._numbers[0], list):
            nodes, families, bounds = (np.array(x, np.int64) for x in self._numbers)
            self._numbers = nodes, families, bounds
        return self._numbers
