"""Time every contender of every case, after a check that they agree."""

from __future__ import annotations

import gc
import time
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numba.core.event import install_recorder

from benchmarks.machine import Others
from benchmarks.registry import CASES, SMALL, Case, Contender
from rfscale.engine.footprints.figures import Figures
from rfscale.engine.footprints.pixel_sets import Family

SHORT = 2e-3  # seconds: many calls a round, and no collection between them
ENOUGH = 0.5  # seconds in all of what is timed
TURNS = 5  # little work is done without compiled code: a later call may come to what the first did not

for _file in sorted(Path(__file__).parent.glob("cases/*.py")):
    import_module(f"benchmarks.cases.{_file.stem}")


def contenders() -> list[tuple[str, str]]:
    return [(name, other) for name in CASES for other in ("rfscale", *built(name).others)]


@cache
def built(name: str) -> Case:
    """A case, built once."""
    return CASES[name]()


@cache
def agreed(name: str) -> Case:
    """A case whose contenders have been found to agree."""
    case = built(name)
    answer, compiled = compiling(case.ours)
    case.check(answer)
    if case.ours.state == "warm" and not SMALL:
        for _ in range(TURNS):
            if not compiled:
                break
            answer, compiled = compiling(case.ours)
    return case


@pytest.mark.parametrize(("name", "contender"), contenders())
def test_speed(benchmark, name, contender):
    case = agreed(name)
    chosen = case.ours if contender == "rfscale" else case.others[contender]
    benchmark.group = case.name
    benchmark.extra_info.update(case=name, contender=contender, small=SMALL, **described(case, chosen))
    others = Others()
    rounds = 1 if SMALL else chosen.rounds or rounds_of(chosen)
    if rounds:
        answer = benchmark.pedantic(chosen.call, rounds=rounds, warmup_rounds=0, setup=lambda: prepare(chosen))
    else:
        answer = benchmark(chosen.call)
    benchmark.extra_info["others_busy"] = others.busy()
    if chosen.verdict:
        benchmark.extra_info["verdict"] = chosen.verdict(answer)


def prepare(chosen: Contender) -> None:
    """Free what was answered before: a tree of datasets refers to itself. What `setup` returns would be arguments."""
    if chosen.before:
        chosen.before()
    gc.collect()


def once(chosen: Contender) -> Any:
    """One call that is not timed."""
    prepare(chosen)
    return chosen.call()


def compiling(chosen: Contender) -> tuple[Any, bool]:
    """The answer of such a call, and whether numba compiled anything for it."""
    with install_recorder("numba:compile") as found:
        answer = once(chosen)
    return answer, bool(found.buffer)


def rounds_of(chosen: Contender) -> int:
    """How often to time a call, so that collecting between two rounds takes little beside it; 0 of a short one."""
    prepare(chosen)
    start = time.perf_counter()
    chosen.call()
    seconds = time.perf_counter() - start
    return 0 if seconds < SHORT else int(min(max(ENOUGH / seconds, 5), 15))


def described(case: Case, chosen: Contender) -> dict[str, object]:
    """What the report needs to know of a contender."""
    info: dict[str, object] = {key: getattr(chosen, key) for key in ("scale", "note", "aim", "readme", "state")}
    if chosen is case.ours:
        info |= {"items": case.items, "unit": case.unit, "rate_aim": case.rate_aim, "public": case.public}
    return info


if SMALL:  # once is enough

    @pytest.mark.parametrize("name", CASES)
    def test_a_wrong_answer_is_found(name):
        case = built(name)
        with pytest.raises(AssertionError):
            case.check(corrupted(once(case.ours)))


def corrupted(answer):
    """The answer with every figure changed."""
    if isinstance(answer, np.ndarray):
        if answer.dtype == object:
            return np.array([corrupted(value) for value in answer.flat], object).reshape(answer.shape)
        return ~answer if answer.dtype == bool else answer ^ 1 if answer.dtype.kind in "iu" else answer + 1
    if isinstance(answer, xr.DataTree):
        return answer.map_over_datasets(corrupted)
    if isinstance(answer, xr.Dataset):
        return answer.map(lambda values: corrupted(values) if values.dtype.kind in "iufO" else values)
    if isinstance(answer, xr.DataArray):
        return answer.copy(data=corrupted(answer.values))
    if isinstance(answer, Family):
        return Family(answer.sets._replace(bits=corrupted(answer.sets.bits)))
    if isinstance(answer, Figures):
        return answer._replace(area=corrupted(answer.area))
    if isinstance(answer, dict):
        return {key: corrupted(value) for key, value in answer.items()}
    if isinstance(answer, list | tuple):
        return type(answer)(corrupted(value) for value in answer)
    if isinstance(answer, str):
        return answer.translate(str.maketrans("0123456789", "1234567890"))
    return answer if answer is None else answer + 1
