"""Figures of a field against direct computations, and comparisons of two fields."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import rfscale as rf


def some(shape=(9, 12), seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    bump = np.exp(-((y - 4.3) ** 2) / 8 - ((x - 6.1) ** 2) / 18 - (y - 4.3) * (x - 6.1) / 14)
    return xr.DataArray(bump * rng.uniform(0.5, 1, shape), dims=("y", "x"))


def test_moments_boxes_and_areas():
    field = some()
    found = rf.field_figures(field)
    mass = field.values / field.values.sum()
    y, x = np.indices(mass.shape)
    mean = [(mass * y).sum(), (mass * x).sum()]
    np.testing.assert_allclose(found["mean"], mean, rtol=1e-12)
    spread = np.array(
        [
            [(mass * (a - m) * (b - n)).sum() for b, n in ((y, mean[0]), (x, mean[1]))]
            for a, m in ((y, mean[0]), (x, mean[1]))
        ]
    )
    np.testing.assert_allclose(found["std"], np.sqrt(np.diag(spread)), rtol=1e-12)
    lengths, directions = np.linalg.eigh(spread)
    np.testing.assert_allclose(found.principal_std, np.sqrt(lengths[::-1]), rtol=1e-10)
    long = directions[:, 1]
    angle = float(found.angle)
    assert abs(np.cos(np.radians(angle)) * long[1] + np.sin(np.radians(angle)) * long[0]) == pytest.approx(1)
    ordered = np.sort(mass.ravel())[::-1]
    for share in (0.2, 0.3, 0.5, 0.95, 0.99):
        at = found.sel(share=share)
        assert ordered[: int(at.area)].sum() >= share > ordered[: int(at.area) - 1].sum()
        (a, b), (h, w) = at.box_start.values, at.box_extent.values
        assert float(at.box_mass) == pytest.approx(mass[a : a + h, b : b + w].sum())
        assert float(at.box_mass) >= share


def rectangle(data, thresh):
    """The side of the smallest square about the middle with more than a share, and its share of the image."""
    h, w = data.shape
    for i in range(1, h // 2):
        part = data[h // 2 - i : h // 2 + 1 + i, w // 2 - i : w // 2 + 1 + i]
        if part.sum() / data.sum() > thresh:
            side = 2 * i + 1
            return side, side / h * side / w
    return np.nan, np.nan


@pytest.mark.parametrize("protocol", ["squared", "replknet"])
def test_squares_are_those_of_replknet(protocol):
    field = some((21, 21), 1) * 7
    field = field.assign_attrs(protocol=protocol)
    found = rf.field_figures(field, (0.2, 0.3, 0.5, 0.99))
    data = np.log10(field.values + 1) if protocol == "replknet" else field.values
    data = data / data.max()
    for share in found.share.values:
        side, ratio = rectangle(data, share)
        np.testing.assert_equal(float(found.square_side.sel(share=share)), side)
        np.testing.assert_allclose(float(found.square_ratio.sel(share=share)), ratio, rtol=1e-12)


def test_gridding_of_residues():
    even = rf.field_figures(xr.DataArray(np.ones((24, 24)), dims=("y", "x")))
    assert float(even.gridding.sel(period=[2, 3, 4]).max()) == pytest.approx(0)
    holes = np.zeros((24, 24))
    holes[::2, ::3] = 1
    found = rf.field_figures(xr.DataArray(holes, dims=("y", "x"))).gridding
    assert float(found.sel(period=2, axis="y")) == pytest.approx(1)
    assert float(found.sel(period=3, axis="x")) == pytest.approx(1)
    assert float(found.sel(period=2, axis="x")) == pytest.approx(0)
    dilated = rf.path_counts(rf.Network.sequential(*[{"kernel": 3, "dilation": 2}] * 5), "conv5")
    assert float(rf.field_figures(dilated).gridding.sel(period=2).min()) == pytest.approx(1)


def test_beside_the_exact_footprint():
    net = rf.Network.sequential(*[{"kernel": 3, "dilation": 2, "padding": 2}] * 3)
    exact = rf.footprint(net, "conv3", input_size=30)
    paths = rf.path_counts(net, "conv3", input_size=30)
    found = rf.field_figures(paths, footprint=exact)
    assert (int(found.exact_area), float(found.outside_mass)) == (49, 0)
    np.testing.assert_allclose(found.effective_ratio, found.area / 49)
    moved = paths.copy(data=np.roll(paths.values, 1, axis=1))  # a planted error
    assert float(rf.field_figures(moved, footprint=exact).outside_mass) > 0.9


def test_mass_on_padding():
    net = rf.Network.sequential(*[{"kernel": 3, "padding": 1}] * 3)
    paths = rf.path_counts(net, "conv3", (0, 0))
    outside = 1 - float(paths.sel(y=slice(0, None), x=slice(0, None)).sum())
    assert float(rf.field_figures(paths, input_size=20).padding_mass) == pytest.approx(outside)


def test_two_fields():
    a, b = some(), some(seed=1)
    found = rf.compare_fields(a, b)
    p, q = (v.values / v.values.sum() for v in (a, b))
    assert float(found.correlation) == pytest.approx(np.corrcoef(p.ravel(), q.ravel())[0, 1])
    assert float(found.distance) == pytest.approx(np.abs(p - q).sum() / 2)
    np.testing.assert_allclose(found.difference, q - p)
    wide = a.pad(y=5, x=5, constant_values=0).assign_coords(y=np.arange(-5, 14), x=np.arange(-5, 17))
    framed = rf.compare_fields(wide, b.assign_coords(y=np.arange(9), x=np.arange(12)))
    assert float(framed.correlation) == pytest.approx(float(found.correlation))  # whatever the frame


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rf.field_figures(-some()), "field sums to .*; it must be shares of a mass"),
        (lambda: rf.field_figures(some() * np.nan), "field sums to nan"),
        (lambda: rf.field_figures(some().to_dataset(name="other")), "field has no map among other"),
        (lambda: rf.field_figures(np.ones((3, 3))), "it must be|give what effective_field"),
        (lambda: rf.field_figures(some(), [0.5, 1.5]), "shares is .*; give numbers above 0 and at most 1"),
        (
            lambda: rf.field_figures(some(), footprint=some().rename(y="z") > 0),
            "footprint has the axes z, x, the field y, x",
        ),
        (lambda: rf.compare_fields(some(), some().isel(y=0, drop=True)), "second has the axes x, the first y, x"),
    ],
)
def test_what_is_no_field(call, message):
    with pytest.raises(rf.InputError, match=message):
        call()


@pytest.mark.parametrize(
    "field",
    [
        xr.DataArray([["a"]]),
        xr.DataArray(3.0),
        xr.DataArray([1j, 2]),
        xr.DataArray([1.0, 2], {"x": ["a", "b"]}, ("x",)),
        xr.DataArray([1.0, 2], {"x": [0.5, 1.5]}, ("x",)),
    ],
)
def test_a_map_that_is_no_field(field):
    for ask in (lambda: rf.field_figures(field), lambda: rf.compare_fields(field, field)):
        with pytest.raises(rf.InputError, match=r"(field|first) has"):
            ask()


@pytest.mark.parametrize("shares", [None, "x", np.array(3), {}, [[0.5]], [True], 2, [0], []])
def test_shares_that_are_no_numbers(shares):
    with pytest.raises(rf.InputError, match="shares is"):
        rf.field_figures(some(), shares)


@pytest.mark.parametrize("footprint", [3, "x", [1, 2], np.ones((9, 12), bool), xr.Dataset()])
def test_what_is_no_footprint(footprint):
    with pytest.raises(rf.InputError, match="footprint is"):
        rf.field_figures(some(), footprint=footprint)


def test_shares_of_numpy():
    assert rf.field_figures(some(), np.float32(0.5)).box_extent.shape == (1, 2)
    assert rf.field_figures(some(), np.array([0.5, 1])).box_extent.shape == (2, 2)
