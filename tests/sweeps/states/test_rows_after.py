"""Figures worked out many states side by side, against the same state by state."""

from __future__ import annotations

from itertools import pairwise
from math import prod

import numba
import numpy as np
import pytest

import rfscale as rf
from rfscale.sweeps import machine
from rfscale.sweeps.kernels import lanes
from rfscale.sweeps.runs import blocks as blocks_module
from rfscale.sweeps.runs.blocks import Blocks
from rfscale.sweeps.states import graph as home
from rfscale.sweeps.states.tails import alike, distinct
from tests.sweeps.some_spaces import ALL, random_space

ALIKE = [{"kernel": k, "stride": s, "dilation": d} for k, s, d in [(2, 1, 3), (3, 2, 5), (1, 1, 1), (5, 1, 40)]]
WORDS = {"kernel": [1, 2, 3], "dilation": [64, 128, 65], "stride": [1, 64]}
SPACES = [
    *ALL,
    *(random_space(seed) for seed in range(300, 320)),
    {"name": "sets of many words", "stages": [{"name": f"s{i}", "choices": ALIKE} for i in range(5)]},
    {"name": "multiples of a word", "stages": [{"name": f"s{i}", **WORDS} for i in range(2)]},
]  # fmt: skip


@pytest.mark.parametrize("spec", SPACES, ids=lambda s: s["name"])
@pytest.mark.parametrize("threads", [1, 2])
def test_side_by_side_equals_one_by_one(spec, threads, monkeypatch):
    if threads > numba.get_num_threads():
        pytest.skip("one thread")
    monkeypatch.setattr(machine, "PARALLEL_FROM", 1)
    monkeypatch.setattr(home, "MAX_LANE_WORDS", 1 << 40)
    monkeypatch.setattr(home, "MIN_NODES_OF_TAILS", 0)
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
                found = graph.tail_figures(stages, width)
                wanted = graph.enumerated_rows(stages, width)
                assert wanted.shape == (4, nodes, choices)
                made = found.rows()
                for name, rows in zip(home.FIGURES, wanted, strict=True):
                    np.testing.assert_array_equal(made[name].by_node(), rows)
                    assert made[name].table.dtype == rows.dtype == np.int32
                some = np.arange(3 * nodes)[::2] % nodes
                pixels, shared = np.full((2, len(some) * choices), -1, np.int32)
                found.write(some, pixels, shared)
                np.testing.assert_array_equal(pixels.reshape(-1, choices), wanted[0][some])
                np.testing.assert_array_equal(shared.reshape(-1, choices), wanted[3][some])
    finally:
        numba.set_num_threads(before)


def test_wide_sets_take_no_memory_for_lanes(monkeypatch):
    """Sets of 2^31 pixels side by side would take more than the memory."""
    monkeypatch.setattr(lanes, "rows_after", None)
    stages = [{"name": "a", "kernel": [3, 5], "dilation": 1 << 26}, {"name": "b", "kernel": 3, "dilation": [1, 2]}]
    assert rf.sweep(rf.Space.from_dict({"stages": stages}))["b"].extent.values.max() == (4 << 26) + 5


@pytest.mark.parametrize("spec", SPACES, ids=lambda s: s["name"])
def test_any_range_of_ways_that_are_gone_side_by_side(spec, monkeypatch):
    """Where no level seems worth building: whole stages at once, ranges, and architecture by architecture."""
    one_by_one = Blocks(rf.Space.from_dict(spec), memory=1)
    monkeypatch.setattr(home, "MIN_NODES_OF_TAILS", 0)
    monkeypatch.setattr(home, "MIN_EDGES_TO_TEST_MERGING", 0)
    monkeypatch.setattr(blocks_module, "ROW_BYTES", 0)
    side_by_side = Blocks(rf.Space.from_dict({**spec, "name": "again"}))
    for stage in side_by_side.stages:
        n = side_by_side.size(stage)
        wanted, whole, parts = (one_by_one.empty(stage, 0, n) for _ in range(3))
        one_by_one.fill(stage, 0, n, wanted)
        side_by_side.fill(stage, 0, n, whole)
        cuts = [0, n // 3, n // 2 + 1, n]
        for low, high in pairwise(sorted(min(cut, n) for cut in cuts)):
            side_by_side.fill(stage, low, high, {name: values[low:high] for name, values in parts.items()})
        some = {"extent": np.zeros_like(wanted["extent"])}
        Blocks(rf.Space.from_dict({**spec, "name": "third"})).fill(stage, 0, n, some)
        for name, values in wanted.items():
            np.testing.assert_array_equal(whole[name], values)
            np.testing.assert_array_equal(parts[name], values)
        np.testing.assert_array_equal(some["extent"], wanted["extent"])


def test_groups_of_more_kinds_and_words_than_int32_counts():
    """Solid sets need no memory: their extents and jumps may be as many and as wide as int32 holds."""
    n = 1 << 18
    jump = np.arange(1, n + 1, dtype=np.int32)
    order, groups = alike(np.zeros(n, np.intp), jump, np.ones(n, bool), np.full(n, 1 << 20, np.int32))
    assert np.array_equal(order, np.arange(n))
    assert np.array_equal(groups, np.arange(n + 1))


@pytest.mark.parametrize("far", [1, 1 << 40])
def test_distinct_rows_of_columns_close_together_and_far_apart(far):
    rng = np.random.default_rng(0)
    columns = [rng.integers(-3, 3, 200) * far, rng.integers(0, 2, 200) > 0, rng.integers(0, 9, 200, np.int32)]
    columns.append(np.full(200, 7))
    first, number = distinct(*columns)
    rows = np.stack(columns, axis=1)
    assert len(np.unique(rows, axis=0)) == len(first)
    np.testing.assert_array_equal(rows[first][number], rows)
    assert all(first[n] == np.flatnonzero(number == n)[0] for n in range(len(first)))
