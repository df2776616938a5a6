"""Batch runs: order, resuming, failures that do not stop the rest, measured costs, earlier summaries."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import xarray as xr

from rfscale.engine.errors import InputError
from rfscale.sweeps.batch.entries import read_runs
from rfscale.sweeps.batch.run import run_batch
from rfscale.sweeps.batch.summary import check_against, compare, read_summary
from rfscale.sweeps.report.tables.batch import summary_table
from rfscale.sweeps.runs.run import run
from rfscale.sweeps.spaces.space import Space

GOOD = """
runs:
  - {name: five, profile: dilated5}
  - {name: wrong, profile: no-such-network}
  - {name: judged, validate: {kernel: [2, 3], depth: 3}}
  - name: counted
    count: {stages: [{name: s1, kernel: [1, 3, 5]}, {name: s2, kernel: [1, 3]}]}
    by: extent
  - {name: swept, sweep: space.yaml, formulas: true}
"""
SPACE = "stages: [{name: s1, kernel: [1, 3, 5]}, {name: s2, kernel: [3, 5], dilation: [1, 2]}]"


@pytest.fixture
def runs(tmp_path):
    (tmp_path / "runs.yaml").write_text(GOOD)
    (tmp_path / "space.yaml").write_text(SPACE)
    return tmp_path


def go(folder, **options):
    return run_batch(read_runs(folder / "runs.yaml"), folder / "out", folder, **options)


def test_all_kinds(runs):
    steps = []
    summary = go(runs, step=steps.append)
    assert steps == ["five", "wrong", "judged", "counted", "swept"]
    assert summary.status.values.tolist() == ["done", "failed", "done", "done", "done"]
    assert "no-such-network" in summary.message.sel(run="wrong").item()
    assert summary.architectures.values.tolist() == [1, 0, 8, 6, 12]
    for name in ("five", "judged", "counted", "swept"):
        tree = xr.open_datatree(runs / "out" / f"{name}.zarr", engine="zarr", consolidated=False)
        for key in ("wall_seconds", "cpu_seconds", "peak_memory", "rate", "threads", "versions", "machine"):
            assert key in tree.attrs
        assert tree.attrs["wall_seconds"] > 0
    assert any("wrong failed" in str(line) for line in summary_table(summary))


def test_resumes_and_forgets(runs):
    first = go(runs)
    again = go(runs)
    assert again.status.values.tolist() == ["kept", "failed", "kept", "kept", "kept"]
    assert again.wall_seconds.sel(run="judged") == first.wall_seconds.sel(run="judged")
    (runs / "space.yaml").write_text(SPACE.replace("[1, 3, 5]", "[1, 3]"))
    changed = go(runs)
    assert changed.status.sel(run="swept") == "done"
    assert changed.architectures.sel(run="swept") == 8
    rerun = go(runs, rerun=True)
    assert rerun.status.values.tolist() == ["done", "failed", "done", "done", "done"]
    assert rerun.architectures.sel(run="swept") == 8


def test_a_name_may_change_its_kind(runs):
    count, sweep = "{name: a, count: space.yaml, by: extent}", "{name: a, sweep: space.yaml}"
    for entry in (count, sweep, count):
        (runs / "runs.yaml").write_text(f"runs: [{entry}, {{name: last, profile: dilated5}}]")
        assert go(runs).status.values.tolist()[0] == "done"
    (runs / "out" / "summary.json").unlink()  # nobody knows whose store it is: the run fails, and the next begins
    (runs / "runs.yaml").write_text(f"runs: [{sweep}, {{name: last, profile: dilated5}}]")
    summary = go(runs)
    assert summary.status.values.tolist() == ["failed", "done"]
    assert "is a folder of something else" in summary.message.values[0]
    (runs / "out" / "a.zarr" / "done").mkdir()
    (runs / "runs.yaml").write_text(f"runs: [{count.replace('extent', 'jump')}, {{name: last, profile: dilated5}}]")
    (runs / "out" / "summary.json").unlink()
    summary = go(runs)
    assert summary.status.values.tolist() == ["failed", "done"]
    assert "it is not replaced" in summary.message.values[0]


def test_compare(runs):
    first = go(runs)
    before = read_summary(runs / "out")
    assert before.wall_seconds.sel(run="judged").item() == pytest.approx(first.wall_seconds.sel(run="judged").item())
    both = compare(go(runs, rerun=True), before)
    ratio = both.wall_before.sel(run="five") / both.wall_seconds.sel(run="five")
    assert both.speedup.sel(run="five") == ratio
    assert summary_table(both)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x", "needs 'runs'"),
        ("runs: [3]", "run 1: 3; it must be a mapping"),
        ("runs: [{name: a/b, profile: vgg16}]", "it names a file"),
        ("runs: [{name: a, profile: vgg16}, {name: a, profile: vgg16}]", "two runs are named 'a'"),
        ("runs: [{name: a}]", "needs one of sweep, count, validate, profile"),
        ("runs: [{name: a, profile: vgg16, by: x}]", "'a' has no 'by'"),
        ("runs: [{name: a, sweep: s.yaml, arg: {n: 2}}]", "'a' has no 'arg'"),
        (
            "runs: [{name: a, profile: 'm:f', arg: n=2}]",
            "'a': arg is 'n=2'; it must be a mapping of arguments, such as",
        ),
        ("runs: [{name: a, profile: 'm:f', arg: {2: 2}}]", "'a': arg is {2: 2}; it must be a mapping"),
        (
            "runs: [{name: a, validate: 'm:f', example_input: 0}]",
            "'a': example_input is 0; it must be batch",
        ),
        ("runs: [{name: a, validate: 'm:f', example_input: [1, 3, 0, 8]}]", "'a': example_input is"),
        ("runs: [{name: a, validate: 'm:f', example_input: [[1, 3, 8], 4]}]", "'a': example_input is"),
        ("runs: [{name: a, validate: 'm:f', example_input: []}]", "'a': example_input is"),
        ("runs: [{name: a, profile: 'm:f', axes: 1}]", "'a': axes is 1; it must be the spatial dims"),
        ("runs: [{name: a, profile: 'm:f', unknown: 3}]", "'a': unknown is 3; it must be pointwise or everything"),
        ("runs: [{name: a, profile: m.onnx, image: 3}]", "'a': image is 3; it must be the name of an input"),
        ("runs: [{name: a, profile: vgg16, input_size: wide}]", "'a': input_size is 'wide'; it must be pixels such as"),
        (
            "runs: [{name: a, validate: {kernel: [3], depth: 2}, arg: {n: 2}}]",
            "'a': arg goes with the name of a network, and validate describes one",
        ),
    ],
)
def test_bad_runs(tmp_path, text, message):
    (tmp_path / "runs.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_runs(tmp_path / "runs.yaml")


MODELS = """
runs:
  - {name: plain, profile: 'plainnet.py:build', arg: {n: 2, kernel: 5}}
  - {name: module, validate: 'plainnet:build', arg: {n: 4}}
  - {name: zoo, profile: dilated-stack, arg: {n: 2, dilation: 3}}
  - {name: misspelt, profile: 'plainnet:build', arg: {kernle: 5}}
  - {name: lacking, profile: 'plainnet:needs', arg: {name: a}}
  - {name: without, profile: 'plainnet:needs'}
  - {name: of-zoo, profile: vgg16, example_input: [1, 3, 64, 64]}
  - {name: of-network, profile: 'plainnet:build', example_input: [1, 3, 64, 64]}
  - {name: of-space, validate: space.yaml, arg: {n: 2}}
