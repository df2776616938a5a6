"""Tables of a match."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rfscale.sweeps.report.terminal import Column, Table, folded

if TYPE_CHECKING:
    import xarray as xr

# what they print ----------------------------------------------------------------------------------------------------


def match_report(found: xr.Dataset, sizes: xr.Dataset) -> list[Any]:
    """Return the verdicts of a match, or by the rule `width` the chosen maps, as tables and lines."""
    title = f"{found.attrs['network']} on {found.attrs['source']}"
    if found.attrs["rule"] == "entries":
        return [title, *_verdicts(found), _level_table(found), *_objects(found, sizes), *_hints(found, sizes)]
    return [title, *_width_report(found, sizes)]


def _verdicts(found: xr.Dataset) -> list[str]:
    """The answers first, then a sentence for each level."""
    rows = zip(found.question.values.tolist(), found.answer.values, found.why.values, strict=True)
    return [f"{question} {answer.capitalize()}: {reason}." for question, answer, reason in rows] + [
        f"{verdict}." for verdict in found.verdict.values
    ]


def _level_table(found: xr.Dataset) -> Table:
    """The levels with the objects that they are right for."""
    entries = found.attrs["entries"]

    def pixels(name: str) -> list[str]:
        return ["–" if v != v else f"{v:.{_digits(v)}f}" for v in found[name].values.tolist()] if name in found else []

    def shares(name: str) -> list[str]:
        return ["–" if v != v else f"{v:.1%}" for v in found[name].values.tolist()]

    columns = [
        Column("level", found.level.values.tolist(), "left"),
        Column("layer", found.layer.values.tolist(), "left"),
        Column("stride px", pixels("stride")),
        Column("smallest object px", pixels("smallest")),
        Column("largest object px", pixels("largest")),
        Column(f"under {entries:g} entries", shares("under")),
        Column("right", shares("fit")),
        Column("too large", shares("over")),
        Column("smallest in the original px", pixels("smallest_original")),
        Column("largest in the original px", pixels("largest_original")),
        Column("extent px", pixels("extent")),
    ]  # a narrow terminal leaves out the last ones first
    return Table([c for c in columns if c.cells], fold_headers=True)


def _digits(pixels: float) -> int:
    """Digits after the point of a number of pixels: none of whole ones and large ones."""
    return 0 if pixels >= 100 or float(pixels).is_integer() else 1


def _objects(found: xr.Dataset, sizes: xr.Dataset) -> list[str]:
    """How many objects of which sizes, and what was left out."""
    attrs = found.attrs
    quantiles = sizes.quantiles.sel(measure="size")
    spread = ", ".join(f"{float(v):.3g}" for v in quantiles.values)
    return [
        f"objects: {attrs['objects']} of {attrs['boxes']} boxes, resize {attrs['resize']}; sqrt(width·height) at "
        f"{', '.join(f'{q:.0%}' for q in quantiles.q.values)}: {spread} px; peaks at "
        f"{', '.join(f'{m:.3g}' for m in sizes.modes.values)} px",
        *_left_out(sizes),
    ]


def _hints(found: xr.Dataset, sizes: xr.Dataset) -> list[str]:
    """What the pixels are: those of resized images, or of images as they are."""
    lines = []
    if own := found.attrs.get("own_resize"):
        lines.append(f"note: the network resizes its images itself ({own}); pixels are those after it")
    if "scale" in found:
        low, high = float(sizes.scale_low), float(sizes.scale_high)
        spread = "" if low == high else f" (from {low:.3g} to {high:.3g})"
        lines.append(f"note: one pixel of the original becomes {float(found.scale):.3g}{spread}")
    elif found.attrs["resize"] == "none" and float(sizes.image_width) == float(sizes.image_width):
        size = f"{float(sizes.image_width):.0f}×{float(sizes.image_height):.0f}"
        lines.append(
            f"note: images as they are, {size} px on average; where training resizes them, say so: "
            "--resize letterbox=640"
        )
    return lines


def _width_report(found: xr.Dataset, sizes: xr.Dataset) -> list[Any]:
    """The table of the chosen maps, and what fits and what does not in words."""
    by, factor = found.attrs["by"], found.attrs["factor"]
    names = found.chosen.values.tolist()
    table = folded([
        Column("map", names, "left"),
        Column(f"{by} px", [f"{v:.4g}" for v in found.chosen_figure.values.tolist()]),
        Column("jump px", [f"{v:g}" for v in found.jump.sel(layer=names).values.tolist()]),
        Column("objects nearest", [f"{v:.1%}" for v in found.chosen_share.values.tolist()]),
        Column("|log2|", ["–" if v != v else f"{v:.2f}" for v in found.chosen_tightness.values.tolist()]),
    ])  # fmt: skip
    lines = [
        *_objects(found, sizes),
        f"within a factor of {factor:g} of a chosen map: {float(found.coverage):.1%} of the objects; mean "
        f"|log2({by} / size)| {float(found.tightness):.3f}",
    ]
    for low, high, part in zip(found.gap_low.values, found.gap_high.values, found.gap_share.values, strict=True):
        lines.append(f"gap: {low:.3g} to {high:.3g} px, {part:.1%} of the objects")
    levels = ", ".join(f"{n} {s:.1%}" for n, s in zip(found.level.values, found.fpn_share.values, strict=True))
    fpn = float(found.fpn_tightness)
    lines.append(f"FPN's rule: {levels}" + ("" if fpn != fpn else f"; mean |log2| {fpn:.3f} on these maps"))
    return [table, *lines, f"best maps by {found.attrs['objective']}, of all layers", _best_table(found)]


CSV_NOTE = {
    "entries": "the table of levels alone; answers and objects go to .json, .nc and .zarr",
    "width": "the table of layers alone; the chosen maps, gaps and objects go to .json, .nc and .zarr",
}


OBJECT_DIMS = ("q", "mode", "reason")
WIDTH_DIMS = ("layer", "bin", "chosen", "gap", "level", "maps", *OBJECT_DIMS)
LEVEL_DIMS = ("level", "question", "finer", "bin", *OBJECT_DIMS)


def stored_parts(found: xr.Dataset, sizes: xr.Dataset, out: Path | None) -> Any:
    """A match as its file holds it: one dataset; in JSON one table per kind of row; in CSV the table of layers.

    The sizes of the objects come with it: `quantiles`, `modes` and what is `left_out`.
    """
    if out is None:
        return found
    objects = sizes[["quantiles", "modes", "left_out"]].sel(measure="size").reset_coords(drop=True)
    attrs = {k: sizes.attrs[k] for k in ("notes",) if sizes.attrs.get(k)}
    found = found.assign(objects.data_vars).assign_coords(objects.coords).assign_attrs(attrs)
    if out.suffix not in (".csv", ".json"):
        return found
    import xarray as xr

    by_entries = found.attrs["rule"] == "entries"
    dims = LEVEL_DIMS if by_entries else WIDTH_DIMS
    groups = {d: [str(n) for n, v in found.data_vars.items() if v.dims == (d,)] for d in dims}
    nodes = {d: found[names].reset_coords(drop=True) for d, names in groups.items()}
    nodes = {d: node.drop_vars([c for c in node.coords if c != d]) for d, node in nodes.items()}
    if out.suffix == ".csv":
        return nodes["level" if by_entries else "layer"]
    scalars = {str(n): float(v) for n, v in found.data_vars.items() if not v.dims and v == v}
    return xr.DataTree.from_dict(
        {"/": xr.Dataset(attrs={**found.attrs, **scalars}), **{f"/{d}": n for d, n in nodes.items()}}
    )


def _left_out(sizes: xr.Dataset) -> list[str]:
    reasons = [f"{n} {r}" for r, n in zip(sizes.reason.values.tolist(), sizes.left_out.values.tolist(), strict=True)]
    lines = [f"warning: left out: {', '.join(reasons)}"] if reasons else []
    return lines + ([f"note: {sizes.attrs['notes']}"] if sizes.attrs.get("notes") else [])


def _best_table(found: xr.Dataset) -> Table:
    return folded([
        Column("maps", [str(n) for n in found.maps.values.tolist()]),
        Column("best", [str(names) for names in found.best_layers.values], "left"),
        Column("|log2|", [f"{v:.3f}" for v in found.best_tightness.values.tolist()]),
        Column("covered", [f"{v:.1%}" for v in found.best_coverage.values.tolist()]),
    ])  # fmt: skip
