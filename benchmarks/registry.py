"""The registry: each case names our function, the comparators, and the check that all give the same answer.

A case is built once; its check runs before any timing. `scale` of a contender says how many of it make up our one call,
where running all would take hours (autograd answers one entry of one layer a call). The cases themselves stand in
benchmarks/cases/, one file for each subject.

RFSCALE_BENCH_SMALL=1 makes the large cases small, for a run that only shows that none is broken.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

SMALL = bool(os.environ.get("RFSCALE_BENCH_SMALL"))


@dataclass(frozen=True)
class Contender:
    """One way to the answer.

    Parameters
    ----------
    call : callable
        What is timed.
    scale : float
        How many of it make up our one call.
    rounds : int, optional
        Timed calls, for slow ones.
    note : str
        What it leaves out or does besides.
    aim : float, optional
        Multiple of our time that the project aims at, at least.
    verdict : callable, optional
        What the notes say of its answer, where that differs from ours: a function of the answer.
    state : str
        "warm": called before in this process. "cached": a new process, with the compiled code of earlier ones. "cold":
        a new process, and nothing compiled.
    before : callable, optional
        Is called before each timed call, and is not timed: what a user does not wait for, such as to remove the files
        of the last round.
    readme : bool
        Whether the short table of docs/benchmarks.md has it, besides the full one.
    """

    call: Callable[[], Any]
    scale: float = 1.0
    rounds: int | None = None
    note: str = ""
    aim: float | None = None
    verdict: Callable[[Any], str] | None = None
    state: str = "warm"
    before: Callable[[], object] | None = None
    readme: bool = False


@dataclass(frozen=True)
class Case:
    """One question, our answer (`ours`) and others'.

    `check` is given our answer, and raises AssertionError unless it is the others' as well. `items` of a
    `unit` are what one call of ours answers, `rate_aim` how many of them a second the project aims at. A case whose
    `ours` is no call of a user is not `public`: the appendix of docs/benchmarks.md has it, and no other table.
    """

    name: str
    ours: Contender
    check: Callable[[Any], object]
    others: dict[str, Contender] = field(default_factory=dict)
    items: float = 0.0
    unit: str = ""
    rate_aim: float | None = None
    public: bool = True


CASES: dict[str, Callable[[], Case]] = {}


def case(build: Callable[[], Case]) -> Callable[[], Case]:
    """Register a case under its function's name."""
    CASES[build.__name__] = build
    return build


def sized(full: Any, small: Any) -> Any:
    """The first of two sizes, or the second in a small run."""
    return small if SMALL else full
