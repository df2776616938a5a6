"""What a stage does to maps: families of paths from each of the maps that it reads."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from rfscale.engine.errors import InputError
from rfscale.sweeps.spaces.graphs.wiring import EARLIER, NO_PATH, ChainLayer, Node, Wiring, source_of
from rfscale.sweeps.states.effects import Reach
from rfscale.sweeps.states.scales.families import IDENTITY, Family, centre, compose, layer_family, maximal, of_reach

Source = str | None  # the stage whose output is read; None: what comes before


class MapEffect(NamedTuple):
    """Paths from maps to the output of a stage, by the map that they start from; those within others are left out.

    `aligned` demands that maps which meet are centred alike.
    """

    parts: tuple[tuple[Source, tuple[Family, ...]], ...]
    aligned: bool = True


class Paths(NamedTuple):
    """The paths to a node, by the map that they start from."""

    by_source: dict[Source, tuple[Family, ...]]
    aligned: bool


class MapEffects:
    """Makes the effects of wirings of one stage; what wirings have in common is worked out once.

    `source` is the stage whose output is read in place of what comes before.
    """

    def __init__(self, stage: str, source: str | None = None) -> None:
        self.stage, self.source = stage, source
        self._number: dict[tuple[object, ...], int] = {}  # of a node's layer or merge on numbered inputs
        self._paths = [Paths({None: (IDENTITY,)}, True)]

    def effect(self, wiring: Wiring) -> MapEffect:
        """Return the effect of the nodes of a stage."""
        numbers = [0]
        for node in wiring:
            inputs = [numbers[i] for i in node.inputs]
            key = (_footprint(node), *inputs)
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
            return Paths({source: (IDENTITY,)}, True)
        if node == NO_PATH:
            raise InputError(
                f"stage {self.stage!r} has a choice without a path; with skips or upsampling every choice needs one",
                remedy="leave the op none out where it cuts all paths",
            )
        if isinstance(node.layer, ChainLayer):
            layer = layer_family(node.layer)
            moved = {s: maximal(compose(layer, f) for f in own) for s, own in inputs[0].by_source.items()}
            return Paths(moved, inputs[0].aligned)
        met: dict[Source, tuple[Family, ...]] = {}
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

    def _check(self, node: Node, ends: str, one: Sequence[Family], other: Sequence[Family]) -> None:
        """Refuse paths from one map that do not fit where they meet."""
        where = f"stage {self.stage!r}: branches that end at {ends}"
        if one[0].jump != other[0].jump:
            strides = " and ".join(_text(families[0].jump) for families in (one, other))
            raise InputError(f"{where} have strides {strides}; branches that meet need one stride")
        apart = abs(centre(one) - centre(other))
        if node.aligned and apart:
            raise InputError(
                f"{where} have centres {_text(apart)} entries apart",
                remedy="use odd kernels in both or even ones in both, or say that it is meant with aligned: false",
            )


def _text(number: Fraction) -> str:
    return f"{float(number):g}"


def _footprint(node: Node) -> object:
    """What paths depend on of a node, beside its inputs."""
    if isinstance(node.layer, ChainLayer):
        return layer_family(node.layer)
    return node.layer if source_of(node) is not None or node in (NO_PATH, EARLIER) else ("merge", node.aligned)


def _effect(paths: Paths) -> MapEffect:
    parts = sorted(paths.by_source.items(), key=lambda part: part[0] or "")
    return MapEffect(tuple(parts), paths.aligned or len(parts) == 1)
