"""Stores hold what a sweep in memory has, for our readers, plain xarray and zarr."""

from __future__ import annotations

import asyncio
import json
import pickle
import random
import shutil
from math import prod

import numpy as np
import pytest
import xarray as xr
import zarr

import rfscale as rf
from rfscale.engine import Network
from rfscale.engine.errors import InputError
from rfscale.sweeps.runs.store import layout as blockstore
from rfscale.sweeps.runs.store import store as store_module
from rfscale.sweeps.runs.store import zarr_files as shards
from rfscale.sweeps.runs.store.layout import cut
from rfscale.sweeps.runs.store.reading import opened
from rfscale.sweeps.runs.store.store import write_store
from tests.sweeps.runs.stored import SMALL, contents, demo
from tests.sweeps.some_spaces import ALL


def test_grids_cover_every_architecture_once():
    draw = random.Random(1)
    shapes = [
        tuple(draw.choice([1, 2, 3, 4, 5, 6, 7, 11, 12, 37]) for _ in range(draw.randint(0, 5))) for _ in range(40)
    ]
    for shape in [*shapes, (2, 101, 7), (1009,), (1009, 3)]:
        for rows, chunk_rows in ((1, 1), (7, 7), (40, 10), (500, 30), (10**6, 100)):
            grid = cut(shape, rows, chunk_rows)
            end = 0
            for number in range(grid.blocks):
                position, start, stop = grid.block(number)
                assert start == end
                end = stop
                low = [p * n for p, n in zip(position, grid.shard, strict=True)]  # where zarr reads this shard
                window = tuple(slice(at, at + n) for at, n in zip(low, grid.shard, strict=True))
                inside = np.arange(prod(shape)).reshape(shape)[window]
                assert inside.ravel().tolist() == list(range(start, stop))
            assert end == prod(shape)
            assert all(a % b == 0 for a, b in zip(grid.shard, grid.chunk, strict=True))
            assert prod(grid.shard) <= max(2 * rows, prod(grid.chunk))


@pytest.mark.parametrize("block_bytes", [SMALL, blockstore.BLOCK_BYTES])
@pytest.mark.parametrize("spec", ALL, ids=lambda s: s["name"])
def test_equals_the_figures_in_memory(spec, block_bytes, tmp_path):
    space = rf.Space.from_dict(spec)
    path = tmp_path / "a.zarr"
    summary = write_store(space, path, formulas=True, block_bytes=block_bytes)
    assert summary.architectures == space.size
    assert summary.written == summary.blocks > 0
    memory = rf.sweep(space, formulas=True)
    for stage in memory.children:
        with xr.open_zarr(path, group=stage, consolidated=False) as stored:
            xr.testing.assert_identical(plain(memory[stage].to_dataset()), plain(stored.load()))
    assert write_store(space, path, formulas=True, block_bytes=block_bytes).written == 0


def plain(ds):
    """Text as objects: zarr gives strings of any length."""
    return ds.assign_coords({k: v.astype(object) for k, v in ds.coords.items() if v.dtype.kind in "UT"})


def test_plain_xarray_reads_lazily(tmp_path):
    path = tmp_path / "a.zarr"
    write_store(demo(), path, block_bytes=SMALL)
    with xr.open_datatree(path, engine="zarr", consolidated=False) as tree:
        assert set(tree.children) == {"stem", "s1", "s2", "s3"}
        extent = tree["s3"].extent
        assert not extent.variable._in_memory
        assert extent.attrs == {"units": "pixel", "long_name": "bounding box of the footprint"}
        labels = {"stem_kernel": 7, "s1_dilation": 2, "s1_repeat": 2, "k": 5, "s2_repeat": 1, "s3_choice": "holes"}
        one = rf.sweep(demo())["s3"].extent.sel(labels).item()
        assert extent.sel(labels).item() == one
        assert tree.attrs["space_hash"] == demo().hash
        assert rf.Space.from_dict(json.loads(tree.attrs["space"])) == demo()
        assert tree.done.values.all()
    group = zarr.open_group(path, mode="r")
    assert group["s3/extent"].metadata.dimension_names == tuple(demo().dims)


