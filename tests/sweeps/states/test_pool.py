"""States worked out without compiled code: the same, with the same numbers, wherever the kernels take over."""

from __future__ import annotations

import numpy as np
import pytest

from rfscale.sweeps.kernels.plain import Sooner
from rfscale.sweeps.spaces.space import Space
from rfscale.sweeps.states import graph, pool
from rfscale.sweeps.states.compile import compile_space
from rfscale.sweeps.states.graph import AxisGraph
from tests.sweeps import some_spaces as spaces


def chain(choices, depth):
    layers = [{"kernel": k, "stride": s, "dilation": d} for k, s, d in choices]
    return {"name": "chain", "stages": [{"name": f"s{i}", "choices": layers} for i in range(depth)]}


SPACES = [
    *(spaces.DEMO, spaces.MIXED, spaces.LINE, *map(spaces.random_space, range(6))),
    chain([(1, 1, 1), (3, 1, 1), (3, 1, 2), (5, 1, 1)], 12),
    chain([(3, 1, d) for d in (2, 3, 4, 5)], 6),
    chain([(2, 1, 9), (3, 2, 40), (3, 3, 1)], 5),  # sets of many words
]
LIMITS = [1 << 30, 60_000]  # bytes: not all levels fit the smaller one


def built(spec, most, memory, monkeypatch):
    """The graph of a space, of which so many states × layers are done without compiled code."""
    monkeypatch.setattr(pool, "SOONER", Sooner(most, most, most))
    monkeypatch.setattr(graph, "NUMBERED", Sooner(most, most, most))
    made = AxisGraph(compile_space(Space.from_dict(spec)), 0)
    return made, made.build(len(made.programs), memory)


@pytest.mark.parametrize("memory", LIMITS)
@pytest.mark.parametrize("spec", SPACES)
def test_states_have_the_same_numbers_with_and_without_kernels(spec, memory, monkeypatch):
    wanted, levels = built(spec, -1, memory, monkeypatch)
    for most in (40, 300, 10**6):  # the kernels take over early, later, never
        got, same = built(spec, most, memory, monkeypatch)
        assert same == levels
        np.testing.assert_array_equal(got.pool.used, wanted.pool.used)
        n, words = wanted.pool.used
        for a, b in zip(got.pool.columns[:5], wanted.pool.columns[:5], strict=True):
            np.testing.assert_array_equal(a[:n], b[:n])
        np.testing.assert_array_equal(got.pool.columns[7][:words], wanted.pool.columns[7][:words])
        for a, b in zip(got.levels, wanted.levels, strict=True):
            for name in ("follow", "state", "live"):
                np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_sets_too_wide_for_python_are_left_to_the_kernels(monkeypatch):
    made, _ = built(chain([(3, 1, 1), (3, 1, pool.MAX_EXTENT)], 2), 10**6, 1 << 30, monkeypatch)
    assert not made.pool.is_plain(1)
    narrow, _ = built(chain([(3, 1, 1), (3, 1, 5)], 2), 10**6, 1 << 30, monkeypatch)
    assert narrow.pool.is_plain(1)
