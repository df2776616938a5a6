"""Answers as files and pictures."""

import csv
import json
import os

import pytest
import xarray as xr

# files --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["nc", "zarr"])
def test_out_as_a_dataset(rfscale, tmp_path, suffix):
    path = tmp_path / f"p.{suffix}"
    for _ in range(2):  # the second replaces the first
        assert rfscale("profile", "fpn-resnet50", "--finite", "--out", path)[0] == 0
    engine = {"nc": {"engine": "h5netcdf"}, "zarr": {"engine": "zarr", "consolidated": False}}[suffix]
    with xr.open_dataset(path, **engine) as ds:
        assert ds.extent.sel(layer="layer1").values.tolist() == [35, 35]
        assert ds.attrs["command"].startswith("rfscale profile fpn-resnet50 --finite --out")
        assert ds.area.attrs["units"] == "pixel"
    assert os.listdir(tmp_path) == [path.name]


def test_out_as_csv(rfscale, tmp_path):
    path = tmp_path / "p.csv"
    assert rfscale("profile", "resnet50", "--out", path)[0] == 0
    rows = {row["layer"]: row for row in csv.DictReader(path.read_text().splitlines())}
    assert len(rows) == 76
    assert (rows["layer4"]["extent_y"], rows["layer4"]["jump_x"], rows["layer4"]["area"]) == ("427", "32", "182329")
    assert (rows["fc"]["area"], rows["fc"]["jump_y"]) == ("inf", "")


def test_out_as_json(rfscale, tmp_path):
    path = tmp_path / "p.json"
    assert rfscale("footprint", "dilated5", "conv1", "--out", path)[0] == 0
    content = json.loads(path.read_text())
    assert content["attrs"]["network"] == "dilated5"
    assert content["variables"]["footprint"]["units"] == "1"
    assert sum(record["footprint"] for record in content["records"]) == 9
    assert content["records"][0] == {"y": -2, "x": -2, "footprint": True}


@pytest.mark.parametrize(
    "args",
    [
        ("profile", "resnet50"),
        ("profile", "resnet50", "--finite"),
        ("footprint", "dilated5", "conv5"),
        ("footprint", "vgg16", "conv3_3", "--path-counts"),
    ],
)
@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_plots(rfscale, tmp_path, args, suffix):
    path = tmp_path / f"p.{suffix}"
    code, out, err = rfscale(*args, "--plot", path)
    assert (code, err) == (0, "")
    assert f"written: {path}" in out
    start = path.read_bytes()[:5]
    assert start in (b"\x89PNG\r", b"<?xml")
    assert os.listdir(tmp_path) == [path.name]


def test_plots_of_one_and_three_axes(rfscale, tmp_path):
    for axes in (1, 3):
        net = tmp_path / "net.yaml"
        net.write_text(f"axes: {axes}\nlayers: [{{kernel: 3, name: a}}]")
        assert rfscale("profile", net, "--plot", tmp_path / "p.png")[0] == 0
        assert rfscale("footprint", net, "a", "--plot", tmp_path / "f.png")[0] == 0
        assert rfscale("footprint", net, "a", "--path-counts", "--plot", tmp_path / "w.png")[0] == 0
