"""Formulas over arrays: equal to the registry's, whatever the memory they are written to."""

from __future__ import annotations

import itertools

import numba
import numpy as np
import pytest
import xarray as xr

import rfscale as rf
from rfscale.engine import FORMULAS
from rfscale.engine.errors import InputError
from rfscale.engine.formulas import evaluate as evaluation
from rfscale.engine.kernels import formulas

PUBLISHED, WINDOW = FORMULAS["published"], FORMULAS["closed_form"]["window"]
DRAW = np.random.default_rng(3)
S = np.concatenate([DRAW.integers(1, 500, 600) ** 2.0, [1.0, 1.0, 9.0]])
P = np.concatenate([DRAW.random(600), [0.0, 1.0, 0.5]])


def one_by_one(layers, S, P):
    for layer in layers:
        S, P = PUBLISHED[layer](S, P) if isinstance(layer, str) else WINDOW(S, P, *layer)
    return S, P


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_published(name):
    for got, right in zip(rf.evaluate([name], S, P), PUBLISHED[name](S, P), strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-12)


@pytest.mark.parametrize("window", list(itertools.product([1, 2, 3, 7], [1, 2, 4], [1, 2, 5])))
def test_each_window(window):
    for got, right in zip(rf.evaluate([window], S, P), WINDOW(S, P, *window), strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-12, atol=1e-12)


def test_layers_in_a_row():
    for layers in (
        ["conv7_s2_first", "conv3", "conv3_s2", "conv1", "dilated3"],
        ["pool2", "conv3_pool2", "conv1_s2"],
        [(3, 1, 1), (5, 2, 1), (2, 2, 1), (3, 1, 4)],
        [],
    ):
        for got, right in zip(rf.evaluate(layers, S, P), one_by_one(layers, S, P), strict=True):
            np.testing.assert_allclose(got, right, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("layers", [["conv3"], ["conv3", "pool2"], []])
@pytest.mark.parametrize("n", [1, 63, 64, 65, 3 * 64 * formulas.BLOCK + 17])
def test_every_point_is_written_once(layers, n):
    """Whatever the tasks and blocks: all points, and none beside them."""
    S, P = np.linspace(1, 400, n), np.linspace(0, 1, n)
    x, y = (np.full(n + 5, -1.0) for _ in range(2))
    out = x[2 : n + 2], y[3 : n + 3]
    got = rf.evaluate(layers, S, P, out=out)
    assert got[0] is out[0]
    for a, b in zip(got, one_by_one(layers, S, P), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    for array, start in ((x, 2), (y, 3)):
        assert (array[:start] == -1).all()
        assert (array[start + n :] == -1).all()


def test_shapes_and_labels():
    area, overlap = rf.evaluate(["conv3"] * 2)
    assert area == pytest.approx(25)
    assert area.shape == overlap.shape == ()
    area, overlap = rf.evaluate(["pool2"], [[1], [9]], [0.0, 0.5, 1.0])
    assert area.tolist() == [[4, 2.25, 1], [36, 20.25, 9]]
    assert overlap.shape == (2, 3)
    S = xr.DataArray([1.0, 9.0], {"scale": [1, 3]}, attrs={"units": "pixel"})
    P = xr.DataArray([0.0, 0.5, 1.0], dims="overlap")
    labelled, shared = rf.evaluate(["pool2"], S, P)
    assert labelled.dims == shared.dims == ("scale", "overlap")
    assert labelled.attrs == {"units": "pixel"}
    assert (labelled.sel(scale=3).values == area[1]).all()
    in_place = np.array([1.0, 4.0]), np.array([0.0, 0.5])
    rf.evaluate(["pool2"], *in_place, out=in_place)
    assert in_place[0].tolist() == [4.0, 9.0]
    assert rf.evaluate(["pool2"], np.empty(0), 0.5)[0].shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["conv4"],), "no published formula; did you mean 'conv3'"),
        (("conv3",), r"it must be a list such as \['conv3', 'pool2'\]"),
        ((["conv3", (3, 1, 1)],), "has names and windows"),
        (([(3, 1)],), r"a window is \(kernel, stride, dilation\)"),
        (([(3, 0, 1)],), "stride is 0; it must lie between 1"),
        (([(3, 1, 1.5)],), "dilation is 1.5; it must be a whole number"),
        ((["conv3"], "9"), "S is .*; it must be numbers"),
        ((["conv3"], [1.0, 2.0], [0.1, 0.2, 0.3]), r"shapes \(2,\) and \(3,\), which do not broadcast"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(InputError, match=message):
        rf.evaluate(*arguments)


@pytest.mark.parametrize("out", [(np.empty(3), np.empty(2)), (np.empty(2, np.float32), np.empty(2)), ([0, 0], [0, 0])])
def test_bad_out(out):
    with pytest.raises(InputError, match=r"two contiguous float64 arrays of the shape \(2,\)"):
        rf.evaluate(["conv3"], [1.0, 2.0], out=out)


@pytest.mark.parametrize("layers", [["conv3"], ["pool2", "conv3"], [(3, 1, 2)]])
def test_parts_for_threads_are_all_of_the_points(layers, monkeypatch):
    monkeypatch.setattr(evaluation, "MIN_POINTS", 100)
    in_parts = []
    for threads in (1, 2):
        monkeypatch.setattr(numba, "get_num_threads", lambda threads=threads: threads)
        in_parts.append(rf.evaluate(layers, S, P, out=(np.full_like(S, -1), np.full_like(S, -1))))
    np.testing.assert_array_equal(*in_parts)
    np.testing.assert_allclose(in_parts[0], one_by_one(layers, S, P), rtol=1e-9)
