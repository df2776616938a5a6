"""Help of all verbs; profiles, footprints and networks on the command line."""

import subprocess
import sys
from typing import get_args

import pytest

import rfscale as rf
from rfscale.sweeps.cli.verbs import QUESTIONS, VERBS
from tests import ROOT

# help ---------------------------------------------------------------------------------------------------------------


def test_every_format_of_labels_is_an_option():
    from rfscale.engine.objects.open_source import FORMATS
    from rfscale.sweeps.cli.verbs.match import FormatName

    assert get_args(FormatName) == tuple(FORMATS)


def test_help_is_quick_and_imports_nothing_heavy():
    code = "import sys; from rfscale.sweeps.cli.main import main; main(['--help']); print(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=True).stdout
    for package in ("numpy", "numba", "xarray", "pandas", "rich.console", "yaml", "matplotlib", "zarr", "pydantic"):
        assert f"'{package}'" not in out


@pytest.mark.parametrize("verb", [verb.__name__ for verb in VERBS])
def test_each_verb_has_help_with_an_example(rfscale, verb):
    code, out, err = rfscale(verb, "--help")
    assert (code, err) == (0, "")
    assert f"Example: rfscale {verb}" in " ".join(out.split())


@pytest.mark.parametrize("args", [(), ("--help",), ("-h",)])
def test_help_lists_the_verbs(rfscale, args):
    code, out, _ = rfscale(*args)
    assert code == 0
    assert all(f"  {verb.__name__} " in out for verb in VERBS)


def test_help_groups_verbs_by_question(rfscale):
    _, out, _ = rfscale("--help")
    at = [out.index(f"\n{question}\n") for question in QUESTIONS]
    assert at == sorted(at)
    for verbs, start, end in zip(QUESTIONS.values(), at, [*at[1:], len(out)], strict=True):
        assert all(f"\n  {verb.__name__} " in out[start:end] for verb in verbs)
    assert "..." not in out[at[0] :]


def test_options_that_read_a_model_have_a_section(rfscale):
    _, out, _ = rfscale("profile", "--help")
    own, reading, output = out.index("\nOptions:"), out.index("\nReading a model:"), out.index("\nOutput:")
    assert (
        own < out.rindex("  --input-size") < reading < out.index("  --example-input") < output < out.rindex("  --plot")
    )


