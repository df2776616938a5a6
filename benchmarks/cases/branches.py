"""Spaces with branches and cells, against the same networks worked out one by one."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import xarray as xr

import rfscale as rf
from benchmarks.cases.sweeps import anew
from benchmarks.registry import Case, Contender, case, sized

OPS: dict[str, Any] = {
    "none": "none",
    "skip": [],
    "conv1": {"kernel": 1},
    "conv3": {"kernel": 3},
    "pool3": {"op": "avg_pool", "kernel": 3, "stride": 1},
}
DOWN = [[{"kernel": 3, "stride": 2}, {"kernel": 3}], [{"op": "avg_pool", "kernel": 2}, {"kernel": 1}]]
SAMPLED = 40  # networks that are worked out one by one


def nasbench201() -> rf.Space:
    every = list(OPS)
    edges = [
        {"from": "x", "to": ["a", "b", "out"], "op": every},
        {"from": "a", "to": ["b", "out"], "op": every},
        {"from": "b", "to": "out", "op": every},
    ]
    stages: list[dict[str, Any]] = [{"name": "stem", "kernel": 3}]
    for i in (1, 2, 3):
        stages.append({"name": f"s{i}", "cell": "cell", "repeat": 5})
        stages += [{"name": f"r{i}", "branches": DOWN, "aligned": False}] if i < 3 else []
    cells = {"cell": {"inputs": ["x"], "edges": edges, "output": "out"}}
    return rf.Space.from_dict({"name": "nas-bench-201", "ops": OPS, "cells": cells, "stages": stages})


def dilations(rates: tuple[int, ...], most: int, stages: int) -> rf.Space:
    of = [{"kernel": 3, "dilation": d} for d in rates]
    block = {"branches": {"choose": list(range(1, most + 1)), "of": of}}
    return rf.Space.from_dict({"name": "dilations", "stages": [{"name": f"s{i}", **block} for i in range(stages)]})


def one_by_one(space: rf.Space, indices: list[int]) -> np.ndarray:
    """Areas of some architectures, each network made and worked out by itself; 0 where no path leads through."""
    last, out = space.stages[-1].name, []
    for index in indices:
        try:
            network = space.network(index)
        except rf.InputError:
            out.append(0)
            continue
        layer = space.outputs(index)[last]
        out.append(int(rf.profile(network).area.sel(layer=layer)))
    return np.array(out)


def far_dilations(most: int) -> rf.Space:
    """Rates of their own at every stage, so that hardly two stacks have one footprint."""
    rates = ((1, 2, 4, 7, 9), (11, 18, 27, 38, 45), (53, 71, 97, 120, 131))
    stages = []
    for i, dilations in enumerate(rates):
        of = [{"kernel": 3, "dilation": d} for d in dilations]
        stages.append({"name": f"s{i}", "branches": {"choose": list(range(1, most + 1)), "of": of}})
    return rf.Space.from_dict({"name": "far dilations", "stages": stages})


def compared(space: rf.Space, what: str, aim: float, aim_anew: float | None = None) -> Case:
    """Every architecture, labelled, against some of the same networks one by one."""
    indices = np.random.default_rng(1).integers(space.size, size=SAMPLED).tolist()
    last = space.stages[-1].name

    def loop() -> np.ndarray:
        return one_by_one(space, indices)

    def check(answer: xr.DataTree) -> None:
        areas = answer[last].area.values.ravel()
        assert np.array_equal(areas[indices], loop())
        assert np.array_equal(areas, rf.sweep(anew(space))[last].area.values.ravel())

    scale, note = space.size / SAMPLED, f"{SAMPLED} of {space.size} timed"
    if aim_anew is not None:  # states are no gain from one call to the next
        each = {"rf.profile of each": Contender(loop, scale=scale, rounds=2, note=note, aim=aim_anew)}
        return Case(what, Contender(lambda: rf.sweep(anew(space))), check, each, space.size, "architectures")
    others = {
        "rf.profile of each": Contender(loop, scale=scale, rounds=2, note=note, aim=aim),
        "ours, the space new": Contender(lambda: rf.sweep(anew(space)), note="the space is read and compiled as well"),
    }
    return Case(what, Contender(lambda: rf.sweep(space)), check, others, space.size, "architectures")


@case
def cells_nasbench201() -> Case:
    return compared(nasbench201(), "all 15,625 networks of NAS-Bench-201", 5000)


@case
def branches_merging() -> Case:
    space = dilations((1, 2, 3, 4, 6, 8, 12, 18), 4, sized(3, 2))
    return compared(space, "stacks of 1 to 4 of 8 dilations, states that merge", 5000)


@case
def branches_not_merging() -> Case:
    what = "stacks of 1 to 4 of 5 far dilations, new, states that hardly merge"
    return compared(far_dilations(sized(4, 2)), what, 500, aim_anew=500)


@case
def skips_unets() -> Case:
    space = rf.Space.from_dict(rf.cells.unet(sized(4, 2)))
    return compared(space, "all U-Nets of four poolings and four choices a level", 5000)


@case
def branches_counted() -> Case:
    """A space that nobody lists: exact numbers by extent, which take hulls, against those by area of fewer stages."""
    space = dilations((1, 2, 3, 4, 6, 8, 12, 18), 4, 6)

    def hulls() -> dict[int, int]:
        """Extents by their own recurrence: only the largest dilation of each stage matters."""
        grown = Counter(max(c) for k in range(1, 5) for c in itertools.combinations((1, 2, 3, 4, 6, 8, 12, 18), k))
        level = Counter({1: 1})
        for _ in range(6):
            after: Counter[int] = Counter()
            for (extent, n), (d, m) in itertools.product(level.items(), grown.items()):
                after[extent + 2 * d] += n * m
            level = after
        return dict(level)

    def check(answer: xr.DataArray) -> None:
        assert dict(zip(answer.extent.values.tolist(), answer.values.tolist(), strict=True)) == hulls()

    ours = Contender(lambda: rf.count(space, "extent"))
    return Case("1.8e13 stacks of dilations, counted by extent", ours, check, {"Python": Contender(hulls)})


@case
def branches_counted_by_area() -> Case:
    """The same by area and extent, which take antichains: 1.4 million states after six blocks."""
    stages = sized(6, 3)
    space = dilations((1, 2, 3, 4, 6, 8, 12, 18), 4, stages)

    def check(answer: xr.DataArray) -> None:
        by_extent = rf.count(anew(space), "extent")
        assert np.array_equal(answer.sum("area"), by_extent)
        assert answer.sum() == 162**stages
        small = dilations((1, 2, 3, 4, 6, 8, 12, 18), 4, 2)
        areas, numbers = np.unique(rf.sweep(small)["s1"].area.values, return_counts=True)
        counted = rf.count(small, "area")
        assert np.array_equal(counted.area, areas)
        assert np.array_equal(counted, numbers)

    ours = Contender(lambda: rf.count(anew(space), ["area", "extent"]), rounds=1, note="the space is new")
    indices = np.random.default_rng(1).integers(space.size, size=SAMPLED).tolist()
    scale, note = space.size / SAMPLED, f"{SAMPLED} of {space.size:.2g} timed"
    each = Contender(lambda: one_by_one(space, indices), scale=scale, rounds=1, note=note)
    return Case(f"stacks of {stages} blocks of dilations, counted by area", ours, check, {"rf.profile of each": each})


@case
def darts_by_extent() -> Case:
    """All genotypes of DARTS, by hulls on both sides."""
    from tests.oracles.branching_sets import darts_extents

    nodes = sized(4, 2)
    space = rf.Space.from_dict(rf.cells.darts(nodes=nodes))

    def loop() -> dict[int, int]:
        return dict(darts_extents(8, nodes))

    def check(answer: xr.DataArray) -> None:
        assert dict(zip(answer.extent.values.tolist(), answer.values.tolist(), strict=True)) == loop()

    ours = Contender(lambda: rf.count(anew(space), "extent"), note="the space is new")
    others = {"Python": Contender(loop, rounds=1)}
    return Case(f"{space.size:.2g} genotypes of DARTS, counted by extent", ours, check, others, space.size, "genotypes")


def front(space: rf.Space, what: str) -> Case:
    """Params against extent, the space new, against some networks worked out one by one."""
    indices = np.random.default_rng(1).integers(space.size, size=4).tolist()

    def loop() -> list[tuple[int, int]]:
        found = []
        for index in indices:
            try:
                network = space.network(index)
            except rf.InputError:  # no path leads through
                continue
            found.append(costed(network))
        return found

    def check(answer: xr.Dataset) -> None:
        rows = [(int(p), int(e)) for p, e in zip(answer.params.values, answer.extent.values, strict=True)]
        assert rows == [costed(space.network(answer.isel(rank=i))) for i in range(len(rows))]
        assert sorted(rows) == sorted(set(rows), key=lambda row: row[1])
        for params, extent in loop():
            assert any(p <= params and e >= extent for p, e in rows)

    ours = Contender(lambda: rf.pareto(anew(space), "params", "-extent"), note="the space is new")
    scale, note = space.size / len(indices), f"{len(indices)} of {space.size:.2g} timed"
    each = Contender(loop, scale=scale, rounds=1, note=note)
    return Case(what, ours, check, {"rf.profile of each": each}, space.size, "architectures")


def costed(network: rf.Network) -> tuple[int, int]:
    """Params and extent."""
    profile = rf.profile(network)
    return int(profile.params.sum()), int(profile.extent.isel(layer=-1).values[0])


@case
def darts_front() -> Case:
    spec = rf.cells.darts(nodes=sized(4, 2), channels=16)
    return front(rf.Space.from_dict(spec), "params against extent of all of DARTS")


@case
def nasbench201_front() -> Case:
    spec = rf.cells.nasbench201(own=True) | {"channels": {"base": 16, "growth": 2}}
    return front(rf.Space.from_dict(spec), "params against extent of NAS-Bench-201, cells of their own")
