"""Spaces that branch and whose axes differ: terms are products of one set per axis.

Every architecture's figures are those of its network, and of plain sets of pixels.
"""

from __future__ import annotations

import random
from itertools import product
from math import prod

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError
from rfscale.sweeps import Space
from rfscale.sweeps.kernels import unions as kernels
from rfscale.sweeps.kernels.row_figures import row_figures
from rfscale.sweeps.states import exchange
from rfscale.sweeps.states.axis_sets import AxisSetGraph, projected
from rfscale.sweeps.states.compiled import compiled
from rfscale.sweeps.states.live import merged_live
from rfscale.sweeps.states.unions import UnionGraph
from tests.sweeps.states.branching_spaces import HEAD, NESTED
from tests.sweeps.states.test_exchange import Plain
from tests.sweeps.unlike_axes import BY_AXIS, INCEPTION, ROADS, SPACES, figures_by_stage, plain_figures, random_space


@pytest.mark.parametrize("spec", [*SPACES, *map(random_space, range(12))], ids=lambda spec: spec["name"])
def test_every_architecture_has_the_figures_of_its_network(spec):
    space = Space.from_dict(spec)
    assert not space.square
    found = figures_by_stage(space)
    drawn = range(space.size) if space.size <= 500 else random.Random(7).sample(range(space.size), 200)
    for index in drawn:
        last = found[space.stages[-1].name]
        if not last["area"][index]:
            assert not last["terms"][index]
            assert not last["extent"][index].any()
            assert np.isnan(last["overlap"][index]).all()
            continue
        network = space.network(index)
        profile = rf.profile(network)
        names = [x.name for x in network.layers]
        for size, (stage, layer) in zip(space.stage_sizes, space.outputs(index).items(), strict=True):
            row = {name: values[index // (space.size // size)] for name, values in found[stage].items()}
            if layer == "input":
                assert (row["area"], row["terms"]) == (1, 1)
                continue
            at = names.index(layer)
            assert row["area"] == profile.area.values[at], (index, stage)
            assert row["terms"] >= 1  # a profile has another number: it joins products that differ on one axis alone
            for name in BY_AXIS:
                assert np.array_equal(row[name], profile[name].values[at]), (index, stage, name)
            for cost in {"params", "macs"} & set(row):
                assert row[cost] == profile[cost].values[: at + 1].sum()


@pytest.mark.parametrize("spec", [*SPACES[:-1], *map(random_space, range(20, 28))], ids=lambda spec: spec["name"])
def test_figures_are_those_of_plain_sets(spec):
    space = Space.from_dict(spec)
    last = space.stages[-1].name
    found = figures_by_stage(space)[last]
    having = np.flatnonzero(found["area"])
    for index in random.Random(3).sample(having.tolist(), min(12, len(having))):
        network = space.network(index)
        want = plain_figures(network, space.outputs(index)[last])
        for name, value in want.items():
            assert np.array_equal(found[name][index], value), (index, name)


@pytest.mark.parametrize("spec", [INCEPTION, ROADS, *map(random_space, (0, 1, 2))], ids=lambda spec: spec["name"])
def test_exchanged_axes_exchange_figures(spec):
    """The transposed space has the transposed figures."""
    space = Space.from_dict(spec)
    ndim = len(space.axes)

    def turned(value, listed=False):
        """Values per axis the other way round: of a stage they are lists in a list, in branches and choices lists."""
        if isinstance(value, dict):
            inner = listed or not {"branches", "choices"}.isdisjoint(value)
            return {k: v if k in ("choose", "repeat") else turned(v, inner) for k, v in value.items()}
        if not isinstance(value, list):
            return value
        if len(value) == ndim and all(isinstance(v, int) for v in value) and listed:
            return value[::-1]
        return [turned(v, listed or isinstance(v, list)) for v in value]

    stages = [turned(stage) for stage in spec["stages"]]
    factors = {"factors": turned(spec["factors"])} if "factors" in spec else {}
    size = spec["input_size"][::-1] if "input_size" in spec else None
    other = Space.from_dict({**spec, "stages": stages, **factors, "axes": ndim, "input_size": size})
    here, there = figures_by_stage(space), figures_by_stage(other)
    for stage, row in here.items():
        for name, values in row.items():
            want = there[stage][name]
            assert np.array_equal(values, want if want.ndim == 1 else want[:, ::-1], equal_nan=values.dtype == float)


@pytest.mark.parametrize("spec", [HEAD, NESTED], ids=lambda spec: spec["name"])
def test_square_choices_have_the_figures_of_the_square_space(spec):
    """Where all axes happen to be alike, products of one set per axis are products of one set."""
    square = Space.from_dict({"axes": 2, **spec})
    extra = {"name": "extra", "kernel": [1, [1, 3]]}
    other = Space.from_dict({**spec, "input_size": None, "channels": None, "stages": [*spec["stages"], extra]})
    assert square.square
    assert not other.square
    one, two = figures_by_stage(square), figures_by_stage(other)
    for stage, row in one.items():
        for name in ("area", "terms", "pixels", *BY_AXIS):
            values, both = row[name], two[stage][name]
            assert np.array_equal(values, both if both.ndim == 1 else both[:, 0])
            assert both.ndim == 1 or np.array_equal(both[:, 0], both[:, 1])
    for one_level, level in zip(compiled(square).axes[0].levels, compiled(other).axes[0].levels, strict=False):
        assert len(one_level.state) == len(level.state)


@pytest.mark.parametrize("spec", SPACES, ids=lambda spec: spec["name"])
def test_coarser_states_have_the_figures_of_their_axis(spec):
    space = Space.from_dict(spec)
    programs = compiled(space).programs
    fine = UnionGraph(merged_live(programs), len(space.axes))
    coarse = [AxisSetGraph(projected(programs, a)) for a in range(len(space.axes))]
    for graph in (fine, *coarse):
        assert graph.build(len(programs), 1 << 28) == len(programs)
    sizes = [p.choices for p in programs]
    numbers = np.random.default_rng(1).integers(prod(sizes), size=1000)
    digits = np.stack(np.unravel_index(numbers, sizes), axis=1)
    nodes = [np.zeros(len(digits), np.int64)] * (1 + len(coarse))
    for stage in range(len(programs)):
        graphs = (fine, *coarse)
        nodes = [g.levels[stage].follow[n, digits[:, stage]] for g, n in zip(graphs, nodes, strict=True)]
        whole = fine.figures(stage, nodes[0])
        for axis, graph in enumerate(coarse):
            one = graph.figures(stage, nodes[1 + axis])
            for name in ("extent", "pixels", "jump", "max_gap"):
                assert np.array_equal(one[name], whole[name][:, axis]), (stage, name)


PLANES = [INCEPTION, ROADS, *(random_space(seed) for seed in range(8) if seed % 4 < 3)]


@pytest.mark.parametrize("spec", PLANES, ids=lambda spec: spec["name"])
def test_rows_of_words_and_masks_of_pixels_agree(spec):
    space = Space.from_dict(spec)
    compiled(space).build_all(1 << 30)
    pool, ndim = compiled(space).axes[0].pool, len(space.axes)
    for elements, masks, component in zip(pool.elements, pool.masks, pool.component, strict=True):
        given = (masks, component, elements.first, elements.inside, *elements.tables(), ndim)
        one, other = np.full((2, 12, len(masks)), -1, np.int64)
        kernels.union_figures(0, len(masks), *given, one)
        row_figures(0, len(masks), *given, other)
        assert np.array_equal(one, other)


def test_wide_sets_are_those_of_plain_sets():
    """Sets of more words than rows have on one axis, and few on the other."""
    stages = [{"name": f"s{i}", "branches": [{"kernel": [3, 1], "dilation": [d, 1]}, {"kernel": [1, 3]}]}
              for i, d in enumerate((1, 20, 290))]  # fmt: skip
    space = Space.from_dict({"stages": stages})
    found = figures_by_stage(space)["s2"]
    assert found["extent"].tolist() == [[623, 7]]
    want = plain_figures(space.network(0), space.outputs(0)["s2"])
    for name, value in want.items():
        assert np.array_equal(found[name][0], value), name


def test_states_merge_by_content_and_offset():
    """As many states as paper-and-pencil antichains of pairs of sets."""
    windows = [((0,), (-1, 0, 1)), ((-1, 0, 1), (0,)), ((-1, 0, 1), (-2, 0, 2))]
    of = [{"kernel": [1, 3]}, {"kernel": [3, 1]}, {"kernel": 3, "dilation": [1, 2]}]
    stage = {"branches": {"choose": [1, 2, 3], "of": of}}
    space = Space.from_dict({"stages": [{"name": f"s{i}", **stage} for i in range(4)]})
    met = {frozenset({(frozenset({0}), frozenset({0}))})}
    for level in range(4):
        after = set()
        for state in met:
            for chosen in [c for c in product([False, True], repeat=3) if any(c)]:
                terms = {
                    tuple(frozenset(x + t for x in s for t in taps) for s, taps in zip(term, window, strict=True))
                    for term in state
                    for window, taken in zip(windows, chosen, strict=True)
                    if taken
                }
                after.add(frozenset(
                    t for t in terms if not any(t != u and t[0] <= u[0] and t[1] <= u[1] for u in terms)
                ))  # fmt: skip
        met = after
        compiled(space).build_all(1 << 30, level + 1)
        assert len(compiled(space).axes[0].levels[level].state) == len(met)


OF = [{"kernel": [1, 3]}, {"kernel": [3, 1], "dilation": [2, 1]}, {"kernel": 3}, {"kernel": [1, 5]}]
STRIDED = [
    {"layers": [{"branches": [{"kernel": [1, 3], "dilation": [1, 2]}, {"kernel": 3}]}]},
    {"layers": [{"kernel": [1, 3], "stride": [1, 2]}]},
    {"layers": [{"kernel": [3, 1], "stride": [2, 1]}]},
]


@pytest.mark.parametrize("stage", [{"branches": {"choose": [1, 2, 3], "of": OF}}, {"choices": STRIDED}])
def test_stages_exchanged_lead_to_the_same_states(stage, monkeypatch):
    programs = merged_live(compiled(Space.from_dict({"stages": [{"name": c, **stage} for c in "abcd"]})).programs)
    graphs = [UnionGraph(programs, 2)]
    graphs[0].build(4, 1 << 28)
    assert (graphs[0].pool.exchange.with_stage(graphs[0].pool.exchange.effects)[2] >= 0).any()
    monkeypatch.setattr(exchange, "Exchange", Plain)
    graphs.append(UnionGraph(programs, 2))
    graphs[1].build(4, 1 << 28)
    for one, other in zip(graphs[0].levels, graphs[1].levels, strict=True):
        assert np.array_equal(one.follow, other.follow)


# bad input ------------------------------------------------------------------------------------------------------------


def test_what_needs_an_axis_says_so():
    space = Space.from_dict(INCEPTION)
    with pytest.raises(InputError, match="asks for 'max_gap', but the axes of this space differ; write max_gap_y or"):
        rf.count(space, "max_gap")


def test_too_many_states_name_the_stage_and_what_needs_fewer():
    of = [{"kernel": [3, 1], "dilation": d} for d in (1, 2, 5)] + [{"kernel": [1, 3], "dilation": d} for d in (1, 3, 8)]
    stages = [{"name": f"s{i}", "branches": {"choose": [1, 2, 3], "of": of}} for i in range(4)]
    space = Space.from_dict({"stages": stages})
    with pytest.raises(InputError, match=r"the states of stage 's2' need more than 0.001 GB; ask for extent and jump"):
        rf.count(space, "area", memory=1_000_000)
    assert rf.count(space, ["extent_y", "extent_x"]).sum() == 41**4


def test_branches_of_unlike_strides_and_centres_are_named():
    def stage(*branches):
        return {"stages": [{"name": "s", "branches": list(branches)}]}

    with pytest.raises(InputError, match=r"have strides 2x1 and 1x2; branches that meet need one stride"):
        rf.sweep(Space.from_dict(stage({"kernel": 3, "stride": [2, 1]}, {"kernel": 3, "stride": [1, 2]})))
    with pytest.raises(InputError, match=r"have centres 0x0.5 entries apart; use odd kernels in both or even ones"):
        rf.sweep(Space.from_dict(stage({"kernel": [3, 2]}, {"kernel": 3})))
    cell = {"inputs": ["x"], "edges": [{"from": "x", "to": ["a", "out"], "op": ["e", "w"]},
                                       {"from": "a", "to": "out", "op": "w"}], "output": "out"}  # fmt: skip
    spec = {"ops": {"e": {"kernel": [1, 2]}, "w": {"kernel": [1, 3]}}, "cells": {"c": cell}}
    with pytest.raises(InputError, match=r"paths that meet in node 'out' of cell 'c' have centres 0x0.5 entries apart"):
        rf.sweep(Space.from_dict({**spec, "stages": [{"name": "s", "cell": "c"}]}))


def test_starts_that_differ_place_branches_apart():
    """A slice that starts elsewhere on one axis is no other window, and still another place beside the identity."""
    branches = [[], [{"op": "slice", "start": [0, 1]}]]
    stages = [{"name": "a", "kernel": 3}, {"name": "b", "branches": branches, "aligned": False}]
    space = Space.from_dict({"stages": stages})
    found = figures_by_stage(space)["b"]
    want = plain_figures(space.network(0), space.outputs(0)["b"])
    assert found["extent"].tolist() == [want["extent"]] == [[3, 4]]
    assert found["area"].tolist() == [want["area"]] == [12]
    assert Space.from_dict({"stages": [{"name": "a", "choices": [[{"op": "slice", "start": [0, 1]}]]}]}).square


# large spaces ---------------------------------------------------------------------------------------------------------


def test_stacks_of_rectangles():
    """63⁶ stacks of one to three of seven windows: states as a prototype of another making had them, and a sample."""
    of = [{"kernel": k} for k in (1, [1, 3], [3, 1], [1, 7], [7, 1], 3, 5)]
    stage = {"branches": {"choose": [1, 2, 3], "of": of}}
    space = Space.from_dict({"stages": [{"name": f"s{i}", **stage} for i in range(6)]})
    counts = rf.count(space, ["area", "terms"])
    assert counts.sum() == space.size == 63**6
    levels = compiled(space).axes[0].levels
    assert [len(level.state) for level in levels] == [17, 135, 696, 2696, 8548, 23374]
    drawn = rf.sample(space, 40, where="density < 1", seed=2)
    for i in range(drawn.sizes["sample"]):
        one = drawn.isel(sample=i)
        profile = rf.profile(space.network(one)).isel(layer=-1)
        assert one.area == profile.area
        assert one.density == profile.density
        for name, axis in product(BY_AXIS, (0, 1)):
            assert one[f"{name}_{'yx'[axis]}"] == profile[name][axis]
