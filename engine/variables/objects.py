"""Output variables of objects: their sizes, and matches with the maps of a network."""

from __future__ import annotations

from rfscale.engine.variables.maps import PROFILE
from rfscale.engine.variables.variable import LAYER, ONE, PIXEL, Variable

OBJECTS: dict[str, Variable] = {  # the histogram that maps are set beside
    "bin": Variable(("bin",), "f", PIXEL, "centre of a bin of object sizes"),
    "share": Variable(("bin",), "f", ONE, "share of the objects"),
}
EXTENT_OF_BOTH_AXES = "side of the bounding box, mean of both on a log scale"


def _sides(dims: tuple[str, ...], mass: str) -> dict[str, Variable]:
    """What a map has of each axis, as one figure."""
    effective = f"side of the box that holds {mass} % of the path counts, mean of both on a log scale"
    return {
        "extent": Variable(dims, "f", PIXEL, EXTENT_OF_BOTH_AXES),
        "effective": Variable(dims, "f", PIXEL, effective),
    }


MATCH_BY_WIDTH: dict[str, Variable] = {
    "op": PROFILE["op"],
    "width": Variable(LAYER, "f", PIXEL, "square root of the pixels of the footprint"),
    **_sides(LAYER, "95"),
    "jump": Variable(LAYER, "f", PIXEL, "input pixels between neighbouring entries"),
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
    **OBJECTS,
}

LEVEL, FINER = ("level",), ("finer",)
MATCH_BY_ENTRIES: dict[str, Variable] = {
    "level": Variable(LEVEL, "UO", ONE, "level, finest first: P3 has one entry in every 2^3 pixels"),
    "layer": Variable(LEVEL, "UO", ONE, "layer that makes the level"),
    "stride": Variable(
        LEVEL, "f", PIXEL, "input pixels between neighbouring entries, mean of both axes on a log scale"
    ),
    **_sides(LEVEL, "{mass:g}"),
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
    **OBJECTS,
    "scale": Variable(
        (), "f", ONE, "pixels of the resized image for each of the original, geometric mean over objects"
    ),
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
