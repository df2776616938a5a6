"""Models of any size with values in little memory: parameters that share a few blocks of random numbers.

A judge runs the architecture of a model; which numbers its weights are does not count, but none may be zero, and those
of a tensor must be different. A model of billions of parameters is thus made in a second: its constructor has
parameters without memory, and each becomes a piece of a block, at a place of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import log2, prod
from typing import Any

import torch
from torch.nn.modules.module import register_module_parameter_registration_hook

STEPS = 1009  # places at which a parameter may start in its block
STRIDE = 389  # from the place of one to that of the next; it has no common divisor with STEPS
PERIOD = 1048583  # numbers of a block that are drawn, then they repeat: a prime, so that no two rows are alike


class _OnMeta(torch.nn.Parameter):
    """A parameter without memory, which nothing initialises.

    A constructor that makes a buffer on the device of a parameter makes one with values.
    """

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.__name__.endswith("_") and not func.__name__.endswith("__"):
            return (*args, *kwargs.values())[0]
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **kwargs)


@contextmanager
def without_memory() -> Iterator[None]:
    """Let modules that are made here have parameters on the meta device; their buffers have values."""
    known: dict[int, tuple[Any, Any]] = {}  # a parameter of several modules stays one

    def on_meta(_: Any, __: str, value: Any) -> Any:
        if value is None or value.is_meta or not value.is_floating_point():
            return value
        if id(value) not in known:
            known[id(value)] = value, _OnMeta(value.data.to("meta"), requires_grad=False)
        return known[id(value)][1]

    handle = register_module_parameter_registration_hook(on_meta)
    try:
        yield
    finally:
        handle.remove()


def with_shared_values(make: Callable[[], Any], module_of: Callable[[Any], torch.nn.Module] = lambda m: m) -> Any:
    """What a function makes, with a module whose parameters share memory.

    Parameters
    ----------
    make : callable
    module_of : callable, optional
        The module in what `make` returns.

    Raises
    ------
    RuntimeError
        The constructor needs the values of its parameters.
    """
    with without_memory():
        made = make()
    module = module_of(made)
    fill(module)
    if any(value.is_meta for value in (*module.parameters(), *module.buffers())):
        raise RuntimeError("a buffer is made of the values of a parameter")
    return made


def fill(module: torch.nn.Module) -> None:
    """Give parameters that have no memory pieces of shared blocks: about ±1/√inputs, vectors from 1/2 to 3/2."""
    missing = {id(p): p for p in module.parameters() if p.is_meta}
    longest: dict[int, int] = {}
    for value in missing.values():
        scale = _scale(value.shape)
        longest[scale] = max(longest.get(scale, 0), value.numel())
    generator = torch.Generator().manual_seed(0)
    blocks = {scale: _block(scale, n + STEPS, generator) for scale, n in longest.items()}
    filled = {
        key: torch.nn.Parameter(_piece(blocks[_scale(p.shape)], number * STRIDE % STEPS, p), requires_grad=False)
        for number, (key, p) in enumerate(missing.items())
    }
    for part in module.modules():
        for name, value in list(part.named_parameters(recurse=False, remove_duplicate=False)):
            if id(value) in filled:
                setattr(part, name, filled[id(value)])


def _scale(shape: tuple[int, ...]) -> int:
    """The power of 1/2 that is the size of a weight; 0 of a vector."""
    return round(log2(max(1, prod(shape[1:]))) / 2) if len(shape) > 1 else 0


def _block(scale: int, length: int, generator: torch.Generator) -> torch.Tensor:
    drawn = min(length, PERIOD)
    some = (
        torch.randn(drawn, generator=generator) * 0.5**scale if scale else torch.rand(drawn, generator=generator) + 0.5
    )
    return some.repeat(-(-length // drawn))


def _piece(block: torch.Tensor, start: int, value: torch.Tensor) -> torch.Tensor:
    return block[start : start + value.numel()].view(value.shape)


class Values:
    """Parameters and buffers of a module, which are converted to a kind of numbers as it is needed."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.given = [(v, v.data) for v in (*module.parameters(), *module.buffers()) if v.is_floating_point()]

    def use(self, dtype: torch.dtype) -> None:
        """Let the module have this kind; tensors that share memory share it afterwards."""
        found: dict[int, torch.Tensor] = {}
        for value, given in self.given:
            if value.dtype == dtype:
                continue
            storage = given.untyped_storage()
            if storage.data_ptr() not in found:
                found[storage.data_ptr()] = torch.empty(0, dtype=given.dtype).set_(storage).to(dtype)
            value.data = found[storage.data_ptr()].as_strided(given.shape, given.stride(), given.storage_offset())
