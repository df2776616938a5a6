"""What a module keeps from one run to the next, such as frames that came before: taken back after each run.

A run that ends at a tensor it is for does not come to where a model clears what it keeps.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

Kept = tuple[Any, dict[Any, Any] | list[Any]]  # what holds something, and a copy of it


@contextmanager
def state_restored(module: torch.nn.Module) -> Iterator[None]:
    """Let all parts of a module have the attributes, and the lists and dicts, that they had before."""
    kept = [held for part in module.modules() for held in _held(vars(part))]
    try:
        yield
    finally:
        for holder, before in kept:
            if isinstance(holder, dict):
                holder.clear()
                holder.update(before)
            else:
                holder[:] = before


def _held(attributes: dict[str, Any]) -> Iterator[Kept]:
    yield attributes, dict(attributes)
    for name, value in attributes.items():
        if not name.endswith("_hooks") and type(value) in (dict, OrderedDict):
            yield value, dict(value)
        elif type(value) is list:
            yield value, list(value)
