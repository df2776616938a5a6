"""Tensors whose dims are no parts of the axes for a while, such as rows shifted by padding and views.

Relative positions are often laid out like this: each row of a map gets one entry more, all rows are joined, and the
long row is cut into rows of the old length, of which a part is used. What a view cannot say in factors is kept entry by
entry, and as soon as each dim is a product of factors again, it is an ordinary tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from rfscale.engine.readers.tensors.layout import (
    NEUTRAL,
    Dim,
    Dims,
    Factor,
    UnreadableError,
    joined,
    length,
    regroup,
    spatial,
)
from rfscale.engine.readers.tensors.tracking import Shape, Tracked

MAX_ENTRIES = 1 << 16  # of the dims that are kept entry by entry


class Rearranged(Tracked):
    """Entries of a layer's map in any order; only views, cuts, padding and permutations know of it.

    Attributes
    ----------
    lead : Dims
        The first dims, as in any tensor.
    entries : numpy array of int, shape (axes, ...)
        For the dims after these, which entry along each axis is there; what the first dims say is added to it.
    nothing : numpy array of bool
        Where padding is.
    reason : str
        Why the dims are not known.
    """

    lead: Dims
    entries: np.ndarray
    nothing: np.ndarray
    reason: str

    def __init__(self, t: Tracked, lead: Dims, entries: np.ndarray, nothing: np.ndarray, reason: str) -> None:
        values = {"layer": t.layer, "map": t.map, "lead": lead, "entries": entries, "nothing": nothing}
        for name, value in {**values, "reason": reason}.items():
            object.__setattr__(self, name, value)

    @property
    def dims(self) -> Dims:
        raise UnreadableError(self.reason)

    @property
    def shape(self) -> Shape:
        return (*map(length, self.lead), *self.nothing.shape)

    def __repr__(self) -> str:
        return f"Rearranged(layer={self.layer!r}, shape={self.shape!r})"

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


def viewed(t: Tracked, shape: Sequence[int]) -> Tracked:
    """Return a tensor under another shape, its entries in the same order.

    Raises
    ------
    UnreadableError
        Where the shape cuts across the axes of so many entries that they are not followed one by one.
    """
    if isinstance(t, Rearranged):
        size = len(t.lead)
        if tuple(shape[:size]) != t.shape[:size]:
            raise UnreadableError(t.reason)
        rest = tuple(shape[size:])
        return _made(t, t.entries.reshape(-1, *rest), t.nothing.reshape(rest))
    try:
        dims = regroup(t.dims, shape)
    except UnreadableError as reason:
        return _entry_by_entry(t, tuple(shape), str(reason))
    return Tracked(t.layer, t.map, dims)


def cut(t: Rearranged, d: int, start: int, stop: int, step: int) -> Tracked:
    """Entries start, start + step, … before stop of one dim."""
    at = (slice(None),) * _position(t, d) + (slice(start, stop, step),)
    return _made(t, t.entries[(slice(None), *at)], t.nothing[at])


def padded(t: Rearranged, d: int, lo: int, hi: int) -> Tracked:
    """Nothing before and after the entries of one dim."""
    position = _position(t, d)
    sides = [(lo, hi) if e == position else (0, 0) for e in range(t.nothing.ndim)]
    return _made(t, np.pad(t.entries, [(0, 0), *sides]), np.pad(t.nothing, sides, constant_values=True))


def permuted(t: Rearranged, order: Sequence[int]) -> Tracked:
    """The dims in another order, the first ones where they were."""
    size = len(t.lead)
    order = [d % len(t.shape) for d in order]
    if order[:size] != list(range(size)):
        raise UnreadableError(t.reason)
    rest = [d - size for d in order[size:]]
    return _made(t, t.entries.transpose(0, *(d + 1 for d in rest)), t.nothing.transpose(rest))


def _position(t: Rearranged, d: int) -> int:
    if d < len(t.lead):
        raise UnreadableError(t.reason)
    return d - len(t.lead)


def _entry_by_entry(t: Tracked, shape: Shape, reason: str) -> Tracked:
    same = 0
    while same < min(len(shape), len(t.shape)) and shape[same] == t.shape[same]:
        same += 1
    rest = t.dims[same:]
    if prod(shape[same:]) > MAX_ENTRIES:
        raise UnreadableError(reason)
    entries, nothing = np.zeros((len(t.map), 1), np.int64), np.zeros(1, bool)
    for dim in rest:
        entries, nothing = _beside(entries, nothing, *_places(dim, len(t.map)))
    if nothing.size != prod(shape[same:]):
        raise UnreadableError(reason)
    full = entries.reshape(-1, *shape[same:])
    return _made(Rearranged(t, t.dims[:same], full, nothing, reason), full, nothing.reshape(shape[same:]))


def _beside(entries: np.ndarray, nothing: np.ndarray, more: np.ndarray, empty: np.ndarray) -> tuple[Any, Any]:
    """Two dims as one, the first of them the outer."""
    both = entries[:, :, None] + more[:, None, :]
    return both.reshape(len(entries), -1), (nothing[:, None] | empty[None, :]).ravel()


def _places(dim: Dim, axes: int) -> tuple[np.ndarray, np.ndarray]:
    """Which entry along each axis the entries of a dim are, and which of them are extra tokens."""
    entries, nothing = np.zeros((axes, 1), np.int64), np.zeros(1, bool)
    for f in dim:
        more, empty = np.zeros((axes, f.size), np.int64), np.zeros(f.size, bool)
        if f.inner:
            held, none = _places(f.inner, axes)
            inside = slice(f.lead, f.lead + held.shape[1])
            empty[:] = True
            more[:, inside], empty[inside] = held, none
        elif f.axis >= 0:
            more[f.axis] = np.arange(f.size) * f.stride
        entries, nothing = _beside(entries, nothing, more, empty)
    return entries, nothing


def _made(t: Rearranged, entries: np.ndarray, nothing: np.ndarray) -> Tracked:
    """An ordinary tensor, if the dims are products of factors that hold whole axes or whole windows again."""
    out = Rearranged(t, t.lead, entries, nothing, t.reason)
    if nothing.any() or not nothing.size:
        return out
    dims: list[Dim] = []
    for e in range(nothing.ndim):
        first = tuple(slice(None) if e == other else 0 for other in range(nothing.ndim))
        dim = _factors(entries[(slice(None), *first)])
        if dim is None:
            return out
        dims.append(dim)
    found = Tracked(t.layer, t.map, (*t.lead, *dims))
    held, _ = _places(tuple(f for dim in dims for f in dim), len(t.map))
    whole = np.array_equal(held, entries.reshape(len(held), -1)) and _nested(found)
    return found if whole else out


def _nested(t: Tracked) -> bool:
    """Whether the factors of each axis that the dims carry count all of its entries, each once."""
    parts = sorted((f for dim in t.dims for f in spatial(dim)), key=lambda f: f.stride)
    reached = [1] * len(t.map)
    for f in parts:
        if f.stride != reached[f.axis]:
            return False
        reached[f.axis] *= f.size
    return all(n in (1, entries) for n, entries in zip(reached, t.map, strict=True))


def _factors(places: np.ndarray) -> Dim | None:
    """The factors of a dim whose entries are these, one column each; None where there are none."""
    found: list[Factor] = []
    while places.shape[1] > 1:
        step = places[:, 1] - places[:, 0]
        moved = np.flatnonzero(step)
        if len(moved) > 1 or (step < 0).any():
            return None
        even = (np.diff(places, axis=1) == step[:, None]).all(axis=0)
        size = int(np.argmin(even)) + 1 if not even.all() else places.shape[1]
        if places.shape[1] % size:
            return None
        found.append(Factor(size, int(moved[0]), int(step[moved[0]])) if len(moved) else Factor(size, NEUTRAL, 0))
        blocks = places.reshape(len(places), -1, size)
        if (blocks - blocks[:, :, :1] != (step[:, None] * np.arange(size))[:, None, :]).any():
            return None
        places = blocks[:, :, 0]
    return joined(reversed(found)) if not places.any() else None
