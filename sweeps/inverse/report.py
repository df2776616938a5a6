"""What `rfscale design` shows: the table of designs, their spec files, and a picture. matplotlib only in functions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from engine.errors import InputError
from sweeps.objects import shares
from sweeps.output import check_folder, write, write_text
from sweeps.spaces.space import Space
from sweeps.sweep_tables import ROWS, number
from sweeps.tables import Column, folded
from sweeps.tables import number as figure

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


def design_report(found: xr.Dataset, space: Space) -> list[Any]:
    """Return the table of designs, and where they come from."""
    attrs, some = found.attrs, found.isel(rank=slice(ROWS))
    cells = {c: some[c].values.tolist() for c in _factors(found)}
    labels = [
        " ".join(f"{n}={v}" for n, v in zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)
    ]
    columns = [
        Column("rank", [str(r) for r in some["rank"].values.tolist()]),
        Column("|log2|", [f"{v:.4f}" for v in some.tightness.values.tolist()]),
        Column("covered", [f"{v:.1%}" for v in some.coverage.values.tolist()]),
        *(Column(c, [figure(float(v), 4) for v in some[c].values.tolist()]) for c in ("macs", "params") if c in some),
        Column("maps", [_maps(some.isel(rank=i), attrs["by"]) for i in range(some.sizes["rank"])], "left"),
        Column("architecture", labels or ["–"] * some.sizes["rank"], "left"),
    ]
    table, _ = folded(columns)
    what = "not beaten in fit and cost at once" if attrs["pareto"] else "with the best fit"
    rule = "" if attrs["resize"] == "none" else f", resize {attrs['resize']}"
    lines = [
        f"{space.name}: {number(space.size)} architectures; {found.sizes['rank']} {what}, by {attrs['objective']} of "
        f"{attrs['k']} maps",
        f"objects: {attrs['objects']} of {Path(attrs['source']).name}{rule}; covered: within a factor of "
        f"{attrs['factor']:g} of a map",
    ]
    more = found.sizes["rank"] - ROWS
    return [lines[0], table, *([f"… and {more} more; --out DIR has all"] if more > 0 else []), lines[1]]


def _factors(found: xr.Dataset) -> list[str]:
    return [str(c) for c in found.coords if c != "rank"]


def _maps(one: xr.Dataset, by: str) -> str:
    return ", ".join(
        f"{layer} {value:.4g} px" for layer, value in zip(one.map_layer.values, one[f"map_{by}"].values, strict=True)
    )


def _row(found: xr.Dataset, rank: int) -> dict[str, Any]:
    """Return the labels of one architecture."""
    return {name: found[name].values[rank] for name in _factors(found)}


def check_out(out: Path | None) -> None:
    """Refuse a bad folder before anything is computed."""
    if out is None:
        return
    if out.is_file():
        raise InputError(f"--out {out} is a file; give the name of a folder for the spec files")
    check_folder(out if out.is_dir() else out.absolute().parent, "--out")


def write_designs(found: xr.Dataset, space: Space, out: Path) -> list[str]:
    """Write each design as a spec file that `rfscale profile` takes, and the table of all; return what was written."""
    out.mkdir(exist_ok=True)
    digits = len(str(found.sizes["rank"] - 1))
    for i in range(found.sizes["rank"]):
        name = f"{space.name}-{i:0{digits}d}"
        spec = {**space.network(_row(found, i)).to_dict(), "name": name}
        one = found.isel(rank=i)
        head = f"# {_maps(one, found.attrs['by'])}; mean |log2| {float(one.tightness):.4f}\n"
        write_text(
            head + yaml.safe_dump(spec, sort_keys=False, default_flow_style=None, width=120), out / f"{name}.yaml"
        )
    flat = found.drop_dims("map")
    for name in ("map_layer", "map_width", "map_jump"):
        for j in range(found.sizes["map"]):
            flat[f"{name}_{j + 1}"] = found[name].isel(map=j)
    write(flat.reset_coords(_factors(found)), out / "designs.csv")
    return [f"written: {out}/{space.name}-*.yaml, {found.sizes['rank']} networks, and {out / 'designs.csv'}"]


def design_figure(found: xr.Dataset, sizes: xr.Dataset) -> Figure:
    """Return the picture: the object sizes with the maps of the best design, and fit against cost of all."""
    from matplotlib.ticker import FuncFormatter, PercentFormatter

    from sweeps.plots import BLUE, GREEN, ORANGE, figure

    attrs = found.attrs
    cost, fit = attrs["cost"], attrs["objective"]
    with figure(11.0, 4.4, 1, 2, width_ratios=[3, 2]) as (fig, axes):
        left, right = axes[0]
        centres, share = shares(sizes)
        left.bar(centres, share, width=centres * 0.043, color=BLUE, alpha=0.8, lw=0)
        best = found.isel(rank=-1 if attrs["pareto"] else 0)
        values = best[f"map_{attrs['by']}"].values
        for i, (layer, value) in enumerate(zip(best.map_layer.values, values, strict=True)):
            left.axvline(value, color=ORANGE, lw=1.6)
            place = (value, 0.96 - 0.07 * (i % 3))
            left.annotate(f" {layer} {value:.4g} px", place, xycoords=("data", "axes fraction"), fontsize=8.5)
        left.set_xscale("log", base=2)
        left.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        left.set_ylim(0, 1.3 * float(share.max()))
        left.set_xlabel(f"pixels; objects by √(width·height), {attrs['source']}")
        left.yaxis.set_major_formatter(PercentFormatter(1.0))
        left.set_title(f"the design that fits best, |log2| {float(best.tightness):.3f}")
        y = found[fit].values
        x = found[cost].values if cost in found else np.arange(len(y))
        right.plot(x, y, "o-" if attrs["pareto"] else "o", color=GREEN, ms=5, lw=1, drawstyle="steps-post")
        right.set_xlabel(cost if cost in found else "rank")
        right.set_ylabel("mean |log2(map / object)|" if fit == "tightness" else "share of objects covered")
        right.set_title("what no other beats" if attrs["pareto"] else f"the {len(y)} best")
    return fig
