"""Figures of spaces with branches: networks, plain sets, questions, stores."""

from __future__ import annotations

import random
from itertools import combinations, pairwise, product

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError
from rfscale.sweeps import Space
from rfscale.sweeps.kernels import unions as kernels
from rfscale.sweeps.kernels.plain import plain
from rfscale.sweeps.runs.blocks import Blocks
from rfscale.sweeps.spaces.graphs.wiring import chain_wiring
from rfscale.sweeps.states.compiled import compiled
from rfscale.sweeps.states.effects import Effects
from rfscale.sweeps.states.unions import UnionGraph
from tests.sweeps.states.branching_spaces import FIGURES, HEAD, LINE, NESTED, VOLUME, paths, random_space


@pytest.mark.parametrize(
    "spec", [HEAD, NESTED, LINE, VOLUME, *(random_space(s) for s in range(12))], ids=lambda spec: spec["name"]
)
def test_every_architecture_has_the_figures_of_its_network(spec):
    space = Space.from_dict(spec)
    tree = rf.sweep(space)
    drawn = range(space.size) if space.size <= 100 else random.Random(7).sample(range(space.size), 100)
    for index in drawn:
        profile, labels = rf.profile(space.network(index)), space.labels(index)
        for stage, layer in space.outputs(index).items():
            row = tree[stage].sel({name: label for name, label in labels.items() if name in tree[stage].dims})
            if layer == "input":
                assert (row.area.item(), row.terms.item()) == (1, 1)
                continue
            want = profile.sel(layer=layer)
            assert 1 <= row.terms <= want.terms  # a profile keeps the products of its merges
            for name in FIGURES[:-1]:
                assert row[name].item() == np.ravel(want[name].values)[0], (index, stage, name)
            if "params" in row:
                before = [x.name for x in space.network(index).layers]
                upto = profile.params.values[: before.index(layer) + 1]
                assert row.params.item() == upto.sum()


@pytest.mark.parametrize("spec", [HEAD, NESTED, *(random_space(s) for s in range(20, 26))], ids=lambda s: s["name"])
def test_figures_are_those_of_plain_sets(spec):
    space = Space.from_dict(spec)
    last, rows = space.stages[-1].name, rf.sweep(space)
    figures = {name: rows[last][name].values.ravel() for name in (*FIGURES, "pixels")}
    for index in random.Random(3).sample(range(space.size), min(15, space.size)):
        network = space.network(index)
        found = paths(network, space.outputs(index)[last])
        union = {(y, x) for s in found for y, x in product(s, s)}
        jump = int(figures["jump"][index])
        assert figures["area"][index] == len(union)
        assert figures["overlap"][index] == len(union & {(y, x + jump) for y, x in union}) / len(union)
        axis = sorted(set().union(*found))
        assert figures["pixels"][index] == len(axis)
        assert figures["extent"][index] == axis[-1] - axis[0] + 1
        assert figures["max_gap"][index] == max((b - a - 1 for a, b in pairwise(axis)), default=0)
        assert figures["terms"][index] == sum(not any(a < b for b in found) for a in {frozenset(s) for s in found})


@pytest.mark.parametrize(("axes", "gap"), [(2, 600), (3, 20)])
def test_terms_may_lie_farther_apart_than_they_are_wide(axes, gap, monkeypatch):
    """As Python runs the kernel: compiled, it would write beyond its arrays without a word."""
    monkeypatch.setattr(kernels, "union_figures", plain(kernels.union_figures))
    apart = {"name": "apart", "aligned": False, "branches": [[], [{"op": "slice", "start": gap}]]}
    last = {"name": "last", "kernel": [1, 3], "stride": [1, 2]}
    space = Space.from_dict({"axes": axes, "stages": [{"name": "stem", "kernel": [1, 2]}, apart, last]})
    found = rf.sweep(space)["last"]
    for index in range(space.size):
        want = rf.profile(space.network(index)).isel(layer=-1)
        for name in ("area", "extent", "overlap", "max_gap"):
            assert found[name].values.ravel()[index] == np.ravel(want[name].values)[0], (index, name)
        assert found.terms.values.ravel()[index] == 2


