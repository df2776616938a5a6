"""Spaces with skips and upsampling: every architecture's figures are those of its network, and of plain sets."""

from __future__ import annotations

import random

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError
from rfscale.sweeps import Space
from rfscale.sweeps.runs.blocks import Blocks
from rfscale.sweeps.states.compiled import compiled
from rfscale.sweeps.states.scales.families import Family, compose, reduced
from rfscale.sweeps.states.scales.figures import AXIS_FIGURES, map_figures
from rfscale.sweeps.states.scales.figures import FIGURES as FIGURES_OF_MAPS
from tests.oracles.scaled_sets import Architecture

FIGURES = ("area", "extent", "jump", "overlap", "max_gap", "density")
UNET = {
    "name": "u-net",
    "input_size": 32,
    "channels": {"base": 2, "growth": 2},
    "factors": {"k": [1, 3]},
    "stages": [
        {"name": "e1", "kernel": "$k", "dilation": [1, 2]},
        {"name": "p1", "op": "max_pool", "kernel": 2},
        {"name": "e2", "kernel": [3, 5]},
        {"name": "p2", "op": "avg_pool", "kernel": 2},
        {
            "name": "b",
            "merge": "concat",
            "branches": {"choose": [1, 2], "of": [{"kernel": 3}, {"kernel": 3, "dilation": 5}]},
        },
        {"name": "u2", "op": "upsample", "scale": 2, "mode": ["nearest", "bilinear"]},
        {"name": "j2", "skip": ["none", "e2"], "merge": "concat"},
        {"name": "d2", "kernel": "$k"},
        {"name": "u1", "op": "conv_transpose", "kernel": [2, 4], "stride": 2},
        {"name": "j1", "skip": "e1", "through": [{"kernel": 3, "dilation": 4}], "merge": "concat"},
        {"name": "d1", "kernel": 3},
    ],
}  # fmt: skip
GOES_BACK = {
    "name": "goes-back",
    "stages": [
        {"name": "c1", "kernel": [2, 3], "stride": 2},
        {"name": "c2", "kernel": 3, "stride": [1, 2], "repeat": [0, 1, 2]},
        {"name": "c3", "from": "c1", "branches": [[{"kernel": 3, "stride": 3}], [{"kernel": 1, "stride": 3}]]},
        {"name": "u", "op": "upsample", "scale": 3},
        {"name": "m", "skip": ["none", "c1"], "aligned": False},
        {
            "name": "up",
            "choices": [{"op": "upsample", "scale": 2}, [{"op": "conv_transpose", "kernel": 3, "stride": 2}]],
        },
        {"name": "image", "skip": "input", "through": {"kernel": 3, "dilation": 9}, "aligned": False},
    ],
}  # fmt: skip
CELLS = {
    "name": "cells",
    "ops": {"skip": [], "d3": {"kernel": 3, "dilation": 3}, "c3": {"kernel": 3}},
    "cells": {
        "c": {"inputs": ["x"], "edges": [
            {"from": "x", "to": ["a", "out"], "op": ["skip", "d3"]}, {"from": "a", "to": "out", "op": ["c3", "skip"]},
        ], "output": "out"},
    },
    "stages": [
        {"name": "e", "cell": "c"},
        {"name": "p", "op": "max_pool", "kernel": 2},
        {"name": "b", "cell": "c", "repeat": 2},
        {"name": "u", "op": "upsample", "scale": 2, "mode": "bilinear"},
        {"name": "j", "skip": "e"},
        {"name": "d", "cell": "c", "own": True, "from": "j"},
    ],
}  # fmt: skip


