"""Formulas over arrays, and validation of whole spaces.

10^8 points are four arrays of 0.8 GB.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

import rfscale as rf
from benchmarks.floors import copy
from benchmarks.registry import Case, Contender, case, sized
from rfscale.engine.formulas.registry import PUBLISHED

POINTS = sized(10**8, 10**6)
LAYERS = 20


@cache
def arrays() -> tuple[np.ndarray, ...]:
    """S and P of all points, and two arrays for the answer: shared by the cases."""
    draw = np.random.default_rng(0)
    S, P = draw.random(POINTS), draw.random(POINTS)
    S *= 100
    out = np.empty(POINTS), np.empty(POINTS)
    for array in out:
        array.fill(0)  # the pages are there before anything is timed
    return S, P, *out


def _floor(readme: bool) -> Contender:
    S, P, a, b = arrays()
    return Contender(
        lambda: copy(S, P, a, b), rounds=9, note="STREAM-like: the same bytes, only copied", aim=0.8, readme=readme
    )


def _formula(name: str, texts: tuple[str, str]) -> Case:
    import numexpr

    S, P, a, b = arrays()
    plain = PUBLISHED[name].function

    def by_numexpr() -> None:
        for text, out in zip(texts, (a, b), strict=True):
            numexpr.evaluate(text, {"S": S, "P": P}, out=out)

    def ours() -> tuple[np.ndarray, np.ndarray]:
        return rf.evaluate([name], S, P, out=(a, b))

    def check(answer: tuple[np.ndarray, np.ndarray]) -> None:
        _near(answer, plain)
        a.fill(0)
        by_numexpr()
        _near((a, b), plain)

    return Case(
        f"published {name} over {POINTS:.0e} points",
        Contender(ours, rounds=9),
        check,
        {
            "memory floor": _floor(name == "conv3"),
            "numexpr": Contender(by_numexpr, rounds=3),
            "numpy": Contender(lambda: plain(S, P), rounds=2),
        },
        items=float(POINTS),
        unit="points",
    )


def _near(answer: tuple[np.ndarray, np.ndarray], function: Callable[..., Any]) -> None:
    """Raise unless the first and last points have the values of a function of S and P."""
    S, P, *_ = arrays()
    for some in (slice(0, 100_000), slice(-100_000, None)):
        for got, right in zip(answer, function(S[some], P[some]), strict=True):
            np.testing.assert_allclose(got[some], right, rtol=1e-12)


@case
def formula_conv3() -> Case:
    """The 3×3 of stride 1; numexpr has the same simplified formula."""
    return _formula("conv3", ("(3 - 2*P)**2*S", "(2 - P)/(3 - 2*P)"))


@case
def formula_pool2() -> Case:
    return _formula("pool2", ("(2 - P)**2*S", "P/(2 - P)"))


@case
def recurrence_20() -> Case:
    """Twenty 3×3 in a row over a tenth of the points."""
    S, P, a, b = (x[: POINTS // 10] for x in arrays())

    def numpy_loop() -> tuple[np.ndarray, np.ndarray]:
        x, y = S, P
        for _ in range(LAYERS):
            step = 3 - 2 * y
            x, y = step**2 * x, (2 - y) / step
        return x, y

    def ours() -> tuple[np.ndarray, np.ndarray]:
        return rf.evaluate(["conv3"] * LAYERS, S, P, out=(a, b))

    def check(answer: tuple[np.ndarray, np.ndarray]) -> None:
        for got, right in zip(answer, numpy_loop(), strict=True):
            np.testing.assert_allclose(got, right, rtol=1e-9)

    return Case(
        f"published 3×3, {LAYERS} layers in a row, {len(S):.0e} points",
        Contender(ours, rounds=9),
        check,
        {"numpy, layer by layer": Contender(numpy_loop, rounds=2, aim=5, readme=True)},
        items=float(len(S)) * LAYERS,
        unit="layers",
    )


@case
def validation_undilated() -> Case:
    """All formulas against the exact figures over 21^6 chains; per architecture in Python on a sample."""
    from tests.sweeps.validation.test_validation import brute

    space = rf.chains([1, 2, 3, 4, 5, 6, 7], [1, 2, 3], 1, sized(6, 3))
    small = {"stages": [{"name": f"s{i}", "kernel": [1, 3, 7], "stride": [1, 2, 3]} for i in range(4)]}

    def check(answer: Any) -> None:
        assert answer.maps.sum() == sum(space.stage_sizes)
        assert answer.inexact.sel(formula="closed_form").sum() == 0  # no chain here is dilated
        report = rf.validate(rf.Space.from_dict(small))
        wanted = brute(small, 2)
        cells = ("kind", "overlap_bin")
        np.testing.assert_array_equal(report.inexact.sum(cells).values, wanted[..., 1])
        np.testing.assert_array_equal(report.valued.sum(cells).values, wanted[..., 0])

    loop = sum(9**n for n in range(1, 5))
    return Case(
        f"validation of all formulas over {space.size:,} chains",
        Contender(lambda: rf.validate(space), rounds=5),
        check,
        {
            "Python loop over sets": Contender(
                lambda: brute(small, 2),
                scale=space.size / loop,
                rounds=1,
                note=f"{loop:,} maps timed",
                readme=True,
            )
        },
        items=float(space.size),
        unit="architectures",
        rate_aim=50e6,
    )


@case
def validation_random() -> Case:
    """A sample of a space that is too large to go through; in Python a part of it, chain by chain."""
    from tests.sweeps.validation.test_validation import brute

    n = sized(2_000_000, 20_000)
    space = rf.chains([1, 3, 5, 7], [1, 2], [1, 2, 3, 5], 12)
    stages = [{"name": f"s{i}", "kernel": [1, 3], "dilation": [1, 2, 5]} for i in range(4)]

    def check(answer: Any) -> None:
        assert answer.maps.sum() == n * 12
        report = rf.validate(rf.Space.from_dict({"stages": stages}), random=n)
        share = report.inexact.sum(("kind", "overlap_bin")).values / report.valued.sum(("kind", "overlap_bin")).values
        wanted = brute({"stages": stages}, 2)
        np.testing.assert_allclose(share, wanted[..., 1] / wanted[..., 0], atol=5 / n**0.5)

    loop = sum(6**k for k in range(1, 5))
    return Case(
        f"validation of all formulas over {n:,} random chains of 12 layers",
        Contender(
            lambda: rf.validate(space, random=n),
            rounds=3,
            note="half of the maps have a state of their own: at the rate asked, a core had 8 ns for each, in which it "
            "makes five divisions, counts four errors and takes set and formulas through a layer; one set in 15 has "
            "holes for which vectors of sets are not enough, and these take a third of the time",
        ),
        check,
        {
            "Python loop over sets": Contender(
                lambda: brute({"stages": stages}, 2),
                scale=12 * n / loop,
                rounds=1,
                note=f"{loop:,} maps of chains of 4 timed",
                readme=True,
            )
        },
        items=float(n),
        unit="chains",
        rate_aim=20e6,
    )
