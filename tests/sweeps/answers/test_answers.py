"""Counts, best, Pareto sets and samples, against brute force over every architecture."""

from __future__ import annotations

import random
import re
from collections import Counter
from math import prod

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError
from rfscale.sweeps.answers.count import extents_by_stage, shares_by_extent
from rfscale.sweeps.answers.design.design import split_where
from rfscale.sweeps.answers.expressions import ExpressionParser
from tests.oracles.spaces import factors, table
from tests.sweeps.some_spaces import ALL, ANISOTROPIC, DEMO, LINE, MIXED, random_space


class Brute:
    """Every architecture of a space as a dict of names to values, in index order."""

    def __init__(self, spec):
        self.space = rf.Space.from_dict(spec)
        ndim = len(self.space.axes)
        stages = [s["name"] for s in spec["stages"]]
        self.rows = []
        for places, figures in table(spec, ndim):
            row = {n: self.space.dims[n][p] for n, p in places.items()}
            for stage, f in zip(stages, figures, strict=True):
                row |= {f"{stage}.{k}": v for k, v in self.names(f, ndim).items()}
            row |= self.names(figures[-1], ndim)
            self.rows.append(row)
        assert [n for new in factors(spec) for n, _ in new] == list(self.space.dims)

    def names(self, f, ndim):
        out = {"params": f.params, "macs": f.macs, "area": prod(f.pixels)}
        out["width"], out["density"] = np.sqrt(out["area"]), out["area"] / prod(f.extent)
        for a, axis in enumerate([""] if self.space.square else [f"_{x}" for x in self.space.axes]):
            for name in ("pixels", "extent", "jump", "shared"):
                out[name + axis] = getattr(f, name)[a]
            out["overlap" + axis] = f.shared[a] / f.pixels[a]
        return out

    def where(self, text):
        if text is None:
            return list(range(len(self.rows)))
        tests = []
        for part in re.split(r",(?![^(\[]*[)\]])| and ", text):
            if "every." in part:
                tests += [part.replace("every.", s.name + ".") for s in self.space.stages]
            else:
                tests.append(part)
        return [i for i, row in enumerate(self.rows) if all(evaluate(t, row) for t in tests)]


def evaluate(text, row):
    for name in sorted(row, key=len, reverse=True):
        if "." in name:
            text = text.replace(name, name.replace(".", "__"))
    return eval(text.strip(), {}, {k.replace(".", "__"): v for k, v in row.items()})


@pytest.fixture(scope="module")
def brute():
    return {spec["name"]: Brute(spec) for spec in [*ALL, *(random_space(s, 250) for s in range(200, 212))]}


CASES = [
    ("demo", None),
    ("demo", "density == 1"),
    ("demo", "every.density == 1"),
    ("demo", "s1.extent >= 20 and overlap >= 0.5, jump == 4"),
    ("demo", "s1.extent * 2 <= extent"),
    ("demo", "k == 5 and s3_choice == 'holes'"),
    ("demo", "s3_choice in ('dense', 'holes') and not k == 5 and stem_kernel in [3, 7]"),
    ("demo", "macs <= 2500000"),
    ("demo", "2000000 < macs < 5000000 and params >= 3000"),
    ("demo", "s1.macs <= 2000000 and params < 6000"),
    ("demo", "macs / area < 9000 or density < 1"),
    ("demo", "params % 2 == 0"),
    ("anisotropic", "extent_y > extent_x"),
    ("anisotropic", "area >= 50 and macs <= 400000"),
    ("anisotropic", "a_kernel == '1x7' and overlap_x < 0.9"),
    ("mixed", "area > 100 and params <= 2000"),
    ("mixed", "k == 3 and d == 3 and mid.extent < 60"),
    ("line", "density < 0.2"),
    ("line", "s0.density == 1 and shared > 0"),
]


def answerable(case, objective):
    """Whether the space of a case has the costs that an objective asks for."""
    return case[0] != "line" or not re.search("macs|params", str(objective))


