"""The values of tensors while a model runs: views share what they show, and a write changes every view of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from rfscale.engine.readers.tensors.calls import check_result, guarded
from rfscale.engine.readers.tensors.layout import UnreadableError
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker, Unknown
from rfscale.engine.readers.torch.registry import ATEN, Handler

Stopped: TypeAlias = Callable[[str, str, Sequence[Any]], Unknown]
_KEY = "_rfscale_view"  # attribute of a tensor


@dataclass(slots=True)
class Storage:
    """Memory that tensors share.

    Attributes
    ----------
    version : int
        Counts the writes.
    lost : bool
        What it holds is not what the model has there: a tensor without values was written into it.
    """

    version: int = 0
    lost: bool = False


@dataclass(slots=True)
class Step:
    """How a view is made from its parent: operator, its other arguments, the shapes it returns, and which of them.

    Without a handler nothing is known but that they share memory.
    """

    name: str
    handler: Handler | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shapes: Any
    position: int | None = None


@dataclass(slots=True)
class View:
    """What a tensor holds, and how it shares it with others.

    Attributes
    ----------
    value : Tracked, Constant, Unknown or another value of a reader
    storage : Storage
    owner : object
        The run that made it.
    path : str
        Module that made the tensor.
    parent, step : View and Step, optional
        Of a view: what it is a view of, and how it was made.
    fixed : bool
        Of constants: the entries do not depend on parameters, which training may change.
    computed : bool
        An operator of this run made it.
    pattern : tensor of bool, optional
        Of constants: where the entries may differ from zero; None for everywhere.
    without_values : bool
        Of constants: what may mask it has no values.
    version : int
        Of the storage, when `value` was right.
    memory : int
        Address of the storage of the tensor itself; it changes where `data` is assigned.
    layout : tuple
        Shape, strides and offset in the storage.
    source : tensor, optional
        The tensor, where no operator of this run made it.
    """

    value: Any
    storage: Storage
    owner: object
    path: str = ""
    parent: View | None = None
    step: Step | None = None
    fixed: bool = True
    computed: bool = True
    pattern: Any = None
    without_values: bool = False
    version: int = 0
    memory: int = 0
    layout: Any = None
    source: Any = None

    def __deepcopy__(self, _memo: Any) -> View:
        """A copy of a tensor takes its attributes along; this one says nothing of it, as its memory is another."""
        return self

    def chain(self) -> Iterator[View]:
        """Yield the view itself, and those that it is a view of."""
        view: View | None = self
        while view is not None:
            yield view
            view = view.parent


def memory_of(tensor: Any) -> int:
    """Address of a tensor's storage, which its views share; 0 where it has none of its own."""
    address: int = tensor.untyped_storage()._cdata if tensor.layout is torch.strided else 0
    return address


def _layout(tensor: Any) -> Any:
    strided = tensor.layout is torch.strided
    return (tensor.shape, tensor.dtype, tensor.stride(), tensor.storage_offset()) if strided else None


