"""The table of ATen operators that the handlers fill."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

Handler: TypeAlias = Callable[..., Any]
ATEN: dict[str, Handler] = {}


def aten(*names: str) -> Callable[[Handler], Handler]:
    """Register a handler under the names of operators, in-place variants and overloads included."""

    def register(handler: Handler) -> Handler:
        ATEN.update(dict.fromkeys(names, handler))
        return handler

    return register


def listed(value: Any, n: int) -> list[int]:
    """One int per axis, from one number, a list of one, or a list of n."""
    values = list(value) if isinstance(value, Sequence) else [value]
    return values * n if len(values) == 1 else values
