"""docs/validity.md: its statements, checked small; its commands, run again; the networks that it offers to replay."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from math import prod

import pytest

from docs import facts
from docs import refresh as docs
from tests import ROOT

PAGE = (ROOT / "docs" / "validity.md").read_text(encoding="utf-8")
QUICK = ("rfscale validate dilated5", "rfscale validate gaussian")


@pytest.mark.parametrize("depth", [1, 4])
def test_statements_that_hold(depth):
    for check in (facts.undilated_published, facts.undilated_with_gaps, facts.gap_criterion_on_chains):
        cases, wrong = check(min(depth, 2) if check is facts.gap_criterion_on_chains else depth)
        assert wrong == 0
        assert cases or depth == 1
    assert facts.gap_criterion_on_sets(8, 4) == (128 * 4, 0)
    for check in (facts.dilated_below_half, facts.dilated_above_half, facts.dilated_as_printed_above_half):
        cases, wrong = check(20)
        assert cases > 50
        assert wrong == 0


def test_statements_that_do_not():
    cases, wrong = facts.dilated_needs_solid(2)
    assert 0 < wrong < cases


def test_a_wrong_statement_is_noticed(monkeypatch):
    monkeypatch.setattr(facts, "_no_gap_of_one", lambda pixels, jump: pixels.bit_count() == pixels.bit_length())
    assert facts.gap_criterion_on_sets(8, 4)[1] > 0
    monkeypatch.setattr(facts, "PUBLISHED", dict.fromkeys(facts.PUBLISHED, lambda S, P: (S, P)))
    assert facts.dilated_below_half(10)[1] > 0
    assert facts.undilated_published(2)[1] > 0


def test_plain_sets_know_the_examples():
    assert facts.after(0b111, 1, (2, 2, 4)) == (0b1110111, 2)
    assert facts.exact(0b111, 1) == (9, Fraction(2, 3))


def test_commands_print_what_the_page_says():
    """Those that take no time; `python docs/refresh.py docs/validity.md` runs all."""
    blocks = [m.group(0) for m in docs.BLOCK.finditer(PAGE) if m["command"].startswith(QUICK)]
    assert len(blocks) >= len(QUICK)
    for block in blocks:
        assert docs.refresh(block) == block


def test_every_command_of_the_page_is_there():
    commands = [m["command"] for m in [*docs.BLOCK.finditer(PAGE), *docs.TABLE.finditer(PAGE)]]
    assert len(commands) >= 6
    assert PAGE.count("```console") + PAGE.count("<!-- run:") == len(commands)
    for picture in re.findall(r"\(pictures/([^)]+)\)", PAGE):
        assert (ROOT / "docs" / "pictures" / picture).is_file()


def test_worst_networks_are_replayed_from_the_command_line(rfscale, tmp_path, monkeypatch):
    """In this process, where the kernels may be compiled already: that takes half a minute."""
    monkeypatch.chdir(tmp_path)
    _, out, _ = rfscale("validate", "chains", "--kernel", "2,3", "--dilation", "1-3", "--depth", "3",
                        "--worst", "worst", "--out", "report.json")  # fmt: skip
    report = json.loads((tmp_path / "report.json").read_text())["records"]
    assert len(report) == 3  # all in one has 1.6e6 rows
    for dims, rows in report.items():
        assert len(rows) == prod(len({row[dim] for row in rows}) for dim in dims.split(", "))
    command = out[out.index("rfscale profile") :].splitlines()[0].split()
    _, shown, _ = rfscale(*command[1:], "--out", "profile.json")
    assert "layer3" in shown
    last = json.loads((tmp_path / "profile.json").read_text())["records"][-1]
    assert last["area"] == 49
    assert last["published_area"] == pytest.approx(729)


def test_a_space_is_no_single_table(rfscale, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rfscale.sweeps.validation.validate.validate", None)  # refused before anything is worked out
    code, _, err = rfscale("validate", "chains", "--out", "report.csv")
    assert (code, err.count("\n")) == (2, 1)
    assert "more than one .csv table" in err
