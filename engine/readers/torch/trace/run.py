"""Run a module's forward once, and write the network while its operators pass by."""

from __future__ import annotations

import random
import sys
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from operator import is_
from threading import RLock
from typing import Any, NamedTuple

import torch

from rfscale.engine.errors import InputError, shown
from rfscale.engine.readers.tensors.naming import Returned, returned_maps
from rfscale.engine.readers.tensors.operators.settled import keeps_entries, settle
from rfscale.engine.readers.tensors.tracking import Stop, Tracked, Tracker, Unknown, image_tracker
from rfscale.engine.readers.tensors.unknowns import Unknowns
from rfscale.engine.readers.torch.inputs.example_input import ModelInputs, made
from rfscale.engine.readers.torch.parts import Parts
from rfscale.engine.readers.torch.trace.missing_values import KeptNumbers, LostNumbersError, wants_values
from rfscale.engine.readers.torch.trace.module_calls import ModuleCalls, tensors
from rfscale.engine.readers.torch.trace.recorder import Recorder, UncompiledRecorder
from rfscale.engine.readers.torch.trace.storages import View, memory_of

_ONE_AT_A_TIME = RLock()  # a run changes what all threads share: whether a module trains, and how attention is computed
SEED = 0  # of the values of an image that a model branches on


class Traced:
    """What one run of a model gave.

    Attributes
    ----------
    tracker, unknowns : Tracker and Unknowns
        The layers that were written, and the operators that are not known.
    channels : int
        Of the image.
    outputs : list
        Values of the tensors that the model returns.
    returned : list of Returned
        What its modules return.
    """

    def __init__(self, inputs: ModelInputs, unknown: str | Mapping[str, Any] | None) -> None:
        self.tracker, self.image, self.channels = image_tracker(inputs.image.shape, inputs.axes)
        self.unknowns = Unknowns(unknown, "torch")
        self.outputs: list[Any] = []
        self.returned: list[Returned] = []

    def end(self, module: Any, error: Exception) -> None:
        """Take what was read before the model raised an error for what is known of it."""
        line = next(iter(str(error).strip().splitlines()), "")
        stop = Stop(type(module).__name__, type(error).__name__, f"the model ends there: {shown(line, 120)}")
        self.outputs = [Unknown(tuple(self.unknowns.found), stop)]
        self.unknowns.found.append(self.outputs[0])


class Tracer:
    """Runs a module on inputs and reads it: without values of the image, and with them where it asks for them.

    Parameters
    ----------
    parts : Parts
        Of the module.
    unknown : {"pointwise", "everything"} or mapping, optional
        As for `read_torch`.

    Attributes
    ----------
    ended : Traced, optional
        What was read of the first run that raised an error after something that is not known, such as a selection by
        values: the error may come of the values, and nothing after it can be read anyway.
    """

    def __init__(self, parts: Parts, unknown: str | Mapping[str, Any] | None = None) -> None:
        self.parts = parts
        self.unknown = unknown
        self.ended: Traced | None = None
        self._ran = False

    def __call__(self, inputs: ModelInputs) -> Traced:
        """Return what a run on these inputs gave; raises what the module raises."""
        first, self._ran = not self._ran, True
        try:
            try:
                traced = self._run(inputs, on_meta=True)
            except LostNumbersError:
                traced = self._run(inputs, on_meta=True, keeps_numbers=True)
            if traced is not None:
                return traced
        except InputError:
            raise
        except Exception as error:
            # a size that does not fit fails in both ways; the first error of a module may come of the missing values
            if not first and not wants_values(error):
                raise
        traced = self._run(inputs, on_meta=False)
        assert traced is not None
        return traced

    def _run(self, inputs: ModelInputs, *, on_meta: bool, keeps_numbers: bool = False) -> Traced | None:
        """What a run gave; None where the model went on without values that it asked for."""
        traced = Traced(inputs, self.unknown)
        with _ONE_AT_A_TIME, unchanged(self.parts):
            try:
                failed = _run(self.parts, inputs, traced, on_meta, keeps_numbers)
            except Exception as error:
                if isinstance(error, InputError) or on_meta or not traced.unknowns.found:
                    raise
                traced.end(self.parts.module, error)
                self.ended = self.ended or traced
                if inputs.size_is_free:  # another size may go further
                    raise
                return traced
        return None if failed and on_meta else traced


