"""One node of a graph, as rules and handlers get it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rfscale.engine.readers.tensors.layout import UnreadableError
from rfscale.engine.readers.tensors.tracking import Constant, Shape

OWN_DOMAIN = ("", "ai.onnx")
_FIELDS = {1: "f", 2: "i", 3: "s", 4: "t", 5: "g", 6: "floats", 7: "ints", 8: "strings"}


class Node(NamedTuple):
    """One node: attributes as Python values, inputs as tensors or None, the number and shapes of what it makes."""

    op: str
    attrs: Mapping[str, Any]
    inputs: Sequence[Any]
    opset: int
    outputs: int = 1
    shapes: Sequence[Shape | None] = ()

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


def attributes(node: Any) -> dict[str, Any]:
    """Return the attributes of a node as Python values; texts as str."""
    return {a.name: _value(a) for a in node.attribute}


def _value(attribute: Any) -> Any:
    value = getattr(attribute, _FIELDS.get(attribute.type, "s"))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return list(value) if attribute.type > 5 else value