class Values:
    """Views of the tensors of one run.

    Parameters
    ----------
    tracker : Tracker
    unseen : callable
        ``unseen(tensor)``: the view of a tensor that no operator of this run has made.
    stopped : callable
        ``stopped(operator, reason, values)``: what stands for a tensor where the analysis ends.
    constant : callable
        ``constant(tensor)``: a tensor that does not depend on the image, with its values.
    """

    def __init__(
        self,
        tracker: Tracker,
        unseen: Callable[[Any], View],
        stopped: Stopped,
        constant: Callable[[Any], Constant],
    ) -> None:
        self._tracker = tracker
        self._unseen = unseen
        self._stopped = stopped
        self._constant = constant
        self._kept: dict[int, tuple[Any, View]] = {}  # of tensors that outlive the run: no attribute stays at them
        # by address, with a weak reference: as long as that is held, no other storage gets the address
        self._owners: dict[int, tuple[Any, View]] = {}

    def view(self, tensor: Any) -> View:
        """The view of a tensor, its value up to date."""
        view = tensor.__dict__.get(_KEY)
        if view is None or view.owner is not self:
            kept = self._kept.get(id(tensor))
            view = None if kept is None else kept[1]
        if view is None or view.memory != memory_of(tensor):
            before, view = view, self._met(tensor)
            if before is not None and isinstance(view.value, Constant) and not isinstance(before.value, Constant):
                reason = "the tensor was copied, or its data assigned, where operators cannot be followed"
                view.value = self._stopped("copy", reason, (before.value,))
        if view.version != view.storage.version:
            self._renew(view)
            if isinstance(view.value, Constant) and not view.storage.lost:
                view.value = self._constant(tensor)
        return view

    def shares(self, tensor: Any) -> bool:
        """Note that a tensor has become one of memory that is known; False where it is not."""
        known = memory_of(tensor) in self._owners
        if known:
            self._met(tensor)
        return known

    def _met(self, tensor: Any) -> View:
        """The view of a tensor that no operator of this run has made, or whose `data` was assigned."""
        memory = memory_of(tensor)
        owner = self._owners.get(memory)
        if owner is None:
            view = self._unseen(tensor)
        else:
            parent, shape = owner[1], tuple(tensor.shape)
            same = parent.layout == _layout(tensor)
            step = Step("alias" if same else "shared memory", ATEN["alias"] if same else None, (), {}, shape)
            view = View(None, parent.storage, self, parent.path, parent, step, version=-1)
            if isinstance(self.current(parent), Constant):
                view = self._unseen(tensor)
                view.storage, view.parent, view.step, view.version = parent.storage, parent, step, parent.version
                view.fixed = parent.fixed
                if same:
                    view.computed, view.pattern = parent.computed, parent.pattern
        view.memory, view.layout, view.source = memory, _layout(tensor), tensor
        self._kept[id(tensor)] = tensor, view
        tensor.__dict__.pop(_KEY, None)
        if owner is None:
            self._own(tensor, view)
        return view

    def new(self, tensor: Any, value: Any, **about: Any) -> None:
        """A tensor with memory of its own; or of another one, where nothing is known of how it shares that."""
        memory = memory_of(tensor)
        owner = self._owners.get(memory)
        if owner is not None:
            self.shared(tensor, value, owner[1], Step("shared memory", None, (), {}, tuple(tensor.shape)), **about)
            return
        view = View(value, Storage(), self, self._tracker.path, **about)
        self._attach(tensor, view, memory)
        self._own(tensor, view)

    def shared(self, tensor: Any, value: Any, parent: View, step: Step, **about: Any) -> None:
        """A tensor that shows memory of another one."""
        storage = parent.storage
        about["version"] = storage.version
        self._attach(tensor, View(value, storage, self, self._tracker.path, parent, step, **about), memory_of(tensor))

    def _own(self, tensor: Any, view: View) -> None:
        if view.memory:
            weak: Any = StorageWeakRef
            self._owners[view.memory] = weak(tensor.untyped_storage()), view

    def _attach(self, tensor: Any, view: View, memory: int) -> None:
        view.memory, view.layout = memory, _layout(tensor)
        if id(tensor) in self._kept:
            view.source = tensor
            self._kept[id(tensor)] = tensor, view
        else:
            setattr(tensor, _KEY, view)

    def write(self, view: View, value: Any, *, fixed: bool = False, pattern: Any = None) -> None:
        """A tensor is written in place: all that share its memory see it.

        Parameters
        ----------
        view : View
        value : Tracked, Constant or Unknown
        fixed, pattern : bool and tensor of bool, optional
            Of a constant, as in `View`.
        """
        self._put(view, value, fixed, pattern)
        view.path = self._tracker.path

    def _put(self, view: View, value: Any, fixed: bool, pattern: Any) -> None:
        if view.parent is None or view.step is None:
            view.storage.version += 1
        else:
            parent = self.current(view.parent)
            try:
                whole = guarded(_written, self._tracker, parent, view.step, value)
                check_result(whole, parent.shape if isinstance(parent, Tracked | Constant) else None)
            except UnreadableError as reason:
                whole = self._stopped(view.step.name, f"written through: {reason}", (parent, value))
            same = view.step.name in _SAME
            self._put(view.parent, whole, fixed and (same or view.parent.fixed), pattern if same else None)
            if isinstance(whole, Constant):
                view.parent.version -= 1  # its values are read when they are asked for
        view.value, view.version = value, view.storage.version
        view.fixed, view.pattern, view.computed = fixed, pattern, True

    def current(self, view: View) -> Any:
        """The value of a view after the last write."""
        if view.version != view.storage.version:
            self._renew(view)
        return view.value

    def _renew(self, view: View) -> None:
        if view.parent is not None and view.step is not None:
            parent = self.current(view.parent)
            try:
                view.value = _again(self._tracker, parent, view.step)
            except UnreadableError as reason:
                view.value = self._stopped(view.step.name, str(reason), (parent,))
            view.fixed, view.computed = view.fixed and view.parent.fixed, True
            view.pattern = view.parent.pattern if view.step.name in _SAME else None
        view.version = view.storage.version


