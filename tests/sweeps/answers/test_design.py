"""Inverse design equals exhaustive search: the oracle lists every architecture and every choice of maps."""

from __future__ import annotations

import itertools
import json
import random

import numpy as np
import pytest

from rfscale.engine.errors import InputError
from rfscale.engine.objects.choices import cheapest_choices
from rfscale.engine.objects.fit import best_maps
from rfscale.engine.objects.histogram import share_below, shares
from rfscale.engine.objects.sizes import object_sizes
from rfscale.sweeps.answers.design.design import design
from rfscale.sweeps.answers.design.fit import between, fit_of, fit_terms
from rfscale.sweeps.kernels.label_search import least_to_go, pair
from rfscale.sweeps.spaces.space import Space
from tests.oracles import spaces as reference
from tests.sweeps.some_spaces import ANISOTROPIC, DEMO, MIXED

FLAT = {  # widths that stay, nodes that merge, figures with holes
    "name": "flat",
    "input_size": 64,
    "channels": {"base": 4, "growth": 2},
    "stages": [
        {"name": "a", "kernel": [1, 3], "stride": [1, 2], "repeat": [0, 1, 2]},
        {"name": "b", "op": ["conv", "pointwise"], "kernel": 2, "dilation": [1, 3]},
        {"name": "c", "kernel": [1, 2], "dilation": [1, 5], "repeat": [0, 1]},
        {"name": "d", "kernel": 3, "stride": [1, 2], "repeat": [0, 1, 2]},
    ],
}


def drawn(seed: int):
    rng = np.random.default_rng(seed)
    sides = np.exp(rng.normal(rng.uniform(1.5, 3), rng.uniform(0.3, 1.2), 80)) + 1
    return object_sizes(np.column_stack([sides, sides]))


def random_spec(seed: int):
    draw = random.Random(seed)
    stages = []
    for i in range(draw.randint(2, 4)):
        stage = {"name": f"s{i}", "kernel": draw.sample([1, 2, 3, 5], 2), "dilation": draw.choice([1, 2, 3, [1, 4]])}
        stage["stride"] = draw.choice([1, 2, [1, 2]])
        stage["repeat"] = draw.choice([1, [0, 1], [1, 2]])
        stages.append(stage)
    return {"name": f"r{seed}", "input_size": 40, "channels": {"base": 3, "growth": 2}, "stages": stages}


def misfit(widths, sizes, objective, factor=2.0):
    """The mean distance of objects to their nearest width, or the share that none covers, from the definition."""
    if objective == "tightness":
        centres, share = shares(sizes)
        return float((share * np.abs(np.log2(np.array(widths)[:, None] / centres)).min(axis=0)).sum())
    covered, reached = 0.0, 0.0
    for w in sorted(widths):
        low, high = max(reached, w / factor), w * factor
        covered += float(np.diff(share_below(sizes, [low, high]))[0])
        reached = high
    return 1 - covered


def exhaustive(spec, sizes, k, objective, cost, by="width", usable=lambda figures: True, fits=lambda figures: True):
    """(fit, cost, index) of every architecture that qualifies, with the fit of its best k maps."""
    rows = []
    known = {}
    for index, (_, figures) in enumerate(reference.table(spec)):
        if not fits(figures):
            continue
        values = {np.sqrt(np.prod(f.pixels if by == "width" else f.extent)) for f in figures if usable(f)}
        found = []
        for choice in itertools.combinations(sorted(values), k):
            if choice not in known:
                known[choice] = misfit(choice, sizes, objective)
            found.append(known[choice])
        if found:
            rows.append((min(found), getattr(figures[-1], cost) if cost else 0, index))
    return rows


def front_of(rows):
    out = []
    for fit, cost, _ in sorted(rows, key=lambda r: (r[1], r[0])):
        if not out or fit < out[-1][0] - 1e-11:
            out.append((fit, cost))
    return out


def value(found, objective):
    return (found.tightness if objective == "tightness" else 1 - found.coverage).values


