"""Validation against brute force: plain sets for the exact side, the registry's formulas for the other."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.errors import InputError
from rfscale.engine.formulas.registry import CLOSED_FORM, PUBLISHED, PUBLISHED_BY_WINDOW
from rfscale.sweeps.kernels.plain import plain
from rfscale.sweeps.spaces.chains import chains
from rfscale.sweeps.spaces.space import Space
from rfscale.sweeps.validation import walk_space
from rfscale.sweeps.validation.gaussian import gaussian
from rfscale.sweeps.validation.space import shares_by_error
from rfscale.sweeps.validation.validate import validate
from tests.oracles import spaces as reference
from tests.sweeps import some_spaces as spaces

SQUARE = [spaces.DEMO, spaces.MIXED, spaces.LINE, *(spaces.random_space(seed) for seed in range(12))]

OBLONG = [
    spaces.ANISOTROPIC,
    {
        "name": "cubes",
        "stages": [
            {"name": "a", "kernel": [3, [1, 3, 5], [2, 1, 1]], "stride": [1, [1, 2, 2]]},
            {"name": "b", "kernel": 2, "dilation": [1, [2, 1, 3]], "repeat": [0, 1, 2]},
        ],
    },
    {
        "name": "both",
        "stages": [
            {"name": "a", "kernel": [3, [2, 2], [1, 3]], "stride": [1, 2]},
            {"name": "b", "kernel": [3, [3, 5]], "dilation": [1, 2, [2, 3]]},
            {"name": "c", "kernel": [1, 3, [7, 7]], "stride": [2, [1, 3]]},
        ],
    },
]


def formula_errors(layers, axes, power):
    """Errors of published, closed form (continued) and bounding box: area, then overlaps by axis; nan: no value.

    `axes` axes are followed, and the first counts `power` times.
    """
    S, P = 1.0, 0.0
    closed = [(1.0, 0.0)] * axes
    pixels, jump, extent = [{0} for _ in range(axes)], [1] * axes, [1] * axes
    for layer in layers:
        windows = [
            (k, s, d if k > 1 else 1) for k, s, d in zip(layer.kernel, layer.stride, layer.dilation, strict=True)
        ]
        first = windows[0]
        name = "conv7_s2_first" if (*first, S, P) == (7, 2, 1, 1.0, 0.0) else PUBLISHED_BY_WINDOW.get(first)
        square = len(set(windows)) == 1 and len(windows) == 2
        S, P = PUBLISHED[name](S, P) if name and square else (math.nan, math.nan)
        for a, (k, s, d) in enumerate(windows[:axes]):
            closed[a] = CLOSED_FORM["window"](*closed[a], k, s, d)
            pixels[a] = {x + i * d * jump[a] for x in pixels[a] for i in range(k)}
            extent[a] += (k - 1) * d * jump[a]
            jump[a] *= s
    area = math.prod(len(x) for x in pixels) ** power
    overlaps = [len(x & {y + j for y in x}) / len(x) for x, j in zip(pixels, jump, strict=True)]
    boxes = [max(0.0, 1 - j / e) for j, e in zip(jump, extent, strict=True)]
    values = [
        (S, [P] * axes),
        (math.prod(w for w, _ in closed) ** power, [p for _, p in closed]),
        (math.prod(extent) ** power, boxes),
    ]
    return [(abs(v - area) / area, *(abs(x - y) for x, y in zip(o, overlaps, strict=True))) for v, o in values]


def brute(spec, ndim, square=True):
    """Per stage, formula and figure: maps with a value, off, and the largest error."""
    axes, power = (1, ndim) if square else (ndim, 1)
    counted = [set() for _ in spec["stages"]]
    out = np.zeros((len(spec["stages"]), 3, 1 + axes, 3))
    new = reference.factors(spec)
    for places, stages in reference.architectures(spec, ndim):
        met = []
        for stage in range(len(stages)):
            met += [places[name] for name, _ in new[stage]]
            if tuple(met) in counted[stage]:
                continue
            counted[stage].add(tuple(met))
            for f, row in enumerate(formula_errors([x for s in stages[: stage + 1] for x in s], axes, power)):
                for g, error in enumerate(row):
                    if not math.isnan(error):
                        cell = out[stage, f, g]
                        cell += (1, error > 1e-9, 0)
                        cell[2] = max(cell[2], error)
    return out


def totals(report):
    cells = ("kind", "overlap_bin")
    parts = [report.valued.sum(cells), report.inexact.sum(cells), report.max_error.max(cells).fillna(0)]
    return np.stack([p.values for p in parts], axis=-1)


@pytest.mark.parametrize("merge_cost", [1, 1 << 60])
@pytest.mark.parametrize("spec", SQUARE, ids=lambda s: s["name"])
def test_whole_space_equals_brute_force(spec, merge_cost, monkeypatch):
    monkeypatch.setattr(walk_space, "MERGE_COST", merge_cost)
    monkeypatch.setattr(walk_space, "MAX_EDGES_PER_MERGE", 7)
    monkeypatch.setattr(walk_space, "MAPS_PER_CALL", 50)
    space = Space.from_dict(spec)
    report = validate(space)
    assert report.maps.sum(("kind", "overlap_bin")).values.tolist() == list(space.stage_sizes)
    np.testing.assert_allclose(totals(report), brute(spec, len(space.axes)), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("spec", OBLONG, ids=lambda s: s["name"])
def test_windows_that_differ_between_axes(spec, monkeypatch):
    monkeypatch.setattr(walk_space, "MAPS_PER_CALL", 50)
    space = Space.from_dict(spec)
    assert not space.square
    report = validate(space)
    assert report.figure.values.tolist() == ["area", *(f"overlap_{a}" for a in space.axes)]
    assert report.maps.sum(("kind", "overlap_bin")).values.tolist() == list(space.stage_sizes)
    wanted = brute(spec, len(space.axes), square=False)
    np.testing.assert_allclose(totals(report), wanted, rtol=1e-7, atol=1e-9)
    assert report.inside_inexact.sum() == 0
    row = report.sel(formula="interval", figure="area").isel(rank=0)
    ds = rf.profile(rf.Network.from_dict(json.loads(row.worst_network.item())))
    error = ds.extent.prod("axis").values[-1] / ds.area.values[-1] - 1
    assert math.isclose(error, row.worst_error.item(), rel_tol=1e-12)


def test_axes_that_differ_only_in_the_end():
    """Until windows differ, a space that is followed on each axis has the numbers of a square one."""
    stages = [{"name": f"s{i}", "kernel": [1, 2, 3], "dilation": [1, 2]} for i in range(4)]
    plain = validate(Space.from_dict({"stages": stages}))
    report = validate(Space.from_dict({"stages": [*stages, {"name": "last", "kernel": [1, 3]}]}))
    oblong = validate(Space.from_dict({"stages": [*stages, {"name": "last", "kernel": [[1, 3]]}]}))
    for name in ("valued", "inexact", "inside", "inside_inexact", "impossible", "max_error"):
        sums = [x.max(("kind", "overlap_bin")) if name == "max_error" else x.sum(("kind", "overlap_bin"))
                for x in (plain[name], oblong[name].sel(figure=["area", "overlap_x"]))]  # fmt: skip
        np.testing.assert_allclose(sums[1].values[:4], sums[0].values, rtol=1e-12)
    assert report.valued.sel(formula="published").sum() > oblong.valued.sel(formula="published", figure="area").sum()


def test_in_their_domain_formulas_are_exact():
    report = validate(chains([1, 2, 3, 5, 7], [1, 2, 3], [1, 2, 3], 4))
    assert report.inside_inexact.sum() == 0
    assert (report.inside.sum(("stage", "kind", "overlap_bin")) > 0).all()
    assert report.inexact.sum() > 0


def test_published_error_of_the_dilated_five():
    report = validate(chains(3, 1, 2, 5))
    worst = report.worst_error.sel(formula="published", figure="area").values
    assert worst[0] == 59049 / 121 - 1


def test_four_plain_and_a_dilated_are_impossible():
    stages = [{"name": "plain", "kernel": 3, "repeat": 4}, {"name": "last", "kernel": 3, "dilation": 2}]
    report = validate(Space.from_dict({"stages": stages}))
    cell = report.impossible.sel(stage="last", formula="published", figure="area")
    assert cell.sum() == 1
    assert math.isclose(report.max_error.sel(formula="published", figure="area").max().item(), (27 + 169) / 169)


def test_worst_networks_replay():
    report = validate(chains([2, 3], [1, 2], [1, 2], 3))
    for formula in ("published", "closed_form"):
        row = report.sel(formula=formula, figure="area").isel(rank=0)
        ds = rf.profile(rf.Network.from_dict(json.loads(row.worst_network.item())))
        exact = ds.area.values[-1]
        one = validate(rf.Network.from_dict(json.loads(row.worst_network.item())))
        value = one.value.sel(formula=formula).values[-1]
        assert math.isclose(abs(value - exact) / exact, row.worst_error.item(), rel_tol=1e-9)


@pytest.mark.parametrize("options", [{}, {"random": 30_000, "seed": 5}])
def test_threads_give_the_same_bits(options, monkeypatch):
    monkeypatch.setattr(walk_space, "MERGE_COST", 100)
    space = chains([1, 2, 3, 7], [1, 2], [1, 2, 3], 4)
    reports = []
    for threads in (1, 2, 7):  # Python's threads; the kernel has no others
        monkeypatch.setattr(walk_space, "thread_count", lambda n=threads: n)
        reports.append(validate(space, **options))
    assert reports[0].identical(reports[1])
    assert reports[0].identical(reports[2])


PLAIN, DILATED, POINT = {"kernel": 3}, {"kernel": 3, "dilation": 2}, {"kernel": 1}


@pytest.mark.parametrize(
    ("layers", "inside"),
    [
        ([PLAIN, {"kernel": 1, "stride": 2}, PLAIN, {"kernel": 2, "stride": 2}], [True] * 4),
        ([PLAIN, DILATED], [True, False]),  # P = 2/3: the dilated formula holds up to 1/2
        ([{"kernel": 3, "stride": 2}, DILATED], [True, True]),  # P = 1/3
        ([DILATED, POINT, PLAIN, POINT], [True, True, False, False]),  # after gaps only the 1×1 is exact
        ([DILATED, {"kernel": 1, "stride": 2}], [True, False]),
        ([{"kernel": 7, "stride": 2}, PLAIN], [True, True]),
        ([PLAIN, {"kernel": 7, "stride": 2}], [True, False]),  # the 7×7 is for the image
        ([PLAIN, {"kernel": 5}, PLAIN], [True, False, False]),  # the article has no 5×5
        ([PLAIN, {"op": "pad", "padding": 3}, PLAIN], [True, True, True]),
    ],
)
def test_domain_of_the_published_formulas_along_a_network(layers, inside):
    report = validate(rf.Network.sequential(*layers))
    assert report.in_domain.sel(formula="published").values.tolist() == inside
    off = abs(report.relative_error.sel(formula="published")) > 1e-9
    assert not (off & report.in_domain.sel(formula="published")).any()


def test_shares_by_error():
    report = validate(chains([2, 3, 7], [1, 2], [1, 2], 3))
    found = shares_by_error(report)
    assert found.error_bin.values.tolist() == report.error_bin.values[:-1].tolist()
    for f, g in ((f, g) for f in report.formula.values for g in report.figure.values):
        counts = report.histogram.sel(formula=f, figure=g).sum("stage").values.tolist()
        share = found.sel(formula=f, figure=g).values
        np.testing.assert_allclose(share, [sum(counts[: i + 1]) / sum(counts) for i in range(len(share))])
    assert (found.isel(error_bin=0) < 1).any()
    assert shares_by_error(report * 0).isnull().all()  # no maps, no shares


def test_random_sample():
    space = chains([2, 3], [1, 2], [1, 2], 3)
    report, whole = validate(space, random=200_000, seed=3), validate(space)
    assert report.maps.sum(("kind", "overlap_bin")).values.tolist() == [200_000] * 3
    assert report.identical(validate(space, random=200_000, seed=3))
    assert not report.maps.identical(validate(space, random=200_000, seed=4).maps)
    share = report.maps.isel(stage=2) / 200_000
    assert abs(share - whole.maps.isel(stage=2) / 512).max() < 0.005
    np.testing.assert_array_equal(report.max_error, whole.max_error)


def test_random_sample_of_a_space_too_large_to_list():
    report = validate(chains(range(1, 8), [1, 2], range(1, 5), 8), random=2000)
    assert report.inside_inexact.sum() == 0


def test_undilated_chains_by_exhaustion():
    report = validate(chains(range(1, 6), [1, 2, 3], 1, 5))
    assert report.inexact.sel(formula="closed_form").sum() == 0
    assert report.valued.sel(formula="closed_form", figure="area").isel(stage=4).sum() == 15**5


def test_network():
    report = validate(rf.load("dilated5"))
    assert report.attrs["published_departs"] == "conv2"
    assert report.value.sel(formula="published").values.tolist() == [9, 81, 729, 6561, 59049]
    assert report.in_domain.sel(formula="closed_form").values.tolist() == [True, False, False, False, False]
    assert report.relative_error.sel(formula="interval", layer="conv5") == 441 / 121 - 1
    np.testing.assert_allclose(report.absolute_error.sel(formula="path_variance"), 0, atol=1e-9)


@pytest.mark.parametrize("name", ["resnet18", "vgg16", "googlenet"])
def test_networks_in_their_domain(name):
    report = validate(rf.load(name))
    error = abs(report.relative_error).where(report.in_domain)
    assert not (error > 1e-9).any()


def distance_from_normal(network: rf.Network) -> float:
    """Total variation between the path counts of the last layer and the normal of equal mean and variance."""
    counts = rf.path_counts(network, network.layers[-1].name)
    weights = (counts / counts.sum()).values
    mean = sum(x * w for x, w in enumerate(weights))
    sigma = math.sqrt(sum(w * (x - mean) ** 2 for x, w in enumerate(weights)))
    below = [(1 + math.erf((x - 0.5 - mean) / sigma / math.sqrt(2))) / 2 for x in range(len(weights) + 1)]
    pairs = zip(weights, below, below[1:], strict=False)
    return (sum(abs(w - (high - low)) for w, low, high in pairs) + below[0] + 1 - below[-1]) / 2


@pytest.mark.parametrize("window", [(3, 1, 1), (2, 2, 1), (3, 1, 2), (5, 2, 3)])
def test_distances_of_chains_are_those_of_networks(window):
    k, s, d = window
    data = gaussian([k], [s], [d], depth=5).isel(window=0)
    layer = {"kernel": k, "stride": s, "dilation": d}
    wanted = [distance_from_normal(rf.Network.sequential(*[layer] * n, axes=1)) for n in range(1, 6)]
    np.testing.assert_allclose(data.distance, wanted, rtol=1e-9, atol=1e-12)
    assert np.isnan(gaussian([3], [4], depth=40).distance[0, -1])


def test_distance_falls_without_strides_only():
    plain = gaussian([3], depth=10).distance.values[0].tolist()
    assert plain == sorted(plain, reverse=True)
    assert plain[-1] < 0.01
    assert gaussian([2], [2], depth=10).distance[0, -1] > 0.1


def test_normal_of_equal_variance():
    weights = np.array([1, 2, 3, 2, 1]) / 9  # two 3×3: variance 4/3
    sigma = math.sqrt(4 / 3)
    edges = [(1 + math.erf((x - 2.5) / sigma / math.sqrt(2))) / 2 for x in range(6)]
    normal = np.diff(edges)
    distance = (abs(weights - normal).sum() + edges[0] + 1 - edges[-1]) / 2
    data = gaussian([3], depth=2)
    assert math.isclose(data.distance.sel(depth=2).item(), distance, rel_tol=1e-12)
    assert math.isclose(data.variance.sel(depth=2).item(), 4 / 3, rel_tol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: validate(3), "3 is no network"),
        (lambda: validate(chains(), axes=[1]), "is a space; axes goes with networks"),
        (lambda: validate(chains(), random=0), "random"),
        (lambda: validate(rf.load("vgg16"), random=5), "random is for spaces"),
        (lambda: chains(kernel=0), "kernel"),
        (lambda: chains(depth=0), "depth"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_wide_sets_are_much_work(monkeypatch):
    """Two taps 2·10⁶ pixels apart: plain code would take them word by word, at 2·10⁹ for minutes."""
    asked = []

    class Counts:
        def of(self, kernel, work):
            asked.append(work)
            return plain(kernel)

    monkeypatch.setattr(walk_space, "SOONER", Counts())
    jump = 2 * 10**6
    space = Space.from_dict({"stages": [{"name": "a", "kernel": 1, "stride": jump}, {"name": "b", "kernel": 2}]})
    report = validate(space)
    assert report.max_error.sel(formula="interval", figure="area").max() == ((jump + 1) ** 2 - 4) / 4
    assert max(asked) > jump // 64 // walk_space.WORDS_AT_ONCE
    narrow = len(asked)
    validate(chains([3], [1], [1], 2))
    assert max(asked[narrow:]) <= 2
