"""What `rfscale validate` prints and draws."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.engine.formulas.exactness import ROUNDING
from rfscale.sweeps.report.terminal import PX, Column, folded, number
from rfscale.sweeps.validation.space import totals

if TYPE_CHECKING:
    import xarray as xr

UNITS = {"path_variance": "px²"}  # of a formula's value, where it is not an area


def report(ds: xr.Dataset, depth: int | None = None) -> list[Any]:
    """Return the lines and tables of a validation; the table of a network is folded as that of its profile is."""
    if "window" in ds.dims:
        return gaussian_report(ds)
    return _space(ds) if "stage" in ds.dims else _network(ds, depth)


def _share(part: int, whole: int) -> str:
    if not whole:
        return "–"
    return "all" if part == whole else f"{100 * part / whole:.3g} %"


def _error(value: float) -> str:
    return "–" if value != value else number(value) if np.isfinite(value) else "inf"


def _space(ds: xr.Dataset) -> list[Any]:
    whole = totals(ds)
    maps, size = whole.maps.item(), int(ds.attrs["architectures"])
    many = f"{size:,}" if size < 10**15 else f"{float(size) if size < 10**300 else np.inf:.3g}"
    drawn = f"{ds.attrs['random']:,} drawn of " if "random" in ds.attrs else ""
    merged = "" if drawn else f"; {ds.attrs['evaluated']:,} states evaluated"
    lines: list[Any] = [f"{drawn}{many} architectures, {maps:,.0f} maps{merged}"]
    rows = []
    for f in ds.formula.values:
        for g in ds.figure.values:
            part = whole.sel(formula=f, figure=g)
            c = {str(k): int(part[k]) for k in part.data_vars if k != "max_error"}
            in_exact, error = _share(c["inside"] - c["inside_inexact"], c["inside"]), _error(part.max_error.item())
            rows.append((f, g, _share(c["valued"], maps), _share(c["valued"] - c["inexact"], c["valued"]),
                         _share(c["inside"], maps), in_exact, f"{c['impossible']:,}", error))  # fmt: skip
    heads = ("formula", "figure", "has a value", "exact", "in its domain", "exact there", "impossible", "largest error")
    columns = zip(heads, zip(*rows, strict=True), strict=True)
    lines.append(folded([Column(h, list(v), "left" if h in heads[:2] else "right") for h, v in columns]))
    return lines + (_worst(ds.isel(rank=0).sel(figure="area")) if ds.sizes["rank"] else [])


def _worst(ds: xr.Dataset) -> list[str]:
    """The architectures with the largest errors of the area."""
    rows = [ds.sel(formula=f) for f in ds.formula.values]
    return [
        f"worst area of {row.formula.item()}: {row.worst_stage.item()} of architecture {row.worst_index.item()}"
        for row in rows
        if row.worst_error.item() > 0
    ]


def _network(whole: xr.Dataset, depth: int | None) -> list[Any]:
    from rfscale.sweeps.report.tables.profile import folded_rows

    rows, fold = folded_rows(whole.layer.values, whole.attrs, depth)
    ds = whole.isel(layer=[m.last for m in rows])
    columns = [Column("layer", [m.name for m in rows], "left"),
               Column("area", [number(v) for v in ds.area.values], unit=PX)]  # fmt: skip
    for f in ds.formula.values:
        part = ds.sel(formula=f)
        if not np.isnan(part.value).all():
            columns.append(Column(str(f), [number(v) for v in part.value.values], unit=UNITS.get(str(f), PX)))
            columns.append(Column("off by", [_percent(v) for v in part.relative_error.values], quiet=("", "0")))
            columns.append(Column("domain", ["in" if v else "out" for v in part.in_domain.values], quiet=("in",)))
    lines: list[Any] = [ds.attrs["network"], folded(columns)]
    return [*lines, *fold, *(f"{f}: {_departs(whole, str(f))}" for f in ds.formula.values)]


def _departs(ds: xr.Dataset, formula: str) -> str:
    """Where a formula is first off, and in what."""
    at, part = ds.attrs[f"{formula}_departs"], ds.sel(formula=formula)
    if np.isnan(part.value).all():
        return "has no value here"
    if not at:
        return "exact wherever it has a value"
    return f"departs at {at}" + (", in the overlap" if ds.attrs[f"{formula}_departs_in"] == "overlap" else "")


def _percent(value: float) -> str:
    return "" if value != value else "0" if abs(value) <= ROUNDING else f"{100 * value:+.3g} %"


def write_worst(ds: xr.Dataset, folder: Path) -> list[str]:
    """Write the worst networks as JSON files, one for each formula, figure and rank."""
    if "worst_network" not in ds:
        raise InputError("--worst is for spaces; a network is its own worst case")
    from rfscale.engine.files import write_text

    folder.mkdir(exist_ok=True)
    out = []
    for f in ds.formula.values:
        for g in ds.figure.values:
            for rank, text in enumerate(ds.worst_network.sel(formula=f, figure=g).values):
                if text:
                    path = folder / f"{f}-{g}-{rank}.json"
                    write_text(str(text) + "\n", path)
                    out.append(str(path))
    return out


SHOWN = (1, 2, 3, 5, 10, 20, 50, 100)  # depths that are printed, besides the last


def gaussian_report(data: xr.Dataset) -> list[Any]:
    """Return the distances by window, at some depths."""
    depths = [d for d in SHOWN if d < data.sizes["depth"]] + [data.sizes["depth"]]
    columns = [Column("layers in a row", [str(w) for w in data.window.values], "left")]
    for depth in depths:
        column = data.distance.sel(depth=depth).values
        columns.append(Column(str(depth), [f"{v:.4f}" if v < inf else "–" for v in column]))
    return ["total-variation distance of path counts from the normal of equal variance", folded(columns)]