"""


def test_models_are_made_as_the_verbs_make_them(here):
    (here / "runs.yaml").write_text(MODELS)
    (here / "space.yaml").write_text(SPACE)
    summary = go(here, trust=True)
    messages = dict(zip(summary.run.values.tolist(), summary.message.values.tolist(), strict=True))
    assert [k for k, v in messages.items() if not v] == ["plain", "module", "zoo"], messages
    widest = {n: int(xr.open_zarr(here / "out" / f"{n}.zarr", consolidated=False).area.max()) for n in ("plain", "zoo")}
    assert widest == {"plain": 9**2, "zoo": 5**2}  # 1 + 2·4 pixels, and 5 with holes
    assert xr.open_zarr(here / "out" / "module.zarr", consolidated=False).sizes["layer"] == 4
    assert (
        "arg: plainnet:build cannot be called so: it takes no argument 'kernle'; did you mean 'kernel'"
        in messages["misspelt"]
    )
    assert messages["lacking"] == "arg: plainnet:needs needs width and depth; give arg: {width: …, depth: …}"
    assert messages["without"] == "plainnet:needs needs width and depth; give arg: {width: …, depth: …}"
    assert messages["of-zoo"] == "example_input: vgg16 is a network of the zoo; example_input goes with models"
    assert messages["of-network"].endswith("makes an rf.Network, which takes no example_input")
    assert messages["of-space"].endswith("space.yaml is a space; arg goes with networks")
    assert any("misspelt failed: arg: " in str(line) for line in summary_table(summary))


def test_a_sweep_that_lost_data_is_not_kept(runs):
    go(runs)
    shard = next((runs / "out" / "swept.zarr" / "s2" / "extent").glob("c.*"))
    content = shard.read_bytes()
    shard.unlink()
    assert go(runs).status.sel(run="swept") == "done"
    assert shard.read_bytes() == content
    assert go(runs).status.sel(run="swept") == "kept"


@pytest.mark.parametrize("rerun", [False, True])
def test_stores_of_others_are_left_alone(runs, rerun):
    import zarr

    go(runs)
    out = runs / "out"
    (out / "swept.zarr" / "notes.txt").write_text("mine")  # in a store of ours
    shutil.rmtree(out / "five.zarr")
    zarr.create_group(out / "five.zarr", attributes={"mine": 1}).create_array("done", shape=2, dtype="i1")
    shutil.rmtree(out / "judged.zarr")
    zarr.create_array(out / "judged.zarr", shape=2, dtype="i1")
    before = {f: f.read_bytes() for f in out.rglob("*") if f.is_file() and f.name != "summary.json"}
    text = GOOD.replace("five, profile: dilated5", "five, profile: vgg16").replace("depth: 3", "depth: 2")
    (runs / "runs.yaml").write_text(text.replace("formulas: true", "formulas: false"))
    summary = go(runs, rerun=rerun)
    for name in ("five", "judged", "swept"):
        assert summary.status.sel(run=name) == "failed"
        assert "give another name" in summary.message.sel(run=name).item()
        changed = [f for f, content in before.items() if f"{name}.zarr" in str(f) and f.read_bytes() != content]
        assert not changed


@pytest.mark.parametrize("kind", ["profile", "validate", "sweep", "count"])
def test_a_batch_file_runs_no_code_unless_it_is_trusted(here, kind):
    code = "import pathlib\npathlib.Path('ran').touch()\n"
    (here / "loud.py").write_text(code)
    for text in ("loud:x", "loud.py:x", "os:system"):
        (here / "runs.yaml").write_text(f"runs: [{{name: a, {kind}: '{text}'}}]")
        summary = go(here)
        assert summary.status.item() == "failed"
        assert summary.message.item().endswith("which a batch file may not run; if you trust it, give --trust")
        assert not (here / "ran").exists()
    (here / "runs.yaml").write_text(f"runs: [{{name: a, {kind}: 'loud.py:x', trust: true}}]")
    with pytest.raises(InputError, match="has no 'trust'"):
        read_runs(here / "runs.yaml")
    (here / "runs.yaml").write_text(f"runs: [{{name: a, {kind}: 'loud.py:x'}}]")
    go(here, trust=True)
    assert (here / "ran").exists()


def test_a_model_whose_file_changes_is_run_again(here):
    (here / "runs.yaml").write_text("runs: [{name: a, profile: 'plainnet.py:build'}]")
    assert go(here, trust=True).status.item() == "done"
    assert go(here).status.item() == "kept"
    (here / "plainnet.py").write_text((here / "plainnet.py").read_text().replace("n=3", "n=5"))
    assert go(here, trust=True).status.item() == "done"
    assert xr.open_zarr(here / "out" / "a.zarr", consolidated=False).sizes["layer"] == 5


@pytest.mark.onnx
def test_onnx_files_beside_the_batch(here):
    onnx = pytest.importorskip("onnx")
    from tests.engine.readers.onnx.graphs import model, node, weights

    onnx.save(model([node("Conv", "x", "w")], w=weights(1, 1, 3, 3)), here / "a.onnx")
    (here / "runs.yaml").write_text(
        "runs: [{name: a, profile: a.onnx, example_input: [1, 1, 20, 30]}, {name: b, profile: a.onnx, image: y}]"
    )
    summary = go(here)
    assert summary.status.values.tolist() == ["done", "failed"]
    assert summary.message.values[1].startswith("image: ")
    assert xr.open_zarr(here / "out" / "a.zarr", consolidated=False).map_size.values.tolist() == [[18, 28]]


@pytest.mark.torch
def test_torch_modules_are_read_at_the_size_asked_for(here):
    (here / "runs.yaml").write_text(
        """runs:
  - {name: sized, profile: 'torchnet:Net', arg: {depth: 3}, input_size: [24, 32]}
  - {name: shaped, validate: 'torchnet:Net', example_input: [1, 3, 40, 40]}
  - {name: two, profile: 'torchnet:Pair', example_input: [[1, 3, 8, 8], [1, 4, 8, 8]]}
  - {name: dims, profile: 'torchnet:Last', axes: [1, 2], example_input: [1, 32, 48, 3]}
  - {name: given, profile: 'torchnet:Ranked', unknown: {argsort: pointwise}}
  - {name: channels, profile: 'torchnet:Net', example_input: [1, 5, 8, 8]}
