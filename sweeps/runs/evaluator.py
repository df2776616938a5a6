"""What evaluates a space: figures of any flat range of its architectures, whatever kind of space it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from rfscale.engine.variables import Variable
from rfscale.sweeps.spaces.index import Labelled

Arrays = Mapping[str, np.ndarray]


class Evaluator(Protocol):
    """Figures of flat, row-major ranges of the architectures of a space, stage by stage, into arrays of the caller.

    A stage is a position or a name. sweeps/runs/blocks.py says how the methods work together.
    """

    @property
    def space(self) -> Labelled:
        """The space."""
        ...

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages."""
        ...

    @property
    def axis_labels(self) -> tuple[str, ...]:
        """Labels of the `axis` dim of variables per axis; empty where there is no such dim."""
        ...

    def size(self, stage: int | str) -> int:
        """Return the number of architectures up to a stage."""
        ...

    def dims(self, stage: int | str) -> dict[str, tuple[Any, ...]]:
        """Return the labels of the factors met up to a stage."""
        ...

    def shape(self, stage: int | str) -> tuple[int, ...]:
        """Return the number of values of every factor met up to a stage."""
        ...

    def attrs(self, stage: int | str) -> dict[str, Any]:
        """Return the attrs of a stage's dataset."""
        ...

    def variables(self, stage: int | str) -> dict[str, Variable]:
        """Return the specs of the variables of a stage."""
        ...

    def row_bytes(self, stage: int | str) -> int:
        """Return the bytes that one architecture of a stage takes."""
        ...

    def empty(self, stage: int | str, start: int, stop: int) -> dict[str, np.ndarray]:
        """Return arrays for `fill`."""
        ...

    def fill(self, stage: int | str, start: int, stop: int, out: Arrays) -> None:
        """Write the figures of architectures start..stop-1 of a stage into the arrays of `out`."""
        ...

    def state_counts(self, build: bool = False) -> list[list[int]]:
        """Return the number of states after each stage, by axis; nothing where architectures have no states."""
        ...
