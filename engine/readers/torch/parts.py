"""The parts of a module: its modules with their names, parameters and buffers, collected once for a reading."""

from __future__ import annotations

from typing import Any

from rfscale.engine.readers.torch.wrappers import names_without_wrappers


class Parts:
    """What a module is made of.

    Attributes
    ----------
    module : torch.nn.Module
    modules : list of torch.nn.Module
        The module itself and all inside it, each once.
    paths : dict
        All names of each of these, by its id.
    parameters, buffers : list of torch.Tensor
        Each once.
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        named = list(module.named_modules(remove_duplicate=False))
        self.modules: list[Any] = list({id(part): part for _, part in named}.values())
        self.paths = names_without_wrappers(named)
        self.parameters = _tensors(part._parameters for part in self.modules)
        self.buffers = _tensors(part._buffers for part in self.modules)


def _tensors(tables: Any) -> list[Any]:
    found = {id(t): t for table in tables if table for t in table.values() if t is not None}
    return list(found.values())