def test_a_chain_is_a_graph_of_one_path():
    """Without branches, the graph of unions is the graph of an axis: as many states, the same figures."""
    space = Space.from_dict(
        {
            "factors": {"k": [2, 3]},
            "stages": [
                {"name": "a", "kernel": "$k", "dilation": [1, 2, 5]},
                {"name": "b", "kernel": [1, 3], "stride": [1, 2]},
                {"name": "c", "kernel": "$k", "dilation": [1, 4], "repeat": [0, 1, 2]},
            ],
        }
    )
    chains = compiled(space)
    chains.build_all(1 << 30)
    programs = []
    for program in chains.programs:
        effects = tuple(
            tuple(Effects(program.stage).effect(chain_wiring(row)) for row in rows) for rows in program.layers
        )
        programs.append(type(program)(**{**vars(program), "effects": effects}))
    graph = UnionGraph(programs, 2)
    assert graph.build(3, 1 << 30) == 3
    for stage in range(3):
        here, there = graph.levels[stage], chains.axes[0].levels[stage]
        assert (here.follow == there.follow).all()
        assert (here.live == there.live).all()
        one, other = graph.figures(stage), chains.axes[0].figures(stage)
        for name in ("pixels", "extent", "jump"):
            assert (one[name] == other[name]).all()
        assert (one["area"] == other["pixels"] ** 2).all()
        assert (one["overlap"] == other["shared"] / other["pixels"]).all()
        assert (one["terms"] == 1).all()


def test_states_merge_by_content_and_offset():
    """Dilations 1 to 4 beside each other: behind two stages as many states as the paper-and-pencil antichains."""
    of = [{"kernel": 3, "dilation": d} for d in (1, 2, 3, 4)]
    stage = {"branches": {"choose": [1, 2, 3, 4], "of": of}}
    space = Space.from_dict({"stages": [{"name": f"s{i}", **stage} for i in range(3)]})
    met = {frozenset({frozenset({0})})}
    for counts in Blocks(space).state_counts(build=True)[0]:
        after = set()
        for state in met:
            for chosen in [c for c in product([False, True], repeat=4) if any(c)]:
                sets = {
                    frozenset(x + t * d for x in s for t in (-1, 0, 1))
                    for s in state
                    for d, taken in zip((1, 2, 3, 4), chosen, strict=True)
                    if taken
                }
                after.add(frozenset(s for s in sets if not any(s < other for other in sets)))
        met = after
        assert counts == len(met)


def test_questions_agree_with_the_list():
    space = Space.from_dict(HEAD)
    rows = rf.sweep(space)["out"]
    table = rf.derive(rows)
    flat = {name: table[name].values.ravel() for name in table.data_vars}
    condition = (flat["density"] < 1) & (flat["extent"] >= 25)
    where = "density < 1 and extent >= 25"
    counts = rf.count(space, ["area", "terms"], where=where)
    assert counts.sum() == condition.sum()
    for area, terms in set(zip(flat["area"][condition].tolist(), flat["terms"][condition].tolist(), strict=True)):
        want = ((flat["area"] == area) & (flat["terms"] == terms) & condition).sum()
        assert counts.sel(area=area, terms=terms) == want
    best = rf.best(space, "macs", k=5, where=where)
    assert best.objective.values.tolist() == sorted(flat["macs"][condition].tolist())[:5]
    front = rf.pareto(space, "params", "-area", where="max_gap == 0")
    solid = flat["max_gap"] == 0
    points = set(zip(flat["params"][solid].tolist(), (-flat["area"][solid]).tolist(), strict=True))
    want = {p for p in points if not any(q[0] <= p[0] and q[1] <= p[1] and q != p for q in points)}
    assert {tuple(p) for p in front.objectives.values.tolist()} == want
    drawn = rf.sample(space, 50, where=where, seed=4)
    assert condition[drawn.index.values].all()
    for name in ("area", "overlap", "terms", "macs"):
        assert (drawn[name].values == flat[name][drawn.index.values]).all()


