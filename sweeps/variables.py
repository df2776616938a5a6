"""One spec per output variable of a sweep: dtype, units, meaning."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variable:
    """What one variable is; `per_axis` ones have the dim `axis` where the space is not square."""

    dtype: str
    units: str
    long_name: str
    per_axis: bool = False


FIGURES: dict[str, Variable] = {
    "pixels": Variable("int32", "pixel", "pixels of the footprint along one axis", True),
    "extent": Variable("int32", "pixel", "bounding box of the footprint", True),
    "jump": Variable("int32", "pixel", "input pixels between neighbouring entries", True),
    "shared": Variable("int32", "pixel", "pixels along one axis that the next entry's footprint has as well", True),
}


COSTS: dict[str, Variable] = {
    "params": Variable("int64", "1", "weights and biases of all layers so far"),
    "macs": Variable("int64", "1", "multiply-accumulate operations of all layers so far, for one image"),
}


FORMULAS: dict[str, Variable] = {
    "published_area": Variable("float64", "pixel", "spatial scale by the article's formula; nan: it has none"),
    "published_overlap": Variable("float64", "1", "spatial overlap by the article's formula; nan: it has none"),
    "closed_form_area": Variable("float64", "pixel", "spatial scale by the closed form; nan outside its domain"),
    "closed_form_overlap": Variable("float64", "1", "spatial overlap by the closed form; nan outside its domain", True),
}


DERIVED: dict[str, Variable] = {
    "area": Variable("int64", "pixel", "spatial scale: pixels of the footprint"),
    "width": Variable("float64", "pixel", "spatial scale width: square root of the area"),
    "density": Variable("float64", "1", "area / product of the extents; below 1 means holes"),
    "overlap": Variable("float64", "1", "spatial overlap: share of the footprint in that of the next entry", True),
}


NETWORKS: dict[str, Variable] = {
    "area": Variable("float64", "pixel", "spatial scale: pixels of the footprint; inf: global receptive field"),
    "width": Variable("float64", "pixel", "spatial scale width: square root of the area"),
    "density": Variable("float64", "1", "area / product of the extents; below 1 means holes"),
    "extent": Variable("float64", "pixel", "bounding box of the footprint", True),
    "jump": Variable("float64", "pixel", "input pixels between neighbouring entries", True),
    "overlap": Variable("float64", "1", "spatial overlap: share of the footprint in that of the next entry", True),
    "max_gap": Variable("float64", "pixel", "longest run of missing pixels inside the extent", True),
    "params": Variable("float64", "1", "weights and biases; nan: channels are not known"),
    "macs": Variable("float64", "1", "multiply-accumulate operations; nan: channels or sizes are not known"),
}


VARIABLES = {**FIGURES, **COSTS, **FORMULAS, **DERIVED}