def _again(tracker: Tracker, parent: Any, step: Step) -> Any:
    """What a view shows of its parent now."""
    if isinstance(parent, Unknown):
        return Unknown((parent,))
    shapes = step.shapes if step.position is None else step.shapes[step.position]
    if isinstance(parent, Constant):
        return Constant(shapes)
    if step.handler is None:
        raise UnreadableError("it shares memory that was written")
    tracker.shape = step.shapes
    out = guarded(step.handler, tracker, parent, *step.args, **step.kwargs)
    check_result(out, step.shapes)
    return out if step.position is None else out[step.position]


_SAME = frozenset("alias detach contiguous to _to_copy type_as clone lift_fresh dropout resolve_conj".split())
_RESHAPED = frozenset(
    "view reshape flatten unflatten _unsafe_view squeeze unsqueeze view_as reshape_as _reshape_alias".split()
)


def _written(tracker: Tracker, parent: Any, step: Step, value: Any) -> Any:
    """What a parent holds after one of its views was written."""
    if isinstance(value, Unknown) or isinstance(parent, Unknown):
        return Unknown((parent, value))
    if isinstance(value, Constant) and isinstance(parent, Constant):
        return Constant(parent.shape)
    if step.handler is None:
        raise UnreadableError("how they share memory is not known")
    tracker.shape = parent.shape
    if step.name in _SAME:
        return value
    if step.name in _RESHAPED:
        return ATEN["view"](tracker, value, parent.shape)
    rank = len(parent.shape)
    args, named = step.args, step.kwargs
    if step.name == "permute":
        order = [d % rank for d in args[0]]
        return ATEN["permute"](tracker, value, [order.index(d) for d in range(rank)])
    if step.name == "numpy_T":
        return ATEN["numpy_T"](tracker, value)
    if step.name in ("transpose", "swapaxes", "swapdims", "t", "mT"):
        a, b = (args[0], args[1]) if len(args) > 1 else (-1, -2)
        return ATEN["transpose"](tracker, value, a, b)
    if step.name in ("movedim", "moveaxis"):
        return ATEN["movedim"](tracker, value, args[1], args[0])
    if step.name in ("select", "unbind"):
        dim, index = (args[0], args[1]) if step.name == "select" else ((*args, 0)[0], step.position)
        return ATEN["select_scatter"](tracker, parent, value, dim, index)
    start, stop, by, dim = _span(step, args, named, parent.shape)
    return ATEN["slice_scatter"](tracker, parent, value, dim, start, stop, by)


def _span(step: Step, args: Any, named: Any, shape: Any) -> tuple[int, int, int, int]:
    """Entries start, start + by, … before stop of a dim that a view shows."""
    if step.name == "slice":
        full: list[Any] = [*args, *(0, None, None, 1)[len(args) :]]
        dim = full[0]
        return (*slice(*full[1:]).indices(shape[dim]), dim)
    if step.name == "narrow":
        dim, start, size = args
        first = start % shape[dim] if start < 0 else start
        return first, first + size, 1, dim
    if step.name in ("split", "split_with_sizes", "chunk", "tensor_split") and step.position is not None:
        dim = named.get("dim", (*args, 0, 0)[1])
        sizes = [s[dim] for s in step.shapes]
        first = sum(sizes[: step.position])
        return first, first + sizes[step.position], 1, dim
    raise UnreadableError(f"it writes through {step.name}")
