"""`rf.Progress` without a notebook: lines of text, and the bar of a terminal."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest

import rfscale as rf
from rfscale.sweeps import progress as module
from tests.test_variables import square


@pytest.fixture
def lines(monkeypatch, capsys):
    """What is written, with no pause between lines."""
    monkeypatch.setattr(module.Lines, "pause", 0.0)
    return lambda: capsys.readouterr().err.splitlines()


def test_lines_say_how_far_the_work_is(lines):
    bar = rf.Progress("work [a]")
    bar(1, 4)
    bar(2, 4)
    bar(4, 4)
    bar(4, 4)
    first, second, *_, last = lines()
    assert first.startswith("work [a]: 25%")
    assert second.startswith("work [a]: 50%, ")
    assert last.startswith("work [a]: 100%, ")
    assert last.endswith(" s")
    assert lines() == []
    assert repr(bar) == "<Progress work [a]: 100%>"


def test_lines_are_few(capsys):
    bar = rf.Progress("work")
    for i in range(1000):
        bar(i + 1, 1000)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_how_much_since_and_no_total(lines):
    bar = rf.Progress("sweep", 10)
    bar(4)
    assert lines()[-1].startswith("sweep: 40%")
    bar(7)  # counted twice or not, it is done
    assert lines()[-1].startswith("sweep: 100%")
    bar = rf.Progress("images")
    bar(3, None)
    assert lines() == ["images: 3 done"]
    bar.close()
    with pytest.raises(rf.InputError, match=r"total is not known; give it to rf\.Progress"):
        rf.Progress("sweep")(4)
    with pytest.raises(rf.InputError, match="total is 0; it must be at least 1"):
        rf.Progress("sweep", 0)


def test_what_functions_report_reaches_the_end(lines):
    for call in (
        lambda: rf.validate(square(), progress=rf.Progress("v")),
        lambda: rf.sweep(square(), progress=rf.Progress("s", sum(square().stage_sizes))),
        lambda: rf.sweep(rf.NetworkSpace(net, {"k": [1, 3]}), progress=rf.Progress("n", 2)),
    ):
        call()
        assert ": 100%, " in lines()[-1]


def net(k):
    return rf.Network.sequential({"kernel": k})


def test_a_sweep_into_a_store_reaches_the_end(lines, tmp_path):
    tree = rf.sweep(square(), store=tmp_path / "a.zarr", progress=rf.Progress("s", sum(square().stage_sizes)))
    assert np.isfinite(tree["s3"].extent.values).all()
    assert ": 100%, " in lines()[-1]


def test_a_terminal_has_a_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with rf.Progress("[red]work") as bar:
        bar(1, 2)
    assert "[red]work" in terminal.getvalue()
