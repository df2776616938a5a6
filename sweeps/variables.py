"""The registry of output variables of results about many networks, as `rfscale.engine.variables` is for one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rfscale.engine.variables import EXTENT_OF_BOTH_AXES, ONE, PIXEL, PROFILE, Variable


def _figure(dtype: str, units: str, long_name: str, per_axis: bool = False) -> Variable:
    """A figure of architectures over any factors; `per_axis` ones have the dim `axis` where the space is not square."""
    kind = "f" if dtype.startswith("float") else "i"
    return Variable(("...", "axis?") if per_axis else ("...",), kind, units, long_name, dtype)


FIGURES: dict[str, Variable] = {
    "pixels": _figure("int32", "pixel", "pixels of the footprint along one axis", True),
    "extent": _figure("int32", "pixel", "bounding box of the footprint", True),
    "jump": _figure("int32", "pixel", "input pixels between neighbouring entries", True),
    "shared": _figure("int32", "pixel", "pixels along one axis that the next entry's footprint has as well", True),
}

COSTS: dict[str, Variable] = {
    "params": _figure("int64", "1", "weights and biases of all layers so far"),
    "macs": _figure("int64", "1", "multiply-accumulate operations of all layers so far, for one image"),
}

FORMULAS: dict[str, Variable] = {
    "published_area": _figure("float64", "pixel", "spatial scale by the article's formula; nan: it has none"),
    "published_overlap": _figure("float64", "1", "spatial overlap by the article's formula; nan: it has none"),
    "closed_form_area": _figure("float64", "pixel", "spatial scale by the closed form; nan outside its domain"),
    "closed_form_overlap": _figure("float64", "1", "spatial overlap by the closed form; nan outside its domain", True),
}

UNIONS: dict[str, Variable] = {  # of spaces with branches, beside what they share with chains
    "max_gap": _figure("int32", "pixel", "longest run of missing pixels inside the extent", True),
    "terms": _figure("int32", "1", "products in the footprint's union, none within another; 0: no path"),
}

DERIVED: dict[str, Variable] = {
    "area": Variable(("...",), "if", PIXEL, "spatial scale: pixels of the footprint", "int64"),  # f: three axes
    "width": _figure("float64", "pixel", "spatial scale width: square root of the area"),
    "density": _figure("float64", "1", "area / product of the extents; below 1 means holes"),
    "overlap": _figure("float64", "1", "spatial overlap: share of the footprint in that of the next entry", True),
}

NETWORKS: dict[str, Variable] = {
    "area": _figure("float64", "pixel", "spatial scale: pixels of the footprint; inf: global receptive field"),
    "width": _figure("float64", "pixel", "spatial scale width: square root of the area"),
    "density": _figure("float64", "1", "area / product of the extents; below 1 means holes"),
    "extent": _figure("float64", "pixel", "bounding box of the footprint", True),
    "jump": _figure("float64", "pixel", "input pixels between neighbouring entries", True),
    "overlap": _figure("float64", "1", "spatial overlap: share of the footprint in that of the next entry", True),
    "max_gap": _figure("float64", "pixel", "longest run of missing pixels inside the extent", True),
    "params": _figure("float64", "1", "weights and biases; nan: channels are not known"),
    "macs": _figure("float64", "1", "multiply-accumulate operations; nan: channels or sizes are not known"),
}

VARIABLES = {**FIGURES, **COSTS, **FORMULAS, **DERIVED, **UNIONS}
AXIS_FIGURES = (*FIGURES, "overlap")  # of chains, axis by axis
UNION_FIGURES = ("area", "extent", "pixels", "jump", "overlap", "max_gap", "terms")  # of spaces with branches


def by_axis(figures: Iterable[str], axes: Sequence[str]) -> tuple[str, ...]:
    """Return the names of figures; those of an axis once for each of `axes`, those that differ, if any."""
    ends = [f"_{a}" for a in axes] or [""]
    return tuple(f + end for f in figures for end in (ends if VARIABLES[f].per_axis else [""]))


def figures_of_answers(branching: bool, axes: Sequence[str]) -> list[str]:
    """Return the names of the figures of an architecture, with those axes at the end that differ, if any."""
    own = (*UNION_FIGURES, "width", "density") if branching else (*AXIS_FIGURES, "area", "width", "density")
    return [*by_axis(own, axes)]


def without_axis(name: str) -> tuple[str, str]:
    """Return the figure of a name of an answer, and its axis: "" where it names none."""
    base, _, axis = name.rpartition("_")
    return (base, axis) if name not in VARIABLES and axis in NAMES_OF_AXES else (name, "")


NAMES_OF_AXES = ("z", "y", "x")
ROWS: dict[str, Variable] = {  # architectures of an answer, one a row; figures of one axis have its name at the end
    **VARIABLES,
    **{f"{name}_{a}": spec for name, spec in VARIABLES.items() if spec.per_axis for a in NAMES_OF_AXES},
    "index": Variable(("...",), "iO", ONE, "index of the architecture in the space"),
}
BEST: dict[str, Variable] = {
    **ROWS,
    "objective": Variable(("rank",), "if", ONE, "value of the objective, in the unit of its expression"),
}
PARETO: dict[str, Variable] = {
    **ROWS,
    "objectives": Variable(("rank", "objective"), "if", ONE, "value of each objective, in the unit of its expression"),
}
NETWORK_ROWS: dict[str, Variable] = {  # the same of the networks of a function, whose figures may be inf or nan
    **{name: replace(spec, dims=("...",), kind="if") for name, spec in NETWORKS.items()},
    **{
        f"{name}_{a}": replace(spec, dims=("...",), kind="if")
        for name, spec in NETWORKS.items()
        if spec.per_axis
        for a in NAMES_OF_AXES
    },
    **{name: PARETO[name] for name in ("index", "objectives")},
    "objective": BEST["objective"],
}
COUNTS: dict[str, Variable] = {"architectures": Variable(("...",), "iO", ONE, "number of architectures")}
DESIGN: dict[str, Variable] = {
    **ROWS,
    "tightness": Variable(("rank",), "f", ONE, "mean |log2({by} / size)| with each object at its nearest chosen map"),
    "coverage": Variable(("rank",), "f", ONE, "share of objects within a factor of {factor:g} of a chosen map"),
    "map_stage": Variable(("rank", "map"), "UO", ONE, "stage at whose end the chosen map is"),
    "map_layer": Variable(("rank", "map"), "UO", ONE, "layer of the chosen map"),
    "map_width": Variable(("rank", "map"), "f", PIXEL, "square root of the pixels of the chosen map's footprint"),
    "map_extent": Variable(("rank", "map"), "f", PIXEL, EXTENT_OF_BOTH_AXES),
    "map_jump": Variable(
        ("rank", "map"), "f", PIXEL, "input pixels between neighbouring entries, mean of both axes on a log scale"
    ),
}

# validation of formulas

LAYER_FORMULA, LAYER_FORMULA_AXIS = ("layer", "formula"), ("layer", "formula", "axis")
VALIDATION: dict[str, Variable] = {  # of one network
    "op": PROFILE["op"],
    "area": Variable(("layer",), "f", PIXEL, "spatial scale: pixels of the exact footprint"),
    "overlap": Variable(("layer", "axis"), "f", ONE, "exact spatial overlap"),
    "value": Variable(
        LAYER_FORMULA, "f", PIXEL, "area by the formula (interval: of the bounding box); variance for path_variance"
    ),
    "exact": Variable(
        LAYER_FORMULA, "f", PIXEL, "what the value should be: the exact area; the variance of the exact path counts"
    ),
    "absolute_error": Variable(LAYER_FORMULA, "f", PIXEL, "value - exact"),
    "relative_error": Variable(LAYER_FORMULA, "f", ONE, "absolute error / exact"),
    "overlap_value": Variable(LAYER_FORMULA_AXIS, "f", ONE, "overlap by the formula"),
    "overlap_error": Variable(LAYER_FORMULA_AXIS, "f", ONE, "overlap by the formula - exact overlap"),
    "in_domain": Variable(LAYER_FORMULA, "b", ONE, "whether the layer is in the formula's domain"),
    "departs": Variable(
        LAYER_FORMULA, "b", ONE, "whether this is the first layer where the formula has a value that is off"
    ),
}
CELL = ("stage", "kind", "overlap_bin")
CELL_FORMULA = (*CELL, "formula", "figure")
WORST = ("formula", "figure", "rank")
SPACE_VALIDATION: dict[str, Variable] = {
    "maps": Variable(CELL, "iOf", ONE, "maps: outputs of a stage, each architecture so far by itself"),
    "valued": Variable(CELL_FORMULA, "iOf", ONE, "maps for which the formula has a value"),
    "inexact": Variable(CELL_FORMULA, "iOf", ONE, "of these, off by more than 1e-9"),
    "inside": Variable(CELL_FORMULA, "iOf", ONE, "maps in the formula's domain"),
    "inside_inexact": Variable(CELL_FORMULA, "iOf", ONE, "of these, off by more than 1e-9"),
    "impossible": Variable(CELL_FORMULA, "iOf", ONE, "maps with an area of 0 or less, or an overlap outside 0 … 1"),
    "max_error": Variable(CELL_FORMULA, "f", ONE, "largest error, of areas relative; nan: no map"),
    "error_quantile": Variable(
        (*CELL_FORMULA, "quantile"),
        "f",
        ONE,
        "error that this share of maps does not exceed, rounded up to a quarter of an octave",
    ),
    "histogram": Variable(
        ("stage", "formula", "figure", "error_bin"),
        "iOf",
        ONE,
        "maps by error: exact, below 2^-16, then four bins an octave",
    ),
    "worst_error": Variable(WORST, "f", ONE, "error of the worst maps"),
    "worst_index": Variable(WORST, "O", ONE, "index in the space, the later stages at their first choice"),
    "worst_stage": Variable(WORST, "O", ONE, "stage whose map it is"),
    "worst_network": Variable(WORST, "O", ONE, "the stages so far as JSON, for rfscale profile"),
    "worst_labels": Variable(WORST, "O", ONE, "choices"),
}
GAUSSIAN: dict[str, Variable] = {
    "distance": Variable(("window", "depth"), "f", ONE, "total-variation distance from the normal"),
    "variance": Variable(("window", "depth"), "f", "pixel^2", "variance of the path counts along one axis"),
}

# the article, and batches

TEXT, CLAIM_UNIT = "O", "see unit"
CLAIMS: dict[str, Variable] = {
    "section": Variable(("claim",), TEXT, ONE, "part of the article"),
    "text": Variable(("claim",), TEXT, ONE, "what is claimed"),
    "network": Variable(("claim",), TEXT, ONE, "network of the claim"),
    "layer": Variable(("claim",), TEXT, ONE, "layer of the claim"),
    "quantity": Variable(("claim",), TEXT, ONE, "what the number is"),
    "unit": Variable(("claim",), TEXT, ONE, "unit of the number"),
    "printed": Variable(("claim",), "f", CLAIM_UNIT, "as printed"),
    "formula": Variable(("claim",), "f", CLAIM_UNIT, "by the article's own formula, along the network"),
    "closed_form": Variable(("claim",), "f", CLAIM_UNIT, "by the closed form"),
    "exact": Variable(("claim",), "f", CLAIM_UNIT, "exact"),
    "exact_area": Variable(("claim",), "f", PIXEL, "pixels of the exact footprint"),
    "exact_extent": Variable(("claim", "axis"), "f", PIXEL, "bounding box of the exact footprint"),
    "verdict": Variable(("claim",), TEXT, ONE, "what the claim is worth"),
}
BATCH: dict[str, Variable] = {
    "kind": Variable(("run",), "UO", ONE, "what was run"),
    "status": Variable(("run",), "UO", ONE, "done, kept (done before), failed, or running (it was stopped there)"),
    "wall_seconds": Variable(("run",), "f", "s", "wall time"),
    "cpu_seconds": Variable(("run",), "f", "s", "CPU time of all threads"),
    "architectures": Variable(("run",), "if", ONE, "architectures (of a network: 1)"),
    "rate": Variable(("run",), "f", "1/s", "architectures per second of wall time"),
    "peak_memory": Variable(("run",), "if", "byte", "largest resident memory"),
    "message": Variable(("run",), "UO", ONE, "why it failed"),
    "entry_hash": Variable(("run",), "UO", ONE, "hash of the run's entry"),
}
COMPARISON: dict[str, Variable] = {
    **BATCH,
    "wall_before": Variable(("run",), "f", "s", "wall time of the earlier summary"),
    "speedup": Variable(("run",), "f", ONE, "earlier wall time / this one"),
}
