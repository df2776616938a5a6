"""The numbers of docs/literature.md against plain sets and closed forms."""

from __future__ import annotations

import re
import runpy
from math import prod

import rfscale as rf
from tests import ROOT
from tests.oracles import scaled_sets
from tests.oracles.branching_sets import Architecture

PAGE = (ROOT / "docs" / "literature.md").read_text(encoding="utf-8")


def row_of(line):
    return dict(re.findall(r"(b\d_branches)=(\S+)", line))


def test_the_schedules_without_holes():
    """Each row of the two tables, by plain sets."""
    space = rf.Space.from_file(ROOT / "examples" / "multi-dilation.yaml")
    lines = [line for line in PAGE.splitlines() if "b3_branches=" in line]
    assert len(lines) == 9
    for line in lines:
        found = Architecture(space.to_dict(), row_of(line)).figures()
        numbers = [n.replace(",", "") for n in line.split()]
        assert str(found.area) in numbers
        assert str(found.extent) in numbers
        assert found.max_gap == 0
    assert Architecture(space.to_dict(), row_of(lines[0])).figures().area == 207**2


def test_the_space_of_ofa():
    made = runpy.run_path(str(ROOT / "examples" / "ofa_mobilenet_v3.py"))
    units = [made["unit"](16, channels, stride) for channels, stride in made["UNITS"].values()]
    assert {len(unit) for unit in units} == {9**2 + 9**3 + 9**4}
    stages = [{"name": "stem", "kernel": 3, "stride": 2, "channels": 16}, {"name": "u1", "choices": units[0][:90:7]}]
    space = rf.Space.from_dict({"channels": 16, "stages": stages})
    tree = rf.sweep(space)
    for i in range(space.size):
        ds = rf.profile(space.network(i))
        assert tree["u1"].extent.values[i] == ds.extent.values[-1, 0]
        assert tree["u1"].params.values[i] == ds.params.values.sum()


def test_the_space_of_regnets():
    space = runpy.run_path(str(ROOT / "examples" / "regnet.py"))["space"]()
    assert space.size == (16 * 128 * 3 * 6) ** 4 == prod(map(len, space.dims.values()))
    assert rf.count(space, "extent").sizes["extent"] == 226
    assert "226" in PAGE


def test_the_u_net_of_two_million_parameters():
    """Its row by the definition of what entries read, entry by entry; and that the file is the template's."""
    space = rf.Space.from_file(ROOT / "examples" / "unet.yaml")
    assert space.to_dict() == rf.cells.unet(channels=16)
    line = next(line for line in PAGE.splitlines() if "d1_dilation=" in line)
    row = {name: int(value) for name, value in re.findall(r"(\w+)=(\d)", line)}
    network = space.network(row)
    assert sum(rf.profile(network).params.values) == 1992048
    found = scaled_sets.Architecture(space.to_dict(), row).stages["d1"]
    rows = [frozenset().union(*(scaled_sets.rows(path[0], entry) for path in found.paths)) for entry in range(16)]
    assert max(len(r) for r in rows) == 416
    assert all(max(r) - min(r) + 1 == len(r) for r in rows)


def test_the_five_effects_of_nas_bench_201():
    space = rf.Space.from_file(ROOT / "examples" / "nas-bench-201.yaml")
    assert space.to_dict() == rf.cells.nasbench201()
    counts = rf.count(space, "extent")
    expected = {0: 341, 21: 1642, 91: 7122, 161: 5520, 231: 1000}
    assert dict(zip(counts.extent.values.tolist(), counts.values.tolist(), strict=True)) == expected
    for extent, n in expected.items():
        assert re.search(rf"^ *{extent} +{extent**2:,} +{n:,}$", PAGE, re.M)


def test_params_against_extent_of_darts():
    """What its first and last network cost by hand: two cells of 16 channels, three of 32 and three of 64, and 1×1s."""
    space = rf.Space.from_dict(rf.cells.darts(channels=16))
    front = rf.pareto(space, "params", "-extent")
    for i, extent, params in ((0, 157, 96_784), (33, 631, 199_792)):
        row = front.isel(rank=i)
        assert (row.extent, row.params) == (extent, params)
        assert rf.profile(space.network(row)).params.sum() == params
        assert f"{extent} pixels for {params:,}" in PAGE
    stem = 3 * 9 * 48
    maps = [48, 48]  # channels of what a cell reads
    total = stem
    for cell in range(8):
        channels = 16 * 2 ** sum(cell >= r for r in (2, 5))
        total += channels * sum(maps)  # a 1×1 or a factorized reduction before each input
        maps = [maps[1], 4 * channels]
    assert total == 96_784
