"""What `rfscale design` shows and writes: the table of designs, and their spec files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from rfscale.engine.errors import InputError, visible
from rfscale.engine.files import check_folder, write_text
from rfscale.sweeps.report.datasets import write
from rfscale.sweeps.report.tables.spaces import ROWS
from rfscale.sweeps.report.terminal import Column, folded
from rfscale.sweeps.report.terminal import rounded as figure
from rfscale.sweeps.spaces.display import count as number

if TYPE_CHECKING:
    import xarray as xr

    from rfscale.engine.network.network import Network
    from rfscale.sweeps.spaces.space import Space


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
        *(Column(c, [figure(float(v)) for v in some[c].values.tolist()]) for c in ("macs", "params") if c in some),
        Column("maps", [_maps(some.isel(rank=i), attrs["by"]) for i in range(some.sizes["rank"])], "left"),
        Column("architecture", labels or ["–"] * some.sizes["rank"], "left"),
    ]
    table = folded(columns)
    what = "Pareto-optimal in fit and cost" if attrs["pareto"] else "with the best fit"
    rule = "" if attrs["resize"] == "none" else f", resize {attrs['resize']}"
    lines = [
        f"{space.name}: {number(space.size)} architectures; {found.sizes['rank']} {what}, by {attrs['objective']} of "
        f"{attrs['k']} maps",
        f"objects: {attrs['objects']} of {Path(attrs['source']).name}{rule}; covered: within a factor of "
        f"{attrs['factor']:g} of a map",
    ]
    more = found.sizes["rank"] - ROWS
    return [lines[0], table, *([f"… and {more:,} more; --out DIR has all"] if more > 0 else []), lines[1]]


def _factors(found: xr.Dataset) -> list[str]:
    return [str(c) for c in found.coords if c != "rank"]


def _maps(one: xr.Dataset, by: str) -> str:
    return ", ".join(
        f"{layer} {figure(float(value))} px"
        for layer, value in zip(one.map_layer.values, one[f"map_{by}"].values, strict=True)
    )


def check_out(out: Path | None) -> None:
    """Refuse a bad folder before anything is computed."""
    if out is None:
        return
    if out.is_file():
        raise InputError(f"--out {out} is a file; give the name of a folder for the spec files")
    check_folder(out if out.is_dir() else out.absolute().parent, "--out")


def file_stem(name: str) -> str:
    """Return the name of a space as the start of file names: without folders, control characters and great length."""
    return re.sub(r"[^\w.+ -]", "_", visible(name)).lstrip(". ")[:80] or "design"


def write_designs(found: xr.Dataset, space: Space, networks: Iterable[Network], out: Path) -> list[str]:
    """Write each design as a spec file that `rfscale profile` takes, and all as one table; return their names."""
    out.mkdir(exist_ok=True)
    digits = len(str(found.sizes["rank"] - 1))
    stem = file_stem(space.name)
    for i, network in enumerate(networks):
        name = f"{stem}-{i:0{digits}d}"
        spec = {**network.to_dict(), "name": name}
        one = found.isel(rank=i)
        head = f"# {visible(_maps(one, found.attrs['by']))}; mean |log2| {float(one.tightness):.4f}\n"
        write_text(
            head + yaml.safe_dump(spec, sort_keys=False, default_flow_style=None, width=120), out / f"{name}.yaml"
        )
    flat = found.drop_dims("map")
    for name in ("map_layer", "map_width", "map_jump"):
        for j in range(found.sizes["map"]):
            flat[f"{name}_{j + 1}"] = found[name].isel(map=j)
    write(flat, out / "designs.csv")
    return [f"{out}/{stem}-*.yaml, {found.sizes['rank']} networks, and {out / 'designs.csv'}"]
