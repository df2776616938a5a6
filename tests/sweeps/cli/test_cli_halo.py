"""The verb halo: its table of tiles, the tile within limits, and the model itself."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

import rfscale as rf
from rfscale.sweeps.cli.verbs.halo import bytes_of

VOLUME = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.pool = nn.Conv3d(1, 2, 3, padding=1), nn.MaxPool3d((2, 8, 4))
        self.up, self.head = nn.Upsample(scale_factor=(2, 8, 4)), nn.Conv3d(4, 2, 3, padding=1)

    def forward(self, x):
        skip = self.down(x)
        return self.head(torch.cat([skip, self.up(self.pool(skip))], 1))

def build():
    return Net()

def empty():
    net = Net()
    for weights in net.parameters():
        nn.init.zeros_(weights)
    return net
"""


def test_a_table_of_tiles(rfscale):
    code, out, err = rfscale("halo", "unet-padded")
    assert (code, err) == (0, "")
    row = next(line.split() for line in out.splitlines() if line.split()[:1] == ["512×512"])
    assert row == ["512×512", "704×704", "1.89", "509", "MB"]
    assert "16k from 16" in out
    assert "--waste 1.5 chooses the smallest tile" in out


def test_a_tile_for_a_waste_and_one_for_a_memory(rfscale):
    _, out, _ = rfscale("halo", "unet-padded", "--waste", "1.5")
    assert "tiles of 864×864: run the network on 1,056×1,056, 1.49 pixels computed for each of use" in out
    _, half, _ = rfscale("halo", "unet-padded", "--memory", "2GB", "--dtype", "float16")
    _, full, _ = rfscale("halo", "unet-padded", "--memory", "4GB")
    assert "at a time as float32, and weights and workspace come on top" in full
    tiles = [next(w for w in text.split("tiles of ")[1].split(":")) for text in (half, full)]
    assert tiles[0] == tiles[1]


def test_images_are_padded_and_counted(rfscale):
    _, out, _ = rfscale("halo", "unet-padded", "--image-size", "1000x500", "--tile", "512x256")
    assert "images of 1,000×500: pad them to 1,008×512, valid along every axis" in out
    assert "tiles of 512×256 (4 for an image): run the network on 608×352" in out


@pytest.mark.torch
def test_the_model_itself(here, rfscale):
    (here / "volume.py").write_text(VOLUME)
    code, out, err = rfscale("halo", "volume.py:build", "--image-size", "45x101x83", "--verify")
    assert (code, err) == (0, "")
    assert "pad them to 46×104×84" in out
    assert "equal but for the rounding of float64" in out or "equal to the bit" in out
    _, out, _ = rfscale("halo", "volume.py:empty", "--verify")
    assert "every value of an output is 0, with which nothing is shown" in out
    _, out, err = rfscale("halo", "volume.py:build", "--verify", "--format", "json")
    records = json.loads(out)["records"]["output"]
    assert records[0]["difference"] < 1e-12 < records[0]["shorter_difference"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tile", "512", "--waste", "2"], "--waste chooses a tile; leave --tile out"),
        (["--memory", "8XB"], "--memory is '8XB'; give bytes, such as 8GB, 500MB or 4GiB"),
        (["--image-size", "big"], "--image-size is 'big'; give pixels per axis"),
        (["--tile", "10"], "no multiple of the period 16 of unet-padded; give 16"),
        (["--waste", "0.5"], "--waste is 0.5; it must be more than 1"),
        (["--verify", "--layers", "output"], "--verify compares what the model returns; leave --layers"),
        (["--verify"], "unet-padded cannot be run at sizes of its own choice; name the PyTorch code"),
    ],
)
def test_bad_input(rfscale, words, message):
    code, out, err = rfscale("halo", "unet-padded", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_the_csv_has_the_margins(here, rfscale):
    _, out, _ = rfscale("halo", "unet-padded", "--out", "halo.csv")
    assert "written: halo.csv: the table of margins alone; what tiles cost goes to" in out
    assert (here / "halo.csv").read_text().splitlines()[0].startswith("side,reach_y,reach_x")


@pytest.mark.parametrize(
    ("text", "size"), [("8GB", 8e9), ("500 MB", 5e8), ("4GiB", 2**32), ("1.5g", 1.5e9), ("100", 100), ("2kB", 2000)]
)
def test_bytes(text, size):
    assert bytes_of(text) == size


def test_a_file_has_the_figures_of_python_and_those_of_the_image(rfscale, tmp_path):
    args = ("halo", "unet-padded", "--image-size", "1000x500", "--tile", "512x256", "--out", tmp_path / "h.nc")
    assert rfscale(*args)[0] == 0
    stored = xr.open_dataset(tmp_path / "h.nc", engine="h5netcdf")
    found = rf.halo("unet-padded", (512, 256), image_size=(1000, 500))
    costs = rf.tile_costs("unet-padded", [(512, 256)], image_size=(1000, 500)).isel(option=0)
    for name in found.data_vars:
        np.testing.assert_array_equal(stored[name].values, found[name].values)
    assert stored.crop_in_image.values.tolist() == costs.crop.values.tolist() != found.crop.values.tolist()
    assert float(stored.waste_in_image) == float(costs.waste) != float(found.waste)
