"""Formulas over arrays, and validation of whole spaces.

RFSCALE_BENCH_POINTS sets the number of points of the formulas, 10^8 by default: four arrays of 0.8 GB.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from benchmarks.cases import Case, Contender, case
from engine.formulas import PUBLISHED
from sweeps.kernels import formulas

POINTS = int(float(os.environ.get("RFSCALE_BENCH_POINTS", "1e8")))
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


def _floor() -> Contender:
    S, P, a, b = arrays()
    copy: Any = formulas.copy
    return Contender(lambda: copy(S, P, a, b), rounds=5, note="the same bytes, only copied")


def _formula(name: str, kernel: Callable[..., Any], texts: tuple[str, str]) -> Case:
    import numexpr

    S, P, a, b = arrays()
    plain = PUBLISHED[name].function

    def by_numexpr() -> None:
        for text, out in zip(texts, (a, b), strict=True):
            numexpr.evaluate(text, {"S": S, "P": P}, out=out)

    def check() -> None:
        some = slice(0, 100_000)
        wanted = plain(S[some], P[some])
        for call in (lambda: kernel(S, P, a, b), by_numexpr):
            a.fill(0)
            call()
            for got, right in zip((a, b), wanted, strict=True):
                np.testing.assert_allclose(got[some], right, rtol=1e-12)

    return Case(
        f"published {name} over {POINTS:.0e} points",
        Contender(lambda: kernel(S, P, a, b), rounds=5),
        {
            "memory floor": _floor(),
            "numexpr": Contender(by_numexpr, rounds=3),
            "numpy": Contender(lambda: plain(S, P), rounds=2),
        },
        check,
    )


@case
def formula_conv3() -> Case:
    """The 3×3 of stride 1; numexpr has the same simplified formula."""
    return _formula("conv3", formulas.conv3, ("(3 - 2*P)**2*S", "(2 - P)/(3 - 2*P)"))


@case
def formula_pool2() -> Case:
    return _formula("pool2", formulas.pool2, ("(2 - P)**2*S", "P/(2 - P)"))


@case
def recurrence_20() -> Case:
    """Twenty 3×3 in a row over a tenth of the points."""
    S, P, a, b = (x[: POINTS // 10] for x in arrays())
    recurrence: Any = formulas.recurrence

    def numpy_loop() -> tuple[np.ndarray, np.ndarray]:
        x, y = S, P
        for _ in range(LAYERS):
            step = 3 - 2 * y
            x, y = step**2 * x, (2 - y) / step
        return x, y

    def check() -> None:
        recurrence(S, P, LAYERS, a, b)
        x, y = numpy_loop()
        np.testing.assert_allclose(a, x, rtol=1e-9)
        np.testing.assert_allclose(b, y, rtol=1e-9)

    return Case(
        f"published 3×3, {LAYERS} layers in a row, {len(S):.0e} points",
        Contender(lambda: recurrence(S, P, LAYERS, a, b), rounds=5),
        {"numpy, layer by layer": Contender(numpy_loop, rounds=2)},
        check,
    )


@case
def validation_undilated() -> Case:
    """All formulas against the exact figures over 21^6 chains; per architecture in Python on a sample."""
    from sweeps.validation import chains, validate
    from tests.sweeps.test_validation import brute

    space = chains([1, 2, 3, 4, 5, 6, 7], [1, 2, 3], 1, 6)
    small = {"stages": [{"name": f"s{i}", "kernel": [1, 3, 7], "stride": [1, 2, 3]} for i in range(4)]}

    def check() -> None:
        from sweeps.spaces.space import Space

        report = validate(Space.from_dict(small))
        wanted = brute(small, 2)
        cells = ("kind", "overlap_bin")
        np.testing.assert_array_equal(report.inexact.sum(cells).values, wanted[..., 1])
        np.testing.assert_array_equal(report.valued.sum(cells).values, wanted[..., 0])

    loop = sum(9**n for n in range(1, 5))
    return Case(
        f"validation of all formulas over {space.size:,} chains",
        Contender(lambda: validate(space), rounds=2),
        {
            "Python loop over sets": Contender(
                lambda: brute(small, 2), scale=space.size / loop, rounds=1, note=f"{loop:,} maps timed"
            )
        },
        check,
    )
