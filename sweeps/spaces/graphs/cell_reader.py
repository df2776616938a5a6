"""Reads the ops and cells of a space, and says in one line what is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.engine.network.spec import listed, whole
from rfscale.sweeps.spaces.graphs.any_graphs import MAX_NODES, AnyGraphs, any_graphs
from rfscale.sweeps.spaces.graphs.branches import branch_layers
from rfscale.sweeps.spaces.graphs.cell import AnyCell, Cell, Edge, Op, Pick
from rfscale.sweeps.spaces.graphs.wiring import Block, flat_blocks
from rfscale.sweeps.spaces.stages import check_value

ADAPTS = ("factorized_reduce", "pointwise", "max_pool")
CELL_KEYS = ("inputs", "edges", "nodes", "output", "adapt", "stride", "aligned", "like", "project", "bias")


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


def read_cells(given: object, ops: Mapping[str, Op], ndim: int) -> dict[str, Cell | AnyCell]:
    """Return the cells of a space of so many axes."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not given:
        raise InputError(f"cells is {shown(given)}; it must be a mapping of names to cells (docs/spaces.md)")
    out: dict[str, Cell | AnyCell] = {}
    for name, entry in given.items():
        if isinstance(entry, Mapping) and "like" in entry:
            if entry["like"] not in given or "like" in (given[entry["like"]] or ()):
                others = [n for n in given if n != name]
                raise InputError(f"cell {name!r} is like {shown(entry['like'])}; {nearest(entry['like'], others)}")
            entry = {**given[entry["like"]], **entry}
        out[name] = _CellReader(name, entry, ops, ndim).read()
    return out


