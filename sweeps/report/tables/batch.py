"""The table of a batch of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr


def summary_table(summary: xr.Dataset) -> list[Any]:
    """Return what is printed of a summary."""
    from rfscale.sweeps.machine import size_text
    from rfscale.sweeps.report.terminal import Column, folded, number

    def text(name: str) -> list[str]:
        return ["–" if v != v else number(v) for v in summary[name].values.astype(float).tolist()]

    columns = [
        Column("run", [str(v) for v in summary.run.values], "left"),
        Column("kind", [str(v) for v in summary.kind.values], "left"),
        Column("status", [str(v) for v in summary.status.values], "left"),
        Column("wall", text("wall_seconds"), unit="s"),
        Column("CPU", text("cpu_seconds"), unit="s"),
        Column("architectures", [f"{int(v):,}" if v < 1e15 else f"{v:.3g}" for v in summary.architectures.values]),
        Column("per second", [f"{v:,.0f}" if v == v else "–" for v in summary.rate.values]),
        Column("memory", [size_text(int(v)) for v in summary.peak_memory.values]),
    ]
    if "speedup" in summary:
        columns.append(Column("before", text("wall_before"), unit="s"))
        columns.append(Column("× faster", text("speedup")))
    lines: list[Any] = [folded(columns)]
    failed = summary.run.values[summary.status.values == "failed"]
    lines += [f"{name} failed: {summary.message.sel(run=name).item()}" for name in failed]
    return [*lines, f"{summary.attrs['machine']}; {summary.attrs['threads']} threads; {summary.attrs['versions']}"]
