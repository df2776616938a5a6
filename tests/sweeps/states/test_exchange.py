"""What stages lead to the other way round, and the figures of squares in words: as if all had been worked out."""

from __future__ import annotations

import random

import numpy as np
import pytest

from rfscale.sweeps import Space
from rfscale.sweeps.kernels import unions as kernels
from rfscale.sweeps.kernels.row_figures import row_figures
from rfscale.sweeps.spaces.space import Space as AnySpace
from rfscale.sweeps.states import exchange
from rfscale.sweeps.states.compiled import compiled
from rfscale.sweeps.states.unions import UnionGraph
from tests.sweeps.states.branching_spaces import PICKS, random_space


def alike(seed: int) -> dict:
    """Stages that share many of their choices: branches, identities, no path, strides, and a shared factor."""
    draw = random.Random(seed)
    of = [[{"kernel": draw.choice([1, 2, 3, 5]), "dilation": draw.choice([1, 2, 3, 7])}] for _ in range(4)]
    strided = [[{"kernel": 3, "dilation": 2, "stride": s}] for s in (2, 2)] + [[{"kernel": 2, "stride": 2}]]
    stages: list[dict] = []
    for i in range(4):
        branches = draw.sample(of, 3) if i != draw.choice([1, 2, 9]) else strided
        choose = draw.choice([[1, 2], [1, 2, 3], 2])
        stages.append({"name": f"s{i}", "aligned": False, "branches": {"choose": choose, "of": [*branches, []][:4]}})
        if branches is strided:
            stages[-1]["branches"]["of"] = strided
    if seed % 3 == 0:
        stages.insert(1, {"name": "k1", "kernel": "$k"})
        stages.insert(3, {"name": "k3", "kernel": "$k", "dilation": [1, 2]})
        return {"name": f"alike{seed}", "factors": {"k": [1, 3]}, "stages": stages}
    return {"name": f"alike{seed}", "stages": stages}


class Plain(exchange.Exchange):
    """An exchange that never takes place."""

    def with_stage(self, effects):
        return exchange.NO_EXCHANGE.with_stage({})[:2] + tuple(
            np.full(n, -1, np.int64) for n in (len(effects), len(self.effects))
        )


def graph_of(space: AnySpace) -> UnionGraph:
    graph = UnionGraph(compiled(space).axes[0].programs, 2)
    assert graph.build(len(space.stages), 1 << 28) == len(space.stages)
    return graph


@pytest.mark.parametrize("spec", [PICKS, *map(alike, range(24))], ids=lambda s: s["name"])
def test_stages_exchanged_lead_to_the_same_states(spec, monkeypatch):
    space = Space.from_dict(spec)
    graph = graph_of(space)
    monkeypatch.setattr(exchange, "Exchange", Plain)
    plain = graph_of(space)
    for one, other in zip(graph.levels, plain.levels, strict=True):
        assert np.array_equal(one.follow, other.follow)
        assert np.array_equal(one.state, other.state)
    for one, other in zip(graph.pool.masks, plain.pool.masks, strict=True):
        assert np.array_equal(one, other)


def test_most_of_a_stack_is_looked_up():
    """The exchange takes place: with it, fewer states are united from their terms than there are candidates."""
    of = [{"kernel": 3, "dilation": d} for d in (1, 2, 3, 5)]
    space = Space.from_dict({
        "stages": [{"name": f"s{i}", "branches": {"choose": [1, 2, 3], "of": of}} for i in range(4)]
    })  # fmt: skip
    graph = graph_of(space)
    last, follow = graph.pool.exchange, graph.levels[-1].follow
    origin, ends, earlier, later = last.with_stage(last.effects)
    assert (earlier >= 0).all()
    assert (later >= 0).all()
    assert origin.shape == (2, len(graph.levels[-1].state))
    assert np.array_equal(ends[origin[0], origin[1]], np.arange(len(origin[0])))
    assert follow.shape == ends.shape


@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.parametrize("seed", range(12))
def test_figures_of_squares_in_words_are_those_of_masks(seed, ndim):
    space = Space.from_dict(random_space(seed))
    graph = graph_of(space)
    for elements, masks, component in zip(graph.pool.elements, graph.pool.masks, graph.pool.component, strict=True):
        start, extent, jump, sets = elements.tables()
        given = (masks, component, elements.first, elements.inside, start, extent, jump, sets, ndim)
        one, other = np.full((2, 7, len(masks)), -1, np.int64)
        kernels.union_figures(0, len(masks), *given, one)
        row_figures(0, len(masks), *given, other)
        assert np.array_equal(one, other)


@pytest.mark.parametrize("kernels_", [(3, 3), (3, 2), (2, 2), (5, 3)])
@pytest.mark.parametrize("far", [20, 40, 60, 75, 100])
def test_figures_of_wide_squares_are_those_of_masks(kernels_, far):
    """Of two to eight words: sets that are their own mirror images about one middle, some of them, or none."""
    stages = [
        {"name": f"s{i}", "aligned": False, "branches": {"choose": [1, 2], "of": [
            {"kernel": kernels_[0], "dilation": d}, {"kernel": kernels_[1], "dilation": d + 2}, {"kernel": 3}]}}
        for i, d in enumerate((1, far // 4, far))
    ]  # fmt: skip
    graph = graph_of(Space.from_dict({"stages": stages}))
    elements, masks, component = graph.pool.elements[-1], graph.pool.masks[-1], graph.pool.component[-1]
    given = (masks, component, elements.first, elements.inside, *elements.tables())
    for ndim in (1, 2):
        one, other = np.full((2, 7, len(masks)), -1, np.int64)
        kernels.union_figures(0, len(masks), *given, ndim, one)
        row_figures(0, len(masks), *given, ndim, other)
        assert np.array_equal(one, other)


def test_figures_of_squares_wider_than_the_words():
    """Beyond the words that the fast way takes, and on the way there, areas are those of plain sets."""
    for rates in ((1, 120), (1, 20, 130), (200, 3)):
        stages = [{"name": f"s{i}", "branches": [{"kernel": 3, "dilation": d}, {"kernel": 3}]} for i, d in
                  enumerate(rates)]  # fmt: skip
        graph = graph_of(Space.from_dict({"stages": stages}))
        terms = {frozenset({0})}
        for d in rates:
            terms = {frozenset(x + t * r for x in s for t in (-1, 0, 1)) for s in terms for r in (d, 1)}
        rows = {}
        for row in frozenset().union(*terms):
            rows[row] = frozenset().union(*(s for s in terms if row in s))
        figures = graph.figures(len(rates) - 1)
        area = sum(map(len, rows.values()))
        assert figures["area"].tolist() == [area]
        shared = sum(len({x + 1 for x in row} & row) for row in rows.values())
        assert figures["overlap"].tolist() == [shared / area]
