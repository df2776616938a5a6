"""A space is compiled once, beside the space: by counting, not by the clock."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

import rfscale as rf
from rfscale.sweeps.states import compiled as home
from rfscale.sweeps.states.compiled import compiled
from rfscale.sweeps.states.graph import AxisGraph, CostGraph
from tests.sweeps.some_spaces import ALL, ANISOTROPIC, DEMO, LINE


@pytest.fixture
def made(monkeypatch):
    """What is compiled from here on: a space, a level of an axis, the graph of costs."""
    calls = []

    def counted(name, function):
        def call(*args, **kwargs):
            calls.append(name)
            return function(*args, **kwargs)

        return call

    monkeypatch.setattr(home, "compile_space", counted("space", home.compile_space))
    monkeypatch.setattr(AxisGraph, "_next", counted("level", AxisGraph._next))
    monkeypatch.setattr(CostGraph, "_add", counted("cost level", CostGraph._add))
    return calls


def new_space(spec, name):
    return rf.Space.from_dict({**spec, "name": name})


def test_three_counts_compile_once(made):
    space = new_space(DEMO, "three counts")
    answers = [rf.count(space, "extent", where="macs <= 1e9"), rf.count(space, "macs"), rf.count(space, "area")]
    assert [int(a.sum()) for a in answers] == [space.size] * 3
    stages = len(space.stages)
    assert (made.count("space"), made.count("level"), made.count("cost level")) == (1, stages, stages)


def test_questions_of_every_kind_share_what_is_compiled(made):
    space = new_space(DEMO, "all kinds")
    rf.sweep(space, formulas=True)
    rf.best(space, "macs", k=2)
    rf.pareto(space, "macs", "-extent")
    rf.sample(space, 3)
    rf.design(space, k=2, n=1)
    rf.validate(space)
    stages = len(space.stages)
    assert (made.count("space"), made.count("level"), made.count("cost level")) == (1, stages, stages)


def test_a_stored_run_compiles_once(made, tmp_path):
    space = new_space(DEMO, "stored")
    rf.sweep(space, store=tmp_path / "store")
    assert made.count("space") == 1
    assert made.count("cost level") == len(space.stages)


def test_equal_spaces_share_one(made):
    first, second = (new_space(DEMO, "equal") for _ in range(2))
    assert compiled(first) is compiled(second)
    assert made == ["space"]


def test_it_goes_when_the_space_goes():
    space = new_space(DEMO, "short-lived")
    rf.count(space, "macs")
    kept = weakref.ref(compiled(space))
    assert kept() is not None
    del space
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize("spec", ALL, ids=lambda s: s["name"])
def test_spaces_do_not_change_and_pickles_do_not_grow(spec):
    space = rf.Space.from_dict(spec)
    before, names = pickle.dumps(space), dict(vars(space))
    rf.sweep(space)
    rf.count(space, "extent" if space.square else "extent_y")
    repr(space), hash(space), space.network(0)
    assert vars(space) == names
    assert pickle.dumps(space) == before
    for other in (pickle.loads(before), copy.deepcopy(space)):
        assert other == space
        assert (other.dims, other.size, other.hash) == (space.dims, space.size, space.hash)
    with pytest.raises(AttributeError, match=r"'name' of space .* cannot be set: a space does not change"):
        space.name = "other"
    with pytest.raises(AttributeError, match="cannot be deleted"):
        del space.stages


def two(k, d):
    return rf.Network.sequential({"kernel": k}, {"kernel": 3, "dilation": d})


def test_network_spaces_do_not_change_either():
    space = rf.NetworkSpace(two, {"k": [3, 5], "d": [1, 2]}, name="pairs")
    before = pickle.dumps(space)
    rf.sweep(space)
    assert pickle.dumps(space) == before
    other = pickle.loads(before)
    assert (other.name, other.dims, other.size) == (space.name, space.dims, space.size)
    with pytest.raises(AttributeError, match="make another"):
        space.factors = ()


@pytest.mark.parametrize("spec", [DEMO, ANISOTROPIC, LINE], ids=lambda s: s["name"])
def test_a_memory_limit_means_the_same_before_and_after_a_larger_one(spec):
    def answer(space):
        try:
            return rf.count(space, memory=memory).item()
        except rf.InputError as error:
            return str(error)

    for memory in (0, 100, 300, 1000, 3000, 10_000):
        name = f"{spec['name']} {memory}"
        first = new_space(spec, name)
        alone, tree = answer(first), rf.sweep(first, memory=memory)
        del first
        gc.collect()
        after = new_space(spec, name)
        assert rf.count(after).item() == after.size
        assert answer(after) == alone
        assert rf.sweep(after, memory=memory).identical(tree)
        assert rf.sweep(after).identical(tree)


def test_large_graphs_are_not_kept(made, monkeypatch):
    monkeypatch.setattr(home, "KEPT_BYTES", 0)
    space = new_space(DEMO, "large")
    trees = [rf.sweep(space) for _ in range(2)]
    assert trees[0].identical(trees[1])
    assert made.count("space") == 2
    assert space not in home._compiled


def test_threads_share_a_space(made):
    space = new_space(LINE, "threads")
    questions = [
        lambda: rf.count(space, "extent").identical(alone),
        lambda: rf.count(space, "area", where="s2.jump > 1").identical(areas),
        lambda: rf.best(space, "extent", k=3).identical(best),
    ]
    other = new_space(LINE, "threads")
    alone, areas = rf.count(other, "extent"), rf.count(other, "area", where="s2.jump > 1")
    best = rf.best(other, "extent", k=3)
    home._compiled.clear()
    made.clear()
    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(lambda i: questions[i % 3](), range(30)))
    assert (made.count("space"), made.count("level")) == (1, len(space.stages))
