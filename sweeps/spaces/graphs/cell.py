"""Cells: small graphs of named nodes with an op on each edge, used by several stages. docs/spaces.md has the format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.engine.network.spec import listed, whole
from rfscale.sweeps.spaces.graphs.branches import branch_layers
from rfscale.sweeps.spaces.graphs.wiring import Block, Part, Wirer, flat_blocks

ADAPTS = ("factorized_reduce", "pointwise", "max_pool")
CELL_KEYS = ("inputs", "edges", "nodes", "output", "adapt", "stride", "aligned", "like")
NETWORK_SPACE = "write the networks as a function and use rf.NetworkSpace(function, factors)"

Op = tuple[Block, ...] | None  # layers one after another; None: no path


@dataclass(frozen=True)
class Edge:
    """An op between two nodes: its name, or those that it may have and the end of its factor's name."""

    source: str
    to: str
    ops: tuple[str, ...]
    factor: str | None


@dataclass(frozen=True)
class Pick:
    """A node that reads some of the earlier ones, in order, with an op on each; `chosen` where ops are a choice."""

    name: str
    subsets: tuple[tuple[str, ...], ...]
    ops: tuple[str, ...]
    chosen: bool


@dataclass(frozen=True)
class Cell:
    """A cell, read: its graph, and what of it is chosen.

    Attributes
    ----------
    name, source : str
        Its own name, and that of its one input.
    order : tuple of str
        The nodes, each after those that it reads.
    edges, picks : tuples
    output : tuple of str
        One node, or those that are concatenated.
    ops : mapping of str to op
    stride : int
        On the edges from the input.
    adapt : str
        What the identity is where it has a stride.
    aligned : bool
    """

    name: str
    source: str
    order: tuple[str, ...]
    edges: tuple[Edge, ...]
    picks: tuple[Pick, ...]
    output: tuple[str, ...]
    concat: bool
    ops: Mapping[str, Op]
    stride: int
    adapt: str | None
    aligned: bool

    def factors(self, prefix: str) -> list[tuple[str, tuple[str, ...]]]:
        """Return the names and the labels of what is chosen in a cell whose factors begin with `prefix`."""
        out = [(f"{prefix}_{e.factor}", e.ops) for e in self.edges if e.factor]
        for pick in self.picks:
            out.append((f"{prefix}_{pick.name}_inputs", tuple("+".join(s) for s in pick.subsets)))
            for i in range(1, len(pick.subsets[0]) + 1):
                if pick.chosen:
                    out.append((f"{prefix}_{pick.name}_op{i}", pick.ops))
        return out

    def wire(self, wirer: Wirer, at: int | None, prefix: str, chosen: Mapping[str, Any]) -> int | None:
        """Wire the cell onto node `at`; return the node of its output, None where no path leads there."""
        ends: dict[str, int | None] = {self.source: at}
        arriving: dict[str, list[int]] = {}
        picks = {pick.name: pick for pick in self.picks}

        def follow(source: str, op: str, to: str) -> None:
            start = ends[source]
            end = None if start is None else self.op(wirer, op, start, self.stride if source == self.source else 1)
            if end is not None:
                arriving.setdefault(to, []).append(end)

        for name in self.order:
            if name in picks:
                pick = picks[name]
                for i, source in enumerate(chosen[f"{prefix}_{name}_inputs"].split("+"), start=1):
                    follow(source, chosen.get(f"{prefix}_{name}_op{i}", pick.ops[0]), name)
            if name != self.source:
                ends[name] = wirer.merged(arriving.get(name, []), "add", self.aligned)
            for edge in self.edges:
                if edge.source == name:
                    follow(name, chosen[f"{prefix}_{edge.factor}"] if edge.factor else edge.ops[0], edge.to)
        return wirer.merged([ends[name] for name in self.output], "concat" if self.concat else "add", self.aligned)

    def op(self, wirer: Wirer, name: str, at: int, stride: int) -> int | None:
        """Wire an op of some stride onto a node; None where it is no path."""
        blocks = self.ops[name]
        if blocks is None:
            return None
        if stride == 1:
            return wirer.series(blocks, at)
        if blocks:
            return wirer.series(_strided(blocks, stride), at)
        if self.adapt == "factorized_reduce":  # two 1×1 of that stride, the second one entry further on every axis
            halves = [wirer.series([{"op": "slice", "start": i, "step": stride}], at) for i in (0, 1)]
            return wirer.merged(halves, "concat", aligned=False)
        kernel = stride if self.adapt == "max_pool" else 1
        return wirer.series([{"op": "max_pool" if kernel > 1 else "conv", "kernel": kernel, "stride": stride}], at)


