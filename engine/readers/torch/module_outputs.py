"""What the modules of a model return: noted at the nodes of the exported graph while it is made, or read off it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

_NOTES = "rfscale_returned"  # key in a node's meta


class Note(NamedTuple):
    """A node's tensor is what a call of a module returns; path, call and key as in `Returned`."""

    path: str
    call: int
    key: str


def notes(node: Any) -> list[Note]:
    """What a node's tensor is the output of."""
    return node.meta.get(_NOTES, [])


@contextmanager
def noted(module: Any) -> Iterator[None]:
    """Note at the nodes that torch.export writes which modules return them; the module is left as it was."""
    paths: dict[int, tuple[Any, list[str]]] = {}
    for path, part in module.named_modules(remove_duplicate=False):
        paths.setdefault(id(part), (part, []))[1].append(path)
    handles = []
    for part, names in paths.values():
        with suppress(Exception):  # compiled modules take no hooks
            handles.append(part.register_forward_hook(_Hook(names)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Hook:
    """Notes what a module returns. It changes nothing, and never fails: names are not worth a model."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths
        self.calls = 0

    def __call__(self, module: Any, args: Any, output: Any) -> None:
        call, self.calls = self.calls, self.calls + 1
        with suppress(Exception):
            from torch.fx.experimental.proxy_tensor import get_proxy_mode, get_proxy_slot

            mode: Any = get_proxy_mode()
            for key, tensor in _tensors(output):
                with suppress(Exception):  # a constant has no node
                    node = get_proxy_slot(tensor, mode.tracer).proxy.node
                    node.meta.setdefault(_NOTES, []).extend(Note(path, call, key) for path in self.paths)


def note_from_stacks(program: Any) -> None:
    """Note what modules return in a program that was exported without: what is computed inside and read outside."""
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
            node.meta.setdefault(_NOTES, []).append(Note(path, call, key))
    from torch.utils._pytree import tree_unflatten

    with suppress(Exception):  # an input or a constant among the outputs changes their number
        for key, node in _leaves(tree_unflatten(list(end.args[0]), program.call_spec.out_spec)):
            node.meta.setdefault(_NOTES, []).append(Note("", 0, key))


def _stack(node: Any) -> dict[str, str]:
    """Path by call of a module, outermost first."""
    return {frame: entry[0] for frame, entry in (node.meta.get("nn_module_stack") or {}).items()}


def _tensors(output: Any) -> list[tuple[str, Any]]:
    import torch

    return [(key, value) for key, value in _leaves(output) if isinstance(value, torch.Tensor)]


def _leaves(structure: Any) -> list[tuple[str, Any]]:
    """Leaves of nested dicts, tuples and lists with their keys."""
    from torch.utils._pytree import tree_flatten_with_path

    return [(".".join(map(_key, path)), leaf) for path, leaf in tree_flatten_with_path(structure)[0]]


def _key(entry: Any) -> str:
    return str(next(getattr(entry, name) for name in ("key", "idx", "name") if hasattr(entry, name)))