def check(spec, sizes, k, objective, cost="macs", n=12, **kw):
    """Compare the n best and the front with exhaustive search."""
    where = kw.pop("where", None)
    rows = exhaustive(spec, sizes, k, objective, cost, **kw)
    space = Space.from_dict(spec)
    options = {"k": k, "objective": objective, "cost": cost, "where": where, "by": kw.get("by", "width")}
    if not rows:
        with pytest.raises(InputError, match="no architecture"):
            design(space, sizes, **options)
        return 0
    found = design(space, sizes, n=n, **options)
    # floats of equal fits differ by rounding; in the design fits are whole numbers
    ranked = sorted((round(fit, 11), cost, index) for fit, cost, index in rows)[:n]
    assert value(found, objective) == pytest.approx([r[0] for r in ranked], abs=2e-11)
    assert found.index.values.tolist() == [r[2] for r in ranked]
    by_index = {index: (fit, cost) for fit, cost, index in rows}
    for row in range(found.sizes["rank"]):
        one = found.isel(rank=row)
        fit, price = by_index[int(one.index)]
        assert float(value(one, objective)) == pytest.approx(fit, abs=1e-12)
        assert misfit(one[f"map_{options['by']}"].values, sizes, objective) == pytest.approx(fit, abs=1e-12)
        assert (np.diff(one[f"map_{options['by']}"].values) > 0).all()
        assert not cost or int(one[cost]) == price
    if cost:
        points = design(space, sizes, pareto=True, **options)
        expected = front_of(rows)
        assert points[cost].values.tolist() == [c for _, c in expected]
        assert value(points, objective) == pytest.approx([f for f, _ in expected], abs=1e-12)
    return len(rows)


@pytest.mark.parametrize("objective", ["tightness", "coverage"])
@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("spec", [DEMO, FLAT, ANISOTROPIC, MIXED], ids=lambda s: s["name"])
def test_equals_exhaustive_search(spec, k, objective):
    if k <= len(spec["stages"]):
        check(spec, drawn(k), k, objective)


@pytest.mark.parametrize("seed", range(40))
def test_equals_exhaustive_search_in_random_spaces(seed):
    spec = random_spec(seed)
    k = 1 + seed % min(3, len(spec["stages"]))
    cost = ("macs", "params", None)[seed % 3]
    for objective in ("tightness", "coverage"):
        check(spec, drawn(seed), k, objective, cost, n=1 + seed)


@pytest.mark.parametrize("by", ["width", "extent"])
def test_equals_exhaustive_search_under_conditions(by):
    def overlap(f):
        return f.shared[0] / f.pixels[0]

    solid = check(FLAT, drawn(5), 2, "tightness", by=by, where="chosen.density == 1, chosen.jump <= 2",
                  usable=lambda f: f.pixels == f.extent and f.jump[0] <= 2)  # fmt: skip
    where = "0.3 <= chosen.overlap <= 0.9 and 5 <= chosen.extent <= 20 and d.extent >= 9"
    ranged = check(FLAT, drawn(6), 2, "coverage", by=by, where=where, fits=lambda fs: fs[-1].extent[0] >= 9,
                   usable=lambda f: 0.3 <= overlap(f) <= 0.9 and 5 <= f.extent[0] <= 20)  # fmt: skip
    assert solid
    assert ranged
    mapping = {"chosen.jump": (None, 2), "chosen.density": 1, "extent": (9, None)}
    check(FLAT, drawn(7), 2, "tightness", by=by, where=mapping, fits=lambda fs: fs[-1].extent[0] >= 9,
          usable=lambda f: f.pixels == f.extent and f.jump[0] <= 2)  # fmt: skip


@pytest.mark.parametrize("limit", [20_000, 100_000, 400_000])
@pytest.mark.parametrize("space", [FLAT, DEMO], ids=lambda s: s["name"])
def test_equals_exhaustive_search_under_a_bound_on_the_cost(space, limit):
    where = f"macs <= {limit}"
    check(space, drawn(1), 2, "tightness", where=where, fits=lambda fs: fs[-1].macs <= limit, n=25)
    both = [where, "params >= 300"]
    check(space, drawn(1), 2, "coverage", where=both,
          fits=lambda fs: fs[-1].macs <= limit and fs[-1].params >= 300)  # fmt: skip


