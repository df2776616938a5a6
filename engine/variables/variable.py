"""What an output variable is, and datasets annotated by tables of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Variable:
    """What one variable or coordinate of a dataset is.

    Attributes
    ----------
    dims : tuple of str
        Its dims in order, where "entry" stands for the entry_<axis> dims of a map, "axis?" for a dim `axis` that may be
        missing, and "..." for any dims but `axis`.
    kind : str
        Kinds of dtype that it may have: i whole number, f float, b bool, U or O text, iO whole number of any size.
    units : str
    long_name : str
        May hold words in braces, which `annotate` replaces.
    dtype : str
        How it is stored, for variables that are allocated before they are known.
    """

    dims: tuple[str, ...]
    kind: str
    units: str
    long_name: str
    dtype: str = ""

    @property
    def per_axis(self) -> bool:
        """Whether it has one value for each axis where axes differ."""
        return self.dims[-1:] in (("axis",), ("axis?",))

    def attrs(self, **words: Any) -> dict[str, str]:
        """Return the attributes of the variable."""
        return {"units": self.units, "long_name": self.long_name.format(**words) if words else self.long_name}


Table = Mapping[str, Variable]

PIXEL, ONE, BYTE = "pixel", "1", "byte"
LAYER, LAYER_AXIS = ("layer",), ("layer", "axis")  # dims

# a dataset by its table ----------------------------------------------------------------------------------------------


def assembled(
    variables: Mapping[Any, xr.Variable],
    labels: Mapping[Any, xr.Variable],
    known: Mapping[Any, xr.Index],
    attrs: dict[Any, Any],
    sizes: Mapping[Any, int] | None = None,
) -> xr.Dataset:
    """Return ``xr.Dataset(variables, labels, attrs)`` of variables that are known to fit together.

    Without comparing and copying labels, which takes xarray 5 times as long as all the rest.

    Parameters
    ----------
    variables : mapping of name to xr.Variable
        The dims of each are among `labels`.
    labels : mapping of dim to xr.Variable
        The coordinate of each dim.
    known : mapping of dim to xr.Index
        The indexes of these labels, and maybe others.
    attrs : dict
        Goes into the dataset as it is.
    sizes : mapping of dim to int, optional
        Number of each label, where that is known: to ask xarray takes 1 µs for each.
    """
    import xarray as xr

    dims = {dim: label.size for dim, label in labels.items()} if sizes is None else dict(sizes)
    indexes = {dim: known[dim] for dim in labels}
    return xr.Dataset._construct_direct({**variables, **labels}, {*labels}, dims, attrs, indexes)


def annotate(data: xr.Dataset, table: Table, **words: Any) -> xr.Dataset:
    """Return a dataset with units and long names; coordinates are annotated where the table has them.

    Parameters
    ----------
    data : xr.Dataset
    table : mapping of name to Variable
        It must have every data variable; the dataset need not have all of the table's.
    **words
        What the words in braces of long names stand for.

    Raises
    ------
    TypeError
        For a data variable that the table does not have, and for dims or a kind other than the table's.
    """
    coords = data._coord_names
    for name, variable in data._variables.items():  # without making a DataArray of each: 20 µs
        spec = table.get(str(name))
        if spec is not None:
            _annotate(str(name), variable, spec, words)
        elif name not in coords:
            raise TypeError(f"{name} is no variable of this result; its table has {', '.join(table)}")
    return data


def annotate_array(data: xr.DataArray, table: Table, **words: Any) -> xr.DataArray:
    """Return an array with units and long name by the entry of its name, and its coordinates; errors as `annotate`."""
    if data.name not in table:
        raise TypeError(f"{data.name} is no variable of this result; its table has {', '.join(table)}")
    _annotate(str(data.name), data.variable, table[str(data.name)], words)
    for name, coord in data.coords.variables.items():
        if name in table:
            _annotate(str(name), coord, table[str(name)], words)
    return data


def _annotate(name: str, variable: xr.Variable, spec: Variable, words: Mapping[str, Any]) -> None:
    if not _fits(variable._dims, spec.dims) or variable.dtype.kind not in spec.kind:
        raise TypeError(f"{name} has dims {variable.dims} and dtype {variable.dtype}; its spec says {spec}")
    variable.attrs.update(spec.attrs(**words))


DIMS = {"entry": r"(entry_\w+,)+", "axis?": "(axis,)?", "...": r"((?!axis,)[^,]+,)*"}  # what stands for several dims


@lru_cache(maxsize=4096)
def _fits(dims: tuple[str, ...], expected: tuple[str, ...]) -> bool:
    """Whether dims are those of a spec."""
    pattern = "".join(DIMS.get(d, re.escape(d) + ",") for d in expected)
    return dims == expected or re.fullmatch(pattern, "".join(f"{d}," for d in dims)) is not None
