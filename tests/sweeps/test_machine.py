"""Work on several threads: all of it once, whoever does it, and errors that are not lost."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numba
import numpy as np
import pytest

from rfscale.sweeps import machine
from rfscale.sweeps.machine import PARALLEL_FROM, in_threads


@pytest.fixture(params=[1, 2, 3])
def threads(request, monkeypatch):
    monkeypatch.setattr(numba, "get_num_threads", lambda: request.param)
    return request.param


@pytest.mark.parametrize("items", [1, 2, 7, 1000])
def test_every_item_is_done_once(threads, items):
    done = np.zeros(items + 5, int)
    lock = threading.Lock()

    def work(low, high):
        with lock:
            done[low:high] += 1

    in_threads(work, 5, 5 + items, PARALLEL_FROM)
    assert done.tolist() == [0] * 5 + [1] * items


def test_work_may_be_shared_again_by_those_who_share_it(threads):
    total, lock = [0], threading.Lock()

    def inner(low, high):
        with lock:
            total[0] += high - low

    in_threads(lambda low, high: in_threads(inner, 10 * low, 10 * high, PARALLEL_FROM), 0, 50, PARALLEL_FROM)
    assert total == [500]


def test_nobody_waits_for_a_thread_that_has_not_begun(threads, monkeypatch):
    """All helpers are busy, and stay so until the work is done."""
    free = threading.Event()
    busy = machine.ThreadPoolExecutor(1)
    held = busy.submit(free.wait)
    monkeypatch.setattr(machine, "helpers", lambda: busy)
    done = []
    in_threads(lambda low, high: done.append((low, high)), 0, 100, PARALLEL_FROM)
    assert sum(high - low for low, high in done) == 100
    free.set()
    assert held.result()
    busy.shutdown()


@pytest.mark.parametrize("error", [IndexError, ValueError])
def test_an_error_of_any_thread_is_raised(threads, error):
    def work(low, high):
        if low <= 60 < high:
            raise error(low)

    with pytest.raises(error):
        in_threads(work, 0, 100, PARALLEL_FROM)


def test_an_error_of_a_helper_is_raised(monkeypatch):
    monkeypatch.setattr(numba, "get_num_threads", lambda: 2)
    here, begun = threading.get_ident(), threading.Event()

    def work(low, high):
        if threading.get_ident() == here:
            assert begun.wait(10)
        else:
            begun.set()
            raise IndexError(low)

    with pytest.raises(IndexError):
        in_threads(work, 0, 8, PARALLEL_FROM)


FORKED = """
import os, sys, threading, time
import numba
from rfscale.sweeps import machine
numba.get_num_threads = lambda: 2
helped = set()
def work(low, high):
    helped.add(threading.get_ident())
    time.sleep(0.02)
def run():
    helped.clear()
    machine.in_threads(work, 0, 8, machine.PARALLEL_FROM)
    return len(helped) == 2
assert run()
child = os.fork()
if child == 0:
    os._exit(0 if run() else 1)
sys.exit(os.waitpid(child, 0)[1])
"""


def test_a_forked_process_makes_threads_of_its_own():
    if hasattr(os, "fork"):
        subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], check=True, timeout=60)
