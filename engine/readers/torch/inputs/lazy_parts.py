"""Modules whose layers learn their channels from the first input: read from a copy, so that they stay as they are."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from rfscale.engine.readers.torch.inputs.example_input import ModelInputs, made
from rfscale.engine.readers.torch.parts import Parts


def without_lazy_parts(parts: Parts, candidates: Sequence[ModelInputs]) -> Parts:
    """Return a module without parameters that have no shape yet: itself, or a copy that ran once.

    Parameters
    ----------
    parts : Parts
        Of the module.
    candidates : sequence of ModelInputs
        What it may be called with; the first that it takes says the shapes.
    """
    import torch
    from torch.nn.parameter import UninitializedBuffer, is_lazy

    tensors = [*parts.parameters, *parts.buffers]
    if not any(map(is_lazy, tensors)):
        return parts
    module, device = parts.module, tensors[0].device
    empty: Any = UninitializedBuffer
    for inputs in candidates:
        memo = {id(b): empty(device=b.device, dtype=b.dtype) for b in parts.buffers if is_lazy(b)}  # torch copies none
        own = copy.deepcopy(module, memo).eval()
        args, kwargs = made((inputs.args, inputs.kwargs), device)
        try:
            with torch.no_grad():
                own(*args, **kwargs)
            return Parts(own)
        except Exception:  # whatever the code of a model raises: reading it says so
            continue
    return parts
