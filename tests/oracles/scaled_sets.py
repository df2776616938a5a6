"""The oracle of spaces with skips and upsampling: what each entry reads, entry by entry, along each path by itself.

Written from docs/spaces.md. A map is the paths that lead to it, each a list of layers; an entry reads along a path what
the last layer reads, then what the layer before reads for each of those, down to pixels. In the plane the entry (u, v)
reads along each path a product of rows and columns; a layer has a step for each axis. Nothing is assumed of how maps
repeat, beyond the product of all scales. Slow and obvious; interior, in two axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise, product
from math import lcm
from typing import Any, NamedTuple

from tests.oracles.branching_sets import Pixels, union_area

Spec = Mapping[str, Any]


class Step(NamedTuple):
    """A layer on an axis."""

    kind: str
    size: int  # kernel; scale; start of a slice
    stride: int = 1
    dilation: int = 1

    def reads(self, entry: int) -> list[int]:
        """Entries of its input that an entry reads."""
        if self.kind == "window":
            first = entry * self.stride - self.dilation * (self.size - 1) // 2
            return [first + self.dilation * i for i in range(self.size)]
        if self.kind == "slice":
            return [self.size + entry * self.stride]
        if self.kind == "nearest":
            return [entry // self.size]
        if self.kind == "bilinear":  # centres of entries: neighbours nearer than one have a weight
            place = (entry + Fraction(1, 2)) / self.size - Fraction(1, 2)
            return [e for e in range(int(place) - 2, int(place) + 3) if abs(place - e) < 1]
        start = -((self.stride - self.size) // 2)  # of a transposed convolution: half of what is too much, rounded up
        inputs = range((entry - self.size) // self.stride - 2, (entry + self.size) // self.stride + 3)
        return [i for i in inputs if 0 <= entry + start - i * self.stride < self.size]

    @property
    def jump(self) -> Fraction:
        """Entries of its input from one of its entries to the next."""
        if self.kind in ("nearest", "bilinear"):
            return Fraction(1, self.size)
        return Fraction(1, self.stride) if self.kind == "transposed" else Fraction(self.stride)


Path = tuple[Step, ...]  # on one axis
AXES = (0, 1)


class Map(NamedTuple):
    """The paths to a map, each a path on every axis, and the pixels between its entries."""

    paths: frozenset[tuple[Path, ...]]
    jump: tuple[Fraction, ...]


class AxisFigures(NamedTuple):
    """Figures of the largest footprint along an axis; `shared` pixels are those of the whole footprint."""

    extent: int
    pixels: int
    max_gap: int
    shared: int
    jump: Fraction


class Figures(NamedTuple):
    """Figures of the largest footprint; one axis is the first, `shared` is along it, `box` of all axes."""

    area: int
    extent: int
    pixels: int
    max_gap: int
    shared: int
    jump: Fraction
    terms: int
    box: int
    by_axis: tuple[AxisFigures, ...] = ()


IMAGE = Map(frozenset([((), ())]), (Fraction(1), Fraction(1)))


@lru_cache(maxsize=1 << 16)
def rows(path: Path, entry: int) -> Pixels:
    """Rows that an entry reads along a path."""
    entries = {entry}
    for step in reversed(path):
        entries = {e for o in entries for e in step.reads(o)}
    return frozenset(entries)


def after(before: Map, kind: str, size: Any, stride: Any = 1, dilation: Any = 1) -> Map:
    """The map after a layer, whose numbers are one for all axes or one for each."""
    steps = [Step(kind, *(v if isinstance(v, int) else v[axis] for v in (size, stride, dilation))) for axis in AXES]
    paths = frozenset(tuple((*path[axis], steps[axis]) for axis in AXES) for path in before.paths)
    return Map(paths, tuple(before.jump[axis] * steps[axis].jump for axis in AXES))


def merged(maps: Sequence[Map]) -> Map:
    assert len({m.jump for m in maps}) == 1, "maps of different jumps meet"
    return Map(frozenset(path for m in maps for path in m.paths), maps[0].jump)


class Architecture:
    """One architecture of a space: the dict of the space, and the label of every factor."""

    def __init__(self, spec: Spec, row: Mapping[str, Any]) -> None:
        self.row = row
        self.stages: dict[str, Map] = {}
        before = IMAGE
        for stage in spec["stages"]:
            before = self.stages[stage["name"]] = self._stage(
                stage, self._of(stage["from"]) if "from" in stage else before
            )

    def figures(self, stage: str | None = None) -> Figures:
        """Figures at a stage, by default the last."""
        return figures(self.stages[stage or list(self.stages)[-1]])

    def _of(self, name: str) -> Map:
        return IMAGE if name == "input" else self.stages[name]

    def _stage(self, stage: Spec, before: Map) -> Map:
        name = stage["name"]
        if "skip" in stage:
            source = self.row[f"{name}_skip"] if isinstance(stage["skip"], list) else stage["skip"]
            if source == "none":
                return before
            return merged([before, self._run(_layers(stage.get("through", [])), self._of(source))])
        for number in range(self._chosen(name, "repeat", stage.get("repeat", 1))):
            if "choices" in stage:
                before = self._run(_layers(stage["choices"][self.row[f"{name}_choice"]]), before)
            elif "branches" in stage:
                given = stage["branches"]
                if isinstance(given, Mapping):
                    given = [given["of"][int(i)] for i in self.row[f"{name}_branches"].split("+")]
                before = merged([self._run(_layers(branch), before) for branch in given])
            else:
                layer = {key: self._chosen(name, key, value) for key, value in stage.items() if key != "from"}
                if number:
                    layer["stride"] = 1
                before = self._layer(layer, before)
        return before

    def _chosen(self, stage: str, key: str, value: Any) -> Any:
        chosen = self.row[f"{stage}_{key}"] if isinstance(value, list) else value
        if not isinstance(chosen, str) or key not in ("kernel", "stride", "dilation", "scale", "start", "step"):
            return chosen
        numbers = [int(number) for number in chosen.split("x")]  # 1x3, or 3 beside such
        return numbers if len(numbers) > 1 else numbers[0]

    def _run(self, layers: Sequence[Spec], before: Map) -> Map:
        for layer in layers:
            before = self._layer(layer, before)
        return before

    def _layer(self, layer: Spec, before: Map) -> Map:
        op = layer.get("op", "conv")
        if "branches" in layer:
            return merged([self._run(_layers(branch), before) for branch in layer["branches"]])
        if op == "upsample":
            return after(before, layer.get("mode", "nearest"), layer["scale"])
        if op == "conv_transpose":
            return after(before, "transposed", layer["kernel"], layer.get("stride", 1))
        if op == "slice":
            return after(before, "slice", layer.get("start", 0), layer.get("step", 1))
        stride = layer.get("stride", layer["kernel"] if op.endswith("_pool") else 1)
        return after(before, "window", layer["kernel"], stride, layer.get("dilation", 1))


def _layers(choice: Any) -> list[Any]:
    if isinstance(choice, list):
        return choice
    return [choice] if set(choice) - {"name"} else []


def figures(found: Map) -> Figures:
    """Figures of the entry with the largest footprint; then of that which shares least; then of the first."""
    assert all(jump.denominator == 1 for jump in found.jump)
    phases = [lcm(*(_scales(path[axis]) for path in found.paths)) for axis in AXES]
    paths = sorted(found.paths)
    best: tuple[Any, ...] = ()
    for u, v in product(*map(range, phases)):
        here = [(rows(p[0], u), rows(p[1], v)) for p in paths]
        area = union_area(here)
        common = []
        for du, dv in ((1, 0), (0, 1)):
            there = [(rows(p[0], u + du), rows(p[1], v + dv)) for p in paths]
            common.append(area + union_area(there) - union_area(here + there))
        if not best or (area, -sum(common)) > best[:2]:
            best = (area, -sum(common), common, here)
    area, _, common, here = best
    by_axis = []
    for axis in AXES:
        pixels = sorted(frozenset().union(*(one[axis] for one in here)))
        gap = max((b - a - 1 for a, b in pairwise(pixels)), default=0)
        jump = Fraction(found.jump[axis])
        by_axis.append(AxisFigures(pixels[-1] - pixels[0] + 1, len(pixels), gap, common[axis], jump))
    kept = [p for p in set(here) if not any(p != q and p[0] <= q[0] and p[1] <= q[1] for q in here)]
    box = by_axis[0].extent * by_axis[1].extent
    return Figures(area, *by_axis[0], len(kept), box, tuple(by_axis))


def _scales(path: Path) -> int:
    out = 1
    for step in path:
        out *= step.jump.denominator
    return out
