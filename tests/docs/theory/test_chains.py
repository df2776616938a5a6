"""Statements 6 to 8 of docs/theory.md: chains of windows, the closed form, and what no formula can say."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from fractions import Fraction
from math import isnan

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.formulas.registry import advance, closed_form
from rfscale.engine.network.network import Network
from rfscale.engine.zoo.registry import build
from tests.docs.theory.sets import (
    PIXEL,
    Map,
    apply_layer,
    figures,
    gaps,
    moved,
    net,
    overlap,
    random_map,
    regular,
    regular_maps,
    row,
    runs,
    solid,
)
from tests.engine.strategies import random_network

# 6 sumsets ----------------------------------------------------------------------------------------------------------


def test_6_1_chains_are_sumsets_and_commute() -> None:
    rng = random.Random(61)
    for _ in range(200):
        layers = [(rng.randint(1, 4), rng.randint(1, 3), rng.randint(1, 3)) for _ in range(rng.randint(1, 4))]
        at, steps = PIXEL, []
        for k, s, d in layers:
            steps.append((k, d * at[1]))
            at = apply_layer(at, k, s, d)
        rng.shuffle(steps)
        assert at[0] == {sum(c) for c in itertools.product(*([i * a for i in range(k)] for k, a in steps))}


def test_6_2_overlap_is_a_sumset() -> None:
    rng = random.Random(62)
    for _ in range(300):
        (x, _), j = random_map(rng), rng.randint(1, 9)
        assert len(x & moved(x, j)) == 2 * len(x) - len({a + b for a in x for b in (0, j)})


def test_6_3_solid_stays_solid() -> None:
    for w, jump, k, d, s in itertools.product(range(1, 10), range(1, 6), range(2, 5), range(1, 4), range(1, 4)):
        out = apply_layer((frozenset(range(w)), jump), k, s, d)
        a = d * jump
        assert solid(out[0]) == (a <= w)
        if a <= w:
            assert figures(out) == (w + (k - 1) * a, min(w + (k - 1) * a, jump * s))
        else:
            assert set(gaps((out[0], 1))) == {a - w}


def test_6_4_holes_close_again() -> None:
    assert apply_layer((frozenset({0, 2, 4}), 1), 2)[0] == set(range(6))


def free_of_holes(steps: list[tuple[int, int]]) -> bool:
    """The criterion of 6.5, on (kernel, step) pairs."""
    length = 1
    for a, k in sorted((a, k) for k, a in steps if k > 1):
        if a > length:
            return False
        length += (k - 1) * a
    return True


def test_6_5_criterion_for_holes() -> None:
    kinds = list(itertools.product((1, 2, 3, 4), (1, 2, 3, 4, 5, 7, 10)))
    for depth in (1, 2, 3):
        for steps in itertools.combinations_with_replacement(kinds, depth):
            at = PIXEL
            for k, a in steps:
                at = apply_layer((at[0], 1), k, 1, a)
            assert free_of_holes(list(steps)) == solid(at[0]), steps


def hdc(rates: tuple[int, ...], kernel: int = 3) -> bool:
    """Wang et al. 2018, eq. 2: M_i = max(M_{i+1} - 2 r_i, 2 r_i - M_{i+1}, r_i), and M_2 <= K."""
    m = rates[-1]
    for r in rates[-2:0:-1]:
        m = max(m - 2 * r, m - 2 * (m - r), r)
    return m <= kernel


def test_6_6_dilation_rates() -> None:
    def after_rates(rates: tuple[int, ...]) -> frozenset[int]:
        at = PIXEL
        for r in rates:
            at = apply_layer(at, 3, 1, r)
        return at[0]

    assert after_rates((1, 2, 5)) == set(range(17))
    assert not solid(after_rates((1, 2, 9)))
    assert after_rates((2, 2, 2)) == set(range(0, 13, 2))
    assert hdc((2, 2, 2))  # it does not use the first rate
    for n in (2, 3, 4):
        for rates in itertools.combinations_with_replacement(range(1, 11), n - 1):
            assert hdc((1, *rates)) == free_of_holes([(3, r) for r in (1, *rates)])
    assert free_of_holes([(3, r) for r in (1, 1, 2, 4, 8, 16, 1)])  # Yu and Koltun


# 7 closed form ------------------------------------------------------------------------------------------------------


def test_7_1_fresh_pixels_are_runs() -> None:
    rng = random.Random(71)
    for _ in range(500):
        at = random_map(rng)
        assert figures(at)[1] == sum(map(len, runs(at)))


LAYERS = list(itertools.product(range(1, 8), range(1, 5), range(1, 9)))


def test_7_2_closed_form_on_regular_maps() -> None:
    """Any k up to 7, s up to 4, d up to 8 (7.5 for solid sets), and 7.3, 7.6 on what they leave."""
    for at in regular_maps():
        assert regular(at)
        w, u = figures(at)
        for k, s, d in LAYERS:
            out = apply_layer(at, k, s, d)
            assert advance(w, u, k, s, d) == figures(out), (at, k, s, d)
            if d * u <= w or s % d == 0:
                assert regular(out), (at, k, s, d)


def test_7_2_the_sum_is_the_minimum_where_both_hold() -> None:
    for u, k, s, d in itertools.product(range(1, 5), range(1, 5), range(1, 5), range(1, 5)):
        w = d * u
        wider = w + (k - 1) * w
        shared = sum((k - abs(i)) * max(0, w - abs(s - i * d) * u) for i in range(1 - k, k))
        assert wider - shared == min(wider, s * u)


def test_7_3_regular_maps_stay_regular() -> None:
    for at in regular_maps():
        w, u = figures(at)
        for k, s, d in itertools.product(range(1, 5), range(1, 8), range(1, 4)):
            if d * u <= w:
                assert regular(apply_layer(at, k, s, d))


def test_7_4_undilated_chains() -> None:
    count = 0
    layers = [(k, s, 1) for k in range(1, 5) for s in range(1, 4)]
    states = [(PIXEL, (1, 1))]
    for _ in range(4):
        after = []
        for (at, (w, u)), (k, s, d) in itertools.product(states, layers):
            out, value = apply_layer(at, k, s, d), advance(w, u, k, s, d)
            assert value == figures(out)
            assert regular(out)
            after.append((out, value))
        states = after
        count += len(states)
    assert count == 22620
    gappy = apply_layer(apply_layer(PIXEL, 2, 3), 2, 3)
    assert gappy == ({0, 1, 3, 4}, 9)
    assert figures(gappy) == (4, 4)


def test_7_5_dilated_chains_until_holes() -> None:
    rng = random.Random(75)
    inside = 0
    for _ in range(3000):
        at, value, still = PIXEL, (1, 1), True
        for _ in range(rng.randint(1, 5)):
            if not still:
                break
            k, s, d = rng.randint(1, 5), rng.randint(1, 3), rng.randint(1, 4)
            still = k == 1 or d * value[1] <= value[0]
            at, value = apply_layer(at, k, s, d), advance(*value, k, s, d)
            assert value == figures(at)
            inside += 1
    assert inside > 4000


def test_7_6_what_a_wide_layer_leaves() -> None:
    assert not regular(apply_layer(PIXEL, 3, 1, 2))
    assert apply_layer(PIXEL, 3, 2, 2) == ({0, 2, 4}, 2)
    assert regular(apply_layer(PIXEL, 3, 2, 2))
    assert figures(apply_layer(apply_layer(PIXEL, 3, 2, 2), 3)) == advance(3, 1, 3)


def test_7_6_in_shares() -> None:
    """The same in P, as the page and the registry print it."""
    for (k, s, d), (w, u) in itertools.product(LAYERS[::3], [(1, 1), (9, 1), (9, 4), (12, 5), (7, 7)]):
        q = Fraction(u, w)
        if d * q <= 1:
            wider, shared = 1 + (k - 1) * d * q, max(Fraction(0), 1 - s * q / (1 + (k - 1) * d * q))
        else:
            wider = Fraction(k)
            shared = sum((k - abs(i)) * max(Fraction(0), 1 - abs(s - i * d) * q) for i in range(1 - k, k)) / k
        found = closed_form(w, 1 - u / w, k, s, d)
        assert found == pytest.approx((float(w * wider), float(shared)), abs=1e-12)
        pixels, new = advance(w, u, k, s, d)
        assert (pixels, 1 - Fraction(new, pixels)) == (w * wider, shared)


@pytest.mark.parametrize("family", ["chain", "residual", "aspp", "inception", "all_ops"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_7_7_closed_form_in_profiles_is_exact_or_absent(family: str, ndim: int) -> None:
    rng = random.Random(f"77 {family} {ndim}")
    inside = 0
    for _ in range(25):
        network = Network.from_dict(random_network(rng, family, ndim))
        ds = rf.profile(network, global_ops="skip")
        for name in ds.layer.values:
            at = ds.sel(layer=name)
            if "closed_form" in str(at.formula_domain.values):
                assert isnan(at.closed_form_area)
                assert np.isnan(at.closed_form_overlap.values).all()
            else:
                assert float(at.closed_form_area) == float(at.area), (network.to_dict(), name)
                assert at.closed_form_overlap.values == pytest.approx(at.overlap.values, abs=1e-12)
                inside += 1
    assert inside > 20


def test_7_7_parallel_dilations_are_outside_the_domain() -> None:
    """Three branches of equal w and u, and not of equal pixels."""
    at = row(build("aspp"), "aspp")
    assert float(at.area) == 25
    assert isnan(at.closed_form_area)


# 8 the limits of formulas -------------------------------------------------------------------------------------------


def test_8_1_equal_figures_unequal_outcome() -> None:
    holes, apart = apply_layer(PIXEL, 3, 1, 2), apply_layer(PIXEL, 3, 3)
    assert (holes, apart) == (({0, 2, 4}, 1), ({0, 1, 2}, 3))
    assert figures(holes) == figures(apart) == (3, 3)
    assert [figures(apply_layer(at, 3))[0] ** 2 for at in (holes, apart)] == [49, 81]
    assert float(row(net({"kernel": 3, "dilation": 2}, {"kernel": 3})).area) == 49
    assert float(row(net({"kernel": 3, "stride": 3}, {"kernel": 3})).area) == 81


def test_8_2_any_map_after_an_undilated_layer() -> None:
    rng = random.Random(82)
    for _ in range(1000):
        at = random_map(rng)
        w, u = figures(at)
        for k in range(1, 6):
            missing = gaps(at)
            wider = w + (k - 1) * u - sum(max(0, k - 1 - g) for g in missing)
            new = u - sum(g <= k - 1 for g in missing)
            assert figures(apply_layer(at, k)) == (wider, new)


def small_maps() -> Iterator[Map]:
    """All sets of pixels 0..9 that hold pixel 0, at jumps 1 to 3."""
    for bits in range(1, 1 << 10, 2):
        for jump in (1, 2, 3):
            yield frozenset(i for i in range(10) if bits >> i & 1), jump


def test_8_3_when_the_area_of_a_3x3_is_exact() -> None:
    for x, j in small_maps():
        w, u = figures((x, j))
        exact = figures(apply_layer((x, j), 3))[0] == w + 2 * u
        assert exact == (x & moved(x, 2 * j) <= moved(x, j)) == (1 not in gaps((x, j)))


def test_8_4_when_the_overlap_of_a_3x3_is_exact() -> None:
    for x, j in small_maps():
        w, u = figures((x, j))
        exact = overlap(apply_layer((x, j), 3)) == 1 - Fraction(u, w + 2 * u)
        one = x & moved(x, 2 * j) <= moved(x, j)
        two = x & moved(x, 3 * j) <= moved(x, j) | moved(x, 2 * j)
        assert exact == (one and two)
    after = apply_layer(apply_layer(PIXEL, 2, 1, 3), 3)
    assert figures(after)[0] == advance(2, 2, 3)[0] == 6
    assert (overlap(after), closed_form(2, 0.0, 3)[1]) == (Fraction(5, 6), pytest.approx(2 / 3))


def test_8_5_order() -> None:
    assert (
        apply_layer(apply_layer(PIXEL, 3), 3, 1, 2) == apply_layer(apply_layer(PIXEL, 3, 1, 2), 3) == (set(range(7)), 1)
    )
    assert advance(*advance(1, 1, 3), 3, 1, 2)[0] ** 2 == 49
    assert advance(*advance(1, 1, 3, 1, 2), 3)[0] ** 2 == 81
