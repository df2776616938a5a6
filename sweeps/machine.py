"""What a run cost and where: wall and CPU time, peak memory, threads, versions, machine."""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("numpy", "numba", "xarray", "zarr")


@contextmanager
def measured() -> Iterator[dict[str, Any]]:
    """Measure what happens inside; the dict that is yielded has the cost afterwards.

    Wall and CPU time (this process and its children) in seconds; peak memory of this process in bytes, of these moments
    where Linux lets the mark be reset, else since the process began.
    """
    cost: dict[str, Any] = {}
    _reset_peak()
    wall, cpu = time.perf_counter(), _cpu()
    try:
        yield cost
    finally:
        cost["wall_seconds"] = time.perf_counter() - wall
        cost["cpu_seconds"] = _cpu() - cpu
        cost["peak_memory"] = _peak()


def machine() -> dict[str, Any]:
    """Return threads, versions and the machine, as attributes."""
    import numba

    from engine import __version__

    versions = [f"rfscale {__version__}", f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return {
        "threads": numba.get_num_threads(),
        "versions": ", ".join(versions),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
    }


def _cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _reset_peak() -> None:
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def _peak() -> int:
    try:
        with open("/proc/self/status") as file:
            rows = dict(line.split(":", 1) for line in file)
        return int(rows["VmHWM"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown processor"