class _CellReader:
    """Reads one cell."""

    def __init__(self, name: str, given: object, ops: Mapping[str, Op], ndim: int) -> None:
        self.what, self.name, self.ops, self.ndim = f"cell {name!r}", name, ops, ndim
        if not isinstance(given, Mapping):
            raise InputError(f"{self.what} is {shown(given)}; it must be a mapping with edges or nodes")
        for key in given:
            if key not in CELL_KEYS:
                raise InputError(f"{self.what} has an unknown key {shown(key)}; {nearest(key, CELL_KEYS)}")
        self.given = given

    def read(self) -> Cell | AnyCell:
        given, what = self.given, self.what
        inputs = tuple(listed(given.get("inputs", ["x"])) or [])
        if not 1 <= len(set(inputs)) == len(inputs) <= 2 or not all(isinstance(i, str) for i in inputs):
            raise InputError(
                f"{what} has inputs {shown(given.get('inputs'))}; a cell has one input, such as [x], or two: the map "
                "before the last one, and the last, such as [c0, c1]"
            )
        stride: Any = check_value("stride", given.get("stride", 1), f"stride of {what}", self.ndim)
        aligned = given.get("aligned")
        adapt = given.get("adapt")
        if adapt is not None and adapt not in ADAPTS:
            raise InputError(f"adapt of {what} is {shown(adapt)}; {nearest(adapt, ADAPTS)}")
        if aligned is not None and not isinstance(aligned, bool):
            raise InputError(f"aligned of {what} is {shown(aligned)}; it must be true or false")
        for key in ("project", "bias"):
            if given.get(key) is not None and not isinstance(given[key], bool):
                raise InputError(f"{key} of {what} is {shown(given[key])}; it must be true or false")
        if isinstance(given.get("nodes"), Mapping):
            return self._any(inputs, aligned is not False)
        edges, picks = self._edges(inputs), self._picks(inputs)
        if not edges and not picks:
            raise InputError(f"{what} has no edges and no nodes; give edges: [{{from: x, to: out, op: [a, b]}}]")
        if edges and picks:
            raise InputError(f"{what} has both edges and nodes; give one of them")
        order = self._order(inputs, edges, picks)
        output, concat = self._output(order)
        if aligned is None:
            aligned = adapt != "factorized_reduce"
        if len(inputs) == 2:
            self._refuse_strides(edges, picks)
        own = given.get("project") or False, given.get("bias") is not False
        return Cell(self.name, inputs, order, edges, picks, output, concat, self.ops, stride, adapt, aligned, *own)

    def _refuse_strides(self, edges: Sequence[Edge], picks: Sequence[Pick]) -> None:
        """Of two inputs, one passes through what its smaller jump needs: the strides of cells are fixed."""
        parts: list[Edge | Pick] = [*edges, *picks]
        for name in dict.fromkeys(name for part in parts for name in part.ops):
            for layer in flat_blocks(self.ops[name] or ()):
                pool = str(layer.get("op", "conv")).endswith("_pool") and "stride" not in layer
                step = layer.get("stride", layer.get("step", layer.get("scale", layer.get("kernel") if pool else 1)))
                if step != 1:
                    raise InputError(
                        f"op {name!r} of {self.what} has stride {shown(step)}; in a cell of two inputs the cell has it",
                        remedy="give the layer stride: 1, and the cell its stride",
                    )

    def _any(self, inputs: tuple[str, ...], aligned: bool) -> AnyCell:
        """A cell whose nodes are a mapping: all graphs."""
        given, what, nodes = self.given, self.what, self.given["nodes"]
        if set(nodes) != {"most", "of", "op"} or nodes["of"] != "any":
            raise InputError(f"nodes of {what} is {shown(nodes)}; it must be such as {{most: 5, of: any, op: [a, b]}}")
        if len(inputs) != 1:
            raise InputError(f"{what} has two inputs, and nodes that read any others; such a cell has one input")
        for key in ("stride", "adapt"):
            if given.get(key) not in (None, 1):
                raise InputError(
                    f"{what} has {key!r}, and nodes that read any others; give a stage of its own a stride"
                )
        for key in ("project", "bias"):
            if given.get(key) is not None:
                raise InputError(f"{what} has {key!r}, and nodes that read any others; leave it out")
        most, names = whole(nodes["most"], f"most of nodes of {what}", 0, MAX_NODES), self._op_names(nodes["op"], what)
        for name in names:
            if self.ops[name] is None:
                raise InputError(f"op of nodes of {what} has {name!r}, which is no path; leave it out")
        edges = given.get("edges", {"most": (most + 1) * (most + 2) // 2})
        if not isinstance(edges, Mapping) or set(edges) != {"most"}:
            raise InputError(f"edges of {what} is {shown(edges)}; beside nodes of any others it is such as {{most: 9}}")
        bound = whole(edges["most"], f"most of edges of {what}", 1)
        if given.get("output", "concat") not in ("concat", "add"):
            raise InputError(f"output of {what} is {shown(given['output'])}; beside nodes of any others: concat or add")
        try:
            graphs: AnyGraphs = any_graphs(most, bound, names)
        except InputError as error:
            raise error.within(what) from None
        return AnyCell(self.name, inputs, graphs, names, self.ops, given.get("output") != "add", aligned)

    def _op_names(self, value: object, where: str) -> tuple[str, ...]:
        names = listed(value) if listed(value) is not None else [value]
        if not names:
            raise InputError(f"op of {where} is {shown(value)}; give at least one op")
        for name in names:
            if name not in self.ops:
                raise InputError(f"op of {where} is {shown(name)}; {nearest(name, self.ops)}")
        if len(set(names)) < len(names):
            raise InputError(f"op of {where} is {shown(value)}; an op may stand once")
        return tuple(names)

    def _edges(self, inputs: tuple[str, ...]) -> tuple[Edge, ...]:
        out: list[Edge] = []
        for i, entry in enumerate(listed(self.given.get("edges", [])) or []):
            where = f"edge {i} of {self.what}"
            if not isinstance(entry, Mapping) or set(entry) != {"from", "to", "op"}:
                raise InputError(f"{where} is {shown(entry)}; it must be such as {{from: x, to: a, op: [b, c]}}")
            ops = self._op_names(entry["op"], where)
            chosen = listed(entry["op"]) is not None
            for to in listed(entry["to"]) or [entry["to"]]:
                for node in (entry["from"], to):
                    if not isinstance(node, str) or not node.isidentifier():
                        raise InputError(f"a node of {where} is {shown(node)}; it must be a word such as 'a'")
                if to in inputs:
                    raise InputError(f"{where} leads to the input {to!r}; that comes from the stage before")
                out.append(Edge(entry["from"], to, ops, f"{entry['from']}_{to}" if chosen else None))
        names = [(e.source, e.to) for e in out]
        for pair in names:
            if names.count(pair) > 1:
                raise InputError(f"{self.what} has two edges from {pair[0]!r} to {pair[1]!r}; there may be one")
        return tuple(out)

    def _picks(self, inputs: tuple[str, ...]) -> tuple[Pick, ...]:
        out: list[Pick] = []
        known = [*inputs]
        for i, entry in enumerate(listed(self.given.get("nodes", [])) or []):
            where = f"node {i} of {self.what}"
            if not isinstance(entry, Mapping) or not {"name", "of", "op"} <= set(entry) <= {"name", "of", "op", "pick"}:
                raise InputError(f"{where} is {shown(entry)}; it must have name, pick, of and op")
            if entry["of"] == "any" or "pick" not in entry:
                raise InputError(
                    f"{where} has no pick; give pick: 2 and of, or for all graphs nodes: {{most: 5, of: any, op: [a]}}"
                )
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

    def _order(self, inputs: tuple[str, ...], edges: Sequence[Edge], picks: Sequence[Pick]) -> tuple[str, ...]:
        """The nodes, each after those that it reads."""
        if picks:
            return (*inputs, *(pick.name for pick in picks))
        order = list(inputs)
        left = list(dict.fromkeys(n for e in edges for n in (e.source, e.to) if n not in inputs))
        for node in left:
            if not any(e.to == node for e in edges):
                raise InputError(f"{self.what}: no edge leads to node {node!r}; add one, or take from {inputs[-1]!r}")
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
