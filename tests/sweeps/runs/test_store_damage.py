"""Stores of runs that were killed, lost data, and what reaches the disk when."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zarr

from rfscale.engine.errors import InputError
from rfscale.sweeps.runs.store import durable
from rfscale.sweeps.runs.store import folder as store_folder
from rfscale.sweeps.runs.store import layout as blockstore
from rfscale.sweeps.runs.store.store import write_store
from tests.sweeps.runs.stored import KILLED, SMALL, contents, demo


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


def test_no_figures_before_the_disk_has_what_names_them(tmp_path, monkeypatch):
    """The disk refuses the first files while figures are worked out: none of these is written."""

    def refuse(files):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    write_store(demo(), tmp_path / "whole", block_bytes=SMALL)
    path = tmp_path / "a.zarr"
    with monkeypatch.context() as patch:
        patch.setattr(store_folder, "settle", refuse)
        with pytest.raises(InputError, match=r"cannot write .*; 0 of \d+ blocks are stored"):
            write_store(demo(), path, block_bytes=SMALL)
    assert not list(path.glob("*/extent/c.*"))
    begun, settle, waited = {*path.rglob("*")} - {path / "done/lock"}, store_folder.settle, set()
    monkeypatch.setattr(store_folder, "settle", lambda files: (waited.update(files), settle(files)))
    write_store(demo(), path, block_bytes=SMALL)  # which waits for what the first run wrote, too
    assert waited == {file for file in begun if file.is_file()}
    assert contents(path) == contents(tmp_path / "whole")


def test_a_block_is_ticked_off_only_on_the_disk(tmp_path, monkeypatch):
    """The wait for a piece fails while the next one is worked out: its blocks are not ticked off, nor any later one."""
    write_store(demo(), tmp_path / "whole", block_bytes=SMALL)
    path, settle, calls = tmp_path / "a.zarr", blockstore.settle, []

    def fail(files):
        calls.append(1)
        if len(calls) == 3:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        settle(files)

    with monkeypatch.context() as patch:
        patch.setattr(blockstore, "settle", fail)
        with pytest.raises(InputError, match=r"cannot write .*; [1-9]\d* of \d+ blocks are stored"):
            write_store(demo(), path, block_bytes=SMALL)
    assert len(calls) == 3
    stored = {file.name for file in path.glob("done/c.*")}
    torn = max(path.glob("*/extent/c.*"), key=lambda f: f.stat().st_mtime_ns)  # of the piece that may not be there
    torn.write_bytes(torn.read_bytes()[:-3])
    summary = write_store(demo(), path, block_bytes=SMALL)
    assert (summary.written, summary.damaged) == (summary.blocks - len(stored), 0)
    assert stored < {file.name for file in path.glob("done/c.*")}
    assert contents(path) == contents(tmp_path / "whole")


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
    sync, replace, system = os.fsync, os.replace, durable.sync_whole
    monkeypatch.setattr(os, "fsync", lambda file: (order.append(os.readlink(f"/proc/self/fd/{file}")), sync(file))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append(f"-> {b}"), replace(a, b))[1])
    monkeypatch.setattr(durable, "sync_whole", lambda folder: (order.append("all"), system(folder))[1])
    kind = durable.kind_of(tmp_path.stat().st_dev)
    monkeypatch.setattr(durable, "WHOLE", (kind,) if whole else ())
    monkeypatch.setattr(durable, "MAX_WAITING", float("inf"))
    write_store(demo(), tmp_path / "a.zarr", block_bytes=SMALL)
    assert ("all" in order) == whole
    root = order.index(f"-> {tmp_path / 'a.zarr' / 'zarr.json'}")  # the last file without figures
    figures = next(i for i, entry in enumerate(order) if entry.startswith("-> ") and "/extent/c." in entry)
    assert {"all", str(tmp_path / "a.zarr" / "zarr.json")} & set(order[root:figures])
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
