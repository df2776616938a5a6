"""Labelled values without labels' cost: what a dataset is made from, and what a table of the terminal reads.

xarray takes 0.3 s to import, with pandas. A verb that prints a table needs neither; a dataset, where one is asked for,
is made of the same arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.variables import Table, annotate, assembled

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Columns:
    """Arrays by name over named dims.

    Attributes
    ----------
    values : dict of str to array
    dims : dict of str to tuple of str
        The dims of each array.
    coords : dict of str to tuple of str
        The labels along each dim; every dim has them.
    attrs : dict
        As of a dataset.
    table : mapping of str to Variable
        What each array is, of `rfscale.engine.variables`.
    """

    values: dict[str, np.ndarray]
    dims: Mapping[str, tuple[str, ...]]
    coords: dict[str, tuple[str, ...]]
    attrs: dict[str, Any] = field(default_factory=dict)
    table: Table = field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.values[name]

    def __contains__(self, name: object) -> bool:
        return name in self.values

    def take(self, dim: str, positions: Sequence[int]) -> Columns:
        """Return the values at some positions along a dim."""
        values = {
            name: np.take(array, positions, self.dims[name].index(dim)) if dim in self.dims[name] else array
            for name, array in self.values.items()
        }
        coords = self.coords | {dim: tuple(self.coords[dim][i] for i in positions)}
        return Columns(values, self.dims, coords, self.attrs, self.table)

    def dataset(self) -> xr.Dataset:
        """Return the dataset, with units and long names, which shares the arrays.

        Raises
        ------
        TypeError
            Where an array is not what the table says.
        """
        import xarray as xr

        # the fast path does not search for dates among objects: a third of a small profile's time
        variables = {n: xr.Variable(self.dims[n], array, fastpath=True) for n, array in self.values.items()}
        coords = _coordinates(tuple(self.coords.items()))
        labels = {dim: label.copy(deep=False) for dim, label in coords.variables.items()}  # attrs of their own
        return annotate(assembled(variables, labels, coords.xindexes, self.attrs), self.table)


@lru_cache(maxsize=64)
def _coordinates(coords: tuple[tuple[str, tuple[str, ...]], ...]) -> xr.Coordinates:
    """Return the coordinates, which share their indexes: made anew they take a fifth of the time of a profile."""
    import xarray as xr

    out = {}
    for dim, labels in coords:
        names = np.array(labels, str)  # xarray draws over text, not over objects
        names.setflags(write=False)
        out[dim] = names
    return xr.Coordinates(out)


def pixel_grid(
    values: np.ndarray, axes: Sequence[str], first: Sequence[int], name: str, attrs: dict[str, Any]
) -> xr.DataArray:
    """Return an array with its pixel numbers along each axis, which begin at `first`; it shares `values` and `attrs`.

    What ``xr.DataArray(values, coords, axes, name, attrs)`` is, which takes xarray 200 µs: ten times a drawing.
    """
    import xarray as xr

    labels: dict[Any, Any] = {}
    indexes: dict[Any, Any] = {}
    for axis, n, start in zip(axes, values.shape, first, strict=True):
        label, indexes[axis] = _pixel_numbers(axis, int(start), n)
        labels[axis] = label.copy(deep=False)  # attrs of its own
    variable = xr.Variable(tuple(axes), values, attrs, fastpath=True)
    return xr.DataArray._construct_direct(variable, labels, name, indexes)


@lru_cache(maxsize=32)
def _pixel_numbers(axis: str, first: int, n: int) -> tuple[xr.Variable, Any]:
    """The coordinate of an axis, and its index."""
    import xarray as xr

    numbers = np.arange(first, first + n)
    numbers.setflags(write=False)
    coords = xr.Coordinates({axis: numbers})
    return coords.variables[axis], coords.xindexes[axis]


def columns_of(dataset: xr.Dataset, table: Mapping[str, Any] | None = None) -> Columns:
    """Return the columns of a dataset whose coordinates are labels."""
    return Columns(
        {str(name): variable.values for name, variable in dataset.data_vars.items()},
        {str(name): tuple(map(str, variable.dims)) for name, variable in dataset.data_vars.items()},
        {str(dim): tuple(map(str, dataset[dim].values)) for dim in dataset.dims},
        dict(dataset.attrs),
        table or {},
    )