def random_space(seed: int, axes: int = 2) -> dict:
    """Up to three scales of 2 or 3, even and dilated kernels, every way up, branches at the bottom, skips or none."""
    draw = random.Random(seed)

    def layer() -> dict:
        return {"kernel": draw.choice([1, 2, 3, 3, 5]), "dilation": draw.choice([1, 1, 2, 3, 6])}

    scales = [draw.choice([2, 2, 3]) for _ in range(draw.choice([1, 2, 2, 3]))]
    stages: list[dict] = []
    for i, scale in enumerate(scales):
        split = {"branches": [[layer()], [layer(), layer()]], "aligned": False}
        plain = {"kernel": draw.sample([1, 2, 3, 5], 2), "dilation": draw.choice([1, 2, 4])}
        stages.append({"name": f"e{i}", **(split if draw.random() < 0.3 else plain)})
        stages.append({"name": f"p{i}", "stride": scale, **layer()})
    of = [[layer()] for _ in range(3)]
    stages.append({"name": "b", "branches": {"choose": [1, 2], "of": of}, "aligned": False})
    for i, scale in reversed(list(enumerate(scales))):
        up = draw.choice([
            {"op": "upsample", "scale": scale, "mode": ["nearest", "bilinear"]},
            {"op": "conv_transpose", "kernel": [scale, scale + 1, scale + 3], "stride": scale},
            {"choices": [
                {"op": "upsample", "scale": scale}, [layer(), {"op": "conv_transpose", "kernel": 5, "stride": scale}],
            ]},
        ])  # fmt: skip
        through = [layer()] if draw.random() < 0.5 else []
        skip = draw.choice([f"e{i}", ["none", f"e{i}"]])
        stages.append({"name": f"u{i}", **up})
        stages.append({"name": f"j{i}", "skip": skip, "aligned": False, "through": through})
        if draw.random() < 0.6:
            stages.append({"name": f"d{i}", "kernel": draw.sample([1, 2, 3, 5], 2), "dilation": draw.choice([1, 2])})
    return {"name": f"random{seed}", "axes": axes, "stages": stages}


def same_as_profiles(space: Space, drawn) -> None:
    """Figures of some architectures at every stage, on the first axis, and costs, against their networks."""
    tree = rf.sweep(space)
    for index in drawn:
        network, labels = space.network(index), space.labels(index)
        profile, names = rf.profile(network), [layer.name for layer in network.layers]
        sized = rf.profile(network, input_size=space.input_size) if space.input_size else None
        for stage, layer in space.outputs(index).items():
            row = tree[stage].sel({name: label for name, label in labels.items() if name in tree[stage].dims})
            if layer == "input":
                assert (row.area.item(), row.terms.item()) == (1, 1)
                continue
            want = profile.sel(layer=layer)
            assert 1 <= row.terms <= want.terms  # a profile keeps the products of its merges
            for name in FIGURES:
                assert row[name].item() == np.ravel(want[name].values)[0], (index, stage, name)
            if "params" in row:
                # layers that lead to no output of this stage are in the network all the same: all stages so far
                assert row.params.item() == profile.params.values[: names.index(layer) + 1].sum()
            if "macs" in row and sized is not None:
                assert row.macs.item() == sized.macs.values[: names.index(layer) + 1].sum()


def drawn(space: Space, n: int, seed: int = 7):
    return range(space.size) if space.size <= n else random.Random(seed).sample(range(space.size), n)


@pytest.mark.parametrize(
    "spec",
    [
        UNET,
        GOES_BACK,
        CELLS,
        {**UNET, "name": "line", "axes": 1},
        *(random_space(s) for s in range(8)),
        random_space(8, 3),
    ],
    ids=lambda spec: spec["name"],
)
def test_every_architecture_has_the_figures_of_its_network(spec):
    space = Space.from_dict(spec)
    same_as_profiles(space, drawn(space, 12 if len(space.axes) < 3 else 3))


@pytest.mark.parametrize("spec", [UNET, GOES_BACK, random_space(4), random_space(5)], ids=lambda s: s["name"])
def test_figures_are_those_of_plain_sets(spec):
    space = Space.from_dict(spec)
    tree = rf.sweep(space)
    for index in drawn(space, 3, 2):
        labels = space.labels(index)
        row = {name: space.chosen(index)[name] if name.endswith("_choice") else v for name, v in labels.items()}
        expected = Architecture(_plain(spec, row), row)
        for stage in [s.name for s in space.stages][-3:]:
            found = tree[stage].sel({name: label for name, label in labels.items() if name in tree[stage].dims})
            want = expected.figures(stage)
            for name in ("area", "extent", "pixels", "max_gap", "jump", "terms"):
                assert found[name].item() == getattr(want, name), (index, stage, name)
            assert found.overlap.item() == want.shared / want.area
            assert found.density.item() == want.area / want.box


