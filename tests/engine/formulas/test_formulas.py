"""The registry of formulas: what each entry carries, its values, and that numbers, numpy and xarray give the same."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from math import isinf, isnan, nan, sqrt
from typing import Any

import numpy as np
import pytest
import xarray as xr

import rfscale as rf
from rfscale.engine import FORMULAS, Network
from rfscale.engine.formulas.registry import START, Formula, advance
from rfscale.engine.zoo.registry import build

PUBLISHED, CLOSED, INTERVAL = (FORMULAS[name] for name in ("published", "closed_form", "interval"))
EVERY = [formula for family in FORMULAS.values() for formula in family.values()]
CALLS: dict[str, Callable[..., tuple[Any, ...]]] = {
    **{f.name: f for f in PUBLISHED.values()},
    **{
        f"closed_form {k} {s} {d}": lambda S, P, k=k, s=s, d=d: CLOSED["window"](S, P, k, s, d)
        for k, s, d in [(1, 1, 1), (3, 1, 1), (3, 2, 1), (2, 3, 1), (3, 1, 2), (4, 3, 5), (5, 2, 3)]
    },
}
SHARES = np.array([0.0, 0.2, 0.5, 2 / 3, 0.75, 7 / 8, 8 / 9, 0.95, 1.0])
AREAS = np.array([1.0, 9.0, 12.5, 81.0, 6724.0])


# the registry -------------------------------------------------------------------------------------------------------


def test_families() -> None:
    assert list(FORMULAS) == ["published", "closed_form", "interval"]
    assert set(PUBLISHED) == {
        "pool2",
        "conv3",
        "conv3_s2",
        "conv7_s2_first",
        "conv1",
        "conv1_s2",
        "dilated3",
        "conv3_pool2",
    }
    for name, family in FORMULAS.items():
        assert (family.name, len(family)) == (name, len(list(family)))
    assert len({hash(family) for family in FORMULAS.values()}) == 3


@pytest.mark.parametrize("formula", EVERY, ids=lambda f: f.name)
def test_every_entry_is_complete(formula: Formula) -> None:
    for text in (formula.name, formula.layer, formula.equation, formula.domain, formula.source):
        assert text == text.strip()
        assert len(text) > 4
    assert "exact" in formula.domain
    family, _, name = formula.name.partition(".")
    assert FORMULAS[family][name] is formula


def test_unknown_names() -> None:
    with pytest.raises(KeyError):
        PUBLISHED["conv9"]
    assert "conv9" not in PUBLISHED


# values -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("conv3", (1, 0), (9, 2 / 3)),
        ("conv3_s2", (1, 0), (9, 1 / 3)),
        ("pool2", (1, 0), (4, 0)),
        ("pool2", (9, 2 / 3), (16, 1 / 2)),
        ("conv3", (9, 2 / 3), (25, 4 / 5)),
        ("conv3_s2", (49, 5 / 7), (121, 7 / 11)),
        ("conv1", (121, 7 / 11), (121, 7 / 11)),
        ("conv1_s2", (121, 7 / 11), (121, 3 / 11)),
        ("conv1_s2", (9, 1 / 3), (9, 0)),
        ("conv7_s2_first", (1, 0), (49, 5 / 7)),
        ("conv3_pool2", (1, 0), (16, 1 / 2)),
        ("dilated3", (1, 0), (9, 0)),
        ("dilated3", (9, 1 / 3), (81, 5 / 9)),
        ("dilated3", (4, 1 / 2), (36, 5 / 6)),
        ("dilated3", (81, 8 / 9), (-27, -58 / 27)),
    ],
)
def test_published_values(name: str, before: tuple[float, float], after: tuple[float, float]) -> None:
    assert PUBLISHED[name](*before) == pytest.approx(after, abs=1e-12)


def along(name: str, n: int, value: tuple[float, float] = START) -> tuple[float, float]:
    for _ in range(n):
        value = PUBLISHED[name](*value)
    return value


def test_published_stacks() -> None:
    assert START == (1, 0)
    assert along("dilated3", 5) == (59049, 0)
    assert sqrt(along("dilated3", 5)[0]) == 243
    assert along("conv3", 20) == pytest.approx((41**2, 40 / 41))
    assert sqrt(along("conv3", 5)[0]) == pytest.approx(11)
    assert sqrt(along("conv3_s2", 5)[0]) == pytest.approx(63)
    assert PUBLISHED["dilated3"](*along("conv3", 4))[0] == pytest.approx(-27)


def test_the_pair_is_its_two_layers() -> None:
    for S, P in ((1.0, 0.0), (81.0, 8 / 9), (30.0, 0.3)):
        assert PUBLISHED["conv3_pool2"](S, P) == PUBLISHED["pool2"](*PUBLISHED["conv3"](S, P))


@pytest.mark.parametrize(
    ("name", "window"),
    [
        ("pool2", (2, 2, 1)),
        ("conv3", (3, 1, 1)),
        ("conv3_s2", (3, 2, 1)),
        ("conv1", (1, 1, 1)),
        ("conv1_s2", (1, 2, 1)),
    ],
)
def test_the_closed_form_contains_the_undilated_published_ones(name: str, window: tuple[int, int, int]) -> None:
    areas, shares = np.meshgrid(AREAS, SHARES)
    wider, overlap = CLOSED["window"](np.sqrt(areas), shares, *window)
    area, published = PUBLISHED[name](areas, shares)
    np.testing.assert_allclose(wider**2, area, rtol=1e-12)
    np.testing.assert_allclose(overlap, published, atol=1e-12)


def test_the_closed_form_meets_the_dilated_one_up_to_a_half() -> None:
    low, high = SHARES[SHARES <= 0.5], SHARES[(SHARES > 0.5) & (SHARES < 1)]
    wider, overlap = CLOSED["window"](3.0, low, 3, 1, 2)
    np.testing.assert_allclose(wider**2, PUBLISHED["dilated3"](9.0, low)[0])
    np.testing.assert_allclose(overlap, PUBLISHED["dilated3"](9.0, low)[1])
    wider, overlap = CLOSED["window"](1.0, high, 3, 1, 2)
    np.testing.assert_allclose(wider, 5 - 4 * high)
    np.testing.assert_allclose(overlap, (4 - 3 * high) / (5 - 4 * high))
    assert (wider**2 > PUBLISHED["dilated3"](1.0, high)[0]).all()


def test_closed_form_values() -> None:
    assert CLOSED["window"](9, 8 / 9, 3, 1, 2) == pytest.approx((13, 12 / 13))
    assert CLOSED["window"](1, 0.0, 7, 2) == pytest.approx((7, 5 / 7))
    assert [CLOSED["window"](1, 0.0, 3, s)[1] for s in (1, 2, 3, 4)] == pytest.approx([2 / 3, 1 / 3, 0, 0])
    assert CLOSED["window"](1, 0.0, 3, 2, 2) == pytest.approx((3, 2 / 3))  # copies fall on copies
    assert (advance(1, 1, 3, 1, 2), advance(1, 1, 3, 2, 2)) == ((3, 3), (3, 1))


def test_whole_numbers_stay_whole() -> None:
    w = u = 1
    for k, s, d in [(7, 2, 1), (3, 2, 1), (3, 1, 3), (3, 2, 1)] * 8:
        w, u = advance(w, u, k, s, d)
        assert type(w) is type(u) is int
    assert w > 2**26
    assert advance(10**17 + 1, 1, 3) == (10**17 + 3, 1)  # float64 would lose the last digit


def test_interval_values() -> None:
    box = (1, 1, 0)
    for window in [(7, 2, 1, 3), (3, 2, 1, 1), (3, 1, 2, 2)]:
        box = INTERVAL["window"](*box, *window)
    assert box == (1 + 6 + 4 + 16, 4, -3 - 2 - 8)
    last = rf.profile(
        Network.sequential(
            {"kernel": 7, "stride": 2, "padding": 3},
            {"op": "max_pool", "kernel": 3, "stride": 2, "padding": 1},
            {"kernel": 3, "dilation": 2, "padding": 2},
        )
    ).isel(layer=-1, axis=0)
    assert (float(last.extent), float(last.jump), float(last.start)) == box


@pytest.mark.parametrize(
    ("network", "formula"),
    [("stack20", "conv3"), ("strided5", "conv3_s2"), ("dilated5", "dilated3")],
)
def test_profiles_carry_the_published_values(network: str, formula: str) -> None:
    ds = rf.profile(build(network))
    for n, layer in enumerate(ds.layer.values, start=1):
        at = ds.sel(layer=layer)
        assert (float(at.published_area), float(at.published_overlap)) == along(formula, n)


# numbers, numpy and xarray ------------------------------------------------------------------------------------------


def scalars(call: Callable[..., tuple[Any, ...]]) -> np.ndarray:
    """Results one by one: (result, area, share)."""
    return np.moveaxis(np.array([[call(float(S), float(P)) for P in SHARES] for S in AREAS]), -1, 0)


@pytest.mark.parametrize("name", CALLS)
def test_arrays_equal_numbers(name: str) -> None:
    call = CALLS[name]
    found = call(AREAS[:, None], SHARES[None, :])
    for array, expected in zip(found, scalars(call), strict=True):
        np.testing.assert_array_equal(np.broadcast_to(array, expected.shape), expected)


@pytest.mark.parametrize("name", CALLS)
def test_xarray_in_xarray_out(name: str) -> None:
    call = CALLS[name]
    S, P = xr.broadcast(xr.DataArray(AREAS, {"layer": list("abcde")}, ["layer"]), xr.DataArray(SHARES, dims=["share"]))
    found = call(S, P)
    for array, expected in zip(found, scalars(call), strict=True):
        assert isinstance(array, xr.DataArray)
        assert array.dims == ("layer", "share")
        assert array.layer.values.tolist() == list("abcde")
        np.testing.assert_array_equal(array.values, expected)


@pytest.mark.parametrize("name", CALLS)
def test_xarray_of_unlike_dims(name: str) -> None:
    S, P = xr.DataArray(AREAS, dims=["layer"]), xr.DataArray(SHARES, dims=["share"])
    for array, expected in zip(CALLS[name](S, P), scalars(CALLS[name]), strict=True):
        assert isinstance(array, xr.DataArray)
        assert set(array.dims) <= {"layer", "share"}
        spread = array.broadcast_like(xr.DataArray(expected, dims=["layer", "share"])).transpose("layer", "share")
        np.testing.assert_array_equal(spread.values, expected)


@pytest.mark.parametrize("name", CALLS)
def test_xarray_datasets(name: str) -> None:
    """A dataset holds several networks' values; each variable is computed by itself."""
    S, P = (
        xr.Dataset({"a": ("i", AREAS), "b": ("i", 4 * AREAS)}),
        xr.Dataset({"a": ("i", SHARES[:5]), "b": ("i", SHARES[4:])}),
    )
    for out in zip(CALLS[name](S, P), CALLS[name](S.a, P.a), CALLS[name](S.b, P.b), strict=True):
        whole, a, b = out
        np.testing.assert_array_equal(whole.a.values, a.values)
        np.testing.assert_array_equal(whole.b.values, b.values)


