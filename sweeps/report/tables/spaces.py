"""What `rfscale sweep` prints: descriptions of spaces, summaries of stores, and answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from rfscale.engine.variables import provenance
from rfscale.sweeps.machine import size_text
from rfscale.sweeps.report.terminal import PX, Column, folded, rounded
from rfscale.sweeps.runs.describe import Description
from rfscale.sweeps.runs.store.store import Summary
from rfscale.sweeps.spaces.display import count as number
from rfscale.sweeps.spaces.network_space import NetworkSpace
from rfscale.sweeps.spaces.space import Space

ROWS = 30  # of an answer that are printed
LABELS = 8  # of a factor that are printed


def summary_report(space: Space | NetworkSpace, summary: Summary) -> list[Any]:
    """Return what is printed when a store is written."""
    states = f", {number(summary.states)} states" if summary.states else ""
    lines = [
        f"{space.name}: {number(summary.architectures)} architectures{states}; {size_text(summary.bytes)} of figures, "
        f"{size_text(summary.size)} on the disk"
    ]
    if summary.written == summary.blocks:
        lines.append(f"{summary.seconds:.1f} s, {number(round(summary.rate))} architectures/s")
    elif summary.written:
        lines.append(
            f"{summary.written} of {summary.blocks} blocks were missing: {summary.seconds:.1f} s, "
            f"{number(round(summary.rate))} architectures/s"
        )
    else:
        lines.append("the store was complete already")
    if summary.damaged:
        lines.append(f"{summary.damaged} of them had lost files, or bytes of files, and were written again")
    return lines


def space_report(space: Description) -> list[Any]:
    """Return what is printed without options: size, factors, states, and what a store would take."""
    stages = space.stages
    table = folded([
        Column("stage", [s.name for s in stages], "left"),
        Column("factors", [", ".join(f"{d} {_few(labels)}" for d, labels in s.factors.items()) or "–" for s in stages],
               "left"),
        Column("architectures", [number(s.architectures) for s in stages]),
        Column("states", [" × ".join("many" if n is None else number(n) for n in s.states) or "–" for s in stages],
               quiet=("–",)),
        Column("figures", [size_text(s.bytes) for s in stages]),
    ])  # fmt: skip
    return [
        f"{space.name}: {number(space.architectures)} architectures, {space.factors} factors",
        table,
        f"figures: {', '.join(space.variables)}",
        f"all stages: {size_text(space.bytes)} before compression; --out PATH writes them, "
        "--count, --best, --pareto and --sample answer without",
    ]


def space_content(space: Description, command: str) -> dict[str, Any]:
    """Return the description as data: of each stage its factors with their labels, and what it holds."""
    stages = [
        {
            "stage": s.name,
            "factors": {
                str(d): [str(v) if isinstance(v, tuple) else v for v in labels] for d, labels in s.factors.items()
            },
            "architectures": s.architectures,
            "states": s.states,
            "bytes": s.bytes,
        }
        for s in space.stages
    ]
    attrs = provenance("describe", command=command, space=space.name, architectures=space.architectures)
    return {"attrs": attrs | {"variables": list(space.variables)}, "records": stages}


def _few(labels: Sequence[Any]) -> str:
    some = [str(v) for v in labels[:LABELS]]
    return f"({', '.join(some)}{f', … {len(labels)} values' if len(labels) > LABELS else ''})"


def answer_report(data: xr.Dataset | xr.DataArray) -> list[Any]:
    """Return what is printed of an answer."""
    return _counts(data) if isinstance(data, xr.DataArray) else _architectures(data)


def _counts(data: xr.DataArray) -> list[Any]:
    """Return the cells that are not 0, largest figures first for none: in the order of the table."""
    total = sum(data.values.ravel().tolist())
    if not data.dims:
        return [f"{number(total)} architectures"]
    at = np.nonzero(data.values)
    places = dict(zip(data.dims, at, strict=True))
    values = [data[name].values[places[data[name].dims[0]]] for name in data.coords]
    rows = list(zip(*values, data.values[at], strict=True))
    columns = list(zip(*rows[:ROWS], strict=True))
    table = folded([
        *(
            Column(str(name), [_cell(v) for v in column], unit=_unit(data[name]))
            for name, column in zip(data.coords, columns, strict=False)
        ),
        Column("architectures", [number(int(v)) for v in columns[-1]]),
    ])  # fmt: skip
    return [f"{number(total)} architectures", table, *_more(len(rows))]


def _architectures(data: xr.Dataset) -> list[Any]:

    dim = next(str(d) for d in data.dims if d != "objective")
    shown_rows = data.isel({dim: slice(ROWS)})
    labels = [str(c) for c in data.coords if c not in (dim, "objective")]
    columns = [Column(dim, [str(i) for i in range(shown_rows.sizes[dim])])]
    for name in data.data_vars:
        values = shown_rows[name]
        if "objective" in values.dims:
            parts = {str(o): values.sel(objective=o) for o in data.objective.values}
        else:
            parts = {str(name): values}
        columns += [
            Column(n, [_cell(v) for v in part.values.tolist()], unit=_unit(part))
            for n, part in parts.items()
            if n != "index"
        ]
    kept = {c.header: c for c in columns}  # an objective that is a figure stands once
    chosen = (
        zip(*(shown_rows[c].values.tolist() for c in labels), strict=True) if labels else [()] * shown_rows.sizes[dim]
    )
    cells = [" ".join(f"{n}={v}" for n, v in zip(labels, row, strict=True)) for row in chosen]
    table = folded([*kept.values(), Column("architecture", cells, "left")])
    total = data.attrs.get("satisfying")
    return [*([f"drawn from {number(int(total))} architectures"] if total else []), table, *_more(data.sizes[dim])]


def _cell(value: Any) -> str:

    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, str | bool):
        return str(value)
    return number(value) if isinstance(value, int) else rounded(float(value))


def _unit(values: xr.DataArray) -> str:
    return PX if values.attrs.get("units") == "pixel" else ""


def _more(rows: int) -> list[str]:
    return [f"… and {rows - ROWS:,} more; --out answer.csv has all"] if rows > ROWS else []
