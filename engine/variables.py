"""One spec per output variable: name, dims, units, meaning. Public functions annotate their datasets from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Variable:
    """What one dataset variable is.

    `dims` are the dims it may have, in order, where "entry" stands for the entry_<axis> dims of a map; `kind` is the
    kind of its dtype: i whole number, f float64, b bool, O or U text.
    """

    dims: tuple[str, ...]
    kind: str
    units: str
    long_name: str


PIXEL, ONE = "pixel", "1"


LAYER, LAYER_AXIS = ("layer",), ("layer", "axis")


PROFILE: dict[str, Variable] = {
    "op": Variable(LAYER, "UO", ONE, "operation of the layer"),
    "map_size": Variable(LAYER_AXIS, "i", ONE, "entries of the feature map"),
    "jump": Variable(LAYER_AXIS, "f", PIXEL, "input pixels between neighbouring entries"),
    "extent": Variable(LAYER_AXIS, "f", PIXEL, "bounding box of the footprint; inf: global receptive field"),
    "start": Variable(LAYER_AXIS, "f", PIXEL, "first pixel of the footprint"),
    "area": Variable(LAYER, "f", PIXEL, "spatial scale: pixels of the footprint; inf: global receptive field"),
    "width": Variable(LAYER, "f", PIXEL, "spatial scale width: square root of the area"),
    "density": Variable(LAYER, "f", ONE, "area / product of the extents; below 1 means holes"),
    "overlap": Variable(LAYER_AXIS, "f", ONE, "spatial overlap: share of the footprint in that of the next entry"),
    "max_gap": Variable(LAYER_AXIS, "i", PIXEL, "longest run of missing pixels inside the extent"),
    "terms": Variable(LAYER, "i", ONE, "separable products in the footprint's union; 0: not kept as products"),
    "phases": Variable(LAYER, "i", ONE, "entries until the interior footprints repeat"),
    "aligned": Variable(LAYER, "b", ONE, "the merged branches have one centre"),
    "is_global": Variable(LAYER, "b", ONE, "the layer has a global receptive field"),
    "published_area": Variable(LAYER, "f", PIXEL, "spatial scale by the article's formula"),
    "published_overlap": Variable(LAYER, "f", ONE, "spatial overlap by the article's formula"),
    "closed_form_area": Variable(LAYER, "f", PIXEL, "spatial scale by the closed form"),
    "closed_form_overlap": Variable(LAYER_AXIS, "f", ONE, "spatial overlap by the closed form"),
    "formula_domain": Variable(LAYER, "UO", ONE, "why a formula has no value at this layer; empty: all have one"),
    "params": Variable(LAYER, "f", ONE, "weights and biases of the layer"),
    "macs": Variable(LAYER, "f", ONE, "multiply-accumulate operations of the layer for one image"),
}


ENTRIES: dict[str, Variable] = {
    "area": Variable(("entry",), "i", PIXEL, "pixels of the footprint"),
    "width": Variable(("entry",), "f", PIXEL, "square root of the area"),
    "density": Variable(("entry",), "f", ONE, "area / product of the extents; nan: reads only padding"),
    "extent": Variable(("entry", "axis"), "i", PIXEL, "bounding box of the footprint"),
    "start": Variable(("entry", "axis"), "i", PIXEL, "first pixel of the footprint"),
    "max_gap": Variable(("entry", "axis"), "i", PIXEL, "longest run of missing pixels inside the extent"),
    "overlap": Variable(("entry", "axis"), "f", ONE, "share of the footprint in that of the next entry along the axis"),
}


def annotate(dataset: xr.Dataset, specs: dict[str, Variable]) -> xr.Dataset:
    """Return the dataset with units and long names; a variable that does not fit its spec is an error."""
    entry_dims = tuple(str(d) for d in dataset.dims if str(d).startswith("entry_"))
    for name in dataset.data_vars:
        variable = dataset.variables[name]  # as dataset[name] is, without making a DataArray: 20 µs each
        spec = specs[str(name)]
        dims = tuple(d for s in spec.dims for d in (entry_dims if s == "entry" else (s,)))
        if variable.dims != dims or variable.dtype.kind not in spec.kind:
            raise TypeError(f"{name} has dims {variable.dims} and dtype {variable.dtype}; its spec says {spec}")
        variable.attrs = {"units": spec.units, "long_name": spec.long_name}
    return dataset
