"""The atlas: its exact side is sets already; the formulas' domains must come out as docs/theory.md proves them."""

from __future__ import annotations

import numpy as np
import pytest

from docs.atlas import ATLAS, EXACT, IMPOSSIBLE, NONE, OFF, atlas, domain_figure, published_figure, summary


@pytest.fixture(scope="module")
def small():
    return atlas([1, 2, 3], [1, 2, 3], [1, 2, 3])


def test_every_variable_is_described(small):
    assert set(small.data_vars) | {"input_overlap"} == set(ATLAS)
    for name, spec in ATLAS.items():
        assert (small[name].attrs["units"], small[name].attrs["long_name"]) == (spec.units, spec.long_name)


def test_exact_side_equals_plain_sets(small):
    for name, pixels in (("solid", set(range(96))), ("gap", {*range(48), *range(72, 120)})):
        for k, s, d, jump in ((3, 2, 2, 5), (2, 1, 3, 40), (3, 3, 1, 96)):
            after = {x + i * d * jump for x in pixels for i in range(k)}
            point = small.sel(input=name, kernel=k, stride=s, dilation=d, jump=jump)
            assert point.exact_scale == (len(after) / 96) ** 2
            assert point.exact_overlap == len(after & {x + s * jump for x in after}) / len(after)
            assert point.input_overlap == len(pixels & {x + jump for x in pixels}) / 96


def test_closed_form_is_exact_on_solid_footprints(small):
    assert (small.verdict.sel(input="solid", formula="closed_form") == EXACT).all()


def test_dilated_as_printed(small):
    part = small.sel(input="solid", formula="published", kernel=3, stride=1, dilation=2)
    half = part.input_overlap <= 0.5
    assert ((part.verdict == EXACT) == half).all()
    assert (part.verdict.where(part.input_overlap > 7 / 8, IMPOSSIBLE) == IMPOSSIBLE).all()
    between = (part.input_overlap > 0.5) & (part.input_overlap < 0.75)
    assert (part.verdict.where(between, OFF) == OFF).all()


def test_undilated_published(small):
    for k, s in ((1, 2), (2, 2), (3, 1), (3, 2)):
        verdict = small.verdict.sel(input="solid", formula="published", kernel=k, stride=s, dilation=1)
        assert (verdict == EXACT).all()
    assert (small.verdict.sel(formula="published", kernel=3, stride=3) == NONE).all()


def test_gaps_break_the_formulas(small):
    verdict = small.verdict.sel(input="gap", formula="closed_form")
    assert (verdict == OFF).any()
    assert (verdict.sel(kernel=1, stride=1) == EXACT).all()


def test_summary_and_pictures(small):
    assert len(summary(small)) == 2 + 6
    whole = atlas([1, 2, 3], [1, 2], [1, 2])
    for fig in (published_figure(whole), domain_figure(whole, "closed_form")):
        fig.canvas.draw()
    assert np.isfinite(whole.exact_scale).all()
