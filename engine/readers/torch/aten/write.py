"""ATen operators that write into a part of a tensor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rfscale.engine.readers.tensors.operators.entries import write_slice
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker
from rfscale.engine.readers.torch.registry import aten


@aten("slice_scatter")
def _slice_scatter(
    k: Tracker, base: Any, new: Any, dim: int = 0, start: Any = None, stop: Any = None, step: int = 1, **named: Any
) -> Any:
    d = dim % len(base.shape)
    start, stop, step = slice(start, named.get("end", stop), step).indices(base.shape[d])
    return write_slice(k, base, new, d, start, max(start, stop), step)


@aten("select_scatter")
def _select_scatter(k: Tracker, base: Any, new: Any, dim: int, index: int) -> Any:
    d = dim % len(base.shape)
    index %= base.shape[d]
    return write_slice(k, base, unsqueezed(new, d), d, index, index + 1)


def unsqueezed(value: Any, d: int) -> Any:
    """A value with one more dim of one entry; numbers stay as they are."""
    if isinstance(value, Tracked):
        return replace(value, dims=(*value.dims[:d], (), *value.dims[d:]))
    return Constant((*value.shape[:d], 1, *value.shape[d:])) if isinstance(value, Constant) else value
