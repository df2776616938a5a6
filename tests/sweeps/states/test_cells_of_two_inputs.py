"""Cells of two inputs, and cells known by their effects: whole small spaces, samples of large ones."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError
from rfscale.sweeps import Space
from rfscale.sweeps.spaces.cells.darts import darts
from rfscale.sweeps.spaces.graphs import cell as cells
from rfscale.sweeps.states.cells.graph import CellGraph
from rfscale.sweeps.states.compiled import compiled
from tests.oracles.branching_sets import Architecture, darts_extents

FIGURES = ("area", "extent", "max_gap", "jump", "terms")


def small(adapt="factorized_reduce", ops=("none", "skip", "dil3", "even"), repeat=(1, 2), aligned=False, nodes=1):
    """Cells of few choices, some without a path; a stem or none."""
    spec = darts(cells=3, nodes=nodes)
    spec["name"] = f"small-{adapt}"
    spec["ops"] = {**spec["ops"], "none": "none", "even": {"kernel": 2, "dilation": 3}, "odd": {"kernel": 5}}
    for node in spec["cells"]["normal"]["nodes"]:
        node["op"] = list(ops)
    spec["cells"]["normal"] |= {"adapt": adapt, "aligned": aligned}
    spec["stages"] = [
        {"name": "a", "cell": "normal", "repeat": repeat[0]},
        {"name": "mid", "kernel": [1, 3], "stride": [1, 2]},
        {"name": "b", "cell": "reduce", "repeat": repeat[1]},
        {"name": "c", "cell": "normal"},
        {"name": "own", "cell": "reduce", "own": True},
    ]
    return spec


def figures_of_all(spec):
    space = Space.from_dict(spec)
    return [Architecture(spec, space.labels(i)).figures() for i in range(space.size)]


def test_which_levels_fit_does_not_depend_on_what_was_built_before():
    space = Space.from_dict(darts(cells=8, nodes=2))
    assert space.folded
    programs = compiled(space).axes[0].programs
    whole = CellGraph(programs, 2, 1)
    assert whole.build(len(programs), 1 << 30) == len(programs)
    for memory in np.geomspace(4_000, whole.nbytes * 2, 40).astype(int).tolist():
        assert CellGraph(programs, 2, 1).build(len(programs), memory) == whole.build(len(programs), memory)


def counted(space, by):
    return {key: n for key, n in rf.count(space, by).to_series().items() if n}


@pytest.mark.parametrize("adapt", ["factorized_reduce", "pointwise", "max_pool"])
def test_whole_spaces_are_those_of_plain_sets(adapt, monkeypatch):
    spec = small(adapt, ops=("none", "skip", "dil3") if adapt == "pointwise" else ("skip", "even", "none"))
    space = Space.from_dict(spec)
    expected = figures_of_all(spec)
    tree = rf.sweep(space)
    last = tree["own"].to_dataset()
    for name in FIGURES:
        assert last[name].values.reshape(-1).tolist() == [
            getattr(f, name) if f.terms or name != "jump" else 0 for f in expected
        ]
    shared = last.overlap.values.reshape(-1) * last.area.values.reshape(-1)
    np.testing.assert_allclose(np.nan_to_num(shared), [f.shared for f in expected])
    numbers = Counter(tuple(getattr(f, n) if f.terms or n != "jump" else 0 for n in FIGURES) for f in expected)
    by_area, by_gap = Counter(), Counter()
    for (area, extent, gap, jump, terms), n in numbers.items():
        by_area[area, extent, terms] += n
        by_gap[extent, gap, jump] += n
    assert counted(space, ("area", "extent", "terms")) == dict(by_area)
    monkeypatch.setattr(cells, "FOLDED_FROM", 5)  # the same by effects, in blocks
    folded = Space.from_dict({**spec, "name": "folded"})
    assert set(folded.folded) == set(folded.dims) - {"mid_kernel", "mid_stride"}
    assert counted(folded, ("area", "extent", "terms")) == dict(by_area)
    assert counted(folded, ("extent", "max_gap", "jump")) == dict(by_gap)
    hulls = Space.from_dict({**spec, "name": "hulls"})
    by_extent = Counter()
    for (_, extent, _, jump, _), n in numbers.items():
        by_extent[extent, jump] += n
    assert counted(hulls, ("extent", "jump")) == dict(by_extent)
    assert len(compiled(hulls).axes[0].levels) == 0
    assert counted(hulls, "mid_stride") == {1: space.size // 2, 2: space.size // 2}


def test_networks_of_a_whole_space():
    spec = small(ops=("skip", "dil3"), repeat=(2, 1))
    space = Space.from_dict(spec)
    assert space.size == 256
    for index, found in enumerate(figures_of_all(spec)):
        if index % 8:
            continue
        last = rf.profile(space.network(index)).isel(layer=-1)
        assert (found.area, found.extent, found.terms) == (last.area, last.extent[0], last.terms)
        assert found.shared == pytest.approx(float(last.overlap[0] * last.area))


def test_labels_name_architectures_that_have_the_figures(monkeypatch):
    spec = darts(cells=4, nodes=2)
    monkeypatch.setattr(cells, "FOLDED_FROM", 5)
    space = Space.from_dict(spec)
    answers = [
        rf.sample(space, 12, where="terms >= 2", seed=1),
        rf.sample(space, 6, where="extent > 40"),
        rf.best(space, "-area", k=6, where="cell2.extent < 30"),
        rf.pareto(space, "-extent", "area", where="extent > 80"),
    ]
    for answer in answers:
        rows = answer.sizes["rank" if "rank" in answer.dims else "sample"]
        assert len(set(answer["index"].values.tolist())) == rows
        for i in range(rows):
            row = {name: answer[name].values[i].item() for name in space.dims}
            found = Architecture(spec, row).figures()
            assert [getattr(found, n) for n in FIGURES] == [answer[n].values[i].item() for n in FIGURES]
            assert space.index(row) == answer["index"].values[i]


def test_samples_are_uniform(monkeypatch):
    """Every architecture of a small space is drawn, about as often."""
    spec = small(ops=("skip", "dil3"), repeat=(1, 1))
    monkeypatch.setattr(cells, "FOLDED_FROM", 3)
    space = Space.from_dict(spec)
    for where in (None, "extent >= 0"):
        drawn = Counter(rf.sample(space, 30 * space.size, where=where, seed=2)["index"].values.tolist())
        assert len(drawn) == space.size
        assert max(drawn.values()) < 65
        assert min(drawn.values()) > 8
    everything = rf.best(space, "0*extent", k=1000)["index"].values.tolist()
    assert sorted(everything) == list(range(space.size))


def test_two_cells_of_darts_by_hulls():
    """Counts by extent of spaces of 5·10^7 architectures, by hulls, by sets and by the oracle."""
    for n in (3, 5):
        space = Space.from_dict({**darts(cells=n, nodes=2), "name": f"two-nodes-{n}"})
        expected = dict(darts_extents(n, 2))
        assert counted(space, "extent") == expected


def test_costs_are_those_of_the_networks():
    spec = small(ops=("skip", "odd"), repeat=(1, 2), aligned=False)
    spec |= {"channels": 4, "input_size": 32}
    spec["stages"][1] = {"name": "mid", "kernel": [1, 3], "stride": 2}
    for node in spec["cells"]["normal"]["nodes"]:
        node["op"] = ["odd", "odd4"]
    spec["ops"]["odd4"] = {"kernel": 3, "channels": 4}
    spec["cells"]["normal"]["adapt"] = "pointwise"
    space = Space.from_dict(spec)
    tree = rf.sweep(space)["own"].to_dataset()
    assert space.size > 100
    for i in range(0, space.size, 17):
        profile = rf.profile(space.network(i))
        assert tree.params.values.reshape(-1)[i] == profile.params.sum()
        assert tree.macs.values.reshape(-1)[i] == profile.macs.sum()


def test_what_cannot_be_asked(monkeypatch):
    monkeypatch.setattr(cells, "FOLDED_FROM", 5)
    space = Space.from_dict(darts(cells=3, nodes=1))
    with pytest.raises(InputError, match=r"known by their effects; ask rf\.count, rf\.best, rf\.pareto or rf\.sam"):
        rf.sweep(space)
    with pytest.raises(
        InputError, match=r"designs choose maps of architectures told apart; ask rf\.best or rf\.sample"
    ):
        rf.design(space, np.array([[9, 9]]), k=1)
    with pytest.raises(InputError, match=r"normal_n2_op1 belongs to cells .* ask rf\.sample"):
        rf.sample(space, 2, where="normal_n2_op1 == 'skip'")
    mixed = darts(cells=3, nodes=1)
    mixed["stages"].append({"name": "up", "op": "upsample", "scale": 2})
    with pytest.raises(InputError, match=r"has skips or upsampling, and cells of two inputs.*NetworkSpace"):
        Space.from_dict(mixed)
    off = darts(cells=3, nodes=1)
    off["cells"]["normal"] |= {"aligned": True, "adapt": "pointwise"}
    off["ops"]["skip"] = {"kernel": 2}
    with pytest.raises(InputError, match=r"the ops of cell 'normal' have centres up to 0\.5 entries apart; .*aligned"):
        rf.count(Space.from_dict(off))


def test_cells_whose_maps_are_too_many(monkeypatch):
    from rfscale.sweeps.states.cells import levels

    monkeypatch.setattr(levels, "MAX_ROWS", 100)
    monkeypatch.setattr(cells, "FOLDED_FROM", 5)
    with pytest.raises(
        InputError, match=r"stage 'cell1': cell 'normal' leads to \d+ combinations of maps at node 'n3'"
    ):
        rf.count(Space.from_dict(darts(cells=3, nodes=3)), "area")


@pytest.mark.exhaustive
@pytest.mark.parametrize("number", [8, 20])
def test_all_of_darts(number):
    """The joint distribution of all figures against counts by hulls, and 200 architectures against plain sets."""
    spec = darts(cells=number)
    space = Space.from_dict(spec)
    expected = dict(darts_extents(number))
    assert counted(space, "extent") == expected
    joint = rf.count(space, ("extent", "terms", "area"), combinations=True)
    assert sum(joint.values.tolist()) == space.size == (180 * 7**8) ** 2
    by_extent: Counter[int] = Counter()
    for extent, many in zip(joint.extent.values.tolist(), joint.values.tolist(), strict=True):
        by_extent[extent] += many
    assert by_extent == expected
    for where, n in ((None, 100), ("terms >= 2", 50), ("density < 1", 50)):
        drawn = rf.sample(space, n, where=where, seed=number)
        for i in range(n):
            row = {name: drawn[name].values[i].item() for name in space.dims}
            found = Architecture(spec, row, every_path=number == 8 or i == 0).figures()  # of 20 cells up to 17 s each
            assert [getattr(found, x) for x in FIGURES] == [drawn[x].values[i].item() for x in FIGURES]
