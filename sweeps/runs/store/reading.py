"""A store as lazy datasets, made from its metadata in a tenth of the time in which xarray and zarr open all its arrays.

An array is opened by them when the first of its figures is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core.indexing import CopyOnWriteArray, LazilyIndexedArray, MemoryCachedArray

from rfscale.sweeps.runs.labelled import bare
from rfscale.sweeps.runs.store.layout import DONE, MARK
from rfscale.sweeps.runs.store.zarr_files import METADATA

Variables = dict[str, xr.Variable]


class StoredArray(BackendArray):
    """An array of a store, which xarray's own reader of Zarr reads when it is asked for."""

    def __init__(self, path: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.path, self.shape, self.dtype = path, shape, dtype

    @cached_property
    def _array(self) -> Any:
        import zarr
        from xarray.backends import zarr as reader

        kind: Any = reader.ZarrArrayWrapper  # without types
        return kind(zarr.open_array(self.path, mode="r", zarr_format=3))

    def __getitem__(self, key: Any) -> Any:
        return self._array[key]

    async def async_getitem(self, key: Any) -> Any:
        """Return entries, beside others that are awaited."""
        return await self._array.async_getitem(key)


def opened(path: Path, stages: Sequence[str]) -> tuple[xr.Dataset, dict[str, tuple[Variables, dict[str, Any]]]]:
    """Return the root with the list of blocks, and the variables and attributes of some stages, without labels."""
    attributes = _metadata(path)["attributes"]
    names = json.loads(attributes[MARK])["variables"]  # in the order of the space, not of the disk
    found = {}
    for stage in stages:
        folder = path / stage
        found[stage] = {name: _variable(folder / name) for name in names}, _metadata(folder)["attributes"]
    return xr.Dataset({DONE: _variable(path / DONE)}, attrs=attributes), found


def _variable(folder: Path) -> xr.Variable:
    """Return an array as xarray's reader of Zarr does: not yet read, then kept, and copied before it is changed."""
    made = _metadata(folder)
    shape, dtype, dims = tuple(made["shape"]), np.dtype(made["data_type"]), tuple(made["dimension_names"])
    chunk, shard, codecs = tuple(made["chunk_grid"]["configuration"]["chunk_shape"]), None, made["codecs"]
    if codecs[0]["name"] == "sharding_indexed":
        parts = codecs[0]["configuration"]
        chunk, shard, codecs = tuple(parts["chunk_shape"]), chunk, parts["codecs"]
    data: Any = StoredArray(str(folder), shape, dtype)
    for kind in (LazilyIndexedArray, CopyOnWriteArray, MemoryCachedArray):
        data = kind(data)
    encoding: dict[str, Any] = {
        "chunks": chunk,
        "preferred_chunks": dict(zip(dims, chunk, strict=True)),
        "shards": shard,
    }
    encoding |= {"compressors": tuple(codecs[1:]), "fill_value": dtype.type(made["fill_value"]), "dtype": dtype}
    variable: xr.Variable = bare(xr.Variable, dims, data)
    variable._attrs, variable._encoding = made["attributes"], encoding
    return variable


def _metadata(folder: Path) -> dict[str, Any]:
    with open(f"{folder}/{METADATA}", "rb") as file:
        return dict(json.loads(file.read()))
