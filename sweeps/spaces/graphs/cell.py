"""Cells: small graphs of named nodes with an op on each edge, used by several stages. docs/spaces.md has the format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from rfscale.sweeps.spaces.graphs.any_graphs import AnyGraphs
from rfscale.sweeps.spaces.graphs.wiring import Block, Part, PerAxis, Wirer, flat_blocks, times

FOLDED_FROM = 1 << 20  # choices of cells, all together, above which they are known by their effects only

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
    name : str
    inputs : tuple of str
        The map that it reads; of two, the first is the map before that.
    order : tuple of str
        The nodes, each after those that it reads.
    edges, picks : tuples
    output : tuple of str
        One node, or those that are concatenated.
    ops : mapping of str to op
    stride : int, or tuple of int
        On the edges from the inputs; by axis where that differs.
    adapt : str
        What the identity is where it has a stride, and what an input of smaller jump passes through.
    aligned : bool
    project : bool
        Whether every input passes through a 1×1 convolution to the channels of the cell first.
    bias : bool
        Of the convolutions that are the cell's own: these, and those of `adapt`.
    """

    name: str
    inputs: tuple[str, ...]
    order: tuple[str, ...]
    edges: tuple[Edge, ...]
    picks: tuple[Pick, ...]
    output: tuple[str, ...]
    concat: bool
    ops: Mapping[str, Op]
    stride: PerAxis
    adapt: str | None
    aligned: bool
    project: bool = False
    bias: bool = True

    def factors(self, prefix: str) -> list[tuple[str, tuple[str, ...]]]:
        """Return the names and the labels of what is chosen in a cell whose factors begin with `prefix`."""
        out = [(f"{prefix}_{e.factor}", e.ops) for e in self.edges if e.factor]
        for pick in self.picks:
            out.append((f"{prefix}_{pick.name}_inputs", tuple("+".join(s) for s in pick.subsets)))
            for i in range(1, len(pick.subsets[0]) + 1):
                if pick.chosen:
                    out.append((f"{prefix}_{pick.name}_op{i}", pick.ops))
        return out

    def op_names(self) -> Iterable[str]:
        """Return the ops that it may have."""
        parts: list[Edge | Pick] = [*self.edges, *self.picks]
        return dict.fromkeys(name for part in parts for name in part.ops)

    def wire(self, wirer: Wirer, at: int | None, prefix: str, chosen: Mapping[str, Any]) -> int | None:
        """Wire the cell onto node `at`; return the node of its output, None where no path leads there."""
        ends: dict[str, int | None] = {self.inputs[-1]: self.prepared(wirer, at, 1)}
        if len(self.inputs) == 2:
            earlier: tuple[int | None, PerAxis] = (at, 1) if wirer.maps < 2 else (wirer.earlier, wirer.ratio)
            ends[self.inputs[0]] = self.prepared(wirer, *earlier)
        arriving: dict[str, list[int]] = {}
        picks = {pick.name: pick for pick in self.picks}

        def follow(source: str, op: str, to: str) -> None:
            start = ends[source]
            end = None if start is None else self.op(wirer, op, start, self.stride if source in self.inputs else 1)
            if end is not None:
                arriving.setdefault(to, []).append(end)

        for name in self.order:
            if name in picks:
                pick = picks[name]
                for i, source in enumerate(chosen[f"{prefix}_{name}_inputs"].split("+"), start=1):
                    follow(source, chosen.get(f"{prefix}_{name}_op{i}", pick.ops[0]), name)
            if name not in self.inputs:
                ends[name] = wirer.merged(arriving.get(name, []), "add", self.aligned)
            for edge in self.edges:
                if edge.source == name:
                    follow(name, chosen[f"{prefix}_{edge.factor}"] if edge.factor else edge.ops[0], edge.to)
        return wirer.merged([ends[name] for name in self.output], "concat" if self.concat else "add", self.aligned)

    def prepared(self, wirer: Wirer, at: int | None, ratio: PerAxis) -> int | None:
        """Wire what an input passes through first: an earlier map has a jump of 1/`ratio` of that of the last one."""
        if at is None:
            return None
        ahead = int(self.stride != 1)
        if ratio != 1:
            at = self._identity(wirer, at, ratio, ahead)
        if self.project and (ratio == 1 or self.adapt == "max_pool"):
            at = wirer.series([{"kernel": 1, "bias": self.bias, "ahead": ahead}], at)
        return at

    def op(self, wirer: Wirer, name: str, at: int, stride: PerAxis) -> int | None:
        """Wire an op of some stride onto a node; None where it is no path."""
        blocks = self.ops[name]
        if blocks is None:
            return None
        if stride == 1:
            return wirer.series(blocks, at)
        if blocks:
            return wirer.series(_strided(blocks, stride), at)
        return self._identity(wirer, at, stride)

    def _identity(self, wirer: Wirer, at: int, stride: PerAxis, ahead: int = 0) -> int | None:
        """Wire the identity of some stride."""
        own = {"op": "conv", "kernel": 1, "bias": self.bias, "ahead": ahead}
        if self.adapt == "factorized_reduce":  # two 1×1 of that stride, one entry apart on axes that skip some
            further = tuple(int(s > 1) for s in stride) if isinstance(stride, tuple) else 1
            entries = [{"op": "slice", "start": start, "step": stride} for start in (0, further)]
            halves = [wirer.series([entries[i], {**own, "share": (2, i)}], at) for i in (0, 1)]
            return wirer.merged(halves, "concat", aligned=False)
        pool = {"op": "max_pool", "kernel": stride, "stride": stride}
        return wirer.series([pool if self.adapt == "max_pool" else {**own, "stride": stride}], at)


