"""Tables of a match."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rfscale.sweeps.report.terminal import Column, Table, folded

if TYPE_CHECKING:
    import xarray as xr

# what they print ----------------------------------------------------------------------------------------------------


def match_report(found: xr.Dataset, sizes: xr.Dataset) -> list[Any]:
    """Return the table of the chosen maps, and what fits and what does not in words."""
    attrs = found.attrs
    by, factor = attrs["by"], attrs["factor"]
    names = found.chosen.values.tolist()
    table = folded([
        Column("map", names, "left"),
        Column(f"{by} px", [f"{v:.4g}" for v in found.chosen_figure.values.tolist()]),
        Column("jump px", [f"{v:g}" for v in found.jump.sel(layer=names).values.tolist()]),
        Column("objects nearest", [f"{v:.1%}" for v in found.chosen_share.values.tolist()]),
        Column("|log2|", ["–" if v != v else f"{v:.2f}" for v in found.chosen_tightness.values.tolist()]),
    ])  # fmt: skip
    quantiles = sizes.quantiles.sel(measure="size")
    spread = ", ".join(f"{float(v):.3g}" for v in quantiles.values)
    lines = [
        f"objects: {attrs['objects']} of {attrs['boxes']} boxes, resize {attrs['resize']}; sqrt(width·height) at "
        f"{', '.join(f'{q:.0%}' for q in quantiles.q.values)}: {spread} px; peaks at "
        f"{', '.join(f'{m:.3g}' for m in sizes.modes.values)} px",
        *_left_out(sizes),
        f"within a factor of {factor:g} of a chosen map: {float(found.coverage):.1%} of the objects; mean "
        f"|log2({by} / size)| {float(found.tightness):.3f}",
    ]
    for low, high, part in zip(found.gap_low.values, found.gap_high.values, found.gap_share.values, strict=True):
        lines.append(f"gap: {low:.3g} to {high:.3g} px, {part:.1%} of the objects")
    levels = ", ".join(f"{n} {s:.1%}" for n, s in zip(found.level.values, found.fpn_share.values, strict=True))
    fpn = float(found.fpn_tightness)
    lines.append(f"FPN's rule: {levels}" + ("" if fpn != fpn else f"; mean |log2| {fpn:.3f} on these maps"))
    title = f"{attrs['network']} on {attrs['source']}"
    return [title, table, *lines, f"best maps by {attrs['objective']}, of all layers", _best_table(found)]


CSV_NOTE = "the table of layers alone; the chosen maps, gaps and objects go to .json, .nc and .zarr"


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

    dims = ("layer", "bin", "chosen", "gap", "level", "maps", "q", "mode", "reason")
    groups = {d: [str(n) for n, v in found.data_vars.items() if v.dims == (d,)] for d in dims}
    nodes = {d: found[names].reset_coords(drop=True) for d, names in groups.items()}
    nodes = {d: node.drop_vars([c for c in node.coords if c != d]) for d, node in nodes.items()}
    if out.suffix == ".csv":
        return nodes["layer"]
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
