"""Stores written by Dask workers: the same bytes as from one process, also when a worker is killed."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import pytest
import xarray as xr
from distributed import Client

import rfscale as rf
from rfscale.engine import Network
from rfscale.engine.errors import InputError
from rfscale.sweeps.runs.store import dask_workers as distributed
from rfscale.sweeps.runs.store.layout import Options, Plan
from rfscale.sweeps.runs.store.store import write_store
from tests.sweeps.runs.stored import SMALL, contents
from tests.sweeps.some_spaces import ANISOTROPIC, DEMO

SPEC = {"stages": [{"name": f"s{i}", "kernel": 3, "dilation": [1, 2, 3, 4]} for i in range(8)]}


@pytest.fixture(scope="module")
def client():
    with distributed.local_client(2) as made:
        yield made


@pytest.mark.parametrize("spec", [DEMO, ANISOTROPIC], ids=lambda s: s["name"])
def test_equals_one_process(spec, client, tmp_path):
    space = rf.Space.from_dict(spec)
    here = write_store(space, tmp_path / "here", formulas=True, block_bytes=SMALL)
    there = write_store(space, tmp_path / "there", formulas=True, block_bytes=SMALL, client=client)
    assert here.written == there.written == there.blocks
    assert contents(tmp_path / "here") == contents(tmp_path / "there")
    assert write_store(space, tmp_path / "there", formulas=True, block_bytes=SMALL, client=client).written == 0


def test_run_with_a_client(client, tmp_path):
    space = rf.Space.from_dict(DEMO)
    tree = rf.sweep(space, store=tmp_path / "a.zarr", client=client)
    assert (tree["s3"].extent.values == rf.sweep(space)["s3"].extent.values).all()
    with pytest.raises(InputError, match="give `store`"):
        rf.sweep(space, client=client)


def test_networks_of_a_local_function(client, tmp_path):
    def chain(k, d):
        return Network.sequential({"kernel": k}, {"kernel": 3, "dilation": d})

    space = rf.NetworkSpace(chain, {"k": [3, 5, 7], "d": [1, 2]})
    write_store(space, tmp_path / "a.zarr", client=client)
    with xr.open_zarr(tmp_path / "a.zarr", group="networks", consolidated=False) as stored:
        assert (stored.extent.values == rf.sweep(space)["networks"].extent.values).all()


def test_a_killed_worker_costs_its_blocks_only(client, tmp_path):
    space = rf.Space.from_dict(SPEC)
    write_store(space, tmp_path / "whole", block_bytes=1 << 12)
    victim = client.submit(os.getpid, pure=False).result()
    path = tmp_path / "a.zarr"

    def kill():
        while len(list(path.glob("done/c.*"))) < 40:
            time.sleep(0.002)
        os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)  # should writing fail, it waits for ever
    killer.start()
    write_store(space, path, block_bytes=1 << 12, client=client)
    killer.join()
    assert victim not in client.run(os.getpid).values()
    assert contents(path) == contents(tmp_path / "whole")


def test_half_here_half_there(client, tmp_path):
    space = rf.Space.from_dict(SPEC)
    write_store(space, tmp_path / "whole", block_bytes=1 << 12)

    def stop(done, total):
        if done > total // 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_store(space, tmp_path / "a.zarr", block_bytes=1 << 12, client=client, progress=stop)
    summary = write_store(space, tmp_path / "a.zarr", block_bytes=1 << 12)
    assert 0 < summary.written < summary.blocks
    assert contents(tmp_path / "a.zarr") == contents(tmp_path / "whole")


def test_workers_that_cannot_work(client, tmp_path, monkeypatch):
    plan = Plan(rf.Space.from_dict(DEMO), Options(str(tmp_path / "nowhere")))
    with pytest.raises(InputError, match="sees no store"):
        list(distributed.write_pieces(client, plan, [[0]]))
    with pytest.raises(InputError, match="a Dask worker has rfscale"):
        distributed.fill_blocks(distributed.packed(plan), "0.0.other", [0])
    with pytest.raises(InputError, match=r"must be a distributed\.Client"):
        write_store(plan.space, tmp_path / "a.zarr", client="tcp://10.0.0.1:8786")
    monkeypatch.setattr(distributed, "TIMEOUT", 0.5)
    with (
        pytest.raises(InputError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        distributed.remote_client("tcp://127.0.0.1:9"),
    ):
        pass
    with (
        pytest.raises(InputError, match="no Dask scheduler answers at nonsense"),
        distributed.remote_client("nonsense"),
    ):
        pass


class StubbornError(Exception):
    """Cannot be made again from a pickle."""

    def __init__(self, one, two):
        super().__init__(f"{one} {two}")


class Odd(BaseException):
    pass


@pytest.mark.parametrize(
    ("thrown", "kind", "message"),
    [
        (SystemExit(3), InputError, r"the code of the space ended Python in a Dask worker: SystemExit\(3\)"),
        (Odd("odd"), RuntimeError, "Odd in a Dask worker: odd"),
        (StubbornError(1, 2), RuntimeError, "StubbornError in a Dask worker: 1 2"),
        (KeyError("x"), KeyError, "x"),
        (MemoryError("none left"), MemoryError, "none left"),
        (OSError(28, "No space left on device", "c/0"), OSError, "No space left"),
    ],
)
def test_whatever_a_worker_raises_comes_back(thrown, kind, message, tmp_path, monkeypatch):
    def fill(*_):
        raise thrown

    monkeypatch.setattr(distributed, "_fill", fill)
    with pytest.raises(kind, match=message) as caught:
        distributed.fill_blocks(b"", "", [])
    assert type(pickle.loads(pickle.dumps(caught.value))) is kind


def test_code_that_ends_python_in_a_worker_is_named(client, tmp_path):
    here = os.getpid()

    def chain(k):
        if os.getpid() != here:
            sys.exit(3)
        return Network.sequential({"kernel": k})

    space = rf.NetworkSpace(chain, {"k": [3, 5]})
    with pytest.raises(InputError, match=r"ended Python in a Dask worker: SystemExit\(3\)"):
        write_store(space, tmp_path / "a.zarr", client=client)
    write_store(rf.Space.from_dict(DEMO), tmp_path / "b.zarr", client=client)


def test_workers_that_do_not_start(monkeypatch):
    def failing(**settings):
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr("distributed.LocalCluster", failing)
    with pytest.raises(InputError, match="the 2 worker processes did not start"), distributed.local_client(2):
        pass


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense"])
def test_a_client_that_fails_is_closed(address, monkeypatch):
    """Left to the garbage collector, it may be closed while the next one starts, and Dask then waits for ever."""
    made = []
    start = Client.start
    monkeypatch.setattr(Client, "start", lambda self, **kwargs: (made.append(self), start(self, **kwargs)))
    monkeypatch.setattr(distributed, "TIMEOUT", 0.5)
    with pytest.raises(InputError, match="no Dask scheduler answers"), distributed.remote_client(address):
        pass
    assert [client.status for client in made] == ["closed"]


def test_a_cluster_that_is_there_already(client, tmp_path):
    with distributed.remote_client(client.scheduler.address) as other:
        assert write_store(rf.Space.from_dict(DEMO), tmp_path / "a.zarr", client=other).written


def test_files_of_the_working_folder_do_not_stand_for_modules_of_python(tmp_path):
    for name in ("types", "queue", "random"):
        (tmp_path / f"{name}.py").write_text(f"open('ran-{name}', 'w'); raise SystemError")
    (tmp_path / "space.yaml").write_text("stages: [{name: a, kernel: [1, 3]}, {name: b, kernel: [3, 5]}]")
    (tmp_path / "net.py").write_text(
        "import random, rfscale as rf, side\ndef build(): return rf.Network.sequential({'kernel': side.K})"
    )
    (tmp_path / "side.py").write_text("K = random = 3")
    for words in (["sweep", "space.yaml", "--out", "a.zarr", "--workers", "1"], ["profile", "net:build"],
                  ["profile", "net.py:build"]):  # fmt: skip
        command = [sys.executable, "-P", "-m", "rfscale", *words]  # as the installed command: this folder is not added
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert not list(tmp_path.glob("ran-*"))


def test_a_cluster_that_waits_for_a_worker_is_closed(monkeypatch):
    """As Dask does for a worker that it began again after a kill: only the end of the process ends the waiting."""
    spawn = multiprocessing.get_context("spawn")
    before, worker, other = (
        spawn.Process(target=time.sleep, args=(60,), name=name)
        for name in ("Dask Worker process of others", "Dask Worker process", "something else")
    )
    for process in (before, worker, other):
        process.start()

    class Cluster:
        def close(self):
            worker.join()

    monkeypatch.setattr(distributed, "CLOSING", 0.05)
    try:
        distributed.close_cluster(Cluster(), {before.pid})
        assert worker.exitcode == -signal.SIGKILL
        assert before.is_alive()
        assert other.is_alive()
    finally:
        for process in (before, other):
            process.kill()
