"""Architectures by number and by label: what every space has."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.engine.network.spec import whole
from rfscale.sweeps.spaces.stages import Factor, Value, value_label


class Labelled:
    """What every space has: factors in order, and architectures numbered row-major over them, the last one fastest.

    A space cannot be changed once it is made: what is derived from it is kept beside it (sweeps/states/compiled.py).

    Attributes
    ----------
    name : str
    factors : tuple of Factor
    dims : dict of str to tuple
        Labels of every factor, in the order of the dims of the results.
    size : int
        Number of architectures, a Python int of any magnitude.
    """

    name: str
    factors: tuple[Factor, ...]
    dims: dict[str, tuple[Any, ...]]
    size: int

    def __init__(self, name: str, factors: tuple[Factor, ...], **more: Any) -> None:
        dims = {f.name: f.labels for f in factors}
        vars(self).update(name=name, factors=factors, dims=dims, size=prod(map(len, dims.values())), **more)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name!r} of space {self.name!r} cannot be set: a space does not change; make another")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name!r} of space {self.name!r} cannot be deleted: a space does not change")

    def labels(self, index: int) -> dict[str, Any]:
        """Return the label of every factor of architecture number `index`."""
        rest = whole(index, "index", 0, self.size - 1)
        out: dict[str, Any] = {}
        for factor in reversed(self.factors):
            rest, digit = divmod(rest, len(factor.labels))
            out[factor.name] = factor.labels[digit]
        return {f.name: out[f.name] for f in self.factors}

    def index(self, labels: Mapping[str, Any]) -> int:
        """Return the number of the architecture with these labels (or values); one for every factor of more than one.

        An xarray Dataset without dims is taken as well: a row of an answer, whose other variables are passed over.
        """
        given = {str(k): getattr(v, "values", v) for k, v in labels.items()}
        if hasattr(labels, "coords"):
            given |= {str(k): v.values for k, v in labels.coords.items()}
            given = {k: v for k, v in given.items() if k in self.dims}
        for key in given:
            if key not in self.dims:
                raise InputError(f"space {self.name!r} has no factor {shown(key)}; {nearest(key, self.dims)}")
        index = 0
        for factor in self.factors:
            if factor.name not in given and len(factor.labels) > 1:
                raise InputError(f"no label for {factor.name}; give one of {shown(list(factor.labels))}")
            digit = _digit(factor, given[factor.name]) if factor.name in given else 0
            index = index * len(factor.labels) + digit
        return index

    def chosen(self, where: int | Mapping[Any, Any]) -> dict[str, Value]:
        """Return the value of every factor, from an index or labels."""
        rest = whole(self.index(where) if isinstance(where, Mapping) else where, "index", 0, self.size - 1)
        out: dict[str, Value] = {}
        for factor in reversed(self.factors):
            rest, digit = divmod(rest, len(factor.values))
            out[factor.name] = factor.values[digit]
        return out


def _digit(factor: Factor, label: Any) -> int:
    """Position of a label or value of a factor."""
    if hasattr(label, "tolist"):
        label = label.tolist()
    for candidate in (label, value_label(label)):
        for i, known in enumerate(factor.labels):
            if known == candidate and isinstance(known, bool) == isinstance(candidate, bool):
                return i
    raise InputError(f"{factor.name} has no value {shown(label)}; it has {shown(list(factor.labels))}")
