"""The operators of one forward, recorded below autograd; nothing is computed that depends on the image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

VALUES = frozenset("item _local_scalar_dense is_nonzero equal nonzero masked_select unique _unique2 allclose".split())


NORMS = frozenset(
    "native_batch_norm _native_batch_norm_legit_no_training cudnn_batch_norm batch_norm _batch_norm_no_update".split()
)


class NeedsValuesError(Exception):
    """The model asks for values of an image that has none."""


@dataclass(frozen=True)
class Ref:
    """One tensor that depends on the image.

    Attributes
    ----------
    node : int
        Position of the operator that made it; -1: the image.
    output : int
        Which of its results it is.
    shape : tuple of int
    """

    node: int
    output: int
    shape: tuple[int, ...]


@dataclass
class Node:
    """One call of an operator.

    Attributes
    ----------
    func : torch._ops.OpOverload
    args, kwargs : tuple and dict
        What it was called with: a `Ref` for each tensor that depends on the image, others as they are.
    outputs : tuple of shapes
    path : str
        Name of the module that called it.
    made : callable, optional
        What it makes of values, where several operators are taken for one.
    """

    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: tuple[tuple[int, ...], ...]
    path: str
    made: Any = None

    @property
    def name(self) -> str:
        """Name of the operator, without overload and the sign of the in-place variant."""
        name = str(self.func.__name__).split(".")[0]
        return name.rstrip("_") if name.endswith("_") and not name.endswith("__") else name

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.name} in {self.path}" if self.path else self.name

    @property
    def named(self) -> dict[str, Any]:
        """Its arguments by the names that the operator has for them."""
        names = (a.name for a in self.func._schema.arguments)
        return dict(zip(names, self.args, strict=False)) | self.kwargs

    def refs(self) -> list[Ref]:
        """Tensors that it reads, in order."""
        return [r for r in leaves((self.args, self.kwargs)) if isinstance(r, Ref)]


@dataclass(frozen=True)
class Returned:
    """A tensor that one call of a module returns.

    Attributes
    ----------
    call : int
        From 0.
    key : str
        Where in what it returns.
    ref : Ref
    """

    call: int
    key: str
    ref: Ref


@dataclass
class Recorded:
    """What one forward did: nodes in order, and what modules return."""

    nodes: list[Node] = field(default_factory=list)
    returned: dict[str, list[Returned]] = field(default_factory=dict)
    ran_on_values: bool = False


EXCHANGES = frozenset("permute transpose t movedim swapaxes".split())


def exchanged(recorded: Recorded, ref: Ref) -> bool:
    """Whether dims were exchanged before a tensor was made, so that its last dims may not be its axes."""
    return any(node.name in EXCHANGES and len(node.outputs[0]) > 2 for node in recorded.nodes[: ref.node + 1])


def leaves(structure: Any) -> Iterator[Any]:
    """All that is no list, tuple or dict in nested ones."""
    if isinstance(structure, Mapping):
        structure = structure.values()
    elif not isinstance(structure, list | tuple):
        yield structure
        return
    for part in structure:
        yield from leaves(part)


def replaced(structure: Any, change: Any) -> Any:
    """Nested lists, tuples and dicts with something in the place of each leaf."""
    if isinstance(structure, Mapping):
        return {key: replaced(value, change) for key, value in structure.items()}
    if isinstance(structure, list | tuple):
        parts = [replaced(value, change) for value in structure]
        return parts if isinstance(structure, list) else tuple(parts)
    return change(structure)


class OperatorRecorder(TorchDispatchMode):
    """Records the operators that depend on the image.

    Parameters
    ----------
    image : torch.Tensor
        On the meta device it has no values, and what depends on it is not computed.
    path : callable
        Returns the name of the module that runs.
    """

    def __init__(self, image: Any, path: Any) -> None:
        super().__init__()
        self.recorded = Recorded(ran_on_values=not image.is_meta)
        self._path = path
        self._on_meta = image.is_meta
        self._known: dict[int, Ref | None] = {}  # None: written through another tensor, its values are not known
        self._held: list[Any] = []  # so that no id is used twice
        self._storages: dict[int, list[int]] = {}
        self._note(image, Ref(-1, 0, tuple(image.shape)))

    def ref(self, tensor: Any) -> Ref | None:
        """What a tensor is; None where it does not depend on the image."""
        return self._known.get(id(tensor))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = _tensors(args) + (_tensors(kwargs.values()) if kwargs else [])
        if not any(id(t) in self._known for t in tensors):
            return func(*args, **kwargs)
        name = func.__name__.split(".")[0]
        made = self._on_meta and any(t.is_meta and id(t) not in self._known for t in tensors)  # on its device
        if self._on_meta and (made or name in VALUES):
            raise NeedsValuesError(name)
        given, named = tuple(self._references(a) for a in args), {k: self._references(v) for k, v in kwargs.items()}
        out = self._run(func, name, args, kwargs)
        results = _tensors(out if isinstance(out, list | tuple) else (out,))
        shapes = tuple(tuple(t.shape) for t in results)
        position = len(self.recorded.nodes)
        self.recorded.nodes.append(Node(func, given, named, shapes, self._path()))
        written = _writes(func)
        own = {id(t) for t in tensors}
        for number, tensor in enumerate(results):
            if written and id(tensor) in own:
                self._overwritten(tensor)
            self._note(tensor, Ref(position, number, shapes[number]))
        return out

    def _run(self, func: Any, name: str, args: Any, kwargs: Any) -> Any:
        if not self._on_meta:
            return func(*args, **kwargs)
        if name in NORMS and args[0].dim() > 1:  # torch works norms out in Python: two thirds of a ResNet's forward
            out = torch.empty_like(args[0])
            several = len(func._schema.returns) - 1
            return (out, *(out.new_empty(0) for _ in range(several))) if several else out
        return func(*map(_twins, args), **{k: _twins(v) for k, v in kwargs.items()})

    def _references(self, value: Any) -> Any:
        if isinstance(value, list | tuple) and any(isinstance(v, torch.Tensor) for v in value):
            return replaced(value, self._reference)
        return self._reference(value)

    def _reference(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or id(value) not in self._known:
            return value
        known = self._known[id(value)]
        return known if known is not None else Ref(-2, 0, tuple(value.shape))

    def _note(self, tensor: Any, ref: Ref) -> None:
        if id(tensor) not in self._known:
            self._held.append(tensor)
            self._storages.setdefault(tensor.untyped_storage()._cdata, []).append(id(tensor))
        self._known[id(tensor)] = ref

    def _overwritten(self, tensor: Any) -> None:
        """What shares the memory of a tensor that is written holds something else now."""
        for other in self._storages.get(tensor.untyped_storage()._cdata, ()):
            if other != id(tensor):
                self._known[other] = None


def _tensors(values: Any) -> list[Any]:
    """The tensors among arguments, lists of them included."""
    found = []
    for value in values:
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += [v for v in value if isinstance(v, torch.Tensor)]
    return found


@cache
def _writes(func: Any) -> bool:
    return any(a.alias_info is not None and a.alias_info.is_write for a in func._schema.arguments)


def _twins(value: Any) -> Any:
    if isinstance(value, list | tuple) and any(isinstance(v, torch.Tensor) for v in value):
        return replaced(value, _twin)
    return _twin(value)


def _twin(value: Any) -> Any:
    """The same without values."""
    if isinstance(value, torch.device):
        return torch.device("meta")
    if isinstance(value, torch.Tensor) and not value.is_meta:
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")
    return value
