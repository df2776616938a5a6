"""Spaces with skips and upsampling whose axes differ: terms are products of families of sets, one for each axis.

Every architecture's figures are those of its network, and of plain sets of pixels.
"""

from __future__ import annotations

import random

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError
from rfscale.sweeps import Space
from rfscale.sweeps.runs.blocks import Blocks
from tests.oracles.scaled_sets import Architecture
from tests.sweeps.states.test_scales import UNET as SQUARE
from tests.sweeps.unlike_axes import BY_AXIS, figures_by_stage
from tests.sweeps.unlike_scales import CELLS, PYRAMID, SHIFTED, SPACES, UNET, VOLUME, random_space


def same_as_profiles(spec, n):
    """Figures and costs of some architectures at every stage, against their networks."""
    space = Space.from_dict(spec)
    assert not space.square
    found = figures_by_stage(space)
    numbers = range(space.size) if space.size <= n else random.Random(7).sample(range(space.size), n)
    for index in numbers:
        network = space.network(index)
        profile, names = rf.profile(network), [x.name for x in network.layers]
        sized = rf.profile(network, input_size=space.input_size) if space.input_size else None
        for size, (stage, layer) in zip(space.stage_sizes, space.outputs(index).items(), strict=True):
            row = {name: values[index // (space.size // size)] for name, values in found[stage].items()}
            if layer == "input":
                assert (row["area"], row["terms"], row["density"]) == (1, 1, 1)
                continue
            at = names.index(layer)
            for name in ("area", "density", *BY_AXIS):
                assert np.array_equal(row[name], profile[name].values[at]), (index, stage, name)
            if "params" in row:  # of all layers so far, also of those that lead elsewhere
                assert row["params"] == profile.params.values[: at + 1].sum()
            if sized is not None:
                assert row["macs"] == sized.macs.values[: at + 1].sum()


@pytest.mark.parametrize("spec", [*SPACES, *map(random_space, range(8))], ids=lambda spec: spec["name"])
def test_every_architecture_has_the_figures_of_its_network(spec):
    same_as_profiles(spec, 12 if spec.get("axes", 2) < 3 else 4)


@pytest.mark.exhaustive
@pytest.mark.parametrize("spec", SPACES, ids=lambda spec: spec["name"])
def test_every_architecture_of_whole_spaces(spec):
    same_as_profiles(spec, 10**6)


@pytest.mark.exhaustive
@pytest.mark.parametrize("spec", [*map(random_space, range(100, 140))], ids=lambda spec: spec["name"])
def test_random_spaces(spec):
    same_as_profiles(spec, 40)


@pytest.mark.parametrize("spec", [UNET, PYRAMID, SHIFTED, random_space(0), random_space(5)], ids=lambda s: s["name"])
def test_figures_are_those_of_plain_sets(spec):
    space = Space.from_dict(spec)
    found, last = figures_by_stage(space), [s.name for s in space.stages][-2:]
    for index in random.Random(2).sample(range(space.size), min(3, space.size)):
        labels = space.labels(index)
        row = {n: space.chosen(index)[n] if n.endswith("_choice") else v for n, v in labels.items()}
        stages = [{k: _shared(k, v, row) for k, v in stage.items()} for stage in spec["stages"]]
        expected = Architecture({**spec, "stages": stages}, row)
        for stage in last:
            size = space.stage_sizes[space.stage_index(stage)]
            have = {name: values[index // (space.size // size)] for name, values in found[stage].items()}
            want = expected.figures(stage)
            assert (have["area"], have["terms"]) == (want.area, want.terms)
            assert have["density"] == want.area / want.box
            for axis, one in enumerate(want.by_axis):
                for name in ("extent", "pixels", "max_gap", "jump"):
                    assert have[name][axis] == getattr(one, name), (index, stage, name)
                assert have["overlap"][axis] == one.shared / want.area


def _shared(key, value, row):
    """A shared factor written out: the oracle knows those of stages only."""
    if not (isinstance(value, str) and value.startswith("$")):
        return value
    chosen = row[value[1:]]
    return int(chosen) if "x" not in str(chosen) else tuple(int(n) for n in chosen.split("x"))


def test_square_choices_have_the_figures_of_the_square_space():
    """Where all axes happen to be alike, figures are those of the square space, on both axes.

    But for entries of other phases on the axes, of which a square space tells the first axis.
    """
    square = Space.from_dict(SQUARE)
    extra = {"name": "extra", "kernel": [1, [1, 3]]}
    costs = {"channels": None, "input_size": None}
    other = Space.from_dict({**SQUARE, **costs, "stages": [*SQUARE["stages"], extra]})
    assert square.square
    assert not other.square
    one, two = figures_by_stage(square), figures_by_stage(other)
    for stage, row in one.items():
        for name in ("area", "terms", "density", "pixels", *BY_AXIS):
            both = two[stage][name]
            assert np.array_equal(row[name], both if both.ndim == 1 else both[:, 0]), (stage, name)


def test_exchanged_axes_exchange_figures():
    def turned(value, listed=False):
        if isinstance(value, dict):
            inner = listed or not {"branches", "choices", "through"}.isdisjoint(value)
            return {k: turned(v, inner and k not in ("choose", "repeat")) for k, v in value.items()}
        if not isinstance(value, list):
            return value
        if listed and len(value) == 2 and all(isinstance(v, int) for v in value):
            return value[::-1]
        return [turned(v, True) for v in value]

    stages = [{k: turned(v) if k != "through" else turned(v, True) for k, v in s.items()} for s in PYRAMID["stages"]]
    stages[0]["kernel"] = PYRAMID["stages"][0]["kernel"]  # a choice of two kernels
    here, there = (figures_by_stage(Space.from_dict({**PYRAMID, "stages": s})) for s in (PYRAMID["stages"], stages))
    for stage, row in here.items():
        for name in BY_AXIS:
            assert np.array_equal(row[name], there[stage][name][:, ::-1], equal_nan=True), (stage, name)


def test_questions_agree_with_the_list():
    space = Space.from_dict(UNET)
    table = rf.derive(rf.sweep(space)["d1"])
    flat = {}
    for name, variable in table.data_vars.items():
        values = variable.values
        parts = (
            {f"{name}_{a}": values[..., i] for i, a in enumerate("yx")} if "axis" in variable.dims else {name: values}
        )
        flat |= {key: part.ravel() for key, part in parts.items()}
    where = "density < 1 and extent_y >= 20 and max_gap_x == 0"
    condition = (flat["density"] < 1) & (flat["extent_y"] >= 20) & (flat["max_gap_x"] == 0)
    assert condition.any()
    counts = rf.count(space, ["extent_y", "extent_x", "terms"], where=where, combinations=True)
    columns = [flat[name][condition].tolist() for name in ("extent_y", "extent_x", "terms")]
    want: dict = {}
    for key in zip(*columns, strict=True):
        want[key] = want.get(key, 0) + 1
    keys = zip(*(counts[name].values.tolist() for name in ("extent_y", "extent_x", "terms")), strict=True)
    assert dict(zip(keys, counts.values.tolist(), strict=True)) == want
    best = rf.best(space, "macs", k=5, where=where)
    assert best.objective.values.tolist() == sorted(flat["macs"][condition].tolist())[:5]
    front = rf.pareto(space, "params", "-extent_x", where="j2_skip == 'e2'")
    picked = (table.params * 0 + (table.j2_skip == "e2")).values.ravel() > 0
    points = set(zip(flat["params"][picked].tolist(), (-flat["extent_x"][picked]).tolist(), strict=True))
    least = {p for p in points if not any(q[0] <= p[0] and q[1] <= p[1] and q != p for q in points)}
    assert {tuple(p) for p in front.objectives.values.tolist()} == least
    rows = rf.sample(space, 50, where=where, seed=4)
    assert condition[rows.index.values].all()
    for name in ("area", "overlap_y", "overlap_x", "terms", "macs", "density", "jump_y", "pixels_x"):
        assert (rows[name].values == flat[name][rows.index.values]).all()
    assert rf.count(space, "e2.extent_y").sum() == space.size


def test_designs_take_maps_that_grow():
    stages = [
        {"name": "e", "kernel": [[1, 5], 3]},
        {"name": "p", "op": "max_pool", "kernel": [[1, 2]]},
        {"name": "b", "kernel": [[3, 1], [1, 5]]},
        {"name": "u", "op": "upsample", "scale": [[1, 2]]},
        {"name": "j", "skip": "e"},
    ]
    space = Space.from_dict({"stages": stages})
    sizes = np.array([[4, 6], [9, 9], [5, 20]], float)
    for by in ("width", "extent"):
        chosen = rf.design(space, sizes, k=2, by=by).isel(rank=0)
        profile = rf.profile(space.network(chosen))
        for layer, width, extent in zip(
            chosen.map_layer.values, chosen.map_width.values, chosen.map_extent.values, strict=True
        ):
            assert profile.width.sel(layer=layer) == width
            assert np.sqrt(profile.extent.sel(layer=layer).values.prod()) == pytest.approx(extent)


def test_stored_and_cut_anywhere(tmp_path):
    for spec in (UNET, VOLUME, CELLS):
        space = Space.from_dict(spec)
        whole, stored = rf.sweep(space), rf.sweep(space, store=tmp_path / f"{space.name}.zarr")
        last = space.stages[-1].name
        for name in whole[last].data_vars:
            assert np.array_equal(stored[last][name].values, whole[last][name].values)
        blocks = Blocks(space)
        parts = blocks.empty(last, 0, space.size)
        for start in range(0, space.size, 37):
            stop = min(space.size, start + 37)
            blocks.fill(last, start, stop, {name: values[start:stop] for name, values in parts.items()})
        flat = whole[last].extent.values
        assert np.array_equal(parts["extent"], flat.reshape(-1, flat.shape[-1]))


# bad input ------------------------------------------------------------------------------------------------------------


def test_maps_that_do_not_fit_are_named_by_axis():
    def space(*stages):
        return Space.from_dict({"stages": [{"name": "a", "kernel": 3}, *stages]})

    pool = {"name": "p", "op": "max_pool", "kernel": [[2, 1]]}
    with pytest.raises(InputError, match="are 2x1 and 1x1 pixels apart; they need one jump"):
        rf.sweep(space(pool, {"name": "j", "skip": "a"}))
    with pytest.raises(InputError, match=r"centres are 0\.5x0 pixels apart"):
        rf.sweep(space(pool, {"name": "u", "op": "conv_transpose", "kernel": [[3, 1]], "stride": [[2, 1]]},
                       {"name": "j", "skip": "a"}))  # fmt: skip
    with pytest.raises(InputError, match="neighbouring entries are 1/2 pixels apart; figures of spaces need whole"):
        rf.sweep(space({"name": "u", "op": "upsample", "scale": [[1, 2]]}))
    with pytest.raises(InputError, match="kernel 1 and stride 2 makes entries that read nothing"):
        rf.sweep(space(pool, {"name": "u", "op": "conv_transpose", "kernel": [[2, 1]], "stride": 2}))
    with pytest.raises(InputError, match="asks for 'extent', but the axes of this space differ; write extent_y or"):
        rf.count(space(pool), "extent")
