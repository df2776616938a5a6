"""A picture of every answer: ``rf.plot.profile(rf.profile(net))`` draws what `rf.profile` returns, and so on.

Each function has the name of the one whose answer it draws, and returns the axes::

    ax = rf.plot.profile(rf.profile("resnet50"))
    ax.figure.savefig("resnet50.svg")  # or .png, .pdf

In a notebook the picture is shown; in a script by ``matplotlib.pyplot.show()``. With `ax` it is drawn there: of a
picture that has several parts only the first, which is also the one whose axes are returned. The others are
``ax.figure.axes[1:]``. The command line saves the same pictures with --plot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from rfscale.engine.errors import InputError, Parameter, shown

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rfscale.engine.analysis.check.rules import Finding
    from rfscale.sweeps.spaces.network_space import NetworkSpace
    from rfscale.sweeps.spaces.space import Space

__all__ = [
    "best",
    "check",
    "compare",
    "compare_fields",
    "context",
    "count",
    "coverage",
    "design",
    "entry_map",
    "field",
    "field_profile",
    "footprint",
    "halo",
    "match",
    "object_sizes",
    "pareto",
    "path_counts",
    "profile",
    "sample",
    "space",
    "tile_costs",
    "validate",
    "where",
    "zoo_survey",
]


class Answer(NamedTuple):
    """What one of the functions takes: whose answer, and by what that is known."""

    source: str
    example: str
    variables: tuple[str, ...] = ()
    dims: tuple[str, ...] = ()


FIELDS = "effective_field, predicted_field, field_figures or all_fields"
ANSWERS = {
    "profile": Answer("profile", "rf.profile(network)", ("extent", "width", "published_area", "overlap"), ("layer",)),
    "compare": Answer("compare", "rf.compare(a, b)", ("extent", "jump", "is_output"), ("layer", "network")),
    "footprint": Answer("footprint", "rf.footprint(network, layer)", ("footprint",)),
    "path_counts": Answer("path_counts", "rf.path_counts(network, layer)", ("path_counts",)),
    "coverage": Answer("coverage", "rf.coverage(network, layer, input_size)", ("coverage",)),
    "entry_map": Answer("entry_map", "rf.entry_map(network, layer, input_size)", ("area", "extent")),
    "field": Answer(FIELDS, "rf.effective_field(model, layer)"),
    "compare_fields": Answer("compare_fields", "rf.compare_fields(one, other)", ("difference", "correlation")),
    "field_profile": Answer("field_profile", "rf.field_profile(model)", ("extent", "box_extent"), ("layer", "kind")),
    "where": Answer("where", "rf.where(network)", ("box_start", "box_end", "centre"), ("axis",)),
    "context": Answer("context", "rf.context(network, rate)", ("past", "lookahead", "hop"), ("layer",)),
    "zoo_survey": Answer("zoo_survey", "rf.zoo_survey()", ("status", "library", "extent"), ("model",)),
    "match": Answer("match", "rf.match(network, objects)", ("share",), ("bin",)),
    "object_sizes": Answer("object_sizes", "rf.object_sizes(file)", ("size", "quantiles"), ("bin",)),
    "check": Answer("check", "rf.check(network)"),
    "halo": Answer("halo", "rf.halo(network, tile)", ("reach", "margin", "period"), ("axis", "side")),
    "tile_costs": Answer("tile_costs", "rf.tile_costs(network)", ("waste", "memory"), ("option",)),
    "space": Answer("Space", 'rf.Space.from_file("space.yaml")'),
    "count": Answer("count", 'rf.count(space, "extent")', ("architectures",)),
    "best": Answer("best", 'rf.best(space, "macs")', ("objective", "density"), ("rank",)),
    "pareto": Answer("pareto", 'rf.pareto(space, "macs", "-extent")', ("objectives",), ("rank", "objective")),
    "sample": Answer("sample", "rf.sample(space, 100)", ("width", "density"), ("sample",)),
    "design": Answer("design", "rf.design(space, objects)", ("map_width", "tightness"), ("rank", "map")),
    "validate": Answer("validate", "rf.validate(network)", (), ("formula",)),
}


def profile(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw extents and widths by layer, with both formulas, and overlaps below.

    Parameters
    ----------
    ds : xr.Dataset
        What `rf.profile` returns, or some of its layers: ``ds.isel(layer=slice(10))``.
    ax : matplotlib Axes, optional
        Draw here, and the first part alone; by default a new figure.

    Returns
    -------
    matplotlib Axes
        Those of the extents.

    Raises
    ------
    InputError
        For anything else; it says what to give.
    """
    from rfscale.sweeps.report.pictures.network import profile_figure

    return _drawn(profile_figure, _checked("profile", ds), ax)


