"""What a space holds, and what a store of it would take, without enumerating it."""

from __future__ import annotations

from typing import Any, NamedTuple

from rfscale.sweeps.runs.labelled import blocks_of
from rfscale.sweeps.spaces.network_space import NetworkSpace
from rfscale.sweeps.spaces.space import Space

STATES_BYTES = 1 << 28  # that counting the states of one axis may take


class Stage(NamedTuple):
    """What the architectures up to a stage are, and take.

    Attributes
    ----------
    name : str
    factors : dict of str to tuple
        Labels of the factors that the stage brings in.
    architectures : int
    bytes : int
        Of their figures, before compression.
    states : list of (int or None)
        Number of states after the stage, per axis where they differ; None where there are too many to build. Empty
        where architectures have no states.
    """

    name: str
    factors: dict[str, tuple[Any, ...]]
    architectures: int
    bytes: int
    states: list[int | None]


class Description(NamedTuple):
    """What a space holds: its stages, and the variables of the last one."""

    name: str
    architectures: int
    factors: int
    stages: list[Stage]
    variables: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """Of the figures of all stages, before compression."""
        return sum(stage.bytes for stage in self.stages)


def describe(space: Space | NetworkSpace) -> Description:
    """Return what a space holds.

    Examples
    --------
    >>> stages = [{"name": "a", "kernel": [3, 5]}, {"name": "b", "kernel": 3, "dilation": [1, 4]}]
    >>> found = describe(Space.from_dict({"stages": stages}))
    >>> [(stage.name, list(stage.factors), stage.architectures, stage.states) for stage in found.stages]
    [('a', ['a_kernel'], 2, [2]), ('b', ['b_dilation'], 4, [4])]
    """
    blocks = blocks_of(space, memory=STATES_BYTES)
    states = blocks.state_counts(build=True)
    stages, met = [], dict[str, tuple[Any, ...]]()
    for i, name in enumerate(blocks.stages):
        dims, size = blocks.dims(name), blocks.size(name)
        new = {d: labels for d, labels in dims.items() if d not in met}
        counts = [axis[i] if i < len(axis) else None for axis in states]
        stages.append(Stage(name, new, size, size * blocks.row_bytes(name), counts))
        met = dims
    return Description(space.name, space.size, len(space.factors), stages, tuple(blocks.variables(blocks.stages[-1])))
