"""The oracle of branching spaces: reads a space dict and one row of labels by itself, and counts plain sets of pixels.

Written from docs/spaces.md: a stage is a chain of layers, a block of branches, or a cell; a footprint is a union of
squares X × X, where each X is the sumset of the taps along one path. Slow and obvious; square spaces, interior.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise, product
from typing import Any, NamedTuple

Pixels = frozenset[int]
Spec = Mapping[str, Any]


class Map(NamedTuple):
    """The rows that entry 0 of a map reads along each of its paths, and the pixels between neighbouring entries."""

    paths: frozenset[Pixels]
    jump: int


class Figures(NamedTuple):
    """Figures of one architecture; `overlap` as shared pixels, along one axis."""

    area: int
    extent: int
    pixels: int
    max_gap: int
    shared: int
    jump: int
    terms: int


IMAGE = Map(frozenset([frozenset([0])]), 1)


# layers ---------------------------------------------------------------------------------------------------------------


def window(before: Map, kernel: int, stride: int, dilation: int) -> Map:
    """A layer that is centred as spaces do it: half of dilation*(kernel - 1) entries before, rounded down."""
    first = dilation * (kernel - 1) // 2
    taps = [(dilation * i - first) * before.jump for i in range(kernel)]
    return Map(frozenset(frozenset(x + t for x in path for t in taps) for path in before.paths), before.jump * stride)


def slice_of(before: Map, start: int, step: int) -> Map:
    return Map(frozenset(frozenset(x + start * before.jump for x in path) for path in before.paths), before.jump * step)


def joined(maps: Sequence[Map]) -> Map:
    """What adding or concatenating does; branches without any path add nothing."""
    known = [m for m in maps if m.paths]
    assert len({m.jump for m in known}) <= 1, "branches of different strides"
    return Map(frozenset(path for m in known for path in m.paths), (known or list(maps))[0].jump)


def without_parts(found: Map) -> Map:
    """A map without the paths that are within another: whatever follows makes no more of them."""
    return found._replace(paths=frozenset(p for p in found.paths if not any(p < q for q in found.paths)))


class Architecture:
    """One architecture of a space.

    Parameters
    ----------
    spec : mapping
        The dict of the space.
    row : mapping
        The label of every factor.
    every_path : bool
        Whether maps keep all their paths; of deep networks, cells leave those out that are within others.
    """

    def __init__(self, spec: Spec, row: Mapping[str, Any], every_path: bool = True) -> None:
        self.spec, self.row, self.every_path = spec, row, every_path
        self.stages: dict[str, Map] = {}
        outputs = [IMAGE]
        for number, stage in enumerate(spec["stages"], start=1):
            name = stage.get("name", f"stage{number}")
            outputs = self._stage(name, stage, outputs)
            self.stages[name] = outputs[-1]

    def figures(self, stage: str | None = None) -> Figures:
        """Figures at a stage, by default the last."""
        return figures(self.stages[stage or list(self.stages)[-1]])

    def _stage(self, name: str, stage: Spec, outputs: list[Map]) -> list[Map]:
        """The outputs so far, and those of the stage: one of each repetition of a cell."""
        repeat = self._chosen(f"{name}_repeat", stage.get("repeat", 1))
        if "cell" in stage:
            for _ in range(repeat):
                outputs = [*outputs, self._cell(name, stage, outputs)]
            return outputs
        before = outputs[-1]
        for i in range(repeat):
            if "choices" in stage:
                before = self._run(self._choice(name, stage["choices"]), before)
            elif "branches" in stage:
                before = self._branches(self._subset(name, stage["branches"]), before)
            else:
                before = self._run([self._layer_of_stage(name, stage, i, repeat)], before)
        return [*outputs, before]

    # choices of a stage

    def _chosen(self, factor: str, value: Any) -> Any:
        """The value of a parameter of a stage: a list is a factor, $name a shared one."""
        if isinstance(value, str) and value.startswith("$"):
            return self.row[value[1:]]
        return self.row[factor] if isinstance(value, list) else value

    def _layer_of_stage(self, name: str, stage: Spec, number: int, repeat: int) -> dict[str, Any]:
        keys = ("op", "kernel", "stride", "dilation", "scale", "start", "step", "stride_at")
        layer = {key: self._chosen(f"{name}_{key}", stage[key]) for key in keys if key in stage}
        last = layer.pop("stride_at", "first") == "last"
        if "stride" in layer and number != (repeat - 1 if last else 0):
            layer["stride"] = 1
        return layer

    def _choice(self, name: str, choices: Sequence[Any]) -> list[Any]:
        names = _names(choices)
        return _layers(choices[names.index(self.row[f"{name}_choice"])])

    def _subset(self, name: str, branches: Any) -> list[Any]:
        if not isinstance(branches, Mapping):
            return list(branches)
        names = [str(n) for n in _names(branches["of"])]
        return [branches["of"][names.index(n)] for n in self.row[f"{name}_branches"].split("+")]

    # layers and branches

    def _run(self, layers: Sequence[Any], before: Map, stride: int = 1) -> Map:
        for layer in layers:
            before = self._layer(layer, before, stride)
            stride = 1
        return before

    def _layer(self, layer: Spec, before: Map, stride: int = 1) -> Map:
        value = {key: self._shared(v) for key, v in layer.items()}
        if "branches" in layer:
            return self._branches(layer["branches"], before)
        op = value.get("op", "conv")
        if op == "pointwise":
            return before
        if op == "space_to_depth":
            return window(before, value["scale"], value["scale"], 1)
        if op == "slice":
            return slice_of(before, value.get("start", 0), value.get("step", 1))
        own = value.get("stride", value["kernel"] if op.endswith("_pool") else 1)
        return window(before, value["kernel"], own * stride, value.get("dilation", 1))

    def _shared(self, value: Any) -> Any:
        return self.row[value[1:]] if isinstance(value, str) and value.startswith("$") else value

    def _branches(self, branches: Sequence[Any], before: Map) -> Map:
        return joined([self._run(_layers(branch), before) for branch in branches])

    # cells

    def _cell(self, stage: str, spec: Spec, outputs: list[Map]) -> Map:
        cell = dict(self.spec["cells"][spec["cell"]])
        prefix = stage if spec.get("own") else spec["cell"]
        if "like" in cell:
            cell = {**self.spec["cells"][cell["like"]], **cell}
        if isinstance(cell.get("nodes"), Mapping):
            return self._graph(self.row[f"{prefix}_graph"], outputs[-1])
        inputs = cell["inputs"]
        given = outputs[-len(inputs) :]
        given = [given[0]] * (len(inputs) - len(given)) + given
        if len(inputs) == 2 and len(outputs) == 2:  # the first cell after a stem: both inputs are the stem's map
            given = [outputs[-1]] * 2
        adapted = [self._adapted(m, max(g.jump for g in given), cell.get("adapt")) for m in given]
        maps: dict[str, Map] = dict(zip(inputs, adapted, strict=True))
        arriving: dict[str, list[Map]] = {}
        stride = cell.get("stride", 1)

        def edge(op: str, source: str) -> Map:
            return self._op(op, maps[source], stride if source in inputs else 1, cell.get("adapt"))

        if "edges" in cell:
            pending = [(e["from"], to, e["op"]) for e in cell["edges"] for to in _listed(e["to"])]
            for source, to, op in pending:  # written in an order in which every node is complete before it is read
                if source not in maps:
                    maps[source] = joined(arriving[source])
                chosen = self.row[f"{prefix}_{source}_{to}"] if isinstance(op, list) else op
                arriving.setdefault(to, []).append(edge(chosen, source))
            maps |= {to: joined(found) for to, found in arriving.items() if to not in maps}
        for node in cell.get("nodes", ()):
            name, picked = node["name"], self.row[f"{prefix}_{node['name']}_inputs"].split("+")
            ops = [self.row[f"{prefix}_{name}_op{i}"] for i in range(1, len(picked) + 1)]
            met = joined([edge(op, source) for op, source in zip(ops, picked, strict=True)])
            maps[name] = met if self.every_path else without_parts(met)
        output = cell["output"]
        return joined([maps[n] for n in output["concat"]]) if isinstance(output, Mapping) else maps[output]

    def _graph(self, label: str, given: Map) -> Map:
        """A cell written as its graph: "conv3:0 pool3:01 out:12"."""
        maps = [given]
        for part in label.split():
            op, reads = part.split(":")
            before = joined([maps[int(i)] for i in reads])
            maps.append(before if op == "out" else self._run(_layers(self.spec["ops"][op]), before))
        return maps[-1]

    def _op(self, name: str, before: Map, stride: int, adapt: str | None) -> Map:
        layers = self.spec["ops"][name]
        if layers in ("none", None):
            return Map(frozenset(), before.jump * stride)
        layers = _layers(layers)
        if not layers and stride > 1:
            return self._adapted(before, before.jump * stride, adapt)
        if not stride > 1:
            return self._run(layers, before)
        first = {**layers[0], "stride": 1}
        return self._run([first, *layers[1:]], before, stride)

    def _adapted(self, before: Map, jump: int, how: str | None) -> Map:
        """A map brought to a larger jump."""
        ratio = jump // before.jump
        if ratio == 1:
            return before
        if how == "factorized_reduce":  # two 1×1 of that stride, the second one entry further on both axes
            return joined([slice_of(before, 0, ratio), slice_of(before, 1, ratio)])
        return window(before, ratio if how == "max_pool" else 1, ratio, 1)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _names(choices: Sequence[Any]) -> list[Any]:
    """Names of choices, or their numbers where not all have one."""
    names = [c.get("name") if isinstance(c, Mapping) else None for c in choices]
    return list(range(len(choices))) if None in names else names


def _layers(choice: Any) -> list[Any]:
    if isinstance(choice, list):
        return choice
    if "layers" in choice:
        return list(choice["layers"])
    return [] if set(choice) <= {"name"} else [choice]


# figures --------------------------------------------------------------------------------------------------------------


def figures(found: Map) -> Figures:
    """Figures of a union of squares."""
    paths = [p for p in found.paths if not any(p < q for q in found.paths)]
    rows = sorted(frozenset().union(*paths))
    if not rows:
        return Figures(0, 0, 0, 0, 0, found.jump, 0)
    gap = max((b - a - 1 for a, b in pairwise(rows)), default=0)
    here = [(p, p) for p in paths]
    after = [(p, frozenset(x + found.jump for x in p)) for p in paths]
    area = union_area(here)
    shared = area + union_area(after) - union_area(here + after)
    return Figures(area, rows[-1] - rows[0] + 1, len(rows), gap, shared, found.jump, len(paths))


def union_area(products: Sequence[tuple[Pixels, Pixels]]) -> int:
    """Points in a union of products: row by row, those rows at once that are in the same products."""
    kinds = Counter(
        tuple(i for i, (rows, _) in enumerate(products) if row in rows)
        for row in frozenset().union(*(rows for rows, _ in products))
    )
    return sum(n * len(frozenset().union(*(products[i][1] for i in which))) for which, n in kinds.items())


def points(found: Map) -> set[tuple[int, int]]:
    """The footprint itself: what `figures` counts."""
    return {point for path in found.paths for point in product(path, path)}


# DARTS by hulls -------------------------------------------------------------------------------------------------------

Hull = tuple[int, int] | None  # first and last row, in entries
Ops = Sequence[tuple[int, int]]

# max and avg 3×3, skip, separable 3×3 and 5×5 (each twice), dilated 3×3 and 5×5 of rate 2
NORMAL: Ops = [(-1, 1), (-1, 1), (0, 0), (-2, 2), (-4, 4), (-2, 2), (-4, 4)]
# the same of stride 2: the second of a pair steps over two entries, and the skip is the factorized reduction
REDUCTION: Ops = [(-1, 1), (-1, 1), (0, 1), (-3, 3), (-6, 6), (-2, 2), (-4, 4)]


def hull(*parts: Hull) -> Hull:
    known = [p for p in parts if p is not None]
    return (min(p[0] for p in known), max(p[1] for p in known)) if known else None


def grown(part: Hull, by: tuple[int, int], jump: int = 1) -> Hull:
    return None if part is None else (part[0] + jump * by[0], part[1] + jump * by[1])


def cell_hulls(nodes: int, reduction: bool) -> Counter[tuple[Hull, Hull]]:
    """How many cells have which hulls of the paths from each of their two inputs to their output, all nodes in one."""
    stride, outer = (2, REDUCTION) if reduction else (1, NORMAL)
    inner = Counter((stride * lo, stride * hi) for lo, hi in NORMAL)
    images: list[tuple[Hull, Hull]] = [((0, 0), None), (None, (0, 0))]
    begin: tuple[tuple[tuple[Hull, Hull], ...], tuple[Hull, Hull]] = ((), (None, None))
    level = Counter({begin: 1})
    for node in range(nodes):
        after: Counter[Any] = Counter()
        for (maps, out), n in level.items():
            grown_maps = [_choices(m, Counter(outer)) for m in images] + [_choices(m, inner) for m in maps]
            for a, b in combinations(grown_maps, 2):
                for (x, many), (y, times) in product(a.items(), b.items()):
                    new = hull(x[0], y[0]), hull(x[1], y[1])
                    whole = hull(out[0], new[0]), hull(out[1], new[1])
                    kept = () if node == nodes - 1 else tuple(sorted([*maps, new], key=str))
                    after[kept, whole] += n * many * times
        level = after
    result: Counter[tuple[Hull, Hull]] = Counter()
    for (_, out), n in level.items():
        result[out] += n
    return result


def _choices(found: tuple[Hull, Hull], ops: Counter[tuple[int, int]]) -> Counter[tuple[Hull, Hull]]:
    out: Counter[tuple[Hull, Hull]] = Counter()
    for by, n in ops.items():
        out[grown(found[0], by), grown(found[1], by)] += n
    return out


def darts_extents(cells: int, nodes: int = 4) -> Counter[int]:
    """How many DARTS networks, a normal and a reduction cell each, have which extent; a 3×3 stem, no auxiliary head."""
    normal, reduction = cell_hulls(nodes, False), cell_hulls(nodes, True)
    reducing = {cells // 3, 2 * cells // 3}
    out: Counter[int] = Counter()
    for a, n in normal.items():
        for b, m in reduction.items():
            before: tuple[Hull, int] = (-1, 1), 1
            last = before
            for i in range(cells):
                jump = last[1]
                first = before[0] if before[1] == jump else grown(before[0], (0, 1), before[1])
                effect = b if i in reducing else a
                parts = [
                    grown(part, by, jump) for part, by in zip((first, last[0]), effect, strict=True) if by is not None
                ]
                before, last = last, (hull(*parts), jump * (2 if i in reducing else 1))
            low, high = last[0] or (0, -1)
            out[high - low + 1] += n * m
    return out
