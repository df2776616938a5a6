"""Which module runs, and what each module returns: kept by hooks while a model runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from threading import get_ident
from typing import Any

import torch
from torch.nn.modules import module as hooks

Leaf = tuple[str, Any]


class ModuleCalls:
    """The modules that are running, outermost first, and a call for each tensor that a module returns.

    Parameters
    ----------
    paths : mapping
        The names of the model's modules by their ids, as in `Parts`; others are no places of their own.
    returned : callable
        Called as ``returned(paths, call, key, tensor)``: all names of the module, the number of its call from 0, and
        where in the returned structure the tensor is.
    """

    def __init__(self, paths: Mapping[int, list[str]], returned: Callable[[list[str], int, str, Any], None]) -> None:
        self._paths = paths
        self._returned = returned
        self._calls: dict[int, int] = {}
        self._running: list[str] = [""]
        self._handles: list[Any] = []
        self._last: list[Any] = []  # of the modules that run: the hook after their own hooks, if they have any
        self._thread = get_ident()  # hooks of all modules run in every thread

    @property
    def path(self) -> str:
        """Name of the innermost module that is running."""
        return self._running[-1]

    def __enter__(self) -> ModuleCalls:
        self._handles = [
            hooks.register_module_forward_pre_hook(self._begin),
            hooks.register_module_forward_hook(self._end, always_call=True),
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _begin(self, module: Any, _args: Any) -> None:
        if get_ident() != self._thread:
            return
        paths = self._paths.get(id(module))
        self._running.append(paths[0] if paths else self.path)
        own = bool(paths and module._forward_hooks)  # these may change what it returns
        self._last.append(self._after_hooks(module) if own else None)

    def _after_hooks(self, module: Any) -> Any:
        """Note what a module returns after its own hooks, once."""

        def last(module: Any, args: Any, output: Any) -> None:
            handle.remove()
            self._returns(module, args, output)

        handle = module.register_forward_hook(last)
        self._handles.append(handle)
        return handle

    def _end(self, module: Any, args: Any, output: Any) -> None:
        if get_ident() != self._thread:
            return
        self._running.pop()
        last = self._last.pop()
        if last is None:
            self._returns(module, args, output)
        elif output is None:  # it failed, perhaps
            last.remove()

    def _returns(self, module: Any, _args: Any, output: Any) -> None:
        paths = self._paths.get(id(module))
        if paths is None or output is None:
            return
        call = self._calls.get(id(module), 0)
        self._calls[id(module)] = call + 1
        for key, tensor in [("", output)] if isinstance(output, torch.Tensor) else tensors(output):
            if not _is_batched(tensor):
                self._returned(paths, call, key, tensor)


def _is_batched(tensor: Any) -> bool:
    """Whether a tensor stands for one of many, as inside of `torch.vmap`: operators get those at once."""
    return bool(torch._C._functorch.is_functorch_wrapped_tensor(tensor))


def tensors(structure: Any) -> Iterator[Leaf]:
    """Tensors of nested dicts, sequences and dataclasses, with their keys: positions and names with dots between."""
    if isinstance(structure, torch.Tensor):
        yield "", structure
        return
    for key, value in _parts(structure):
        for rest, tensor in tensors(value):
            yield (f"{key}.{rest}" if rest else key), tensor


def _parts(structure: Any) -> Iterator[Leaf]:
    if isinstance(structure, Mapping):
        yield from ((str(key), value) for key, value in structure.items())
    elif isinstance(structure, list | tuple):
        names = getattr(structure, "_fields", None) or range(len(structure))
        yield from ((str(key), value) for key, value in zip(names, structure, strict=True))
    elif dataclasses.is_dataclass(structure) and not isinstance(structure, type):
        yield from ((f.name, getattr(structure, f.name, None)) for f in dataclasses.fields(structure))
