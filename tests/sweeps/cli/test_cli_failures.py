"""When things go wrong on the command line: packages, folders, interrupts, pipes."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests import ROOT
from tests.sweeps.cli.processes import process

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


def after_interrupts(code, *lines):
    """Exit status and messages of a process that gets Ctrl-C after each of these lines."""
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    for line in lines:
        assert child.stdout.readline() == f"{line}\n"
        time.sleep(0.1)
        child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    return child.returncode, err


def test_interrupt_from_outside():
    """Ctrl-C while it computes: no traceback, exit 130."""
    code = (
        "import signal, sys, time, rfscale.engine.analysis.profile; from rfscale.sweeps.cli.main import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background ignores Ctrl-C
        "def slow(*a): print('on', flush=True); time.sleep(60)\n"
        "rfscale.engine.analysis.profile.profile_columns = slow\n"
        "sys.exit(main(['profile', 'vgg16']))"
    )
    assert after_interrupts(code, "on") == (130, "")


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
    assert after_interrupts(code, "on", "stopping") == (130, "")


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
    status, err = after_interrupts(code, "on")
    assert status in (2, 130, -signal.SIGINT)
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
