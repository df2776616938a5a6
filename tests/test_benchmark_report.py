"""The page of benchmarks: what each machine measured, side by side, and nothing of one lost when another is added."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import machine, memory, memory_table, report, results
from benchmarks.registry import Case, Contender

PAGE = "\n".join(
    f"text\n{start}\nold\n{end}"
    for start, end in (report.SHORT, report.MARKS, report.INSIDE, report.GROWTH, memory_table.MARKS)
)


def timing(who, seconds, **info):
    return {"who": who, "seconds": seconds, "note": "", "aim": None, "readme": False, "state": "warm", **info}


def ours(seconds, **info):
    return timing("rfscale", seconds, items=0.0, unit="", rate_aim=None, public=True, **info)


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    monkeypatch.setattr(report, "DOCS", tmp_path / "page.md")
    monkeypatch.setattr("benchmarks.chart.draw", lambda *given: None)
    report.DOCS.write_text(PAGE)
    return report.DOCS


def measured(name, day, timings, **more):
    at = {"name": name, "processor": name, "cores": 2, "software": "rfscale", "day": day, "packages": {}}
    results.write(results.place(at), machine={**at, "small": False, **more}, timings=timings)


def lines(page, who):
    return [line for line in page.read_text().splitlines() if f"| {who} |" in line]


def test_machines_stand_side_by_side_the_last_one_first(page):
    measured("slow", "2026-01-01", {"q": [ours(2.0), timing("peer", 1.0, readme=True, aim=2)]})
    measured("fast", "2026-01-02", {"q": [ours(0.5), timing("peer", 2.0, readme=True, aim=2), timing("new", 1.0)]})
    report.refresh()
    assert "| question | who | state | fast, 2 cores | slow, 2 cores | notes |" in page.read_text()
    short, full = lines(page, "peer")
    assert short == full
    assert "| 2 s (4×) | 1 s (**0.5×, faster**) |" in full
    assert "**missed on slow, 2 cores**" in full
    assert lines(page, "new") == ["|  | new | warm | 1 s (2×) | – |  |"]


def test_cases_of_no_call_of_a_user_are_in_the_appendix_alone(page):
    measured("one", "2026-01-01", {"inner": [{**ours(1.0), "public": False}, timing("peer", 1.0, readme=True)]})
    report.refresh()
    text = page.read_text()
    assert text.count("| inner |") == 1
    assert text.index(report.INSIDE[0]) < text.index("| inner |") < text.index(report.INSIDE[1])


def test_a_machine_that_was_not_quiet_is_said(page):
    measured("busy", "2026-01-01", {"q": [ours(1.0, others_busy=0.8)]}, load_average=2.0, others_busy=0.0)
    report.refresh()
    assert "not quiet" in page.read_text()


def test_growth_and_comparisons_are_kept_when_the_other_is_measured_anew(page):
    measured("one", "2026-01-01", {"q": [ours(1.0)]})
    results.write(results.FOLDER / "one.json", growth={"table": "| grown |", "conditions": "Quiet."})
    measured("one", "2026-01-02", {"q": [ours(3.0)]})
    report.refresh()
    text = page.read_text()
    assert "| grown |" in text
    assert "**3 s**" in text
    assert "old" not in text


def test_memory_is_that_of_the_peak(page):
    """A process that takes 100 MB for a moment, for an answer of 40 MB."""
    if not memory.PAGES.exists():
        return
    name, registered = "moment", memory.CASES
    registered[name] = lambda: Case(
        "a moment", Contender(lambda: np.ones(100_000_000, np.uint8)[::5].astype(np.uint16)), print
    )
    try:
        row = memory.measured(name)
    finally:
        del registered[name]
    assert row["answer"] == 40_000_000
    assert 139e6 < row["peak"] < 150e6
    measured("one", "2026-01-01", {"q": [ours(1.0)]})
    results.write(results.FOLDER / "one.json", memory={name: row | {"peak": 50_000_000, "process": 2e8}})
    report.refresh()
    assert "| a moment | 40 MB | 50 MB (**1.25** of it); 200 MB in all |" in page.read_text()


def test_a_run_of_pytest_becomes_what_is_kept(tmp_path):
    info = {"case": "q", "contender": "peer", "scale": 3.0, "small": False, "note": "n", "aim": 5, "readme": True}
    own = {
        **info,
        "contender": "rfscale",
        "scale": 1.0,
        "aim": None,
        "items": 2.0,
        "unit": "x",
        "rate_aim": None,
        "public": True,
    }
    runs = [{"group": "q", "stats": {"median": 2.0}, "extra_info": {**each, "state": "warm"}} for each in (info, own)]
    runs.append({**runs[0], "group": "of which ours was not timed"})
    at = {"of_rfscale": {"name": "m", "small": False}}
    (tmp_path / "run.json").write_text(json.dumps({"benchmarks": runs, "machine_info": at}))
    read = results.read_run(tmp_path / "run.json")
    assert read.machine == at["of_rfscale"]
    assert list(read.cases) == ["q"]
    assert [(row.who, row.seconds, row.ratio, row.missed) for row in read.cases["q"]] == [
        ("rfscale", 2.0, 1.0, False),
        ("peer", 6.0, 3.0, True),
    ]


def test_a_machine_has_the_name_of_its_processor_and_cores(monkeypatch):
    monkeypatch.setattr(machine.time, "sleep", lambda seconds: None)
    text = "Intel(R) Xeon(R) Processor @ 2.90GHz, 2 cores, Linux x86_64"
    monkeypatch.setattr(machine.computer, "machine", lambda: {"machine": text})
    found = machine.machine()
    assert (found["name"], found["processor"], found["cores"]) == (
        "intel-xeon-2.90ghz-2-cores",
        "Intel Xeon 2.90GHz",
        2,
    )
