"""Figures of single architectures of a space with cells of two inputs or of many choices, without its graph."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from rfscale.sweeps.spaces.graphs.wiring import EARLIER, NO_PATH, ChainLayer, Wired, first_tap
from rfscale.sweeps.states.cells.graph import map_figures
from rfscale.sweeps.states.cells.maps import Map, Sets

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.space import Space
    from rfscale.sweeps.states.compile import Program


def figures_along(space: Space, programs: Sequence[Program], digits: np.ndarray) -> dict[str, np.ndarray]:
    """Return the figures of architectures given by the choices of every stage: an int array (architectures, stages)."""
    maps = []
    for row in digits.tolist():
        index = 0
        for stage, names in enumerate(space.introduced):
            index = index * prod(len(space.dims[n]) for n in names) + row[stage]
        maps.append(_last_map(space.wirings(index)))
    return map_figures(maps, len(space.axes))


def _last_map(wirings: dict[str, Wired]) -> Map:
    """The last map of an architecture."""
    algebra = Sets()
    earlier = last = algebra.image
    for nodes, kept, _ in wirings.values():
        maps = [last]
        for node in nodes:
            layer = node.layer
            if isinstance(layer, ChainLayer):
                step = layer.dilation[0]
                taps = sum(1 << step * i for i in range(layer.kernel[0]))
                before = maps[node.inputs[0]]
                found = algebra.joined(algebra.moved(before, ((first_tap(layer, 0), taps),)))
                maps.append(Map(before.jump * layer.stride[0], found))
            elif node == EARLIER:
                maps.append(earlier)
            elif node == NO_PATH:
                maps.append(Map(last.jump, ()))
            else:
                read = [maps[i] for i in node.inputs]
                maps.append(Map(read[0].jump, algebra.joined([term for m in read for term in m.terms])))
        earlier, last = maps[kept or 0], maps[-1]
    return last
