"""One network: sets and figures of all entries, and the interior profile."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

import rfscale as rf
from benchmarks.cases import bigints
from benchmarks.registry import Case, Contender, case, sized
from rfscale.engine.footprints.footprint_figures import FootprintFigures
from rfscale.engine.footprints.forward import trace
from rfscale.engine.footprints.solid_program import NODES
from tests.oracles import plain_sets as reference


def _sets_case(size: int) -> Case:
    """Every set is written down: by its ends, for ResNet-50 has no holes."""
    net = rf.load("resnet50", input_size=size)

    NODES.done = NODES.most  # as in a process that has asked before: compiled code

    def ours() -> Any:
        terms: Any = trace(net, size, "skip").terms
        return terms.solid.listed()

    def check(answer: tuple[np.ndarray, ...]) -> None:
        begin, first, last = answer
        terms: Any = trace(net, size, "skip").terms
        for i, wanted in enumerate(bigints.trace(net, (size, size))):
            assert len(wanted) == 1
            for number, rows in zip(terms.solid.of(terms.nodes[i]), wanted[0], strict=True):
                ends = zip(first[begin[number] :], last[begin[number] : begin[number + 1]], strict=False)
                assert [(1 << int(b) + 1) - (1 << int(a)) for a, b in ends] == list(rows)

    others = {"Python big integers": Contender(lambda: bigints.trace(net, (size, size)), aim=10)}
    if size == 512 and find_spec("torch"):
        entries = sum(int(np.prod(s)) for s in net.map_sizes(size).values())
        others["torch autograd"] = Contender(
            _autograd(net, "layer4", size),
            scale=entries,
            rounds=1,
            note=f"one of {entries:,} entries timed, of the last map",
            aim=10_000,
        )
    return Case(
        f"sets of all entries of all layers, ResNet-50 at {size}²", Contender(ours), check, others, public=False
    )


def _middle(net: rf.Network, layer: str, size: int) -> tuple[int, ...]:
    return tuple(n // 2 for n in net.map_sizes(size)[layer])


def _autograd(net: rf.Network, layer: str, size: int) -> Callable[[], set[tuple[int, ...]]]:
    from tests.oracles.autograd import torch_footprint

    middle = _middle(net, layer, size)
    return lambda: torch_footprint(net, layer, middle, (size, size))


@case
def sets_224() -> Case:
    return _sets_case(224)


@case
def sets_512() -> Case:
    return _sets_case(sized(512, 256))


@case
def sets_1024() -> Case:
    return _sets_case(sized(1024, 320))


@case
def one_entry() -> Case:
    """The input pixels of the middle entry of the last map, as a picture; the network has been asked before."""
    size = sized(512, 224)
    net = rf.load("resnet50", input_size=size)
    middle = _middle(net, "layer4", size)

    def by_sets() -> set[tuple[int, ...]]:
        return reference.footprint(net, "layer4", middle, (size, size))

    def by_integers() -> np.ndarray:
        terms = bigints.trace(net, (size, size))[[layer.name for layer in net.layers].index("layer4")]
        rows = [[(row[i] >> p) & 1 for p in range(size)] for row, i in zip(terms[0], middle, strict=True)]
        return np.outer(*rows).astype(bool)

    def check(answer: Any) -> None:
        np.testing.assert_array_equal(answer.values, by_integers())
        pixels = {(int(y), int(x)) for y, x in np.argwhere(answer.values)}
        assert pixels == by_sets()
        if find_spec("torch"):
            assert pixels == _autograd(net, "layer4", size)()

    others = {
        "Python big integers": Contender(by_integers, note="all entries on the way", aim=10),
        "Python sets": Contender(by_sets, rounds=1),
    }
    if find_spec("torch"):
        others["torch autograd"] = Contender(_autograd(net, "layer4", size), rounds=3, readme=True)
    return Case(
        f"input pixels of one entry of the last map, ResNet-50 at {size}²",
        Contender(lambda: rf.footprint(net, "layer4", entry=middle, input_size=size)),
        check,
        others,
    )


@case
def figures_512() -> Case:
    """Area, box, gap and overlap of every entry of every layer."""
    size = sized(512, 224)
    net = rf.load("resnet50", input_size=size)

    def ours() -> Any:
        reader = FootprintFigures(trace(net, size, "skip"))
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
        for terms in bigints.trace(net, (size, size)):
            (y, y0, y1, ys), (x, x0, x1, xs) = map(measure, terms[0])
            answers.append((np.outer(y, x), y0, x0, y1 - y0, x1 - x0, np.outer(ys, x), np.outer(y, xs)))
        return answers

    def check(answer: list[Any]) -> None:
        for got, wanted in zip(answer, bigint(), strict=True):
            np.testing.assert_array_equal(got.area, wanted[0])

    return Case(
        f"all figures of all entries of all layers, ResNet-50 at {size}²",
        Contender(ours),
        check,
        {"Python big integers and numpy": Contender(bigint, note="without gaps")},
        public=False,
    )


@case
def profile_152() -> Case:
    net = rf.load("resnet152")
    layers = [layer.name for layer in net.layers]
    few = layers[: sized(80, 40) : 20]

    def by_sets() -> list[Any]:
        return [reference.figures(net, layer, (0, 0), global_ops="skip") for layer in few]

    def check(answer: Any) -> None:
        for layer, wanted in zip(few, by_sets(), strict=True):
            got = answer.sel(layer=layer)
            assert (int(got.area), tuple(got.extent.values.tolist())) == (wanted["area"], wanted["extent"])

    return Case(
        "interior profile of ResNet-152 as a dataset",
        Contender(lambda: rf.profile(net, global_ops="skip")),
        check,
        {
            "Python sets": Contender(
                by_sets, scale=len(layers) / len(few), rounds=1, note=f"{len(few)} of the first 80 layers timed"
            )
        },
    )
