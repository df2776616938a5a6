"""What a question needs of the costs of cells of many choices."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np


class CostNeeds(NamedTuple):
    """What a question needs of costs.

    Attributes
    ----------
    names : tuple of str
        "params", "macs".
    columns : sequence of mappings of names to factors, or None
        Sums that shall be small; None: every cost is wanted.
    k : int
        Architectures wanted.
    stage : int
        The first stage up to which some cost counts.
    """

    names: tuple[str, ...]
    columns: Sequence[Mapping[str, float]] | None
    k: int
    stage: int

    @property
    def directions(self) -> np.ndarray | None:
        """The factors as an array (names, columns)."""
        if self.columns is None:
            return None
        return np.array([[column.get(name, 0) for column in self.columns] for name in self.names])

    def with_values_of(self, names: Collection[str]) -> CostNeeds:
        """Return the needs of a question that tells architectures apart by some costs: every value of all of them."""
        return self._replace(names=tuple(sorted({*self.names, *names})), columns=None)
