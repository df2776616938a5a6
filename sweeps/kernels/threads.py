"""Kernels without the GIL on threads of Python: numba's own parallel loops take twice as long to compile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numba

PARALLEL_FROM = 1 << 18  # numbers that are worth a second thread
TASKS_PER_THREAD = 4


def in_threads(work: Callable[[int, int], object], start: int, stop: int, numbers: int) -> None:
    """Do work on ranges within start..stop-1, each item of so many numbers, on as many threads as numba has.

    Parameters
    ----------
    work : callable
        Is given the first item of a range and the one after its last. Ranges must not depend on each other.
    """
    threads, items = numba.get_num_threads(), stop - start
    if threads == 1 or items * numbers < PARALLEL_FROM:
        work(start, stop)
        return
    parts = min(threads * TASKS_PER_THREAD, items)
    cuts = [start + items * i // parts for i in range(parts + 1)]
    with ThreadPoolExecutor(threads) as pool:
        deque(pool.map(work, cuts[:-1], cuts[1:]), maxlen=0)