def _plain(spec, row):
    """Shared factors written out: the oracle knows those of stages only."""

    def value(v):
        return row[v[1:]] if isinstance(v, str) and v.startswith("$") else v

    return {**spec, "stages": [{key: value(v) for key, v in stage.items()} for stage in spec["stages"]]}


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "spec",
    [UNET, GOES_BACK, CELLS, rf.cells.unet(2, convs=1), rf.cells.fpn(3, (1, 2), (3, 5))],
    ids=lambda spec: spec["name"],
)
def test_every_architecture_of_whole_spaces(spec):
    space = Space.from_dict(spec)
    same_as_profiles(space, range(space.size))


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "spec",
    [
        rf.cells.unet(4, channels=4),
        rf.cells.unet(4, up=["nearest", "bilinear"], optional=True, dilations=(1,), channels=4),
        rf.cells.unet(3, up="conv_transpose", kernels=(3, 5, 7), convs=1),
        rf.cells.fpn(5, (1, 2, 3, 4), (3, 5), channels=8),
        *(random_space(seed) for seed in range(100, 130)),
    ],
    ids=lambda spec: spec["name"],
)
def test_samples_of_large_spaces(spec):
    space = Space.from_dict(spec)
    same_as_profiles(space, drawn(space, 200 if "random" not in space.name else 40))


def test_maps_of_different_phases_on_the_axes_are_counted_too():
    """The largest footprint may be that of an entry in other phases on the two axes: figures are of the first one."""
    two = [{"kernel": 2, "dilation": 2}], [{"kernel": 3, "dilation": 6}, {"kernel": 2, "dilation": 6}]
    far = {"kernel": 3, "dilation": 6}
    stages = [
        {"name": "e", "branches": list(two), "aligned": False},
        {"name": "p", "kernel": 1, "stride": 2},
        {"name": "b", "branches": {"choose": [1, 2], "of": [{"kernel": 2, "dilation": 3}, far]}, "aligned": False},
        {"name": "u", "op": "conv_transpose", "kernel": [2, 3, 5], "stride": 2},
        {"name": "j", "skip": "e", "aligned": False},
        {"name": "d", "kernel": [2, 3], "dilation": 2},
    ]
    space = Space.from_dict({"stages": stages})
    found = [rf.profile(space.network(i)).isel(layer=-1).extent.values.tolist() for i in range(space.size)]
    assert any(y != x for y, x in found)
    assert rf.sweep(space)[space.stages[-1].name].extent.values.ravel().tolist() == [y for y, _ in found]
    derived = rf.derive(rf.sweep(space)[space.stages[-1].name])
    assert (derived.density.values <= 1).all()


def test_the_largest_entry_off_the_diagonal():
    """The example of docs/theory.md, 15.3."""
    period = 16
    x, y = Family(2, period, ((0, 7), (8, 3))), Family(2, period, ((0, 7), (10, 3)))
    found = dict(zip((*FIGURES_OF_MAPS, *AXIS_FIGURES), map_figures(((x,), (y,)), 2), strict=True))
    assert (found["area"], found["extent"], found["box"], found["terms"], found["jump"]) == (12, 3, 12, 2, 8)


def test_families_compose_as_entries_read():
    draw = random.Random(1)

    def family():
        up = draw.choice([1, 2, 3, 4, 6])
        sets = tuple((draw.randint(-5, 5), draw.getrandbits(4) * 2 + 1) for _ in range(up))
        return Family(up, draw.choice([1, 2, 3, 4]), sets)

    def reads(one, entry):
        first, bits = one.at(entry)
        return {first + i for i in range(bits.bit_length()) if bits >> i & 1}

    for _ in range(200):
        outer, inner = family(), family()
        made = compose(outer, inner)
        assert made.jump == outer.jump * inner.jump
        for entry in range(-13, 25):
            assert reads(made, entry) == set().union(*(reads(inner, e) for e in reads(outer, entry)))
    assert reduced(Family(4, 6, ((0, 1), (1, 3), (3, 1), (4, 3)))) == Family(2, 3, ((0, 1), (1, 3)))


