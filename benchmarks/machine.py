"""The machine while we measure: its name, packages, load average, and processor time that is not ours.

The last is for Linux only (/proc/stat); elsewhere it is unknown.
"""

from __future__ import annotations

import os
import platform
import re
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rfscale.engine.version import SOFTWARE
from rfscale.sweeps import machine as computer

PACKAGES = (
    *("numpy", "numba", "xarray", "zarr", "numexpr", "torch"),
    *("torchscan", "rfa-toolbox", "receptivefield"),
)
STAT = Path("/proc/stat")


def average() -> float | None:
    """Load average of the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def machine() -> dict[str, Any]:
    """What is measured where, and how busy the machine is with nothing of ours running: takes a second.

    `name` is made of processor and cores, and names the file of the machine.
    """
    processor, cores, _ = computer.machine()["machine"].rsplit(", ", 2)
    processor = " ".join(re.sub(r"\((?:R|TM|C)\)|\bCPU\b|\bProcessor\b|@", " ", processor, flags=re.I).split())
    others = Others()
    time.sleep(1.0)
    return {
        "name": re.sub(r"[^a-z0-9.]+", "-", f"{processor} {cores}".lower()).strip("-"),
        "processor": processor,
        "cores": int(cores.split()[0]),
        "software": f"{SOFTWARE}, Python {platform.python_version()}",
        "day": datetime.now(UTC).strftime("%Y-%m-%d"),
        "packages": _versions(),
        "load_average": average(),
        "others_busy": others.busy(),
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


class Others:
    """Processors that others (or the host of a virtual machine) keep busy from now on, to a few per cent."""

    def __init__(self) -> None:
        self.start, self.used, self.own = time.perf_counter(), _used(), _own()

    def busy(self) -> float | None:
        """Return how many processors others kept busy since, on average; None where that is not known."""
        used, elapsed = _used(), time.perf_counter() - self.start
        if used is None or self.used is None or elapsed < 0.2:  # the counters tick every 10 ms
            return None
        return max(0.0, (used - self.used - (_own() - self.own)) / elapsed)


def _used() -> float | None:
    """Seconds that all processors were used, or withheld by the host, since the start of the machine."""
    if not STAT.exists():
        return None
    user, nice, system, _, _, irq, soft, steal = map(int, STAT.read_text().split("\n", 1)[0].split()[1:9])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    """Seconds that this process and the children it has waited for have used."""
    return sum(os.times()[:4])
