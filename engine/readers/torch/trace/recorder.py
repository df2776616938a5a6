"""The operators that a model calls while it runs, each read by its handler."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from rfscale.engine.readers.tensors.calls import check_dependence, check_result, guarded
from rfscale.engine.readers.tensors.layout import UnreadableError
from rfscale.engine.readers.tensors.operators.masked_scores import check_masked
from rfscale.engine.readers.tensors.tracking import Constant, Stop, Tracked, Tracker, Unknown
from rfscale.engine.readers.tensors.unknowns import Unknowns
from rfscale.engine.readers.torch.parts import Parts
from rfscale.engine.readers.torch.program.masks import NOT_READ, WITHOUT_VALUES
from rfscale.engine.readers.torch.trace import constants, results, storages
from rfscale.engine.readers.torch.trace.missing_values import LostNumbersError, NeedsValuesError
from rfscale.engine.readers.torch.trace.module_calls import ModuleCalls
from rfscale.engine.readers.torch.trace.operators import IN_PART, VALUES, WHOLE, Operator, operator
from rfscale.engine.readers.torch.trace.storages import Step, Storage, Values, View

LEFT = "values of one example image left torch, what they decide or change outside is not followed"
DECIDED = "the values of one example image decide what runs after it"


class Recorder(TorchDispatchMode):
    """Runs the operators of a model, and reads those that depend on the image.

    Parameters
    ----------
    tracker : Tracker
    unknowns : Unknowns
    calls : ModuleCalls
    parts : Parts
        Of the model.
    on_meta : bool
        The image has no values; nothing is computed that depends on it.
    """

    def __init__(self, tracker: Tracker, unknowns: Unknowns, calls: ModuleCalls, parts: Parts, on_meta: bool) -> None:
        super().__init__()
        self.tracker = tracker
        self.unknowns = unknowns
        self.calls = calls
        self.values = Values(tracker, self._unseen, self._stopped, constants.constant_of)
        self._parameters = set(map(id, parts.parameters))
        self._owned = self._parameters.union(map(id, parts.buffers))
        self._pieces: Any = None
        self._on_meta = on_meta
        self._outside = False  # values of the image left torch: what comes from there may depend on it
        self._numbers: Counter[str] = Counter()
        self._changed: dict[int, tuple[Any, Any]] = {}
        self._reachable: set[int] | None = None
        self.loses_numbers = on_meta  # of which Python makes tensors, unless `KeptNumbers` is there
        self._lifts = False  # the operator at hand does, see `Operator.lifts`
        self._modules = parts.modules
        self.failed = False  # an operator failed for want of values, and the model may have gone on without

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Whether torch's compiler is told to leave this alone: torch imports it for that, which takes a second."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        try:
            return self._read(func, args, kwargs or {})
        except Exception:
            self.failed = True
            raise

    def _read(self, func: Any, args: Any, kwargs: Any) -> Any:
        op = operator(func)
        tensors = constants.flat_tensors((args, kwargs))
        if op.takes_memory:
            given = [a for a in args if isinstance(a, torch.UntypedStorage | torch.TypedStorage)]
            if any(a.device != args[0].device for a in given):
                raise NeedsValuesError(op.name)  # real memory is not read as that of a tensor without values
        self._lifts = op.lifts
        views = [self.values.view(t) for t in tensors]
        if all(isinstance(v.value, Constant) for v in views):
            return self._constant(func, op, args, kwargs, tensors)
        self.tracker.path = self.calls.path
        return self._dependent(func, op, args, kwargs, tensors, views)

    def restore(self) -> None:
        """Give tensors of the module that its forward has written their values back."""
        for tensor, before in reversed(self._changed.values()):
            if tensor.shape == before.shape:
                tensor.copy_(before)
            else:
                tensor.data = before

    def _remember(self, written: list[Any]) -> None:
        """Keep the values of what the model did not make in this run: buffers, and tensors that it keeps."""
        for tensor in written:
            for view in self.values.view(tensor).chain():
                kept = view.source
                if kept is not None and id(kept) not in self._changed:
                    with torch.inference_mode(False):
                        self._changed[id(kept)] = kept, kept.detach().clone()

    # constants ------------------------------------------------------------------------------------------------------

    def _unseen(self, tensor: Any) -> View:
        owned = id(tensor) in self._owned
        value: Any
        if self._outside and not owned:
            value = self._stopped("numpy", "values of the image left torch, and may have come back", ())
        elif self._on_meta and tensor.device.type == "meta" and not (owned or self._lifts or self._kept(tensor)):
            if self.loses_numbers:
                raise LostNumbersError
            reason = "the tensor was made where operators cannot be followed: in another thread, or by a copy"
            value = self._stopped("clone", reason, ())
        else:
            value = constants.constant_of(tensor)
        return View(value, Storage(), self.values, fixed=id(tensor) not in self._parameters, computed=False)

    def _kept(self, tensor: Any) -> bool:
        """Whether a tensor without values is held by the module, or by an object that it holds: of one on meta."""
        if self._reachable is None:
            self._reachable = set()
            for part in self._modules:
                held = list(vars(part).values())
                others = [vars(x) for x in held if hasattr(x, "__dict__") and not isinstance(x, torch.nn.Module)]
                self._reachable |= set(map(id, constants.flat_tensors([held, others])))
        return id(tensor) in self._reachable

    def _constant(self, func: Any, op: Operator, args: Any, kwargs: Any, tensors: list[Any]) -> Any:
        written = op.writes(args, kwargs)
        self._remember(written)
        before = self.values.view(args[0]) if op.reshapes else None
        about = constants.mask_after(op.name, args, kwargs, self.values.view) if written else {}
        real, out = self._computed(func, args, kwargs, tensors)
        if before is not None:
            return self._reshape(op, out, (args, kwargs), before, constants.constant_of(out))
        if written:
            about["fixed"] &= not op.is_random
            for tensor in written:
                view = self.values.view(tensor)
                view.storage.lost |= not real and not tensor.is_meta
                view.without_values |= about.get("without_values", False)
                pattern = about.get("pattern") if len(written) == 1 else None
                value = Constant(tuple(tensor.shape)) if view.storage.lost else constants.constant_of(tensor)
                self.values.write(view, value, fixed=about["fixed"], pattern=pattern)
            return out
        about = constants.mask_after(op.name, args, kwargs, self.values.view)
        about["fixed"] &= not op.is_random
        self._keep(op, args, kwargs, tensors, out, None, **about)
        return out

    def _computed(self, func: Any, args: Any, kwargs: Any, tensors: list[Any]) -> tuple[bool, Any]:
        """Whether an operator ran on its arguments themselves, and what it made of them or of what has their shapes."""
        if not self._on_meta:
            return True, func(*args, **kwargs)
        if any(self.values.view(t).storage.lost for t in tensors):
            return False, self._of_shapes(func, args, kwargs)
        try:
            return len({t.is_meta for t in tensors}) < 2, constants.computed(func, args, kwargs)
        except (IndexError, RuntimeError):  # tables without values yet, of a module that was moved off the meta device
            return False, self._of_shapes(func, args, kwargs)

    def _of_shapes(self, func: Any, args: Any, kwargs: Any) -> Any:
        args, kwargs = _on_meta(constants.mapped((args, kwargs), constants.twin))
        return func(*args, **kwargs)

    # what depends on the image --------------------------------------------------------------------------------------

    def _dependent(self, func: Any, op: Operator, args: Any, kwargs: Any, tensors: list[Any], views: list[View]) -> Any:
        flat = [v.value for v in views]
        if op.name in VALUES or (op.name == "where" and len(args) == 1):
            return self._decided(func, op, args, kwargs, flat)
        if op.name == "resolve_neg":  # on the way to numpy
            if self._on_meta and any(t.device.type != "meta" for t in tensors):
                raise NeedsValuesError(op.name)  # a tensor on the CPU that was written, which did not happen
            self._outside = True
            self.unknowns.assumed[self._label(op.name)] = LEFT
        label = self._label(op.name)
        held = {id(t): _settled(v) for t, v in zip(tensors, views, strict=True)}
        given, named = constants.mapped((args, kwargs), lambda t: held[id(t)])
        written = op.writes(args, kwargs)
        if not self._on_meta:
            self._remember(written)
        before = views[0] if op.reshapes else None
        out, twins = self._result(func, op, args, kwargs, tensors, written)
        if not isinstance(out, torch.Tensor) and not constants.flat_tensors([out]):
            return out
        if any(isinstance(v, Unknown) for v in flat):
            value: Any = Unknown(tuple(flat))
        else:
            self.tracker.shape = _shapes(out)
            weights = self._masked(op, args, label)
            if weights is not None:
                given[1] = weights
            if op.out:
                named = {key: v for key, v in named.items() if key not in op.out}
            value = self._handled(func, op, (args, kwargs), (given, named), flat, label)
            if value is NotImplemented:  # its pieces were read one by one, and their results are the result
                return self._pieces
        if before is not None:
            return self._reshape(op, out, (given, named), before, value)
        if written:
            target = self._write(op, args, kwargs, written, value)
            return target if func._schema.returns else None
        if twins is None and isinstance(out, torch.Tensor) and isinstance(value, Tracked | Unknown):
            self.values.new(out, value)
            return out
        out = self._real(func, args, kwargs, out, value)
        if op.fills and isinstance(value, Constant) and isinstance(out, torch.Tensor):
            value = constants.constant_of(out)
        self._keep(op, args, kwargs, tensors, out, value, twins=twins, resolved=(given, named), fixed=not op.is_random)
        return out

    def _result(
        self, func: Any, op: Operator, args: Any, kwargs: Any, tensors: list[Any], written: list[Any]
    ) -> tuple[Any, Any]:
        """What an operator returns, and the tensors without values that stood for its arguments, by their ids.

        None for those where the result is a tensor of its own by a rule of shape.
        """
        if op.reshapes or not self._on_meta:
            out = func(*args, **kwargs)
            return (written if out is None and written else out), {}
        if op.written:
            return (written if len(written) > 1 else written[0]), {}
        out = results.made(func, args, kwargs)
        if out is not None:
            return out, None
        twins = {id(t): constants.twin(t) for t in tensors if not t.is_meta}
        called = constants.mapped((args, kwargs), lambda t: twins.get(id(t), t)) if twins else (args, kwargs)
        run_args, run_kwargs = _on_meta(called)
        return func(*run_args, **run_kwargs), twins

    def _write(self, op: Operator, args: Any, kwargs: Any, written: list[Any], value: Any) -> Any:
        """Note what tensors hold that an operator has written; return what it returns."""
        several = isinstance(value, list | tuple)
        if several and len(value) != len(written):
            value, several = Unknown(tuple(value)), False
        for tensor, v in zip(written, value if several else [value] * len(written), strict=True):
            self.values.write(self.values.view(tensor), v)
        if len(op.out) > 1:
            return tuple(kwargs[key] for key in op.out)
        return kwargs[op.out[0]] if op.out else args[op.written[0]]

    def _reshape(self, op: Operator, tensor: Any, called: Any, before: View, value: Any) -> Any:
        """Note that a tensor has become a view of what it was; return it."""
        (_, *rest), named = called
        if op.handler is None:
            if not self.values.shares(tensor):
                self.values.new(tensor, value)
        else:
            self.values.shared(tensor, value, before, Step(op.name, op.handler, tuple(rest), named, _shapes(tensor)))
        return tensor

    def _label(self, name: str) -> str:
        count = self._numbers[name]
        self._numbers[name] += 1
        name = f"{name}_{count}" if count else name
        return f"{self.calls.path}:{name}" if self.calls.path else name

    def _decided(self, func: Any, op: Operator, args: Any, kwargs: Any, flat: list[Any]) -> Any:
        """What asks for values of the image; in Python they decide what runs next."""
        if self._on_meta:
            raise NeedsValuesError(op.name)
        self.unknowns.assumed[self._label(op.name)] = DECIDED
        out = func(*args, **kwargs)
        for tensor in constants.flat_tensors([out]):
            self.values.new(tensor, self._stopped(op.name, DECIDED, tuple(flat)))
        return out

    def _stopped(self, name: str, reason: str, values: Sequence[Any]) -> Unknown:
        """What stands for a tensor where the analysis ends."""
        stands = Unknown(tuple(values), Stop(self._label(name), f"aten.{name}", reason))
        self.unknowns.found.append(stands)
        return stands

    def _handled(self, func: Any, op: Operator, called: Any, given: Any, flat: list[Any], label: str) -> Any:
        shapes = self.tracker.shape
        try:
            if op.handler is None:
                raise UnreadableError("")
            check_masked(self.tracker, op.name, given[0])
            value = guarded(op.handler, self.tracker, *given[0], **given[1])
            check_result(value, shapes)
            if op.name not in IN_PART:
                check_dependence(self.tracker, flat, value)
            return value
        except UnreadableError as reason:
            if op.name not in WHOLE and self._decomposed(func, called):
                return NotImplemented
            self.tracker.shape, self.tracker.path = shapes, self.calls.path
            return self.unknowns.replace(self.tracker, str(func), label, flat, str(reason))

    def _decomposed(self, func: Any, called: Any) -> bool:
        """Read an operator by what torch makes it of, unless a piece of it is not known either."""
        known = len(self.unknowns.found)
        if not func._can_decompose():
            return False
        with self:
            self._pieces = func.decompose(*called[0], **called[1])
        if any(isinstance(self.values.view(t).value, Unknown) for t in constants.flat_tensors([self._pieces])):
            del self.unknowns.found[known:]
            return False
        return True

    def _masked(self, op: Operator, args: Any, label: str) -> Constant | None:
        """Weights of a convolution with the taps that a mask leaves; what of a mask cannot be read is noted."""
        if not op.name.startswith("conv") or len(args) < 2 or not isinstance(args[1], torch.Tensor):
            return None
        if not isinstance(self.values.view(args[1]).value, Constant):
            return None
        found, without_values = constants.taps(args[1], self.values.view)
        transposed = "transpose" in op.name or (len(args) > 6 and args[6] is True)
        if without_values or (found is not None and transposed):
            self.unknowns.assumed[label] = WITHOUT_VALUES if without_values else NOT_READ
        return None if found is None or transposed else Constant(tuple(args[1].shape), taps=found)

    def _real(self, func: Any, args: Any, kwargs: Any, out: Any, value: Any) -> Any:
        """A constant made in the likeness of a map, such as zeros_like, with its values."""
        if not (self._on_meta and isinstance(value, Constant)) or out.numel() > constants.MAX_COMPUTED:
            return out
        if any(a.name == "device" for a in func._schema.arguments):
            return func(*args, **{**kwargs, "device": torch.device("cpu")})
        first = args[0]
        if not func.__name__.startswith(("to.", "type_as.", "_to_copy.")):
            return out
        if isinstance(first, torch.Tensor) and first.device.type != "meta" and first.shape == out.shape:
            return first.to(out.dtype)  # to the type of a map
        return out

    def _keep(
        self,
        op: Operator,
        args: Any,
        kwargs: Any,
        tensors: list[Any],
        out: Any,
        value: Any,
        *,
        twins: Any = None,
        resolved: Any = None,
        **about: Any,
    ) -> None:
        """Note the values of results, and what they are views of."""
        several = isinstance(out, list | tuple)
        results = list(out) if several else [out]
        held = list(value) if isinstance(value, list | tuple) else [value] * len(results)
        parent = tensors[0] if tensors else None
        by_memory = {storages.memory_of((twins or {}).get(id(t), t)): t for t in reversed(tensors)}
        rest, named = resolved or constants.mapped((args, kwargs), lambda t: self.values.view(t).value)
        for position, (tensor, v) in enumerate(zip(results, held, strict=False)):
            if not hasattr(tensor, "untyped_storage") or any(tensor is t for t in tensors):
                continue
            if v is None:
                v = constants.constant_of(tensor)
            memory = storages.memory_of(tensor)
            source = by_memory.get(memory) if memory else None
            if source is None:
                self.values.new(tensor, v, **about)
                continue
            known = op.handler if op.is_view and source is parent else None
            step = Step(op.name, known, tuple(rest[1:]), named, _shapes(out), position if several else None)
            self.values.shared(tensor, v, self.values.view(source), step, **about)


class UncompiledRecorder(Recorder):
    """The same for models of which torch may compile parts: its compiler, then imported already, leaves this alone."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return super().__torch_dispatch__(func, types, args, kwargs)


def _settled(view: View) -> Any:
    """What a view holds; of constants, whether their values may be others in another run or after training."""
    value = view.value
    return replace(value, varies=True) if isinstance(value, Constant) and not view.fixed else value


def _on_meta(called: Any) -> Any:
    """Arguments whose devices are the image's: what a model moves to the device of its parameters stays with it."""
    args, kwargs = called
    meta = torch.device("meta")
    moved = [meta if isinstance(a, torch.device) else a for a in args]
    return moved, {k: meta if isinstance(a, torch.device) else a for k, a in kwargs.items()}


def _shapes(out: Any) -> Any:
    """Shape of what an operator returns; a list of shapes where it returns several tensors."""
    if hasattr(out, "shape"):
        return tuple(out.shape)
    return [tuple(v.shape) for v in out if hasattr(v, "shape")]
