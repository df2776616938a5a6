"""The table of what benchmarks/memory.py measures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.results import Results
from rfscale.sweeps.machine import size_text

LARGE = 16 << 20  # bytes of an answer from which its share of the peak is of interest
MARKS = "<!-- memory -->", "<!-- /memory -->"


def cell(row: dict[str, Any] | None) -> str:
    """Return peak and its multiple of the answer, and the whole process."""
    if row is None:
        return "–"
    text = size_text(row["peak"])
    if row["answer"] >= LARGE:
        text += f" (**{row['peak'] / row['answer']:.2f}** of it)"
    return f"{text}; {size_text(row['process'])} in all"


def table(machines: Sequence[Results]) -> str:
    """Return the Markdown table, with a column for each machine."""
    machines = [m for m in machines if m.memory]
    if not machines:
        return ""
    out = [
        f"| question | answer | {' | '.join(m.name for m in machines)} |",
        f"| --- | ---: |{' ---: |' * len(machines)}",
    ]
    for name in dict.fromkeys(name for m in machines for name in m.memory):
        found = [m.memory.get(name) for m in machines]
        first = next(row for row in found if row is not None)
        answer = size_text(first["answer"]) if first["answer"] else ""
        out.append(f"| {first['title']} | {answer} | {' | '.join(map(cell, found))} |")
    return "\n".join(out)
