"""Every verb as a process of its own, with all that makes the command start sooner, where dask and scipy are installed.

What a verb prints and writes must be what the same verb prints and writes in this process, which knows no tricks.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from rfscale.sweeps.cli.verbs import VERBS

SPACE = "stages: [{name: a, kernel: [3, 5]}, {name: b, kernel: [3, 5], dilation: [1, 2]}]\n"
FACTORY = """
import dask.array
import scipy.ndimage
import rfscale as rf

def build(width=3):
    size = int(dask.array.ones(width).sum()) + int(scipy.ndimage.binary_dilation([0, 1, 0]).sum()) - 3
    return rf.Network.sequential({"kernel": size}, {"kernel": 3, "dilation": 2}, name="built")

space = rf.Space.from_dict({"stages": [{"name": "a", "kernel": [3, 5]}]})
"""
CASES = {
    "reproduce": [],
    "profile": ["resnet18", "--out", "out.csv"],
    "footprint": ["dilated5", "conv5", "--out", "out.nc"],
    "networks": ["vgg16"],
    "sweep": ["space.yaml", "--count", "extent", "--out", "out.json"],
    "validate": ["dilated5", "--out", "out.zarr"],
    "batch": ["runs.yaml", "--out", "out"],
    "match": ["stack"],
    "check": ["vgg16"],
    "halo": ["unet-padded", "--tile", "64"],
    "where": ["dilated5", "conv5", "3", "3", "--input-size", "32"],
    "sizes": ["unet"],
    "context": ["tcn"],
    "compare": ["resnet18", "resnet34", "--no-effective", "--out", "compared.json"],
    "design": ["space.yaml", "--maps", "1"],
    "explore": ["dilated5", "--out", "net.html"],
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.yaml").write_text(SPACE)
    (tmp_path / "runs.yaml").write_text("runs: [{name: a, profile: dilated5}, {name: b, sweep: space.yaml}]\n")
    (tmp_path / "ownnet.py").write_text(FACTORY)
    return tmp_path


def process(*args, code=0):
    done = subprocess.run([sys.executable, "-m", "rfscale", *args], text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (code, "")
    return done.stdout


def test_every_verb_has_a_case():
    assert sorted([*CASES, "field", "warm"]) == sorted(verb.__name__ for verb in VERBS)  # field needs PyTorch


@pytest.mark.parametrize("verb", [v for v in CASES if v not in ("reproduce", "batch")])
def test_a_verb_as_a_process(folder, rfscale, verb):
    pytest.importorskip("dask")
    pytest.importorskip("scipy")
    args = CASES[verb]
    printed = process(verb, *args)
    written = {path.name: path.read_bytes() for path in folder.glob("out.*") if path.suffix in (".csv", ".json")}
    _, expected, _ = rfscale(verb, *args)
    assert printed == expected
    assert written == {name: (folder / name).read_bytes() for name in written}


def test_reproduce_as_a_process(folder):
    printed = process("reproduce", "--out", "article")
    assert len(list((folder / "article").rglob("*.png"))) > 5
    assert (folder / "article" / "claims.md").is_file()
    assert "claim" in printed


def test_batch_as_a_process(folder):
    assert "written: out/summary.json" in process("batch", *CASES["batch"])
    assert process("batch", *CASES["batch"]).count("kept") == 2


@pytest.mark.parametrize("args", [["profile"], ["networks"], ["footprint", "conv2"]])
def test_the_code_of_a_user_may_import_what_the_command_does_without(folder, rfscale, args):
    pytest.importorskip("dask")
    pytest.importorskip("scipy")
    verb, *rest = args
    printed = process(verb, "ownnet:build", *rest, "--arg", "width=5")
    assert printed == rfscale(verb, "ownnet:build", *rest, "--arg", "width=5")[1]
    assert "conv2" in printed
