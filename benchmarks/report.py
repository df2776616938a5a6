"""Turn a benchmark JSON into README's table and a chart.

pytest benchmarks --benchmark-json=benchmarks.json
python -m benchmarks.report benchmarks.json
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

README = Path(__file__).parents[1] / "README.md"
CHART = Path(__file__).parents[1] / "docs" / "pictures" / "benchmarks.png"
START, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"
PACKAGES = ("numpy", "numba", "xarray", "scipy", "opencv-python-headless", "torch")

Rows = dict[str, list[tuple[str, float, float, str]]]  # group: contender, seconds, scaled seconds, note


def read(path: str) -> tuple[Rows, str]:
    """Return the timings by group, and a line on the machine."""
    data = json.loads(Path(path).read_text())
    groups: Rows = defaultdict(list)
    for run in data["benchmarks"]:
        info, seconds = run["extra_info"], run["stats"]["median"]
        groups[run["group"]].append((info["contender"], seconds, seconds * info["scale"], info["note"]))
    return dict(groups), machine(data["machine_info"])


def machine(info: dict[str, Any]) -> str:
    """Return one line: processor, cores, Python and package versions."""
    cpu = info.get("cpu", {})
    packages = []
    for package in PACKAGES:
        try:
            packages.append(f"{package} {version(package)}")
        except ModuleNotFoundError:
            continue
    return (
        f"{cpu.get('brand_raw', 'unknown processor')}, {cpu.get('count', '?')} cores, Python {info['python_version']}, "
        + (", ".join(packages))
    )


def shown(seconds: float) -> str:
    """Return a time with a unit a person would choose."""
    for limit, factor, unit in ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (120.0, 1.0, "s"), (7200.0, 1 / 60, "min")):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds / 3600:.3g} h"


def table(groups: Rows, line: str) -> str:
    """Return the Markdown table: every contender as a ratio to ours, measured in the same run."""
    out = [
        f"Medians, side by side in one run on {line}.",
        "",
        "| question | who | time | × ours |",
        "| --- | --- | ---: | ---: |",
    ]
    for group, rows in groups.items():
        ours = next(seconds for name, _, seconds, _ in rows if name == "rfscale")
        for name, _, seconds, note in sorted(rows, key=lambda r: (r[0] != "rfscale", r[2])):
            label = f"**{name}**" if name == "rfscale" else name + (f" ({note})" if note else "")
            ratio = (
                "1"
                if name == "rfscale"
                else f"{seconds / ours:,.3g}"
                if seconds / ours < 1000
                else f"{seconds / ours:,.0f}"
            )
            out.append(f"| {group if name == 'rfscale' else ''} | {label} | {shown(seconds)} | {ratio} |")
    return "\n".join(out)


def chart(groups: Rows) -> None:
    """Draw every contender's ratio to ours on a logarithmic axis."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = []
    for group, contenders in groups.items():
        ours = next(seconds for name, _, seconds, _ in contenders if name == "rfscale")
        rows += [(f"{group}\n{name}", seconds / ours) for name, _, seconds, _ in contenders if name != "rfscale"]
    rows.reverse()
    figure, axes = plt.subplots(figsize=(9, 0.55 * len(rows) + 1.2), layout="constrained")
    colours = ["#0072B2" if ratio >= 1 else "#D55E00" for _, ratio in rows]
    bars = axes.barh([label for label, _ in rows], [ratio for _, ratio in rows], color=colours)
    axes.bar_label(bars, [f" {ratio:,.3g}×" if ratio < 1000 else f" {ratio:,.0f}×" for _, ratio in rows], fontsize=8)
    axes.axvline(1, color="#555555", lw=1)
    axes.set(xscale="log", xlabel="time in multiples of rfscale's (log scale; left of 1: they are faster)")
    axes.margins(x=0.15, y=0.01)
    axes.tick_params(axis="y", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    CHART.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(CHART, dpi=150)


def main(path: str) -> None:
    """Write the table into README between its marks, and the chart beside the docs."""
    groups, line = read(path)
    text = README.read_text()
    before, rest = text.split(START)
    _, after = rest.split(END)
    README.write_text(f"{before}{START}\n{table(groups, line)}\n{END}{after}")
    chart(groups)
    print(table(groups, line))


if __name__ == "__main__":
    main(*sys.argv[1:])
