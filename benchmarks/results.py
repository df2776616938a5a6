"""What was measured on each machine, in `docs/benchmarks/<machine>.json`, and the rows beside ours."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "benchmarks"
OURS = "rfscale"
BUSY = 0.1  # processors that others may use before a warning is printed
DROPPED = ("contender", "case", "scale", "small")  # of what a timing carries: not of interest afterwards


@dataclass(frozen=True)
class Row:
    """One contender of a case. `seconds` are those of as many of its calls as answer our one."""

    who: str
    seconds: float
    ratio: float  # to ours
    info: dict[str, Any]

    @property
    def missed(self) -> bool:
        """Whether the aim is a larger multiple of our time, or a higher rate."""
        rate = self.info.get("rate_aim")
        if rate:
            return bool(self.info["items"] / self.seconds < rate)
        return self.info["aim"] is not None and self.ratio < self.info["aim"]


@dataclass(frozen=True)
class Results:
    """What one machine's file holds: the machine, seconds by case and contender, and the growth of cost.

    Attributes
    ----------
    machine : dict
        As `benchmarks.machine.machine` makes it, with `small` and the day.
    timings : dict of str to list of dict
        By case, ours first: `who`, `seconds`, and what benchmarks/test_benchmarks.py says of a contender.
    growth : dict
        Text of the table, as benchmarks/growth.py makes it; may be empty.
    memory : dict
        By name of a case what benchmarks/memory.py measures; may be empty.
    """

    machine: dict[str, Any]
    timings: dict[str, list[dict[str, Any]]]
    growth: dict[str, Any]
    memory: dict[str, dict[str, Any]] = field(default_factory=dict)

    @cached_property
    def cases(self) -> dict[str, list[Row]]:
        """All rows by case, ours first, then from the fastest to the slowest."""
        out = {}
        for name, runs in self.timings.items():
            ours = next(run["seconds"] for run in runs if run["who"] == OURS)
            rows = [Row(run["who"], run["seconds"], run["seconds"] / ours, run) for run in runs]
            out[name] = sorted(rows, key=lambda row: (row.who != OURS, row.seconds))
        return out

    @property
    def name(self) -> str:
        """Processor and cores, as a heading."""
        return f"{self.machine['processor']}, {self.machine['cores']} cores"

    def conditions(self) -> list[str]:
        """Return sentences on the machine, its packages, and what else it did."""
        packages = ", ".join(f"{p} {v}" for p, v in self.machine["packages"].items())
        out = [f"{self.name}, {self.machine['software']} of {self.machine['day']}, {packages}."]
        load, busy = self.machine.get("load_average"), self.machine.get("others_busy")
        during = [b for rows in self.cases.values() for row in rows if (b := row.info.get("others_busy")) is not None]
        if load is not None:
            text = f"Load average at the start {load:.2f}"
            text += f"; other processes kept {busy:.2f} of the processors busy then" if busy is not None else ""
            text += f", and at most {max(during):.2f} while anything was timed" if during else ""
            out.append(text + ".")
        if max([busy or 0, *during]) > BUSY:
            out.append("**The machine was not quiet: take the ratios as rough.**")
        if self.machine["small"]:
            out.append("**A small run (RFSCALE_BENCH_SMALL): the sizes are not those that the aims are meant for.**")
        return out

    def summary(self) -> str:
        """Return a sentence on wins, losses and aims, counted from the rows."""
        others = [row for rows in self.cases.values() for row in rows[1:]]
        lost = sum(row.ratio < 1 for row in others)
        aimed = [r for rows in self.cases.values() for r in rows if r.info["aim"] is not None or r.info.get("rate_aim")]
        aims = f" {sum(not r.missed for r in aimed)} of {len(aimed)} aims of the project are reached."
        text = (
            f"Of {len(others)} comparisons {lost} are below 1: there the other way is faster than ours, or does less."
        )
        return text + (aims if aimed and not self.machine["small"] else "")


def read_run(path: str | Path) -> Results:
    """Read what `pytest benchmarks --benchmark-json` wrote; cases of which ours was not timed are left out."""
    data = json.loads(Path(path).read_text())
    timings: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in data["benchmarks"]:
        info = run["extra_info"]
        kept = {key: value for key, value in info.items() if key not in DROPPED}
        seconds = run["stats"]["median"] * info["scale"]
        timings[run["group"]].append({"who": info["contender"], "seconds": seconds, **kept})
    whole = {name: runs for name, runs in timings.items() if any(run["who"] == OURS for run in runs)}
    return Results(data["machine_info"]["of_rfscale"], whole, {})


def place(machine: dict[str, Any]) -> Path:
    """Return the file of a machine."""
    return FOLDER / f"{machine['name']}.json"


def write(path: Path, **parts: Any) -> None:
    """Put parts of `Results` into a machine's file; what it holds besides stays."""
    held = json.loads(path.read_text()) if path.exists() else {"machine": {}, "timings": {}, "growth": {}}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**held, **parts}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def stored() -> list[Results]:
    """Return what all machines' files hold, the machine that was measured last first."""
    every = [Results(**json.loads(path.read_text(encoding="utf-8"))) for path in sorted(FOLDER.glob("*.json"))]
    return sorted(every, key=lambda results: results.machine["day"], reverse=True)


def duration(seconds: float) -> str:
    """Return a time with a unit a person would choose."""
    for limit, factor, unit in ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (120.0, 1.0, "s"), (7200.0, 1 / 60, "min")):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds / 3600:,.0f} h"


def multiple(ratio: float) -> str:
    """Return a ratio with three figures."""
    return f"{ratio:,.3g}" if ratio < 1000 else f"{ratio:,.0f}"


def rate(items: float, unit: str, seconds: float) -> str:
    """Return what is answered in a second."""
    n = items / seconds
    for limit, factor, letter in ((1e15, 1e12, "T"), (1e12, 1e9, "G"), (1e9, 1e6, "M"), (1e6, 1e3, "k")):
        if limit / 1e3 <= n / 1 < limit and n >= factor:
            return f"{n / factor:,.3g} {letter} {unit}/s"
    return f"{n:.2g} {unit}/s"
