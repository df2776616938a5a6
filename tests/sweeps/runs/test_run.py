"""Every architecture's figures, against plain sets and against the engine."""

from __future__ import annotations

import numba
import numpy as np
import pytest

import rfscale as rf
from rfscale.sweeps.runs.blocks import Blocks
from tests.oracles.spaces import table
from tests.sweeps.some_spaces import ALL, ANISOTROPIC, DEMO, LINE, MIXED, random_space

FIGURES = ("pixels", "extent", "jump", "shared")


def check_against_reference(spec, tree):
    space = rf.Space.from_dict(spec)
    rows = table(spec, len(space.axes))
    assert len(rows) == space.size
    for i, stage in enumerate(space.stages):
        ds = tree[stage.name].dataset
        step = space.size // space.stage_sizes[i]
        assert [f[i] for _, f in rows[::step] for _ in range(step)] == [f[i] for _, f in rows], "prefixes share figures"
        for name in FIGURES:
            want = np.array([getattr(f[i], name) for _, f in rows[::step]])
            got = ds[name].values.reshape(want.shape[0], -1)
            assert ds[name].dtype == np.int32
            assert np.array_equal(got, want[:, : got.shape[1]]), (stage.name, name)
        for name in {"params", "macs"} & set(ds):
            assert np.array_equal(ds[name].values.ravel(), [getattr(f[i], name) for _, f in rows[::step]])


@pytest.mark.parametrize("spec", ALL, ids=lambda s: s["name"])
def test_equals_plain_sets(spec):
    check_against_reference(spec, rf.sweep(rf.Space.from_dict(spec)))


@pytest.mark.parametrize("seed", range(40))
def test_random_spaces_equal_plain_sets(seed):
    spec = random_space(seed)
    check_against_reference(spec, rf.sweep(rf.Space.from_dict(spec)))


@pytest.mark.parametrize("spec", ALL, ids=lambda s: s["name"])
def test_equals_the_engine(spec):
    space = rf.Space.from_dict(spec)
    tree = rf.sweep(space, formulas=True)
    stages = {s.name: rf.derive(tree[s.name]) for s in space.stages}
    for index in range(0, space.size, 7):
        labels, network = space.labels(index), space.network(index)
        profile = rf.profile(network)
        layers = list(profile.layer.values)
        for stage, layer in space.outputs(index).items():
            if layer == "input":
                continue
            row = stages[stage].sel({d: v for d, v in labels.items() if d in stages[stage].dims})
            exact = profile.sel(layer=layer)
            for name in ("area", "density", "width"):
                assert row[name].item() == exact[name].item()
            for name in ("extent", "jump", "overlap"):
                assert np.array_equal(np.broadcast_to(row[name], exact[name].shape), exact[name].values)
            for name in ("published_area", "published_overlap", "closed_form_area", "closed_form_overlap"):
                if name in row:
                    want = exact[name].values
                    assert np.allclose(np.broadcast_to(row[name], want.shape), want, rtol=1e-12, equal_nan=True), name
            for name in {"params", "macs"} & set(row):
                assert row[name].item() == profile[name].values[: layers.index(layer) + 1].sum()


def test_closed_form_goes_on_where_the_stride_keeps_to_the_taps():
    dilated = {"name": "a", "kernel": 3, "dilation": [2, 3], "stride": [1, 2, 3, 6]}
    space = rf.Space.from_dict({"stages": [dilated, {"name": "b", "kernel": 2, "dilation": [1, 4]}]})
    found = rf.sweep(space, formulas=True)["b"]
    for name in ("closed_form_area", "closed_form_overlap"):
        exact = [rf.profile(space.network(i))[name].values[-1].max() for i in range(space.size)]
        assert np.array_equal(found[name].values.ravel(), exact, equal_nan=True)
    assert np.isnan(found.closed_form_area).sum() < space.size


@pytest.mark.parametrize("spec", [*ALL, *(random_space(s) for s in range(100, 110))], ids=lambda s: s["name"])
@pytest.mark.parametrize("memory", [0, 200, 2000, 20_000])
def test_depth_first_equals_merged(spec, memory):
    space = rf.Space.from_dict(spec)
    merged = rf.sweep(space)
    assert rf.sweep(space, memory=memory).identical(merged)


