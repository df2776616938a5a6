"""Writes into the benchmark JSON how busy the machine was before anything was measured."""

from __future__ import annotations

from benchmarks import load


def pytest_benchmark_update_machine_info(config, machine_info):
    machine_info.update(load.machine())
