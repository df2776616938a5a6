"""Stores: equal to the figures in memory, read by plain xarray, and equal again after whatever ends a process."""

from __future__ import annotations

import errno
import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
from math import prod
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

import rfscale as rf
from rfscale.engine import Network
from rfscale.engine.errors import InputError
from rfscale.sweeps.runs.store import durable, store
from rfscale.sweeps.runs.store import layout as blockstore
from rfscale.sweeps.runs.store import zarr_files as shards
from rfscale.sweeps.runs.store.layout import cut
from rfscale.sweeps.runs.store.store import write_store
from tests.sweeps.some_spaces import ALL, DEMO

SMALL = 600  # bytes of a block: many of them in small spaces
KILLED = """
import sys
import rfscale as rf
from rfscale.sweeps.runs.store.store import write_store
stages = [{"name": f"s{i}", "kernel": 3, "dilation": [1, 2, 3, 4]} for i in range(8)]
write_store(rf.Space.from_dict({"stages": stages}), sys.argv[1], block_bytes=1 << 12)
"""


def demo():
    return rf.Space.from_dict(DEMO)


def contents(path):
    """Every file of a store but the lock."""
    return {str(f.relative_to(path)): f.read_bytes() for f in Path(path).rglob("*") if f.is_file() and f.name != "lock"}


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


