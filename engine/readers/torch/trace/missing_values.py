"""Values that tensors on the meta device do not have: what asks for them, and lists that keep theirs."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_INDEXING = (torch.Tensor.__getitem__, torch.Tensor.__setitem__)


class NeedsValuesError(Exception):
    """The model asks for values of the image, which has none on the meta device."""


class UnseenIndexError(NeedsValuesError):
    """Numbers that index a tensor without values have lost theirs: torch makes lists tensors on its device."""


def wants_values(error: Exception) -> bool:
    """Whether what a model raised on the meta device may come of the values that it lacks."""
    return isinstance(error, NeedsValuesError | NotImplementedError | TypeError) or "meta" in str(error)


class ListIndices(TorchFunctionMode):
    """Makes tensors on the CPU of lists that index others, such as ``x[:, [2, 1, 0]]``.

    Torch makes them on the device of the others; on the meta device they lose their values.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _INDEXING:
            tensor, index, *rest = args
            parts = tuple(map(_with_values, index)) if isinstance(index, tuple) else _with_values(index)
            args = (tensor, parts, *rest)
        return func(*args, **(kwargs or {}))


def _with_values(index: Any) -> Any:
    plain = isinstance(index, list) and bool(index) and _of_numbers(index)
    return torch.tensor(index) if plain or (type(index).__module__ == "numpy" and index.ndim) else index


def _of_numbers(value: Any) -> bool:
    return all(_of_numbers(v) if isinstance(v, list) else isinstance(v, int) for v in value)