def _strided(blocks: Sequence[Block], stride: int) -> list[Block]:
    """The layers of an op, the first with another stride."""
    first = blocks[0]
    assert isinstance(first, Mapping)
    own = first.get("stride", 1)
    return [{**first, "stride": own * stride}, *blocks[1:]]


# reading
# ---------------------------------------------------------------------------------------------------------------


def read_ops(given: object, block: Callable[[object, str], Block]) -> dict[str, Op]:
    """Return the named ops of a space."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not given:
        raise InputError(f"ops is {shown(given)}; it must be a mapping such as {{none: none, conv3: {{kernel: 3}}}}")
    out: dict[str, Op] = {}
    for name, entry in given.items():
        if not isinstance(name, str) or "+" in name or not name.strip():
            raise InputError(f"name of an op is {shown(name)}; it must be text without +, such as 'conv3'")
        if entry is None or entry == "none":
            out[name] = None
            continue
        layers, _ = branch_layers(entry, f"op {name!r}")
        out[name] = tuple(block(layer, f"op {name!r}") for layer in layers)
    return out


def read_cells(given: object, ops: Mapping[str, Op]) -> dict[str, Cell]:
    """Return the cells of a space."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not given:
        raise InputError(f"cells is {shown(given)}; it must be a mapping of names to cells (docs/spaces.md)")
    out: dict[str, Cell] = {}
    for name, entry in given.items():
        if isinstance(entry, Mapping) and "like" in entry:
            if entry["like"] not in given or "like" in (given[entry["like"]] or ()):
                others = [n for n in given if n != name]
                raise InputError(f"cell {name!r} is like {shown(entry['like'])}; {nearest(entry['like'], others)}")
            entry = {**given[entry["like"]], **entry}
        out[name] = _CellReader(name, entry, ops).read()
    return out


