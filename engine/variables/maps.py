"""Output variables of one network: its maps, tiles, places, sizes, and the survey of models."""

from __future__ import annotations

from dataclasses import replace

from rfscale.engine.variables.variable import BYTE, LAYER, LAYER_AXIS, ONE, PIXEL, Variable

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
    "unjudged": Variable(MODEL, "U", ONE, "why no entry of a model that was read was judged; empty: some were"),
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