def test_any_cut_gives_the_same_figures():
    blocks = Blocks(Space.from_dict(HEAD))
    size = blocks.size("out")
    whole, parts = blocks.empty("out", 0, size), blocks.empty("out", 0, size)
    blocks.fill("out", 0, size, whole)
    for start in range(0, size, 37):
        stop = min(size, start + 37)
        blocks.fill("out", start, stop, {name: values[start:stop] for name, values in parts.items()})
    for name, values in whole.items():
        assert np.array_equal(values, parts[name])


def test_stored_and_read_again(tmp_path):
    space = Space.from_dict(HEAD)
    stored = rf.sweep(space, store=tmp_path / "s.zarr")
    whole = rf.sweep(space)
    for stage in ("aspp", "out"):
        for name in whole[stage].data_vars:
            assert np.array_equal(stored[stage][name].values, whole[stage][name].values)


def test_too_many_states_name_the_stage():
    of = [{"kernel": 3, "dilation": d} for d in (1, 2, 3, 5, 8, 13)]
    stages = [{"name": f"s{i}", "branches": {"choose": [1, 2, 3], "of": of}} for i in range(4)]
    space = Space.from_dict({"stages": stages})
    with pytest.raises(InputError, match=r"the states of stage 's2' need more than 0.001 GB"):
        rf.sweep(space, memory=1_000_000, stages=["s3"])


def test_extents_need_hulls_only():
    """The coarser states give the same counts, and rows of all figures, as the states with sets."""
    asked = [
        lambda s: rf.count(s, ["extent", "jump"], where="extent >= 20").values,
        lambda s: rf.count(s, "aspp.extent", where="k == 3").values,
        lambda s: rf.best(s, "macs", k=4, where="extent >= 30")[[*FIGURES, "index", "macs"]].to_array().values,
        lambda s: rf.sample(s, 30, where="jump == 4", seed=3)[[*FIGURES, "index", "params"]].to_array().values,
    ]
    coarse = Space.from_dict({**HEAD, "name": "coarse"})
    answers = [ask(coarse) for ask in asked]
    assert not compiled(coarse).axes[0].levels
    fine = Space.from_dict({**HEAD, "name": "fine"})
    rf.count(fine, "area")
    for ask, answer in zip(asked, answers, strict=True):
        assert np.array_equal(ask(fine), answer)


def test_extents_of_a_space_whose_sets_are_too_many():
    of = [{"kernel": 3, "dilation": d} for d in (1, 2, 3, 4, 6, 8, 12, 18)]
    stages = [{"name": f"s{i}", "branches": {"choose": [1, 2, 3, 4], "of": of}} for i in range(6)]
    space = Space.from_dict({"stages": stages})
    assert rf.count(space, "extent").sum() == 162**6
    with pytest.raises(InputError, match="ask for extent and jump only, which need no sets"):
        rf.count(space, "area", memory=1 << 20)


def test_designs_are_those_of_an_exhaustive_search():
    space = Space.from_dict(HEAD)
    sizes = np.random.default_rng(5).uniform(3, 40, (60, 2)).round()
    found = rf.design(space, sizes, k=2, n=1)
    tree = rf.sweep(space)
    best = np.inf
    for index in range(space.size):
        labels = space.labels(index)
        rows = [tree[s].sel({k: v for k, v in labels.items() if k in tree[s].dims}).area.item() for s in tree]
        widths = sorted({area**0.5 for area in rows})
        for pair in combinations(widths, 2):
            sides = np.sqrt(sizes.prod(axis=1))
            misfit = np.abs(np.log2(np.array(pair)[:, None] / sides)).min(axis=0).mean()
            best = min(best, misfit)
    assert found.tightness.item() == pytest.approx(best, rel=0.05)  # sizes are binned
    chosen = found.isel(rank=0)
    profile = rf.profile(space.network(chosen))
    for layer, width in zip(chosen.map_layer.values, chosen.map_width.values, strict=True):
        assert profile.width.sel(layer=layer) == width
