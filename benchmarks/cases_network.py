"""One network: sets and figures of all entries, and the interior profile."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

import engine
from benchmarks import bigints
from benchmarks.cases import Case, Contender, case
from engine.entries import Reader
from engine.trace import trace


def _bits(row: Any, size: int) -> list[int]:
    """A family's sets as big integers."""
    out = []
    for first, last, words in zip(row.first, row.last, row.bits, strict=True):
        value = int.from_bytes(words.astype("<u8").tobytes(), "little") if last >= first else 0
        out.append(value << (64 * (int(first) >> 6)))
    return out


def _sets_case(size: int) -> Case:
    net = engine.load("resnet50", input_size=size)

    def check() -> None:
        ours, theirs = trace(net, size, "skip").terms, bigints.trace(net, (size, size))
        for mine, its in zip(ours, theirs, strict=True):
            assert (mine is None) == (its is None)
            if mine is not None and its is not None:
                assert len(mine) == len(its) == 1
                assert [_bits(f, size) for f in mine[0]] == [list(r) for r in its[0]]

    others = {"Python big integers": Contender(lambda: bigints.trace(net, (size, size)))}
    if size == 512 and find_spec("torch"):
        layer = "layer4"
        entries = sum(int(np.prod(s)) for s in net.map_sizes(size).values())
        others["torch autograd"] = Contender(
            _autograd(net, layer, size), scale=entries, rounds=1, note="one entry of one layer timed"
        )
    return Case(
        f"sets of all entries of all layers, ResNet-50 at {size}²",
        Contender(lambda: trace(net, size, "skip")),
        others,
        check,
    )


def _autograd(net: engine.Network, layer: str, size: int) -> Callable[[], Any]:
    from tests.torch_judge import torch_footprint

    middle = tuple(n // 2 for n in net.map_sizes(size)[layer])
    return lambda: torch_footprint(net, layer, middle, (size, size))


@case
def sets_224() -> Case:
    return _sets_case(224)


@case
def sets_512() -> Case:
    return _sets_case(512)


@case
def sets_1024() -> Case:
    return _sets_case(1024)


@case
def figures_512() -> Case:
    """Area, box, gap and overlap of every entry of every layer."""
    net = engine.load("resnet50", input_size=512)

    def ours() -> Any:
        reader = Reader(trace(net, 512, "skip"))
        return [reader.map_figures(i) for i in range(len(net))]

    def bigint() -> list[Any]:
        out: dict[int, Any] = {}

        def measure(row: list[int]) -> Any:
            if id(row) not in out:
                following = [*row[1:], 0]
                out[id(row)] = (
                    np.array([r.bit_count() for r in row]),
                    np.array([(r & -r).bit_length() - 1 for r in row]),
                    np.array([r.bit_length() for r in row]),
                    np.array([(a & b).bit_count() for a, b in zip(row, following, strict=True)]),
                )
            return out[id(row)]

        answers = []
        for terms in bigints.trace(net, (512, 512)):
            if terms is not None:
                (y, y0, y1, ys), (x, x0, x1, xs) = map(measure, terms[0])
                answers.append((np.outer(y, x), y0, x0, y1 - y0, x1 - x0, np.outer(ys, x), np.outer(y, xs)))
        return answers

    def check() -> None:
        theirs = iter(bigint())
        for step, mine in zip(trace(net, 512, "skip").plan.steps, ours(), strict=True):
            if not step.everything:
                np.testing.assert_array_equal(mine.area, next(theirs)[0])

    return Case(
        "all figures of all entries of all layers, ResNet-50 at 512²",
        Contender(ours),
        {"Python big integers and numpy": Contender(bigint, note="without gaps")},
        check,
    )


@case
def profile_152() -> Case:
    net = engine.load("resnet152")
    return Case("interior profile of ResNet-152 as a dataset", Contender(lambda: engine.profile(net)))
