"""Time every contender of every case, after a check that they agree."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.cases import CASES, Case

for _file in sorted(Path(__file__).parent.glob("cases_*.py")):
    import_module(f"benchmarks.{_file.stem}")


@cache
def built(name: str) -> Case:
    """A case whose contenders have been found to agree."""
    case = cases(name)
    case.check()
    return case


def contenders() -> list[tuple[str, str]]:
    return [(name, other) for name in CASES for other in ("rfscale", *cases(name).others)]


@cache
def cases(name: str) -> Case:
    """Build a case, once."""
    return CASES[name]()


@pytest.mark.parametrize(("name", "contender"), contenders())
def test_speed(benchmark, name, contender):
    case = built(name)
    chosen = case.ours if contender == "rfscale" else case.others[contender]
    benchmark.group = case.name
    benchmark.extra_info.update(case=name, contender=contender, scale=chosen.scale, note=chosen.note)
    if chosen.rounds:
        benchmark.pedantic(chosen.call, rounds=chosen.rounds, warmup_rounds=0)
    else:
        benchmark(chosen.call)
