"""Writes into the benchmark JSON how busy the machine was before anything was measured."""

from __future__ import annotations

import numba

from benchmarks import machine as load
from benchmarks.registry import SMALL


def pytest_configure(config):
    if SMALL:  # threads that wait for each other on a busy machine take minutes, and nothing here needs them
        numba.set_num_threads(1)


def pytest_benchmark_update_machine_info(config, machine_info):
    machine_info["of_rfscale"] = load.machine() | {"small": SMALL}
