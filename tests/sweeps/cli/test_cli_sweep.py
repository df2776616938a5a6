"""`rfscale sweep` as users call it."""

from __future__ import annotations

import csv
import json

import pytest
import xarray as xr

import rfscale as rf
from rfscale.sweeps.cli import main as cli
from tests.sweeps.some_spaces import ANISOTROPIC, DEMO

TEMPLATES = """
from rfscale import Network
from rfscale import NetworkSpace

def chain(k, d):
    return Network.sequential({"kernel": k}, {"kernel": 3, "dilation": d})

space = NetworkSpace(chain, {"k": [3, 5], "d": [1, 2]})
number = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo.json").write_text(json.dumps(DEMO))
    (tmp_path / "wide.json").write_text(json.dumps(ANISOTROPIC))
    (tmp_path / "nets.py").write_text(TEMPLATES)
    return tmp_path


@pytest.fixture
def rfscale(folder, capsys):
    def call(*args, code=0):
        assert cli.main(["sweep", *args]) == code
        printed = capsys.readouterr()
        if code:
            assert printed.err.count("\n") == 1
            assert printed.err.startswith("rfscale: ")
        return printed.err if code else printed.out

    return call


def test_description(rfscale):
    printed = rfscale("demo.json")
    assert "demo: 324 architectures, 6 factors" in printed
    assert "s1_dilation (1, 2), s1_repeat (1, 2, 3), k (3, 5)" in printed
    assert "pixels, extent, jump, shared, params, macs" in printed
    assert "networks" in rfscale("nets.py:space")


def test_store_and_again(rfscale, folder):
    assert "324 architectures" in rfscale("demo.json", "--out", "a.zarr", "--formulas")
    with xr.open_zarr("a.zarr", group="s3", consolidated=False) as stored:
        assert "closed_form_area" in stored
    assert "complete already" in rfscale("demo.json", "--out", "a.zarr", "--formulas")
    assert "is left alone" in rfscale("demo.json", "--out", str(folder), code=2)
    assert "begun with variables" in rfscale("demo.json", "--out", "a.zarr", code=2)
    assert "store of a sweep" in rfscale("demo.json", "--count", "extent", "--out", "a.zarr", code=2)


def test_store_by_workers(rfscale):
    assert "4 architectures" in rfscale("nets.py:space", "--out", "a.zarr", "--workers", "1")
    with xr.open_zarr("a.zarr", group="networks", consolidated=False) as stored:
        assert stored.extent.load().sel(k=5, d=2, axis="y").item() == 9


def test_netcdf(rfscale):
    rfscale("wide.json", "--out", "a.nc", "--stages", "b,c")
    with xr.open_datatree("a.nc", engine="h5netcdf") as tree:
        assert set(tree.children) == {"b", "c"}


def test_count(rfscale):
    assert rfscale("demo.json", "--count", "").strip() == "324 architectures"
    assert "108 architectures" in rfscale(
        "demo.json", "--count", "stem_kernel", "--where", "s3_choice == 'none'", "--out", "a.csv"
    )
    with open("a.csv") as file:
        assert [row["architectures"] for row in csv.DictReader(file)] == ["36", "36", "36"]
    rfscale("demo.json", "--count", "extent,jump", "--plot", "a.png", "--out", "a.nc")
    listed = rfscale("demo.json", "--count", "extent,jump,pixels", "--out", "three.csv")
    assert listed.splitlines()[2].split() == ["extent", "jump", "pixels", "architectures"]
    with open("three.csv") as file:
        numbers = [int(row["architectures"]) for row in csv.DictReader(file)]
    assert sum(numbers) == 324
    assert min(numbers) > 0
    rfscale("demo.json", "--count", "s3_choice", "--plot", "b.png")


def test_all_of_the_best(rfscale, monkeypatch, capsys):
    space = rf.Space.from_dict(DEMO)
    rfscale("demo.json", "--best", "macs", "--k", "all", "--where", "density == 1", "--out", "all.csv")
    with open("all.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == int(rf.count(space, where="density == 1"))
    assert len({row["index"] for row in rows}) == len(rows)
    monkeypatch.setattr("rfscale.sweeps.answers.question.MAX_ROWS", 300)
    assert cli.main(["sweep", "demo.json", "--best", "macs", "--k", "all"]) == 2
    assert (
        "--k all are 324 architectures; give a number up to 300, or conditions with --where" in capsys.readouterr().err
    )


def test_best_pareto_sample(rfscale):
    space = rf.Space.from_dict(DEMO)
    found = rfscale(
        "demo.json", "--best", "macs", "--k", "2", "--where", "extent >= 40, density == 1", "--plot", "a.svg"
    )
    assert f"{rf.best(space, 'macs', 1, 'extent >= 40, density == 1').macs.item():,}" in found
    assert "s3_choice=" in rfscale("demo.json", "--pareto", "macs,-extent", "--plot", "b.png", "--out", "b.json")
    rfscale("demo.json", "--pareto", "macs,-extent,params", "--plot", "c.png")
    printed = rfscale("demo.json", "--sample", "40", "--seed", "5", "--plot", "d.png", "--out", "d.zarr")
    assert "drawn from 324 architectures" in printed
    assert "and 10 more" in printed
    with xr.open_zarr("d.zarr", consolidated=False) as stored:
        assert stored["index"].values.tolist() == rf.sample(space, 40, seed=5)["index"].values.tolist()
        assert stored.attrs["command"].startswith("rfscale sweep demo.json --sample 40")
    rfscale("wide.json", "--sample", "3", "--plot", "e.png")


def test_numbers_of_any_size(rfscale, folder):
    stages = [{"name": f"s{i}", "kernel": [1, 3, 5, 7]} for i in range(40)]
    (folder / "huge.json").write_text(json.dumps({"stages": stages}))
    assert "1.20e24 architectures" in rfscale("huge.json")
    for name in ("a.nc", "a.csv", "a.json"):
        assert "1.20e24" in rfscale("huge.json", "--count", "jump", "--out", name)
    with xr.open_dataset("a.nc", engine="h5netcdf") as stored:
        assert int(stored.architectures.item()) == 4**40
    assert str(4**40) in (folder / "a.csv").read_text()
    assert "count, best" in rfscale("huge.json", "--out", "a.zarr", code=2)
    assert not (folder / "a.zarr").exists()


def test_pictures_of_spaces(rfscale, folder):
    for name in ("demo", "wide"):
        rfscale(f"{name}.json", "--plot", f"{name}.png")
        assert (folder / f"{name}.png").stat().st_size > 10_000
    assert "NetworkSpace" in rfscale("nets.py:space", "--plot", "a.png", code=2)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--best", "macs", "--sample", "3"], "different questions"),
        (["--where", "density == 1"], "--where goes with --count"),
        (["--workers", "2"], "--workers goes with --out"),
        (["--count", "extent", "--workers", "2"], "--workers goes with --out alone"),
        (["--seed", "3", "--best", "macs"], "--seed goes with --sample"),
        (["--out", "a.zarr", "--workers", "2", "--scheduler", "tcp://1.2.3.4:5"], "give one of them"),
        (["--out", "a.zarr", "--workers", "0"], "--workers is 0"),
        (["--out", "a.csv"], "Zarr store"),
        (["--out", "a.nc", "--workers", "2"], "write stores"),
        (["--out", "no/where.zarr"], "there is no folder"),
        (["--out", "demo.json"], "is read by the same command"),
        (["--out", "a.zarr", "--stages", "s9"], "did you mean"),
        (["--threads", "1000"], "this machine has 1 to"),
        (["--best", "mac"], "did you mean 'macs'"),
        (["--pareto", "macs"], "two or three"),
        (["--sample", "0"], "n is 0"),
        (["--best", "macs", "--where", "extent > 10**6"], "no architecture"),
        (["--plot", "a.doc"], "--plot a.doc"),
        (["--out", "a.zarr", "--scheduler", "tcp://127.0.0.1:9"], "no Dask scheduler answers"),
    ],
)
def test_one_line_and_nothing_written(args, message, rfscale, folder, monkeypatch):
    monkeypatch.setattr("rfscale.sweeps.runs.store.dask_workers.TIMEOUT", 0.3)
    before = sorted(folder.iterdir())
    assert message in rfscale("demo.json", *args, code=2)
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ("no.yaml", "no.yaml"),
        ("nets.py:spaces", "did you mean 'space'"),
        ("nets.py:number", "is 3; it must be"),
        ("no_such_module:space", "cannot be imported"),
        ("gone.py:space", "gone.py: there is no such file"),
        ("broken.py:space", "SPACE 'broken.py:space' cannot be imported: NameError: name 'y' is not defined ("),
        ("nets.py", "nets.py"),
    ],
)
def test_spaces_that_are_none(space, message, rfscale, folder):
    (folder / "broken.py").write_text("x = y")
    assert message in rfscale(space, code=2)