def _run(parts: Parts, inputs: ModelInputs, traced: Traced, on_meta: bool, keeps_numbers: bool) -> bool:
    """Run a module in evaluation mode while its operators are recorded; return whether one of them failed."""
    tracker = traced.tracker

    def returned(paths: list[str], call: int, key: str, tensor: Any) -> None:
        view = recorder.values.view(tensor)
        if isinstance(view.value, Tracked):
            value = settled(tracker, view)
            for path in paths:
                traced.returned += returned_maps(tracker, path, call, key, value)

    calls = ModuleCalls(parts.paths, returned)
    kind = UncompiledRecorder if "torch._dynamo" in sys.modules else Recorder
    recorder = kind(tracker, traced.unknowns, calls, parts, on_meta)
    recorder.loses_numbers &= not keeps_numbers
    image, args, kwargs = _tensors(parts, inputs, on_meta)
    recorder.values.new(image, traced.image)
    with ExitStack() as stack:
        stack.enter_context(_inference())
        stack.callback(recorder.restore)
        stack.enter_context(calls)
        if not on_meta:
            stack.enter_context(_buffers_kept(parts.buffers))
        with recorder, KeptNumbers() if keeps_numbers else nullcontext():
            result = parts.module(*args, **kwargs)
            result = list(result) if isinstance(result, Iterator) else result
    for _, tensor in tensors(result):
        view = recorder.values.view(tensor)
        traced.outputs.append(settled(tracker, view) if isinstance(view.value, Tracked) else view.value)
    return recorder.failed


def _tensors(parts: Parts, inputs: ModelInputs, on_meta: bool) -> tuple[Any, Any, Any]:
    """The image, and the arguments of the call with it: other tensors have their values or zeros."""
    device = next((t.device for t in (*parts.parameters, *parts.buffers)), torch.device("cpu"))
    device = torch.device("cpu") if device.type == "meta" else device
    given = inputs.image
    if on_meta:
        image = torch.empty(given.shape, dtype=given.dtype, device="meta")
    elif given.value is not None and given.value.device.type != "meta":
        image = given.value.detach().to(device, copy=True)
    else:
        values = torch.rand(given.shape, generator=torch.Generator().manual_seed(SEED))
        image = (values if given.dtype.is_floating_point else values * 256).to(device, given.dtype)
    args, kwargs = made((inputs.args, inputs.kwargs), device, {given: image})
    return image, args, kwargs


def settled(tracker: Tracker, view: View) -> Any:
    """What a tensor holds as a layer of its very shape, where its layout allows that; the model goes on with it."""
    tracker.path = view.path
    value = settle(tracker, view.value)
    if keeps_entries(view.value, value):
        view.value = value
    return value


@contextmanager
def _inference() -> Iterator[None]:
    """Inference without fused attention, and random numbers that leave the user's as they were."""
    mha = torch.backends.mha
    fast = mha.get_fastpath_enabled()
    state = random.getstate()
    mha.set_fastpath_enabled(False)
    try:
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            yield
    finally:
        mha.set_fastpath_enabled(fast)
        random.setstate(state)


@contextmanager
def unchanged(parts: Parts) -> Iterator[None]:
    """Run a module in evaluation mode, and leave it as it was: in training or not, with the attributes that it had."""
    training = [part for part in parts.modules if getattr(part, "training", False)]  # frozen ones have no such thing
    before = [_contents(vars(part)) for part in parts.modules]
    owned = [(t, t.detach()) for t in (*parts.parameters, *parts.buffers)]
    if training:
        parts.module.eval()
    try:
        yield
    finally:
        for content in before:
            _put_back(content)
        for tensor, data in owned:
            if memory_of(tensor) != memory_of(data) or tensor.shape != data.shape:
                tensor.data = data
        for part in training:
            part.training = True


@contextmanager
def _buffers_kept(buffers: Iterable[Any]) -> Iterator[None]:
    """Give buffers their values back that an operator changes without saying so, as batch norms do in training."""
    before = [(b, b.clone()) for b in buffers if b.device.type != "meta"]
    try:
        yield
    finally:
        for buffer, values in before:
            if buffer.shape == values.shape and not torch.equal(buffer, values):
                buffer.copy_(values)


_HOLDERS = frozenset((dict, OrderedDict, list, deque, set))


class _Content(NamedTuple):
    """What a dict, list or set held."""

    own: Any
    before: Any  # a copy: a dict of a dict, a list of anything else
    inside: list[tuple[Any, _Content | None]]  # what it holds that holds something; None for what was empty


def _contents(own: Any, depth: int = 4) -> _Content:
    """What a dict or list holds, and what those that it holds do."""
    before = own.copy() if isinstance(own, dict) else list(own)
    values = own.values() if isinstance(own, dict) else before
    holders = [v for v in values if type(v) in _HOLDERS] if depth else []
    return _Content(own, before, [(v, _contents(v, depth - 1) if v else None) for v in holders])


def _put_back(content: _Content) -> None:
    """Give a dict or list, and what it holds, their entries back."""
    own, before, inside = content
    for value, held in inside:
        if held is not None:
            _put_back(held)
        elif value:
            value.clear()
    same = len(own) == len(before) and all(map(is_, own, before))
    if same and (not isinstance(own, dict) or all(map(is_, own.values(), before.values()))):
        return
    own.clear()
    if isinstance(own, dict | set):
        own.update(before)
    else:
        own.extend(before)
