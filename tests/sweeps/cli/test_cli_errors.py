"""The command: one test per way to get it wrong."""

import os
from pathlib import Path

import pytest

WRONG = {
    "unknown verb": (["profil"], "no verb 'profil'; did you mean 'profile' or"),
    "unknown option": (
        ["profile", "vgg16", "--input-siz", "3"],
        "profile has no option --input-siz; did you mean '--",
    ),
    "unknown global option": (["--versoin"], "rfscale has no option --versoin; did you mean '--version'?"),
    "missing argument": (["profile"], "Missing argument 'NETWORK'; see rfscale profile --help"),
    "missing value": (["profile", "vgg16", "--entry"], "Option '--entry' requires an argument."),
    "too many": (["profile", "vgg16", "vgg19"], "Got unexpected extra argument"),
    "unknown network": (["profile", "resnet5"], "no network 'resnet5'; did you mean 'resnet50'"),
    "unknown layer": (["footprint", "vgg16", "conv9"], "vgg16 has no layer 'conv9'; did you mean"),
    "unknown param": (["profile", "vgg16", "--param", "n=3"], "vgg16 has no parameter 'n'; known: classes, input_size"),
    "param without value": (["profile", "vgg16", "--arg", "n"], "--arg is 'n'; write key=value"),
    "param that is no name": (["profile", "vgg16", "--param", "3=4"], "--arg is '3=4'; write key=value"),
    "param twice": (["profile", "stack", "--param", "n=3", "--param", "n=4"], "--arg n is given twice"),
    "param unreadable": (["profile", "stack", "--param", "n=[3"], "--arg n is '[3'; write a number"),
    "param of a file": (["profile", "net.yaml", "--param", "n=3"], "net.yaml is a file and takes no parameters"),
    "param beyond YAML": (["profile", "stack", "--arg", "n=!!int ''"], "--arg n is \"!!int ''\"; write a number"),
    "param without network": (["networks", "--param", "n=3"], "--arg n=3 goes with a network; give its name"),
    "survey of a network": (["networks", "vgg16", "--survey", "vgg*"], "--survey is 'vgg*'; give it without NETWORK"),
    "survey of nothing": (
        ["networks", "--survey", "timm:resnet51"],
        "the survey has no model 'timm:resnet51'; did you",
    ),
    "sort of no survey": (["networks", "--sort", "extent"], "--sort is 'extent'; it goes with --survey PATTERN"),
    "sort by nothing": (
        ["networks", "--survey", "vgg*", "--sort", "extnt"],
        "--sort is 'extnt'; did you mean 'extent'",
    ),
    "bad size": (["profile", "vgg16", "--input-size", "big"], "--input-size is 'big'; give pixels per axis, such as"),
    "size of nothing": (["profile", "vgg16", "--input-size", "0"], "--input-size is 0; it must lie between 1 and"),
    "sizes of three axes": (
        ["profile", "vgg16", "--input-size", "8x8x8"],
        "--input-size is [8, 8, 8]; give one number",
    ),
    "two sizes": (
        ["profile", "vgg16", "--finite", "--input-size", "64"],
        "--finite uses the size that the network carries; leave --input-size out",
    ),
    "bad entry": (["profile", "vgg16", "--finite", "--entry", "left"], "--entry is 'left'; give center, or"),
    "entry outside": (["profile", "stack", "--input-size", "8", "--entry", "8,0"], "lies outside the 8×8 map"),
    "entry without size": (["profile", "vgg16", "--entry", "3,3"], "give --input-size"),
    "bad global_ops": (["profile", "vgg16", "--global-ops", "some"], "--global-ops is 'some'; give include or skip"),
    "bad depth": (["profile", "vgg16", "--depth", "0"], "--depth is '0'; give a whole number from 1 on, or all"),
    "no such layers": (["profile", "vgg16", "--layers", "conf*"], "--layers: no layer is called 'conf*'; did you mean"),
    "no layers": (["profile", "vgg16", "--layers", ","], "--layers is empty"),
    "no bounds": (
        ["footprint", "resnet50", "fc"],
        "layer 'fc' has a global receptive field, without bounds; give --input-size, or --global-ops skip",
    ),
    "data suffix": (
        ["profile", "vgg16", "--out", "x.txt"],
        "--out x.txt ends in '.txt'; it must end in",
    ),
    "no suffix": (["profile", "vgg16", "--out", "x"], "--out x has no suffix; it must end in"),
    "picture suffix": (["profile", "vgg16", "--plot", "x.jpg"], "--plot x.jpg ends in '.jpg'; it must end in .png"),
    "no folder": (["profile", "vgg16", "--out", "none/x.csv"], "--out: there is no folder "),
    "folder as file": (
        ["profile", "vgg16", "--out", "folder.csv"],
        "--out folder.csv is a folder; give the name",
    ),
    "folder as store": (
        ["profile", "vgg16", "--out", "folder.zarr"],
        "--out folder.zarr is a folder that holds",
    ),
    "file as store": (["profile", "vgg16", "--out", "file.zarr"], "--out file.zarr is a file, where a zarr store is a"),
    "file as folder": (["reproduce", "--out", "file.zarr"], "--out file.zarr is a file; give a folder"),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_one_line_and_exit_2(rfscale, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    for folder in ("folder.csv", "folder.zarr"):
        Path(folder).mkdir()
    Path("file.zarr").write_text("")
    Path("net.yaml").write_text("layers: [{kernel: 3}]")
    before = sorted(os.listdir())
    args, message = WRONG[case]
    code, out, err = rfscale(*args)
    assert (code, out) == (2, "")
    assert err.startswith("rfscale: ")
    assert err.count("\n") == 1
    assert message in err
    assert sorted(os.listdir()) == before


def test_a_network_without_a_size_has_no_finite_profile(rfscale, tmp_path):
    net = tmp_path / "net.yaml"
    net.write_text("name: mine\nlayers: [{kernel: 3}]")
    assert "--finite: mine carries no input_size; give --input-size" in rfscale("profile", net, "--finite")[2]
