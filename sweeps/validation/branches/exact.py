"""The exact side of a walk over a space with branches: its nodes, their figures, and where the maps of each lie.

Of a whole space, nodes are those of its graph of states; what states are differs with the kind of space. Of drawn
architectures each is a node of its own (drawn.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.sweeps.spaces.graphs.wiring import EARLIER, Given, Wired, output_node, times
from rfscale.sweeps.states.cells.maps import Map, Pair
from rfscale.sweeps.states.compiled import CompiledSpace
from rfscale.sweeps.validation.branches.hulls import Hull, of_extents, of_paths, of_terms
from rfscale.sweeps.variables import AXIS_FIGURES

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.space import Space

Figures = dict[str, np.ndarray]
Wirings = Callable[[int], Wired]  # by choice


class UnionNodes:
    """Nodes of a space whose stages read the one before only.

    Attributes
    ----------
    programs : list of Program
        As the space is written: what has one effect may have many values by formulas.
    axes : int
        Those that differ; 1 stands for all.
    """

    def __init__(self, space: Space, found: CompiledSpace) -> None:
        self.space, self.programs = space, found.programs
        self.graph: Any = found.axes[0]
        self.axes = 1 if space.square else len(space.axes)
        self._wirings: dict[Any, Wirings] = {}

    def ends(self, stage: int, nodes: np.ndarray, variant: np.ndarray, choice: np.ndarray) -> np.ndarray:
        """Return the node after each edge: all choices of some nodes; or one choice of each that is drawn."""
        return np.asarray(self.graph.levels[stage].follow[nodes].reshape(-1), np.int64)

    def figures(self, stage: int, nodes: np.ndarray) -> Figures:
        """Return the figures of nodes after a stage; those of an axis as columns."""
        return by_axis(self.graph.figures(stage, nodes))

    def read(self, stage: int, nodes: np.ndarray) -> Figures:
        """Return area, extent, jump and overlap of the map that a stage reads, of nodes before it."""
        if stage:
            return self.figures(stage - 1, nodes)
        one = np.ones((len(nodes), self.axes), np.int64)
        return {"area": one[:, 0], "extent": one, "jump": one, "overlap": np.zeros((len(nodes), self.axes))}

    def columns(self, stage: int, nodes: np.ndarray) -> np.ndarray:
        """Return what the maps of nodes before a stage are told apart by: an int64 array (nodes, columns)."""
        read = self.read(stage, nodes)
        return np.concatenate([read["extent"], read["jump"]], axis=1).astype(np.int64)

    def hulls(self, stage: int, column: Sequence[int], images: Sequence[bool]) -> list[Hull | None]:
        """Return where the maps before a stage lie, one for each of `sources` after what it reads; None: no path."""
        extent, jump = tuple(column[: self.axes]), tuple(column[self.axes :])
        return [of_extents(extent, jump, images[0]) if extent[0] else None]

    def sources(self, stage: int) -> Mapping[str, int]:
        """Return which map a node without inputs is, by what stands in the place of its layer."""
        return {}

    def after(self, stage: int) -> tuple[int, ...]:
        """Return which maps are kept after a stage: 0 is its output, i the map i before it, -1 that of `Wired`."""
        return (0,)

    def wirings(self, stage: int, variant: int, column: Sequence[int]) -> Wirings:
        """Return what gives the wirings of a stage, by choice, after maps of some column."""
        if (stage, variant) not in self._wirings:
            made = self.programs[stage].wirings
            assert made is not None  # the space branches
            found = [Wired(nodes, None, 1) for nodes in made(variant)]
            self._wirings = {(stage, variant): found.__getitem__}  # variants come one by one
        return self._wirings[stage, variant]


class ScaleNodes(UnionNodes):
    """Nodes of a space with skips or upsampling."""

    def maps(self, stage: int, nodes: np.ndarray) -> np.ndarray:
        """Return shapes, and offsets of those that are kept, of nodes before a stage: the columns of an array.

        The first row has the shape of the map that comes next; of each one kept there are 1 + `axes` rows.
        """
        return np.asarray(self.graph.maps(stage)[:, self.graph.before(stage).state[nodes]])

    def read(self, stage: int, nodes: np.ndarray) -> Figures:
        source = self.space.stages[stage].source
        at = 1 + self.programs[stage].before.index(source) if source else 0
        row = 1 + (at - 1) * (1 + self.axes) if at else 0
        return by_axis(self.graph.figures_of(max(0, stage - 1), self.maps(stage, nodes)[row]))

    def columns(self, stage: int, nodes: np.ndarray) -> np.ndarray:
        return self.maps(stage, nodes).T

    def hulls(self, stage: int, column: Sequence[int], images: Sequence[bool]) -> list[Hull | None]:
        kept = range(1, len(column), 1 + self.axes)
        placed = [(column[0], (0,) * self.axes), *[(column[i], tuple(column[i + 1 : i + 1 + self.axes])) for i in kept]]
        shapes = self.graph.pool.shapes
        return [of_paths(shapes[n].paths, by, at) for (n, by), at in zip(placed, images, strict=True)]

    def sources(self, stage: int) -> Mapping[str, int]:
        return {str(output_node(name).layer): i for i, name in enumerate(self.programs[stage].before, start=1)}

    def after(self, stage: int) -> tuple[int, ...]:
        return (0, *self.programs[stage].after)


class PairNodes(UnionNodes):
    """Nodes of a space with cells of two inputs; a column is the number of a state."""

    def pair(self, number: int) -> Pair:
        """Return a state."""
        found: Pair = self.graph.pool.pairs[number]
        return found

    def columns(self, stage: int, nodes: np.ndarray) -> np.ndarray:
        return np.asarray(self.graph.before(stage).state[nodes][:, None], np.int64)

    def hulls(self, stage: int, column: Sequence[int], images: Sequence[bool]) -> list[Hull | None]:
        pair = self.pair(column[0])
        return [_hull(at, is_image) for at, is_image in zip((pair.last, pair.earlier), images, strict=False)]

    def sources(self, stage: int) -> Mapping[str, int]:
        return {str(EARLIER.layer): 1}

    def after(self, stage: int) -> tuple[int, ...]:
        return (0, -1) if self.programs[stage].keep else (0,)

    def wirings(self, stage: int, variant: int, column: Sequence[int]) -> Wirings:
        given = found_by(self.pair(column[0]))
        key = stage, variant, given
        if key not in self._wirings:
            made = self.programs[stage].pair_wirings
            assert made is not None  # its choices are known one by one
            self._wirings = {k: v for k, v in self._wirings.items() if k[0] == stage}
            self._wirings[key] = list(made(variant, given)).__getitem__
        return self._wirings[key]


def found_by(pair: Pair) -> Given:
    """Return what a stage finds after a state."""
    last, earlier = pair.last, pair.earlier
    steps = zip(last.jump, earlier.jump, strict=True) if earlier is not None else ()
    ratio = times(1, tuple([jump // before for jump, before in steps]) or 1)
    return Given(bool(last.terms), earlier is not None and bool(earlier.terms), ratio, pair.maps)


def by_axis(figures: Figures) -> Figures:
    """Return figures, those of an axis as columns."""
    return {k: v.reshape(len(v), -1) if k in AXIS_FIGURES else v for k, v in figures.items()}


def _hull(at: Map | None, is_image: bool) -> Hull | None:
    if at is None or not at.terms:
        return None
    return of_terms(at.terms, at.jump)._replace(image=is_image)
