"""The registry of ONNX operators: each handler is registered under the names of its operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from rfscale.engine.readers.onnx.graph.node import Node
from rfscale.engine.readers.tensors.tracking import Tracker

Handler = Callable[[Tracker, Node], Any]
Control = Callable[[Any, Any, Node], Any]
Rewrite = Callable[[Any, Node], list[Any]]
ONNX: dict[tuple[str, str], Handler] = {}


CONTROL: dict[str, Control] = {}
REWRITES: dict[tuple[str, str], Rewrite] = {}


class Ends(NamedTuple):
    """One of several outputs that cannot be read, where the others can."""

    reason: str


def onnx(*names: str, domain: str = "") -> Callable[[Handler], Handler]:
    """Register a handler under the names of operators of a domain."""

    def register(handler: Handler) -> Handler:
        ONNX.update(dict.fromkeys(((domain, name) for name in names), handler))
        return handler

    return register


def control(*names: str) -> Callable[[Control], Control]:
    """Register what follows graphs inside nodes, or sequences: it gets the reader, the node, and the node as read."""

    def register(follow: Control) -> Control:
        CONTROL.update(dict.fromkeys(names, follow))
        return follow

    return register


def rewritten(*names: str, domain: str = "com.microsoft") -> Callable[[Rewrite], Rewrite]:
    """Register what writes an operator in others: it gets the node, and the node as read, and returns nodes."""

    def register(rewrite: Rewrite) -> Rewrite:
        REWRITES.update(dict.fromkeys(((domain, name) for name in names), rewrite))
        return rewrite

    return register
