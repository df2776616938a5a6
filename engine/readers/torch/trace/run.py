"""Run a module's forward once, and write the network while its operators pass by."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from rfscale.engine.readers.tensors.naming import Returned
from rfscale.engine.readers.tensors.spatial_ops import settle
from rfscale.engine.readers.tensors.tracking import Tracked, Tracker
from rfscale.engine.readers.tensors.unknowns import Unknowns
from rfscale.engine.readers.torch.trace.constants import mapped
from rfscale.engine.readers.torch.trace.module_calls import ModuleCalls, tensors
from rfscale.engine.readers.torch.trace.recorder import Recorder
from rfscale.engine.readers.torch.trace.storages import View

SEED = 0  # of the values of an image that a model branches on


class Traced:
    """One run of a model: its tracker, what its modules return, and the values of what it returns itself.

    Attributes
    ----------
    outputs : list
        Values of the tensors that the model returns.
    returned : list of Returned
    """

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.outputs: list[Any] = []
        self.returned: list[Returned] = []


def run(
    module: Any,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    image: Any,
    first: Tracked,
    tracker: Tracker,
    unknowns: Unknowns,
    *,
    on_meta: bool,
) -> Traced:
    """Run a module and return what was read.

    Parameters
    ----------
    module : torch.nn.Module
        In evaluation mode.
    args, kwargs
        What it is called with; tensors have their shapes, types and, where they matter, values.
    image : tensor
        The one of these whose pixels count.
    first, tracker : Tracked and Tracker
        The image for handlers, and the network being written.
    unknowns : Unknowns
    on_meta : bool
        Run without values of what depends on the image.

    Raises
    ------
    Exception
        Whatever the module raises; `NeedsValues` where it asks for values of the image and `on_meta` is given.
    """
    traced = Traced(tracker)
    recorder: Recorder

    def returned(paths: list[str], call: int, key: str, tensor: Any) -> None:
        view = recorder.values.view(tensor)
        if isinstance(view.value, Tracked):
            settled(tracker, view)
            traced.returned += [Returned(path, call, key, view.value.layer) for path in paths]

    calls = ModuleCalls(module, returned)
    recorder = Recorder(tracker, unknowns, calls, module, on_meta)
    made = image.to("meta") if on_meta else _with_values(image)
    args, kwargs = mapped((args, kwargs), lambda t: made if t is image else t)
    recorder.values.new(made, first)
    with ExitStack() as stack:
        stack.enter_context(_quiet_state())
        stack.callback(recorder.restore)
        stack.enter_context(calls)
        with recorder:
            result = module(*args, **kwargs)
    for _, tensor in tensors(result):
        view = recorder.values.view(tensor)
        if isinstance(view.value, Tracked):
            settled(tracker, view)
        traced.outputs.append(view.value)
    return traced


def settled(tracker: Tracker, view: View) -> None:
    """Make what a tensor holds a layer of its very shape, where its layout allows that."""
    tracker.path = view.path
    view.value = settle(tracker, view.value)


def _with_values(image: Any) -> Any:
    """An image on the CPU with values in [0, 1), those that were given where there are some."""
    if image.device.type != "meta" and image.numel() and not getattr(image, "_rfscale_made", False):
        return image.clone()
    made = torch.rand(image.shape, generator=torch.Generator().manual_seed(SEED), dtype=torch.float32)
    return made.to(image.dtype) if image.dtype.is_floating_point else (made * 255).to(image.dtype)


@contextmanager
def _quiet_state() -> Iterator[None]:
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
def unchanged(module: Any) -> Iterator[None]:
    """Run a module in evaluation mode, and leave it as it was: in training or not, with the attributes that it had."""
    parts = list(module.modules())
    training = [part for part in parts if part.training]
    before = [(part, {k: (v, dict(v) if type(v) is dict else None) for k, v in vars(part).items()}) for part in parts]
    module.eval()
    try:
        yield
    finally:
        for part, own in before:
            _put_back(vars(part), own)
        for part in training:
            part.training = True


def _put_back(now: dict[str, Any], own: dict[str, Any]) -> None:
    for key in now.keys() - own.keys():
        del now[key]
    for key, (value, content) in own.items():
        if now.get(key) is not value:
            now[key] = value
        if content is not None and (value.keys() != content.keys() or any(value[k] is not content[k] for k in content)):
            value.clear()
            value.update(content)
