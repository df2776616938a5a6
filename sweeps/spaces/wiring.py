"""How the layers of a stage hang together: nodes in order, each on the outputs of nodes before it.

A chain is the graph of one path, in which each node reads the one before. Branches that meet add or concatenate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from rfscale.engine.errors import InputError
from rfscale.engine.network.spec import MAX_LAYERS

MERGES = ("add", "concat")


class ChainLayer(NamedTuple):
    """One layer of a chain, every value chosen: windows per axis, and what costs need."""

    op: str
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    start: tuple[int, ...]
    channels: int | None = None
    groups: int | str = 1
    bias: bool = True
    name: str | None = None


def first_tap(layer: ChainLayer, axis: int) -> int:
    """Return the first entry that a layer's entry 0 reads: paddings keep maps aligned."""
    if layer.op in ("space_to_depth", "slice"):
        return layer.start[axis]
    return -((layer.dilation[axis] * (layer.kernel[axis] - 1)) // 2)


def resolved_layer(block: Mapping[str, Any], pick: Any, strided: bool, ndim: int) -> ChainLayer:
    """Return one layer of a block, whose values `pick` gives; its `stride` applies only if `strided`."""
    op = pick(block, "op", "conv")

    def per_axis(key: str, default: Any = 1) -> tuple[int, ...]:
        value = pick(block, key, default)
        return value if isinstance(value, tuple) else (value,) * ndim

    one, zero = (1,) * ndim, (0,) * ndim
    name = block.get("name")
    label = name if isinstance(name, str) else None
    if op == "space_to_depth":
        return ChainLayer(op, per_axis("scale"), per_axis("scale"), one, zero, name=label)
    if op == "slice":
        return ChainLayer(op, one, per_axis("step"), one, per_axis("start", 0), name=label)
    if op == "pointwise":
        return ChainLayer(op, one, one, one, zero, name=label)
    kernel = per_axis("kernel")
    stride = per_axis("stride") if strided else one
    if op != "conv" and "stride" not in block:
        stride = kernel  # a pool's own default, in every repetition
    if op != "conv":
        return ChainLayer(op, kernel, stride, per_axis("dilation"), zero, name=label)
    channels = pick(block, "channels", 0) or None
    groups, bias = pick(block, "groups", 1), pick(block, "bias", True)
    return ChainLayer(op, kernel, stride, per_axis("dilation"), zero, channels, groups, bias, label)


class Node(NamedTuple):
    """A layer, or "add" or "concat", and the nodes whose outputs it reads: 0 is what the stage reads, i node i - 1.

    `aligned` demands of a merge that what it reads is centred alike.
    """

    layer: ChainLayer | str
    inputs: tuple[int, ...]
    aligned: bool = True


Wiring = tuple[Node, ...]  # the last node is the stage's output; without any, it is what the stage reads


def chain_wiring(layers: Sequence[ChainLayer]) -> Wiring:
    """Return layers one after another as nodes."""
    return tuple(Node(layer, (i,)) for i, layer in enumerate(layers))


@dataclass(frozen=True)
class Parallel:
    """Branches side by side, each a sequence of blocks, and how they meet.

    `subsets` are the branches of each choice, by position; `factor` chooses one, where there is more than one.
    `aligned` demands that all branches are centred alike.
    """

    branches: tuple[tuple[Any, ...], ...]
    merge: str
    subsets: tuple[tuple[int, ...], ...]
    factor: str | None = None
    aligned: bool = True


Block = Mapping[str, Any] | Parallel


def flat_blocks(blocks: Iterable[Block]) -> list[Mapping[str, Any]]:
    """Return the parameters of all layers of blocks, those of branches too."""
    out: list[Mapping[str, Any]] = []
    for block in blocks:
        if isinstance(block, Parallel):
            out += [layer for branch in block.branches for layer in flat_blocks(branch)]
        else:
            out.append(block)
    return out


def branches_in(blocks: Iterable[Block]) -> list[Parallel]:
    """Return the branches among blocks, those within branches too."""
    found = [block for block in blocks if isinstance(block, Parallel)]
    return [*found, *(p for one in found for branch in one.branches for p in branches_in(branch))]


class Wirer:
    """Wires the blocks of one stage, with every value chosen.

    `layers` gives the layers of a block that is no branch, in order; `subset` the branches that a choice takes.
    """

    def __init__(
        self,
        stage: str,
        layers: Callable[[Mapping[str, Any]], Sequence[ChainLayer]],
        subset: Callable[[Parallel], tuple[int, ...]],
    ) -> None:
        self.stage, self.layers, self.subset = stage, layers, subset
        self.nodes: list[Node] = []

    def add(self, layer: ChainLayer | str, inputs: tuple[int, ...], aligned: bool = True) -> int:
        """Add a node; return its number."""
        if len(self.nodes) == MAX_LAYERS:
            raise InputError(f"stage {self.stage!r} has more than {MAX_LAYERS} layers; that is the most supported")
        self.nodes.append(Node(layer, inputs, aligned))
        return len(self.nodes)

    def series(self, blocks: Iterable[Block], at: int) -> int:
        """Wire blocks one after another from node `at` on; return the last node."""
        for block in blocks:
            if isinstance(block, Parallel):
                ends = tuple(self.series(block.branches[i], at) for i in self.subset(block))
                at = ends[0] if len(ends) == 1 else self.add(block.merge, ends, block.aligned)
            else:
                for layer in self.layers(block):
                    at = self.add(layer, (at,))
        return at
