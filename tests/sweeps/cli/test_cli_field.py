"""The verb field."""

from __future__ import annotations

import json

import pytest
import xarray as xr

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

NET = """
import torch
from torch import nn

class Net(nn.Sequential):
    def __init__(self, width=4):
        torch.manual_seed(0)
        super().__init__(nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, 2, 1))

class Slow(Net):
    def forward(self, x):
        return super().forward(x) * torch.sigmoid(super().forward(x))

class Flat(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 4, 3), nn.Flatten(2))

class Argmax(Net):
    def forward(self, x):
        return self[2](self[0](x).argmax(1, keepdim=True).expand(-1, 4, -1, -1).float())

class Infinite(Net):
    def forward(self, x):
        return super().forward(x * torch.zeros(()).log())
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fieldnet.py").write_text(NET)
    return tmp_path


def test_fields_are_printed_written_and_drawn(rfscale, folder):
    import torch
    from PIL import Image

    state = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3)).state_dict()
    torch.save(state, "other.pt")
    Image.new("RGB", (20, 20), "red").save("red.png")
    (folder / "photos").mkdir()
    for n in range(3):
        Image.effect_noise((24, 24), 60 + n).convert("RGB").save(folder / "photos" / f"{n}.png")
    model = ("field", "fieldnet.py:Net", "2", "--input-size", "16")
    code, out, err = rfscale(*model, "--images", "photos", "--out", "f.nc", "--plot", "f.png", "--over", "red.png")
    assert (code, err) == (0, "")
    for part in ("exact footprint", "predicted, equal weights", "predicted from the weights", "measured on 3 images"):
        assert part in out
    found = xr.open_dataset("f.nc")
    assert found.kind.values.tolist() == ["structure", "weights", "measured"]
    assert found.attrs["command"].startswith("rfscale field")
    assert (folder / "f.png").stat().st_size > 5000
    code, out, _ = rfscale("check", "fieldnet.py:Net", "--input-size", "16", "--fields", "f.nc", "--fail-on", "never")
    assert (code, "small_field" in out) == (0, False)
    (folder / "objects.csv").write_text("image_width,image_height,width,height\n16,16,3,4\n16,16,9,8\n")
    given = ("match", "fieldnet.py:Net", "--input-size", "16", "--objects", "objects.csv", "--format", "json")
    code, out, _ = rfscale(*given, "--fields", "f.nc")
    side = xr.load_dataset("f.nc").box_extent.sel(kind="measured", share=0.95).values.prod() ** 0.5
    assert code == 0
    assert f"{side:.4g}"[:4] in out
    for verb in (("check", "fieldnet.py:Net"), given):
        code, _, err = rfscale(*verb, "--fields", "red.png")
        assert (code, "is no file of rfscale field" in err) == (2, True)
    code, out, _ = rfscale(*model, "--signs", "kept", "--format", "json")
    assert (code, json.loads(out)["attrs"]["signs"]) == (0, "kept")
    code, out, _ = rfscale(*model, "--checkpoint", "other.pt", "--compare", "other.pt", "--plot", "g.svg")
    assert code == 0
    assert "correlation 1.000, 0.0% of the mass lies elsewhere" in out
    code, out, _ = rfscale(*model, "--images", "noise", "--count", "4", "--resume", "s.npz", "--protocol", "replknet")
    assert (code, (folder / "s.npz").exists()) == (0, True)


def test_json_on_stdout(rfscale, folder):
    from tests.sweeps.report.test_json import DOCUMENTED

    model = ("field", "fieldnet.py:Net", "2", "--input-size", "16")
    code, out, err = rfscale(*model, "--format", "json", "--out", "f.json")
    assert (code, err) == (0, "rfscale: written: f.json\n")
    data = json.loads(out)
    assert data == json.loads((folder / "f.json").read_text())
    assert data["records"].keys() == {"kind, y, x", "kind, share", "kind, period"}
    assert {name for dims in data["records"] for name in dims.split(", ")} <= DOCUMENTED


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["Net", "9"], "the model has no module '9'"),
        (["Net", "2", "--entry", "9,9"], "entry (9, 9) lies outside the 8×8 map"),
        (["Net", "2", "--checkpoint", "none.pt"], "none.pt is no file"),
        (["Net", "2", "--images", "nowhere"], "--images is 'nowhere', is no folder"),
        (
            ["Net", "2", "--images", "others"],
            "--images a.npy is 3×20×16, where the model takes 3×16×16",
        ),
        (["Net", "2", "--checkpoint", "wide.pt"], "wide.pt is a checkpoint of another model than Net: 0.weight is (5,"),
        (["Flat", "1"], "layer '1' has no spatial map: it returns a tensor of shape (1, 4, 196)"),
        (["Argmax", "2", "--images", "noise"], "no gradient of layer '2' of fieldnet.py:Argmax reaches the image"),
        (["Infinite", "2", "--images", "noise"], "the gradient of layer '2' is not a number on image 0"),
        (["Net", "2", "--over", "x.png"], "--over draws a picture; give --plot as well"),
        (["Net", "2", "--images", "noise", "--protocol", "x"], "--protocol is 'x'"),
        (["Net", "2", "--unknown", "pointwise"], "--unknown no operators are left out of a model that runs"),
    ],
)
def test_bad_input(rfscale, folder, args, message):
    import numpy as np
    import torch

    (folder / "others").mkdir()
    np.save("others/a.npy", np.zeros((3, 20, 16), np.float32))
    wide = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.ReLU(), torch.nn.Conv2d(5, 4, 3))
    torch.save(wide.state_dict(), "wide.pt")
    name, *rest = args
    code, out, err = rfscale("field", f"fieldnet.py:{name}", *rest, "--input-size", "16")
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert rfscale("field", "resnet50", "layer3")[0] == 2
