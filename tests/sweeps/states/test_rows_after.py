"""Figures worked out many states side by side, against the same state by state."""

from __future__ import annotations

from math import prod

import numba
import numpy as np
import pytest

import rfscale as rf
from rfscale.sweeps import machine
from rfscale.sweeps.runs.blocks import Blocks
from rfscale.sweeps.states import graph as home
from tests.sweeps.some_spaces import ALL, random_space

ALIKE = [{"kernel": k, "stride": s, "dilation": d} for k, s, d in [(2, 1, 3), (3, 2, 5), (1, 1, 1), (5, 1, 40)]]
WORDS = {"kernel": [1, 2, 3], "dilation": [64, 128, 65], "stride": [1, 64]}
SPACES = [
    *ALL,
    *(random_space(seed) for seed in range(300, 320)),
    {"name": "sets of many words", "stages": [{"name": f"s{i}", "choices": ALIKE} for i in range(5)]},
    {"name": "multiples of a word", "stages": [{"name": f"s{i}", **WORDS} for i in range(2)]},
]  # fmt: skip


@pytest.fixture
def side_by_side(monkeypatch):
    """Make every row of a space side by side, or none."""

    def chosen(always):
        monkeypatch.setattr(home, "MAX_LANE_WORDS", 1 << 40 if always else 0)
        monkeypatch.setattr(home, "MIN_NODES_OF_TAILS", 0)

    return chosen


@pytest.mark.parametrize("spec", SPACES, ids=lambda s: s["name"])
@pytest.mark.parametrize("threads", [1, 2])
def test_side_by_side_equals_one_by_one(spec, threads, side_by_side, monkeypatch):
    if threads > numba.get_num_threads():
        pytest.skip("one thread")
    monkeypatch.setattr(machine, "PARALLEL_FROM", 1)
    blocks = Blocks(rf.Space.from_dict(spec))
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        for axis, graph in enumerate(blocks.axes):
            n = blocks.compiled.build(axis, len(blocks.stages), 1 << 30)
            for first in range(n):
                last = min(first + 1, n - 1)
                nodes, choices = (
                    len(graph.before(first).state),
                    prod(p.choices for p in graph.programs[first : last + 1]),
                )
                width, stages = blocks._words(last), range(first, last + 1)
                side_by_side(True)
                found = graph.rows_after(stages, width)
                side_by_side(False)
                wanted = graph.rows_after(stages, width)
                assert all(rows.table.shape == (nodes, choices) for rows in wanted)
                for one, other in zip(found, wanted, strict=True):
                    np.testing.assert_array_equal(one.by_node(), other.by_node())
                    assert one.table.dtype == other.table.dtype == np.int32
    finally:
        numba.set_num_threads(before)


def test_wide_sets_take_no_memory_for_lanes(monkeypatch):
    """Sets of 2^31 pixels side by side would take more than the memory."""
    monkeypatch.setattr(home.lanes, "rows_after", None)
    stages = [{"name": "a", "kernel": [3, 5], "dilation": 1 << 26}, {"name": "b", "kernel": 3, "dilation": [1, 2]}]
    assert rf.sweep(rf.Space.from_dict({"stages": stages}))["b"].extent.values.max() == (4 << 26) + 5
