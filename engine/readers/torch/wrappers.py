"""Modules that hand their input on to one inside: compiled, parallel, sharded or averaged ones."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

# attribute that holds the module inside, by class
WRAPPERS = {
    "OptimizedModule": "_orig_mod",
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "FullyShardedDataParallel": "_fsdp_wrapped_module",
    "AveragedModel": "module",
    "CheckpointWrapper": "_checkpoint_wrapped_module",
}


def inside_of(module: Any) -> str | None:
    """Return the attribute with the module that a wrapper of torch hands its input on to; None for other modules."""
    kind: type = type(module)
    name = _attribute(kind)
    return name if name is not None and hasattr(module, name) else None


@cache
def _attribute(kind: type) -> str | None:
    torch_own = (cls for cls in kind.__mro__ if cls.__module__.startswith("torch."))
    return next((WRAPPERS[cls.__name__] for cls in torch_own if cls.__name__ in WRAPPERS), None)


def unwrapped(module: Any) -> Any:
    """Return the module inside of wrappers, or the module itself."""
    while (name := inside_of(module)) is not None:
        module = getattr(module, name)
    return module


def names_without_wrappers(named: Iterable[tuple[str, Any]]) -> dict[int, list[str]]:
    """Return the names of the parts of a module by their `id`; a part inside of a wrapper has the wrapper's name.

    `named` has all names of all parts, as ``named_modules(remove_duplicate=False)`` gives them.
    """
    found: dict[int, list[str]] = {}
    inside: dict[str, str] = {}  # names that are left out, by what stands in their place
    for path, part in named:
        parent, _, _ = path.rpartition(".")
        short = inside.get(path) or (f"{inside[parent]}{path[len(parent) :]}" if parent in inside else path)
        inside[path] = short.removeprefix(".")
        found.setdefault(id(part), []).append(inside[path])
        name = inside_of(part)
        if name is not None:
            inside[f"{path}.{name}" if path else name] = inside[path]
    return found
