"""Questions to spaces that branch and whose axes differ: as the list of all architectures answers them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

import rfscale as rf
from rfscale.sweeps import Space
from rfscale.sweeps.runs.blocks import Blocks
from rfscale.sweeps.states.compiled import compiled
from tests.sweeps.unlike_axes import INCEPTION, ROADS, figures_by_stage


@pytest.fixture(scope="module")
def listed():
    """A space, and the figures of all its architectures by the names that questions use."""
    space = Space.from_dict(INCEPTION)
    found = figures_by_stage(space)["out"]
    flat = {}
    for name, values in found.items():
        flat |= {name: values} if values.ndim == 1 else {f"{name}_y": values[:, 0], f"{name}_x": values[:, 1]}
    flat["density"] = flat["area"] / (flat["extent_y"] * flat["extent_x"])
    return space, flat


@pytest.mark.parametrize(
    "names",
    [["area", "terms"], ["extent_y", "extent_x"], ["max_gap_x", "pixels_y"], ["jump_x"], ["overlap_y", "extent_x"]],
)
def test_counts_are_those_of_the_list(listed, names):
    space, flat = listed
    for where, taken in (
        (None, flat["area"] > 0),
        ("extent_x >= 20 and extent_y < 40", (flat["extent_x"] >= 20) & (flat["extent_y"] < 40)),
        ("density < 1 and max_gap_y == 0", (flat["density"] < 1) & (flat["max_gap_y"] == 0)),
    ):
        counts = rf.count(space, names, where=where)
        assert counts.sum() == taken.sum()
        for row in set(zip(*(flat[n][taken].tolist() for n in names), strict=True)):
            want = np.logical_and.reduce([flat[n] == v for n, v in zip(names, row, strict=True)]) & taken
            assert counts.sel(dict(zip(names, row, strict=True))) == want.sum()


def test_best_front_and_sample_are_those_of_the_list(listed):
    space, flat = listed
    taken = (flat["extent_x"] >= 20) & (flat["max_gap_x"] == 0)
    where = "extent_x >= 20 and max_gap_x == 0"
    best = rf.best(space, "macs", k=5, where=where)
    assert best.objective.values.tolist() == sorted(flat["macs"][taken].tolist())[:5]
    front = rf.pareto(space, "params", "-extent_y", where=where)
    points = set(zip(flat["params"][taken].tolist(), (-flat["extent_y"][taken]).tolist(), strict=True))
    want = {p for p in points if not any(q[0] <= p[0] and q[1] <= p[1] and q != p for q in points)}
    assert {tuple(p) for p in front.objectives.values.tolist()} == want
    drawn = rf.sample(space, 50, where=where, seed=4)
    assert taken[drawn.index.values].all()
    for rows in (best, front, drawn):
        for name, values in flat.items():
            assert np.array_equal(rows[name].values, values[rows.index.values]), name
    assert space.network(best.isel(rank=0)) == space.network(int(best.index[0]))


def test_questions_about_axes_need_no_states_of_the_plane():
    asked = [
        lambda s: rf.count(s, ["extent_x", "jump_y"], where="extent_y >= 9").values,
        lambda s: rf.count(s, "mixed.max_gap_y", where="stem_stride == '2x1'").values,
        lambda s: rf.best(s, "macs", k=4, where="pixels_x >= 30")[["area", "overlap_x", "index"]].to_array().values,
        lambda s: rf.sample(s, 30, where="jump_x == 3", seed=3)[["extent_y", "terms", "index"]].to_array().values,
    ]
    coarse = Space.from_dict({**INCEPTION, "name": "coarse"})
    answers = [ask(coarse) for ask in asked]
    assert not compiled(coarse).axes[0].levels
    fine = Space.from_dict({**INCEPTION, "name": "fine"})
    rf.count(fine, "area")
    for ask, answer in zip(asked, answers, strict=True):
        assert np.array_equal(ask(fine), answer)


def test_designs_are_those_of_an_exhaustive_search(listed):
    space, _ = listed
    sizes = np.random.default_rng(5).uniform(3, 40, (60, 2)).round()
    found = rf.design(space, sizes, k=2, n=1)
    by_stage, best = figures_by_stage(space), np.inf
    sides = np.sqrt(sizes.prod(axis=1))
    for index in range(space.size):
        areas = [
            by_stage[s]["area"][index // (space.size // n)] for s, n in zip(by_stage, space.stage_sizes, strict=True)
        ]
        for pair in combinations(sorted({area**0.5 for area in areas}), 2):
            best = min(best, np.abs(np.log2(np.array(pair)[:, None] / sides)).min(axis=0).mean())
    assert found.tightness.item() == pytest.approx(best, rel=0.05)  # sizes are binned
    chosen = found.isel(rank=0)
    profile = rf.profile(space.network(chosen))
    for layer, width, extent in zip(
        chosen.map_layer.values, chosen.map_width.values, chosen.map_extent.values, strict=True
    ):
        assert profile.width.sel(layer=layer) == width
        assert np.sqrt(profile.extent.sel(layer=layer).prod()) == pytest.approx(extent)


def test_stored_derived_and_cut(tmp_path):
    space = Space.from_dict(ROADS)
    stored, whole = rf.sweep(space, store=tmp_path / "s.zarr"), rf.sweep(space)
    for stage in ("b", "d"):
        for name in whole[stage].data_vars:
            assert np.array_equal(stored[stage][name].values, whole[stage][name].values)
    made = rf.derive(whole["d"])
    box = whole["d"].extent.values.prod(axis=-1)
    assert np.array_equal(made.density.values, whole["d"].area.values / box)
    blocks = Blocks(space)
    size = blocks.size("d")
    parts = blocks.empty("d", 0, size)
    for start in range(0, size, 13):
        stop = min(size, start + 13)
        blocks.fill("d", start, stop, {name: values[start:stop] for name, values in parts.items()})
    for name, values in parts.items():
        assert np.array_equal(values.reshape(whole["d"][name].shape), whole["d"][name].values)
