"""The values of tensors while a model runs: views share what they show, and a write changes every view of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from rfscale.engine.readers.tensors.calls import guarded
from rfscale.engine.readers.tensors.layout import UnreadableError
from rfscale.engine.readers.tensors.tracking import Constant, Tracker, Unknown
from rfscale.engine.readers.torch.registry import ATEN, Handler

Stopped: TypeAlias = Callable[[str, str, Sequence[Any]], Unknown]
_KEY = "_rfscale_view"  # attribute of a tensor


@dataclass
class Storage:
    """Memory that tensors share; `version` counts the writes."""

    version: int = 0


@dataclass
class Step:
    """How a view is made from its parent: operator, its other arguments, the shapes it returns, and which of them."""

    name: str
    handler: Handler
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shapes: Any
    position: int | None = None


@dataclass
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


class Values:
    """Views of the tensors of one run.

    Parameters
    ----------
    tracker : Tracker
    unseen : callable
        ``unseen(tensor)``: the view of a tensor that no operator of this run has made.
    stopped : callable
        ``stopped(operator, reason, values)``: what stands for a tensor where the analysis ends.
    """

    def __init__(self, tracker: Tracker, unseen: Callable[[Any], View], stopped: Stopped) -> None:
        self._tracker = tracker
        self._unseen = unseen
        self._stopped = stopped
        self._kept: dict[int, tuple[Any, View]] = {}  # of tensors that outlive the run: no attribute stays at them

    def view(self, tensor: Any) -> View:
        """The view of a tensor, its value up to date."""
        view = tensor.__dict__.get(_KEY)
        if view is None or view.owner is not self:
            kept = self._kept.get(id(tensor))
            if kept is None:
                view = self._unseen(tensor)
                self._kept[id(tensor)] = tensor, view
            else:
                view = kept[1]
        if view.version != view.storage.version:
            self._renew(view)
        return view

    def new(self, tensor: Any, value: Any, **about: Any) -> None:
        """A tensor with memory of its own."""
        self._attach(tensor, View(value, Storage(), self, self._tracker.path, **about))

    def shared(self, tensor: Any, value: Any, parent: View, step: Step, **about: Any) -> None:
        """A tensor that shows memory of another one."""
        storage = parent.storage
        about["version"] = storage.version
        self._attach(tensor, View(value, storage, self, self._tracker.path, parent, step, **about))

    def _attach(self, tensor: Any, view: View) -> None:
        if id(tensor) in self._kept:
            self._kept[id(tensor)] = tensor, view
        else:
            setattr(tensor, _KEY, view)

    def write(self, view: View, value: Any) -> None:
        """A tensor is written in place: all that share its memory see it."""
        self._put(view, value)
        view.path = self._tracker.path

    def _put(self, view: View, value: Any) -> None:
        if view.parent is None or view.step is None:
            view.storage.version += 1
            view.fixed, view.pattern = False, None
        else:
            parent = self.current(view.parent)
            try:
                whole = guarded(_written, self._tracker, parent, view.step, value)
            except UnreadableError as reason:
                whole = self._stopped(view.step.name, f"written through: {reason}", (parent, value))
            self._put(view.parent, whole)
        view.value, view.version = value, view.storage.version

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
        view.version = view.storage.version


def _again(tracker: Tracker, parent: Any, step: Step) -> Any:
    """What a view shows of its parent now."""
    if isinstance(parent, Unknown):
        return Unknown((parent,))
    shapes = step.shapes if step.position is None else step.shapes[step.position]
    if isinstance(parent, Constant):
        return Constant(shapes)
    tracker.shape = step.shapes
    out = guarded(step.handler, tracker, parent, *step.args, **step.kwargs)
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
    if step.name in ("transpose", "swapaxes", "swapdims", "t", "numpy_T", "mT"):
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
