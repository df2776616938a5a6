"""Output variables of effective fields and of path counts: what a model with its weights reads most."""

from __future__ import annotations

from rfscale.engine.variables.maps import PIXEL_NUMBERS
from rfscale.engine.variables.variable import LAYER, LAYER_AXIS, ONE, PIXEL, Variable

MASS_BOX: dict[str, Variable] = {
    "mean": Variable(("axis",), "f", PIXEL, "centre of mass of the path counts"),
    "std": Variable(("axis",), "f", PIXEL, "standard deviation of the path counts"),
    "box_start": Variable(("axis",), "i", PIXEL, "first pixel of the box that holds most of the mass"),
    "box_extent": Variable(("axis",), "i", PIXEL, "length of the box that holds most of the mass"),
    "mass": Variable((), "f", ONE, "share of the path counts in the box"),
}
FIELD: dict[str, Variable] = {
    "field": Variable(("...",), "f", ONE, "effective field of entry {entry} of {layer}"),
    "standard_error": Variable(("...",), "f", ONE, "standard error of the mean over images or draws"),
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
