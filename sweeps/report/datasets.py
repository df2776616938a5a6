"""Files: write datasets and pictures whole or not at all, and refuse a bad target before anything is computed."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rfscale.engine.errors import InputError, visible
from rfscale.engine.files import DATA, check_target, json_text, replacing

if TYPE_CHECKING:
    import xarray as xr

    Data = xr.Dataset | xr.DataArray | xr.DataTree


def write(data: Data, path: Path) -> None:
    """Write a dataset, an array or a tree of datasets; the suffix of `path` says how.

    Parameters
    ----------
    data : xr.Dataset, xr.DataArray or xr.DataTree
        A tree goes to .nc, .zarr or .json, and so does a dataset whose variables have different dims.
    path : Path
        .nc (netCDF 4, by h5netcdf), .zarr (format 3), .csv (one row per layer or entry, one column per variable and
        axis) or .json (the same rows as records, with all attributes).

    Raises
    ------
    InputError
        Where the file cannot be written; nothing is left half.
    """
    check_target(path, DATA, "output")
    with replacing(path) as temporary:
        _WRITERS[path.suffix](data, temporary)


def storable(data: xr.Dataset) -> xr.Dataset:
    """Return the dataset as every store can keep it: text as objects, whole numbers past int64 as text.

    In text, NUL and lone surrogates, which no store takes, are written as escapes.
    """
    import numpy as np

    text: dict[Any, Any] = {name: v.astype(object) for name, v in data.variables.items() if v.dtype.kind in "UT"}
    objects = {name: v for name, v in data.data_vars.items() if v.dtype == object}
    text |= {n: v.astype(str).astype(object) for n, v in objects.items() if all(type(x) is int for x in v.values.flat)}
    for name, v in {**data.variables, **text}.items():
        if v.dtype == object and any(isinstance(x, str) and UNSTORABLE.search(x) for x in v.values.flat):
            cells = [_storable_text(x) if isinstance(x, str) else x for x in v.values.flat]
            text[name] = v.copy(data=np.array([*cells, None], object)[:-1].reshape(v.shape))
    out = data.assign_coords({k: v for k, v in text.items() if k in data.coords})
    out = out.assign({k: v for k, v in text.items() if k in data.data_vars})
    out.attrs = {str(k): _plain(v) for k, v in data.attrs.items() if v is not None}
    for variable in out.variables.values():
        variable.attrs = {k: _storable_text(v) if isinstance(v, str) else v for k, v in variable.attrs.items()}
    return out


UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _storable_text(text: str) -> str:
    return UNSTORABLE.sub(lambda c: visible(c[0]), text)


def _plain(value: Any) -> Any:
    """Return an attribute as text, a number, or a list of numbers: netCDF knows no lists of text, no truth values."""
    if isinstance(value, str):
        return _storable_text(value)
    if isinstance(value, list | tuple):
        return (
            _storable_text(", ".join(value)) if all(isinstance(v, str) for v in value) else [_plain(v) for v in value]
        )
    value = value.item() if hasattr(value, "item") else value
    return int(value) if isinstance(value, bool) else value


def _stored(data: Data) -> xr.Dataset | xr.DataTree:
    import xarray as xr

    if isinstance(data, xr.DataTree):
        return data.map_over_datasets(storable)
    return storable(data.to_dataset(promote_attrs=True) if isinstance(data, xr.DataArray) else data)


def _netcdf(data: Data, path: Path) -> None:
    # made in memory: on a full disk HDF5 ends the process. `to_netcdf` can do that since xarray 2025.9 only
    import xarray as xr

    h5netcdf: Any = import_module("h5netcdf")
    stored, memory = _stored(data), BytesIO()
    nodes = {None: stored} if isinstance(stored, xr.Dataset) else {n.path: n.to_dataset(False) for n in stored.subtree}
    with h5netcdf.File(memory, "w") as file:
        for group, part in nodes.items():
            part.dump_to_store(xr.backends.H5NetCDFStore(file, group=group, mode="a"))
    path.write_bytes(memory.getvalue())


def _zarr(data: Data, path: Path) -> None:
    _stored(data).to_zarr(path, mode="w", consolidated=False, zarr_format=3)


def records(data: xr.Dataset) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return a dataset as a tidy table: column names, and one row per layer or entry; the axes become columns.

    Labels that are coordinates along a dim of another name are columns too: the factors of an architecture.
    """
    import xarray as xr

    dims = [str(d) for d in data.dims if d != "axis"]
    labels = [str(c) for c in data.coords if c not in data.dims]
    columns: dict[str, list[Any]] = {}
    shape = data.sizes
    for name in [*dims, *labels, *map(str, data.data_vars)]:
        array = data[name] if name in data.variables else xr.DataArray(range(shape[name]), dims=name)
        parts = {name: array}
        if "axis" in array.dims:
            parts = {f"{name}_{axis}": array.sel(axis=axis) for axis in data.axis.values}
        for label, part in parts.items():
            wide = part.expand_dims({d: shape[d] for d in dims if d not in part.dims}).transpose(*dims)
            columns[label] = [_cell(v) for v in wide.values.ravel().tolist()]
    return list(columns), list(zip(*columns.values(), strict=True))


