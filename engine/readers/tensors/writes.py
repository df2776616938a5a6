"""Writes into a part of a tensor: what stays of it, and what is put in its place, each at its own entries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rfscale.engine.readers.tensors.layout import UnreadableError, common, spatial, whole_axis, with_dim
from rfscale.engine.readers.tensors.spatial_ops import narrow, pad_dim, spread_apart
from rfscale.engine.readers.tensors.tracking import Constant, Shape, Tracked, Tracker

MAX_STEP = 64  # each entry between those that are written is a part of its own


def write_slice(k: Tracker, base: Any, new: Any, d: int, start: int, stop: int, step: int = 1) -> Any:
    """Return `base` with its entries start, start + step, … before stop along one dim replaced by `new`."""
    shape = tuple(base.shape)
    part = len(range(start, stop, step))
    if part == 0:
        return base
    inside = with_length(shape, d, part)
    if isinstance(new, Tracked):
        new = k.elementwise([new], shape=inside)
    if not isinstance(base, Tracked) and not isinstance(new, Tracked):
        return Constant(shape)
    if part == shape[d]:
        return new if isinstance(new, Tracked) else Constant(shape)
    if not any(isinstance(t, Tracked) and lies_along(k, t, d) for t in (base, new)):  # channels: they have one map
        held = [replace(t, dims=with_dim(t.dims, d, ())) for t in (base, new) if isinstance(t, Tracked)]
        return k.elementwise(held, "concat", shape)
    parts = list(_kept(k, base, d, start, stop, step)) if isinstance(base, Tracked) else []
    if isinstance(new, Tracked):
        new = _on_the_axis_of(k, base, new, d)
        parts.append(placed(k, new, d, start, step, shape[d]))
    return k.merge("concat", parts, common([p.dims for p in parts], shape))


def _on_the_axis_of(k: Tracker, base: Any, new: Tracked, d: int) -> Tracked:
    """One entry that was selected has lost its axis: it is that of the entries around it, repeated where it is long."""
    if spatial(new.dims[d]) or not isinstance(base, Tracked) or not spatial(base.dims[d]):
        return new
    axis = base.dims[d][0].axis
    if axis in {f.axis for dim in new.dims for f in spatial(dim)} or new.map[axis] != 1:
        raise UnreadableError("it writes entries of another axis")
    n = new.shape[d]
    dims = with_dim(new.dims, d, whole_axis(axis, n))
    if n == 1:
        return replace(new, dims=dims)
    return k.after(new, "resize", dims, size=[n if a == axis else m for a, m in enumerate(new.map)])


def lies_along(k: Tracker, t: Tracked, d: int) -> bool:
    """Whether a dim is, or may be, one of the spatial axes."""
    if spatial(t.dims[d]):
        return True
    held = {f.axis for dim in t.dims for f in spatial(dim)}
    return d >= len(t.dims) - len(t.map) and len(held) < len(t.map)


def with_length(shape: Shape, d: int, n: int) -> Shape:
    """The shape with another number of entries along one dim."""
    return (*shape[:d], n, *shape[d + 1 :])


def placed(k: Tracker, t: Tracked, d: int, start: int, step: int, size: int) -> Tracked:
    """Entries put at start, start + step, … of a dim of `size` entries; nothing is at the others."""
    t = spread_apart(k, t, d, step)
    return pad_dim(k, t, d, start, size - start - t.shape[d])


def _kept(k: Tracker, base: Tracked, d: int, start: int, stop: int, step: int) -> Iterator[Tracked]:
    """Parts of a tensor that a write leaves, at their places."""
    size = base.shape[d]
    last = start + (len(range(start, stop, step)) - 1) * step
    if step > MAX_STEP:
        raise UnreadableError(f"it writes every {step}th entry")
    for first, end, by in [(0, start, 1), *((start + r, last, step) for r in range(1, step)), (last + 1, size, 1)]:
        if first < end:
            yield placed(k, narrow(k, base, d, first, end, by), d, first, by, size)
