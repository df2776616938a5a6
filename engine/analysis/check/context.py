"""What the rules of `rfscale check` know of a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import lcm
from typing import Any

from rfscale.engine.analysis.check.rules import LEVELS, Finding, Level, Rule
from rfscale.engine.errors import InputError, UnequalJumpsError
from rfscale.engine.footprints.figures import Figures
from rfscale.engine.footprints.footprint_figures import FootprintFigures
from rfscale.engine.footprints.forward import Trace, trace
from rfscale.engine.footprints.plan import GlobalOps, Plan
from rfscale.engine.network.network import Network, Size


@dataclass
class Context:
    """What the rules know of a network; each figure is worked out when it is first asked for."""

    network: Network
    given: Size | None
    global_ops: GlobalOps
    rules: Mapping[str, Rule]
    fields: Mapping[int, Any] = field(default_factory=dict)
    unequal_jumps: UnequalJumpsError | None = field(default=None, init=False)

    @cached_property
    def size(self) -> Size | None:
        return self.given or self.network.input_size

    @cached_property
    def interior(self) -> Trace | None:
        """Footprints without borders; None where branches of different jumps merge, as `unequal_jumps` says."""
        try:
            return trace(self.network, None, self.global_ops)
        except InputError as error:
            self.unequal_jumps = error if isinstance(error, UnequalJumpsError) else None
            if self.size is None:
                raise
            return None

    @cached_property
    def finite(self) -> Trace | None:
        return trace(self.network, self.size, self.global_ops) if self.size else None

    @cached_property
    def plan(self) -> Plan:
        found = self.interior or self.finite
        assert found is not None
        return found.plan

    @cached_property
    def figures(self) -> list[Figures | None]:
        """Interior figures per layer; None for a global receptive field, or without interior."""
        if self.interior is None:
            return [None] * len(self.plan.steps)
        reader = FootprintFigures(self.interior)
        return [None if s.is_global else reader.figures(i) for i, s in enumerate(self.plan.steps)]

    @cached_property
    def ends(self) -> list[int]:
        """Layers whose footprints leave the network: outputs, and what only global ops read."""
        names = set(self.network.outputs)
        readers: dict[int, list[int]] = {}
        for i, step in enumerate(self.plan.steps):
            for source in step.sources:
                readers.setdefault(source, []).append(i)
        steps = self.plan.steps
        ends = [
            i
            for i, s in enumerate(steps)
            if not s.is_global and (s.layer.name in names or all(steps[r].is_global for r in readers.get(i, [])))
        ]
        return [
            i
            for i in ends
            if not (readers.get(i) and steps[i].layer.name not in names and self._side_branch(i, readers))
        ]

    def _side_branch(self, index: int, readers: dict[int, list[int]]) -> bool:
        """Whether a layer goes into a merge whose receptive field is global only because of another branch."""
        return any(self.plan.steps[r].maps is None and len(self.plan.steps[r].layer.inputs) > 1 for r in readers[index])

    @cached_property
    def causal(self) -> bool:
        """The network has one axis, and no entry of it sees a pixel after its own."""
        if len(self.network.axes) > 1 or self.interior is None:
            return False
        reaches = [s.intervals[0] for s in self.plan.steps if s.intervals]
        ends = [(r, u, b) for r in reaches for u, b in enumerate(r.bounds) if b]
        lopsided = any(b[0] < 0 for _, _, b in ends)
        return lopsided and all(b[1] * r.jump[1] < r.jump[0] * (u + 1) for r, u, b in ends)

    @cached_property
    def drifts(self) -> list[tuple[float, float] | None]:
        """Per layer, pixels from the centre of the image to that of the footprints, and the jump; of the worst axis.

        The centre of the footprints is that of all entries of a map.
        """
        size = self.size or self._ample_size()
        if size is None or self.interior is None:
            return [None] * len(self.plan.steps)
        sizes = self.network.map_sizes(size)
        out: list[tuple[float, float] | None] = []
        for step in self.plan.steps:
            drift = None
            for axis, reach in enumerate(step.intervals or ()):
                if reach.centre is None:
                    continue
                jump = reach.jump[0] / reach.jump[1]
                middle = float(reach.centre) + jump * (sizes[step.layer.name][axis] - 1) / 2
                off = middle - (size[axis] - 1) / 2
                if drift is None or abs(off / jump) > abs(drift[0] / drift[1]):
                    drift = off, jump
            out.append(drift)
        return out

    def _ample_size(self) -> Size | None:
        """An image size that divides through the network and holds the largest extent twice."""
        out = []
        for axis in range(len(self.network.axes)):
            reaches = [s.intervals[axis] for s in self.plan.steps if s.intervals]
            period = lcm(*(r.shift for r in reaches)) if reaches else 1
            most = max((r.extent for r in reaches), default=1)
            out.append(period * -(-2 * most // period))
        try:
            self.network.map_sizes(out)
        except InputError:
            return None
        return tuple(out)

    def name(self, index: int) -> str:
        return self.plan.steps[index].layer.name if index >= 0 else "input"

    def finding(self, rule: str, index: int, value: float, message: str, worst: Level = "error") -> Iterator[Finding]:
        """Yield the finding, if the figure crosses a limit; at most as bad as `worst`."""
        reached = self.rules[rule].level(value)
        if reached:
            level, limit = reached
            level = min(level, worst, key=LEVELS.index)
            yield Finding(rule, level, self.name(index), float(value), limit, message, self.rules[rule].remedy)
