"""A network as a tree of its modules: what each layer makes, reads and costs.

Only what takes no time is shown: sizes, strides and bounding boxes, by interval arithmetic; nothing is compiled. Holes,
overlaps and pixels are in a profile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf, nan
from typing import NamedTuple

from rfscale.engine.display.tables import NONE, Column, escaped, filled, number, page, paragraph, per_axis, text_table
from rfscale.engine.errors import InputError, visible
from rfscale.engine.footprints.plan import Step, resolve
from rfscale.engine.network.costs import layer_costs
from rfscale.engine.network.modules import CALL, KEY
from rfscale.engine.network.network import Network

ROWS = 30  # of a text, and open in a notebook
MOST_ROWS = 1500  # in a notebook, closed ones included
MOST_LAYERS = 5000  # of a network whose receptive fields are worked out to show it
INDENT = 1.2  # em, of what is inside of a module


class Figures(NamedTuple):
    """What a row has of a layer, as cells, and its costs."""

    op: str
    map_size: str
    stride: str
    extent: str
    params: float
    macs: float


@dataclass
class Node:
    """A layer, or a module with what is in it.

    Attributes
    ----------
    name : str
        Its part of the dotted name.
    layer : int or None
        Position of the layer of that name.
    inside : dict of str to Node
    """

    name: str
    layer: int | None = None
    inside: dict[str, Node] = field(default_factory=dict)

    def layers(self) -> list[int]:
        """Positions of all layers, its own included."""
        own = [] if self.layer is None else [self.layer]
        return own + [i for node in self.inside.values() for i in node.layers()]

    def visible(self, depth: int) -> int:
        """How many rows it and what is in it take, to a depth."""
        return 1 + (sum(n.visible(depth - 1) for n in self.inside.values()) if depth > 1 else 0)


class Row(NamedTuple):
    """A row of the tree, `depth` modules deep; `node` has what is inside."""

    depth: int
    node: Node
    cells: tuple[str, ...]


def tree(network: Network) -> Node:
    """Return the modules of a network by the dots of its layers' names; one that holds one thing is in its name."""
    root = Node("")
    for i, layer in enumerate(network.layers):
        node = root
        for part in layer.name.split("."):
            node = node.inside.setdefault(part, Node(part))
        node.layer = i
    root.inside = {name: _joined(node) for name, node in root.inside.items()}
    return root


def _joined(node: Node) -> Node:
    while node.layer is None and len(node.inside) == 1:
        only = next(iter(node.inside.values()))
        node = Node(f"{node.name}.{only.name}", only.layer, only.inside)
    node.inside = {name: _joined(inner) for name, inner in node.inside.items()}
    return node


def figures(network: Network) -> tuple[list[Figures], str]:
    """Return what each layer has, and a note where something is left out, empty where nothing is."""
    note, steps = "", None
    if len(network) > MOST_LAYERS:
        note = f"more than {MOST_LAYERS:,} layers: rf.profile has their strides and extents"
    else:
        try:
            steps = resolve(network).steps
        except InputError as error:  # what a network that is shown cannot say
            note = f"no strides and extents: {error}"
    sizes = network.map_sizes() if network.input_size else None
    costs = layer_costs(network, sizes)
    boxes = [(NONE, NONE)] * len(network) if steps is None else _boxes(steps)
    rows = []
    for layer, (stride, extent), (params, macs) in zip(network.layers, boxes, costs, strict=True):
        size = NONE if sizes is None else per_axis(sizes[layer.name])
        rows.append(Figures(layer.op, size, stride, extent, params, macs))
    return rows, note


def _boxes(steps: tuple[Step, ...]) -> list[tuple[str, str]]:
    """Stride and extent of each layer.

    Interval arithmetic errs where a branch reads nothing along one axis: downstream of that there is no extent.
    """
    out, empty = [], [False] * len(steps)
    for i, step in enumerate(steps):
        empty[i] = any(empty[s] for s in step.sources if s >= 0)
        if step.intervals is None:
            out.append((NONE, number(inf if step.is_global else nan)))
            continue
        empty[i] = empty[i] or any(bound is None for axis in step.intervals for bound in axis.bounds)
        extent = NONE if empty[i] else per_axis(axis.extent for axis in step.intervals)
        out.append((per_axis(step.jump or ()), extent))
    return out


def _cells(node: Node, rows: list[Figures], returned: int) -> tuple[str, ...]:
    """The cells of a node: those of the layer that it returns, and the costs of all that is inside."""
    layers, own = node.layers(), rows[returned]
    op = own.op if len(layers) == 1 else f"{len(layers)} layers"
    costs = [sum(getattr(rows[i], name) for i in layers) for name in ("params", "macs")]
    return op, own.map_size, own.stride, own.extent, *(number(c) if c else "" for c in costs)


def _returned(network: Network, prefix: str, node: Node) -> int:
    """Position of the layer that makes what a module returns: of that name, as the model says, or the last one."""
    if node.layer is not None:
        return node.layer
    named = network.modules.get(prefix)
    if named is None:  # of several maps or calls, the last
        several = [layer for name, layer in network.modules.items() if name.startswith((prefix + CALL, prefix + KEY))]
        named = several[-1] if several else None
    return max(node.layers()) if named is None else network.index(named)