def test_zarr_writes_the_same_values(tmp_path):
    """Shards, edges and text that zarr wrote, beside ours: it reads both alike, and goes on with ours."""
    path, values = tmp_path / "ours", np.arange(6 * 7 * 5, dtype=np.int32).reshape(6, 7, 5)
    for shard, chunk in [
        ((4, 7, 5), (1, 7, 5)),
        ((1, 8, 5), (1, 2, 5)),
        ((6, 7, 5), (6, 7, 5)),
        ((1, 1, 5), (1, 1, 1)),
    ]:
        shutil.rmtree(path, ignore_errors=True)
        made = shards.array_metadata(values.shape, shard, chunk, "int32", list("abc"), {"units": "pixel"})
        shards.write_whole(path / "zarr.json", shards.json_content(made))
        for at in np.ndindex(*(-(-n // s) for n, s in zip(values.shape, shard, strict=True))):
            part = values[tuple(slice(p * s, (p + 1) * s) for p, s in zip(at, shard, strict=True))]
            shards.write_whole(path / shards.chunk_key(at), shards.encode(np.ascontiguousarray(part), shard, chunk))
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


def test_kill_9_and_resume(tmp_path):
    script = [sys.executable, "-c", KILLED]
    subprocess.run([*script, str(tmp_path / "whole")], check=True)
    broken = tmp_path / "broken"
    draw = random.Random(7)
    kills = 0
    for share in (0.1, 0.4, 0.7):
        process = subprocess.Popen([*script, str(broken)])
        while process.poll() is None and len(list(broken.glob("done/c.*"))) < share * 400:
            time.sleep(0.001)
        time.sleep(draw.random() * 0.02)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 2
    before = len(list(broken.glob("done/c.*")))
    (broken / "s7" / "extent" / f".c.0.{'ab' * 16}.partial.0").write_bytes(b"half")
    subprocess.run([*script, str(broken)], check=True)
    assert before < len(list(broken.glob("done/c.*")))
    assert contents(broken) == contents(tmp_path / "whole")


def test_killed_while_it_was_created(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    write_store(demo(), whole)
    (broken / "done").mkdir(parents=True)
    (broken / "done" / "lock").touch()
    shutil.copytree(whole / "s1" / "stem_kernel", broken / "s1" / "stem_kernel")
    (broken / "s1" / f".zarr.{'0f' * 16}.partial.json").write_text('{"attributes": {}')
    write_store(demo(), broken)
    assert contents(broken) == contents(whole)
    (tmp_path / "barer" / "done").mkdir(parents=True)  # before the lock was made
    write_store(demo(), tmp_path / "barer")
    assert contents(tmp_path / "barer") == contents(whole)


def test_a_beginning_that_holds_anything_else_is_left_alone(tmp_path):
    strangers = {"notes.txt": "mine", "zarr.json": "{}", "other/a": "mine", "s1/extent/zarr.json": "{}", "s1/mine": "",
                 "zarr.json.partial": "mine", "done/c.mine": "mine", "s1/link": None, "folder/": None}  # fmt: skip
    for i, (name, text) in enumerate(strangers.items()):
        path = tmp_path / str(i)
        (path / "done").mkdir(parents=True)
        (path / "done" / "lock").write_text("process 1 on here")
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        if text is not None:
            (path / name).write_text(text)
        elif name.endswith("/"):
            (path / name).mkdir()
        else:
            (path / name).symlink_to(tmp_path)
        before = contents(path)
        with pytest.raises(InputError, match=r"is a folder of something else, such as .*left alone"):
            write_store(demo(), path)
        assert contents(path) == before


def damages(path, draw):
    """Ways to lose data of a store, each with the files that it may strike."""
    chunks = [f for f in path.rglob("c.*") if f.parent.name != "done"]
    shards = [f for f in chunks if f.parent.name not in demo().dims and f.parent.name != "axis"]

    def flip(file):
        content = bytearray(file.read_bytes())
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        file.write_bytes(content)

    yield "missing", shards, Path.unlink
    yield "empty", chunks, lambda file: file.write_bytes(b"")
    yield "short", shards, lambda file: file.write_bytes(file.read_bytes()[:-1])
    yield "long", shards, lambda file: file.write_bytes(file.read_bytes() + b"\0")
    yield "flipped", chunks, flip
    yield "metadata", list(path.glob("*/*/zarr.json")), lambda file: file.write_bytes(b"")


def test_lost_data_is_found_and_written_again(tmp_path):
    draw = random.Random(3)
    path = tmp_path / "a.zarr"
    write_store(demo(), path, block_bytes=SMALL)
    before = contents(path)
    for name, files, damage in damages(path, draw):
        for _ in range(4):
            damage(draw.choice(files))
            assert contents(path) != before, name
            summary = write_store(demo(), path, block_bytes=SMALL)
            assert contents(path) == before, name
            assert summary.damaged == summary.written
    tick = path / "done" / "c.3"
    tick.write_bytes(b"\3")
    assert write_store(demo(), path, block_bytes=SMALL).damaged == 1
    assert contents(path) == before


def test_readers_see_every_flipped_bit(tmp_path):
    """Plain zarr: no flipped bit of a shard passes."""
    draw = random.Random(5)
    path = tmp_path / "a.zarr"
    for block_bytes in (SMALL, blockstore.BLOCK_BYTES):  # with chunks in shards, and without
        shutil.rmtree(path, ignore_errors=True)
        write_store(demo(), path, block_bytes=block_bytes)
        shards = sorted(path.glob("s3/extent/c.*"))
        for _ in range(30):
            file = draw.choice(shards)
            content = file.read_bytes()
            flipped = bytearray(content)
            flipped[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
            file.write_bytes(flipped)
            with pytest.raises((ValueError, RuntimeError, OSError)):
                zarr.open_array(path / "s3" / "extent", mode="r")[:]
            file.write_bytes(content)


@pytest.mark.parametrize("whole", [True, False], ids=["the file system", "file by file"])
def test_data_reach_the_disk_before_the_tick(whole, tmp_path, monkeypatch):
    order = []
    sync, replace, system = os.fsync, Path.replace, durable.sync_whole
    monkeypatch.setattr(os, "fsync", lambda file: (order.append(os.readlink(f"/proc/self/fd/{file}")), sync(file))[1])
    monkeypatch.setattr(Path, "replace", lambda a, b: (order.append(f"-> {b}"), replace(a, b))[1])
    monkeypatch.setattr(durable, "sync_whole", lambda folder: (order.append("all"), system(folder))[1])
    kind = durable.kind_of(tmp_path.stat().st_dev)
    monkeypatch.setattr(durable, "WHOLE", (kind,) if whole else ())
    monkeypatch.setattr(durable, "MAX_WAITING", float("inf"))
    write_store(demo(), tmp_path / "a.zarr", block_bytes=SMALL)
    assert ("all" in order) == whole
    ticks = [i for i, entry in enumerate(order) if "-> " in entry and "/done/c." in entry]
    assert len(ticks) > 3
    for begin, tick in zip([-1, *ticks], ticks, strict=False):
        block = order[begin + 1 : tick]
        for i, entry in enumerate(block):
            if entry.startswith("-> ") and "/done/c." not in entry:
                later = set(block[i:])
                assert "all" in later or {entry[3:], str(Path(entry[3:]).parent)} <= later


def test_a_file_system_that_is_written_whole_is_known():
    """Of a folder whose file system is not known, every file is written by itself."""
    assert durable.kind_of(os.makedev(4095, 1)) == ""
    kinds = Path("/proc/self/mountinfo").read_text()
    assert durable.kind_of(os.stat("/proc/self").st_dev) == ("proc" if " - proc " in kinds else "")


def test_what_is_lost_with_the_power_is_written_again(tmp_path):
    """The root may be there before what it names is: a file system may write names in any order."""
    write_store(demo(), tmp_path / "whole", block_bytes=SMALL)
    path = tmp_path / "a.zarr"
    path.mkdir()
    shutil.copy(tmp_path / "whole" / "zarr.json", path)
    write_store(demo(), path, block_bytes=SMALL)
    assert contents(path) == contents(tmp_path / "whole")


def test_the_tree_is_that_which_xarray_opens(tmp_path):
    path = tmp_path / "a.zarr"
    tree = rf.sweep(demo(), store=path)
    zarr.open_array(path / "s3" / "extent").attrs["mine"] = "kept"
    tree = rf.sweep(demo(), store=path)
    assert tree["s3"].extent.attrs["mine"] == "kept"
    assert "consolidated_metadata" not in json.loads((path / "zarr.json").read_text())
    copied = pickle.loads(pickle.dumps(tree["s3"].to_dataset()))
    with xr.open_datatree(path, engine="zarr", consolidated=False) as opened:
        assert tree.attrs == opened.attrs
        xr.testing.assert_identical(tree.done.load(), opened.done.load())
        for name, stage in opened.children.items():
            xr.testing.assert_equal(plain(tree[name].to_dataset().load()), plain(stage.to_dataset().load()))
            assert tree[name].attrs == stage.attrs
            assert all(tree[name][v].attrs == stage[v].attrs for v in stage.data_vars)
        xr.testing.assert_identical(copied.load(), tree["s3"].to_dataset().load())


def test_full_disk(tmp_path, monkeypatch):
    write_store(demo(), tmp_path / "whole", block_bytes=SMALL)
    path = tmp_path / "a.zarr"
    write, calls = blockstore.write_whole, iter(range(10**6))

    def full(path, content):
        if next(calls) > 60:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(blockstore, "write_whole", full)
        with pytest.raises(InputError, match=r"is full; [1-9]\d* of \d+ blocks are stored: make room"):
            write_store(demo(), path, block_bytes=SMALL)
    summary = write_store(demo(), path, block_bytes=SMALL)
    assert 0 < summary.written < summary.blocks
    assert contents(path) == contents(tmp_path / "whole")


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, check=False)
    yield disk if made.returncode == 0 else None
    if made.returncode == 0:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("room", [100_000, 500_000])  # for some of the labels, and for some of the blocks
def test_full_tmpfs(room, small_disk, tmp_path):
    if small_disk is None:
        return  # mounting needs root; test_full_disk shows the same by other means
    stuff = small_disk / "stuff"
    stuff.write_bytes(bytes((2 << 20) - room))
    with pytest.raises(InputError, match=r"the disk of .* is full; \d+ of \d+ blocks are stored: make room") as raised:
        write_store(demo(), small_disk / "a.zarr", block_bytes=SMALL)
    assert ("; 0 of" in str(raised.value)) == (room < 200_000)
    stuff.unlink()
    write_store(demo(), small_disk / "a.zarr", block_bytes=SMALL)
    write_store(demo(), tmp_path / "whole", block_bytes=SMALL)
    assert contents(small_disk / "a.zarr") == contents(tmp_path / "whole")


def test_interrupted(tmp_path):
    steps = []

    def stop(done, total):
        steps.append((done, total))
        if len(steps) == 4:
            raise KeyboardInterrupt

    path = tmp_path / "a.zarr"
    with pytest.raises(KeyboardInterrupt):
        write_store(demo(), path, progress=stop, block_bytes=SMALL)
    write_store(demo(), path, progress=lambda *now: steps.append(now), block_bytes=SMALL)
    assert steps[4] == steps[3] > steps[0] == (0, steps[0][1])
    assert steps[-1] == (steps[0][1],) * 2
    assert sorted(steps) == steps


def test_second_run_is_refused(tmp_path):
    path = tmp_path / "a.zarr"
    plan = blockstore.Plan(demo(), blockstore.Options(str(path)))
    with (
        store._Store(path, plan).locked(),
        pytest.raises(InputError, match=f"being written by process {os.getpid()} on"),
    ):
        write_store(demo(), path)
    assert write_store(demo(), path).written


def test_a_lock_that_is_not_ours_is_left_alone(tmp_path):
    """Links would overwrite what they lead to."""
    own = tmp_path / "own.txt"
    own.write_text("mine")
    for name, link in [("soft", os.symlink), ("hard", os.link), ("copy", shutil.copy)]:
        (tmp_path / name / "done").mkdir(parents=True)
        link(own, tmp_path / name / "done" / "lock")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "done").symlink_to(tmp_path / "elsewhere")
    before = contents(tmp_path)
    for name in ("soft", "hard", "copy", "folder"):
        with pytest.raises(InputError, match="left alone, give another path"):
            write_store(demo(), tmp_path / name)
    assert contents(tmp_path) == before
    assert own.read_text() == "mine"
    assert not any((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": rf.Space.from_dict({**DEMO, "channels": 7})}, "belongs to another space"),
        ({"formulas": True}, "begun with variables pixels, extent"),
        ({"stages": ["s3"]}, "begun with stages stem, s1, s2, s3, and now it is s3"),
        ({"block_bytes": 999}, "begun with block_bytes"),
    ],
)
def test_other_stores_are_refused(change, message, tmp_path):
    path = tmp_path / "a.zarr"
    write_store(demo(), path)
    before = contents(path)
    with pytest.raises(InputError, match=message):
        write_store(**{"space": demo(), "path": path, **change})
    assert contents(path) == before


def test_another_version_is_refused(tmp_path, monkeypatch):
    write_store(demo(), tmp_path / "a.zarr")
    monkeypatch.setattr(store, "__version__", "99.0")
    with pytest.raises(InputError, match=r"begun by rfscale .* and this is 99.0"):
        write_store(demo(), tmp_path / "a.zarr")


def test_other_paths_are_refused(tmp_path):
    file, folder, array, lost = (tmp_path / name for name in ("file", "folder", "array.zarr", "lost.zarr"))
    file.write_text("mine")
    folder.mkdir()
    (folder / "mine").write_text("mine")
    zarr.create_group(array)
    write_store(demo(), lost)
    (lost / "zarr.json").unlink()
    before = contents(tmp_path)
    for path, message in [
        (file, "is a file"),
        (folder, "something else"),
        (array, "something else"),
        (lost, "something else"),
        (tmp_path / "no" / "where", "there is no folder"),
    ]:
        with pytest.raises(InputError, match=message):
            write_store(demo(), path)
    assert contents(tmp_path) == before
    (tmp_path / "empty").mkdir()
    assert write_store(demo(), tmp_path / "empty").written


def test_too_large_for_the_disk(tmp_path, monkeypatch):
    stages = [{"name": f"s{i}", "kernel": [1, 3, 5, 7]} for i in range(7)]
    space = rf.Space.from_dict({"stages": stages})
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(InputError, match=r"holds 350 kB, about .* kB when compressed, and 1 kB are free.*count, best"):
        write_store(space, tmp_path / "a.zarr", block_bytes=1 << 14)
    assert not (tmp_path / "a.zarr").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=300_000))
    assert write_store(space, tmp_path / "a.zarr", block_bytes=1 << 14).written  # compressed, it fits


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
