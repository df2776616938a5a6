"""The layers as a tree of modules by their dotted names, and what of it a page unfolds at first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

FIRST_ROWS = 30  # that are shown at first


@dataclass
class Node:
    """A layer, or a module with what is in it; `layer` of a module is the one that it returns."""

    name: str
    label: str
    layer: int
    depth: int
    children: list[Node] = field(default_factory=list)


def tree_of(names: Sequence[str], modules: Mapping[str, int]) -> dict[str, Any]:
    """Return `tree`, the outermost nodes, and `open`, the names of the modules that are unfolded at first.

    Parameters
    ----------
    names : sequence of str
        Of all layers.
    modules : mapping
        The position of the layer that each module returns.

    Examples
    --------
    >>> tree_of(["a.x", "a.y", "b"], {"a": 1})["open"]
    ['a']
    """
    root = Node("", "", -1, 0)
    made = {"": root}

    def around(parts: Sequence[str]) -> Node:
        """The innermost module of a name."""
        for n in range(len(parts), 0, -1):
            name = ".".join(parts[:n])
            if name in modules:
                if name not in made:
                    made[name] = added(name, name.split("."), modules[name])
                return made[name]
        return root

    def added(name: str, parts: Sequence[str], layer: int, label: str | None = None) -> Node:
        above = around(parts[:-1] if label is None else parts)
        own = name[len(above.name) + 1 :] if above.name else name
        node = Node(name, own if label is None else label, layer, above.depth + 1)
        above.children.append(node)
        return node

    for layer, name in enumerate(names):
        added(name, name.split("."), layer, "(output)" if name in modules else None)
    for node in made.values():
        node.children.sort(key=lambda child: child.layer)
    return {"tree": [asdict(child) for child in root.children], "open": sorted(_first_open(root))}


def _first_open(root: Node) -> set[str]:
    """The outer modules, as long as no more than so many rows come of it."""
    opened: set[str] = set()
    while True:
        folded = {node.name for node in _rows(root, opened) if node.children and node.name not in opened}
        if not folded or len(_rows(root, opened | folded)) > FIRST_ROWS:
            return opened
        opened |= folded


def _rows(root: Node, opened: set[str]) -> list[Node]:
    found: list[Node] = []
    for child in root.children:
        found.append(child)
        if child.children and child.name in opened:
            found += _rows(child, opened)
    return found
