"""A benchmark JSON as rows: seconds of every contender, beside ours."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OURS = "rfscale"
BUSY = 0.1  # processors that others may use before a warning is printed


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
            return self.info["items"] / self.seconds < rate
        return self.info["aim"] is not None and self.ratio < self.info["aim"]


@dataclass(frozen=True)
class Results:
    """All rows by case, ours first, then from the fastest to the slowest; and the machine they were measured on."""

    cases: dict[str, list[Row]]
    machine: dict[str, Any]
    small: bool
    busiest: float | None  # most processors that others used while one contender ran

    def part(self, public: bool) -> dict[str, list[Row]]:
        """Return the cases whose `ours` is a call of a user, or the others."""
        return {name: rows for name, rows in self.cases.items() if rows[0].info["public"] is public}

    def conditions(self) -> list[str]:
        """Return sentences on the machine, its packages, and what else it did."""
        cpu = self.machine.get("cpu", {})
        name = f"{cpu.get('brand_raw', 'unknown processor')}, {cpu.get('count', '?')} cores"
        packages = ", ".join(f"{p} {v}" for p, v in self.machine["packages"].items())
        out = [f"{name}, Python {self.machine['python_version']}, {packages}."]
        load, busy = self.machine.get("load_average"), self.machine.get("others_busy")
        if load is not None:
            text = f"Load average at the start {load:.2f}"
            text += f"; other processes kept {busy:.2f} of the processors busy then" if busy is not None else ""
            text += f", and at most {self.busiest:.2f} while anything was timed" if self.busiest is not None else ""
            out.append(text + ".")
        if max(busy or 0, self.busiest or 0) > BUSY:
            out.append("**The machine was not quiet: take the ratios as rough.**")
        if self.small:
            out.append("**A small run (RFSCALE_BENCH_SMALL): the sizes are not those that the aims are meant for.**")
        return out


def read(path: str) -> Results:
    """Read what `pytest benchmarks --benchmark-json` wrote."""
    data = json.loads(Path(path).read_text())
    found: dict[str, list[tuple[str, float, dict[str, Any]]]] = defaultdict(list)
    for run in data["benchmarks"]:
        info = run["extra_info"]
        found[run["group"]].append((info["contender"], run["stats"]["median"] * info["scale"], info))
    cases = {}
    for name, runs in found.items():
        ours = next(seconds for who, seconds, _ in runs if who == OURS)
        rows = [Row(who, seconds, seconds / ours, info) for who, seconds, info in runs]
        cases[name] = sorted(rows, key=lambda row: (row.who != OURS, row.seconds))
    busy = [b for rows in cases.values() for row in rows if (b := row.info.get("others_busy")) is not None]
    small = any(row.info["small"] for rows in cases.values() for row in rows)
    return Results(cases, data["machine_info"], small, max(busy, default=None))


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
