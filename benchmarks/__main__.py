"""All benchmarks on this machine, and the pages made from them: some twenty minutes on two quiet cores.

python -m benchmarks             # docs/benchmarks/<machine>.json, docs/benchmarks.md, its charts
python -m benchmarks --growth    # the growth of cost alone
python -m benchmarks --cases     # the comparisons alone
python -m benchmarks --memory    # the memory alone
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import ROOT

CASES = ("--benchmark-max-time=0.5", "--benchmark-min-rounds=5", "--benchmark-columns=median", "--durations=10", "-q")


def main() -> int:
    """Run what is asked for, each part in a process of its own; stop where one fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--growth", action="store_true", help="the growth of cost alone")
    parser.add_argument("--cases", action="store_true", help="the comparisons alone")
    parser.add_argument("--memory", action="store_true", help="the memory alone")
    given = parser.parse_args()
    every = not (given.growth or given.cases or given.memory)
    with tempfile.TemporaryDirectory() as folder:
        run = str(Path(folder) / "run.json")
        steps: list[list[str]] = []
        if given.cases or every:
            steps += [["pytest", "benchmarks", f"--benchmark-json={run}", *CASES], ["benchmarks.report", run]]
        if given.growth or every:
            steps += [["benchmarks.growth"]]
        if given.memory or every:
            steps += [["benchmarks.memory"]]
        for step in steps:
            start = time.perf_counter()
            failed = subprocess.run([sys.executable, "-m", *step], cwd=ROOT).returncode
            print(f"{step[0]}: {time.perf_counter() - start:.0f} s", flush=True)
            if failed:
                return failed
    return 0


if __name__ == "__main__":
    sys.exit(main())
