"""One net around the command: whatever is thrown at it ends in one line and an exit code, never in a traceback."""

import errno
import json
import os
import subprocess
import sys

import pytest

from rfscale.engine.errors import MAX_CHARACTERS, InputError, shortened, visible

THROWN = {
    "internal": (KeyError("x"), 70, "rfscale: internal error: KeyError: 'x'; please report it with this command line"),
    "no text": (AssertionError(), 70, "internal error: AssertionError; please"),
    "lines": (TypeError("a\nb\n\nc"), 70, "TypeError: a b c;"),
    "end of file": (EOFError("Ran out of input"), 70, "internal error: EOFError: Ran out of input"),
    "value": (ValueError("wrong"), 70, "internal error: ValueError: wrong"),
    "of no kind": (BaseException("odd"), 70, "internal error: BaseException: odd"),
    "memory": (MemoryError("Unable to allocate 8 TiB"), 71, "the memory of this machine is not enough: Unable to allo"),
    "recursion": (RecursionError("deep"), 2, "the input is nested too deeply"),
    "disk": (OSError(errno.ENOSPC, "No space left on device", "x.csv"), 71, "rfscale: x.csv: No space left on device"),
    "disk without file": (OSError(errno.EIO, "Input/output error"), 71, "refused to read or write: Input/output error"),
    "surrogate": ("\ud800".encode, 2, "a text has '\\ud800' in it, which is no character that can be written"),
    "long": (InputError("x" * 10_000 + " END"), 2, "(10004 characters, shortened)"),
    "pipe": (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, ""),
    "interrupt": (KeyboardInterrupt(), 130, ""),
    "exit": (SystemExit(3), 3, ""),
}


@pytest.mark.parametrize("case", THROWN)
def test_whatever_a_verb_raises_is_one_line(rfscale, monkeypatch, case):
    error, code, message = THROWN[case]

    def thrower(*_, **__):
        if callable(error):
            error()
        raise error

    monkeypatch.delenv("RFSCALE_TRACEBACK", raising=False)
    monkeypatch.setattr("rfscale.engine.analysis.profile.profile_columns", thrower)
    got, out, err = rfscale("profile", "vgg16")
    assert (got, out) == (code, "")
    assert message in err
    assert err.count("\n") == (1 if message else 0)
    assert len(err) <= MAX_CHARACTERS + len("rfscale: \n")


@pytest.mark.parametrize(
    "args",
    [
        ("profile", "vgg16", "--x\x1b[31m\rred"),
        ("profile", "vgg16", "extra\x1b]0;title\x07"),
        ("profile", "vgg16", "--entry", "1,2\x1b[2J"),
        ("profile", "vgg16\u202e"),
        ("profile", "vgg16", "--depth", "\x1b[1m"),
        ("profile\x1b[31m",),
        ("sweep", "x.yaml", "--best-k", "\x9b31m"),
        ("halo", "vgg16", "--tile", "12\x1b[31m"),
        ("--\x1b[31m",),
        ("-\x1b",),
        ("networks", "a\nb\x1b[31m"),
    ],
)
def test_what_was_typed_reaches_the_terminal_without_control_characters(rfscale, args):
    code, out, err = rfscale(*args)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert visible(err.rstrip("\n")) == err.rstrip("\n")


def test_a_traceback_is_shown_to_those_who_ask_for_it(rfscale, monkeypatch):
    monkeypatch.setattr("rfscale.engine.analysis.profile.profile_columns", lambda *_, **__: 1 / 0)
    monkeypatch.setenv("RFSCALE_TRACEBACK", "1")
    code, _, err = rfscale("profile", "vgg16")
    assert code == 70
    assert "Traceback" in err
    assert "ZeroDivisionError" in err.splitlines()[-1]


def test_a_long_message_keeps_its_begin_and_its_end():
    text = "begin " + "x" * 9000 + " end"
    assert len(shortened(text)) == MAX_CHARACTERS == len(str(InputError(text)))
    assert shortened(text).startswith("begin x")
    assert shortened(text).endswith("x end")
    assert shortened("short") == "short"