def _strided(blocks: Sequence[Block], stride: PerAxis) -> list[Block]:
    """The layers of an op, the first with another stride."""
    first = blocks[0]
    assert isinstance(first, Mapping)
    return [{**first, "stride": times(first.get("stride", 1), stride)}, *blocks[1:]]


@dataclass(frozen=True)
class AnyCell:
    """A cell whose graph is chosen: any nodes, each with an op on the sum of any nodes before it.

    Attributes
    ----------
    name : str
    inputs : tuple of str
        The map that it reads.
    graphs : AnyGraphs
    names : tuple of str
        The ops of a node, in the order of `graphs.ops`.
    ops : mapping of str to op
    concat : bool
        Whether the nodes that the output reads are concatenated rather than added.
    aligned : bool
    """

    name: str
    inputs: tuple[str, ...]
    graphs: AnyGraphs = field(repr=False)
    names: tuple[str, ...]
    ops: Mapping[str, Op]
    concat: bool
    aligned: bool
    stride: PerAxis = 1

    def factors(self, prefix: str) -> list[tuple[str, tuple[str, ...]]]:
        """Return the name and the labels of the graph of a cell whose factors begin with `prefix`."""
        return [(f"{prefix}_graph", self.graphs.labels)]

    def op_names(self) -> Iterable[str]:
        """Return the ops that it may have."""
        return self.names

    def op(self, wirer: Wirer, name: str, at: int, stride: PerAxis) -> int | None:
        """Wire an op onto a node."""
        return wirer.series(self.ops[name] or (), at)

    def wire(self, wirer: Wirer, at: int | None, prefix: str, chosen: Mapping[str, Any]) -> int | None:
        """Wire the cell onto node `at`; return the node of its output, None where no path leads there."""
        ends = [at]
        *nodes, out = (part.rpartition(":") for part in chosen[f"{prefix}_graph"].split())
        for op, _, reads in nodes:
            end = wirer.merged([ends[int(i)] for i in reads], "add", self.aligned)
            ends.append(None if end is None else self.op(wirer, op, end, 1))
        reads = [int(i) for i in out[2]]
        if not self.concat:
            return wirer.merged([ends[i] for i in reads], "add", self.aligned)
        joined = wirer.merged([ends[i] for i in reads if i], "concat", self.aligned)
        return wirer.merged([joined, *([ends[0]] if 0 in reads else [])], "add", self.aligned)


@dataclass(frozen=True)
class CellUse(Part):
    """A cell in a stage, and how its factors begin: with its own name, or with that of the stage."""

    cell: Cell | AnyCell
    prefix: str
    crowded: bool = False  # with other cells of its space it has too many choices

    def wire(self, wirer: Wirer, at: int | None) -> int | None:
        """Wire the cell with the ops that are chosen."""
        end = self.cell.wire(wirer, at, self.prefix, wirer.chosen)
        wirer.earlier, wirer.ratio, wirer.maps = at, self.cell.stride, min(2, wirer.maps + 1)
        return end

    def layers(self) -> list[Mapping[str, Any]]:
        """Return the parameters of the layers of all ops that the cell may have."""
        return [layer for name in self.cell.op_names() for layer in flat_blocks(self.cell.ops[name] or ())]

    @property
    def factors(self) -> list[tuple[str, tuple[str, ...]]]:
        """Names and labels of what is chosen."""
        return self.cell.factors(self.prefix)

    @property
    def size(self) -> int:
        """Number of its choices."""
        return prod(len(labels) for _, labels in self.factors)

    @property
    def folded(self) -> bool:
        """Whether it has too many choices for tables, so that only its different effects are told apart."""
        return self.crowded or self.size > FOLDED_FROM
