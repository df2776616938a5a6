"""What the modules of an exported program return: read off the calls that its nodes belong to."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

NOTES = "rfscale_returned"  # key in a node's meta


class Note(NamedTuple):
    """A node's tensor is what a call of a module returns; path, call and key as in `Returned`."""

    path: str
    call: int
    key: str


def notes(node: Any) -> list[Note]:
    """What a node's tensor is the output of."""
    return node.meta.get(NOTES, [])


def note_from_stacks(program: Any) -> None:
    """Note at the nodes of a program what modules return: what is computed inside and read outside."""
    nodes = list(program.graph_module.graph.nodes)
    if any(notes(n) for n in nodes):
        return
    *_, end = nodes
    calls: dict[str, dict[str, int]] = {}
    found: dict[str, tuple[str, int, list[Any]]] = {}
    for node in nodes:
        stack = _stack(node)
        for frame, path in stack.items():
            if not path:
                continue
            call = calls.setdefault(path, {}).setdefault(frame, len(calls[path]) if path in calls else 0)
            if any(user is end or frame not in _stack(user) for user in node.users):
                found.setdefault(frame, (path, call, []))[2].append(node)
    for path, call, outputs in found.values():
        for position, node in enumerate(outputs):
            key = str(position) if len(outputs) > 1 else ""
            node.meta.setdefault(NOTES, []).append(Note(path, call, key))
    from torch.utils._pytree import tree_unflatten

    with suppress(Exception):  # an input or a constant among the outputs changes their number
        for key, node in _leaves(tree_unflatten(list(end.args[0]), program.call_spec.out_spec)):
            node.meta.setdefault(NOTES, []).append(Note("", 0, key))


def _stack(node: Any) -> dict[str, str]:
    """Path by call of a module, outermost first."""
    return {frame: entry[0] for frame, entry in (node.meta.get("nn_module_stack") or {}).items()}


def _leaves(structure: Any) -> list[tuple[str, Any]]:
    """Leaves of nested dicts, tuples and lists with their keys."""
    from torch.utils._pytree import tree_flatten_with_path

    return [(".".join(map(_key, path)), leaf) for path, leaf in tree_flatten_with_path(structure)[0]]


def _key(entry: Any) -> str:
    return str(next(getattr(entry, name) for name in ("key", "idx", "name") if hasattr(entry, name)))
