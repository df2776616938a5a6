"""Spaces: every architecture against the time in which numpy fills arrays of the same sizes, and other ways to it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

import engine
import sweeps
from benchmarks.cases import Case, Contender, case
from sweeps.states.blocks import Blocks

Choice = tuple[int, int, int]  # kernel, stride, dilation


def _space(choices: Sequence[Choice], depth: int) -> sweeps.Space:
    layers = [{"kernel": k, "stride": s, "dilation": d} for k, s, d in choices]
    return sweeps.Space.from_dict({"stages": [{"name": f"s{i}", "choices": layers} for i in range(depth)]})


def _fill(space: sweeps.Space) -> list[dict[str, np.ndarray]]:
    """Compile the space, build its graph and write every figure of every stage."""
    blocks = Blocks(space)
    out = []
    for stage in blocks.stages:
        arrays = blocks.empty(stage, 0, blocks.size(stage))
        blocks.fill(stage, 0, blocks.size(stage), arrays)
        out.append(arrays)
    return out


def _floor(space: sweeps.Space) -> list[np.ndarray]:
    return [np.full(n, 7, np.int32) for n in space.stage_sizes for _ in range(4)]


def _recurrence(choices: Sequence[Choice], depth: int) -> tuple[np.ndarray, np.ndarray]:
    """Extent and jump by vectorised numpy: the box only, without pixels and overlap."""
    extent, jump = np.ones(1, np.int32), np.ones(1, np.int32)
    kernel, stride, dilation = (np.array(c, np.int32) for c in zip(*choices, strict=True))
    for _ in range(depth):
        extent = (extent[:, None] + jump[:, None] * (dilation * (kernel - 1))).ravel()
        jump = (jump[:, None] * stride).ravel()
    return extent, jump


def _case(name: str, choices: Sequence[Choice], depth: int) -> Case:
    space = _space(choices, depth)

    def check() -> None:
        extent, jump = _recurrence(choices, depth)
        last = _fill(space)[-1]
        np.testing.assert_array_equal(last["extent"], extent)
        np.testing.assert_array_equal(last["jump"], jump)
        for i in range(0, space.size, max(1, space.size // 50)):
            ds = engine.profile(space.network(i)).isel(layer=-1)
            assert last["pixels"][i] ** 2 == ds.area

    return Case(
        f"{name}, {len(choices)} choices, depth {depth}: {space.size:,} architectures",
        Contender(lambda: _fill(space)),
        {
            "as a labelled DataTree (sweeps.run)": Contender(lambda: sweeps.run(space)),
            "write floor: numpy fills the same arrays": Contender(lambda: _floor(space)),
            "numpy recurrence": Contender(
                lambda: _recurrence(choices, depth), note="extent and jump of the last stage"
            ),
        },
        check,
    )


@case
def space_four() -> Case:
    return _case("1×1, 3×3, 3×3 d2, 5×5", [(1, 1, 1), (3, 1, 1), (3, 1, 2), (5, 1, 1)], 12)


@case
def space_holes() -> Case:
    return _case("3×3 d 2/3/4/5, all holes", [(3, 1, d) for d in (2, 3, 4, 5)], 11)


@case
def space_mixed() -> Case:
    return _case("3×3 d 1/2/4/8 and s 2", [*((3, 1, d) for d in (1, 2, 4, 8)), (3, 2, 1)], 9)


@case
def space_adversarial() -> Case:
    choices = [*((2, 1, d) for d in (2, 3, 5, 7, 11, 13)), *((3, 2, d) for d in (2, 5, 9))]
    return _case("adversarial, hardly merging", choices, 7)


@case
def space_loop() -> Case:
    """The per-network loop, on a space that it can finish."""
    choices = [(3, 1, 1), (3, 1, 2), (5, 1, 1)]
    space = _space(choices, 6)

    def loop() -> list[tuple[int, int]]:
        out = []
        for chain in itertools.product(choices, repeat=6):
            pixels, jump = {0}, 1
            for k, s, d in chain:
                pixels = {p + d * i * jump for p in pixels for i in range(k)}
                jump *= s
            out.append((len(pixels), max(pixels) + 1))
        return out

    def profiles() -> list[Any]:
        return [engine.profile(space.network(i)) for i in range(0, space.size, 27)]

    def check() -> None:
        last = _fill(space)[-1]
        assert list(zip(last["pixels"].tolist(), last["extent"].tolist(), strict=True)) == loop()

    others: dict[str, Contender] = {
        "Python loop over sets": Contender(loop, rounds=3),
        "engine.profile of each": Contender(profiles, scale=27, rounds=2, note="one in 27 timed"),
    }
    return Case(f"a small space, {space.size} architectures", Contender(lambda: _fill(space)), others, check)


@case
def space_counts() -> Case:
    """Exact counts over extent × jump of 4^40 architectures."""
    space = _space([(1, 1, 1), (3, 1, 1), (3, 1, 2), (5, 1, 1)], 40)

    def ours() -> Any:
        return sweeps.count(space, by=["extent", "jump"])

    def check() -> None:
        assert sum(int(n) for n in ours().values.ravel()) == 4**40

    return Case("exact counts over extent × jump of 1.2·10²⁴ architectures", Contender(ours), {}, check)
