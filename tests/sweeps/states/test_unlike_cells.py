"""Cells of two inputs whose axes differ: whole small spaces against networks and plain sets, listed and by effects."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError
from rfscale.sweeps import Space
from rfscale.sweeps.spaces.graphs import cell as cells
from rfscale.sweeps.states.compiled import compiled
from tests.sweeps.unlike_axes import BY_AXIS, figures_by_stage, plain_figures
from tests.sweeps.unlike_cells import SPACES, two_inputs


def numbered(number):
    return {**SPACES[number], "name": f"two{number}"}


def same_as_networks(spec, n, plain):
    """Figures of some architectures at every stage against their networks, and of a few against plain sets."""
    space = Space.from_dict(spec)
    assert not space.square
    found, last = figures_by_stage(space), space.stages[-1].name
    having = np.flatnonzero(found[last]["area"]).tolist()
    drawn = having if len(having) <= n else random.Random(7).sample(having, n)
    for index in drawn:
        network = space.network(index)
        profile, names = rf.profile(network), [x.name for x in network.layers]
        for size, (stage, layer) in zip(space.stage_sizes, space.outputs(index).items(), strict=True):
            row = {name: values[index // (space.size // size)] for name, values in found[stage].items()}
            if not row["area"] or layer not in names:
                continue
            for name in ("area", *BY_AXIS):
                assert np.array_equal(row[name], profile[name].values[names.index(layer)]), (index, stage, name)
    for index in drawn[:plain]:
        want = plain_figures(space.network(index), space.outputs(index)[last])
        for name, value in want.items():
            assert np.array_equal(found[last][name][index], value), (index, name)
    for index in set(range(space.size)) - {*np.flatnonzero(found[last]["area"]).tolist()}:
        assert not found[last]["terms"][index]
        assert not found[last]["extent"][index].any()
        assert np.isnan(found[last]["overlap"][index]).all()


@pytest.mark.parametrize("number", range(len(SPACES)))
def test_figures_are_those_of_networks_and_of_plain_sets(number):
    same_as_networks(numbered(number), 15, 3)


@pytest.mark.exhaustive
@pytest.mark.parametrize("number", range(len(SPACES)))
def test_every_architecture_of_whole_spaces(number):
    same_as_networks(numbered(number), 10**6, 60)


def counted(space, by):
    counts = rf.count(space, by, combinations=True)
    return dict(zip(zip(*(counts[b].values.tolist() for b in by), strict=True), counts.values.tolist(), strict=True))


@pytest.mark.parametrize("number", range(len(SPACES)))
def test_effects_and_hulls_count_what_the_list_has(number, monkeypatch):
    """Cells by their effects, in blocks, and hulls of one axis or of all, against the list."""
    spec = numbered(number)
    space = Space.from_dict(spec)
    found = figures_by_stage(space)[space.stages[-1].name]
    columns = {"area": found["area"], "terms": found["terms"]}
    for name in ("extent", "jump", "max_gap"):
        columns |= {f"{name}_{axis}": found[name][:, i] for i, axis in enumerate(space.axes)}

    def listed(by):
        return dict(Counter(zip(*(columns[name].tolist() for name in by), strict=True)))

    axes = [f"extent_{a}" for a in space.axes]
    for by in (["extent_y"], ["extent_x", "jump_x"], axes):
        assert counted(Space.from_dict({**spec, "name": "+".join(by)}), by) == listed(by)
    monkeypatch.setattr(cells, "FOLDED_FROM", 2)
    for by in (["extent_y"], ["extent_x", "jump_x"], axes):
        folded = Space.from_dict({**spec, "name": "folded" + "+".join(by)})
        assert folded.folded
        assert counted(folded, by) == listed(by)
        assert not compiled(folded).axes[0].levels
    by = ["area", "terms", *axes, "max_gap_x", "jump_y"]
    assert counted(Space.from_dict({**spec, "name": "folded"}), by) == listed(by)


def test_questions_name_architectures_that_have_the_figures(monkeypatch):
    for limit in (cells.FOLDED_FROM, 5):
        monkeypatch.setattr(cells, "FOLDED_FROM", limit)
        space = Space.from_dict({**SPACES[0], "name": f"questions{limit}"})
        assert bool(space.folded) == (limit == 5)
        answers = [
            rf.sample(space, 10, where="terms >= 2", seed=1),
            rf.sample(space, 6, where="extent_y > 12 and max_gap_x == 0"),
            rf.best(space, "-area", k=6, where="b.extent_x < 9"),
            rf.pareto(space, "-extent_x", "area", where="extent_y > 10"),
        ]
        for answer in answers:
            rows = answer.sizes["rank" if "rank" in answer.dims else "sample"]
            for i in range(rows):
                labels = {name: answer[name].values[i].item() for name in space.dims}
                last = rf.profile(space.network(labels)).isel(layer=-1)
                assert answer.area.values[i] == last.area
                for name in BY_AXIS:
                    for a, axis in enumerate(space.axes):
                        assert answer[f"{name}_{axis}"].values[i] == last[name].values[a], (i, name, axis)
                assert space.index(labels) == answer["index"].values[i]


def test_costs_are_those_of_the_networks(monkeypatch):
    spec = two_inputs(("wide", "tall"), (2, 1), "factorized_reduce")
    spec |= {"channels": {"base": 4, "growth": 2}, "input_size": [32, 48]}
    spec["cells"]["normal"] |= {"project": True}
    space = Space.from_dict(spec)
    tree = rf.sweep(space)["own"].to_dataset()
    wanted = []
    for i in range(0, space.size, 7):
        network = space.network(i)
        profile = rf.profile(network, input_size=space.input_size)
        assert tree.params.values.reshape(-1)[i] == profile.params.sum()
        assert tree.macs.values.reshape(-1)[i] == profile.macs.sum()
        wanted.append(profile.macs.sum())
    least = rf.best(space, "macs", k=4).objective.values.tolist()
    assert least == sorted(tree.macs.values.reshape(-1).tolist())[:4]
    monkeypatch.setattr(cells, "FOLDED_FROM", 5)
    folded = Space.from_dict({**spec, "name": "folded"})
    assert rf.best(folded, "macs", k=4).objective.values.tolist() == least


def test_stored(tmp_path):
    space = Space.from_dict(numbered(1))
    whole, stored = rf.sweep(space), rf.sweep(space, store=tmp_path / "s.zarr")
    for name in whole["own"].data_vars:
        assert np.array_equal(stored["own"][name].values, whole["own"][name].values, equal_nan=True)


def test_square_ops_have_the_figures_of_the_square_space(monkeypatch):
    """Ops alike on both axes in a space that another stage makes unlike: both axes are as the one of the square."""
    square = two_inputs(("skip", "even"), 2)
    square["ops"] = {"skip": [], "even": {"kernel": 2, "dilation": 3}}
    square["stages"][0] = {"name": "stem", "kernel": [1, 3]}
    extra = {"name": "extra", "kernel": [1, [1, 3]]}
    other = {**square, "name": "other", "stages": [*square["stages"], extra]}
    one, two = figures_by_stage(Space.from_dict(square)), figures_by_stage(Space.from_dict(other))
    for stage, row in one.items():
        for name in ("area", "terms", *BY_AXIS):
            both = two[stage][name]
            assert np.array_equal(row[name], both if both.ndim == 1 else both[:, 0]), (stage, name)
            assert both.ndim == 1 or np.array_equal(both[:, 0], both[:, 1])


def test_a_large_space():
    """As many cells as no table holds, counted by hulls and by sets; samples against their networks."""
    spec = two_inputs(("skip", "wide", "tall", "bent", "holes"), (2, 1), nodes=3, own=False)
    space = Space.from_dict(spec)
    assert space.folded
    by = rf.count(space, ["extent_y", "extent_x"], combinations=True)
    assert sum(by.values.tolist()) == space.size
    drawn = rf.sample(space, 12, where="extent_x > extent_y", seed=3)
    for i in range(12):
        one = drawn.isel(sample=i)
        last = rf.profile(space.network(one)).isel(layer=-1)
        assert (one.area, one.extent_y, one.extent_x) == (last.area, *last.extent.values)


# bad input ------------------------------------------------------------------------------------------------------------


def test_strides_and_centres_are_named_by_axis(monkeypatch):
    spec = two_inputs(("skip", "even"), (2, 1))
    spec["cells"]["normal"] |= {"aligned": True, "adapt": "pointwise"}
    off = {**spec, "ops": {"skip": [], "even": {"kernel": [2, 3]}}}
    with pytest.raises(InputError, match=r"have centres 0\.5x0 entries apart"):
        rf.sweep(Space.from_dict(off))
    with pytest.raises(InputError, match=r"stride of cell 'reduce' is .*; give one number, or one for each of the 2"):
        Space.from_dict(two_inputs(stride=(2, 1, 1)))
    with pytest.raises(InputError, match=r"op 'skip' of cell 'normal' has stride .*; in a cell of two inputs"):
        Space.from_dict({**spec, "ops": {"even": {"kernel": 2}, "skip": {"kernel": 1, "stride": [1, 2]}}})
    monkeypatch.setattr(cells, "FOLDED_FROM", 2)
    with pytest.raises(InputError, match=r"the ops of cell 'normal' have centres up to 0\.5x0 entries apart"):
        rf.count(Space.from_dict(off))
