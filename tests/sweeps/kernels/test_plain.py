"""Kernels as plain Python: the same answers, bit by bit, wherever compiled code takes over."""

from __future__ import annotations

import numpy as np
import pytest

from rfscale.sweeps.answers.best import best
from rfscale.sweeps.answers.count import count
from rfscale.sweeps.answers.design import label_search
from rfscale.sweeps.answers.design.design import design
from rfscale.sweeps.answers.pareto import pareto
from rfscale.sweeps.answers.sample import sample
from rfscale.sweeps.kernels import plain
from rfscale.sweeps.kernels.paths import renumber
from rfscale.sweeps.spaces.space import Space
from rfscale.sweeps.validation import levels
from rfscale.sweeps.validation.validate import validate
from tests.sweeps import some_spaces as spaces

LIMITS = [plain.ANSWERS, label_search.SOONER, levels.SOONER]
BOXES = np.array([(4.0, 5.0), (9.0, 9.0), (12.0, 8.0), (20.0, 20.0), (33.0, 21.0)])
QUESTIONS = {
    "validate": lambda space: validate(space),
    "validate random": lambda space: validate(space, random=3000, seed=2),
    "count": lambda space: count(space, by=["extent", "pixels"]),
    "best": lambda space: best(space, "extent - params / 1000", k=4, where="pixels > 3"),
    "pareto": lambda space: pareto(space, "extent", "params"),
    "sample": lambda space: sample(space, 5, where="extent > 5", seed=1),
    "design": lambda space: design(space, BOXES, 2),
    "design front": lambda space: design(space, BOXES, 2, pareto=True),
}


def answer(question, most, monkeypatch):
    """The answer where so much of every kind of work is done without compiled code."""
    for limits in LIMITS:
        for name, value in {"kept": most, "most": most, "loaded": most, "done": 0}.items():
            monkeypatch.setattr(limits, name, value)
    space = Space.from_dict({**spaces.DEMO, "channels": {"base": 8}})
    return QUESTIONS[question](space)


@pytest.mark.parametrize("question", QUESTIONS)
def test_answers_are_the_same(question, monkeypatch):
    wanted = answer(question, -1, monkeypatch)
    for most in (200, 10**9):
        assert answer(question, most, monkeypatch).identical(wanted)


def test_work_is_counted_and_passed_on_when_it_is_too_much():
    sooner = plain.Sooner(kept=10, most=10, loaded=10)
    assert sooner.of(renumber, 6) is plain.plain(renumber)
    assert sooner.of(renumber, 5) is renumber
    assert sooner.of(renumber, 4) is plain.plain(renumber)
    assert sooner.done == 10


def test_whole_numbers_wrap_around_as_compiled():
    keys = np.array([-1, 3, 2**62, -1, 3])
    for got, wanted in zip(plain.plain(renumber)(keys), renumber(keys), strict=True):
        np.testing.assert_array_equal(got, wanted)
