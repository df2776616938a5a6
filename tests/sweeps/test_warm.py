"""Compiled code in advance: that every kernel is asked for, and what a person who waits for a compiler is told."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time

import pytest

from rfscale.engine.kernels import jit_cache
from rfscale.engine.kernels.jit_cache import Compilation
from tests import ROOT

RECORDED = """
import sys, threading
called = set()
def note(frame, event, _):
    if event == "call" and "/kernels/" in frame.f_code.co_filename:
        called.add(frame.f_code.co_filename.rsplit("/", 1)[1] + ":" + frame.f_code.co_name)
from rfscale.sweeps.warm import warm
parts = []
sys.setprofile(note)
threading.setprofile(note)
warm(parts.append)
sys.setprofile(None)
print(*parts, sep=",")
print(*sorted(called))
"""


def kernels():
    """Functions that Python calls and numba compiles."""
    drawn = ROOT / "sweeps/kernels/drawn/chains.py"
    for path in [*ROOT.glob("engine/kernels/*.py"), *ROOT.glob("sweeps/kernels/*.py"), drawn]:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                decorators = {d.id for d in node.decorator_list if isinstance(d, ast.Name)}
                if decorators & {"jit", "parallel", "vectors"}:
                    yield f"{path.name}:{node.name}"
            elif isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("jit("):
                yield f"solid_pass.py:{ast.unparse(node.targets[0])}"  # compiled from that file


def test_every_kernel_is_compiled_in_advance():
    """Without the compiler, so that it takes a second."""
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, "-c", RECORDED], env=environment, capture_output=True, text=True, check=True)
    parts, called = done.stdout.splitlines()
    assert parts == "one network,formulas,many networks,designs,validation"
    assert set(kernels()) - set(called.split()) == set()


@pytest.fixture
def terminal(monkeypatch, capsys):
    monkeypatch.setattr(jit_cache, "SECONDS_BEFORE_SAID", 0.02)
    monkeypatch.setattr(jit_cache, "_a_person_waits", lambda: True)
    return lambda: capsys.readouterr().err


def test_a_person_is_told_once_what_takes_long(terminal):
    compilation = Compilation()
    for _ in range(2):
        compilation.begin()
        time.sleep(0.2)
        compilation.end()
    assert terminal() == jit_cache.ONCE + "\n"
    assert compilation.kernels == 2


def test_what_is_short_is_not_said(terminal, monkeypatch):
    monkeypatch.setattr(jit_cache, "SECONDS_BEFORE_SAID", 60.0)
    compilation = Compilation()
    compilation.begin()
    compilation.begin()  # a kernel that the first one calls
    compilation.end()
    compilation.end()
    assert (terminal(), compilation.kernels) == ("", 2)


def test_short_ones_add_up(terminal):
    compilation = Compilation()
    compilation.seconds = 1.0
    compilation.begin()
    time.sleep(0.1)
    compilation.end()
    assert terminal() == jit_cache.ONCE + "\n"


def test_a_pipe_is_told_nothing(monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)  # of a notebook that another test ran
    assert not jit_cache._a_person_waits()  # stderr of a test is no terminal
