"""What moves or repeats the entries of a dim: reversed, spread apart, repeated, accumulated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rfscale.engine.readers.tensors.layout import (
    Dim,
    Dims,
    UnreadableError,
    joined,
    length,
    mixed,
    neutral,
    picked,
    some_of,
    spatial,
    whole_axis,
    with_dim,
)
from rfscale.engine.readers.tensors.operators.joins import concatenate
from rfscale.engine.readers.tensors.operators.spatial_ops import as_axis, whole_dim
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker, axis_values

MAX_TILES = 64  # each of them is a part of its own


def flip(k: Tracker, t: Tracked, d: int) -> Tracked:
    """The entries of a dim in reverse order."""
    if not spatial(t.dims[d]):
        return replace(t, dims=with_dim(t.dims, d, picked(t.dims[d], range(length(t.dims[d]))[::-1])))
    t = whole_dim(k, t, d)
    return k.after(t, "flip", t.dims, reverse=axis_values([t.dims[d][0].axis], [1], len(t.map), 0))


def spread_apart(k: Tracker, t: Tracked, d: int, step: int) -> Tracked:
    """The entries of a dim `step` apart, with nothing between them."""
    n = length(t.dims[d])
    if step == 1 or n == 1:
        return t
    t = as_axis(k, t, d)
    if not spatial(t.dims[d]):
        return replace(t, dims=with_dim(t.dims, d, mixed((n - 1) * step + 1)))
    t = whole_dim(k, t, d)
    axis = t.dims[d][0].axis
    stride = axis_values([axis], [step], len(t.map), 1)
    dims = with_dim(t.dims, d, whole_axis(axis, (n - 1) * step + 1))
    return k.after(t, "conv_transpose", dims, kernel=1, stride=stride)


def repeat_entry(k: Tracker, t: Tracked, d: int, times: int) -> Tracked:
    """The one entry of a dim, `times` times."""
    t = as_axis(k, t, d)
    if not spatial(t.dims[d]):
        return replace(t, dims=with_dim(t.dims, d, neutral(times)))
    axis = t.dims[d][0].axis
    size = [times if a == axis else n for a, n in enumerate(t.map)]
    return k.after(t, "resize", with_dim(t.dims, d, whole_axis(axis, times)), size=size)


def tile(k: Tracker, t: Tracked) -> Any:
    """Repeat a tensor along its dims, new first dims included, to the shape of the node."""
    shape = k.shape
    if 0 in shape:
        return Constant(shape)
    out: Any = replace(t, dims=((),) * (len(shape) - len(t.dims)) + t.dims)
    for d, n in enumerate(shape):
        held = out.shape[d]
        if held == n:
            continue
        if not spatial(out.dims[d]):
            out = replace(out, dims=with_dim(out.dims, d, some_of(out.dims[d], n)))
        elif held == 1:
            out = repeat_entry(k, whole_dim(k, out, d), d, n)
        elif n // held > MAX_TILES:
            raise UnreadableError(f"it repeats a spatial axis more than {MAX_TILES} times")
        else:
            k.shape = (*out.shape[:d], n, *out.shape[d + 1 :])
            out = concatenate(k, [out] * (n // held), d)
    k.shape = shape
    return out


def repeated(dim: Dim, times: int) -> Dim:
    """A dim with each of its entries `times` times, one after another."""
    return (*dim, *neutral(times)) if spatial(dim) else some_of(dim, length(dim) * times)


def flattened(dims: Dims) -> Dims:
    """All dims in one."""
    return (joined(f for dim in dims for f in dim),)


def cumulate(k: Tracker, t: Tracked, d: int, backwards: bool = False) -> Tracked:
    """Let each entry see all before it along a dim, and itself; `backwards`: all after it."""
    if not spatial(t.dims[d]):
        return replace(t, dims=with_dim(t.dims, d, some_of(t.dims[d], length(t.dims[d]))))
    if any(f.inner for f in t.dims[d]) or len({f.axis for f in t.dims[d]}) > 1:
        raise UnreadableError("it reads a sequence of several axes one way")
    t = whole_dim(k, t, d)
    given: dict[str, Any] = {"later" if backwards else "earlier": axis_values([t.dims[d][0].axis], [1], len(t.map), 0)}
    return k.after(t, "cumulative", t.dims, **given)
