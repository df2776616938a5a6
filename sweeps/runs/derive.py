"""Figures that follow from the stored ones: area, width, density, overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.footprints.figures import share
from rfscale.engine.variables import annotate
from rfscale.sweeps.variables import DERIVED

if TYPE_CHECKING:
    import xarray as xr


def derive(dataset: xr.Dataset) -> xr.Dataset:
    """Return a stage's dataset with area, width, density and overlap.

    Parameters
    ----------
    dataset : xr.Dataset
        A stage of `rf.sweep`, such as ``tree["s2"]``, or a selection of it. Where its arrays are lazy (a store), so
        are the new ones.

    Examples
    --------
    >>> import rfscale as rf
    >>> tree = rf.sweep(rf.Space.from_dict({"stages": [{"name": "s1", "kernel": 3, "dilation": [1, 2]}]}))
    >>> rf.derive(tree["s1"]).density.values.tolist()
    [1.0, 0.36]
    """
    import xarray as xr

    def ratio(part: xr.DataArray, whole: xr.DataArray) -> xr.DataArray:
        made: xr.DataArray = xr.apply_ufunc(share, part, whole, dask="parallelized", output_dtypes=[float])
        return made

    dataset = getattr(dataset, "dataset", dataset)
    ndim = int(dataset.attrs.get("ndim", 2))
    if "area" in dataset:  # a space with branches: a union has an area and an overlap of its own
        own = {"width": np.sqrt(dataset["area"])}
        if "density" not in dataset:
            extent = dataset["extent"].astype(np.int64)
            own["density"] = ratio(dataset["area"], extent.prod("axis") if "axis" in extent.dims else extent**ndim)
        return dataset.assign(annotate(xr.Dataset(own), {name: DERIVED[name] for name in own}))
    pixels, extent = dataset["pixels"], dataset["extent"]
    kind = np.int64 if ndim < 3 else float  # three int32 multiplied may pass int64
    pixels, extent = pixels.astype(kind), extent.astype(kind)
    if "axis" in pixels.dims:
        area, box = pixels.prod("axis"), extent.prod("axis")
    else:
        area, box = pixels**ndim, extent**ndim
    made: dict[str, Any] = {
        "area": area,
        "width": np.sqrt(area),
        "density": ratio(area, box),
        "overlap": ratio(dataset["shared"], pixels),
    }
    return dataset.assign(annotate(xr.Dataset(made), DERIVED))
