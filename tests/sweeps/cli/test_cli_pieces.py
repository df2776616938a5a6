"""Numbers as text, and progress in terminals."""

import sys
import time

import pytest

from rfscale.sweeps.report import terminal as tables
from rfscale.sweeps.report.progress import progress

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
