"""What a run cost and where: wall and CPU time, peak memory, threads, versions, machine."""

from __future__ import annotations

import os
import platform
import resource
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from typing import Any

import numba

from rfscale.engine.errors import InputError, Parameter
from rfscale.engine.network.spec import whole
from rfscale.engine.version import SOFTWARE

PACKAGES = ("numpy", "numba", "xarray", "zarr")
PARALLEL_FROM = 1 << 18  # architectures, or other numbers, that are worth a second thread
TASKS_PER_THREAD = 4
NO_DISK = 10**15  # bytes of figures that no disk takes, compressed as they are
ALWAYS_FREE = 1 << 26  # bytes that are not worth 0.1 ms to find out how many there are


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
    versions = [SOFTWARE, f"Python {platform.python_version()}"]
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
    """Return the CPU seconds of this process and its children."""
    return sum(os.times()[:4])


def _reset_peak() -> None:
    """Let Linux count the peak anew; psutil reads the memory of now, not its peak."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def _peak() -> int:
    """Return the peak memory of this process in bytes."""
    try:
        with open("/proc/self/status") as file:
            rows = dict(line.split(":", 1) for line in file)
        return int(rows["VmHWM"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _processor() -> str:
    """Return the name of the processor, which psutil does not know."""
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown processor"


def check_memory(needed: int) -> None:
    """Refuse results that do not fit the free memory."""
    if needed < ALWAYS_FREE:
        return
    free = free_memory()
    if needed > free:
        stored = "write it to a store, " if needed < NO_DISK else ""
        raise InputError(
            f"the result needs {size_text(needed)} of memory and {size_text(free)} are free; "
            f"{stored}give `stages`, or ask rf.count, best, pareto or sample, which list nothing"
        )


def memory_limit(memory: Any) -> int:
    """Return a number of bytes that a question or a run may take, such as 8e9; an `InputError` where it is none."""
    given = int(memory) if isinstance(memory, float) and memory.is_integer() else memory
    return whole(given, Parameter("memory"), 0, 2**63 - 1)


def free_memory() -> int:
    """Return the bytes of memory that are available."""
    import psutil

    return int(psutil.virtual_memory().available)


def size_text(size: int) -> str:
    """Return a number of bytes as people write it."""
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if size < 999.5:  # 999.6 is 1e+03 in three digits
            return f"{size:.3g} {unit}"
        size = size // 1000 if size >= 10**9 else size / 1000  # type: ignore[assignment]
    return f"{size:.3g} EB" if size < 10**6 else "more than 10^24 bytes"


@contextmanager
def threads_for(n: int) -> Iterator[None]:
    """Let `in_threads` take one thread where there is little to do: waking another costs up to milliseconds."""
    before = getattr(_few, "held", False)
    _few.held = before or n < PARALLEL_FROM
    try:
        yield
    finally:
        _few.held = before


_few = threading.local()  # asked sooner than numba for its threads, which takes 3 µs: small sweeps do it for each stage


def in_threads(work: Callable[[int, int], object], start: int, stop: int, numbers: int) -> None:
    """Do work without the GIL on ranges of start..stop-1, each item of so many numbers, on the threads that numba has.

    The caller takes ranges as well, and waits for no thread that has not begun: to start one, or to wake it, may take
    longer than the work, 5 ms where 30 MB are copied in 1 ms.

    Parameters
    ----------
    work : callable
        Is given the first item of a range and the one after its last. Ranges must not depend on each other. A kernel
        takes half as long to compile as one with a parallel loop of numba.
    """
    items = stop - start
    few = items * numbers < PARALLEL_FROM or getattr(_few, "held", False)
    threads = 1 if few else numba.get_num_threads()
    if threads == 1:
        work(start, stop)
        return
    parts = min(threads * TASKS_PER_THREAD, items)
    cuts = [start + items * i // parts for i in range(parts + 1)]
    ranges = deque(pairwise(cuts))

    def some() -> None:
        while ranges:
            try:
                low, high = ranges.popleft()
            except IndexError:  # another thread was faster
                return
            work(low, high)

    others = [helpers().submit(some) for _ in range(threads - 1)]
    try:
        some()
    finally:
        ranges.clear()  # after an error
        begun = [other for other in others if not other.cancel()]
        wait(begun)
    for other in begun:
        other.result()


@cache
def helpers() -> ThreadPoolExecutor:
    """Threads beside the caller's, which stay: none of them is needed for the work to be done."""
    return ThreadPoolExecutor(max(1, numba.config.NUMBA_NUM_THREADS - 1), "rfscale")  # type: ignore[attr-defined]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=helpers.cache_clear)  # the child has none of the threads