@pytest.mark.parametrize("objective", ["tightness", "coverage"])
def test_terms_add_up_to_the_definition(objective):
    rng = np.random.default_rng(3)
    sizes = drawn(2)
    values = np.unique(np.exp(rng.uniform(0, 6, 30)))
    fit = fit_terms(values, sizes, objective, 1.7)
    for _ in range(200):
        chosen = sorted(rng.choice(len(values), rng.integers(1, 6), replace=False).tolist())
        assert fit_of(fit, chosen) / fit.unit == pytest.approx(misfit(values[chosen], sizes, objective, 1.7), abs=1e-12)


@pytest.mark.parametrize("objective", ["tightness", "coverage"])
@pytest.mark.parametrize("seed", range(6))
def test_the_terms_of_design_are_those_of_match(objective, seed):
    """Whole numbers of the kernel against floats: the same k maps of one network, at the same cost."""
    rng = np.random.default_rng(seed)
    values = np.unique(rng.integers(2, 300, 9)).astype(float)
    sizes = drawn(seed)
    fit = fit_terms(values, sizes, objective, 1.7)
    whole = cheapest_choices(fit.head, between(fit, range(len(values))), fit.tail, len(values))
    for ours, theirs in zip(whole, best_maps(values, sizes, len(values), objective, 1.7), strict=True):
        assert ours.cost / fit.unit == pytest.approx(theirs.cost, abs=1e-9)
        assert ours.cost == fit_of(fit, ours.chosen)
        assert fit_of(fit, theirs.chosen) / fit.unit == pytest.approx(theirs.cost, abs=1e-9)


@pytest.mark.parametrize("objective", ["tightness", "coverage"])
def test_what_labels_are_dropped_by(objective):
    """pair(a, v) - pair(b, v) never falls as v grows, up to tail(a) - tail(b), for a < b."""
    values = np.unique(np.exp(np.random.default_rng(4).uniform(0, 6, 25)))
    fit = fit_terms(values, drawn(4), objective, 2.0)
    for a, b in itertools.combinations(range(len(values)), 2):
        gaps = [int(pair(a, v, fit)) - (int(pair(b, v, fit)) if v > b else 0) for v in range(b, len(values))]
        gaps.append(int(fit.tail[a] - fit.tail[b]))
        assert min(np.diff(gaps)) >= 0
    usable = np.random.default_rng(5).random(len(values)) < 0.7
    for k in (1, 2, 3, 4):
        low = least_to_go(fit, usable, k)
        for m, a in itertools.product(range(1, k), range(len(values))):
            later = [v for v in range(a + 1, len(values)) if usable[v]]
            ways = [fit_of(fit, (a, *c)) - int(fit.head[a]) for c in itertools.combinations(later, k - m)]
            assert (low[m, a] >= 2**62) == (not ways)
            assert not ways or min(ways) == low[m, a]


def test_huge_spaces_are_answered_and_ties_differ():
    stages = [{"name": f"s{i}", "kernel": [1, 3, 5], "stride": [1, 2] if i % 10 == 9 else 1} for i in range(45)]
    space = Space.from_dict({"stages": stages, "channels": 8, "input_size": 64})
    assert space.size > 2**64
    found = design(space, resize="square=300", k=3, n=5, where="chosen.jump <= 8")
    assert len(set(found.index.values.tolist())) == 5
    assert found.map_jump.values.max() <= 8
    front = design(space, resize="square=300", k=3, pareto=True, where="chosen.jump <= 8")
    assert float(found.tightness[0]) == float(front.tightness[-1])
    assert int(found.macs[0]) == int(front.macs[-1])
    for row in range(5):
        net = space.network(found.isel(rank=row))
        assert net.layers


def test_maps_are_layers_of_the_network():
    import rfscale as rf

    space = Space.from_dict(DEMO)
    found = design(space, k=3, n=3, resize="square=64")
    for row in range(3):
        one = found.isel(rank=row)
        profile = rf.profile(space.network(one))
        for layer, width, jump in zip(one.map_layer.values, one.map_width.values, one.map_jump.values, strict=True):
            assert float(profile.width.sel(layer=layer)) == width
            assert (profile.jump.sel(layer=layer).values == jump).all()


