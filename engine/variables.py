"""The registry of output variables (name, dims, kind, units, meaning), and the attrs that say where a result is from.

Every public function that returns a dataset ends with `annotate` and one table of this file (of many networks:
`rfscale.sweeps.variables`), which writes units and long names and raises for what does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from rfscale.engine.version import SOFTWARE

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
LAYER, LAYER_AXIS = ("layer",), ("layer", "axis")

PROFILE: dict[str, Variable] = {
    "op": Variable(LAYER, "UO", ONE, "operation of the layer"),
    "map_size": Variable(LAYER_AXIS, "i", ONE, "entries of the feature map"),
    "jump": Variable(LAYER_AXIS, "f", PIXEL, "input pixels between neighbouring entries"),
    "extent": Variable(LAYER_AXIS, "f", PIXEL, "bounding box of the footprint; inf: global receptive field"),
    "start": Variable(LAYER_AXIS, "f", PIXEL, "first pixel of the footprint; -inf: no bounds on this side"),
    "end": Variable(LAYER_AXIS, "f", PIXEL, "last pixel of the footprint; inf: no bounds on this side"),
    "centre": Variable(LAYER_AXIS, "f", PIXEL, "middle of the footprint's bounding box before any clipping"),
    "entry": Variable(LAYER_AXIS, "i", ONE, "entry of the map that the figures are of; interior: within the period"),
    "area": Variable(LAYER, "f", PIXEL, "spatial scale: pixels of the footprint; inf: global receptive field"),
    "width": Variable(LAYER, "f", PIXEL, "spatial scale width: square root of the area"),
    "density": Variable(LAYER, "f", ONE, "area / product of the extents; below 1 means holes"),
    "overlap": Variable(LAYER_AXIS, "f", ONE, "spatial overlap: share of the footprint in that of the next entry"),
    "max_gap": Variable(LAYER_AXIS, "i", PIXEL, "longest run of missing pixels in the extent; 0 of an infinite one"),
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

ENTRY, ENTRY_AXIS = ("entry",), ("entry", "axis")
ENTRY_MAP: dict[str, Variable] = {
    "area": Variable(ENTRY, "i", PIXEL, "pixels of the footprint"),
    "width": Variable(ENTRY, "f", PIXEL, "square root of the area"),
    "density": Variable(ENTRY, "f", ONE, "area / product of the extents; nan: reads only padding"),
    "extent": Variable(ENTRY_AXIS, "i", PIXEL, "bounding box of the footprint"),
    "start": Variable(ENTRY_AXIS, "i", PIXEL, "first pixel of the footprint"),
    "centre": Variable(ENTRY_AXIS, "f", PIXEL, "middle of the footprint's bounding box before any clipping"),
    "max_gap": Variable(ENTRY_AXIS, "i", PIXEL, "longest run of missing pixels inside the extent"),
    "overlap": Variable(ENTRY_AXIS, "f", ONE, "share of the footprint in that of the next entry along the axis"),
}

PIXEL_NUMBERS: dict[str, Variable] = {
    axis: Variable((axis,), "i", PIXEL, f"pixel number along {axis}") for axis in ("z", "y", "x")
}
FOOTPRINT: dict[str, Variable] = {
    "footprint": Variable(("...",), "b", ONE, "footprint of entry {entry} of {layer}"),
    **PIXEL_NUMBERS,
}
FOOTPRINT_FIGURES: dict[str, Variable] = {
    "area": Variable((), "i", PIXEL, "pixels of the footprint"),
    "width": Variable((), "f", PIXEL, "square root of the area"),
    "density": Variable((), "f", ONE, "area / product of the extents; nan: reads only padding"),
    "extent": Variable(("axis",), "i", PIXEL, "bounding box of the footprint"),
    "start": Variable(("axis",), "i", PIXEL, "first pixel of the footprint"),
}
PATH_COUNTS: dict[str, Variable] = {
    "path_counts": Variable(("...",), "f", ONE, "share of the paths to entry {entry} of {layer}"),
    **PIXEL_NUMBERS,
}
COVERAGE: dict[str, Variable] = {
    "coverage": Variable(("...",), "i", ONE, "footprints of entries of {layer} that the pixel is in"),
    **PIXEL_NUMBERS,
}
MASS_BOX: dict[str, Variable] = {
    "mean": Variable(("axis",), "f", PIXEL, "centre of mass of the path counts"),
    "std": Variable(("axis",), "f", PIXEL, "standard deviation of the path counts"),
    "box_start": Variable(("axis",), "i", PIXEL, "first pixel of the box that holds most of the mass"),
    "box_extent": Variable(("axis",), "i", PIXEL, "length of the box that holds most of the mass"),
    "mass": Variable((), "f", ONE, "share of the path counts in the box"),
}
FIELD: dict[str, Variable] = {
    "field": Variable(("...",), "f", ONE, "effective field of entry {entry} of {layer}"),
    "standard_error": Variable(("...",), "f", ONE, "standard error of the mean over images"),
    **PIXEL_NUMBERS,
}
SHARE, SHARE_AXIS = ("share",), ("share", "axis")
FIELD_FIGURES: dict[str, Variable] = {
    "mass": Variable(("...",), "f", ONE, "share of the field's mass on each pixel"),
    "mean": Variable(("axis",), "f", PIXEL, "centre of mass"),
    "std": Variable(("axis",), "f", PIXEL, "standard deviation"),
    "principal_std": Variable(("principal",), "f", PIXEL, "standard deviations along the principal axes"),
    "angle": Variable((), "f", "degree", "angle of the longer principal axis, from x towards y"),
    "box_start": Variable(SHARE_AXIS, "i", PIXEL, "first pixel of the smallest box of equal tails with the share"),
    "box_extent": Variable(SHARE_AXIS, "i", PIXEL, "length of that box"),
    "box_mass": Variable(SHARE, "f", ONE, "share of the mass in that box"),
    "area": Variable(SHARE, "i", PIXEL, "fewest pixels that hold the share of the mass"),
    "square_side": Variable(SHARE, "f", PIXEL, "side of the smallest square about the middle with more than the share"),
    "square_ratio": Variable(SHARE, "f", ONE, "area of that square / area of the image: RepLKNet's r"),
    "gridding": Variable(
        ("period", "axis"), "f", ONE, "0: the mass is even over pixel numbers modulo the period; 1: all in one"
    ),
    "exact_area": Variable((), "i", PIXEL, "pixels of the exact footprint"),
    "effective_ratio": Variable(SHARE, "f", ONE, "area / area of the exact footprint"),
    "outside_mass": Variable((), "f", ONE, "share of the mass outside the exact footprint"),
    "padding_mass": Variable((), "f", ONE, "share of the mass on pixels outside the image"),
    **PIXEL_NUMBERS,
}
KIND = ("kind",)
ALL_FIELDS: dict[str, Variable] = {
    "footprint": Variable(("...",), "b", ONE, "exact footprint of entry {entry} of {layer}"),
    "exact_area": FIELD_FIGURES["exact_area"],
    "correlation": Variable(KIND, "f", ONE, "correlation over pixels with the last kind"),
    **{
        name: Variable((*KIND, *spec.dims), spec.kind, spec.units, spec.long_name)
        for name, spec in FIELD_FIGURES.items()
        if name not in ("exact_area", *PIXEL_NUMBERS)
    },
    **PIXEL_NUMBERS,
}
FIELD_PROFILE: dict[str, Variable] = {
    "extent": Variable(LAYER_AXIS, "f", PIXEL, "bounding box of the exact footprint"),
    "exact_area": Variable(LAYER, "f", PIXEL, "pixels of the exact footprint"),
    "std": Variable(("kind", "layer", "axis"), "f", PIXEL, "standard deviation of the field"),
    "box_extent": Variable(("kind", "layer", "axis"), "f", PIXEL, "length of the box that holds {share:g} of the mass"),
    "area": Variable(("kind", "layer"), "f", PIXEL, "fewest pixels that hold {share:g} of the mass"),
}
FIELD_COMPARISON: dict[str, Variable] = {
    "correlation": Variable((), "f", ONE, "correlation over the pixels that one of both reaches"),
    "std_ratio": Variable(("axis",), "f", ONE, "standard deviation of the second / of the first"),
    "shift": Variable(("axis",), "f", PIXEL, "centre of the second − centre of the first"),
    "distance": Variable((), "f", ONE, "total variation: share of the mass that lies elsewhere"),
    "difference": Variable(("...",), "f", ONE, "mass of the second − mass of the first"),
    **PIXEL_NUMBERS,
}

HALO: dict[str, Variable] = {
    "reach": Variable(("axis", "side"), "i", PIXEL, "pixels beyond the tile that outputs depend on"),
    "margin": Variable(("axis", "side"), "i", PIXEL, "pixels beyond the tile that a crop needs"),
    "period": Variable(("axis",), "i", PIXEL, "tiles and margins are multiples of it"),
    "tile": Variable(("axis",), "i", PIXEL, "pixels of a tile"),
    "crop": Variable(("axis",), "i", PIXEL, "pixels of a tile with its margins"),
    "useful": Variable(("axis",), "i", PIXEL, "pixels of a tile whose crop has the size given as tile"),
    "waste": Variable((), "f", ONE, "pixels computed for each pixel of the tile"),
    "waste_as_crop": Variable((), "f", ONE, "the same, where tile is the size of the crop"),
    "valid": Variable(("axis",), "UO", ONE, "all input sizes that the network takes, in words, k a whole number"),
    "pad_to": Variable(("axis",), "i", PIXEL, "smallest valid input size that is no smaller than the image"),
}
TILE_COSTS: dict[str, Variable] = {
    "tile": Variable(("option", "axis"), "i", PIXEL, "pixels of a tile"),
    "crop": Variable(("option", "axis"), "i", PIXEL, "pixels of a tile with its margins"),
    "tiles": Variable(("option",), "i", ONE, "tiles that cover the image"),
    "waste": Variable(("option",), "f", ONE, "pixels computed for each pixel of use"),
    "memory": Variable(("option",), "f", BYTE, "most that maps take at one time; nan: channels are not known"),
}
TILE_TEST: dict[str, Variable] = {
    "difference": Variable(("output",), "f", ONE, "largest difference between tiled and whole"),
    "shorter_difference": Variable(
        ("output",), "f", ONE, "the same with margins one period shorter; nan: there is none"
    ),
    "largest": Variable(("output",), "f", ONE, "largest value of the whole output, without its sign"),
}

WHERE: dict[str, Variable] = {
    "op": PROFILE["op"],
    "entry": Variable(LAYER_AXIS, "i", ONE, "entry of the map"),
    "jump": PROFILE["jump"],
    "centre": Variable(LAYER_AXIS, "f", PIXEL, "middle of the box"),
    "box_start": Variable(LAYER_AXIS, "f", PIXEL, "first pixel of the box if the map had no borders"),
    "box_end": Variable(LAYER_AXIS, "f", PIXEL, "last pixel of the box if the map had no borders"),
    "start": Variable(LAYER_AXIS, "f", PIXEL, "first pixel that the entry reads; nan: only padding"),
    "end": Variable(LAYER_AXIS, "f", PIXEL, "last pixel that the entry reads; nan: only padding"),
    "extent": Variable(LAYER_AXIS, "f", PIXEL, "pixels from the first to the last"),
    "padding_start": Variable(LAYER_AXIS, "f", PIXEL, "pixels of the box before the image"),
    "padding_end": Variable(LAYER_AXIS, "f", PIXEL, "pixels of the box after the image"),
    "inside": Variable(LAYER, "f", ONE, "share of the box that lies in the image"),
}
ENTRIES_AT: dict[str, Variable] = {
    "first_entry": Variable(LAYER_AXIS, "f", ONE, "first entry whose box has a pixel of the box; nan: none"),
    "last_entry": Variable(LAYER_AXIS, "f", ONE, "last entry whose box has a pixel of the box; nan: none"),
    "nearest": Variable(LAYER_AXIS, "f", ONE, "entry whose centre is nearest to the middle of the box"),
    "offset": Variable(LAYER_AXIS, "f", PIXEL, "from the centre of that entry to the middle of the box"),
}

SAMPLE, MS = "sample", "ms"
CONTEXT: dict[str, Variable] = {
    "past": Variable(LAYER, "f", SAMPLE, "samples read before those that an entry stands for"),
    "lookahead": Variable(LAYER, "f", SAMPLE, "samples read after those that an entry stands for"),
    "hop": Variable(LAYER, "f", SAMPLE, "from one entry to the next"),
    "latency": Variable(LAYER, "f", SAMPLE, "from the first sample of an entry until all that it reads have arrived"),
    "extent": Variable(LAYER, "f", SAMPLE, "from the first sample that an entry reads to the last"),
    "block": Variable(LAYER, "f", SAMPLE, "pieces of a stream are multiples of it"),
    "causal": Variable(LAYER, "b", ONE, "no entry reads a later sample"),
    "past_ms": Variable(LAYER, "f", MS, "time read before an entry's own samples"),
    "lookahead_ms": Variable(LAYER, "f", MS, "time read after an entry's own samples"),
    "hop_ms": Variable(LAYER, "f", MS, "from one entry to the next"),
    "latency_ms": Variable(LAYER, "f", MS, "from the first sample of an entry until all that it reads have arrived"),
    "extent_ms": Variable(LAYER, "f", MS, "from the first sample that an entry reads to the last"),
}

LAYER_NETWORK, LAYER_NETWORK_AXIS = ("layer", "network"), ("layer", "network", "axis")
NETWORK_COMPARISON: dict[str, Variable] = {
    "name": Variable(LAYER_NETWORK, "UO", ONE, "name of the layer; empty: the network has no such layer"),
    "op": Variable(LAYER_NETWORK, "UO", ONE, "operation of the layer"),
    "matched": Variable(LAYER, "UO", ONE, "by what the two layers are a pair"),
    "differs": Variable(LAYER, "UO", ONE, "figures that are not equal; all: one network has no such layer"),
    "is_output": Variable(LAYER, "b", ONE, "it is an output of a network"),
    **{n: replace(PROFILE[n], dims=LAYER_NETWORK_AXIS, kind="f") for n in ("jump", "extent", "start", "max_gap")},
    "padding": Variable(LAYER_NETWORK_AXIS, "f", PIXEL, "by how much entry 0 reaches beyond the image"),
    "effective": Variable(LAYER_NETWORK_AXIS, "f", PIXEL, "side of the box that holds 95 % of the path counts"),
    **{n: replace(PROFILE[n], dims=LAYER_NETWORK) for n in ("density", "params", "macs")},
    "layers": Variable(("network",), "i", ONE, "layers of the network"),
    "total_params": Variable(("network",), "f", ONE, "weights and biases of all layers"),
    "total_macs": Variable(("network",), "f", ONE, "multiply-accumulate operations of all layers for one image"),
}

RULE_AXIS = ("rule", "axis")
INPUT_SIZES: dict[str, Variable] = {
    "smallest": Variable(RULE_AXIS, "i", PIXEL, "smallest valid input size; 0: there is none"),
    "step": Variable(RULE_AXIS, "i", PIXEL, "valid sizes repeat after so many pixels; 0: they are few"),
    "valid": Variable(RULE_AXIS, "UO", ONE, "all valid sizes in words, k a whole number"),
    "listed": Variable((*RULE_AXIS, "rank"), "i", PIXEL, "first valid sizes; 0: there are no more"),
    "meaning": Variable(("rule",), "UO", ONE, "what the rule asks for"),
    "near": Variable(("axis",), "i", PIXEL, "size that was asked for"),
    "below": Variable(RULE_AXIS, "i", PIXEL, "largest valid size that is no larger; 0: there is none"),
    "above": Variable(RULE_AXIS, "i", PIXEL, "smallest valid size that is no smaller; 0: there is none"),
    "to_add": Variable(RULE_AXIS, "i", PIXEL, "pixels to add; -1: there is no such size"),
    "to_cut": Variable(RULE_AXIS, "i", PIXEL, "pixels to cut; -1: there is no such size"),
    "runs": Variable(("rule", "which"), "b", ONE, "the model, read again at the size, takes it"),
}

EXTENT_OF_BOTH_AXES = "side of the bounding box, mean of both on a log scale"
MATCH_BY_WIDTH: dict[str, Variable] = {
    "op": PROFILE["op"],
    "width": Variable(LAYER, "f", PIXEL, "square root of the pixels of the footprint"),
    "extent": Variable(LAYER, "f", PIXEL, EXTENT_OF_BOTH_AXES),
    "effective": Variable(
        LAYER, "f", PIXEL, "side of the box that holds 95 % of the path counts, mean of both on a log scale"
    ),
    "jump": Variable(LAYER, "f", PIXEL, "input pixels between neighbouring entries"),
    "share": Variable(("bin",), "f", ONE, "share of the objects"),
    "best_width": Variable(("bin",), "UO", ONE, "layer whose width is nearest"),
    "best_extent": Variable(("bin",), "UO", ONE, "layer whose extent is nearest"),
    "best_effective": Variable(("bin",), "UO", ONE, "layer whose effective is nearest"),
    "chosen_figure": Variable(("chosen",), "f", PIXEL, "{by} of the chosen map"),
    "chosen_share": Variable(("chosen",), "f", ONE, "share of the objects that are nearest to the map"),
    "chosen_tightness": Variable(("chosen",), "f", ONE, "their mean |log2({by} / size)|"),
    "tightness": Variable((), "f", ONE, "mean |log2({by} / size)|"),
    "coverage": Variable((), "f", ONE, "share of the objects within {factor:g} of a chosen map"),
    "gap_low": Variable(("gap",), "f", PIXEL, "low end of a range not covered"),
    "gap_high": Variable(("gap",), "f", PIXEL, "high end of a range not covered"),
    "gap_share": Variable(("gap",), "f", ONE, "share of the objects in a range not covered"),
    "fpn_share": Variable(("level",), "f", ONE, "share of the objects by FPN's rule"),
    "fpn_tightness": Variable((), "f", ONE, "mean |log2({by} / size)| with the objects at the levels of FPN's rule"),
    "best_layers": Variable(("maps",), "UO", ONE, "best maps"),
    "best_tightness": Variable(("maps",), "f", ONE, "tightness of the best maps"),
    "best_coverage": Variable(("maps",), "f", ONE, "coverage of the best maps"),
    "bin": Variable(("bin",), "f", PIXEL, "centre of a bin of object sizes"),
}

LEVEL, FINER = ("level",), ("finer",)
MATCH_BY_ENTRIES: dict[str, Variable] = {
    "level": Variable(LEVEL, "UO", ONE, "level, finest first: P3 has one entry in every 2^3 pixels"),
    "layer": Variable(LEVEL, "UO", ONE, "layer that makes the level"),
    "stride": Variable(
        LEVEL, "f", PIXEL, "input pixels between neighbouring entries, mean of both axes on a log scale"
    ),
    "extent": Variable(LEVEL, "f", PIXEL, EXTENT_OF_BOTH_AXES),
    "effective": Variable(
        LEVEL, "f", PIXEL, "side of the box that holds {mass:g} % of the path counts, mean of both on a log scale"
    ),
    "is_output": Variable(LEVEL, "b", ONE, "the level is an output of the network"),
    "whole_image": Variable(
        LEVEL, "b", ONE, "a branch of the level, not counted in its figures, reads the whole image"
    ),
    "smallest": Variable(LEVEL, "f", PIXEL, "smallest object that has {entries:g} entries across"),
    "largest": Variable(LEVEL, "f", PIXEL, "largest object that the effective box holds"),
    "smallest_original": Variable(LEVEL, "f", PIXEL, "the same before the resize, at its mean factor"),
    "largest_original": Variable(LEVEL, "f", PIXEL, "the same before the resize, at its mean factor"),
    "under": Variable(LEVEL, "f", ONE, "share of the objects below the smallest"),
    "fit": Variable(LEVEL, "f", ONE, "share of the objects between the smallest and the largest"),
    "over": Variable(LEVEL, "f", ONE, "share of the objects above the largest"),
    "verdict": Variable(LEVEL, "UO", ONE, "what the level is right for, in words"),
    "finer": Variable(FINER, "UO", ONE, "level that the network has not"),
    "finer_stride": Variable(FINER, "f", PIXEL, "its stride"),
    "finer_layer": Variable(FINER, "UO", ONE, "the last layer of that stride, which could feed it"),
    "finer_gain": Variable(
        FINER, "f", ONE, "share of the objects with {entries:g} entries across there, but no coarser"
    ),
    "finer_under": Variable(FINER, "f", ONE, "share of the objects with fewer even there"),
    "question": Variable(("question",), "UO", ONE, "what is asked of the ends of a pyramid"),
    "answer": Variable(("question",), "UO", ONE, "yes, no, and what lies between"),
    "why": Variable(("question",), "UO", ONE, "why, with shares of the objects"),
    "bin": Variable(("bin",), "f", PIXEL, "centre of a bin of object sizes"),
    "share": Variable(("bin",), "f", ONE, "share of the objects"),
    "scale": Variable(
        (), "f", ONE, "pixels of the resized image for each of the original, geometric mean over objects"
    ),
}


MODEL, MODEL_AXIS = ("model",), ("model", "axis")
MAP, MAP_AXIS = ("model", "level"), ("model", "level", "axis")
SURVEY: dict[str, Variable] = {
    "library": Variable(MODEL, "U", ONE, "library that has the model"),
    "family": Variable(MODEL, "U", ONE, "module or architecture of the library"),
    "status": Variable(MODEL, "U", ONE, "how it was read: whole; part; not; unmade: its library did not make it"),
    "reason": Variable(MODEL, "U", ONE, "what ended the reading; empty: nothing did"),
    "seconds": Variable(MODEL, "f", "s", "processor time of reading the model that is made, and of its profile"),
    "layers": Variable(MODEL, "f", ONE, "layers of the network"),
    "params": Variable(MODEL, "f", ONE, "parameters of the model"),
    "macs": Variable(MODEL, "f", ONE, "multiply-accumulate operations of convolutions and linear layers for one image"),
    "interior": Variable(MODEL, "b", ONE, "figures are interior; else those of the centre entry at the input size"),
    "compared": Variable(MODEL, "i", ONE, "entries whose footprint was judged by runs of the model"),
    "wrong": Variable(MODEL, "i", ONE, "entries among them whose footprint is another"),
    "input_size": Variable(MODEL_AXIS, "f", PIXEL, "size of the image; nan: the model has no such axis"),
    "layer": Variable(MAP, "U", ONE, "layer that makes the map"),
    "pyramid": Variable(MAP, "U", ONE, "name of the map as a level of a pyramid; empty: it is none"),
    "role": Variable(MAP, "U", ONE, "output; last: last local map; stage: last map of another stride; empty: no map"),
    "is_global": Variable(MAP, "b", ONE, "global receptive field, where no branches are skipped"),
    "map_size": Variable(MAP_AXIS, "f", ONE, "entries of the feature map"),
    "stride": Variable(MAP_AXIS, "f", PIXEL, "input pixels between neighbouring entries"),
    "extent": Variable(MAP_AXIS, "f", PIXEL, "bounding box of the footprint"),
    "padding": Variable(MAP_AXIS, "f", PIXEL, "pixels by which the footprint of entry 0 reaches beyond the image"),
    "effective": Variable(MAP_AXIS, "f", PIXEL, "sides of the box that holds 95 % of the path counts"),
    "density": Variable(MAP, "f", ONE, "area / product of the extents; below 1 means holes"),
    "max_gap": Variable(MAP_AXIS, "f", PIXEL, "longest run of missing pixels inside the extent"),
    "overlap": Variable(MAP_AXIS, "f", ONE, "share of the footprint in that of the next entry"),
}


def _histogram(measure: str, meaning: str, dim: str, units: str) -> dict[str, Variable]:
    return {
        measure: Variable(("category", dim), "f", ONE, f"objects by {meaning}"),
        dim: Variable((dim,), "f", units, "centre of the bin"),
        f"{dim}_low": Variable((dim,), "f", units, "lower edge of the bin"),
        f"{dim}_high": Variable((dim,), "f", units, "upper edge of the bin"),
    }


OBJECT_SIZES: dict[str, Variable] = {
    **_histogram("size", "sqrt(width·height)", "bin", PIXEL),
    **_histogram("width", "width", "bin", PIXEL),
    **_histogram("height", "height", "bin", PIXEL),
    **_histogram("aspect", "width / height", "aspect_bin", ONE),
    **_histogram("relative", "sqrt(width·height / area of the image)", "relative_bin", ONE),
    "quantiles": Variable(("measure", "q"), "f", ONE, "size, width, height in pixels; ratios"),
    "modes": Variable(("mode",), "f", PIXEL, "peaks of the size histogram"),
    "left_out": Variable(("reason",), "i", ONE, "boxes left out"),
    "scale": Variable((), "f", ONE, "factor by which the resize changes sizes, geometric mean over objects"),
    "scale_low": Variable((), "f", ONE, "least factor"),
    "scale_high": Variable((), "f", ONE, "largest factor"),
    "image_width": Variable((), "f", PIXEL, "width of the images before the resize, geometric mean over objects"),
    "image_height": Variable((), "f", PIXEL, "height of the images before the resize, geometric mean over objects"),
}


# a dataset by its table ----------------------------------------------------------------------------------------------


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
    coords = data.coords
    for name, variable in data.variables.items():  # without making a DataArray of each: 20 µs
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
    if not _fits(variable.dims, spec.dims) or variable.dtype.kind not in spec.kind:
        raise TypeError(f"{name} has dims {variable.dims} and dtype {variable.dtype}; its spec says {spec}")
    variable.attrs.update(spec.attrs(**words))


DIMS = {"entry": r"(entry_\w+,)+", "axis?": "(axis,)?", "...": r"((?!axis,)[^,]+,)*"}  # what stands for several dims


@lru_cache(maxsize=4096)
def _fits(dims: tuple[str, ...], expected: tuple[str, ...]) -> bool:
    """Whether dims are those of a spec."""
    pattern = "".join(DIMS.get(d, re.escape(d) + ",") for d in expected)
    return dims == expected or re.fullmatch(pattern, "".join(f"{d}," for d in dims)) is not None


# provenance ----------------------------------------------------------------------------------------------------------


class Hashed(Protocol):
    """A network, as far as its provenance goes."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def hash(self) -> str:
        """Hash of its spec."""


def provenance(call: str, network: Hashed | None = None, **more: Any) -> dict[str, Any]:
    """Return the attrs that every result has: software, call, network with its hash, and what else decided it.

    Parameters
    ----------
    call : str
        The public function, and its arguments where they are short.
    network : Network, optional
    **more
        Further attributes; those that are None are left out.
    """
    known = {} if network is None else {"network": network.name, "network_hash": network.hash}
    return known | {k: v for k, v in more.items() if v is not None} | {"software": SOFTWARE, "call": call}
