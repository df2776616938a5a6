"""One set per axis: pixels, gaps, extents and jumps as the antichains have them, with fewer states."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError
from rfscale.sweeps import Space
from rfscale.sweeps.kernels import axis_sets as kernels
from rfscale.sweeps.states import exchange
from rfscale.sweeps.states.axis_sets import AxisSetGraph, projected, set_figures, taps_of
from rfscale.sweeps.states.compiled import compiled
from rfscale.sweeps.states.effects import Effect
from rfscale.sweeps.states.live import merged_live
from rfscale.sweeps.states.unions import UnionGraph
from tests.sweeps.states.branching_spaces import EDGES, HEAD, LINE, NASBENCH201, NESTED, PICKS, VOLUME, random_space
from tests.sweeps.states.test_exchange import Plain, alike

SPACES = [HEAD, LINE, NESTED, VOLUME, EDGES, PICKS, NASBENCH201, *map(random_space, range(12)), *map(alike, range(12))]
SPACES += [random_space(seed, 1) for seed in range(30, 34)]


@pytest.mark.parametrize("spec", SPACES, ids=lambda s: s["name"])
def test_figures_of_one_set_are_those_of_antichains(spec):
    space = Space.from_dict(spec)
    programs = compiled(space).programs
    ndim = len(space.axes)
    fine, coarse = UnionGraph(merged_live(programs), ndim), AxisSetGraph(projected(programs))
    for graph in (fine, coarse):
        assert graph.build(len(programs), 1 << 28) == len(programs)
    sizes = [p.choices for p in programs]
    whole = np.prod(sizes) <= 20_000
    numbers = np.arange(np.prod(sizes)) if whole else np.random.default_rng(1).integers(np.prod(sizes), size=3000)
    digits = np.stack(np.unravel_index(numbers, sizes), axis=1)
    for stage in range(len(programs)):
        part = digits[:, : stage + 1]
        nodes = [np.zeros(len(part), np.int64)] * 2
        for level in range(stage + 1):
            nodes = [g.levels[level].follow[n, part[:, level]] for g, n in zip((fine, coarse), nodes, strict=True)]
        one, other = fine.figures(stage, nodes[0]), coarse.figures(stage, nodes[1])
        for name in ("extent", "pixels", "jump", "max_gap") if ndim > 1 else one:
            assert np.array_equal(one[name], other[name], equal_nan=name == "overlap"), (stage, name)
        assert len(coarse.levels[stage].state) <= len(fine.levels[stage].state)


@pytest.mark.parametrize("spec", [PICKS, *map(alike, range(12))], ids=lambda s: s["name"])
def test_stages_exchanged_lead_to_the_same_sets(spec, monkeypatch):
    programs = projected(compiled(Space.from_dict(spec)).programs)
    graphs = [AxisSetGraph(programs)]
    graphs[0].build(len(programs), 1 << 28)
    monkeypatch.setattr(exchange, "Exchange", Plain)
    graphs.append(AxisSetGraph(programs))
    graphs[1].build(len(programs), 1 << 28)
    assert any((e.exchange is not exchange.NO_EXCHANGE) for e in (g.pool for g in graphs))
    for one, other in zip(graphs[0].levels, graphs[1].levels, strict=True):
        assert np.array_equal(one.follow, other.follow)


@pytest.mark.parametrize("seed", range(30))
def test_the_kernel_against_plain_sets(seed):
    """Sets of any words, with holes or without, moved by runs of taps and single ones."""
    draw = random.Random(seed)
    states = [(1, {0})]
    level = (np.ones(1, np.int64), np.ones(1, np.int64), np.full(1, -1, np.int64), np.zeros(0, np.uint64))
    for _ in range(3):
        effects = []
        for _ in range(4):
            taps = {0}
            for _ in range(draw.randint(0, 3)):
                begin = draw.choice([1, 2, 5, 30, 63, 64, 65, 70])
                taps |= set(range(begin, begin + draw.choice([1, 1, 2, 7, 40])))
            effects.append(
                Effect((draw.choice([1, 2, 3]),), (((0, sum(1 << t for t in taps)),),) if draw.random() < 0.9 else ())
            )
        effects = list(dict.fromkeys(effects))
        n = len(states)
        wanted = np.ones((1, len(effects)), np.bool_)
        *level, ends, _, fits = kernels.advance_sets(
            *level, np.arange(n, dtype=np.int32), np.zeros(n, np.int64), *taps_of(effects), wanted,
            *exchange.NO_EXCHANGE.with_stage(dict.fromkeys(effects, -1)), 1 << 20,
        )  # fmt: skip
        assert fits
        after: dict = {}
        for i, (jump, pixels) in enumerate(states):
            for e, effect in enumerate(effects):
                taps = [t for ((_, bits),) in effect.terms for t in range(bits.bit_length()) if bits >> t & 1]
                made = frozenset(x + t * jump for x in pixels for t in taps)
                key = (jump * effect.stride[0] if made else 0, frozenset(x - min(made) for x in made))
                assert ends[i, e] == after.setdefault(key, len(after))
        states = [(jump, set(pixels)) for jump, pixels in after]
        figures = set_figures(tuple(level))
        assert figures["pixels"].tolist() == [len(p) for _, p in states]
        assert figures["extent"].tolist() == [max(p, default=-1) + 1 for _, p in states]
        rows = [sorted(p) for _, p in states]
        gaps = [max((b - a - 1 for a, b in pairwise(r)), default=0) for r in rows]
        assert figures["max_gap"].tolist() == gaps
        shared = [len(p & {x + jump for x in p}) / len(p) if p else np.nan for jump, p in states]
        assert np.array_equal(figures["overlap"], shared, equal_nan=True)


def test_questions_about_an_axis_take_one_set():
    coarse, fine = (Space.from_dict({**HEAD, "name": name}) for name in ("coarse sets", "fine sets"))
    asked = [
        lambda s: rf.count(s, ["pixels", "max_gap"], where="max_gap <= 3").values,
        lambda s: rf.count(s, "aspp.pixels", where="k == 3").values,
        lambda s: rf.best(s, "pixels / extent", k=4)[["area", "overlap", "index", "macs"]].to_array().values,
    ]
    answers = [ask(coarse) for ask in asked]
    assert not compiled(coarse).axes[0].levels
    rf.count(fine, "area")
    for ask, answer in zip(asked, answers, strict=True):
        assert np.array_equal(ask(fine), answer)


def test_too_many_sets_of_an_axis_name_the_stage():
    of = [{"kernel": 3, "dilation": d} for d in (1, 2, 3, 4, 6, 8, 12, 18)]
    stages = [{"name": f"s{i}", "branches": {"choose": [1, 2, 3, 4], "of": of}} for i in range(5)]
    space = Space.from_dict({"stages": stages})
    with pytest.raises(InputError, match=r"stage 's2' need more than 0.004.* ask for extent and jump only"):
        rf.count(space, "pixels", memory=1 << 22)
    with pytest.raises(InputError, match="or also for pixels and max_gap, which need one set per axis"):
        rf.count(space, "area", memory=1 << 22)
    assert rf.count(space, "pixels").sum() == 162**5
