"""Hints that errors give are followed: what an error proposes is no error any more."""

import re
import shlex

import pytest

HINTS = {  # what fails, and what its remedy says; the options of the remedy are added, or take the place of those given
    "finite": (["profile", "net.yaml", "--finite"], "--input-size", ["profile", "net.yaml", "--input-size", "64"]),
    "entry": (["profile", "vgg16", "--entry", "0,0"], "--input-size", None),
    "global": (["footprint", "resnet50", "fc"], "--input-size", None),
    "verb": (["networkz"], "'networks'", ["networks"]),
    "network": (["profile", "vgg1"], "'vgg16'", ["profile", "vgg16"]),
    "layer": (["footprint", "vgg16", "conv5_9"], "'conv5_1'", ["footprint", "vgg16", "conv5_1"]),
    "global ops": (["profile", "vgg16", "--global-ops", "x"], "skip", ["profile", "vgg16", "--global-ops", "skip"]),
    "depth": (["profile", "vgg16", "--depth", "0"], "all", ["profile", "vgg16", "--depth", "all"]),
    "layers": (["profile", "vgg16", "--layers", "conv9*"], "'conv5_3'", ["profile", "vgg16", "--layers", "conv5_3"]),
    "map size": (["profile", "sized.yaml"], "--input-size", None),
    "tile": (["halo", "vgg16", "--layers", "pool5", "--tile", "33"], "32", ["halo", "vgg16", "--layers", "pool5"]),
}


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text("layers: [{kernel: 3}]")
    (tmp_path / "sized.yaml").write_text("layers: [{kernel: 3, padding: 1}, {op: resize, size: 32}]")


@pytest.mark.parametrize("case", HINTS)
def test_a_hint_that_is_followed_works(rfscale, files, case):
    args, hint, followed = HINTS[case]
    code, _, err = rfscale(*args)
    assert code == 2
    assert hint in err.partition(";")[2], err
    followed = [*args, hint, "224"] if followed is None else followed
    code, _, err = rfscale(*followed)
    assert (code, err) == (0, "")


def test_no_hint_names_an_option_that_the_verb_has_not(rfscale, files):
    """Every option in the errors of every catalogued mistake is one of that verb."""
    from tests.sweeps.cli.test_cli_errors import WRONG

    for args, _ in WRONG.values():
        code, _, err = rfscale(*args)
        if code != 2 or args[0].startswith("-") or args == ["profil"]:
            continue
        known = rfscale(args[0], "--help")[1]
        for option in re.findall(r"--[a-z][a-z-]+", err.partition(";")[2]):
            if "did you mean" not in err and option != "--help":
                assert option in known, (shlex.join(args), err)


def test_halo_proposes_no_size_of_the_image(rfscale, files):
    code, _, err = rfscale("halo", "sized.yaml")
    assert code == 2
    assert "depends on the size of its map; to be tiled, it needs a fixed scale or amount" in err


def test_only_layers_that_are_asked_for_need_the_entry(rfscale):
    args = ("profile", "vgg16", "--input-size", "64", "--entry", "20,20")
    assert "lies outside" in rfscale(*args)[2]
    code, out, err = rfscale(*args, "--layers", "conv1_*")
    assert (code, err) == (0, "")
    assert "conv1_2" in out
    assert "conv2_1" not in out


def test_only_outputs_that_are_asked_for_need_the_entry(rfscale, files, tmp_path):
    """Of maps of 16, 4 and 32 entries, the output alone has entry 20."""
    layers = "{kernel: 4, stride: 4}, {kernel: 4, stride: 4}, {op: upsample, scale: 8}, {op: global_pool, name: all}"
    (tmp_path / "up.yaml").write_text(f"layers: [{layers}]\noutputs: upsample3")
    args = ("profile", "up.yaml", "--input-size", "64", "--entry", "20,20")
    assert "lies outside" in rfscale(*args)[2]
    code, out, err = rfscale(*args, "--outputs-only")
    assert (code, err) == (0, "")
    assert "upsample3: extent 16, stride 2" in out
    (tmp_path / "both.yaml").write_text(f"layers: [{layers}]\noutputs: [all, upsample3]")
    assert "outside the 1×1 map of layer 'all'" in rfscale("profile", "both.yaml", *args[2:], "--outputs-only")[2]
    code, out, err = rfscale("profile", "both.yaml", "--input-size", "64", "--entry", "0,0", "--outputs-only")
    assert (code, err) == (0, "")
    assert "all: global receptive field" in out


def test_labels_of_yolo_are_asked_for_in_the_words_of_the_shell(rfscale, files, tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.2")
    err = rfscale("match", "vgg16", "--objects", "labels")[2]
    assert "give --images (a folder of pictures) or --image-size" in err
    assert rfscale("match", "vgg16", "--objects", "labels", "--image-size", "480x640")[0] == 0
    (tmp_path / "x.csv").write_text("image_width,image_height,width,height\n100,100,10,20\n")
    err = rfscale("match", "vgg16", "--objects", "x.csv", "--images", ".")[2]
    assert "--images goes with yolo, visdrone, kitti, dota; leave it out" in err


def test_an_image_that_does_not_fit_into_memory_is_refused_with_the_figure(rfscale):
    code, _, err = rfscale("profile", "resnet50", "--input-size", "1000000000")
    assert code == 2
    assert "the footprints of its 1000000000 entries take 8000000000 bytes on one axis" in err
    assert "analyse a smaller --input-size" in err