class _CellReader:
    """Reads one cell."""

    def __init__(self, name: str, given: object, ops: Mapping[str, Op]) -> None:
        self.what, self.name, self.ops = f"cell {name!r}", name, ops
        if not isinstance(given, Mapping):
            raise InputError(f"{self.what} is {shown(given)}; it must be a mapping with edges or nodes")
        for key in given:
            if key not in CELL_KEYS:
                raise InputError(f"{self.what} has an unknown key {shown(key)}; {nearest(key, CELL_KEYS)}")
        self.given = given

    def read(self) -> Cell:
        given, what = self.given, self.what
        inputs = listed(given.get("inputs", ["x"])) or []
        if len(inputs) != 1 or not isinstance(inputs[0], str):
            raise InputError(
                f"{what} has inputs {shown(given.get('inputs'))}; a cell has one input, such as inputs: [x]",
                remedy=NETWORK_SPACE,
            )
        stride, aligned = whole(given.get("stride", 1), f"stride of {what}"), given.get("aligned")
        adapt = given.get("adapt")
        if adapt is not None and adapt not in ADAPTS:
            raise InputError(f"adapt of {what} is {shown(adapt)}; {nearest(adapt, ADAPTS)}")
        if aligned is not None and not isinstance(aligned, bool):
            raise InputError(f"aligned of {what} is {shown(aligned)}; it must be true or false")
        edges, picks = self._edges(inputs[0]), self._picks(inputs[0])
        if not edges and not picks:
            raise InputError(f"{what} has no edges and no nodes; give edges: [{{from: x, to: out, op: [a, b]}}]")
        if edges and picks:
            raise InputError(f"{what} has both edges and nodes; give one of them")
        order = self._order(inputs[0], edges, picks)
        output, concat = self._output(order)
        if aligned is None:
            aligned = adapt != "factorized_reduce"
        return Cell(self.name, inputs[0], order, edges, picks, output, concat, self.ops, stride, adapt, aligned)

    def _op_names(self, value: object, where: str) -> tuple[str, ...]:
        names = listed(value) if listed(value) is not None else [value]
        if not names:
            raise InputError(f"op of {where} is {shown(value)}; give at least one op")
        for name in names:
            if name not in self.ops:
                raise InputError(f"op of {where} is {shown(name)}; {nearest(name, self.ops)}")
        return tuple(names)

    def _edges(self, source: str) -> tuple[Edge, ...]:
        out: list[Edge] = []
        for i, entry in enumerate(listed(self.given.get("edges", [])) or []):
            where = f"edge {i} of {self.what}"
            if not isinstance(entry, Mapping) or set(entry) != {"from", "to", "op"}:
                raise InputError(f"{where} is {shown(entry)}; it must be such as {{from: x, to: a, op: [b, c]}}")
            ops = self._op_names(entry["op"], where)
            if len(set(ops)) < len(ops):
                raise InputError(f"op of {where} is {shown(entry['op'])}; an op may stand once")
            chosen = listed(entry["op"]) is not None
            for to in listed(entry["to"]) or [entry["to"]]:
                for node in (entry["from"], to):
                    if not isinstance(node, str) or not node.isidentifier():
                        raise InputError(f"a node of {where} is {shown(node)}; it must be a word such as 'a'")
                if to == source:
                    raise InputError(f"{where} leads to the input {source!r}; that comes from the stage before")
                out.append(Edge(entry["from"], to, ops, f"{entry['from']}_{to}" if chosen else None))
        names = [(e.source, e.to) for e in out]
        for pair in names:
            if names.count(pair) > 1:
                raise InputError(f"{self.what} has two edges from {pair[0]!r} to {pair[1]!r}; there may be one")
        return tuple(out)

    def _picks(self, source: str) -> tuple[Pick, ...]:
        out: list[Pick] = []
        known = [source]
        for i, entry in enumerate(listed(self.given.get("nodes", [])) or []):
            where = f"node {i} of {self.what}"
            if not isinstance(entry, Mapping) or not {"name", "of", "op"} <= set(entry) <= {"name", "of", "op", "pick"}:
                raise InputError(f"{where} is {shown(entry)}; it must have name, pick, of and op")
            if entry["of"] == "any" or "pick" not in entry:
                raise InputError(f"{where} has no pick; a node picks a number of the others", remedy=NETWORK_SPACE)
            of = listed(entry["of"]) or [entry["of"]]
            for node in of:
                if node not in known:
                    raise InputError(f"of of {where} has {shown(node)}; {nearest(node, known)}")
            pick = whole(entry["pick"], f"pick of {where}", 1, len(of))
            if not isinstance(entry["name"], str) or not entry["name"].isidentifier() or entry["name"] in known:
                raise InputError(f"name of {where} is {shown(entry['name'])}; it must be a word that no other node has")
            names = self._op_names(entry["op"], where)
            chosen = listed(entry["op"]) is not None
            out.append(Pick(entry["name"], tuple(combinations(of, pick)), names, chosen))
            known.append(entry["name"])
        return tuple(out)

    def _order(self, source: str, edges: Sequence[Edge], picks: Sequence[Pick]) -> tuple[str, ...]:
        """The nodes, each after those that it reads."""
        if picks:
            return (source, *(pick.name for pick in picks))
        order, left = [source], list(dict.fromkeys(n for e in edges for n in (e.source, e.to) if n != source))
        for node in left:
            if not any(e.to == node for e in edges):
                raise InputError(f"{self.what}: no edge leads to node {node!r}; add one, or take from {source!r}")
        while left:
            ready = [n for n in left if all(e.source in order for e in edges if e.to == n)]
            if not ready:
                raise InputError(f"{self.what} has a cycle among the nodes {', '.join(left)}; edges must lead onwards")
            order.append(ready[0])
            left.remove(ready[0])
        return tuple(order)

    def _output(self, order: Sequence[str]) -> tuple[tuple[str, ...], bool]:
        value = self.given.get("output", order[-1])
        concat = isinstance(value, Mapping) and set(value) == {"concat"}
        names = listed(value["concat"]) if isinstance(value, Mapping) and concat else [value]
        for name in names or [value]:
            if name not in order:
                raise InputError(f"output of {self.what} has {shown(name)}; {nearest(name, order)}")
        return tuple(names or ()), concat


@dataclass(frozen=True)
class CellUse(Part):
    """A cell in a stage, and how its factors begin: with its own name, or with that of the stage."""

    cell: Cell
    prefix: str

    def wire(self, wirer: Wirer, at: int | None) -> int | None:
        """Wire the cell with the ops that are chosen."""
        return self.cell.wire(wirer, at, self.prefix, wirer.chosen)

    def layers(self) -> list[Mapping[str, Any]]:
        """Return the parameters of the layers of all ops that the cell may have."""
        cell = self.cell
        parts: list[Edge | Pick] = [*cell.edges, *cell.picks]
        names = {name for part in parts for name in part.ops}
        return [layer for name in names for layer in flat_blocks(cell.ops[name] or ())]
