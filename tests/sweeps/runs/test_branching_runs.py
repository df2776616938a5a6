"""Runs over spaces with branches: stores and workers write what one process has, and go on where they stopped."""

from __future__ import annotations

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.errors import InputError
from rfscale.sweeps.runs import blocks
from rfscale.sweeps.runs.store import dask_workers
from rfscale.sweeps.runs.store.store import write_store
from tests.sweeps.runs.stored import SMALL, contents
from tests.sweeps.states.branching_spaces import EDGES, HEAD, LINE

SPECS = [(HEAD, 2000), (LINE, 2000), (EDGES, 50_000)]


@pytest.fixture(scope="module")
def client():
    with dask_workers.local_client(2) as made:
        yield made


@pytest.mark.parametrize(("spec", "size"), SPECS, ids=["head", "line", "edges"])
def test_workers_write_what_one_process_does(spec, size, client, tmp_path):
    space = rf.Space.from_dict(spec)
    here = write_store(space, tmp_path / "here", block_bytes=size)
    there = write_store(space, tmp_path / "there", block_bytes=size, client=client)
    assert here.written == there.written == there.blocks
    assert here.blocks > len(space.stages)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")
    tree = rf.sweep(space)
    last = space.stages[-1].name
    stored = rf.sweep(space, store=tmp_path / "labelled.zarr", client=client)
    for name in tree[last].data_vars:
        assert np.array_equal(stored[last][name].values, tree[last][name].values, equal_nan=name == "overlap")


@pytest.mark.parametrize(("spec", "size"), SPECS, ids=["head", "line", "edges"])
@pytest.mark.parametrize("row_bytes", [1, 1 << 20])
def test_nodes_that_are_known_a_few_at_a_time_make_no_difference(spec, size, row_bytes, monkeypatch):
    space = rf.Space.from_dict(spec)
    expected = rf.sweep(space)
    monkeypatch.setattr(blocks, "NODES_AT_ONCE", size // 100 + 1)
    monkeypatch.setattr(blocks, "ROW_BYTES", row_bytes)
    found = rf.sweep(space)
    for stage in space.stages:
        assert found[stage.name].identical(expected[stage.name])


class StoppedError(Exception):
    """Of the progress of a run that is stopped."""


def test_a_run_that_was_stopped_goes_on(client, tmp_path):
    space = rf.Space.from_dict(HEAD)

    def stop(done, of):
        if done > of // 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        write_store(space, tmp_path / "s", block_bytes=SMALL, progress=stop)
    rest = write_store(space, tmp_path / "s", block_bytes=SMALL, client=client)
    assert 0 < rest.written < rest.blocks
    assert write_store(space, tmp_path / "s", block_bytes=SMALL).written == 0
    write_store(space, tmp_path / "whole", block_bytes=SMALL)
    assert contents(tmp_path / "s") == contents(tmp_path / "whole")


def test_states_that_workers_have_no_memory_for(client, tmp_path):
    of = [{"kernel": 3, "dilation": d} for d in (1, 2, 3, 5, 8, 13)]
    stages = [{"name": f"s{i}", "branches": {"choose": [1, 2, 3], "of": of}} for i in range(4)]
    space = rf.Space.from_dict({"stages": stages})
    with pytest.raises(InputError, match=r"the states of stage 's2' need more than 0.001 GB"):
        rf.sweep(space, store=tmp_path / "s.zarr", client=client, memory=1_000_000, stages=["s3"])
