"""The slow, obvious oracle: footprints as plain Python sets, one layer and one entry at a time.

Written from `docs/formats.md` alone. It shares no code with the engine and imports nothing of it but the
`Network` class, so that where the two agree, two independent readings of the same page agree.

Conventions
-----------
- An entry and a pixel are tuples of whole numbers, one per axis, in the order of ``net.axes``.
- *Finite* (``input_size`` given): every map has entries 0..n-1, and a read outside, at any layer, is padding.
- *Interior* (``input_size`` None): no borders, entries and pixels are any whole numbers. What depends on a map's
  size (``same`` with a stride, resize, adaptive pooling, crop by size) takes it from ``net.input_size``.
- A global op reads every entry of its map. In the interior, a map has no end, so what is downstream of a global op has
  no bounds. ``global_ops="skip"`` leaves such branches out where they merge with others.
"""

from __future__ import annotations

import itertools
from collections import Counter
from fractions import Fraction
from typing import Any, TypedDict

from rfscale.engine.network.network import Network
from tests.oracles.plain_layers import IMAGE, MERGES, Cell, axis_reads, axis_size, axis_step, is_global_op


class Figures(TypedDict):
    """Figures of one footprint. A footprint of no pixels has extent 0, start None and density 0."""

    area: int
    extent: tuple[int, ...]
    start: tuple[int | None, ...]
    density: float
    max_gap: tuple[int, ...]
    overlap: tuple[float | None, ...]


def map_sizes(net: Network, input_size: tuple[int, ...]) -> dict[str, Cell]:
    """Entries per axis of the image ("input") and of every layer's map.

    Raises
    ------
    ValueError
        Where a map shrinks to nothing, or branches of different sizes merge.
    """
    sizes: dict[str, Cell] = {IMAGE: tuple(input_size)}
    wholly_global = global_nodes(net, "skip")
    for layer in net.layers:
        if layer.op in MERGES:
            size = merged_size([(sizes[name], name in wholly_global) for name in layer.inputs])
        else:
            source = sizes[layer.inputs[0]]
            size = tuple(axis_size(layer.op, layer.params, axis, n) for axis, n in enumerate(source))
        if size is None or min(size) < 1:
            raise ValueError(f"layer {layer.name!r} cannot take maps of {[sizes[name] for name in layer.inputs]}")
        sizes[layer.name] = size
    return sizes


def merged_size(branches: list[tuple[Cell, bool]]) -> Cell | None:
    """Size of a merge of branches (size, wholly downstream of global ops?), or None if they differ."""
    wide = {size for size, is_global in branches if not (is_global and max(size) == 1)}
    if not wide:
        return branches[0][0]
    return wide.pop() if len(wide) == 1 else None


def global_nodes(net: Network, global_ops: str = "include") -> set[str]:
    """Names of the layers whose receptive field is global: a global op is upstream of them."""
    found: set[str] = set()
    for layer in net.layers:
        upstream = [name in found for name in layer.inputs]
        merged = any(upstream) if global_ops == "include" else all(upstream)
        if is_global_op(layer.op, layer.params) or layer.op == "cumulative" or merged:
            found.add(layer.name)
    return found


def jump(net: Network, layer: str) -> tuple[Fraction, ...] | None:
    """Input pixels between neighbouring entries, per axis. None downstream of a global op: no neighbours there.

    A merge has the jump of its first branch that has one.
    """
    jumps: dict[str, tuple[Fraction, ...] | None] = {IMAGE: (Fraction(1),) * len(net.axes)}
    sizes = None if net.input_size is None else map_sizes(net, net.input_size)
    for node in net.layers:
        before = next((jumps[name] for name in node.inputs if jumps[name] is not None), None)
        if before is None or is_global_op(node.op, node.params) or node.op == "cumulative":
            jumps[node.name] = None
            continue
        step = []
        for axis in range(len(net.axes)):
            n = None if sizes is None else sizes[node.inputs[0]][axis]
            step.append(axis_step(node.op, node.params, axis, n))
        jumps[node.name] = tuple(a * b for a, b in zip(before, step, strict=True))
    return jumps[layer]