def walk(network: Network, rows: list[Figures], node: Node, depth: int, prefix: str = "", at: int = 0) -> Iterator[Row]:
    """Yield the rows inside a node to a depth, modules before what they hold."""
    for inner in node.inside.values():
        path = f"{prefix}.{inner.name}" if prefix else inner.name
        yield Row(at, inner, (inner.name, *_cells(inner, rows, _returned(network, path, inner))))
        if at + 1 < depth:
            yield from walk(network, rows, inner, depth, path, at + 1)


def fitting(root: Node, rows: int) -> int:
    """Return the largest depth with at most so many rows, or 1."""
    deepest = _height(root)
    return next((d for d in range(deepest, 1, -1) if root.visible(d + 1) - 1 <= rows), 1)


def _height(node: Node) -> int:
    return max((1 + _height(inner) for inner in node.inside.values()), default=0)


HEADERS = ("layer", "op", "map", "stride", "extent", "params", "macs")


def title(network: Network) -> str:
    """Return what a network is, in a line."""
    size = f", input {'×'.join(map(str, network.input_size))}" if network.input_size else ""
    shown = ", ".join(network.outputs[:4]) + (
        f" and {len(network.outputs) - 4} more" if len(network.outputs) > 4 else ""
    )
    return f"{network.name}: {len(network)} layers, axes {', '.join(network.axes)}{size}; outputs {shown}"


def notes(network: Network, note: str, rows: list[Figures]) -> list[str]:
    """Return the lines below a tree: what the figures are of, totals, and what was left out."""
    lines = ["stride and extent (largest bounding box of an entry, without borders) in pixels of the image"]
    params, macs = (sum(getattr(row, name) for row in rows if getattr(row, name) > 0) for name in ("params", "macs"))
    if params:
        work = f", {number(macs)} multiply-accumulates for one image" if macs else ""
        unknown = any(row.params != row.params for row in rows)
        lines.append(f"{number(params)} parameters{work}{' where channels are known' if unknown else ''}")
    if network.left_out:
        lines.append(f"read in part: it ends at {', '.join(list(network.left_out)[:4])}")
    return [*lines, *([note] if note else [])]


def network_text(network: Network) -> str:
    """Return a network as a text: the tree of its modules, folded to fit a screen."""
    rows, note = figures(network)
    root = tree(network)
    depth = fitting(root, ROWS)
    shown = list(walk(network, rows, root, depth))
    more = len(shown) - ROWS
    if more > 1:  # a network without modules: its beginning and its end
        half = ROWS // 2
        gap = Row(0, Node(""), (f"… {more} more", *[""] * (len(HEADERS) - 1)))
        shown = [*shown[:half], gap, *shown[-half:]]
    columns = [Column(HEADERS[0], ["  " * row.depth + row.cells[0] for row in shown], left=True)]
    columns += [Column(h, [row.cells[i] for row in shown], i == 1) for i, h in enumerate(HEADERS[1:], start=1)]
    below = [visible(line) for line in notes(network, note, rows)]
    return "\n".join([visible(title(network)), "", *text_table(filled(columns)), "", *below])


def network_html(network: Network) -> str:
    """Return a network as HTML: the tree of its modules, which a click unfolds."""
    rows, note = figures(network)
    root = tree(network)
    deepest = fitting(root, MOST_ROWS)
    shown = list(walk(network, rows, root, deepest))
    cut = len(shown) - MOST_ROWS
    if cut > 0:
        shown = shown[:MOST_ROWS]
        note = "; ".join(filter(None, [note, f"and {cut:,} rows more"]))
    kept = [i for i in range(len(HEADERS)) if i == 0 or any(row.cells[i] not in ("", NONE) for row in shown)]
    longest = max((0.6 * len(row.cells[0]) + INDENT * row.depth + 2 for row in shown), default=0)
    widths = [f"minmax(8em, {min(max(9, longest), 30):.0f}em)", "9em", "7em", "5em", "6em", "8em", "9em"]
    columns = f"grid-template-columns: {' '.join(widths[i] for i in kept)}"
    opened = fitting(root, ROWS)
    head = "".join(f"<span>{HEADERS[i]}</span>" for i in kept)
    parts, before = [f'<div class="row head" style="{columns}">{head}</div>'], 0
    for row, after in zip(shown, [*(r.depth for r in shown[1:]), 0], strict=True):
        parts.append("</details>" * (before - row.depth))
        before = row.depth
        name = f'<span style="padding-left: {INDENT * row.depth:g}em">{escaped(row.cells[0])}</span>'
        cells = name + "".join(f"<span>{escaped(row.cells[i])}</span>" for i in kept[1:])
        inside = f'class="row" style="{columns}">{cells}'
        if after > row.depth:
            parts.append(f"<details{' open' if row.depth + 1 < opened else ''}><summary {inside}</summary>")
            before += 1
        else:
            parts.append(f"<div {inside}</div>")
    parts.append("</details>" * before)
    below = "".join(paragraph(line) for line in notes(network, note, rows))
    return page(paragraph(title(network), strong=True), *parts, below)
