"""Spaces: every architecture against the time in which numpy fills arrays of the same sizes, and other ways to it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import xarray as xr

import rfscale as rf
from benchmarks.registry import Case, Contender, case, sized
from rfscale.sweeps.runs.blocks import Blocks
from rfscale.sweeps.states.graph import FIGURES

Choice = tuple[int, int, int]  # kernel, stride, dilation


def space_of(choices: Sequence[Choice], depth: int) -> rf.Space:
    layers = [{"kernel": k, "stride": s, "dilation": d} for k, s, d in choices]
    return rf.Space.from_dict({"stages": [{"name": f"s{i}", "choices": layers} for i in range(depth)]})


_numbers = itertools.count()


def anew(space: rf.Space) -> rf.Space:
    """The space under a name of its own, so that nothing that was compiled for it before is used."""
    return rf.Space.from_dict({**space.to_dict(), "name": f"{space.name} {next(_numbers)}"})


def fill(space: rf.Space) -> list[dict[str, np.ndarray]]:
    """Compile the space, build its graph and write every figure of every stage."""
    blocks = Blocks(anew(space))
    out = []
    for stage in blocks.stages:
        arrays = blocks.empty(stage, 0, blocks.size(stage))
        blocks.fill(stage, 0, blocks.size(stage), arrays)
        out.append(arrays)
    return out


def figures(tree: xr.DataTree) -> list[dict[str, np.ndarray]]:
    """The figures of every stage of a sweep, as `fill` has them."""
    return [{str(name): v.values.ravel() for name, v in stage.data_vars.items()} for stage in tree.children.values()]


def floor(space: rf.Space, threads: int) -> list[np.ndarray]:
    """Arrays of the sizes and types that `fill` makes, allocated as there and filled with one number by numpy."""
    arrays = [np.empty(n, np.int32) for n in space.stage_sizes for _ in FIGURES]
    cuts = [a[i * len(a) // threads : (i + 1) * len(a) // threads] for a in arrays for i in range(threads)]
    if threads == 1:
        for cut in cuts:
            cut.fill(7)
        return arrays
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda cut: cut.fill(7), cuts))
    return arrays


def _recurrence(choices: Sequence[Choice], depth: int) -> tuple[np.ndarray, np.ndarray]:
    """Extent and jump by vectorised numpy: the box only, without pixels and overlap."""
    extent, jump = np.ones(1, np.int32), np.ones(1, np.int32)
    kernel, stride, dilation = (np.array(c, np.int32) for c in zip(*choices, strict=True))
    for _ in range(depth):
        extent = (extent[:, None] + jump[:, None] * (dilation * (kernel - 1))).ravel()
        jump = (jump[:, None] * stride).ravel()
    return extent, jump


def _case(name: str, choices: Sequence[Choice], depth: int, readme: bool = False, limits: str = "") -> Case:
    depth -= sized(0, 3)
    space = space_of(choices, depth)

    def check(answer: xr.DataTree) -> None:
        extent, jump = _recurrence(choices, depth)
        last = figures(answer)[-1]
        for name, values in fill(space)[-1].items():
            np.testing.assert_array_equal(last[name], values)
        np.testing.assert_array_equal(last["extent"], extent)
        np.testing.assert_array_equal(last["jump"], jump)
        for i in range(0, space.size, max(1, space.size // 50)):
            ds = rf.profile(space.network(i)).isel(layer=-1)
            assert last["pixels"][i] ** 2 == ds.area

    threads = numba.get_num_threads()
    others = {
        "the same figures without labels": Contender(lambda: fill(space), note="inside rf.sweep"),
        "write floor, one thread": Contender(lambda: floor(space, 1), note="numpy fills the same arrays"),
        "numpy recurrence": Contender(
            lambda: _recurrence(choices, depth), note="extent and jump of the last stage only"
        ),
    }
    if threads > 1:
        others[f"write floor, {threads} threads"] = Contender(
            lambda: floor(space, threads), note="numpy fills the same arrays", readme=readme
        )
    return Case(
        f"{name}, {len(choices)} choices, depth {depth}: {space.size:,} architectures",
        Contender(lambda: rf.sweep(anew(space)), note=f"all {depth} stages, {threads} threads{limits}"),
        check,
        others,
        items=float(sum(space.stage_sizes)),
        unit="maps",
    )


@case
def space_four() -> Case:
    return _case("1×1, 3×3, 3×3 d2, 5×5", [(1, 1, 1), (3, 1, 1), (3, 1, 2), (5, 1, 1)], 12, readme=True)


@case
def space_holes() -> Case:
    return _case("3×3 d 2/3/4/5, all holes", [(3, 1, d) for d in (2, 3, 4, 5)], 11, readme=True)


@case
def space_mixed() -> Case:
    limits = "; 0.7 of the time reads the space, makes states and labels, in Python and on one thread"
    return _case("3×3 d 1/2/4/8 and s 2", [*((3, 1, d) for d in (1, 2, 4, 8)), (3, 2, 1)], 9, limits=limits)


@case
def space_adversarial() -> Case:
    choices = [*((2, 1, d) for d in (2, 3, 5, 7, 11, 13)), *((3, 2, d) for d in (2, 5, 9))]
    limits = "; half of the work is sets, and rows that lie far apart: nodes of one kind are taken together"
    return _case("adversarial, hardly merging", choices, 7, limits=limits)


def _pixels(chain: Sequence[Choice]) -> tuple[int, int]:
    """Pixels and extent of one chain on one axis, by a set."""
    pixels, jump = {0}, 1
    for k, s, d in chain:
        pixels = {p + d * i * jump for p in pixels for i in range(k)}
        jump *= s
    return len(pixels), max(pixels) + 1


@case
def space_loop() -> Case:
    """The per-network loop, on a space that it can finish."""
    choices = [(3, 1, 1), (3, 1, 2), (5, 1, 1)]
    space = space_of(choices, 6)

    def loop() -> list[tuple[int, int]]:
        return [_pixels(chain) for chain in itertools.product(choices, repeat=6)]

    def profiles() -> list[Any]:
        return [rf.profile(space.network(i)) for i in range(0, space.size, 27)]

    def check(answer: xr.DataTree) -> None:
        last = figures(answer)[-1]
        assert list(zip(last["pixels"].tolist(), last["extent"].tolist(), strict=True)) == loop()
        for i, profile in zip(range(0, space.size, 27), profiles(), strict=True):
            assert last["pixels"][i] ** 2 == profile.area.isel(layer=-1)

    others = {
        "rf.profile of each": Contender(profiles, scale=27, rounds=2, note="one in 27 timed", aim=1000, readme=True),
        "Python loop over sets": Contender(loop, rounds=3, note="one axis, the last stage only"),
    }
    return Case(f"a small space, {space.size} architectures", Contender(lambda: rf.sweep(anew(space))), check, others)


@case
def space_loop_large() -> Case:
    """The per-network loop on a space where starting costs nothing, timed on a sample."""
    choices, depth = [(1, 1, 1), (3, 1, 1), (3, 1, 2), (5, 1, 1)], sized(12, 8)
    space = space_of(choices, depth)
    some = np.random.default_rng(0).choice(space.size, 300, replace=False)

    def loop() -> list[tuple[int, int]]:
        chains = (np.unravel_index(int(i), (len(choices),) * depth) for i in some)
        return [_pixels([choices[int(c)] for c in chain]) for chain in chains]

    def check(answer: xr.DataTree) -> None:
        whole = figures(answer)[-1]
        last = {key: values[some] for key, values in whole.items()}
        assert list(zip(last["pixels"].tolist(), last["extent"].tolist(), strict=True)) == loop()
        np.testing.assert_array_equal(whole["extent"], _recurrence(choices, depth)[0])

    return Case(
        f"a space of {space.size:,} architectures, one by one",
        Contender(lambda: rf.sweep(anew(space)), note="all figures of all stages"),
        check,
        {
            "Python loop over sets": Contender(
                loop, scale=space.size / len(some), rounds=2, note=f"{len(some)} timed", aim=1000, readme=True
            )
        },
        items=float(space.size),
        unit="architectures",
    )


@case
def space_counts() -> Case:
    """Exact counts over extent × jump of 4^40 architectures."""
    choices = [(1, 1, 1), (3, 1, 1), (3, 1, 2), (5, 1, 1)]
    space, few = space_of(choices, 40), space_of(choices, 6)

    def check(answer: Any) -> None:
        assert sum(int(n) for n in answer.values.ravel()) == 4**40
        counted = rf.count(few, by=["extent", "jump"])
        extents, times = np.unique(_recurrence(choices, 6)[0], return_counts=True)
        found = {int(e): int(n) for e, n in zip(counted.extent, counted.isel(jump=0).values, strict=True) if n}
        assert found == dict(zip(extents.tolist(), times.tolist(), strict=True))

    return Case(
        "exact counts over extent × jump of 1.2·10²⁴ architectures",
        Contender(lambda: rf.count(anew(space), by=["extent", "jump"])),
        check,
        items=4.0**40,
        unit="architectures",
    )