def footprint(
    net: Network, layer: str, entry: Cell, input_size: tuple[int, ...] | None = None, global_ops: str = "include"
) -> set[Cell] | None:
    """Pixels with a path to one entry of one layer.

    Parameters
    ----------
    net : Network
    layer : str
        Name of the layer, or "input".
    entry : tuple of int
    input_size : tuple of int, optional
        Pixels per axis. Without it the footprint is interior.
    global_ops : {"include", "skip"}

    Returns
    -------
    set of tuples of int, or None
        None for the infinite footprint of a node downstream of a global op, in the interior.
    """
    walk = _Walk(net, layer, entry, input_size, global_ops)
    if walk.sizes is None and layer in walk.global_nodes:
        return None
    reached: dict[str, set[Cell]] = {layer: {entry}}
    for node in reversed(net.layers):
        entries = reached.pop(node.name, set())
        if not entries:
            continue
        for source in walk.branches(node):
            wanted = reached.setdefault(source, set())
            if is_global_op(node.op, node.params):
                assert walk.sizes is not None
                wanted.update(_all_cells(walk.sizes[source]))
                continue
            taps = walk.taps(node, source)
            for o in entries:
                wanted.update(itertools.product(*(tap(o[axis]) for axis, tap in enumerate(taps))))
    return reached.get(IMAGE, set())


def stays_inside(net: Network, layer: str, entry: Cell) -> bool:
    """Whether no path to one entry leaves a map of `net.input_size`: its pixels are then the same in both modes."""
    walk = _Walk(net, layer, entry, None, "include")
    assert walk.known_sizes is not None
    reached: dict[str, set[Cell]] = {layer: {entry}}
    for node in reversed(net.layers):
        entries = reached.pop(node.name, set())
        for source in node.inputs:
            taps = walk.taps(node, source)
            reads = {t for o in entries for t in itertools.product(*(tap(o[axis]) for axis, tap in enumerate(taps)))}
            if not all(0 <= t < n for read in reads for t, n in zip(read, walk.known_sizes[source], strict=True)):
                return False
            reached.setdefault(source, set()).update(reads)
    return True


def path_counts(
    net: Network, layer: str, entry: Cell, input_size: tuple[int, ...] | None = None, global_ops: str = "include"
) -> dict[Cell, int]:
    """Number of paths from each pixel that has one to one entry of one layer.

    Each tap is one path, whatever its weight, and a merge that names a layer twice has each of its paths twice. A
    global op reads each entry of its input once. Parameters as for `footprint`.

    Raises
    ------
    ValueError
        In the interior downstream of a global op, where there are infinitely many.
    """
    walk = _Walk(net, layer, entry, input_size, global_ops)
    if walk.sizes is None and layer in walk.global_nodes:
        raise ValueError(
            f"layer {layer!r} is downstream of a global op: without an input_size its paths are infinitely many"
        )
    reached: dict[str, Counter[Cell]] = {layer: Counter({entry: 1})}
    for node in reversed(net.layers):
        counts: Counter[Cell] = reached.pop(node.name, Counter())
        if not counts:
            continue
        for source in walk.branches(node):
            wanted = reached.setdefault(source, Counter())
            if is_global_op(node.op, node.params):
                assert walk.sizes is not None
                total = sum(counts.values())
                for t in _all_cells(walk.sizes[source]):
                    wanted[t] += total
                continue
            taps = walk.taps(node, source)
            for o, count in counts.items():
                for t in itertools.product(*(tap(o[axis]) for axis, tap in enumerate(taps))):
                    wanted[t] += count
    return dict(reached.get(IMAGE, {}))


