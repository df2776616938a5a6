"""Values that tensors on the meta device do not have: what asks for them, and numbers of Python that keep theirs."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_INDEXING = (torch.Tensor.__getitem__, torch.Tensor.__setitem__)
_MAKING = (torch.tensor, torch.as_tensor, torch.asarray, torch.scalar_tensor, torch.Tensor.new_tensor)


class NeedsValuesError(Exception):
    """The model asks for values of the image, which has none on the meta device."""


class LostNumbersError(NeedsValuesError):
    """A tensor without values that no operator has made: perhaps of numbers of Python, which it has lost."""


def wants_values(error: Exception) -> bool:
    """Whether what a model raised on the meta device may come of the values that it lacks."""
    return isinstance(error, NeedsValuesError | NotImplementedError | TypeError) or "meta" in str(error)


class KeptNumbers(TorchFunctionMode):
    """Keeps tensors that Python makes of numbers on the CPU: by `torch.tensor`, or as indices, ``x[:, [2, 1, 0]]``.

    Torch makes them on the device of the tensors that they go with; on the meta device they lose their values.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _INDEXING:
            tensor, index, *rest = args
            parts = tuple(map(_with_values, index)) if isinstance(index, tuple) else _with_values(index)
            args = (tensor, parts, *rest)
        elif func in _MAKING and not isinstance(args[-1] if args else None, torch.Tensor):
            device = kwargs.get("device") or (args[0].device if func is torch.Tensor.new_tensor else None)
            if device is not None and torch.device(device).type == "meta":
                kwargs = {**kwargs, "device": "cpu"}
        return func(*args, **kwargs)


def _with_values(index: Any) -> Any:
    plain = isinstance(index, list) and bool(index) and _of_numbers(index)
    return torch.tensor(index) if plain or (type(index).__module__ == "numpy" and index.ndim) else index


def _of_numbers(value: Any) -> bool:
    return all(_of_numbers(v) if isinstance(v, list) else isinstance(v, int) for v in value)
