"""The command: what it prints and writes, and one test per way to get it wrong."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from typing import get_args

import pytest
import xarray as xr

import rfscale as rf
from rfscale.sweeps.cli.verbs import QUESTIONS, VERBS
from rfscale.sweeps.report import terminal as tables
from rfscale.sweeps.report.progress import progress
from tests import ROOT


def process(*args, **kwargs):
    return subprocess.run([sys.executable, "-m", "rfscale", *map(str, args)], cwd=ROOT, text=True, **kwargs)


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


# when things go wrong -------------------------------------------------------------------------------------------------


def test_targets_are_checked_before_anything_is_computed(rfscale, monkeypatch):
    monkeypatch.setitem(sys.modules, "rfscale.engine.analysis.profile", None)  # importing it would fail
    assert "it must end in" in rfscale("profile", "vgg16", "--out", "x.txt")[2]


@pytest.mark.parametrize(("package", "install", "option", "name"), [
    ("matplotlib", "matplotlib", "--plot", "x.png"),
    ("h5netcdf", "h5netcdf h5py", "--out", "x.nc"),
])  # fmt: skip
def test_a_missing_package_is_named_and_how_to_get_it(rfscale, tmp_path, monkeypatch, package, install, option, name):
    monkeypatch.setitem(sys.modules, package, None)
    code, _, err = rfscale("profile", "vgg16", option, tmp_path / name)
    assert code == 2
    assert err.startswith(f"rfscale: {package} is needed")
    assert err.endswith(f": pip install {install}\n")
    assert not os.listdir(tmp_path)


def test_pictures_of_the_reproduction_need_matplotlib(rfscale, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, _, err = rfscale("reproduce", "--out", tmp_path / "out")
    assert code == 2
    assert "--no-pictures: pip install matplotlib" in err
    assert not os.listdir(tmp_path)


def test_a_folder_that_cannot_be_written_to(rfscale, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert "cannot be written to" in rfscale("profile", "vgg16", "--out", tmp_path / "x.csv")[2]


@pytest.mark.parametrize("name", ["x.csv", "x.zarr", "x.nc", "x.json"])
def test_nothing_is_left_half(rfscale, tmp_path, monkeypatch, name):
    """A disk that fills up while writing: the old file stays, the new one is gone."""
    path = tmp_path / name
    assert rfscale("profile", "vgg16", "--out", path)[0] == 0
    before = path.read_bytes() if path.is_file() else sorted(p.name for p in path.rglob("*"))

    from rfscale.sweeps.report import datasets as output

    writers = dict(output._WRITERS)

    def full(data, temporary):
        writers[path.suffix](data, temporary)
        assert temporary.parent == tmp_path
        assert sorted(os.listdir(tmp_path)) == sorted([temporary.name, name])  # both are there when it fails
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(output._WRITERS, path.suffix, full)
    code, _, err = rfscale("profile", "vgg19", "--out", path)
    assert (code, err) == (2, f"rfscale: cannot write {path}: No space left on device\n")
    assert os.listdir(tmp_path) == [name]
    assert before == (path.read_bytes() if path.is_file() else sorted(p.name for p in path.rglob("*")))


def test_interrupt(rfscale, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("rfscale.engine.analysis.profile.profile_columns", interrupted)
    assert rfscale("profile", "vgg16") == (130, "", "")


def test_interrupt_from_outside():
    """Ctrl-C while it computes: no traceback, exit 130."""
    code = (
        "import signal, sys, time, rfscale.engine.analysis.profile; from rfscale.sweeps.cli.main import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background ignores Ctrl-C
        "def slow(*a): print('on', flush=True); time.sleep(60)\n"
        "rfscale.engine.analysis.profile.profile_columns = slow\n"
        "sys.exit(main(['profile', 'vgg16']))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout.readline() == "on\n"
    time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (130, "")


def test_a_second_interrupt_does_not_wait():
    """Ctrl-C stops in order; Ctrl-C again, while that takes long, stops at once: no traceback, exit 130."""
    code = (
        "import signal, sys, time, rfscale.engine.analysis.profile; from rfscale.sweeps.cli.main import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.argv = ['rfscale', 'profile', 'vgg16']\n"
        "def slow(*a):\n"
        "    try: print('on', flush=True); time.sleep(600)\n"
        "    finally:\n"
        "        print('stopping', flush=True)\n"
        "        while True:\n"
        "            try: time.sleep(600)\n"
        "            except KeyboardInterrupt: pass\n"  # as packages do that wait for processes of theirs
        "rfscale.engine.analysis.profile.profile_columns = slow\n"
        "sys.exit(main())"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    for line in ("on\n", "stopping\n"):
        assert child.stdout.readline() == line
        time.sleep(0.1)
        child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (130, "")


@pytest.mark.parametrize("late", ["report_failure", "finish", "close_streams"])
def test_an_interrupt_at_the_end_is_no_traceback(late):
    """Ctrl-C while the end is reported, or while the process is about to end."""
    code = (
        "import signal, sys, time, rfscale.sweeps.cli.main as m\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.argv = ['rfscale', 'profile', 'vgg61']\n"
        f"real = m.{late}\n"
        "def slow(*a): print('on', flush=True); time.sleep(600); return real(*a)\n"
        f"m.{late} = slow\n"
        "sys.exit(m.main())"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout.readline() == "on\n"
    time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode in (2, 130, -signal.SIGINT)
    assert "Traceback" not in err


@pytest.mark.skipif(os.name != "posix", reason="pipes")
def test_a_broken_pipe_is_quiet():
    child = subprocess.Popen(
        [sys.executable, "-m", "rfscale", "networks"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    child.stdout.close()
    assert child.stderr.read() == b""
    child.stderr.close()
    assert child.wait(30) == 141


def test_an_ascii_terminal_gets_question_marks():
    done = process("networks", "stack", capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert "n 3?3 convolutions" in done.stdout


def test_as_a_process(tmp_path):
    done = process("profile", "plain5", "--out", tmp_path / "p.csv", capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "p.csv").read_text().startswith("layer,op,")
    assert process("profile", "plan5", capture_output=True).returncode == 2


# the pieces ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (-2.0, "−2"), (2 / 3, "0.667"), (float("nan"), "–"), (float("inf"), "all")]
)
def test_numbers(value, text):
    assert tables.number(value) == text


def test_progress_is_silent_off_a_terminal_and_late_on_one(capsys, monkeypatch):
    with progress("work", steps=1) as bar:
        bar.step("one")
        bar.share(1, 4)
    assert (capsys.readouterr().err, bar.done) == ("", 0.25)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress("work", steps=1) as bar:
        bar.step("one")
    assert capsys.readouterr().err == ""  # done before the second was over


def test_progress_shows_a_bar_after_a_second(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress("work", steps=2) as bar:
        bar.step("one")
        time.sleep(1.3)
    assert "work: one" in capsys.readouterr().err


def test_progress_shows_share_speed_and_time_left(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr("rfscale.sweeps.report.progress.SECONDS_BEFORE_SHOWN", 0.0)
    with progress("work", architectures=1000) as bar:
        bar.share(1, 4)  # done before, by another process
        time.sleep(0.3)
        bar.share(2, 4)
        time.sleep(0.3)
    shown = capsys.readouterr().err
    assert "50%" in shown
    assert "architectures/s" in shown
    assert "s left" in shown
