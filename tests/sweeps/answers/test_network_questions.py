"""Questions about the networks of a function: each answer against a plain loop over `rf.profile` of every network."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numba
import numpy as np
import pytest

import rfscale as rf
from rfscale.sweeps.networks import table, workers

FACTORS = {"rate": [1, 2, 3], "kernel": [1, 3], "pooling": [False, True], "channels": [4, 8]}


def heads(rate, kernel, pooling, channels):
    b = rf.NetworkBuilder("head", input_size=32)
    x = b.conv("stem", kernel=3, stride=2, padding=1, channels=8)
    branches = [x, b.conv("wide", kernel=3, dilation=rate, padding=rate, channels=channels, inputs=x)]
    if pooling:
        branches.append(b.avg_pool("pool", kernel=5, stride=1, padding=2, inputs=x))
    b.concat("join", inputs=branches)
    b.conv("out", kernel=kernel, padding=kernel // 2, channels=4)
    return b.build()


@pytest.fixture(scope="module")
def space():
    return rf.NetworkSpace(heads, FACTORS)


@pytest.fixture(scope="module")
def plain(space):
    """Extent, area, params and labels of every network, one by one."""
    rows = []
    for i in range(space.size):
        ds = rf.profile(space.network(i))
        last = ds.isel(layer=-1)
        rows.append({
            "index": i, **space.labels(i), "extent": int(last.extent[0]), "area": int(last.area),
            "gap": int(last.max_gap[0]), "params": int(ds.params.sum()),
        })  # fmt: skip
    return rows


def test_counts(space, plain):
    assert rf.count(space).item() == space.size
    assert rf.count(space, where="extent >= 9").item() == sum(r["extent"] >= 9 for r in plain)
    found = rf.count(space, by="extent,rate", where="params > 400")
    expected = Counter((r["extent"], r["rate"]) for r in plain if r["params"] > 400)
    for extent, rate in product(found.extent.values, found.rate.values):
        assert found.sel(extent=extent, rate=rate).item() == expected[extent, rate]
    binned = rf.count(space, "area", bins={"area": [0, 60, 400]})
    assert binned.values.tolist() == [sum(low <= r["area"] < high for r in plain) for low, high in ((0, 60), (60, 400))]
    gaps = rf.count(space, "max_gap")
    assert dict(zip(gaps.max_gap.values.tolist(), gaps.values.tolist(), strict=True)) == Counter(
        r["gap"] for r in plain
    )
    assert gaps.max_gap.attrs["units"] == "pixel"


def test_best_and_its_ties(space, plain):
    found = rf.best(space, "params - 3*extent", k=5, where="pooling == 1")
    some = [r for r in plain if r["pooling"]]
    expected = sorted(some, key=lambda r: (r["params"] - 3 * r["extent"], r["index"]))[:5]
    assert found["index"].values.tolist() == [r["index"] for r in expected]
    assert found.objective.values.tolist() == [r["params"] - 3 * r["extent"] for r in expected]
    assert found.params.dtype == found.extent.dtype == np.int64
    assert space.network(found.isel(rank=0)) == space.network(expected[0]["index"])


def test_pareto(space, plain):
    found = rf.pareto(space, "params", "-extent")
    points = {(r["params"], -r["extent"]) for r in plain}
    front = {p for p in points if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points)}
    assert found.objectives.values.tolist() == sorted(map(list, front))
    assert found.objective.values.tolist() == ["params", "-extent"]


def test_samples(space, plain):
    found = rf.sample(space, 400, where={"extent": (9, None)}, seed=3)
    allowed = {r["index"] for r in plain if r["extent"] >= 9}
    assert set(found["index"].values.tolist()) == allowed
    assert found.attrs["satisfying"] == str(len(allowed))
    assert found.identical(rf.sample(space, 400, where={"extent": (9, None)}, seed=3))


def test_the_table_is_made_once(space, monkeypatch):
    rf.count(space)
    monkeypatch.setattr(table, "fill_all", None)
    assert rf.count(space, where="density == 1").item() > 0
    swept = rf.sweep(space)["networks"].dataset
    swept["area"][:] = 0  # the user's copy
    assert rf.count(space, where="area == 0").item() == 0


def oblong(kernel):
    return rf.Network.sequential({"kernel": [kernel, 1]})


def test_axes_that_differ():
    space = rf.NetworkSpace(oblong, {"kernel": [1, 3]})
    assert rf.best(space, "-extent_y", k=1).extent_x.item() == 1
    with pytest.raises(rf.InputError, match="the axes of this space differ; write extent_y or extent_x"):
        rf.count(space, "extent")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda s: rf.count(s, "extnt"), "by names 'extnt', which is no figure, cost or factor; did you mean 'extent'"),
        (lambda s: rf.count(s, "s2.extent"), "a function's networks have no stages, write 'extent'"),
        (lambda s: rf.best(s, "params", where="extent > 999"), "no architecture .* satisfies where='extent > 999'"),
        (lambda s: rf.count(s, "extent", where="extent > 999"), "no architecture .* satisfies where='extent > 999'"),
        (lambda s: rf.best(s, "1 / (extent - extent)"), "is no finite number for some architectures"),
        (lambda s: rf.pareto(s, "params"), "pareto got 1 objectives"),
    ],
)
def test_bad_questions(space, ask, message):
    with pytest.raises(rf.InputError, match=message):
        ask(space)


def test_no_channels_and_too_many_networks():
    space = rf.NetworkSpace(oblong, {"kernel": [1, 3]})
    with pytest.raises(rf.InputError, match="asks for params, but the networks of 'oblong' have no channels"):
        rf.best(space, "params")
    large = rf.NetworkSpace(heads, {name: list(range(100)) for name in FACTORS})
    with pytest.raises(rf.InputError, match=r"has 100,000,000 networks; .* at most 1,000,000; take values"):
        rf.count(large)
    assert rf.count(space, where="extent_y > 99").item() == 0


# on all cores


def chain(a, b, c, bad=-1):
    if a * 400 + b * 20 + c >= bad >= 0:
        raise ValueError("no such network")
    return rf.Network.sequential(
        {"kernel": 3, "dilation": a + 1}, {"kernel": b % 5 + 1}, {"kernel": 3, "stride": c % 3 + 1}
    )


MANY = {"a": list(range(4)), "b": list(range(20)), "c": list(range(20))}


def test_figures_are_the_same_on_any_number_of_cores(monkeypatch):
    monkeypatch.setattr(workers, "MIN_SECONDS", 0)
    before = numba.get_num_threads()
    monkeypatch.setattr(workers, "_workers", lambda: 1)
    one = rf.sweep(rf.NetworkSpace(chain, MANY))["networks"].dataset
    monkeypatch.setattr(workers, "_workers", lambda: 2)
    done = []
    two = rf.sweep(rf.NetworkSpace(chain, MANY), progress=done.append)["networks"].dataset
    assert one.identical(two)
    assert sum(done) == 1600
    assert numba.get_num_threads() == before


def test_errors_are_the_same_on_any_number_of_cores(monkeypatch):
    monkeypatch.setattr(workers, "MIN_SECONDS", 0)
    factors = {**MANY, "bad": [701]}
    messages = []
    for number in (1, 2):
        monkeypatch.setattr(workers, "_workers", lambda number=number: number)
        with pytest.raises(rf.InputError, match=r"no such network") as error:
            rf.sweep(rf.NetworkSpace(chain, factors))
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    assert "'c': 1, 'b': 15, 'a': 1" in messages[0]