def run(args):
    """The verb, in an app of its own; returns the exit code."""
    import typer

    from rfscale.sweeps.cli.verbs import VERBS

    app = typer.Typer(pretty_exceptions_enable=False)
    app.callback()(lambda: None)
    for verb in VERBS:
        app.command(verb.__name__)(verb)
    command = typer.main.get_command(app)
    return command.main(
        ["design", *map(str, args)], "rfscale", standalone_mode=False, obj={"command": "rfscale design"}
    )


def test_the_verb_writes_networks_that_profile_takes(tmp_path, capsys):
    import rfscale as rf

    pytest.importorskip("matplotlib")
    spec = tmp_path / "space.json"
    spec.write_text(json.dumps(DEMO))
    (tmp_path / "boxes.csv").write_text("image_width,image_height,width,height\n" + "64,64,9,9\n64,64,20,25\n" * 3)
    objects = ["--objects", tmp_path / "boxes.csv", "--maps", 2]
    run([spec, *objects, "--best", 3, "--out", tmp_path / "out", "--plot", tmp_path / "a.png"])
    printed = capsys.readouterr().out
    assert "demo: 324 architectures; 3 with the best fit" in printed
    assert (tmp_path / "a.png").stat().st_size > 10_000
    found = design(Space.from_dict(DEMO), str(tmp_path / "boxes.csv"), k=2, n=3)
    for i in range(3):
        widths = rf.profile(rf.load(str(tmp_path / "out" / f"demo-{i}.yaml"))).width
        one = found.isel(rank=i)
        assert widths.sel(layer=one.map_layer.values.tolist()).values.tolist() == one.map_width.values.tolist()
    assert len((tmp_path / "out" / "designs.csv").read_text().splitlines()) == 4
    run([spec, *objects, "--pareto", "--plot", tmp_path / "b.svg", "--where", "chosen.density == 1"])
    assert "Pareto-optimal in fit and cost" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"--out .* is a file"):
        run([spec, "--out", spec])
    with pytest.raises(InputError, match="leave --best out"):
        run([spec, "--pareto", "--best", 3])


@pytest.mark.parametrize(
    ("kw", "message"),
    [
        ({"k": 9}, "k is 9, but space 'demo' has only 4 stages"),
        ({"k": 0}, "k is 0"),
        ({"objective": "best"}, "objective is 'best'"),
        ({"by": "area"}, "by is 'area'"),
        ({"cost": "time"}, "cost is 'time'"),
        ({"factor": 1}, "factor is 1"),
        ({"n": 0}, "n is 0"),
        ({"where": "extent >= 10000"}, "no architecture of space 'demo' satisfies"),
        (
            {"where": "chosen.density > 1"},
            "no architecture of space 'demo' has 3 maps of different width and satisfies",
        ),
        ({"where": "chosen.macs <= 5"}, r"after `chosen\.` come figures"),
        ({"where": "chosen.k == 3"}, "names 'stem.k'"),
        ({"where": "chosen.extent <= s2.extent"}, r"after `chosen\.` come figures"),
        ({"where": "chosen.extent"}, "which is no condition"),
        ({"where": "chosen.extent >="}, "cannot be read"),
        ({"where": 5}, "where is 5"),
        ({"pareto": True, "cost": None}, "the front of fit and cost needs a cost"),
        ({"memory": 1000}, "GB"),
    ],
)
def test_bad_calls_are_one_line(kw, message):
    with pytest.raises(InputError, match=message):
        design(Space.from_dict(DEMO), np.array([[9, 9]]), **kw)


def test_spaces_that_cannot_be_asked():
    stages = [{"name": "s", "kernel": [3, 5]}]
    with pytest.raises(InputError, match="has 1 axes"):
        design(Space.from_dict({"axes": 1, "stages": stages}), k=1)
    with pytest.raises(InputError, match="cost is macs, but space 'space' has no channels"):
        design(Space.from_dict({"stages": stages}), k=1, cost="macs")
    with pytest.raises(InputError, match="has no input_size"):
        design(Space.from_dict({"stages": stages, "channels": 4}), k=1, cost="macs")
    with pytest.raises(InputError, match=r"must be an rf\.Space"):
        design("space.yaml", k=1)
