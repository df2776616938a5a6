"""The registry: each case names our function, the comparators, and the check that all give the same answer.

A case is built once; its check runs before any timing. `scale` of a contender says how many of it make up our one call,
where running all would take hours (autograd answers one entry of one layer a call). The cases themselves stand in
benchmarks/cases_*.py, one file a room.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Contender:
    """One way to the answer. `rounds` fixes the number of timed calls of slow ones."""

    call: Callable[[], Any]
    scale: float = 1.0
    rounds: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Case:
    """One question, our answer (`ours`) and others'. `check` raises unless they agree."""

    name: str
    ours: Contender
    others: dict[str, Contender] = field(default_factory=dict)
    check: Callable[[], None] = lambda: None


CASES: dict[str, Callable[[], Case]] = {}


def case(build: Callable[[], Case]) -> Callable[[], Case]:
    """Register a case under its function's name."""
    CASES[build.__name__] = build
    return build