@pytest.mark.parametrize(("name", "where"), CASES)
def test_counts(brute, name, where):
    b = brute[name]
    rows = b.where(where)
    assert len(rows) > 0
    assert rf.count(b.space, where=where).item() == len(rows)
    suffix = "" if b.space.square else "_y"
    for by in (
        ["extent" + suffix, "jump" + suffix],
        ["density"],
        [next(iter(b.space.dims)), "area"],
        [f"{b.space.stages[0].name}.area", "width"],
    ):
        got = rf.count(b.space, by, where)
        want = Counter(tuple(b.rows[i][n] for n in by) for i in rows)
        found = {k: int(v) for k, v in got.to_series().items() if v}
        assert {k if isinstance(k, tuple) else (k,): v for k, v in found.items()} == want


OBJECTIVES = ["macs", "-params", "-area", "macs + 500*params - 3*area", "macs / area"]


@pytest.mark.parametrize(
    ("name", "where", "objective"), [(*c, o) for c in CASES for o in OBJECTIVES if answerable(c, o)]
)
def test_best(brute, name, where, objective):
    b = brute[name]
    rows = b.where(where)
    want = sorted((evaluate(objective, b.rows[i]), i) for i in rows)[:12]
    got = rf.best(b.space, objective, k=12, where=where)
    assert got.objective.values.tolist() == [v for v, _ in want]
    if where is None or ("macs" not in where and "params" not in where) or objective == "macs / area":
        assert got["index"].values.tolist() == [i for _, i in want]
    check_rows(b, got, "rank", rows)
    assert len(set(got["index"].values.tolist())) == len(want)


def check_rows(b, answer, dim, rows):
    allowed = set(rows)
    for i in range(answer.sizes[dim]):
        row = answer.isel({dim: i})
        index = b.space.index(row)
        assert index == row["index"].item()
        assert index in allowed
        want = b.rows[index]
        for name in set(answer.data_vars) - {"objective", "objectives", "index"}:
            assert row[name].item() == want[name], name
    assert rf.profile(b.space.network(answer.isel({dim: 0}))).area.values[-1] >= 1


PAIRS = [
    ("-area", "jump"),
    ("macs", "-area"),
    ("macs", "params", "-width"),
    ("macs", "-params"),
    ("macs/area", "params"),
]


@pytest.mark.parametrize(("name", "where", "objectives"), [(*c, o) for c in CASES for o in PAIRS if answerable(c, o)])
def test_pareto(brute, name, where, objectives):
    b = brute[name]
    if not b.space.square:
        objectives = tuple(o.replace("jump", "jump_x") for o in objectives)
    rows = b.where(where)
    values = {tuple(evaluate(o, b.rows[i]) for o in objectives) for i in rows}
    want = sorted(
        v for v in values if not any(u != v and all(x <= y for x, y in zip(u, v, strict=True)) for u in values)
    )
    got = rf.pareto(b.space, *objectives, where=where)
    assert [tuple(v) for v in got.objectives.values.tolist()] == want
    check_rows(b, got, "rank", rows)


@pytest.mark.parametrize(("name", "where"), CASES)
def test_samples_are_uniform(brute, name, where):
    b = brute[name]
    rows = b.where(where)
    n = 40 * len(rows)
    got = rf.sample(b.space, n, where, seed=3)
    assert int(got.attrs["satisfying"]) == len(rows)
    drawn = Counter(got["index"].values.tolist())
    assert set(drawn) <= set(rows)
    if len(rows) > 1:
        statistic = sum((drawn[i] - 40) ** 2 for i in rows) / 40
        free = len(rows) - 1
        # Wilson and Hilferty's approximation of the 0.9999 quantile of chi-square
        assert statistic < free * (1 - 2 / (9 * free) + 3.72 * (2 / (9 * free)) ** 0.5) ** 3
    check_rows(b, got.isel(sample=slice(20)), "sample", rows)
    assert rf.sample(b.space, n, where, seed=3).identical(got)