def tables(data: xr.Dataset) -> list[xr.Dataset]:
    """Return a dataset in parts, each with a variable that has all its dims: one table of all would repeat and repeat.

    `axis` does not count: it becomes columns.
    """
    dims = {name: frozenset(v.dims) - {"axis"} for name, v in data.data_vars.items()}
    largest = [d for d in dict.fromkeys(dims.values()) if not any(d < other for other in dims.values())]
    home = {name: next(i for i, d in enumerate(largest) if own <= d) for name, own in dims.items()}
    return [data[[name for name in dims if home[name] == i]] for i in range(len(largest))]


def _cell(value: Any) -> Any:
    """Return whole floats as ints, NaN as None and an infinity as text."""
    if not isinstance(value, float):
        return value
    if isnan(value):
        return None
    return int(value) if value.is_integer() else str(value) if abs(value) == float("inf") else value


def _as_dataset(data: Data, suffix: str) -> xr.Dataset:
    import xarray as xr

    if isinstance(data, xr.DataTree):
        raise InputError(f"a tree of datasets does not fit into one {suffix} table; write .zarr, .nc or .json")
    return data.to_dataset(promote_attrs=True) if isinstance(data, xr.DataArray) else data


def _csv(data: Data, path: Path) -> None:
    made = _as_dataset(data, ".csv")
    if len(tables(made)) > 1:
        raise InputError(
            "the result has variables of different dims, more than one .csv table; write .zarr, .nc or .json"
        )
    names, rows = records(made)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([csv_cell(name) for name in names])
        writer.writerows([csv_cell(value) for value in row] for row in rows)


def csv_cell(value: Any) -> Any:
    """Return a value as a cell that breaks no row and that a spreadsheet takes for no formula.

    Text has its characters without a shape as escapes, and an apostrophe before a first =, +, - or @; numbers, those in
    text too, stay as they are.
    """
    if not isinstance(value, str):
        return value
    text = visible(value)
    if not text.lstrip().startswith(("=", "+", "-", "@")):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def json_content(data: Data) -> dict[str, Any]:
    """Return data as a .json file and --format json hold them; of a tree the content of each group by its path."""
    import xarray as xr

    if isinstance(data, xr.DataTree):
        return {group: _content(node.to_dataset(inherit=False)) for group, node in data.subtree_with_keys}
    return _content(_as_dataset(data, ".json"))


def _json(data: Data, path: Path) -> None:
    path.write_text(json_text(json_content(data)) + "\n", encoding="utf-8")


def _content(data: xr.Dataset) -> dict[str, Any]:
    """Attributes and records; where variables have different dims, the records of each table by its dims."""
    made = {", ".join(str(d) for d in t.dims if d != "axis"): _json_records(t) for t in tables(data)}
    return {
        "attrs": {str(k): _plain(v) for k, v in data.attrs.items()},
        "variables": {str(k): {a: _plain(x) for a, x in v.attrs.items()} for k, v in data.data_vars.items()},
        "records": made if len(made) > 1 else next(iter(made.values()), []),
    }


def _json_records(data: xr.Dataset) -> list[dict[str, Any]]:
    names, rows = records(data)
    return [dict(zip(names, row, strict=True)) for row in rows]


_WRITERS: dict[str, Callable[[Data, Path], None]] = {".nc": _netcdf, ".zarr": _zarr, ".csv": _csv, ".json": _json}
