"""The summary of a batch: one row for each entry, and its comparison with an earlier one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.errors import InputError, shown
from rfscale.sweeps.batch.entries import Entry
from rfscale.sweeps.machine import machine

if TYPE_CHECKING:
    import xarray as xr

COLUMNS = {
    "kind": ("1", "what was run"),
    "status": ("1", "done, kept (done before), failed, or running (it was stopped there)"),
    "wall_seconds": ("s", "wall time"),
    "cpu_seconds": ("s", "CPU time of all threads"),
    "architectures": ("1", "architectures (of a network: 1)"),
    "rate": ("1/s", "architectures per second of wall time"),
    "peak_memory": ("byte", "largest resident memory"),
    "message": ("1", "why it failed"),
    "entry_hash": ("1", "hash of the run's entry"),
}


def summary_of(rows: list[dict[str, Any]]) -> xr.Dataset:
    """Return the summary of a batch: one row for each entry."""
    import xarray as xr

    data = {}
    for name, (units, text) in COLUMNS.items():
        values = [r[name] for r in rows]
        kind: Any = object if isinstance(values[0], str) else np.int64 if name == "architectures" else float
        data[name] = (("run",), np.array(values, kind), {"units": units, "long_name": text})
    return xr.Dataset(data, {"run": [r["run"] for r in rows]}, {"call": "batch", **machine()})


def read_summary(path: Path) -> xr.Dataset:
    """Return the summary of a batch from its file or folder."""
    import xarray as xr

    file = path / "summary.json" if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        rows = content["records"]
        data = {n: (("run",), np.array([np.nan if r[n] is None else r[n] for r in rows])) for n in COLUMNS}
        return xr.Dataset(data, {"run": [r["run"] for r in rows]}, content["attrs"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is no summary of a batch: {shown(str(error))}") from None


def known_rows(out: Path) -> dict[str, dict[str, Any]]:
    """Rows of the summary that is there already, by run."""
    if not (out / "summary.json").is_file():
        return {}
    before = read_summary(out)
    names = ["run", *COLUMNS]
    columns = [before[n].values.tolist() for n in names]
    rows = (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))
    return {row["run"]: {**row, "message": row["message"] or ""} for row in rows}


def check_against(entries: list[Entry], before: xr.Dataset) -> None:
    """Refuse an earlier summary that has no run of these entries, before anything is run."""
    if not {e["name"] for e in entries} & set(before.run.values):
        raise InputError(
            f"--against has the runs {', '.join(map(str, before.run.values))}, none of this batch; "
            "give the summary of the same runs"
        )


def compare(summary: xr.Dataset, before: xr.Dataset) -> xr.Dataset:
    """Return the summary with the earlier wall times, and how many times faster each run has become."""
    earlier = before.wall_seconds.reindex(run=summary.run.values)
    out = summary.assign(wall_before=earlier, speedup=earlier / summary.wall_seconds)
    out.wall_before.attrs = {"units": "s", "long_name": "wall time of the earlier summary"}
    out.speedup.attrs = {"units": "1", "long_name": "earlier wall time / this one"}
    return out