@pytest.mark.parametrize("seed", range(200, 212))
def test_random_spaces(brute, seed):
    b = brute[f"random{seed}"]
    draw = random.Random(seed)
    stage = draw.choice(b.space.stages).name
    limit = draw.choice(sorted({r[f"{stage}.extent"] for r in b.rows}))
    where = f"{stage}.extent <= {limit}"
    if b.space.channels:
        where += f" and params <= {sorted(r['params'] for r in b.rows)[len(b.rows) // 2]}"
    rows = b.where(where)
    if not rows:
        with pytest.raises(InputError, match="no architecture"):
            rf.best(b.space, "area", where=where)
        return
    assert rf.count(b.space, where=where).item() == len(rows)
    got = rf.best(b.space, "-area", k=5, where=where)
    assert got.objective.values.tolist() == sorted(-b.rows[i]["area"] for i in rows)[:5]
    assert sorted(set(rf.sample(b.space, 60 * len(rows), where)["index"].values.tolist())) == rows


@pytest.mark.parametrize(("name", "where"), [c for c in CASES if c[1]])
def test_pieces_change_nothing(brute, name, where, monkeypatch):
    b = brute[name]
    by = list(b.space.dims)[:2]
    whole = (
        rf.count(b.space, by, where),
        rf.sample(b.space, 50, where),
        rf.best(b.space, "-area", where=where),
    )
    monkeypatch.setattr("rfscale.sweeps.answers.graph.PIECE", 40)
    pieces = (
        rf.count(b.space, by, where),
        rf.sample(b.space, 50, where),
        rf.best(b.space, "-area", where=where),
    )
    assert all(x.identical(y) for x, y in zip(whole, pieces, strict=True))


def test_where_as_mapping(brute):
    b = brute["demo"]
    got = rf.count(
        b.space, where={"density": 1, "s1.extent": (20, None), "jump": (None, 4), "k": 5, "every.extent": (3, 10**6)}
    )
    assert got.item() == len(b.where("density == 1 and s1.extent >= 20 and jump <= 4 and k == 5"))
    assert rf.count(b.space, where=["density == 1", {"jump": 4}]).item() == len(b.where("density == 1 and jump == 4"))


def test_bins(brute):
    b = brute["demo"]
    got = rf.count(b.space, "extent", bins={"extent": [0, 20, 40, 1000]})
    want = [sum(lo <= r["extent"] < hi for r in b.rows) for lo, hi in ((0, 20), (20, 40), (40, 1000))]
    assert got.values.tolist() == want
    assert got.extent.values.tolist() == [0, 20, 40]


def test_shares_by_extent():
    space = rf.Space.from_dict({"stages": [{"name": f"s{i}", "kernel": [1, 3, 5, 9]} for i in range(4)]})
    counts = extents_by_stage(space)[""]
    for bins in (3, 12, 200):
        edges, shares = shares_by_extent(counts, bins)
        assert shares.shape == (len(edges) - 1, 4)
        assert len(edges) <= bins
        np.testing.assert_allclose(shares.sum(axis=0), 1)
        for stage, count in enumerate(counts):
            extents = count[count.dims[0]].values
            for i, share in enumerate(shares[:, stage]):
                some = count.values[(extents > edges[i]) & (extents < edges[i + 1])].sum()
                assert share == pytest.approx(some / space.size)


def test_counts_of_any_size():
    space = rf.Space.from_dict(
        {
            "stages": [
                {
                    "name": f"s{i}",
                    "choices": [{"kernel": k, "dilation": d} for k, d in ((1, 1), (3, 1), (3, 2), (5, 1))],
                }
                for i in range(40)
            ]
        }
    )
    got = rf.count(space, "extent")
    assert got.dtype == object
    assert sum(got.values.tolist()) == 4**40
    # extents are sums of 0, 2, 4, 4: coefficients of (1 + x + 2x^2)^40
    poly = [1]
    for _ in range(40):
        poly = [
            sum(poly[i - j] * w for j, w in ((0, 1), (1, 1), (2, 2)) if 0 <= i - j < len(poly))
            for i in range(len(poly) + 2)
        ]
    assert got.values.tolist() == poly
    assert rf.count(space, where="density < 1").item() + rf.count(space, where="density == 1").item() == 4**40
    answer = rf.sample(space, 3, where="extent >= 100", seed=1)
    for i in range(3):
        profile = rf.profile(space.network(answer.isel(sample=i)))
        assert profile.extent.values[-1, 0] == answer.extent.values[i] >= 100
        assert profile.area.values[-1] == answer.area.values[i]
    worst = rf.best(space, "density", k=2)
    assert worst.objective.values[0] == rf.profile(space.network(worst.isel(rank=0))).density.values[-1]