@pytest.mark.parametrize("verb", [verb.__name__ for verb in VERBS])
def test_help_fits_into_80_columns(rfscale, verb, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = rfscale(verb, "--help")
    assert max(map(len, out.splitlines())) <= 80


def test_version(rfscale):

    assert rfscale("--version") == (0, f"rfscale {rf.__version__}\n", "")


# profile ------------------------------------------------------------------------------------------------------------


def test_profile_says_where_a_formula_goes_wrong(rfscale):
    code, out, err = rfscale("profile", "dilated5")
    assert (code, err) == (0, "")
    last = next(line for line in out.splitlines() if line.startswith("conv5")).split()
    assert last == ["conv5", "conv", "224", "1", "21", "−10", "121", "11", "0.274", "0", "1", "243", "–", "a"]
    assert "published formula: exact for 1 of 5 layers ('='), wrong for 4: first at conv2, 9 for 5" in out
    assert "no formula in (S, P) is exact" in out


def test_profile_in_a_pipe_is_plain_and_whole(rfscale):
    _, out, _ = rfscale("profile", "fpn-resnet50", "--depth", "all")
    assert "\x1b" not in out
    assert "…" not in out
    assert out.count("layer4.0.downsample") == 1
    assert all(line == line.rstrip() for line in out.splitlines())
    assert "merges branches of different centres" in out
    assert max(len(line) for line in out.splitlines() if "  " in line) <= 110


def test_profile_leaves_out_what_is_always_the_same(rfscale):
    _, out, _ = rfscale("profile", "stack20")
    header = out.splitlines()[2].split()
    assert header == ["layer", "op", "map", "jump", "extent", "start", "overlap", "published", "closed"]
    assert "no footprint has holes" in out


def test_profile_shows_both_axes_where_they_differ(rfscale, tmp_path):
    net = tmp_path / "net.yaml"
    net.write_text("layers: [{kernel: [1, 7]}]")
    assert " 1×7 " in rfscale("profile", net)[1]


def test_profile_of_other_dimensions_compares_pixels(rfscale, tmp_path):
    net = tmp_path / "net.json"
    net.write_text('{"axes": 1, "layers": [{"kernel": 3}, {"kernel": 3, "dilation": 2}]}')
    _, out, _ = rfscale("profile", net)
    assert out.splitlines()[2].split()[5:7] == ["area", "overlap"]
    assert "published formula: has no value for these layers" in out


def test_profile_finite(rfscale):
    _, own, _ = rfscale("profile", "vgg11", "--finite")
    assert "image 224×224, entry centre of every map" in own
    assert "3 layers have a global receptive field" in own
    _, corner, _ = rfscale("profile", "stack", "--param", "n=3", "--input-size", "8x9", "--entry", "0,0")
    assert "image 8×9, entry 0,0 of every map" in corner
    assert " 4 " in next(line for line in corner.splitlines() if line.startswith("conv3"))


def test_profile_globals(rfscale):
    _, out, _ = rfscale("profile", "dorn", "--global-ops", "skip", "--outputs-only")
    assert "left out of merges, for their receptive field is global: encoder.conv" in out
    assert " 1,311 " in out


def test_profile_of_chosen_layers(rfscale):
    _, out, _ = rfscale("profile", "resnet50", "--layers", "layer4,fc*")
    assert [line.split()[0] for line in out.splitlines()[5:7]] == ["layer4", "fc"]
    _, out, _ = rfscale("profile", "ssd300", "--outputs-only")
    assert out.count("conv") >= 6
    assert "pool" not in out


def test_params_reach_the_builder(rfscale):
    _, out, _ = rfscale("profile", "resnet50", "--arg", "stride-in=1x1", "--param", "classes=none")
    assert " 483 " in out
    assert "avgpool" not in out
    _, out, _ = rfscale("networks", "aspp", "--param", "rates=[2, 4]")
    assert "rate4" in out


# footprint and networks ---------------------------------------------------------------------------------------------


def test_footprint_is_drawn_in_the_terminal(rfscale):
    code, out, _ = rfscale("footprint", "dilated5", "conv5")
    assert code == 0
    assert "area 121 px, width 11 px, extent 21×21 px, first pixel −10, −10, density 0.2744" in out
    drawn = out.split("\n\n")[1].splitlines()
    assert drawn == ["▀ " * 10 + "▀"] * 11


def test_footprint_at_the_corner_and_of_nothing(rfscale, tmp_path):
    _, out, _ = rfscale("footprint", "stack20", "conv1", "--input-size", "8", "--entry", "0,0")
    assert "area 4 px, width 2 px, extent 2×2 px, first pixel 0, 0, density 1" in out
    assert out.endswith("██\n")
    net = tmp_path / "net.yaml"
    net.write_text("layers: [{op: pad, padding: 2}]")
    assert "reads only padding" in rfscale("footprint", net, "pad1", "--input-size", 4, "--entry", "0,0")[1]


def test_large_footprints_are_not_drawn(rfscale):
    assert len(rfscale("footprint", "resnet50", "layer4")[1].splitlines()) == 2


def test_path_weights(rfscale):
    code, out, _ = rfscale("footprint", "dilated5", "conv5", "--path-counts")
    assert code == 0
    assert "standard deviation 3.651 px" in out  # sqrt(5 · 4 · 8/12)
    assert out.count("██") == 9


def test_networks(rfscale):
    from rfscale.engine.zoo.registry import NETWORKS

    code, out, _ = rfscale("networks")
    assert code == 0
    assert all(f"{name} " in out for name in NETWORKS)
    _, out, _ = rfscale("networks", "ssd300")
    assert "from Liu et al." in out
    assert "parameters: classes=None, input_size=300" in out
    assert "ceil_mode True" in out


def test_networks_of_the_survey(rfscale):
    code, out, err = rfscale("networks", "--survey", "torchvision:resnet*", "--sort", "extent")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert [word for word in lines[0].split() if word.isalpha()][:4] == ["model", "input", "map", "stride"]
    names = [line.split()[0] for line in lines if line.startswith("torchvision:")]
    assert sorted(names) == [f"torchvision:resnet{n}" for n in (101, 152, 18, 34, 50)]
    assert names[0] == "torchvision:resnet50"  # 427 pixels; resnet18 has 435
    assert "with torch 2." in lines[-1]


def test_one_model_of_the_survey(rfscale):
    _, out, _ = rfscale("networks", "--survey", "torchvision:resnet50")
    assert out.startswith("torchvision:resnet50 (resnet): input 224, 25.557 M parameters, 4.089 G macs\n")
    rows = [line.split() for line in out.splitlines() if line.startswith("layer")]
    assert rows[:2] == [["layer4.2", "last", "7", "32", "427", "213"], ["layer3.5", "stage", "14", "16", "267", "137"]]
