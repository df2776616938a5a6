"""The oracle of branching spaces against the profile of networks that are written by hand."""

from __future__ import annotations

import random
from itertools import combinations, product

import pytest

import rfscale as rf
from rfscale.sweeps.spaces.cells.darts import darts
from rfscale.sweeps.spaces.cells.nasbench201 import nasbench201
from tests.oracles.branching_sets import IMAGE, Architecture, Map, cell_hulls, darts_extents, figures, points


def same_as_profile(found, network):
    last = rf.profile(network).isel(layer=-1)
    expected = (last.area, last.extent[0], last.max_gap[0], last.overlap[0] * last.area, last.jump[0], last.terms)
    assert (found.area, found.extent, found.max_gap, found.shared, found.jump, found.terms) == pytest.approx(
        tuple(float(v) for v in expected)
    )


class Hand:
    """A network written layer by layer, with the paddings of spaces; `None` is a map without any path."""

    def __init__(self):
        self.b = rf.NetworkBuilder("hand")

    def conv(self, x, kernel, stride=1, dilation=1, op="conv"):
        if x is None:
            return None
        reach = dilation * (kernel - 1)
        pad = [reach // 2] * 2 + [reach - reach // 2] * 2
        return getattr(self.b, op)(kernel=kernel, stride=stride, dilation=dilation, padding=pad, inputs=x)

    def join(self, *maps, op="add"):
        known = [m for m in maps if m is not None]
        return getattr(self.b, op)(inputs=known) if len(known) > 1 else (known or [None])[0]

    def factorized(self, x):
        y = self.b.slice(start=1, inputs=x)
        return self.join(self.conv(x, 1, 2), self.conv(y, 1, 2), op="concat")


def test_chains_and_branches():
    inner = {"branches": [[{"kernel": 3}], {"kernel": 3, "dilation": 3}]}
    spec = {"factors": {"k": [1, 3]}, "stages": [
        {"name": "stem", "kernel": [2, 3], "stride": 2},
        {"name": "rep", "kernel": 3, "stride": 2, "stride_at": "last", "repeat": [0, 2], "dilation": 2},
        {"name": "pick", "choices": [{"name": "none"}, [{"kernel": "$k"}, {"op": "max_pool", "kernel": 2}]]},
        {"name": "many", "branches": {"choose": [1, 2], "of": [{"kernel": 3, "dilation": d} for d in (1, 2, 5)]}},
        {"name": "both", "branches": [[{"kernel": 5}], [], [inner]]},
    ]}  # fmt: skip
    subsets = ["0", "1", "2", "0+1", "0+2", "1+2"]
    for stem, repeat, pick, k, many in product([2, 3], [0, 2], [0, 1], [1, 3], subsets):
        row = {"stem_kernel": stem, "rep_repeat": repeat, "pick_choice": pick, "k": k, "many_branches": many}
        h = Hand()
        x = h.conv("input", stem, 2)
        for i in range(repeat):
            x = h.conv(x, 3, 2 if i else 1, 2)
        if pick:
            x = h.conv(h.conv(x, k), 2, 2, op="max_pool")
        x = h.join(*[h.conv(x, 3, 1, (1, 2, 5)[int(i)]) for i in many.split("+")])
        inner = h.join(h.conv(x, 3), h.conv(x, 3, 1, 3))
        h.join(h.conv(x, 5), x, inner)
        found = Architecture(spec, row).figures()
        same_as_profile(found, h.b.build())
        assert found.area == len(points(Architecture(spec, row).stages["both"]))


def bench201(row, repeat):
    h = Hand()

    def op(name, x):
        if name == "none" or x is None:
            return None
        if name == "skip":
            return x
        return h.conv(x, 1 if name == "conv1" else 3, op="avg_pool" if name == "pool3" else "conv")

    x = h.conv("input", 3)
    for stage in range(3):
        for _ in range(repeat):
            a = op(row["cell_x_a"], x)
            b = h.join(op(row["cell_x_b"], x), op(row["cell_a_b"], a))
            x = h.join(op(row["cell_x_out"], x), op(row["cell_a_out"], a), op(row["cell_b_out"], b))
        if stage < 2 and x is not None:
            x = h.join(h.conv(h.conv(x, 3, 2), 3), h.conv(h.conv(x, 2, 2, op="avg_pool"), 1))
    return h.b.build() if x is not None else None


def test_nas_bench_201():
    spec, rng = nasbench201(cells=2), random.Random(1)
    edges = ["cell_x_a", "cell_x_b", "cell_x_out", "cell_a_b", "cell_a_out", "cell_b_out"]
    empty = 0
    for _ in range(25):
        row = {edge: rng.choice(["none", "none", "skip", "conv1", "conv3", "pool3"]) for edge in edges}
        network, found = bench201(row, 2), Architecture(spec, row).figures()
        if network is None:
            assert (found.area, found.extent, found.terms) == (0, 0, 0)
            empty += 1
        else:
            same_as_profile(found, network)
    assert 0 < empty < 20


def genotype(rng, nodes):
    """A random row of DARTS, its inputs and operations by cell and node."""
    row, wanted = {}, {}
    for cell in ("normal", "reduce"):
        names = ["c0", "c1"]
        for n in range(nodes):
            name = f"n{n + 2}"
            picked = sorted(rng.sample(names, 2), key=names.index)
            ops = [rng.choice(["skip", "skip", "max3", "sep3", "sep5", "dil3", "dil5"]) for _ in picked]
            row |= {f"{cell}_{name}_inputs": "+".join(picked)}
            row |= {f"{cell}_{name}_op{i}": op for i, op in enumerate(ops, start=1)}
            wanted[cell, name] = list(zip(picked, ops, strict=True))
            names.append(name)
    return row, wanted


def darts_by_hand(wanted, plan, nodes):
    h = Hand()

    def op(name, x, stride):
        if name == "skip":
            return x if stride == 1 else h.factorized(x)
        kernel = 5 if name.endswith("5") else 3
        if name.startswith("sep"):
            return h.conv(h.conv(x, kernel, stride), kernel)
        return h.conv(
            x, kernel, stride, 2 if name.startswith("dil") else 1, op="max_pool" if name == "max3" else "conv"
        )

    before = last = (h.conv("input", 3), 1)
    for cell in plan:
        stride = 2 if cell == "reduce" else 1
        maps = {"c0": before[0] if before[1] == last[1] else h.factorized(before[0]), "c1": last[0]}
        for n in range(nodes):
            ends = [op(o, maps[m], stride if m in ("c0", "c1") else 1) for m, o in wanted[cell, f"n{n + 2}"]]
            maps[f"n{n + 2}"] = h.b.add(inputs=ends)
        joined = h.b.concat(inputs=[maps[f"n{n + 2}"] for n in range(nodes)])
        before, last = last, (joined, last[1] * stride)
    return h.b.build()


def test_darts():
    rng = random.Random(2)
    spec = darts(cells=4, nodes=2)
    plan = [s["cell"] for s in spec["stages"] if "cell" in s]
    assert plan == ["normal", "reduce", "reduce", "normal"]
    for _ in range(12):
        row, wanted = genotype(rng, 2)
        found = Architecture(spec, row).figures()
        same_as_profile(found, darts_by_hand(wanted, plan, 2))
        assert Architecture(spec, row, every_path=False).figures() == found


def test_hulls_of_darts_are_those_of_its_sets():
    """Extents of all networks of one node, by hulls and by sets; and the published sizes."""
    spec, found = darts(cells=3, nodes=1), {}
    ops = list(spec["ops"])
    for normal, reduction in product(product(ops, repeat=2), repeat=2):
        row = {}
        for cell, chosen in (("normal", normal), ("reduce", reduction)):
            row |= {f"{cell}_n2_inputs": "c0+c1", f"{cell}_n2_op1": chosen[0], f"{cell}_n2_op2": chosen[1]}
        extent = Architecture(spec, row).figures().extent
        found[extent] = found.get(extent, 0) + 1
    assert found == dict(darts_extents(3, 1))
    assert sum(cell_hulls(2, False).values()) == 3 * 7**4
    assert sum(cell_hulls(3, True).values()) == 3 * 6 * 7**6


@pytest.mark.exhaustive
def test_extents_of_all_of_darts():
    for number, extents, largest, mean in ((8, 539, 631, 246), (20, 1158, 1527, 598)):
        found = darts_extents(number)
        total = sum(found.values())
        assert total == (180 * 7**8) ** 2
        assert (len(found), min(found), max(found)) == (extents, 6, largest)
        assert round(sum(e * n for e, n in found.items()) / total) == mean


def test_a_map_of_squares():
    for rates in combinations((1, 2, 3, 4), 2):
        found = Map(frozenset(frozenset((-d, 0, d)) for d in rates), 1)
        assert figures(found).area == 17 == len(points(found))
    assert figures(IMAGE).area == 1
    assert figures(Map(frozenset(), 4)).area == 0