@pytest.mark.parametrize("objective", ["10**18*macs", "1000000000000000*macs", "macs**3", "-(extent**40)", "macs*1e19"])
def test_what_passes_int64_does_not_wrap(brute, objective):
    b = brute["demo"]
    got = rf.best(b.space, objective, k=5).objective.values
    want = sorted(evaluate(objective, row) for row in b.rows)[:5]
    assert np.allclose(got.astype(float), np.array(want, float), rtol=1e-12)


@pytest.mark.parametrize("number", [2**53 + 1, 2**60 + 1])
def test_bounds_of_costs_are_exact(brute, number):
    """A float has no 2^53 + 1."""
    reader = ExpressionParser(brute["demo"].space)
    for text, low, high in (
        (f"macs < {number}", -np.inf, number - 1),
        (f"macs > {number}", number + 1, np.inf),
        (f"{number} > macs >= 2.5", 2.5, number - 1),
    ):
        assert reader.where(text)[0].bounds()[1:] == (low, high)


def test_pareto_of_what_passes_int64(brute):
    b = brute["demo"]
    got, want = (rf.pareto(b.space, o, "-extent") for o in ("1000000000000000*macs", "macs"))
    assert got.macs.values.tolist() == want.macs.values.tolist()
    assert np.allclose(got.objectives[:, 0], 1e15 * want.macs)


