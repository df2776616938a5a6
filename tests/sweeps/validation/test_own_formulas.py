"""Formulas of the user: the built-in ones written again come to the same, and errors name formula and layer."""

from __future__ import annotations

from collections import Counter
from math import nan

import numba
import numpy as np
import pytest

import rfscale as rf

ANISOTROPIC = {"stages": [
    {"name": "a", "kernel": [[1, 7], [7, 1], 3]},
    {"name": "b", "kernel": [3, 5], "dilation": [1, [1, 2]], "stride": [1, 2]},
    {"name": "c", "kernel": 3, "dilation": [1, 3], "repeat": [0, 1, 2]},
]}  # fmt: skip


def box(extent, jump, kernel, stride, dilation):
    return extent + dilation * (kernel - 1) * jump, jump * stride


def article(S, P, kernel, stride, dilation):
    name = {(1, 2, 1): "conv1_s2", (2, 2, 1): "pool2", (3, 1, 1): "conv3", (3, 2, 1): "conv3_s2", (3, 1, 2): "dilated3"}
    key = kernel, stride, dilation
    return rf.FORMULAS["published"][name[key]](S, P) if key in name else (nan, nan)


def undilated(S, P, kernel, stride, dilation):
    return dilation == 1


@numba.njit
def compiled_box(extent, jump, kernel, stride, dilation):
    return extent + dilation * (kernel - 1) * jump, jump * stride


def same(report, name, other, variables):
    for v in variables:
        a, b = (report[v].sel(formula=f).values for f in (name, other))
        if a.dtype.kind == "f":
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12, err_msg=v)
        else:
            assert (a == b).all(), v


COUNTED = ("valued", "inexact", "impossible", "error_quantile", "histogram", "max_error")


@pytest.mark.parametrize("function", [box, compiled_box])
@pytest.mark.parametrize(
    "space", [rf.chains(kernel=[1, 2, 3], stride=[1, 2], dilation=[1, 2], depth=4), rf.Space.from_dict(ANISOTROPIC)]
)
def test_bounding_boxes_of_a_space(space, function):
    report = rf.validate(space, formulas={"mine": function})
    same(report, "mine", "interval", COUNTED)
    assert report.formula.values.tolist() == ["published", "closed_form", "interval", "mine"]
    a, b = (report.worst_error.sel(formula=f).values for f in ("mine", "interval"))
    np.testing.assert_allclose(a, b, rtol=1e-12)


def test_the_article_s_formulas_of_a_space():
    space = rf.chains(kernel=[2, 3], stride=[1, 2], dilation=[1, 2], depth=4)
    report = rf.validate(space, formulas={"mine": (article, undilated)})
    same(report, "mine", "published", COUNTED)
    inside = report.inside.sel(formula="mine")
    assert inside.sum().item() < report.valued.sel(formula="mine").sum().item()


def test_maps_and_worst_cases_one_by_one():
    def thirds(S, P, kernel):
        return kernel**2 * S, P / kernel

    space = rf.Space.from_dict({"stages": [{"name": f"s{i}", "kernel": [1, 3], "dilation": [1, 2]} for i in range(3)]})
    report = rf.validate(space, formulas={"thirds": thirds})
    errors = Counter()
    for i in range(space.size):
        network = space.network(i)
        ds = rf.profile(network)
        S = 1.0
        for layer in network.layers:
            S *= layer.params["kernel"][0] ** 2
        errors[round(abs(S - ds.area[-1].item()) / ds.area[-1].item(), 9)] += 1
    last = report.sel(stage="s2", formula="thirds", figure="area")
    assert last.inexact.sum().item() == sum(n for e, n in errors.items() if e)
    assert last.max_error.max().item() == pytest.approx(max(errors))
    worst = report.sel(formula="thirds", figure="area").isel(rank=0)
    assert worst.worst_error.item() == pytest.approx(max(errors))
    again = rf.validate(space.network(int(worst.worst_index.item())), formulas={"thirds": thirds})
    assert again.relative_error.sel(formula="thirds").values[-1] == pytest.approx(worst.worst_error.item())


def test_a_network():
    network = rf.Network.from_dict({"layers": [
        {"name": "a", "kernel": 3, "padding": 1}, {"name": "b", "kernel": 3, "dilation": 2, "padding": 2},
        {"name": "c", "op": "add", "inputs": ["a", "b"]}, {"name": "up", "op": "upsample", "scale": 2},
        {"name": "d", "kernel": 3, "padding": 1, "inputs": "c"},
    ]})  # fmt: skip
    report = rf.validate(
        network, formulas={"mine": article, "box": (box, lambda extent, jump, kernel, stride, dilation: kernel < 5)}
    )
    same(report.isel(layer=[0, 1, 2, 4]), "mine", "published", ("value", "overlap_value", "relative_error"))
    same(report.isel(layer=[0, 1, 2, 4]), "box", "interval", ("value", "overlap_value"))
    assert np.isnan(report.value.sel(layer="up", formula=["mine", "box"]).values).all()
    assert report.in_domain.sel(formula="box").values.tolist() == [True, True, False, False, False]
    assert report.attrs["mine_departs"] == report.attrs["published_departs"]


def fails(S, P, kernel):
    raise ZeroDivisionError("kernel")


@pytest.mark.parametrize(
    ("formulas", "message"),
    [
        (3, r"formulas is 3; it must be a mapping"),
        ({"interval": box}, "formulas names 'interval', which is one of rfscale's"),
        ({3: box}, "formulas has the name 3; it must be text"),
        ({"mine": 3}, "formula 'mine' is 3; it must be a function"),
        ({"mine": lambda *all: all}, "formula 'mine' must name its parameters: S, P"),
        ({"mine": lambda S, kernle: S}, "formula 'mine' has the parameter 'kernle'; did you mean 'kernel'"),
        ({"mine": lambda S, extent: S}, "formula 'mine' has the parameter 'S'; S and P, or extent and jump, not both"),
        ({"mine": (box, lambda extent: True)}, "the domain of formula 'mine' must have the formula's parameters"),
        (
            {"mine": fails},
            r"formula 'mine' failed at layer 'layer1', called with S=1, P=0, kernel=3: ZeroDivisionError",
        ),
        (
            {"mine": lambda S, P: S},
            r"formula 'mine' returned 1.0 at layer 'layer1', .*; it must return two numbers, S and P",
        ),
        ({"mine": (lambda S, P: (S, P), lambda S, P: 1 / P)}, "the domain of formula 'mine' failed at layer 'layer1'"),
    ],
)
def test_bad_formulas(formulas, message):
    with pytest.raises(rf.InputError, match=message):
        rf.validate(rf.chains(kernel=3, depth=2), formulas=formulas)


def test_samples_have_no_own_formulas():
    with pytest.raises(rf.InputError, match="formulas are judged on all of a space, random on some"):
        rf.validate(rf.chains(kernel=3, depth=2), random=5, formulas={"mine": box})
