"""What a stage does to maps: families of paths from each of the maps that it reads."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from rfscale.engine.errors import InputError
from rfscale.sweeps.spaces.graphs.wiring import EARLIER, NO_PATH, ChainLayer, Node, Wiring, source_of
from rfscale.sweeps.states.effects import Reach
from rfscale.sweeps.states.scales.families import (
    IDENTITY,
    Path,
    centres,
    composed,
    jumps,
    layer_path,
    maximal,
    of_reach,
)

Source = str | None  # the stage whose output is read; None: what comes before


class MapEffect(NamedTuple):
    """Paths from maps to the output of a stage, by the map that they start from; those within others are left out.

    `aligned` demands that maps which meet are centred alike.
    """

    parts: tuple[tuple[Source, tuple[Path, ...]], ...]
    aligned: bool = True


class Paths(NamedTuple):
    """The paths to a node, by the map that they start from."""

    by_source: dict[Source, tuple[Path, ...]]
    aligned: bool


class MapEffects:
    """Makes the effects of wirings of one stage; what wirings have in common is worked out once.

    `source` is the stage whose output is read in place of what comes before; `axes` are those of layers that differ, 1
    where all are alike.
    """

    def __init__(self, stage: str, source: str | None, axes: int) -> None:
        self.stage, self.source, self.axes = stage, source, axes
        self._identity = ((IDENTITY,) * axes,)
        self._number: dict[tuple[object, ...], int] = {}  # of a node's layer or merge on numbered inputs
        self._paths = [Paths({None: self._identity}, True)]

    def effect(self, wiring: Wiring) -> MapEffect:
        """Return the effect of the nodes of a stage."""
        numbers = [0]
        for node in wiring:
            inputs = [numbers[i] for i in node.inputs]
            key = (self._footprint(node), *inputs)
            if key not in self._number:
                self._number[key] = len(self._paths)
                self._paths.append(self._after(node, [self._paths[i] for i in inputs], wiring))
            numbers.append(self._number[key])
        return _effect(self._paths[numbers[-1]])

    def of_cell(self, reach: Reach) -> MapEffect:
        """Return the effect of a cell."""
        if not reach.terms:
            self._after(NO_PATH, [], ())
        return _effect(Paths({self.source: of_reach(reach)}, True))

    def _after(self, node: Node, inputs: Sequence[Paths], wiring: Wiring) -> Paths:
        source = EARLIER.layer if node == EARLIER else source_of(node)
        if isinstance(source, str):
            return Paths({source: self._identity}, True)
        if node == NO_PATH:
            raise InputError(
                f"stage {self.stage!r} has a choice without a path; with skips or upsampling every choice needs one",
                remedy="leave the op none out where it cuts all paths",
            )
        if isinstance(node.layer, ChainLayer):
            layer = layer_path(node.layer, self.axes)
            moved = {s: maximal(composed(layer, path) for path in own) for s, own in inputs[0].by_source.items()}
            return Paths(moved, inputs[0].aligned)
        met: dict[Source, tuple[Path, ...]] = {}
        first: dict[Source, int] = {}
        for i, one in enumerate(inputs):
            for key, own in one.by_source.items():
                if first.setdefault(key, i) < i:
                    ends = [self._name(wiring, node.inputs[j]) for j in (first[key], i)]
                    self._check(node, " and ".join(ends), met[key], own)
                met[key] = maximal((*met.get(key, ()), *own))
        aligned = all(one.aligned for one in inputs) and (node.aligned or len(met) == 1)
        return Paths(met, aligned)

    def _name(self, wiring: Wiring, at: int) -> str:
        """What a node is called in messages: the layer that `space.network` writes."""
        source = source_of(wiring[at - 1]) if at else None
        if source is not None:
            return f"stage {source!r}"
        layers = sum(source_of(node) is None for node in wiring[:at])
        return f"{self.stage}.{layers}" if layers else "the stage's input"

    def _check(self, node: Node, ends: str, one: Sequence[Path], other: Sequence[Path]) -> None:
        """Refuse paths from one map that do not fit where they meet."""
        where = f"stage {self.stage!r}: branches that end at {ends}"
        if jumps(one[0]) != jumps(other[0]):
            strides = " and ".join(fractions(jumps(paths[0])) for paths in (one, other))
            raise InputError(f"{where} have strides {strides}; branches that meet need one stride")
        apart = [abs(a - b) for a, b in zip(centres(one), centres(other), strict=True)]
        if node.aligned and any(apart):
            raise InputError(
                f"{where} have centres {fractions(apart)} entries apart",
                remedy="use odd kernels in both or even ones in both, or say that it is meant with aligned: false",
            )

    def _footprint(self, node: Node) -> object:
        """What paths depend on of a node, beside its inputs."""
        if isinstance(node.layer, ChainLayer):
            return layer_path(node.layer, self.axes)
        return node.layer if source_of(node) is not None or node in (NO_PATH, EARLIER) else ("merge", node.aligned)


def fractions(numbers: Sequence[Fraction]) -> str:
    """Return a number for each axis as a message has them: 0.5, or 0x0.5."""
    return "x".join(f"{float(number):g}" for number in numbers)


def _effect(paths: Paths) -> MapEffect:
    parts = sorted(paths.by_source.items(), key=lambda part: part[0] or "")
    return MapEffect(tuple(parts), paths.aligned or len(parts) == 1)
