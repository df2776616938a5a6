"""The summary of a batch: one row for each entry, and its comparison with an earlier one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.errors import InputError, shown
from rfscale.engine.variables import annotate, provenance
from rfscale.sweeps.batch.entries import Entry
from rfscale.sweeps.machine import machine
from rfscale.sweeps.variables import BATCH, COMPARISON

if TYPE_CHECKING:
    import xarray as xr


def summary_of(rows: list[dict[str, Any]]) -> xr.Dataset:
    """Return the summary of a batch: one row for each entry."""
    import xarray as xr

    data = {}
    for name in BATCH:
        values = [r[name] for r in rows]
        kind: Any = object if isinstance(values[0], str) else np.int64 if name == "architectures" else float
        data[name] = (("run",), np.array(values, kind))
    return annotate(xr.Dataset(data, {"run": [r["run"] for r in rows]}, provenance("batch", **machine())), BATCH)


def read_summary(path: Path) -> xr.Dataset:
    """Return the summary of a batch from its file or folder."""
    import xarray as xr

    file = path / "summary.json" if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        rows = content["records"]
        data = {n: (("run",), np.array([np.nan if r[n] is None else r[n] for r in rows])) for n in BATCH}
        return xr.Dataset(data, {"run": [r["run"] for r in rows]}, content["attrs"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is no summary of a batch: {shown(str(error))}") from None


def known_rows(out: Path) -> dict[str, dict[str, Any]]:
    """Rows of the summary that is there already, by run."""
    if not (out / "summary.json").is_file():
        return {}
    before = read_summary(out)
    names = ["run", *BATCH]
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
    return annotate(summary.assign(wall_before=earlier, speedup=earlier / summary.wall_seconds), COMPARISON)
