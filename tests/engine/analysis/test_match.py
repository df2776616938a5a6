"""Match by width: the best maps equal brute force, shares add up, FPN's rule beside it, the picture."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import xarray as xr

import rfscale as rf
from rfscale.engine.analysis.match.match import match
from rfscale.engine.analysis.match.width_rule import candidates
from rfscale.engine.errors import InputError
from rfscale.engine.network.network import Network
from rfscale.engine.objects.fit import best_maps, covered_ranges, gaps
from rfscale.engine.objects.histogram import fpn_levels, share_below, shares
from rfscale.engine.objects.sizes import object_sizes


def random_sizes(seed: int):
    rng = np.random.default_rng(seed)
    sides = np.exp(rng.normal(4, rng.uniform(0.3, 1.5), 200)) + 1
    return object_sizes(np.column_stack([sides, sides]))


def cost(widths, sizes, objective, factor):
    """What a choice costs, straight from its definition."""
    centres, share = shares(sizes)
    if objective == "tightness":
        return sum(p * min(abs(np.log2(w / x)) for w in widths) for x, p in zip(centres, share, strict=True))
    edges = sorted({e for w in widths for e in (w / factor, w * factor)})
    covered = 0.0
    for low, high in itertools.pairwise(edges):
        middle = np.sqrt(low * high)
        if any(w / factor < middle < w * factor for w in widths):
            covered += float(np.diff(share_below(sizes, [low, high]))[0])
    return 1 - covered


@pytest.mark.parametrize("objective", ["tightness", "coverage"])
@pytest.mark.parametrize("seed", range(12))
def test_best_maps_equal_brute_force(objective, seed):
    rng = np.random.default_rng(100 + seed)
    sizes = random_sizes(seed)
    widths = np.unique(np.round(np.exp(rng.uniform(1, 6.5, int(rng.integers(1, 10)))), 1))
    factor = float(rng.uniform(1.1, 3))
    found = best_maps(widths, sizes, len(widths), objective, factor)
    for k, choice in enumerate(found, start=1):
        every = itertools.combinations(range(len(widths)), k)
        least = min(cost(widths[list(c)], sizes, objective, factor) for c in every)
        assert len(choice.chosen) == k
        assert choice.cost == pytest.approx(least, abs=1e-9)
        assert cost(widths[list(choice.chosen)], sizes, objective, factor) == pytest.approx(least, abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_covered_ranges_and_gaps_are_all_sizes(seed):
    rng = np.random.default_rng(seed)
    sizes = random_sizes(seed)
    widths, factor = np.exp(rng.uniform(1, 6.5, 5)), float(rng.uniform(1.1, 3))
    covered = covered_ranges(widths, factor)
    assert all(low < high for low, high in covered)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(covered))  # those that touch are joined
    for x in np.geomspace(1, 1000, 400):
        assert any(low < x < high for low, high in covered) == any(w / factor < x < w * factor for w in widths)
    inside = sum(float(np.diff(share_below(sizes, list(ends)))[0]) for ends in covered)
    assert inside + sum(gap[2] for gap in gaps(sizes, widths, factor)) == pytest.approx(1)


def test_best_of_a_network_equals_brute_force_over_its_layers():
    net = rf.load("vgg11")
    sizes = object_sizes(resize="square=224")
    found = match(net, sizes, k=3, effective=False, rule="width")
    widths = np.unique(found.width.values)
    least = min(cost(c, sizes, "tightness", 2) for c in itertools.combinations(widths, 3))
    assert float(found.tightness) == pytest.approx(least, abs=1e-9)
    assert float(found.best_tightness.sel(maps=3)) == pytest.approx(least, abs=1e-9)


def test_a_match_by_hand():
    net = Network.sequential({"name": "a", "kernel": 8}, {"name": "b", "kernel": 57})
    sides = np.array([8.0] * 3 + [60.0] * 6 + [400.0])
    found = match(net, np.column_stack([sides, sides]), layers=["a", "b"], rule="width")
    assert found.chosen_figure.values.tolist() == [8, 64]
    assert found.chosen_share.values.tolist() == pytest.approx([0.3, 0.7])
    assert float(found.coverage) == pytest.approx(0.9)
    assert [round(float(found[f"gap_{v}"][-1]), 1) for v in ("low", "share")] == [128, 0.1]
    assert found.best_width.values[found.share.values > 0].tolist() == ["a", "b", "b"]
    assert found.effective.values[0] == pytest.approx(8)
    for name in ("width", "share", "coverage", "gap_low"):
        assert set(found[name].attrs) == {"units", "long_name"}


@pytest.mark.parametrize("by", ["width", "extent", "effective"])
def test_shares_and_gaps_add_up(by):
    found = match(rf.load("resnet18"), resize="short=800,cap=1333", k=3, by=by, factor=1.3, rule="width")
    assert found.chosen_share.sum().item() == pytest.approx(1)
    assert found.share.sum().item() == pytest.approx(1)
    assert found.coverage.item() + found.gap_share.sum().item() == pytest.approx(1)
    weighed = (found.chosen_share * found.chosen_tightness).sum().item()
    assert weighed == pytest.approx(found.tightness.item())
    assert (found.effective <= found.extent).all()
    assert np.diff(found.best_tightness).max() <= 1e-12


def test_resnet50_on_coco():
    stages = ["layer1", "layer2", "layer3", "layer4"]
    found = match(rf.load("resnet50"), resize="short=800,cap=1333", layers=stages, effective=False, rule="width")
    assert found.chosen_figure.values.tolist() == [35, 91, 267, 427]
    assert found.level.values.tolist() == ["P2", "P3", "P4", "P5"]
    assert found.fpn_share.values.tolist() == pytest.approx([0.52, 0.21, 0.16, 0.105], abs=0.005)
    assert found.coverage.item() == pytest.approx(0.943, abs=0.002)
    assert found.tightness.item() < found.fpn_tightness.item()  # nearest is never worse than a rule
    assert found.attrs["attribution"].endswith("CC BY 4.0, cocodataset.org")


def test_ssd300_is_too_wide_for_coco():
    found = match(rf.load("ssd300"), resize="square=300", effective=False, rule="width")
    assert found.chosen.values.tolist() == ["conv4_3", "fc7", "conv6_2", "conv7_2", "conv8_2", "conv9_2"]
    assert found.chosen_share.values[0] > 0.95
    assert found.coverage.item() < 0.4
    assert np.isnan(found.fpn_tightness.item())  # three maps of jump 64: no levels of a pyramid


def test_fpn_rule_by_hand():
    sides = np.array([111.0, 113, 223, 225, 447, 449, 5000])
    assert fpn_levels(object_sizes(np.column_stack([sides, sides]))) == pytest.approx(
        {2: 1 / 7, 3: 2 / 7, 4: 2 / 7, 5: 2 / 7}, abs=0.15
    )


def test_finite_widths_are_cut_by_the_image():
    wide = match(rf.load("ssd300"), resize="square=300", effective=False, rule="width")
    cut = match(rf.load("ssd300"), resize="square=300", effective=False, input_size=300, rule="width")
    assert cut.width.max() <= 300 < wide.width.max()


def test_of_layers_alike_the_stage_stands_for_all():
    found = match(rf.load("resnet50"), np.array([[427, 427]]), k=1, effective=False, rule="width")
    assert found.chosen.values.tolist() == ["layer4"]
    table = found[["width", "op"]]
    widths = table.width.values[candidates(table)]
    assert (np.diff(widths) > 0).all()


@pytest.mark.parametrize(
    ("kw", "message"),
    [
        ({"k": 99}, "k is 99, but vgg11 has only"),
        ({"k": 0}, "k is 0"),
        ({"k": 2, "layers": ["conv1_1"]}, "either layers or k"),
        ({"layers": ["fc8"]}, "'fc8' has a global receptive field"),
        ({"layers": ["conv9"]}, "no layer 'conv9'"),
        ({"layers": []}, "layers is empty"),
        ({"factor": 1}, "factor is 1; it must be a number above 1"),
        ({"by": "area"}, "by is 'area'"),
        ({"by": "effective"}, "by is 'effective'"),
        ({"objective": "best"}, "objective is 'best'"),
    ],
)
def test_bad_calls_are_one_line(kw, message):
    with pytest.raises(InputError, match=message):
        match(rf.load("vgg11"), np.array([[9, 9]]), effective=False, **kw, rule="width")


def test_objects_have_two_axes():
    with pytest.raises(InputError, match="has 1 axes"):
        match(Network.sequential({"kernel": 3}, axes=1), np.array([[9, 9]]))


def test_the_picture(tmp_path):
    pytest.importorskip("matplotlib")
    from rfscale.sweeps.report.pictures.match import match_figure
    from rfscale.sweeps.report.pictures.match_width import _spread
    from rfscale.sweeps.report.pictures.style import save

    found = match(rf.load("vgg11"), resize="square=224", k=3, rule="width")
    save(match_figure(found), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 20_000
    places = _spread(np.array([3.0, 1.0, 1.05, 1.0]), 0.3)
    assert (np.diff(np.sort(places)) >= 0.299).all()
    assert places[0] == 3.0


def test_the_command(tmp_path, capsys):
    import json
    from types import SimpleNamespace

    import xarray as xr

    from rfscale.sweeps.cli.verbs.match import match as verb

    (tmp_path / "a.csv").write_text("image_width,image_height,width,height\n99,99,20,20\n99,99,0,9\n99,99,90,90\n")
    context = SimpleNamespace(obj={"command": "rfscale match"})
    for suffix in ("csv", "json", "nc"):
        out = tmp_path / f"out.{suffix}"
        verb(context, "vgg11", objects=tmp_path / "a.csv", rule="width", k=2, out=out)
        text = capsys.readouterr().out
        assert "left out: 1 zero size" in text
        assert "100.0% of the objects" in text
        assert f"written: {out}" in text
    header, first, *_ = (tmp_path / "out.csv").read_text().splitlines()
    assert (header, first[:10]) == ("layer,width,extent,effective,jump,op", "conv1_1,3,")
    groups = json.loads((tmp_path / "out.json").read_text())
    assert {"layer", "bin", "chosen", "gap", "level", "maps"} <= {name.strip("/") for name in groups}
    assert xr.open_dataset(tmp_path / "out.nc").attrs["network"] == "vgg11"


def test_fields_that_are_given_stand_for_path_counts():
    net = rf.load("vgg16")
    boxes = np.array([[12, 12], [150, 150]])
    field = xr.DataArray(np.ones((10, 40)), dims=("y", "x"), attrs={"layer": "pool3"})
    side = float(np.sqrt(rf.field_figures(field, [0.95]).box_extent.prod()))
    by_width = rf.match(net, boxes, rule="width", fields=field, k=2)
    assert float(by_width.effective.sel(layer="pool3")) == side
    plain = rf.match(net, boxes, rule="width", k=2)
    assert float(plain.effective.sel(layer="pool2")) == float(by_width.effective.sel(layer="pool2"))
    level = rf.match(net, boxes, layers=["pool3", "pool4"], fields=[field])
    assert side in level.effective.values.tolist()
    with pytest.raises(rf.InputError, match="fields does not say what layer it is of"):
        rf.match(net, boxes, fields=xr.DataArray(np.ones((3, 3)), dims=("y", "x")))
