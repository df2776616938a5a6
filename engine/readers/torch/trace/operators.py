"""What is known of ATen operators before they are called."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import torch

from rfscale.engine.readers.torch.registry import Handler, handler_of
from rfscale.engine.readers.torch.trace.constants import flat_tensors

VALUES = frozenset(
    """item is_nonzero _local_scalar_dense equal nonzero nonzero_numpy argwhere masked_select unique _unique2 unique_dim
    unique_consecutive allclose bincount""".split()
)
# operators that read a tensor for its shape or type alone, or only the entries that they do not write
IN_PART = frozenset(
    """copy fill zero normal uniform exponential geometric random type_as view_as expand_as reshape_as to where
    slice_scatter select_scatter index_put _index_put_impl _unsafe_index_put index_copy index_fill scatter
    masked_scatter embedding set""".split()
)
FILLS = frozenset("zeros_like ones_like full_like new_zeros new_ones new_full".split())
WHOLE = frozenset("lstm gru rnn_tanh rnn_relu".split())  # their pieces are one layer for each step of time


class Operator(NamedTuple):
    """What is known of an ATen operator before it is called."""

    name: str  # without overload and the sign of the in-place variant
    written: tuple[int, ...]  # positions of arguments that it changes
    out: tuple[str, ...]  # keywords of the tensors that take its results
    is_view: bool
    reshapes: bool  # it changes the shape of the tensor itself, as squeeze_ does
    is_random: bool
    takes_memory: bool  # it has a parameter for a storage
    lifts: bool  # it takes a tensor that Python made of numbers
    handler: Handler | None  # what reads it, if anything does
    fills: bool  # it makes a tensor of the shape of another, and fills it with a number

    def writes(self, args: Any, kwargs: Any) -> list[Any]:
        """Tensors that it changes."""
        if not self.written and not self.out:
            return []
        return flat_tensors([[args[p] for p in self.written if p < len(args)], *map(kwargs.get, self.out)])


@cache
def operator(func: Any) -> Operator:
    """What is known of an operator."""
    name = func.__name__.split(".")[0]
    schema = func._schema
    written = [i for i, a in enumerate(schema.arguments) if a.alias_info is not None and a.alias_info.is_write]
    outs = [schema.arguments[i].name for i in written if schema.arguments[i].kwarg_only]
    in_place = name.endswith("_") and not name.endswith("__")
    base = name.rstrip("_") if in_place else name
    if in_place and not written:  # the schemas of operators on lists do not say it
        written = [0]
    is_view = any(r.alias_info is not None and not r.alias_info.is_write for r in schema.returns)
    positions = tuple(i for i in written if not schema.arguments[i].kwarg_only)
    reshapes, is_random = (tag in func.tags for tag in (torch.Tag.inplace_view, torch.Tag.nondeterministic_seeded))
    takes_memory = any("Storage" in str(a.type) for a in schema.arguments)
    lifts = name.startswith("lift_fresh")
    about = is_view, reshapes, is_random, takes_memory, lifts
    return Operator(base, positions, tuple(outs), *about, handler_of(func), base in FILLS)
