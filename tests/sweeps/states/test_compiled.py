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


PRIMES = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41]


@pytest.mark.parametrize(
    "stage",
    [
        {"kernel": [2, 3], "stride": [1, 2], "dilation": PRIMES},  # many small states
        {"kernel": 2, "dilation": [p * 61 for p in PRIMES]},  # fewer, of many words
    ],
)
def test_states_take_no_more_memory_than_is_given(stage):
    memory = 8 << 20
    space = rf.Space.from_dict({"name": "hostile", "stages": [{"name": f"s{i}", **stage} for i in range(7)]})
    graph = AxisGraph(compiled(space).programs, 0)
    fitting = graph.build(7, memory)
    assert 2 <= fitting < 7
    held = graph.nbytes + sum(5 * 8 * len(graph.before(i).state) for i in range(fitting))
    assert memory // 50 < held <= 2 * memory
    with pytest.raises(rf.InputError, match=r"the states of stage 's\d' need more than 0.00839 GB; leave stages"):
        rf.count(space, "extent", memory=memory)


def test_all_levels_of_a_question_share_its_memory():
    stages = [{"name": f"s{i}", "kernel": [1, 3], "channels": [2**j for j in range(8)]} for i in range(6)]
    space = rf.Space.from_dict({"name": "costs", "channels": 64, "stages": stages})
    assert int(rf.count(space, memory=3 << 20)) == 16**6
    with pytest.raises(rf.InputError, match=r"more than 0.00315 GB for combinations of states up to stage 's\d'"):
        rf.count(space, "params", memory=3 << 20)


def test_a_graph_that_could_not_grow_begins_again(monkeypatch):
    space = new_space(DEMO, "short of memory")
    before = rf.count(new_space(DEMO, "enough"), "extent")

    def short(*_):
        raise MemoryError("Allocation failed")

    with monkeypatch.context() as patched:
        patched.setattr("rfscale.sweeps.states.graph.numbered", short)
        with pytest.raises(MemoryError):
            rf.count(space, "extent")
    assert compiled(space).axes[0].pool.used.tolist() == [1, 0]
    assert (rf.count(space, "extent") == before).all()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"stages": [{"name": "s", "choices": [[{"kernel": 3, "repeat": 3000}]], "repeat": 3000}]},
            "stage 's' repeats its layers to 9000000; at most 100000 are supported",
        ),
        (
            {
                "factors": {"a": list(range(1, 10001)), "b": list(range(1, 10001))},
                "stages": [{"kernel": "$a"}, {"kernel": "$b"}, {"kernel": "$a", "dilation": "$b"}],
            },
            "stage 'stage2' has 100000000 combinations of the values of its factors and the shared ones",
        ),
        (
            {
                "factors": {"a": list(range(1, 2001))},
                "stages": [{"kernel": "$a"}, {"kernel": "$a", "dilation": list(range(1, 2001))}],
            },
            "stage 'stage2' has 4000000 combinations of the values of its factors; at most 1048576",
        ),
    ],
)
def test_stages_of_too_many_layers_are_refused_before_they_are_made(spec, message):
    with pytest.raises(rf.InputError, match=message):
        rf.count(rf.Space.from_dict(spec), "extent")


def test_layers_of_all_choices_are_bounded(monkeypatch):
    monkeypatch.setattr("rfscale.sweeps.states.compile.MAX_STAGE_LAYERS", 50)
    stage = {"name": "s", "kernel": 3, "repeat": list(range(11))}
    with pytest.raises(rf.InputError, match="the choices of stage 's' have more than 50 layers; give fewer repeats"):
        rf.count(rf.Space.from_dict({"stages": [stage]}))


def test_sparse_keys_are_numbered_as_dense_ones(monkeypatch):
    stages = [{"kernel": "$k"}, {"kernel": [2, 3], "stride": [1, 2]}, {"kernel": "$k"}]
    spec = {"factors": {"k": [1, 3, 5, 7]}, "stages": stages}
    dense = rf.count(new_space(spec, "dense"), "extent,jump")
    monkeypatch.setattr("rfscale.sweeps.states.graph.DENSE_KEYS", 0)
    sparse = rf.count(new_space(spec, "sparse"), "extent,jump")
    assert sparse.to_series().to_dict() == dense.to_series().to_dict()


@pytest.mark.parametrize("memory", ["40 MB", -3, 1.5, None, True])
def test_what_is_no_number_of_bytes_is_refused(memory):
    for stages in ([{"kernel": [3, 5]}], [{"branches": {"choose": [1, 2], "of": [{"kernel": 3}, {"kernel": 5}]}}]):
        space = rf.Space.from_dict({"stages": stages})
        for ask in (rf.sweep, rf.count, rf.validate):
            with pytest.raises(rf.InputError, match=r"memory is .*; it must (be a whole number|lie between 0 and)"):
                ask(space, memory=memory)
        assert rf.count(space, memory=8e9) == space.size
