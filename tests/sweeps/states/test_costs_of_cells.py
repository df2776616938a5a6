"""Costs of cells that are known by their effects: against the same spaces in tables, and against their networks."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError
from rfscale.sweeps import Space
from rfscale.sweeps.spaces.cells.darts import darts
from rfscale.sweeps.spaces.graphs import cell as cells


def small(nodes=1, ops=("skip", "sep3", "dil5"), cells=3, pick=2):
    spec = darts(cells, nodes, channels=4)
    for node in spec["cells"]["normal"]["nodes"]:
        node["op"], node["pick"] = list(ops), pick
    return spec


SPECS = {
    "two ops": small(2, ("max3", "sep3")),
    "one node": small(1, ("max3", "skip", "sep3", "dil5"), cells=4),
    "three reads": {
        **small(1),
        "cells": {
            "normal": {
                "inputs": ["c0", "c1"],
                "nodes": [
                    {"name": "a", "pick": 2, "of": ["c0", "c1"], "op": ["skip", "sep3"]},
                    {"name": "b", "pick": 3, "of": ["c0", "c1", "a"], "op": ["skip", "dil3"]},
                ],
                "output": {"concat": ["a", "b"]},
                "adapt": "pointwise",
                "project": True,
            },
            "reduce": {"like": "normal", "stride": 2, "adapt": "max_pool", "aligned": False},
        },
    },
    "edges": {
        "channels": {"base": 4, "growth": 2},
        "input_size": 16,
        "ops": {"skip": [], "k3": {"kernel": 3}, "k5": {"kernel": 5}, "g3": {"kernel": 3, "groups": "depthwise"}},
        "cells": {
            "cell": {
                "edges": [
                    {"from": "x", "to": "a", "op": ["skip", "k3", "g3"]},
                    {"from": "x", "to": "out", "op": ["skip", "k3"]},
                    {"from": "a", "to": "out", "op": ["k3", "k5", "skip"]},
                ],
            }
        },
        "stages": [
            {"name": "stem", "kernel": 3},
            {"name": "s1", "cell": "cell", "repeat": 2},
            {"name": "down", "kernel": [3, 5], "stride": 2},
            {"name": "s2", "cell": "cell", "own": True},
            {"name": "s3", "cell": "cell"},
        ],
    },
}


def both(name, monkeypatch):
    """A space in tables, and the same by effects."""
    tables = Space.from_dict({**SPECS[name], "name": "tables"})
    assert not tables.folded
    everything = rf.sample(tables, 1)  # its tables are built
    assert everything.sizes["sample"] == 1
    monkeypatch.setattr(cells, "FOLDED_FROM", 2)
    folded = Space.from_dict({**SPECS[name], "name": "folded"})
    assert folded.folded
    return tables, folded


def rows_of(answer, names):
    return list(zip(*(answer[n].values.tolist() for n in names), strict=True))


@pytest.mark.parametrize("name", SPECS)
def test_questions_are_answered_as_from_tables(name, monkeypatch):
    tables, folded = both(name, monkeypatch)
    last = tables.stages[-1].name
    tree = rf.sweep(tables)[last].to_dataset()
    params, macs = (tree[n].values.reshape(-1) for n in ("params", "macs"))
    extent, area = (np.broadcast_to(tree[n], tree.params.shape).reshape(-1) for n in ("extent", "area"))
    median = int(np.median(params))
    expected = Counter(zip(extent.tolist(), params.tolist(), strict=True))
    counted = rf.count(folded, ("extent", "params")).to_series()
    assert {key: n for key, n in counted.items() if n} == dict(expected)
    for where, inside in (
        (f"params <= {median}", params <= median),
        (f"{median} <= params", params >= median),
        (f"macs <= {int(np.median(macs))} and params >= {int(params.min()) + 1}", None),
    ):
        inside = (macs <= int(np.median(macs))) & (params > params.min()) if inside is None else inside
        assert rf.count(folded, where=where).item() == inside.sum()
        drawn = rf.sample(folded, 20, where=where, seed=3)
        for i in range(20):
            at = int(drawn["index"][i])
            assert inside[at]
            assert [drawn[n].values[i] for n in ("params", "macs", "area")] == [params[at], macs[at], area[at]]
        for objective, values in (("-extent", -extent), ("params - 50*extent", params - 50 * extent), ("macs", macs)):
            for k in (1, 7):
                found = rf.best(folded, objective, k=k, where=where)
                assert found.objective.values.tolist() == np.sort(values[inside])[:k].tolist()
                assert found.objective.values.tolist() == values[found["index"].values].tolist()
                assert len(set(found["index"].values.tolist())) == min(k, inside.sum())
    work, large = macs * extent, int(np.median(macs * extent))  # values of one cost, and sums of another
    for where, inside in (
        (f"macs*extent >= {large}", work >= large),
        (f"macs != {int(macs.min())}", macs > macs.min()),
    ):
        found = rf.best(folded, "params", k=3, where=where).objective.values
        assert found.tolist() == np.sort(params[inside])[:3].tolist()
        one, other = (rf.pareto(space, "params", "-extent", where=where) for space in (tables, folded))
        assert one.objectives.values.tolist() == other.objectives.values.tolist()
    for objectives in (("params", "-extent"), ("macs", "params", "-area"), ("-params", "extent")):
        for where in (None, f"params <= {median}"):
            one, other = (rf.pareto(space, *objectives, where=where) for space in (tables, folded))
            assert one.objectives.values.tolist() == other.objectives.values.tolist()
            for i in range(other.sizes["rank"]):
                at = int(other["index"][i])
                assert [other[n].values[i] for n in ("params", "macs", "extent")] == [params[at], macs[at], extent[at]]


def test_costs_are_those_of_the_networks():
    space = Space.from_dict(darts(8, channels=16))
    front = rf.pareto(space, "params", "-extent")
    assert front.sizes["rank"] == 34
    for i in (0, 17, 33):
        row = front.isel(rank=i)
        profile = rf.profile(space.network(row))
        assert (profile.params.sum(), profile.macs.sum()) == (row.params, row.macs)
        assert profile.extent.values[-1, 0] == row.extent


def test_the_published_network_has_its_published_size():
    """DARTS (second order), CIFAR-10: 20 cells, 36 channels."""
    normal = {"n2": "c0+c1 sep3 sep3", "n3": "c0+c1 sep3 sep3", "n4": "c0+c1 sep3 skip", "n5": "c0+n2 skip dil3"}
    reduce = {"n2": "c0+c1 max3 max3", "n3": "c1+n2 max3 skip", "n4": "c0+n2 max3 skip", "n5": "c1+n2 max3 skip"}
    row = {}
    for cell, nodes in (("normal", normal), ("reduce", reduce)):
        for node, text in nodes.items():
            labels = zip(("inputs", "op1", "op2"), text.split(), strict=True)
            row |= {f"{cell}_{node}_{key}": label for key, label in labels}
    network = Space.from_dict(darts(20, channels=36)).network(row)
    # the authors' code says 3.349342 MB, with batch normalisations, two weights a channel, and a classifier of 10
    published, classifier = 3_349_342, 576 * 10 + 10
    widths = [36] * 6 + [72] * 6 + [144] * 6  # of the normal cells
    normalised = 13 * sum(widths) + 2 * (72 + 144) + 3 * 36  # five separable ops, one dilated, two inputs; stem
    assert rf.profile(network).params.sum() == published - 2 * normalised - classifier


def test_what_has_no_costs_says_so(monkeypatch):
    monkeypatch.setattr(cells, "FOLDED_FROM", 2)
    unlike = small(1)
    unlike["cells"]["normal"]["project"] = False
    unlike["ops"] |= {"sep3": {"kernel": 5}, "dil5": {"kernel": 3}}
    with pytest.raises(InputError, match=r"op 'skip' leads to 12 channels .* give the cell project: true"):
        rf.pareto(Space.from_dict(unlike), "params", "extent")
    none = small(1, ("skip", "none"))
    none["ops"]["none"] = "none"
    with pytest.raises(InputError, match=r"has op 'none', which is no path; its costs need layers that are in every"):
        rf.pareto(Space.from_dict(none), "params", "extent")
    unread = small(2)
    unread["cells"]["normal"]["output"] = "n3"
    with pytest.raises(InputError, match=r"node 'n2', which its output need not read"):
        rf.pareto(Space.from_dict(unread), "params", "extent")
    one = small(1, pick=1)
    with pytest.raises(InputError, match=r"input 'c0', which nodes need not read"):
        rf.pareto(Space.from_dict(one), "params", "extent")
    wide = small(1)
    wide["stages"][0]["channels"] = [8, 12]
    with pytest.raises(InputError, match=r"stage 'cell1' has cells of .* on maps of different channels"):
        rf.pareto(Space.from_dict(wide), "params", "extent")
    with pytest.raises(InputError, match=r"costs up to stage 'cell1' are not known: .* or up to stage 'cell3'"):
        rf.count(Space.from_dict(small(1)), where="cell1.params <= 10000")