def test_whole_arrays_stay_whole() -> None:
    w, u = np.array([1, 3, 7, 9]), np.array([1, 3, 2, 1])
    for k, s, d in [(3, 1, 1), (3, 2, 2), (2, 3, 4), (1, 2, 1)]:
        wider, new = advance(w, u, k, s, d)
        assert wider.dtype == new.dtype == np.int64
        expected = [advance(int(a), int(b), k, s, d) for a, b in zip(w, u, strict=True)]
        assert list(zip(wider.tolist(), new.tolist(), strict=True)) == expected


def test_intervals_vectorise() -> None:
    extent, jump, start = (xr.DataArray([a, b], dims=["axis"]) for a, b in ((1, 7), (1, 2), (0, -3)))
    found = INTERVAL["window"](extent, jump, start, 3, 2, 1, 1)
    assert [f.values.tolist() for f in found] == [[3, 11], [2, 4], [-1, -5]]
    assert all(f.dims == ("axis",) for f in found)


def test_no_warnings_at_the_pole_nor_for_missing_values() -> None:
    """The dilated formula divides by 9 - 24 (P - 1/2), which is 0 at P = 7/8."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for P in (7 / 8, np.float64(7 / 8), np.array([7 / 8]), xr.DataArray([7 / 8], dims=["share"])):
            area, overlap = PUBLISHED["dilated3"](1.0, P)
            assert float(np.squeeze(area)) == 0
            assert isinf(float(np.squeeze(overlap)))
        for formula in PUBLISHED.values():
            for missing in (nan, np.array([nan, 0.5]), xr.DataArray([nan, 0.5], dims=["share"])):
                area, overlap = formula(np.float64(9), missing)
                if formula.name.endswith("first"):
                    continue
                assert isnan(float(np.ravel(overlap)[0]))
                assert not isnan(float(np.ravel(overlap)[-1])) or isnan(float(np.ravel(missing)[-1]))
        for call in CALLS.values():
            call(AREAS[:, None], SHARES[None, :])
            call(np.float32(9), np.float32(0.5))
