"""The picture of findings: which rule finds what at which layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rfscale.engine.analysis.check.rules import LEVELS, RULES, Finding
from rfscale.sweeps.report.pictures.network import layer_ticks
from rfscale.sweeps.report.pictures.style import INK, ORANGE, RED, SKY, TICK_LETTERS, TICKS, figure, label, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rfscale.sweeps.report.pictures.style import Place

MARKS: dict[str, dict[str, Any]] = {  # that differ in shape, not in colour alone
    "note": {"marker": "o", "color": SKY, "ms": 6},
    "warning": {"marker": "^", "color": ORANGE, "ms": 8},
    "error": {"marker": "X", "color": RED, "ms": 9},
}


def findings_figure(findings: Sequence[Finding], network: str, layers: Sequence[str], place: Place = None) -> Figure:
    """Return the picture of `rf.check`: a row for each rule that found something, over the layers in depth order."""
    rules = [name for name in RULES if any(f.rule == name for f in findings)]
    rows = {name: i for i, name in enumerate(rules)}
    steps = {name: i for i, name in enumerate(layers)}
    wide = min(14.0, max(7.0, 0.12 * len(layers) + 2))
    with figure(wide, 2.7 + 0.34 * max(1, len(rules)), place=place) as (fig, axes):
        ax = axes[0, 0]
        for level in reversed(LEVELS):
            of_level = [f for f in findings if f.level == level]
            if of_level:
                places = [steps[f.layer] for f in of_level], [rows[f.rule] for f in of_level]
                ax.plot(*places, ls="", mec=INK, mew=0.6, label=f"{level}: {len(of_level)}", **MARKS[level])
                ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
        ax.set_yticks(range(len(rules)), [r.replace("_", " ") for r in rules])
        ax.set_ylim(max(1, len(rules)) - 0.5, -0.5)
        layer_ticks(ax, layers)
        named = sorted({steps[f.layer] for f in findings})
        if 0 < len(named) <= TICKS:
            ax.set_xticks(named, [label(layers[i], TICK_LETTERS) for i in named], rotation=90, fontsize=8)
        title(ax, _worst(findings, network))
    return fig


def _worst(findings: Sequence[Finding], network: str) -> str:
    """How many findings, and the first of the worst."""
    name = label(network, 40)
    if not findings:
        return f"{name}: all rules hold, nothing found"
    first = findings[0]
    return f"{name}: {len(findings)} findings; at {label(first.layer, 30)} {RULES[first.rule].summary}"
