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


def handler_of(func: Any) -> Handler | None:
    """Return what reads an operator of torch; None for one of another library that only has the same name."""
    name = func.__name__.split(".")[0]
    namespace = getattr(func, "namespace", "aten")
    if namespace not in ("aten", "prims", "torchvision"):
        return ATEN.get(f"{namespace}::{name}")
    in_place = name.endswith("_") and not name.endswith("__")
    return ATEN.get(name, ATEN.get(name.rstrip("_")) if in_place else None)


def listed(value: Any, n: int) -> list[int]:
    """One int per axis, from one number, a list of one, or a list of n."""
    values = list(value) if isinstance(value, Sequence) else [value]
    return values * n if len(values) == 1 else values