def test_questions_agree_with_the_list():
    space = Space.from_dict(UNET)
    table = rf.derive(rf.sweep(space)["d1"])
    flat = {name: table[name].values.ravel() for name in table.data_vars}
    condition = (flat["density"] < 1) & (flat["extent"] >= 30)
    where = "density < 1 and extent >= 30"
    counts = rf.count(space, ["extent", "terms"], where=where)
    assert counts.sum() == condition.sum()
    for extent, terms in set(zip(flat["extent"][condition].tolist(), flat["terms"][condition].tolist(), strict=True)):
        want = ((flat["extent"] == extent) & (flat["terms"] == terms) & condition).sum()
        assert counts.sel(extent=extent, terms=terms) == want
    best = rf.best(space, "macs", k=5, where=where)
    assert best.objective.values.tolist() == sorted(flat["macs"][condition].tolist())[:5]
    front = rf.pareto(space, "params", "-area", where="j2_skip == 'e2'")
    picked = (table.params * 0 + (table.j2_skip == "e2")).values.ravel() > 0
    points = set(zip(flat["params"][picked].tolist(), (-flat["area"][picked]).tolist(), strict=True))
    want = {p for p in points if not any(q[0] <= p[0] and q[1] <= p[1] and q != p for q in points)}
    assert {tuple(p) for p in front.objectives.values.tolist()} == want
    rows = rf.sample(space, 50, where=where, seed=4)
    assert condition[rows.index.values].all()
    for name in ("area", "overlap", "terms", "macs", "density"):
        assert (rows[name].values == flat[name][rows.index.values]).all()
    assert rf.count(space, "e2.extent").sum() == space.size


def test_designs_are_those_of_an_exhaustive_search():
    space = Space.from_dict(rf.cells.unet(1, convs=1, channels=4))
    sizes = np.random.default_rng(5).uniform(3, 30, (60, 2)).round()
    found = rf.design(space, sizes, k=2, n=1)
    tree, best = rf.sweep(space), np.inf
    sides = np.sqrt(sizes.prod(axis=1))
    for index in range(space.size):
        labels = space.labels(index)
        widths = {tree[s].sel({k: v for k, v in labels.items() if k in tree[s].dims}).area.item() ** 0.5 for s in tree}
        for a in widths:
            for b in widths - {a}:
                best = min(best, np.abs(np.log2(np.array([[a], [b]]) / sides)).min(axis=0).mean())
    assert found.tightness.item() == pytest.approx(best, rel=0.05)  # sizes are binned
    chosen = found.isel(rank=0)
    profile = rf.profile(space.network(chosen))
    for layer, width in zip(chosen.map_layer.values, chosen.map_width.values, strict=True):
        assert profile.width.sel(layer=layer) == width


def test_designs_need_maps_that_grow():
    with pytest.raises(InputError, match=r"after stage '.*' may be smaller than that before; .*ask rf\.best"):
        rf.design(Space.from_dict(rf.cells.fpn(2)), np.array([[20, 20], [40, 40]]), k=2)


def test_stored_and_cut_anywhere(tmp_path):
    space = Space.from_dict(UNET)
    whole, stored = rf.sweep(space), rf.sweep(space, store=tmp_path / "s.zarr")
    for stage in ("b", "j2", "d1"):
        for name in whole[stage].data_vars:
            assert np.array_equal(stored[stage][name].values, whole[stage][name].values)
    blocks = Blocks(space)
    size = blocks.size("d1")
    parts = blocks.empty("d1", 0, size)
    for start in range(0, size, 37):
        stop = min(size, start + 37)
        blocks.fill("d1", start, stop, {name: values[start:stop] for name, values in parts.items()})
    assert np.array_equal(parts["density"], whole["d1"].density.values.ravel())


def test_states_of_a_unet_are_few():
    space = Space.from_dict(rf.cells.unet(4, channels=16))
    assert space.size == 262144
    assert rf.count(space, "extent").sum() == 262144
    levels, programs = compiled(space).axes[0].levels, compiled(space).programs
    assert max(len(level.state) for level in levels) == len(levels[-1].state) == 1007
    assert [p.before for p in programs if p.stage in ("e1", "e2", "d2", "d1")] == [(), ("e1",), ("e1",), ()]


def test_too_many_states_name_the_stage():
    with pytest.raises(InputError, match=r"the states of stage '.*' need more than 2e-05 GB"):
        rf.sweep(Space.from_dict(rf.cells.unet(3)), memory=20_000)


def test_too_large_strides_and_kernels_name_the_stage():
    def space(**after):
        return Space.from_dict({"stages": [{"name": "a", "kernel": 3}, {"name": "j", "skip": "a"}, *stages(**after)]})

    def stages(**after):
        return [{"name": "b", "kernel": 1, "stride": 1 << 20}, {"name": "c", **after}]

    with pytest.raises(InputError, match="stage 'c': jumps of more than 67108864 pixels"):
        rf.sweep(space(kernel=1, stride=1 << 20))
    with pytest.raises(InputError, match="stage 'c': extents of more than 67108864 pixels"):
        rf.sweep(space(kernel=99))
    assert rf.sweep(space(kernel=1, stride=64))["c"].jump.item() == 1 << 26
