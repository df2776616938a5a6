"""Full disks, interrupts, locks, and folders that are something else."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess

import pytest
import zarr

import rfscale as rf
from rfscale.engine.errors import InputError
from rfscale.sweeps.runs.store import folder as store_folder
from rfscale.sweeps.runs.store import layout as blockstore
from rfscale.sweeps.runs.store.store import write_store
from tests.sweeps.runs.stored import SMALL, contents, demo
from tests.sweeps.some_spaces import DEMO


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
        store_folder.StoreFolder(path, plan).locked(),
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
    monkeypatch.setattr(store_folder, "__version__", "99.0")
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
        (lost, "lost its zarr.json"),
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
