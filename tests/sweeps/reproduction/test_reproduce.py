"""The reproduction: known truths among the computed ones, verdicts that are computed, and everything it writes."""

import os

import numpy as np
import pytest
import xarray as xr

import rfscale as rf
from rfscale.sweeps.cli.main import main
from rfscale.sweeps.reproduction import pictures
from rfscale.sweeps.reproduction.claims import CLAIMS, READINGS, networks, pooled
from rfscale.sweeps.reproduction.findings import find
from rfscale.sweeps.reproduction.run import claims_dataset
from rfscale.sweeps.reproduction.tables import markdown, remarks, rows
from rfscale.sweeps.reproduction.verdicts import QUANTITIES, judge, verdict

nan = float("nan")


@pytest.fixture(scope="module")
def nets():
    return networks()


@pytest.fixture(scope="module")
def profiles(nets):
    return {name: rf.profile(net) for name, net in nets.items()}


@pytest.fixture(scope="module")
def results(nets, profiles):
    return judge(CLAIMS, profiles, nets)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One whole run of the command: the folder it wrote."""
    folder = tmp_path_factory.mktemp("reproduction") / "out"
    assert main(["reproduce", "--out", str(folder)]) == 0
    return folder


def one(results, network, layer, quantity="width"):
    (found,) = {
        (r.claim.printed, r.values.formula, r.values.exact, r.area, r.extent, r.verdict)
        for r in results
        if (r.claim.network, r.claim.layer, r.claim.quantity) == (network, layer, quantity)
    }
    return found


@pytest.mark.parametrize(
    ("printed", "rounding", "formula", "exact", "text"),
    [
        (63, 0, 63, 63, "exact"),
        (0.67, 0.005, 2 / 3, 2 / 3, "exact"),
        (0.66, 0.005, 2 / 3, 2 / 3, "formula exact, print wrong"),
        (50, 0, 41, 41, "formula exact, print wrong"),
        (243, 0, 243, 11, "formula wrong"),
        (9, 0, 6.7, 9, "print exact, formula wrong"),
        (10, 0, 11, 12, "formula and print wrong"),
        (0, 0, nan, 0, "print exact, no formula"),
        (1, 0, nan, 2, "print wrong"),
        (None, 0, 92, 92, "formula exact"),
        (None, 0, -27, 169, "formula wrong"),
        (None, 0, nan, 515, "no formula"),
    ],
)
def test_verdicts(printed, rounding, formula, exact, text):
    assert verdict(printed, rounding, formula, exact) == text


@pytest.mark.parametrize(
    ("network", "layer", "quantity", "values"),
    [
        ("stack20", "conv20", "width", (50, 41, 41, 1681, (41, 41), "formula exact, print wrong")),
        ("stack20", "conv20", "layers_to", (20, 20, 20, 1681, (41, 41), "exact")),
        ("conv3-stride3", "conv1", "overlap", (0, nan, 0, 9, (3, 3), "print exact, no formula")),
        ("conv3-pool2", "pool1", "overlap", (0.5, 0.5, 0.5, 16, (4, 4), "exact")),
        ("pooled-after-4", "conv20", "width", (243, 264, 264, 264**2, (264, 264), "formula exact, print wrong")),
        ("pooled-code", "conv20", "width", (243, 234, 234, 234**2, (234, 234), "formula exact, print wrong")),
        ("resnet50-v1", "layer4", "width", (483, 483, 483, 483**2, (483, 483), "exact")),
        ("resnet50", "layer4", "width", (None, 427, 427, 427**2, (427, 427), "formula exact")),
        ("dilated5", "conv5", "width", (243, 243, 11, 121, (21, 21), "formula wrong")),
        ("strided5", "conv5", "width", (63, 63, 63, 3969, (63, 63), "exact")),
        ("plain5", "conv5", "width", (11, 11, 11, 121, (11, 11), "exact")),
        ("plain4-dilated1", "conv5", "area", (None, -27, 169, 169, (13, 13), "formula wrong")),
        ("fpn-resnet50", "lateral2", "width", (35, 35, 35, 1225, (35, 35), "exact")),
        ("fpn-resnet50", "P2", "width", (None, nan, 515, 515**2, (515, 515), "no formula")),
        ("aspp", "aspp", "area", (None, nan, 25, 25, (37, 37), "no formula")),
        ("context-module", "conv7", "width", (67, nan, 67, 67**2, (67, 67), "print exact, no formula")),
    ],
)
def test_known_truths(results, network, layer, quantity, values):
    found = one(results, network, layer, quantity)
    assert found[-1] == values[-1]
    assert found[4] == values[4]
    np.testing.assert_allclose(np.array(found[:4], float), np.array(values[:4], float), rtol=1e-12)


def test_every_width_of_the_article_is_there(results):
    printed = {r.claim.printed for r in results}
    assert {20, 50, 243, 49, 483, 35, 99, 291, 63, 11, 0.67, 0.33, 0, 2 / 3, 2 / 4, 5 / 7, 6} <= printed
    growth = [r for r in results if r.claim.group == "growth"]
    assert [r.area for r in growth] == [(2 * n + 1) ** 2 for n in range(1, 21)]
    assert {r.verdict for r in growth} == {"exact"}
    assert [r.values.exact for r in results if r.claim.quantity == "position"] == [11, 23, 41, 50]


def test_no_reading_of_every_4_layers_makes_243(profiles):
    for reading in READINGS:
        assert 243.0 not in profiles[f"pooled-{reading}"].width.values
    zoo, ours = rf.load("stack20-pool4"), pooled("after-4")
    without_channels = [(la.name, {k: v for k, v in la.params.items() if k != "channels"}) for la in zoo.layers]
    assert [(la.name, dict(la.params)) for la in ours.layers] == without_channels
    np.testing.assert_array_equal(profiles["pooled-after-4"].area, rf.profile(rf.load("stack20-pool4")).area)


def test_the_articles_own_code_pools_after_5_9_13_17():
    """Its rule, written out: layer i counted from 0 carries a pool where i is not 0 and 4 divides i."""
    tokens = "".join("cp" if i and i % 4 == 0 else "c" for i in range(20))
    assert READINGS["code"][1] == tokens


def test_exact_values_are_the_oracles(nets):
    """The claims about small networks, against plain Python sets."""
    from tests.oracles.plain_sets import footprint

    for name, layer, size in (("dilated5", "conv5", 41), ("plain4-dilated1", "conv5", 31), ("plain5", "conv5", 31)):
        pixels = footprint(nets[name], layer, (size // 2, size // 2), (size, size))
        assert len(pixels) == int(rf.footprint(nets[name], layer).sum())


def test_what_the_pictures_say_is_so(profiles):
    """Titles and labels of the pictures that state a finding."""
    holes = profiles["dilated5"]
    assert (holes.overlap.values == 0).all()  # no two pixels adjacent
    np.testing.assert_array_equal(holes.width, profiles["plain5"].width)
    for name in ("stack20", "pooled-code", "pooled-after-4", "resnet50", "resnet50-v1"):
        ds = profiles[name].where(~profiles[name].is_global, drop=True)
        np.testing.assert_allclose(ds.published_area, ds.area, rtol=1e-9)
        np.testing.assert_array_equal(ds.closed_form_area, ds.area)
    fpn = profiles["fpn-resnet50"]
    assert {float(fpn.width.sel(layer=f"P{i}")) for i in (2, 3, 4)} == {515.0}


def test_every_claim_is_computed(results):
    assert len(results) == len(CLAIMS)
    assert {c.quantity for c in CLAIMS} <= set(QUANTITIES)
    assert all(np.isfinite(r.values.exact) and r.area > 0 for r in results)


def test_claims_dataset_is_labelled(results):
    ds = claims_dataset(results)
    assert dict(ds.sizes) == {"claim": len(CLAIMS), "axis": 2}
    assert all({"units", "long_name"} <= set(v.attrs) for v in ds.data_vars.values())


def test_table_and_markdown(results, profiles):
    table = rows(results)
    assert len(table) < len(results)  # groups are one row
    growth = table[0][1]
    assert growth[1:] == ["9 … 1,681", "9 … 1,681", "9 … 1,681", "9 … 1,681", "3×3 … 41×41", "exact (20 of 20)"]
    text = markdown(table, remarks(find(results, profiles)))
    assert "| five 3×3 of dilation 2: 243×243 | 243 | 243 | 11 | 121 | 21×21 | formula wrong |" in text
    assert "| S of four plain 3×3, one of dilation 2 | – | −27 | 169 | 169 | 13×13 | formula wrong |" in text
    assert all(line.count("|") == 8 for line in text.splitlines() if line.startswith("|"))


def test_remarks_are_computed(results, profiles):
    text = "\n".join(remarks(find(results, profiles)))
    assert "no layer of any of the 10 readings" in text
    assert "The article's own code makes 234: the print has its digits in another order" in text
    assert "121 pixels in a box of 21 per axis (27 % of it)" in text
    assert "35, 99, 291, 483 wide before the top-down path and 515, 515, 515, 547 after it" in text


def test_run_writes_everything(run):
    assert sorted(os.listdir(run)) == ["claims.md", "claims.zarr", "pictures"]
    names = ["dashboard", "stacks", "resnet50", "dilated", "footprint-dilated5", "fpn", "path-counts", "systems"]
    assert sorted(os.listdir(run / "pictures")) == sorted(f"{name}.png" for name in names)
    assert all((run / "pictures" / f"{name}.png").stat().st_size > 20_000 for name in names)


def test_the_store_opens_with_xarray(run):
    with xr.open_dataset(run / "claims.zarr", engine="zarr", consolidated=False) as ds:
        wrong = ds.isel(claim=(ds.verdict == "formula wrong").values)
        assert wrong.exact_area.values.tolist() == [121, 169]
    with xr.open_datatree(run / "claims.zarr", engine="zarr", consolidated=False) as tree:
        assert set(tree["profiles"].children) == set(pictures.DRAWN)
        assert tree["profiles/dilated5"].area.sel(layer="conv5") == 121
        assert int(tree["footprints/dilated5"].footprint.sum()) == 121
        field = tree["path_counts/resnet50-v1"].to_dataset()
        assert field.path_counts.shape == (483, 483)
        assert float(field.path_counts.sum()) == pytest.approx(1)


def test_a_second_run_replaces_the_first(run, capsys):
    assert main(["reproduce", "--out", str(run), "--no-pictures"]) == 0
    out = capsys.readouterr().out
    assert "five 3×3 of dilation 2: 243×243" in out
    assert max(len(line) for line in out.splitlines() if "  " in line) <= 124
    assert sorted(os.listdir(run)) == ["claims.md", "claims.zarr", "pictures"]
