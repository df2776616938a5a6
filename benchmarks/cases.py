"""The registry: each case names our function, the comparators, and the check that all give the same answer.

A case is built once; its check runs before any timing. `scale` of a contender says how many of it make up our one call,
where running all would take hours (autograd answers one entry of one layer a call).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np

import engine
from benchmarks import bigints
from engine.entries import Reader
from engine.trace import trace


@dataclass(frozen=True)
class Contender:
    """One way to the answer. `rounds` fixes the number of timed calls of slow ones."""

    call: Callable[[], Any]
    scale: float = 1.0
    rounds: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Case:
    """One question, our answer (`ours`) and others'. `check` raises unless they agree."""

    name: str
    ours: Contender
    others: dict[str, Contender] = field(default_factory=dict)
    check: Callable[[], None] = lambda: None


CASES: dict[str, Callable[[], Case]] = {}


def case(build: Callable[[], Case]) -> Callable[[], Case]:
    """Register a case under its function's name."""
    CASES[build.__name__] = build
    return build


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


def _dilation_case(name: str, offsets: np.ndarray, size: int = 1024) -> Case:
    """Dilation of a size × size grid: ours bit-packed, theirs as they take it; packing is not timed."""
    import cv2
    from scipy import ndimage

    from engine.kernels import grids

    cv2.setNumThreads(1)  # ours has one thread
    image = np.random.default_rng(0).random((size, size)) < 0.01
    packed, bytes_ = grids.pack(image[None]), image.astype(np.uint8)
    side = int(offsets[-1])
    element = np.zeros((2 * side + 1, 2 * side + 1), np.uint8)
    element[np.ix_(offsets + side, offsets + side)] = 1
    zero = np.zeros(1, np.int64)

    def ours() -> Any:
        return grids.dilate(packed, size, zero, offsets, offsets)

    def opencv() -> Any:
        return cv2.dilate(bytes_, element, borderType=cv2.BORDER_CONSTANT, borderValue=0)

    def scipy() -> Any:
        return ndimage.binary_dilation(image, element)

    def check() -> None:
        expected = opencv().astype(bool)
        np.testing.assert_array_equal(grids.unpack(ours(), size)[0], expected)
        np.testing.assert_array_equal(scipy(), expected)

    others = {"OpenCV dilate": Contender(opencv), "scipy binary_dilation": Contender(scipy, rounds=3)}
    return Case(f"grid dilation, {name}, {size}², one thread", Contender(ours), others, check)


@case
def dilation_3() -> Case:
    return _dilation_case("3×3", np.arange(-1, 2))


@case
def dilation_15() -> Case:
    return _dilation_case("15×15", np.arange(-7, 8))


@case
def dilation_holes() -> Case:
    return _dilation_case("3×3 of dilation 4", np.arange(-4, 5, 4))


def _command(*arguments: str, cache: str | None = None) -> Callable[[], Any]:
    import os

    environment = dict(os.environ)

    def run() -> Any:
        with tempfile.TemporaryDirectory() as empty:
            environment["NUMBA_CACHE_DIR"] = cache or empty
            return subprocess.run(
                [sys.executable, "-m", "sweeps.cli", *arguments], env=environment, check=True, capture_output=True
            )

    return run


@case
def cold_start() -> Case:
    cache = tempfile.mkdtemp(prefix="rfscale-bench-")
    profile = ("profile", "resnet50")
    return Case(
        "cold start: rfscale profile resnet50, kernels cached",
        Contender(_command(*profile, cache=cache), rounds=5),
        {
            "rfscale --help": Contender(_command("--help", cache=cache), rounds=5),
            "empty kernel cache": Contender(_command(*profile), rounds=2),
            "import numpy, numba, xarray": Contender(
                lambda: subprocess.run([sys.executable, "-c", "import numpy, numba, xarray"], check=True), rounds=5
            ),
        },
        lambda: _command(*profile, cache=cache)() and None,
    )
