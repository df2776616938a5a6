"""Time every contender of every case, after a check that they agree."""

from __future__ import annotations

from functools import cache

import pytest

from benchmarks.cases import CASES, Case


@cache
def built(name: str) -> Case:
    """Build a case and check it, once."""
    case = CASES[name]()
    case.check()
    return case


def contenders() -> list[tuple[str, str]]:
    return [(name, other) for name in CASES for other in ("rfscale", *CASES[name]().others)]


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
