"""The lines of fields: a row for each kind, and two checkpoints beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rfscale.sweeps.report.terminal import Column, folded, number, per_axis

if TYPE_CHECKING:
    import xarray as xr

NAMES = {"structure": "predicted, equal weights", "weights": "predicted from the weights", "measured": "measured"}


def fields_report(found: xr.Dataset) -> list[Any]:
    """Return what `rfscale field` prints."""
    kinds = [str(k) for k in found.kind.values]
    size = per_axis(found.attrs["input_size"])
    title = (
        f"{found.attrs['model']}: {found.attrs['layer']}, entry {tuple(found.attrs['entry'])}, image of {size} pixels"
    )
    columns = [Column("field", ["exact footprint", *(NAMES[k] for k in kinds)], "left")]
    columns.append(Column("σ", ["–", *(per_axis(found["std"].sel(kind=k).values, 1) for k in kinds)]))
    for share in (0.5, 0.95):
        extents = [per_axis(found.box_extent.sel(kind=k, share=share).values) for k in kinds]
        columns.append(Column(f"box of {share:.0%}", [_exact_box(found) if share == 0.95 else "–", *extents]))
    areas = [number(int(found.area.sel(kind=k, share=0.95))) for k in kinds]
    columns.append(Column("pixels with 95%", [number(int(found.exact_area)), *areas]))
    ratios = [f"{float(found.effective_ratio.sel(kind=k, share=0.95)):.1%}" for k in kinds]
    columns.append(Column("of the footprint", ["100%", *ratios]))
    last = NAMES[kinds[-1]]
    columns.append(Column("correlation", ["–", *(f"{float(found.correlation.sel(kind=k)):.3f}" for k in kinds)]))
    lines: list[Any] = [title, folded(columns), f"correlation: over pixels, with the field {last}"]
    if "count" in found.attrs:
        lines.append(
            f"measured on {found.attrs['count']} images ({found.attrs['images']}), protocol {found.attrs['protocol']}"
        )
    if found.attrs.get("left_out"):
        lines.append(found.attrs["left_out"])
    return lines


def _exact_box(found: xr.Dataset) -> str:
    import numpy as np

    filled = found.footprint.values
    sides = []
    for axis in range(filled.ndim):
        places = np.flatnonzero(filled.any(axis=tuple(a for a in range(filled.ndim) if a != axis)))
        sides.append(int(places[-1] - places[0] + 1) if len(places) else 0)
    return per_axis(sides)


def comparison_lines(before: xr.Dataset, after: xr.Dataset) -> list[str]:
    """Return the lines of two checkpoints: how the fields of the one given first differ from the other's."""
    from rfscale.engine.fields.compare_fields import compare_fields

    one, two = (d.attrs.get("checkpoint") or "as made" for d in (before, after))
    lines = [f"{two} beside {one}:"]
    for kind in after.kind.values.tolist():
        if kind == "structure" or kind not in before.kind.values:
            continue
        found = compare_fields(before.sel(kind=kind).mass, after.sel(kind=kind).mass)
        lines.append(
            f"{NAMES[kind]}: σ {per_axis(after['std'].sel(kind=kind).values, 1)}, not "
            f"{per_axis(before['std'].sel(kind=kind).values, 1)}; correlation {float(found.correlation):.3f}, "
            f"{float(found.distance):.1%} of the mass lies elsewhere"
        )
    return lines
