"""Files that a command may not replace: its own input, and stores that others wrote or added to."""

from __future__ import annotations

import json

import pytest
import zarr

SPACE = {"stages": [{"name": "a", "kernel": [1, 3]}, {"name": "b", "kernel": [3, 5]}]}
NETWORK = {"name": "n", "layers": [{"kernel": 3}, {"kernel": 5}]}


@pytest.mark.parametrize(
    "words",
    [
        ["profile", "net.json", "--out", "net.json"],
        ["profile", "net.json", "--out=./net.json"],
        ["profile", "./net.json", "--out", "link.json"],
        ["footprint", "net.json", "conv2", "--input-size", "16", "--out", "net.json"],
        ["check", "net.json", "--input-size", "16", "--out", "net.json"],
        ["validate", "net.json", "--out", "net.json"],
        ["sweep", "space.json", "--best", "extent", "--out", "space.json"],
        ["match", "net.json", "--layers", "conv2", "--objects", "boxes.csv", "--out", "boxes.csv"],
        ["profile", "net.py:build", "--out", "net.py"],
    ],
)
def test_an_input_is_not_overwritten(here, rfscale, words):
    (here / "net.json").write_text(json.dumps(NETWORK))
    (here / "space.json").write_text(json.dumps(SPACE))
    (here / "boxes.csv").write_text("width,height\n3,4\n")
    (here / "net.py").write_text("")
    (here / "link.json").symlink_to("net.json")
    before = {f.name: f.read_text() for f in here.glob("*.*") if f.is_file()}
    code, out, err = rfscale(*words)
    assert (code, out) == (2, "")
    assert err.endswith("is read by the same command; it is not overwritten, give another name\n")
    assert {f.name: f.read_text() for f in here.glob("*.*") if f.is_file()} == before


def test_only_a_store_of_rfscale_is_replaced(here, rfscale):
    zarr.create_group("theirs.zarr", attributes={"software": "other"}).create_array("a", shape=3, dtype="i4")[:] = 7
    zarr.create_array("bare.zarr", shape=3, dtype="i4")
    zarr.create_group("old.zarr", zarr_format=2)
    (here / "folder.zarr").mkdir()
    assert rfscale("profile", "dilated5", "--out", "ours.zarr")[0] == 0
    assert rfscale("profile", "vgg16", "--out", "ours.zarr")[0] == 0
    assert rfscale("profile", "vgg16", "--out", "added.zarr")[0] == 0
    (here / "added.zarr" / "notes.txt").write_text("mine")
    (here / "linked.zarr").symlink_to("ours.zarr")
    before = {f: f.read_bytes() for f in here.rglob("*") if f.is_file()}
    for name in ("theirs", "bare", "old", "folder", "added", "linked"):
        code, out, err = rfscale("profile", "dilated5", "--out", f"{name}.zarr")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "it is left alone, give another name" in err
    assert {f: f.read_bytes() for f in here.rglob("*") if f.is_file()} == before
