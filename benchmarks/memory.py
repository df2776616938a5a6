"""Memory of every case: what our call takes at its peak beyond what was there before, beside the bytes of its answer.

python -m benchmarks.memory                # this machine's file, the table of docs/benchmarks.md; minutes, Linux only
python -m benchmarks.memory --case NAME    # of one case, printed

Each case has a process of its own, whose peak Linux counts anew when it is told so: memory of compiled code and of
numpy's pages counts like any other, touched pages alone.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import subprocess
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.memory_table import cell
from benchmarks.registry import CASES, SMALL
from benchmarks.results import ROOT, place, write

WARM = 3  # calls before the one that is measured: code that small questions do without is loaded by a later one
SLOW = 5.0  # seconds of a call that is not repeated for that
PAGES = Path("/proc/self")


def size_of(answer: Any) -> int:
    """Return the bytes of an answer's arrays, on the disk or in memory."""
    if hasattr(answer, "children"):
        return size_of(answer.to_dataset()) + sum(map(size_of, answer.children.values()))
    if hasattr(answer, "data_vars"):
        return sum(v.nbytes for v in answer.data_vars.values())
    if isinstance(answer, list | tuple):
        return sum(map(size_of, answer))
    if isinstance(answer, dict):
        return sum(map(size_of, answer.values()))
    return int(getattr(answer, "nbytes", 0))


def status(key: str) -> int:
    """Return a line of /proc/self/status in bytes: VmRSS, the memory of now, or VmHWM, its peak."""
    rows = dict(line.split(":", 1) for line in (PAGES / "status").read_text().splitlines())
    return int(rows[key].split()[0]) * 1024


def measured(name: str) -> dict[str, Any] | None:
    """Measure our call of a case in this process, after all that is loaded and compiled once.

    None where the call starts a process: of one, Linux counts what its parent had as well.
    """
    for file in sorted(Path(__file__).parent.glob("cases/*.py")):
        import_module(f"benchmarks.cases.{file.stem}")
    case = CASES[name]()
    if case.ours.state != "warm":
        return None
    before = case.ours.before or (lambda: None)
    for _ in range(WARM):
        answer = None
        before()
        start = time.perf_counter()
        answer = case.ours.call()
        if time.perf_counter() - start > SLOW:
            break
    del answer
    gc.collect()
    before()
    with suppress(AttributeError):  # what is free goes back to the system, and would else be used again uncounted
        ctypes.CDLL(None).malloc_trim(0)
    (PAGES / "clear_refs").write_text("5")
    there = status("VmRSS")
    answer = case.ours.call()
    peak = status("VmHWM")
    return {"title": case.name, "answer": size_of(answer), "peak": peak - there, "process": peak}


def in_new_process(name: str) -> dict[str, Any] | None:
    """Measure a case in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.memory", "--case", name]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    row: dict[str, Any] | None = json.loads(done.stdout.splitlines()[-1])
    return row


def main() -> None:
    """Measure every case, or one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__.splitlines()[0])
    parser.add_argument("--case", help="of this case alone; printed")
    name = parser.parse_args().case
    if name:
        print(json.dumps(measured(name)))
        return
    from benchmarks.machine import machine

    for file in sorted(Path(__file__).parent.glob("cases/*.py")):
        import_module(f"benchmarks.cases.{file.stem}")
    at = machine()
    found = {}
    for each in CASES:
        row = in_new_process(each)
        if row is not None:
            found[each] = row
            print(each, cell(row), flush=True)
    path = place(at)
    new = {} if path.exists() else {"machine": at | {"small": SMALL}}
    write(path, memory=found, **new)
    report.refresh()


if __name__ == "__main__":
    main()