def run(*args, shell="{}", cwd=None):
    """Run the command as a process, in a line of a shell: (exit code, stdout, stderr)."""
    import shlex

    line = shell.format(shlex.join([sys.executable, "-m", "rfscale", *args]))
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, errors="replace", cwd=cwd, timeout=300)
    return done.returncode, done.stdout, done.stderr


def test_closed_and_full_streams():
    args = ("profile", "vgg16")
    assert run(*args, shell="{} >&-") == (0, "", "")
    assert run(*args, shell="{} 2>&-")[0] == 0
    assert run("profile", "vgg61", shell="{} >&- 2>&-") == (2, "", "")
    code, _, err = run(*args, shell="{} > /dev/full")
    assert (code, err.count("\n")) == (71, 1)
    assert "No space left on device" in err
    assert run("profile", "vgg61", shell="{} 2> /dev/full")[0] == 2
    assert run(*args, shell="{} | head -c 1; exit ${{PIPESTATUS[0]}}")[2] == ""
    assert run("--help", shell="{} > /dev/full")[0] == 71


@pytest.mark.parametrize("suffix", ["nc", "csv", "json", "zarr", "png", "svg"])
def test_a_file_that_the_disk_has_no_room_for(tmp_path, suffix):
    """One line, no signal ends the process, and what was there before is still there."""
    written = tmp_path / f"x.{suffix}"
    args = ("profile", "vgg16", "--plot" if suffix in ("png", "svg") else "--out", written)
    assert run(*map(str, args))[0] == 0
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    code, out, err = run(*map(str, args), shell="ulimit -f 0; {}")  # SIGXFSZ is ignored by Python
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"cannot write {written}: File too large" in err
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("args", [("profile", "net.yaml"), ("profile", "m:f"), ("profile", "vgg16", "--out", "x.csv")])
def test_a_deleted_working_folder(tmp_path, args):
    code, out, err = run(*args, shell="mkdir gone; cd gone; rmdir ../gone; {}", cwd=tmp_path)
    assert (out, err.count("\n")) == ("", 1)
    assert code in (2, 71)
    assert err.startswith("rfscale: ")


def test_names_of_250_letters_and_of_more(rfscale, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "n" * 246
    assert rfscale("profile", "vgg16", "--out", f"{name}.csv")[0] == 0
    assert rfscale("profile", "vgg16", "--out", f"{name}.nc")[0] == 0
    assert rfscale("profile", "vgg16", "--out", f"{name}.zarr")[0] == 0
    for args in (
        ("profile", "n" * 5000),
        ("profile", "n" * 300 + ".yaml"),
        ("profile", "vgg16", "--out", "n" * 300 + ".csv"),
        ("profile", "vgg16", "--plot", "n" * 300 + ".png"),
        ("match", "vgg16", "--objects", "n" * 300 + ".csv"),
        ("batch", "n" * 300 + ".yaml"),
    ):
        code, out, err = rfscale(*args)
        assert (out, err.count("\n")) == ("", 1), args
        assert code in (2, 71), args


def test_lone_surrogates(rfscale, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.json").write_text(json.dumps({"name": "a\ud800b", "layers": [{"kernel": 3, "name": "c\udfff"}]}))
    for suffix in ("csv", "json", "nc", "zarr", "png", "svg"):
        option = "--plot" if suffix in ("png", "svg") else "--out"
        code, _, err = rfscale("profile", "net.json", option, f"x.{suffix}")
        assert (code, err.count("\n")) == (2, 1), suffix
        assert "net.json has the lone surrogate '\\ud800' in a text" in err
    name = os.fsdecode(b"net\xff.yaml")  # a name of a file that is no UTF-8
    (tmp_path / name).write_text("layers: [{kernel: 3}]")
    assert rfscale("profile", name, "--out", "y.json")[0] == 0


def test_a_name_is_no_formula_of_a_picture(rfscale, tmp_path):
    spec = {"name": "$\\frac{a$", "layers": [{"kernel": 3, "name": "$\\frac{b$"}]}
    (tmp_path / "net.json").write_text(json.dumps(spec))
    code, _, err = rfscale("profile", tmp_path / "net.json", "--plot", tmp_path / "x.svg")
    assert (code, err) == (0, "")
