"""A space compiled: what every question about its states needs, built once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from rfscale.engine.errors import InputError
from rfscale.sweeps.states.compile import compile_space, largest_extents
from rfscale.sweeps.states.graph import AxisGraph, CostGraph

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.space import Space

MEMORY = 4 << 30  # bytes that one level of the graph of a question may take


class Ground:
    """What every question about a space starts from: programs, axis graphs, and costs where it has them."""

    def __init__(self, space: Space, memory: int = MEMORY) -> None:
        self.space = space
        self.programs = compile_space(space)
        self.largest = max(largest_extents(space, self.programs))
        self.memory = memory
        self.axes = [AxisGraph(self.programs, a, memory) for a in range(1 if space.square else len(space.axes))]
        for graph in self.axes:
            built = graph.build(len(self.programs))
            if built < len(self.programs):
                raise InputError(
                    f"the states of stage {self.programs[built].stage!r} need more than {memory / 1e9:.3g} GB; "
                    "give more memory, or ask about fewer stages"
                )

    @cached_property
    def costs(self) -> CostGraph:
        return CostGraph(self.space, self.programs)
