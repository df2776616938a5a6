"""Tables of the surveyed models of libraries: one row for each, or the maps of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.errors import InputError, nearest
from rfscale.sweeps.report.terminal import Column, Table, folded, number, per_axis

if TYPE_CHECKING:
    import xarray as xr

READ = {"whole": "", "part": "read in part", "not": "not read", "unmade": "not made"}
PER_MAP = ("stride", "extent", "effective", "density")
SORTS = ("model", *PER_MAP, "params", "macs", "layers", "seconds")
GLOBAL = "global: a global receptive field, but for attention and squeeze-and-excitation, which the figures skip"


def survey_report(data: xr.Dataset, sort: str = "model") -> list[str | Table]:
    """Return what `rfscale networks --survey` prints: the maps of one model, or the last map of each of several.

    Parameters
    ----------
    data : xr.Dataset
        Of `rfscale.zoo_survey`.
    sort : str
        A column, smallest first; models without a figure come last.

    Raises
    ------
    InputError
        For a column that is none.
    """
    if sort not in SORTS:
        raise InputError(argument="--sort", value=sort, remedy=nearest(sort, SORTS))
    source = [f"surveyed {data.attrs['date']} with {data.attrs['versions']}"]
    if bool(data.is_global.any()):
        source.insert(0, GLOBAL)
    if data.sizes["model"] == 1:
        return [*_model_lines(data.isel(model=0)), _maps(data.isel(model=0)), *source]
    last = data.isel(level=0)
    if sort != "model":
        figures = last[sort].max("axis") if "axis" in last[sort].dims else last[sort]
        last = last.isel(model=np.argsort(figures.values, kind="stable"))
    columns = [
        Column("model", last.model.values.tolist(), "left"),
        Column("input", _per_axis(last.input_size)),
        Column("map", last.layer.values.tolist(), "left"),
        *_figures(last),
        Column("M params", [number(v / 1e6) for v in last.params.values], quiet=("–",)),
        Column("G macs", [number(v / 1e9) for v in last.macs.values], quiet=("–",)),
        Column("read", [READ[status] for status in last.status.values.tolist()], "left", quiet=("",)),
    ]
    return [folded(columns), *source]


def _model_lines(model: xr.Dataset) -> list[str]:
    costs = f"{number(float(model.params) / 1e6)} M parameters, {number(float(model.macs) / 1e9)} G macs"
    lines = [f"{model.model.item()} ({model.family.item()}): input {_per_axis(model.input_size)[0]}, {costs}"]
    if model.reason.item():
        lines.append(f"{READ[model.status.item()]}: {model.reason.item()}")
    if model.compared > 0:
        equal = int(model.compared - model.wrong)
        lines.append(f"judged by runs of the model: {equal} of {int(model.compared)} entries have that footprint")
    elif model.unjudged.item():
        lines.append(f"not judged: {model.unjudged.item()}")
    if not model.interior:
        lines.append("figures of the centre entry at that size: there are no interior ones")
    return lines


def _maps(model: xr.Dataset) -> Table:
    maps = model.isel(level=model.role.values != "")
    columns = [
        Column("map", maps.layer.values.tolist(), "left"),
        Column("level", maps.pyramid.values.tolist(), "left", quiet=("",)),
        Column("role", maps.role.values.tolist(), "left"),
        Column("size", _per_axis(maps.map_size)),
        *_figures(maps),
    ]
    return folded(columns)


def _figures(maps: xr.Dataset) -> list[Column]:
    """Columns of figures of maps."""
    return [
        Column("stride", _per_axis(maps.stride)),
        Column("extent", _per_axis(maps.extent)),
        Column("95 % box", _per_axis(maps.effective), quiet=("–",)),
        Column("density", [number(v) for v in maps.density.values], quiet=("1", "–")),
        Column("longest gap", _per_axis(maps.max_gap), quiet=("0", "–")),
        Column("global", ["yes" if v else "" for v in maps.is_global.values], "left", quiet=("",)),
    ]


def _per_axis(values: Any) -> list[str]:
    """Figures of a model's axes, one where they are alike."""
    rows = np.atleast_2d(values.values)
    return [per_axis(row[np.isfinite(row)]) if np.isfinite(row).any() else "–" for row in rows]
