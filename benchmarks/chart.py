"""The chart of all comparisons: one line a case, one dot a contender, its time in multiples of ours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import Results, Row, multiple

FASTER, SLOWER = "#D55E00", "#0072B2"
WIDEST = 1e5  # longer lines end here, with an arrow


def draw(results: Results, path: Path) -> None:
    """Draw every contender's ratio to ours on a logarithmic axis, in two columns."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    cases = [(name, rows[1:]) for name, rows in results.cases.items() if len(rows) > 1]
    ratios = [row.ratio for _, rows in cases for row in rows]
    limits = min(1.0, *ratios) / 3000, min(max(ratios), WIDEST) * 3000
    heights = np.cumsum([len(rows) + 1.3 for _, rows in cases])
    cut = int(np.searchsorted(heights, heights[-1] / 2)) + 1
    columns = [cases[:cut], cases[cut:]]
    tallest = max(sum(len(rows) + 1.3 for _, rows in column) for column in columns)
    figure, grid = plt.subplots(1, 2, figsize=(14, 0.19 * tallest + 1), layout="constrained")
    for axes, column in zip(grid, columns, strict=True):
        axes.set(xscale="log", xlim=limits, ylim=(tallest, -1), yticks=[])
        axes.axvline(1, color="#555555", lw=1)
        _column(axes, column, limits[0])
        axes.spines[["top", "right", "left"]].set_visible(False)
    figure.supxlabel(
        "time in multiples of rfscale's, logarithmic; orange, left of the line: faster than ours", fontsize=9
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _column(axes: Any, cases: list[tuple[str, list[Row]]], left: float) -> None:
    """Draw cases below each other, a line of text and one for each contender."""
    y = 0.0
    for name, rows in cases:
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # hides the line at 1
        axes.text(left, y, re.sub(r"[*`]", "", name), fontsize=8.5, fontweight="bold", va="center", bbox=box)
        for row in rows:
            y += 1
            faster = row.ratio < 1
            colour = FASTER if faster else SLOWER
            end = min(row.ratio, WIDEST)
            axes.plot([1, end], [y, y], color=colour, lw=2.5, solid_capstyle="butt")
            axes.plot(end, y, "o" if end == row.ratio else ">", color=colour, ms=4.5)
            axes.annotate(
                f"{row.who}  {multiple(row.ratio)}×",
                (end, y),
                xytext=(-6 if faster else 6, 0),
                textcoords="offset points",
                ha="right" if faster else "left",
                va="center",
                fontsize=7.5,
            )
        y += 1.3