"""
    )
    summary = go(here, trust=True)
    assert summary.status.values.tolist() == ["done"] * 5 + ["failed"], summary.message.values
    sized = xr.open_zarr(here / "out" / "sized.zarr", consolidated=False)
    assert sized.map_size.values.tolist() == [[24, 32]] * 3
    assert summary.message.values[-1].startswith("example_input: Net does not run on an input of 1×5×8×8")


def test_against_other_runs(runs):
    go(runs)
    with pytest.raises(InputError, match="--against has the runs five, wrong, judged, counted, swept, none of this"):
        check_against([{"name": "other"}], read_summary(runs / "out"))


def cli(folder, *words):
    command = [sys.executable, "-m", "rfscale", "batch", *words]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_killed_in_the_middle(runs):
    """A batch that is killed while its sweep is written goes on: what was done is kept, the store becomes whole."""
    (runs / "space.yaml").write_text(
        "stages: [" + ", ".join(f"{{name: s{i}, kernel: [1, 3, 5, 7], dilation: [1, 2, 3]}}" for i in range(6)) + "]"
    )
    (runs / "runs.yaml").write_text(
        "runs: [{name: first, profile: dilated5}, {name: swept, sweep: space.yaml}, {name: last, profile: dilated5}]"
    )
    process = cli(runs, "runs.yaml", "--out", "out")
    deadline = time.monotonic() + 120
    while not (runs / "out" / "swept.zarr").is_dir() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.communicate()
    left = read_summary(runs / "out")
    assert left.status.sel(run="first") == "done"
    assert left.status.sel(run="swept") == "running"
    done = cli(runs, "runs.yaml", "--out", "out")
    _, err = done.communicate()
    assert done.returncode == 0, err
    summary = read_summary(runs / "out")
    assert summary.status.values.tolist() == ["kept", "done", "done"]
    tree = xr.open_datatree(runs / "out" / "swept.zarr", engine="zarr", consolidated=False, chunks=None)
    whole = run(Space.from_file(runs / "space.yaml"), stages=["s5"])
    for name in ("pixels", "shared"):
        np.testing.assert_array_equal(tree["s5"][name].values, whole["s5"][name].values)


def test_exit_code_and_one_line(runs):
    """Failures do not stop the rest, stand in the table, and make the exit code 2."""
    process = cli(runs, "runs.yaml", "--out", "out")
    out, err = process.communicate()
    assert process.returncode == 2
    assert "wrong failed: " in out
    assert err.strip() == "rfscale: 1 of 5 runs failed; the table says why, the others are done"
    missing = cli(runs, "none.yaml")
    _, err = missing.communicate()
    assert missing.returncode == 2
    assert err.count("\n") == 1


class Odd(BaseException):
    pass


@pytest.mark.parametrize(
    ("thrown", "message"),
    [
        (KeyError("x"), "internal error: KeyError: 'x'; please report it"),
        (ValueError("a\nb\x1b[31m"), "internal error: ValueError: a b\\x1b[31m; please report it"),
        (MemoryError("none"), "the memory of this machine is not enough: none"),
        (OSError(5, "Input/output error", "x.csv"), "x.csv: Input/output error"),
        (SystemExit(3), "the code of the entry ended Python: SystemExit(3)"),
        (RecursionError("deep"), "the input is nested too deeply"),
        (Odd("odd"), "internal error: Odd: odd; please report it"),
    ],
    ids=lambda x: type(x).__name__,
)
@pytest.mark.parametrize("place", ["subject_of", "options_of", "_keep"])
def test_whatever_an_entry_raises_is_its_line_and_the_others_run(tmp_path, monkeypatch, thrown, message, place):
    from rfscale.sweeps.batch import run

    entries = [{"name": name, "profile": "stack"} for name in ("before", "bad", "after")]
    real, calls = getattr(run, place), []

    def thrower(*args, **kwargs):
        calls.append(args)
        if len(calls) == 2:
            raise thrown
        return real(*args, **kwargs)

    monkeypatch.setattr(run, place, thrower)
    summary = run.run_batch(entries, tmp_path / "out", tmp_path)
    assert summary.status.values.tolist() == ["done", "failed", "done"]
    assert summary.message.values.tolist() == ["", message, ""]
    monkeypatch.setattr(run, place, real)
    again = run.run_batch(entries, tmp_path / "out", tmp_path)
    assert again.status.values.tolist() == ["kept", "done", "kept"]


def test_a_file_that_cannot_be_read_fails_its_entry_alone(tmp_path, monkeypatch):
    from pathlib import Path

    from rfscale.sweeps.batch.run import run_batch

    (tmp_path / "net.yaml").write_text("layers: [{kernel: 3}]")
    real = Path.read_bytes

    def refused(path):
        if path.name == "net.yaml":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    entries = [{"name": "a", "profile": "net.yaml"}, {"name": "b", "profile": "stack"}]
    assert run_batch(entries, tmp_path / "out", tmp_path).status.values.tolist() == ["done", "done"]


def test_bad_summary(tmp_path):
    with pytest.raises(InputError, match="is no summary of a batch"):
        read_summary(tmp_path)