@pytest.mark.parametrize(
    ("where", "same"),
    [
        ("extent < 1/0", "extent > 0"),
        ("extent % 0 == 0", "extent < 0"),
        ("extent ** -1 < 0.1", "extent > 10"),
        ("macs**9 > 0", "extent > 0"),
        ("extent < 9**9**9", "extent > 0"),
    ],
)
def test_odd_arithmetic(brute, where, same):
    space = brute["demo"].space
    assert rf.count(space, where=where) == rf.count(space, where=same)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda s: rf.count(s, "extend"),
            "by names 'extend', which is no figure, cost or factor; did you mean 'extent'",
        ),
        (lambda s: rf.count(s, "s9.extent"), "no stage 's9'"),
        (lambda s: rf.best(s, "extent / 0"), "is no finite number for some architectures; exclude them"),
        (lambda s: rf.count(s, ["extent", "extent"]), "each name may stand once"),
        (
            lambda s: rf.count(s, "extent", where="extent < 0"),
            "no architecture of space 'demo' satisfies where='extent < 0': none is left at stage 's3'",
        ),
        (lambda s: rf.count(s, "extent", bins={"jump": [1, 2]}), "bins names 'jump', which is not in by"),
        (lambda s: rf.count(s, "extent", bins=[1, 2]), r"bins is \[1, 2\]; it must be a mapping"),
        (lambda s: rf.count(s, "extent", bins={"extent": [2, 1]}), "give at least two rising edges"),
        (lambda s: rf.count(s, where="__import__('os')"), "only names, numbers"),
        (lambda s: rf.count(s, where="extent >= "), "cannot be read"),
        (lambda s: rf.count(s, where="extent + 1"), "which is no condition"),
        (lambda s: rf.count(s, where=3), "where is 3; it must be text"),
        (lambda s: rf.count(s, where="extent > 'a'"), "mixes text and numbers"),
        (lambda s: rf.count(s, where="'a' * 99999999999 == 'a'"), "mixes text and numbers"),
        (lambda s: rf.count(s, where={"extent": (1, 2, 3)}), "give a value, or \\(low, high\\)"),
        (lambda s: rf.best(s, "macs", where="macs <= 1"), "no architecture of space 'demo' satisfies"),
        (lambda s: rf.best(s, "macs", k=0), "k is 0; it must lie between 1"),
        (lambda s: rf.best(s, ""), "objective is ''; it must be text"),
        (lambda s: rf.best(s, "s3_choice"), "is text; it must be a number"),
        (lambda s: rf.pareto(s, "macs"), "pareto got 1 objectives"),
        (lambda s: rf.sample(s, 0), "n is 0"),
        (lambda s: rf.sample(s, 5, where="s1.jump > 100"), "none is left at stage 's1'"),
        (lambda s: rf.count(3), "space is 3"),
        (lambda s: rf.count(s, "macs", memory=20_000), "the question needs more than 2e-05 GB for .* to stage 's3'"),
        (lambda s: rf.count(s, "macs", memory=3000), "the states of stage 's1' need more than 3e-06 GB; leave stages"),
    ],
)
def test_bad_questions(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call(rf.Space.from_dict(DEMO))
    assert "\n" not in str(caught.value)


def test_bad_questions_by_space():
    with pytest.raises(InputError, match="the axes of this space differ; write extent_y or extent_x"):
        rf.count(rf.Space.from_dict(ANISOTROPIC), "extent")
    with pytest.raises(InputError, match="has no channels; add channels"):
        rf.best(rf.Space.from_dict(LINE), "params")
    no_size = {k: v for k, v in MIXED.items() if k != "input_size"}
    with pytest.raises(InputError, match="has no input_size; add an input_size"):
        rf.best(rf.Space.from_dict(no_size), "macs")
    assert rf.best(rf.Space.from_dict(no_size), "params", k=1).params.item() > 0
    assert rf.count(rf.Space.from_dict(DEMO), where="extent < 0").item() == 0


@pytest.mark.parametrize("text", ["not " * 2400 + "extent", "-" * 5000 + "1 < jump", "+".join("1" * 2400) + "< jump"])
def test_deeply_nested_expressions_are_refused(brute, text):
    with pytest.raises(InputError, match=r"nested more than 100 deep|cannot be read|sum of more than 1000") as caught:
        ExpressionParser(brute["demo"].space).where(text)
    assert len(str(caught.value)) < 200


def test_a_sum_may_have_many_terms(brute):
    space = brute["demo"].space
    parser = ExpressionParser(space)
    same = rf.count(space, where="899*s1.extent - extent < 9000").item()
    assert 0 < same < space.size
    assert rf.count(space, where="+".join(["s1.extent"] * 899) + " - extent < 9000").item() == same
    one = rf.count(space, where="every.extent + 0*area <= 9").item()
    assert 0 < one < space.size
    assert rf.count(space, where="every.extent" + " + 0*area" * 900 + " <= 9").item() == one
    assert rf.best(space, "+".join(["params"] * 500), k=3).index.values.tolist() == (
        rf.best(space, "params", k=3).index.values.tolist()
    )
    _, chosen = split_where(parser, "chosen.extent" + " + 1" * 900 + " < 1000, extent > 1")
    assert [c.stage for conditions in chosen for c in conditions] == list(range(len(space.stages)))
    with pytest.raises(InputError, match=r"asks for 'x'|names 'x'"):
        parser.where("extent + " + "x + " * 500 + "1 < 3")
    with pytest.raises(InputError, match=r"of 11008 characters; at most 10000 are read"):
        parser.where("extent < 3" + " " * 10998)
    with pytest.raises(InputError, match=r"a sum of more than 1000 terms; write it shorter"):
        parser.where("1 + " * 1000 + "extent < 3")


def test_combinations_that_occur():
    stages = [{"name": f"s{i}", "kernel": [1, 3, 5], "stride": [1, 2]} for i in range(4)]
    space = rf.Space.from_dict({"stages": stages})
    by = ["extent", "jump", "density", "s1_kernel"]
    for more in ({}, {"where": "extent >= 9"}, {"bins": {"extent": [1, 5, 30]}}):
        whole, found = rf.count(space, by, **more), rf.count(space, by, combinations=True, **more)
        expected = {key: n for key, n in whole.to_series().items() if n}
        rows = zip(*(found[name].values.tolist() for name in by), found.values.tolist(), strict=True)
        assert {tuple(key): n for *key, n in rows} == expected
        assert found.sizes == {"combination": len(expected)}
    assert rf.count(space, combinations=True).item() == space.size
