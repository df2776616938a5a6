"""Statements of section 9 of docs/theory.md: the formulas of the article."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction
from math import sqrt

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.formulas.registry import PUBLISHED, START
from rfscale.engine.zoo.registry import build
from tests.docs.theory.sets import (
    PIXEL,
    SHAPES,
    Map,
    apply_layer,
    figures,
    net,
    overlap,
    pixels_of,
    random_map,
    regular_maps,
    row,
    square,
    through,
)

# 9 published formulas -----------------------------------------------------------------------------------------------


Q = np.linspace(0, 1, 101)[1:]


def published_exact(name: str, at: Map) -> tuple[bool, bool]:
    """Whether a published formula gives the true area, and the true overlap, after a map."""
    out = through(at, name)
    S, P = PUBLISHED[name](float(figures(at)[0] ** 2), float(overlap(at)))
    return abs(S - figures(out)[0] ** 2) < 1e-6 * max(1, abs(S)), abs(P - float(overlap(out))) < 1e-9


def test_9_table() -> None:
    """The columns w'/w and P' of the table are the published formulas."""
    P = 1 - Q
    table = {
        "pool2": (1 + Q, 1 - 2 * Q / (1 + Q), 2 - P, P / (2 - P)),
        "conv3": (1 + 2 * Q, 1 - Q / (1 + 2 * Q), 1 + 2 * Q, (1 + Q) / (1 + 2 * Q)),
        "conv3_s2": (1 + 2 * Q, 1 - 2 * Q / (1 + 2 * Q), 1 + 2 * Q, 1 / (1 + 2 * Q)),
        "conv1_s2": (1 + 0 * Q, np.maximum(0, 1 - 2 * Q), 1 + 0 * Q, 2 * np.maximum(P - 0.5, 0)),
        "conv1": (1 + 0 * Q, P, 1 + 0 * Q, P),
        "conv3_pool2": (1 + 3 * Q, (1 + Q) / (1 + 3 * Q), 4 - 3 * P, (2 - P) / (4 - 3 * P)),
    }
    for name, (scale, overlaps, scale_too, overlaps_too) in table.items():
        area, shared = PUBLISHED[name](1.0, P)
        for printed, ours in ((area, scale**2), (area, scale_too**2), (shared, overlaps), (shared, overlaps_too)):
            np.testing.assert_allclose(printed, ours, atol=1e-14)


@pytest.mark.parametrize("first", [None, "conv7_s2_first"])
def test_9_1_to_9_7_undilated_square_chains(first: str | None) -> None:
    """All chains of the published undilated layers up to depth 5, formula upon formula; 9.5 gaps included."""
    names = [n for n in SHAPES if n != "dilated3"]
    states = [(apply_layer(PIXEL, 7, 2), PUBLISHED[first](*START)) if first else (PIXEL, START)]
    count = 0
    for _ in range(4 if first else 5):
        after = []
        for (at, value), name in itertools.product(states, names):
            out, values = through(at, name), PUBLISHED[name](*value)
            assert values[0] == pytest.approx(figures(out)[0] ** 2, rel=1e-12)
            assert values[1] == pytest.approx(float(overlap(out)), abs=1e-12)
            after.append((out, values))
        states = after
        count += len(after)
    assert count == sum(6**n for n in range(1, 5 if first else 6))


def test_9_4_first_layer() -> None:
    assert PUBLISHED["conv7_s2_first"](*START) == (49, 5 / 7)
    assert figures(apply_layer(PIXEL, 7, 2)) == (7, 2)


def test_9_6_pointwise_is_always_exact() -> None:
    rng = random.Random(96)
    for _ in range(100):
        assert published_exact("conv1", random_map(rng)) == (True, True)


def test_9_8_dilated_on_regular_maps() -> None:
    beyond = 0
    for at in regular_maps():
        P = overlap(at)
        w = figures(at)[0]
        out = through(at, "dilated3")
        high = 2 * P > 1
        scale, shared = (5 - 4 * P, (4 - 3 * P) / (5 - 4 * P)) if high else (Fraction(3), 5 * P / 3)
        assert (figures(out)[0], overlap(out)) == (w * scale, shared)
        assert published_exact("dilated3", at) == (not high, not high)
        beyond += high
    assert beyond > 20


def test_9_9_what_the_dilated_formula_drops() -> None:
    P = 1 - Q
    m = np.maximum(0, 2 * P - 1)
    area, _ = PUBLISHED["dilated3"](1.0, P)
    np.testing.assert_allclose(area, 9 - 12 * m, atol=1e-13)
    np.testing.assert_allclose((3 - 2 * m) ** 2 - area, 4 * m**2, atol=1e-13)
    np.testing.assert_allclose((3 - 2 * m)[P >= 0.5], (5 - 4 * P)[P >= 0.5], atol=1e-13)
    assert ((area < -1e-12) == (P > 7 / 8)).all()


def test_9_10_negative_area() -> None:
    layers = [{"kernel": 3}] * 4 + [{"kernel": 3, "dilation": 2}]
    at = PIXEL
    for layer in layers[:4]:
        at = apply_layer(at, layer["kernel"])
    assert figures(at) == (9, 1)
    assert PUBLISHED["dilated3"](81, 8 / 9)[0] == pytest.approx(-27)
    last = row(net(*layers))
    assert (float(last.area), float(last.published_area)) == (169, pytest.approx(-27))
    assert float(last.closed_form_area) == 169


def test_9_11_overlap_of_the_dilated_formula() -> None:
    q = Q[Q < 0.5]
    printed, truth = PUBLISHED["dilated3"](1.0, 1 - q)[1], (1 + 3 * q) / (1 + 4 * q)
    off_pole = abs(q - 1 / 8) > 1e-9
    np.testing.assert_allclose(printed[off_pole], ((4 * q**2 + 15 * q - 1) / (24 * q - 3))[off_pole], rtol=1e-9)
    assert (abs(printed - truth) > 1e-5).all()
    assert PUBLISHED["dilated3"](1.0, 0.5)[1] == pytest.approx(5 / 6) == 2.5 / 3
    root = (sqrt(241) - 15) / 8
    assert 1 - root == pytest.approx(0.934, abs=5e-4)
    p = np.linspace(0.5, 1, 5001)
    p = p[p != 0.875]
    values = PUBLISHED["dilated3"](1.0, p)[1]
    assert ((values > 1 + 1e-12) == ((p > 0.75) & (p < 0.875))).all()
    assert ((values < 0) == ((p > 0.875) & (p < 1 - root))).all()
    assert values[-1] == pytest.approx(1 / 3)
    low = np.linspace(0, 0.499, 50)
    np.testing.assert_allclose(PUBLISHED["dilated3"](1.0, low)[1], 5 * low / 3)


def test_9_12_five_dilated_layers() -> None:
    value = START
    for _ in range(5):
        value = PUBLISHED["dilated3"](*value)
    assert value == (59049, 0)
    assert sqrt(value[0]) == 243
    last = row(build("dilated5"))
    assert (float(last.area), last.extent.values.tolist(), round(float(last.density), 2)) == (121, [21, 21], 0.27)
    assert pixels_of(build("dilated5"), "conv5", (10, 10)) == square(range(0, 21, 2))
    assert float(last.published_area) == 59049
    plain, strided = row(build("plain5")), row(build("strided5"))
    assert (float(plain.area), float(plain.density)) == (11**2, 1)
    assert (float(strided.area), float(strided.density)) == (63**2, 1)


def test_9_13_other_numbers_of_the_article() -> None:
    assert [overlap(apply_layer(PIXEL, 3, s)) for s in (1, 2, 3)] == [Fraction(2, 3), Fraction(1, 3), 0]
    assert PUBLISHED["pool2"](9, 2 / 3)[1] == pytest.approx(1 / 2)
    ds = rf.profile(build("stack20"))
    assert ds.area.values.tolist() == [(2 * n + 1) ** 2 for n in range(1, 21)]
    np.testing.assert_allclose(ds.published_area, ds.area)
    assert float(ds.width[-1]) == 41
    stages = rf.profile(build("resnet50-v1")).sel(layer=[f"layer{i}" for i in (1, 2, 3, 4)])
    assert stages.extent.sel(axis="x").values.tolist() == [35, 99, 291, 483]
    np.testing.assert_allclose(stages.published_area, stages.area)
