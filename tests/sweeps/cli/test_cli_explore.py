"""The verb explore: pages of networks and spaces, and what it refuses."""

from __future__ import annotations

import json

import pytest

from tests.sweeps.explorer.some_networks import ASPP, HOSTILE_NETWORK, PIXEL

SPACE = {
    "name": "little",
    "channels": 4,
    "stages": [{"name": "a", "kernel": [3, 5]}, {"name": "b", "kernel": 3, "dilation": [1, 2]}],
}
OBLONG = {"name": "oblong", "stages": [{"name": "a", "kernel": [[1, 3], [3, 1]]}, {"name": "b", "kernel": [3, 5]}]}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, spec in (("net", ASPP), ("hostile", HOSTILE_NETWORK), ("space", SPACE), ("oblong", OBLONG)):
        (tmp_path / f"{name}.json").write_text(json.dumps(spec))
    return tmp_path


def test_a_page_of_a_network(rfscale, folder):
    code, out, err = rfscale("explore", "net.json", "--resize", "letterbox=640", "--out", "page.html")
    assert (code, err) == (0, "")
    assert "all: extent 27×35, stride 2" in out
    assert "written: page.html" in out
    document = json.loads(rfscale("explore", "net.json", "--format", "json", "--more-sizes", "24,32x40")[1])
    assert [view["input_size"] for view in document["views"]] == [[48, 56], [24, 24], [32, 40], None]
    assert [rule["resize"] for rule in document["objects"]] == ["none", "letterbox=640x640", "short=800,cap=1333"]
    assert rfscale("explore", "net.json", "--out", "net-drawn.json", "--category", "person")[0] == 0
    drawn = json.loads((folder / "net-drawn.json").read_text())
    assert list(drawn["objects"][0]["categories"]) == ["person"]


def test_a_page_without_a_name_has_that_of_the_network(rfscale, folder):
    assert rfscale("explore", "hostile.json")[0] == 0
    (page,) = folder.glob("*.html")
    assert page.name == "n-script-img-src-x-onerror-alert-1-amp.html"


def test_a_picture_file_after_image_is_the_photo(rfscale, folder):
    (folder / "cat.png").write_bytes(PIXEL)
    for option in ("--photo", "--image"):
        assert rfscale("explore", "net.json", option, "cat.png", "--out", "page.html")[0] == 0
        assert "data:image/png;base64,iVBOR" in (folder / "page.html").read_text()
    code, _, err = rfscale("explore", "net.json", "--image", "pixels")
    assert code == 2
    assert "--image" in err


def test_a_page_of_a_space(rfscale, folder):
    code, out, err = rfscale("explore", "space.json", "--where", "extent > 5")
    assert (code, err) == (0, "")
    assert "little: 4 architectures; the front of params and -extent" in out
    assert (folder / "little.html").exists()
    document = json.loads(rfscale("explore", "space.json", "--format", "json", "--where", "extent > 5")[1])
    assert (document["architectures"], document["satisfying"], document["where"]) == ("4", "3", "extent > 5")
    assert sum(share for _, _, share in document["extents"]) == pytest.approx(1)
    assert set(document["networks"]) <= set(document["front"]["index"])
    oblong = json.loads(rfscale("explore", "oblong.json", "--format", "json")[1])
    assert oblong["objectives"] == ["-density", "-extent_x"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("net.json --out page.png", "it must end in .html or .json"),
        ("net.json --where extent>3", "--where is for spaces"),
        ("net.json --objective macs", "--objective is for spaces"),
        ("space.json --photo p.png", "--photo goes with networks"),
        ("space.json --objective macs", "a front of two objectives, not 1"),
        ("net.json --photo p.png", "No such file"),
        ("net.json --image p.png", "No such file"),
        ("space.json --image p.png", "--image goes with networks"),
        ("net.json --image p.png", "--image p.png: No such file"),
        ("net.json --more-sizes 3;4", "--more-sizes"),
        ("net.json --image-size x", "--image-size"),
        ("net.json --input-size 0", "--input-size"),
    ],
)
def test_what_it_refuses(rfscale, folder, command, message):
    code, out, err = rfscale("explore", *command.split())
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
