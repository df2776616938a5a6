"""The registry of ONNX operators: each handler is registered under the names of its operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rfscale.engine.readers.tensors.layout import UnreadableError
from rfscale.engine.readers.tensors.tracking import Constant, Shape, Tracker


class Node(NamedTuple):
    """One node: attributes as Python values, inputs as tensors or None, the shapes of what it makes."""

    op: str
    attrs: Mapping[str, Any]
    inputs: Sequence[Any]
    shapes: Sequence[Shape | None]
    opset: int

    def ints(self, name: str, position: int) -> list[int] | None:
        """Whole numbers that are an attribute in old opsets and a constant input in new ones; None if absent."""
        if name in self.attrs:
            value = self.attrs[name]
            return [int(v) for v in value] if isinstance(value, list) else [int(value)]
        if len(self.inputs) <= position or self.inputs[position] is None:
            return None
        given = self.inputs[position]
        if not isinstance(given, Constant) or given.value is None:
            raise UnreadableError(f"its {name} are not constant")
        return [int(v) for v in np.ravel(given.value)]


Handler = Callable[[Tracker, Node], Any]
ONNX: dict[str, Handler] = {}


def onnx(*names: str) -> Callable[[Handler], Handler]:
    """Register a handler under the names of operators."""

    def register(handler: Handler) -> Handler:
        ONNX.update(dict.fromkeys(names, handler))
        return handler

    return register