def figures(
    net: Network, layer: str, entry: Cell, input_size: tuple[int, ...] | None = None, global_ops: str = "include"
) -> Figures | None:
    """Figures of one footprint (parameters as for `footprint`), or None where it is infinite."""
    pixels = footprint(net, layer, entry, input_size, global_ops)
    if pixels is None:
        return None
    size = None if input_size is None else map_sizes(net, input_size)[layer]
    starts: list[int | None] = []
    overlaps: list[float | None] = []
    extents, gaps = [], []
    volume = 1
    for axis in range(len(entry)):
        places = sorted({pixel[axis] for pixel in pixels})
        extent = places[-1] - places[0] + 1 if places else 0
        starts.append(places[0] if places else None)
        extents.append(extent)
        gaps.append(max((b - a - 1 for a, b in itertools.pairwise(places)), default=0))
        volume *= extent
        beyond = tuple(o + (a == axis) for a, o in enumerate(entry))
        if not pixels or (size is not None and beyond[axis] >= size[axis]):
            overlaps.append(None)
        else:
            neighbour = footprint(net, layer, beyond, input_size, global_ops)
            assert neighbour is not None
            overlaps.append(len(pixels & neighbour) / len(pixels))
    return Figures(
        area=len(pixels),
        extent=tuple(extents),
        start=tuple(starts),
        density=len(pixels) / volume if pixels else 0.0,
        max_gap=tuple(gaps),
        overlap=tuple(overlaps),
    )


class _Walk:
    """What a walk backwards through one network needs: sizes, the branches to follow, the taps."""

    def __init__(
        self, net: Network, layer: str, entry: Cell, input_size: tuple[int, ...] | None, global_ops: str
    ) -> None:
        if global_ops not in ("include", "skip"):
            raise ValueError(f'global_ops={global_ops!r}: either "include" or "skip"')
        self.global_ops, self.ndim = global_ops, len(net.axes)
        self.finite = input_size is not None
        known = net.input_size if input_size is None else input_size
        self.known_sizes = None if known is None else map_sizes(net, known)
        self.sizes = self.known_sizes if self.finite else None
        self.wholly_global = global_nodes(net, "skip")
        self.global_nodes = global_nodes(net, global_ops)
        if layer != IMAGE and layer not in {node.name for node in net.layers}:
            raise ValueError(f"no layer {layer!r}")
        if len(entry) != len(net.axes):
            raise ValueError(f"entry {entry}: one number for each of the axes {net.axes}")
        if self.sizes is not None and not all(0 <= o < n for o, n in zip(entry, self.sizes[layer], strict=True)):
            raise ValueError(f"entry {entry} is outside the {self.sizes[layer]} map of {layer!r}")

    def branches(self, node: Any) -> list[str]:
        """Inputs of a layer to walk on to."""
        local = [name for name in node.inputs if name not in self.global_nodes]
        if self.global_ops == "skip" and node.op in MERGES and local:
            return local
        return list(node.inputs)

    def taps(self, node: Any, source: str) -> list[_Taps]:
        """Per axis, a function from output entry to the entries of `source` it reads."""
        size: tuple[int | None, ...] = (None,) * self.ndim
        broadcast = False
        if self.known_sizes is not None:
            size = self.known_sizes[source]
            one_wide = max(self.known_sizes[source]) == 1
            broadcast = self.finite and node.op in MERGES and source in self.wholly_global and one_wide
        return [_Taps(node, axis, n, self.finite, broadcast) for axis, n in enumerate(size)]


class _Taps:
    """Reads of one layer on one axis, each worked out once."""

    def __init__(self, node: Any, axis: int, n: int | None, finite: bool, broadcast: bool) -> None:
        self.node, self.axis, self.n, self.finite, self.broadcast = node, axis, n, finite, broadcast
        self.done: dict[int, list[int]] = {}

    def __call__(self, o: int) -> list[int]:
        if self.broadcast:
            return [0]
        if o not in self.done:
            self.done[o] = axis_reads(self.node.op, self.node.params, self.axis, o, self.n, self.finite)
        return self.done[o]


def _all_cells(size: Cell) -> set[Cell]:
    return set(itertools.product(*(range(n) for n in size)))
