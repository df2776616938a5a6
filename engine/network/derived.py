"""What is worked out later from an object that never changes: kept beside the object, and dropped with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import ref

Owner = TypeVar("Owner")
Value = TypeVar("Value")


class Derived(Generic[Owner, Value]):
    """Values made once for each owner, distinguished by identity.

    The owner is not changed, so that its pickle and its copies stay as they are. A value must not refer to its owner:
    it would keep it alive.

    Parameters
    ----------
    make : callable
        Returns the value of an owner.
    """

    def __init__(self, make: Callable[[Owner], Value]) -> None:
        self._make = make
        self._kept: dict[int, tuple[ref[Owner], Value]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, owner: Owner) -> Value:
        """Return the value of an owner, made when it is first asked for."""
        key = id(owner)
        kept = self._kept.get(key)
        if kept is None:
            kept = ref(owner, lambda _: self._kept.pop(key, None)), self._make(owner)
            kept = self._kept.setdefault(key, kept)  # another thread may have been first
        return kept[1]
