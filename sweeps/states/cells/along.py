"""Figures of single architectures of a space with cells of two inputs or of many choices, without its graph."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from rfscale.sweeps.spaces.graphs.wiring import EARLIER, NO_PATH, ChainLayer, Wired, first_tap
from rfscale.sweeps.states.cells.figures import map_figures
from rfscale.sweeps.states.cells.maps import Map, Sets
from rfscale.sweeps.states.effects import window

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.space import Space
    from rfscale.sweeps.states.compile import Program


def figures_along(space: Space, programs: Sequence[Program], digits: np.ndarray) -> dict[str, np.ndarray]:
    """Return the figures of architectures given by the choices of every stage: an int array (architectures, stages)."""
    maps = []
    differing = 1 if space.square else len(space.axes)
    for row in digits.tolist():
        index = 0
        for stage, names in enumerate(space.introduced):
            index = index * prod(len(space.dims[n]) for n in names) + row[stage]
        maps.append(_last_map(space.wirings(index), differing))
    return map_figures(maps, len(space.axes), differing)


def _last_map(wirings: dict[str, Wired], axes: int) -> Map:
    """The last map of an architecture; windows differ on so many axes."""
    algebra = Sets(axes)
    earlier = last = algebra.image
    for nodes, kept, _ in wirings.values():
        maps = [last]
        for node in nodes:
            layer = node.layer
            if isinstance(layer, ChainLayer):
                taps = [window(1, layer.kernel[a], layer.dilation[a]) for a in range(axes)]
                path = tuple((first_tap(layer, a), bits) for a, bits in enumerate(taps))
                before = maps[node.inputs[0]]
                found = algebra.joined(algebra.moved(before, (path,)))
                maps.append(Map(tuple(j * s for j, s in zip(before.jump, layer.stride, strict=False)), found))
            elif node == EARLIER:
                maps.append(earlier)
            elif node == NO_PATH:
                maps.append(Map(last.jump, ()))
            else:
                read = [maps[i] for i in node.inputs]
                maps.append(Map(read[0].jump, algebra.joined([term for m in read for term in m.terms])))
        earlier, last = maps[kept or 0], maps[-1]
    return last