@pytest.mark.parametrize("layout", [shards.PLAIN, shards.SHUFFLED])
def test_zarr_writes_the_same_values(layout, tmp_path):
    """Shards, edges and text that zarr wrote, beside ours: it reads both alike, and goes on with ours."""
    path, values = tmp_path / "ours", np.arange(6 * 7 * 5, dtype=np.int32).reshape(6, 7, 5)
    for shard, chunk in [
        ((4, 7, 5), (1, 7, 5)),
        ((1, 8, 5), (1, 2, 5)),
        ((6, 7, 5), (6, 7, 5)),
        ((1, 1, 5), (1, 1, 1)),
    ]:
        shutil.rmtree(path, ignore_errors=True)
        codecs = shards.codecs_of(layout, "int32", chunk)
        made = shards.array_metadata(values.shape, shard, chunk, "int32", list("abc"), {"units": "pixel"}, codecs)
        shards.write_whole(path / "zarr.json", shards.json_content(made))
        for at in np.ndindex(*(-(-n // s) for n, s in zip(values.shape, shard, strict=True))):
            part = values[tuple(slice(p * s, (p + 1) * s) for p, s in zip(at, shard, strict=True))]
            content = shards.encode(np.ascontiguousarray(part), shard, chunk, layout=layout)
            shards.write_whole(path / shards.chunk_key(at), content)
        ours = zarr.open_array(path, mode="r+")
        assert np.array_equal(ours[:], values)
        ours[1:5, 2:4] = -1
        assert (ours[1:5, 2:4] == -1).all()
        assert np.array_equal(ours[0], values[0])
    for labels in (["x", "yé", ""], [1, -2], [0.5, 2.0], [True, False]):
        for file, content in shards.label_files("k", labels).items():
            shards.write_whole(tmp_path / file, content)
        assert zarr.open_array(tmp_path / "k")[:].tolist() == labels


def test_run_returns_the_store(tmp_path):
    tree = rf.sweep(demo(), store=tmp_path / "a.zarr", stages=["s1", "s3"])
    assert list(tree.children) == ["s1", "s3"]
    memory = rf.sweep(demo())
    assert list(tree["s3"].data_vars) == list(memory["s3"].data_vars)
    xr.testing.assert_equal(plain(tree["s3"].to_dataset().load()), plain(memory["s3"].to_dataset()))


def test_networks(tmp_path):
    def chain(k, d):
        return Network.sequential({"kernel": k}, {"kernel": 3, "dilation": d})

    space = rf.NetworkSpace(chain, {"k": [3, 5, 7], "d": [1, 2]})
    write_store(space, tmp_path / "a.zarr")
    with xr.open_zarr(tmp_path / "a.zarr", group="networks", consolidated=False) as stored:
        xr.testing.assert_identical(stored.load(), plain(rf.sweep(space)["networks"].to_dataset()))
    other = rf.NetworkSpace(chain, {"k": [3, 5, 7], "d": [1, 3]})
    with pytest.raises(InputError, match="another space"):
        write_store(other, tmp_path / "a.zarr")


def test_the_tree_is_that_which_xarray_opens(tmp_path):
    path = tmp_path / "a.zarr"
    tree = rf.sweep(demo(), store=path)
    zarr.open_array(path / "s3" / "extent").attrs["mine"] = "kept"
    tree = rf.sweep(demo(), store=path)
    assert tree["s3"].extent.attrs["mine"] == "kept"
    assert "consolidated_metadata" not in json.loads((path / "zarr.json").read_text())
    copied = pickle.loads(pickle.dumps(tree["s3"].to_dataset()))
    with xr.open_datatree(path, engine="zarr", consolidated=False) as theirs:
        assert tree.attrs == theirs.attrs
        xr.testing.assert_identical(tree.done.load(), theirs.done.load())
        for name, stage in theirs.children.items():
            xr.testing.assert_equal(plain(tree[name].to_dataset().load()), plain(stage.to_dataset().load()))
            assert tree[name].attrs == stage.attrs
            assert all(tree[name][v].attrs == stage[v].attrs for v in stage.data_vars)
        xr.testing.assert_identical(copied.load(), tree["s3"].to_dataset().load())


def test_variables_are_those_of_xarray(tmp_path):
    """Lazy, indexed as xarray indexes, kept when read, changed without the file, and stored again in the same cuts."""
    path = tmp_path / "a.zarr"
    for block_bytes in (SMALL, blockstore.BLOCK_BYTES):  # with shards, and without
        shutil.rmtree(path, ignore_errors=True)
        write_store(demo(), path, block_bytes=block_bytes)
        _, found = opened(path, ["s3"])
        ours = xr.Dataset(found["s3"][0])
        with xr.open_zarr(path, group="s3", consolidated=False) as theirs:
            a, b = ours.extent, theirs.drop_vars(theirs.coords).extent
            for key in {"chunks", "preferred_chunks", "shards", "fill_value", "dtype"} & {*b.encoding}:
                assert a.encoding[key] == b.encoding[key], key  # xarray 2025.6 tells no fill_value
            assert not a.variable._in_memory
            xr.testing.assert_identical(a[..., ::-1, 1], b[..., ::-1, 1])
            xr.testing.assert_identical(a[{"k": [1, 0], "s1_repeat": [1]}], b[{"k": [1, 0], "s1_repeat": [1]}])
            points = {"k": xr.DataArray([1, 0, 1], dims="p"), "s1_repeat": xr.DataArray([0, 1, 1], dims="p")}
            xr.testing.assert_identical(a[points], b[points])
            if hasattr(a, "load_async"):
                xr.testing.assert_identical(asyncio.run(a.copy().load_async()), b.load())
            before = b.values.copy()
            a[{"k": 0}] = -1
            assert (a[{"k": 0}] == -1).all()
        xr.Dataset(opened(path, ["s3"])[1]["s3"][0]).to_zarr(tmp_path / "copy", mode="w", consolidated=False)
        copy = zarr.open_array(tmp_path / "copy" / "extent", mode="r")
        assert copy.compressors == zarr.open_array(path / "s3" / "extent", mode="r").compressors
        assert np.array_equal(copy[:], before)


def test_a_store_of_the_layout_before(tmp_path, monkeypatch):
    """It is read, and gone on with as it was begun."""
    whole, path = tmp_path / "whole", tmp_path / "a.zarr"
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "layout_of", lambda target: shards.PLAIN)
        write_store(demo(), whole)
    shutil.copytree(whole, path)
    assert json.loads(json.loads((path / "zarr.json").read_text())["attributes"]["sweep"])["layout"] == shards.PLAIN
    (path / "done" / "c.1").unlink()
    (path / "s3" / "extent" / "c.0.0.0.0.0.0").unlink()
    tree = rf.sweep(demo(), store=path)
    assert contents(path) == contents(whole)
    memory = rf.sweep(demo())
    for stage in memory.children:
        xr.testing.assert_identical(tree[stage].to_dataset().load(), memory[stage].to_dataset())
    write_store(demo(), tmp_path / "new.zarr")
    assert contents(tmp_path / "new.zarr") != contents(whole)


def test_stages_that_cannot_be_stored(tmp_path):
    space = rf.Space.from_dict({"stages": [{"name": "done", "kernel": [3, 5]}]})
    with pytest.raises(InputError, match=r"'done'.*rename it"):
        write_store(space, tmp_path / "a.zarr")
    with pytest.raises(InputError, match=r"no stage 's9'; did you mean"):
        write_store(demo(), tmp_path / "a.zarr", stages=["s9"])
    with pytest.raises(InputError, match=r"stages is \(\); give a list of at least one, such as \['stem'\]"):
        write_store(demo(), tmp_path / "a.zarr", stages=[])
    stages = [{"name": f"s{i}", "kernel": [1, 3]} for i in range(70)]
    with pytest.raises(InputError, match=r"at most 64 dims.*count"):
        write_store(rf.Space.from_dict({"stages": stages}), tmp_path / "a.zarr")


@pytest.mark.parametrize("spec", ALL, ids=lambda s: s["name"])
def test_a_stored_sweep_is_that_in_memory(spec, tmp_path):
    space = rf.Space.from_dict(spec)
    stored, memory = rf.sweep(space, store=tmp_path / "a.zarr", formulas=True), rf.sweep(space, formulas=True)
    for stage in space.stages:
        found, wanted = stored[stage.name].to_dataset(), memory[stage.name].to_dataset()
        assert not any(v.variable._in_memory for v in found.data_vars.values())
        xr.testing.assert_identical(found.load(), wanted)
        assert list(found.xindexes) == list(wanted.xindexes)
