"""Live values that lead to the same effects are one: a shared cell of 15,625 choices is the few effects that it has.

Costs tell apart what footprints do not; their graph keeps the live values of sweeps/states/compile.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rfscale.sweeps.states.compile import Program
from rfscale.sweeps.states.effects import EffectTable
from rfscale.sweeps.states.numbering import distinct_rows


def merged_live(programs: Sequence[Program]) -> list[Program]:
    """Return the programs of a space with branches, their live values merged as far as effects allow.

    From the last stage backwards: two values are one if they select the same effects at this stage, choice by choice,
    and lead to values that are one.
    """
    out: list[Program] = []
    after, n_after = np.zeros(programs[-1].n_live, np.int64), 1
    for program in reversed(programs):
        rows: dict[tuple[Any, ...], int] = {}
        effects: Sequence[Sequence[Any]] = program.effects or program.effects_on_maps
        table = effects if isinstance(effects, EffectTable) else None
        if table is not None:
            row_of, kept = _distinct(table.numbers)
            distinct: Any = table.variants(kept)
        else:
            row_of = np.array([rows.setdefault(tuple(row), len(rows)) for row in effects] or [0], np.int64)
            distinct = tuple(rows)
        variant = row_of[program.variant]
        next_live = after[program.next_live]
        alike = np.concatenate([variant[:, None], next_live], axis=1)
        before, first = _distinct(alike)
        merged: dict[str, Any] = {"effects" if program.effects else "effects_on_maps": distinct}
        out.append(replace(program, variant=variant[first], next_live=next_live[first], n_live=n_after, **merged))
        after, n_after = before, len(first)
    return out[::-1]


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the different rows of whole numbers: numbers, and where each first appears."""
    if len(rows) == 1:
        return np.zeros(1, np.int64), np.zeros(1, np.int64)
    number, first = distinct_rows(rows)
    return number.astype(np.int64), first
