"""How the layers of a stage hang together: nodes in order, each on the outputs of nodes before it.

A chain is the graph of one path, in which each node reads the one before. Branches that meet add or concatenate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any, NamedTuple

from rfscale.engine.errors import InputError
from rfscale.engine.network.spec import MAX_LAYERS

MERGES = ("add", "concat")
UPSAMPLING = ("upsample", "conv_transpose")  # their stride is the entries that they make of each
UNCENTRED = ("space_to_depth", "slice")  # what they read begins at their start
MODES = ("nearest", "bilinear")
_FROM = "from "
PerAxis = int | tuple[int, ...]  # a number for each axis; one where all are equal


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
    mode: str | None = None  # of upsampling
    ahead: int = 0  # strides of its cell that come after it: channels grow before
    share: tuple[int, int] = (1, 0)  # (n, i): part i of n of the channels that its stage has


def on_axes(value: PerAxis, axes: int) -> tuple[int, ...]:
    """Return a value as a number for each of so many axes."""
    return value if isinstance(value, tuple) else (value,) * axes


def times(one: PerAxis, other: PerAxis) -> PerAxis:
    """Return the product of two values, axis by axis."""
    axes = max(len(value) if isinstance(value, tuple) else 1 for value in (one, other))
    made = tuple(map(mul, on_axes(one, axes), on_axes(other, axes)))
    return made[0] if made.count(made[0]) == axes else made


def first_tap(layer: ChainLayer, axis: int) -> int:
    """Return the first entry that a layer's entry 0 reads: paddings keep maps aligned."""
    if layer.op in UNCENTRED:
        return layer.start[axis]
    return -((layer.dilation[axis] * (layer.kernel[axis] - 1)) // 2)


def transposed_start(kernel: int, stride: int) -> int:
    """Return the padding of a transposed convolution at the start: it makes `stride` entries of each."""
    return (kernel - stride + 1) // 2


def resolved_layer(block: Mapping[str, Any], pick: Any, strided: bool, ndim: int) -> ChainLayer:
    """Return one layer of a block, whose values `pick` gives; its `stride` applies only if `strided`."""
    op = pick(block, "op", "conv")

    def per_axis(key: str, default: Any = 1) -> tuple[int, ...]:
        return on_axes(pick(block, key, default), ndim)

    one, zero = (1,) * ndim, (0,) * ndim
    name = block.get("name")
    label = name if isinstance(name, str) else None
    if op == "space_to_depth":
        return ChainLayer(op, per_axis("scale"), per_axis("scale"), one, zero, name=label)
    if op == "slice":
        return ChainLayer(op, one, per_axis("step"), one, per_axis("start", 0), name=label)
    if op == "pointwise":
        return ChainLayer(op, one, one, one, zero, name=label)
    if op == "upsample":
        scale = per_axis("scale") if strided else one
        return ChainLayer(op, one, scale, one, zero, name=label, mode=pick(block, "mode", "nearest"))
    kernel = per_axis("kernel")
    stride = per_axis("stride") if strided else one
    wide = [(k, s) for k, s in zip(kernel, stride, strict=True) if s > k]
    if op == "conv_transpose" and wide:
        raise InputError(
            f"a transposed convolution of kernel {wide[0][0]} and stride {wide[0][1]} makes entries that read nothing",
            remedy="give it a kernel of at least the stride",
        )
    if op not in ("conv", "conv_transpose") and "stride" not in block:
        stride = kernel  # a pool's own default, in every repetition
    if op not in ("conv", "conv_transpose"):
        return ChainLayer(op, kernel, stride, per_axis("dilation"), zero, name=label)
    channels = pick(block, "channels", 0) or None
    groups, bias = pick(block, "groups", 1), pick(block, "bias", True)
    of_cell = block.get("ahead", 0), block.get("share", (1, 0))
    return ChainLayer(op, kernel, stride, per_axis("dilation"), zero, channels, groups, bias, label, None, *of_cell)


POINTWISE = ChainLayer("pointwise", (1,), (1,), (1,), (0,))


class Node(NamedTuple):
    """A layer, or "add" or "concat", and the nodes whose outputs it reads: 0 is what the stage reads, i node i - 1.

    Some nodes are the output of another stage (`source_of`) and read nothing. `aligned` demands of a merge that what
    it reads is centred alike.
    """

    layer: ChainLayer | str
    inputs: tuple[int, ...]
    aligned: bool = True


Wiring = tuple[Node, ...]  # the last node is the stage's output; without any, it is what the stage reads
NO_PATH = Node("none", (0,))
EARLIER = Node("earlier", ())  # no layer: the map before the one that the stage reads, where a cell has two inputs
PSEUDO = ("none", "earlier")


class Given(NamedTuple):
    """What a stage finds: the map that it reads, and the one before that.

    Attributes
    ----------
    last, earlier : bool
        Whether a path leads to each.
    ratio : int, or tuple of int
        Jump of the last map, in entries of the earlier one; by axis where that differs.
    maps : int
        How many maps there are before, the image aside, as far as 2: with fewer, the last one is also the earlier one.
    """

    last: bool = True
    earlier: bool = True
    ratio: PerAxis = 1
    maps: int = 0


IMAGE = Given()


class Wired(NamedTuple):
    """The nodes of a stage, and what the next one finds beside its output.

    Attributes
    ----------
    nodes : Wiring
    earlier : int or None
        Node of the map before the output; 0: what the stage reads; None: no path leads there.
    ratio : int, or tuple of int
        Jump of the output, in entries of that map; by axis where that differs.
    """

    nodes: Wiring
    earlier: int | None
    ratio: PerAxis

    def given(self, before: Given, maps: int) -> Given:
        """Return what the next stage finds, if this one found `before` and adds so many maps."""
        last = before.last if not self.nodes else self.nodes[-1] != NO_PATH
        return Given(last, self.earlier is not None, self.ratio, min(2, before.maps + maps))


def wiring_stride(wiring: Wiring) -> PerAxis:
    """Return the jump of the output of a stage that reads one map, in its entries."""
    strides: list[PerAxis] = [1]
    for node in wiring:
        before = strides[node.inputs[0]] if node.inputs else 1
        strides.append(times(before, node.layer.stride) if isinstance(node.layer, ChainLayer) else before)
    return strides[-1]


def output_node(stage: str) -> Node:
    """Return the node that is the output of another stage."""
    return Node(_FROM + stage, ())


def source_of(node: Node) -> str | None:
    """Return the stage whose output a node is; None of all others."""
    return node.layer[len(_FROM) :] if isinstance(node.layer, str) and node.layer.startswith(_FROM) else None


def chain_wiring(layers: Sequence[ChainLayer]) -> Wiring:
    """Return layers one after another as nodes."""
    return tuple(Node(layer, (i,)) for i, layer in enumerate(layers))


class Part:
    """A block that is no layer: it wires nodes of its own."""

    def wire(self, wirer: Wirer, at: int | None) -> int | None:
        """Wire the part onto a node; return the node of its output. None: no path from what the stage reads."""
        raise NotImplementedError

    def layers(self) -> list[Mapping[str, Any]]:
        """Return the parameters of all layers that it may have."""
        raise NotImplementedError


Block = Mapping[str, Any] | Part


@dataclass(frozen=True)
class Parallel(Part):
    """Branches side by side, each a sequence of blocks, and how they meet.

    `subsets` are the branches of each choice, by position; `factor` chooses one, where there is more than one.
    `aligned` demands that all branches are centred alike.
    """

    branches: tuple[tuple[Block, ...], ...]
    merge: str
    subsets: tuple[tuple[int, ...], ...]
    factor: str | None = None
    aligned: bool = True

    def wire(self, wirer: Wirer, at: int | None) -> int | None:
        """Wire the branches that are chosen."""
        chosen = self.subsets[0 if self.factor is None else wirer.chosen[self.factor]]
        return wirer.merged([wirer.series(self.branches[i], at) for i in chosen], self.merge, self.aligned)

    def layers(self) -> list[Mapping[str, Any]]:
        """Return the parameters of the layers of all branches."""
        return [layer for branch in self.branches for layer in flat_blocks(branch)]


def flat_blocks(blocks: Iterable[Block]) -> list[Mapping[str, Any]]:
    """Return the parameters of all layers of blocks, those of branches and cells too."""
    return [layer for b in blocks for layer in (b.layers() if isinstance(b, Part) else [b])]


class Wirer:
    """Wires the blocks of one stage, with every value chosen.

    `layers` gives the layers of a block that is no part, in order; `chosen` the value of every factor. `earlier` and
    `ratio` say what a cell of two inputs reads beside the last map.
    """

    def __init__(
        self,
        stage: str,
        layers: Callable[[Mapping[str, Any]], Sequence[ChainLayer]],
        chosen: Mapping[str, Any],
    ) -> None:
        self.stage, self.layers, self.chosen = stage, layers, chosen
        self.nodes: list[Node] = []
        self.earlier: int | None = None  # node of the map before the one that the next block reads
        self.ratio: PerAxis = 1  # as in `Given`
        self.maps = 0

    def add(self, layer: ChainLayer | str, inputs: tuple[int, ...], aligned: bool = True) -> int:
        """Add a node; return its number."""
        if len(self.nodes) == MAX_LAYERS:
            raise InputError(f"stage {self.stage!r} has more than {MAX_LAYERS} layers; that is the most supported")
        self.nodes.append(Node(layer, inputs, aligned))
        return len(self.nodes)

    def find(self, given: Given) -> int | None:
        """Take what a stage finds; return the node of what it reads."""
        self.maps, self.ratio, self.earlier = given.maps, given.ratio, None
        if given.earlier and given.maps == 2:
            self.nodes.append(EARLIER)
            self.earlier = len(self.nodes)
        return 0 if given.last else None

    def output_of(self, stage: str) -> int:
        """Return the number of the node that is the output of another stage."""
        node = output_node(stage)
        return self.nodes.index(node) + 1 if node in self.nodes else self.add(node.layer, ())

    def series(self, blocks: Iterable[Block], at: int | None) -> int | None:
        """Wire blocks one after another from node `at` on; return the last node."""
        for block in blocks:
            if isinstance(block, Part):
                at = block.wire(self, at)
            elif at is not None:
                for layer in self.layers(block):
                    at = self.add(layer, (at,))
        return at

    def merged(self, ends: Sequence[int | None], how: str, aligned: bool) -> int | None:
        """Merge the outputs of branches; those without a path are left out."""
        known = tuple(end for end in ends if end is not None)
        if len(known) < 2:
            return known[0] if known else None
        return self.add(how, known, aligned)

    def wiring(self, end: int | None) -> Wiring:
        """Return the nodes that lead to node `end`; without a path, one that says so."""
        return self.wired(end, None, 1).nodes

    def wired(self, end: int | None, earlier: int | None, ratio: PerAxis) -> Wired:
        """Return the nodes that lead to node `end` and to the map before it."""
        if end is not None and earlier is not None and earlier > end:
            end = self.add(POINTWISE, (end,))
        last = max(end or 0, earlier or 0)
        used, number = {end or 0, earlier or 0}, {0: 0}
        for i in range(last, 0, -1):
            if i in used:
                used.update(self.nodes[i - 1].inputs)
        for i in sorted(used - {0}):
            number[i] = len(number)
        nodes = tuple(
            node._replace(inputs=tuple(number[j] for j in node.inputs))
            for i, node in enumerate(self.nodes[:last], start=1)
            if i in used
        )
        return Wired(nodes if end is not None else (*nodes, NO_PATH), earlier and number[earlier], ratio)
