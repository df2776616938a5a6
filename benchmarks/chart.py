"""The chart of all comparisons: one line a case, one dot a contender, its time in multiples of ours."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.results import Results, multiple

FASTER, SLOWER = "#D55E00", "#0072B2"


def draw(results: Results, path: Path) -> None:
    """Draw every contender's ratio to ours on a logarithmic axis."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    cases = [(name, rows[1:]) for name, rows in results.cases.items() if len(rows) > 1]
    lines = sum(len(rows) for _, rows in cases) + len(cases)
    figure, axes = plt.subplots(figsize=(10, 0.2 * lines + 1.2), layout="constrained")
    y, largest = 0.0, max(r.ratio for _, rows in cases for r in rows)
    smallest = min(1.0, *(r.ratio for _, rows in cases for r in rows))
    for name, rows in cases:
        axes.text(smallest / 30, y, re.sub(r"[*`]", "", name), fontsize=8.5, fontweight="bold", va="center")
        for row in rows:
            y -= 1
            colour = SLOWER if row.ratio >= 1 else FASTER
            axes.plot([1, row.ratio], [y, y], color=colour, lw=2.5, solid_capstyle="butt")
            axes.plot(row.ratio, y, "o", color=colour, ms=4.5)
            left = row.ratio < 1
            axes.annotate(
                f"{row.who}  {multiple(row.ratio)}×",
                (row.ratio, y),
                xytext=(-6 if left else 6, 0),
                textcoords="offset points",
                ha="right" if left else "left",
                va="center",
                fontsize=7.5,
            )
        y -= 1
    axes.axvline(1, color="#555555", lw=1)
    axes.set(xscale="log", xlim=(smallest / 40, largest * 300), ylim=(y, 1), yticks=[])
    axes.set_xlabel("time in multiples of rfscale's (logarithmic); left of the line, and orange: faster than ours")
    axes.spines[["top", "right", "left"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