def compare(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw the extents of two networks layer by layer, and strides below: what `rf.compare` returns."""
    from rfscale.sweeps.report.pictures.compare import compare_figure

    return _drawn(compare_figure, _checked("compare", ds), ax)


def footprint(fp: xr.DataArray, *, ax: Axes | None = None) -> Axes:
    """Draw the pixels of a footprint, what `rf.footprint` returns; of three axes the first is projected."""
    from rfscale.sweeps.report.pictures.network import map_figure

    return _drawn(map_figure, _checked("footprint", fp), ax)


def path_counts(counts: xr.DataArray, *, ax: Axes | None = None) -> Axes:
    """Draw what `rf.path_counts` returns, as shares of the busiest pixel; of three axes the first is summed."""
    from rfscale.engine.fields.mass_box import mass_box
    from rfscale.sweeps.report.pictures.network import map_figure

    return _drawn(map_figure, _checked("path_counts", counts), ax, mass_box(counts))


def coverage(counts: xr.DataArray, *, ax: Axes | None = None) -> Axes:
    """Draw in how many footprints each pixel is: what `rf.coverage` returns."""
    from rfscale.sweeps.report.pictures.network import coverage_figure

    return _drawn(coverage_figure, _checked("coverage", counts), ax)


def entry_map(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw how many pixels each entry of a map reads, fewer at the borders: what `rf.entry_map` returns."""
    from rfscale.sweeps.report.pictures.network import entry_map_figure

    return _drawn(entry_map_figure, _checked("entry_map", ds), ax)


def field(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw a field over two axes, and the box with 95 % of its mass.

    Parameters
    ----------
    ds : xr.Dataset
        What `rf.effective_field`, `rf.predicted_field` or `rf.field_figures` returns. What `rf.all_fields` returns is
        drawn with the exact footprint, all kinds side by side.
    ax : matplotlib Axes, optional
        Draw here; of all fields only the exact footprint.

    Returns
    -------
    matplotlib Axes
    """
    from rfscale.engine.fields.field_figures import field_figures, field_of
    from rfscale.sweeps.report.pictures.fields import field_figure, fields_figure

    many = _is_dataset(ds) and {"mass", "footprint"} <= {str(n) for n in ds.data_vars}
    if not (_is_dataset(ds) and (many or "field" in ds or "mass" in ds)):
        raise _refused("field", ds)
    if many and "kind" in ds.dims:
        mass = ds.mass
        _check_two_axes(mass.isel(kind=0))
        return _drawn(fields_figure, ds, ax)
    mass = field_of(ds)
    _check_two_axes(mass)
    figures = ds if "box_start" in ds else field_figures(ds)
    return _drawn(lambda _, place: field_figure(mass, figures, place), ds, ax)


def compare_fields(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw on which pixels one field has more than another: what `rf.compare_fields` returns, over two axes."""
    from rfscale.sweeps.report.pictures.fields import field_comparison_figure

    _check_two_axes(_checked("compare_fields", ds).difference)
    return _drawn(field_comparison_figure, ds, ax)


def field_profile(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw the extents of layers and the boxes of their fields: what `rf.field_profile` returns."""
    from rfscale.sweeps.report.pictures.fields import field_profile_figure

    return _drawn(field_profile_figure, _checked("field_profile", ds), ax)


def where(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw where an entry lies on the image, of one layer or of all, along the last axis: what `rf.where` returns."""
    from rfscale.sweeps.report.pictures.where import where_figure

    return _drawn(where_figure, _checked("where", ds), ax)


def context(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw past, lookahead and hop of outputs along time: what `rf.context` returns."""
    from rfscale.sweeps.report.pictures.where import context_figure

    return _drawn(context_figure, _checked("context", ds), ax)


def zoo_survey(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw how many models of each library are read, and their largest extents: what `rf.zoo_survey` returns."""
    from rfscale.sweeps.report.pictures.survey import survey_figure

    return _drawn(survey_figure, _checked("zoo_survey", ds), ax)


def match(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw the objects by size, and which sizes each level of a network is right for: what `rf.match` returns."""
    from rfscale.sweeps.report.pictures.match import match_figure

    return _drawn(match_figure, _checked("match", ds), ax)


def object_sizes(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw the histogram of object sizes with the quantiles 5, 50 and 95 %: what `rf.object_sizes` returns."""
    from rfscale.sweeps.report.pictures.objects import sizes_figure

    return _drawn(sizes_figure, _checked("object_sizes", ds), ax)


def check(findings: Sequence[Finding], *, ax: Axes | None = None) -> Axes:
    """Draw which rule finds what at which layer: what `rf.check` returns, or some of it."""
    from rfscale.engine.analysis.check.rules import Finding
    from rfscale.sweeps.report.pictures.findings import findings_figure

    if not isinstance(findings, list) or not all(isinstance(f, Finding) for f in findings):
        raise _refused("check", findings)
    network = getattr(findings, "network", "findings")
    layers = getattr(findings, "layers", ()) or tuple(dict.fromkeys(f.layer for f in findings))
    return _drawn(lambda data, place: findings_figure(data, network, layers, place), findings, ax)


def halo(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw a tile, the reach of its outputs and the margins of its crop: what `rf.halo` returns."""
    from rfscale.sweeps.report.pictures.tiles import halo_figure

    return _drawn(halo_figure, _checked("halo", ds), ax)


def tile_costs(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw what tiles of several sizes cost in pixels, and in memory below: what `rf.tile_costs` returns."""
    from rfscale.sweeps.report.pictures.tiles import tile_costs_figure

    return _drawn(tile_costs_figure, _checked("tile_costs", ds), ax)


def space(space: Space | NetworkSpace, *, ax: Axes | None = None) -> Axes:
    """Draw how many architectures have which extent, of an `rf.Space` stage by stage; of an `rf.NetworkSpace`, too."""
    from rfscale.sweeps.answers.count import count as counted
    from rfscale.sweeps.answers.count import extents_by_stage
    from rfscale.sweeps.report.pictures.spaces import space_figure
    from rfscale.sweeps.spaces.network_space import NetworkSpace
    from rfscale.sweeps.spaces.space import Space

    if isinstance(space, NetworkSpace):
        try:
            return _answer("count", counted(space, "extent"), ax)
        except InputError:  # its networks have another extent on each axis
            return _answer("count", counted(space, f"extent_{space.network(0).axes[-1]}"), ax)
    if not isinstance(space, Space):
        raise _refused("space", space)
    extents = extents_by_stage(space)
    return _drawn(lambda data, place: space_figure(data, extents, place), space, ax)


def count(data: xr.DataArray, *, ax: Axes | None = None) -> Axes:
    """Draw numbers of architectures over one or two names: what `rf.count` returns."""
    return _answer("count", data, ax)


def best(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw the best architectures by extent and objective: what `rf.best` returns."""
    return _answer("best", ds, ax)


def pareto(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw the trade-off of two or three objectives: what `rf.pareto` returns."""
    return _answer("pareto", ds, ax)


def sample(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw architectures by extent and cost or overlap: what `rf.sample` returns."""
    return _answer("sample", ds, ax)


def design(ds: xr.Dataset, sizes: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw the maps of the best design on the object sizes, and fit against cost of all designs beside them.

    Parameters
    ----------
    ds : xr.Dataset
        What `rf.design` returns.
    sizes : xr.Dataset
        The objects of the design: what `rf.object_sizes` returns.
    ax : matplotlib Axes, optional
        Draw here, the best design alone.

    Returns
    -------
    matplotlib Axes
    """
    from rfscale.sweeps.report.pictures.designs import design_figure

    _checked("object_sizes", sizes)
    return _drawn(lambda data, place: design_figure(data, sizes, place), _checked("design", ds), ax)


def validate(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw the errors of formulas, by layer or over the maps of a space: what `rf.validate` returns."""
    from rfscale.sweeps.report.pictures.validation import validation_figure

    return _drawn(validation_figure, _checked("validate", ds), ax)


# ---------------------------------------------------------------------------------------------------------------------


def _answer(name: str, data: Any, ax: Axes | None) -> Axes:
    from rfscale.sweeps.report.pictures.spaces import answer_figure

    return _drawn(answer_figure, _checked(name, data), ax)


def _drawn(draw: Callable[..., Figure], data: Any, ax: Axes | None, *more: Any) -> Axes:
    """The main axes of a picture: in a new figure of pyplot, which a notebook shows, or those that are given."""
    from rfscale.engine.files import need_package

    need_package("matplotlib", "for pictures")
    from matplotlib.axes import Axes

    if ax is None:
        from matplotlib import pyplot

        opened = set(pyplot.get_fignums())
        try:
            return draw(data, *more, place=pyplot.figure).axes[0]
        except InputError:
            for number in set(pyplot.get_fignums()) - opened:  # it would be shown empty
                pyplot.close(number)
            raise
    if not isinstance(cast("object", ax), Axes):
        remedy = "give axes of matplotlib, such as fig.subplots(), or leave it out"
        raise InputError(argument=Parameter("ax"), value=ax, remedy=remedy)
    draw(data, *more, place=ax)
    return ax


def _is_dataset(data: Any) -> bool:
    return hasattr(data, "data_vars") and hasattr(data, "dims")


def _checked(name: str, data: Any) -> Any:
    """The data, if they have what the answer of this name has."""
    answer = ANSWERS[name]
    known = {str(n) for n in data.data_vars} if _is_dataset(data) else {str(getattr(data, "name", ""))}
    dims = {str(d) for d in data.dims} if hasattr(data, "dims") and hasattr(data, "attrs") else None
    if dims is None or not (set(answer.variables) <= known and set(answer.dims) <= dims):
        raise _refused(name, data)
    return data


def _refused(name: str, data: Any) -> InputError:
    """The error of what a function does not draw: it says what it takes, and what it got."""
    call = str(getattr(data, "attrs", {}).get("call", "")).partition(" ")[0]
    got = f"a {type(data).__name__}" if hasattr(data, "attrs") else shown(data)
    if call:
        got = f"what rf.{call} returned"
    if call and call in ANSWERS[name].source:
        got = f"a part of what rf.{call} returned, which lacks what is drawn"
    return InputError(
        f"rf.plot.{name} draws what rf.{ANSWERS[name].source} returns, not {got}",
        remedy=f"give rf.plot.{name}({ANSWERS[name].example})",
    )


def _check_two_axes(mass: xr.DataArray) -> None:
    if mass.ndim != 2:
        raise InputError(f"a field is drawn over two axes, this one has {mass.ndim}", remedy="sum it over the others")