@pytest.mark.parametrize("spec", [DEMO, ANISOTROPIC, MIXED, LINE], ids=lambda s: s["name"])
@pytest.mark.parametrize("memory", [0, 1 << 30])
def test_any_cut_into_blocks_gives_the_same(spec, memory):
    blocks = Blocks(rf.Space.from_dict(spec), formulas=True, memory=memory)
    for stage in blocks.stages:
        n = blocks.size(stage)
        whole = blocks.empty(stage, 0, n)
        blocks.fill(stage, 0, n, whole)
        for step in (1, 7, 50):
            for start in range(0, n, step) if n < 100 * step else range(0, n, n // 20):
                stop = min(n, start + step)
                part = blocks.empty(stage, start, stop)
                blocks.fill(stage, start, stop, part)
                for name, values in part.items():
                    assert np.array_equal(values, whole[name][start:stop], equal_nan=values.dtype.kind == "f")


def test_any_number_of_threads_gives_the_same():
    spec = {"stages": [{"name": f"s{i}", "kernel": 2, "dilation": [2, 3, 5, 7], "stride": [1, 2]} for i in range(6)]}
    space = rf.Space.from_dict(spec)
    threads = numba.get_num_threads()
    trees = []
    for n in {1, threads}:
        numba.set_num_threads(n)
        try:
            trees += [rf.sweep(space), rf.sweep(space, memory=100_000)]
        finally:
            numba.set_num_threads(threads)
    assert all(tree.identical(trees[0]) for tree in trees)


def test_labels_and_attrs():
    space = rf.Space.from_dict(DEMO)
    tree = rf.sweep(space)
    ds = tree["s3"].dataset
    assert ds.pixels.dims == ("stem_kernel", "s1_dilation", "s1_repeat", "k", "s2_repeat", "s3_choice")
    assert ds.sel(s1_dilation=2, s3_choice="holes").pixels.dims == ("stem_kernel", "s1_repeat", "k", "s2_repeat")
    assert ds.extent.attrs == {"units": "pixel", "long_name": "bounding box of the footprint"}
    assert tree.attrs["space_hash"] == space.hash
    assert tree.attrs["architectures"] == str(space.size)
    assert list(rf.sweep(space, stages=["s2"]).children) == ["s2"]


def test_axis_labels():
    ds = rf.sweep(rf.Space.from_dict(ANISOTROPIC))["a"].dataset
    assert ds.extent.dims == ("a_kernel", "a_stride", "axis")
    assert ds.extent.sel(a_kernel="1x7", a_stride="1").values.tolist() == [1, 7]
    assert ds.axis.values.tolist() == ["y", "x"]


def test_refuses_overflow_and_names_the_stage():
    stages = [{"name": f"s{i}", "kernel": 3, "stride": [1, 16]} for i in range(9)]
    with pytest.raises(rf.InputError, match=r"stage 's7' reaches jumps of .*at most 2147483647"):
        rf.sweep(rf.Space.from_dict({"stages": stages}))
    deep = [{"name": f"s{i}", "kernel": 9, "stride": 2, "channels": 2**20} for i in range(5)]
    with pytest.raises(rf.InputError, match=r"stage 's1' reaches macs"):
        rf.sweep(rf.Space.from_dict({"stages": deep, "channels": 1, "input_size": 10**5}))


def test_refuses_what_does_not_fit():
    for depth, remedy in (19, "write it to a store, give `stages`"), (25, "give `stages`"):  # no disk takes 4^25
        space = rf.Space.from_dict({"stages": [{"name": f"s{i}", "kernel": [1, 3, 5, 7]} for i in range(depth)]})
        with pytest.raises(rf.InputError, match=rf"the result needs .* of memory and .* are free; {remedy}"):
            rf.sweep(space)
    with pytest.raises(rf.InputError, match=r"no stage 's99'; did you mean 's9'"):
        rf.sweep(space, stages=["s99"])
    for stages in ([], "s1"):
        with pytest.raises(rf.InputError, match=r"stages is .*; give a list of at least one, such as \['s0'\]"):
            rf.sweep(space, stages=stages)
    with pytest.raises(rf.InputError, match=r"space is 3; it must be an rf.Space"):
        rf.sweep(3)


def test_deep_stages_and_many_of_them():
    deep = {"channels": 2, "stages": [{"name": "s", "kernel": 3, "repeat": [1, 1200]}]}
    many = {"channels": 2, "stages": [{"name": f"s{i}", "kernel": 3 if i else [1, 3]} for i in range(1200)]}
    for spec, last in ((deep, "s"), (many, "s1199")):
        found = rf.sweep(rf.Space.from_dict(spec), stages=[last], formulas=True)[last]
        assert found.extent.values.max() == 2401
        assert found.closed_form_area.values.max() == 2401**2
        assert found.params.values.max() == 3 * 9 * 2 + 2 + 1199 * (2 * 9 * 2 + 2)


def test_volumes_that_pass_int64():
    stages = [{"name": f"s{i}", "kernel": 3 if i < 24 else [3, 5], "stride": 2} for i in range(25)]
    found = rf.derive(rf.sweep(rf.Space.from_dict({"axes": 3, "stages": stages}), stages=["s24"])["s24"])
    assert np.allclose(found.area, found.extent.values.astype(float) ** 3)
    assert (found.density == 1).all()
