"""Tensors that do not depend on the image: computed for real where they are small, and where masks leave zeros."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from rfscale.engine.readers.tensors.tracking import Constant
from rfscale.engine.readers.torch.program.masks import MOVED_ENTRIES, SAME_ENTRIES
from rfscale.engine.readers.torch.trace.storages import View

MAX_COMPUTED = 1 << 20  # entries of a constant that is computed for real although the image is on the meta device
MAX_KEPT = 1 << 20  # entries of a constant whose values handlers get
_SEQUENCES = (list, tuple)
_HELD = (torch.Tensor, list, tuple, dict)  # what may hold tensors
_CHOOSE = frozenset(("mul", "where", "masked_fill"))


def mapped(structure: Any, function: Callable[[Any], Any]) -> Any:
    """Arguments with another value in the place of each tensor."""
    if isinstance(structure, torch.Tensor):
        return function(structure)
    if isinstance(structure, _SEQUENCES):
        return [mapped(x, function) if isinstance(x, _HELD) else x for x in structure]
    if isinstance(structure, dict):
        return {key: mapped(x, function) for key, x in structure.items()} if structure else {}
    return structure


def flat_tensors(structure: Any) -> list[Any]:
    """All tensors of some arguments or results."""
    found: list[Any] = []
    _collect(structure, found)
    return found


def _collect(structure: Any, found: list[Any]) -> None:
    if isinstance(structure, torch.Tensor):
        found.append(structure)
    elif isinstance(structure, _SEQUENCES):
        for x in structure:
            if isinstance(x, _HELD):
                _collect(x, found)
    elif isinstance(structure, dict):
        for x in structure.values():
            _collect(x, found)


def constant_of(tensor: Any) -> Constant:
    """A tensor that does not depend on the image, for handlers: its values where it has few."""
    shape = tuple(tensor.shape)
    if tensor.is_meta or tensor.numel() > MAX_KEPT or tensor.is_quantized or tensor.layout != torch.strided:
        return Constant(shape)
    tensor = tensor.detach() if tensor.is_cpu else tensor.detach().cpu()
    known = not tensor.dtype.is_floating_point or tensor.dtype in (torch.float32, torch.float64)
    return Constant(shape, (tensor if known else tensor.float()).numpy())  # numpy has not all types of floats


def twin(tensor: Any) -> Any:
    """A tensor of the same shape, strides and type on the meta device."""
    if tensor.is_meta:
        return tensor
    if tensor.layout is not torch.strided:
        return torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


def computed(func: Any, args: Any, kwargs: Any) -> Any:
    """What an operator makes of constants alone; what a model makes on the image's device is made on the CPU.

    A model makes coordinates, masks and tables there, and handlers and branches want to know their values.
    """
    tensors = flat_tensors((args, kwargs))
    on_meta = [t.device.type == "meta" for t in tensors]
    if any(on_meta):
        if not all(on_meta):
            args, kwargs = mapped((args, kwargs), twin)
        return func(*args, **kwargs)
    meta = torch.device("meta")
    if not any(a == meta for a in (*args, *kwargs.values()) if isinstance(a, torch.device)):
        return func(*args, **kwargs)
    if not tensors:  # made anew: how large?
        out = func(*args, **kwargs)
        if any(t.numel() > MAX_COMPUTED or not t.numel() for t in flat_tensors([out])):  # an empty one may be `set_`
            return out
    cpu = torch.device("cpu")
    given = [cpu if isinstance(a, torch.device) and a == meta else a for a in args]
    return func(*given, **{k: cpu if isinstance(a, torch.device) and a == meta else a for k, a in kwargs.items()})


def mask_after(name: str, args: Any, kwargs: Any, view: Callable[[Any], View]) -> dict[str, Any]:
    """What is known of the zeros of a computed constant, as fields of its `View`.

    Parameters may take any value; buffers and constants have theirs.
    """
    views = [view(t) for t in flat_tensors((args, kwargs))]
    if all(v.fixed for v in views):
        return {"fixed": True}
    about = {"fixed": False, "without_values": any(v.without_values for v in views)}
    if name in _CHOOSE:
        about["without_values"] |= any(
            isinstance(a, torch.Tensor) and _has_taps(a) and view(a).fixed and a.device.type == "meta" for a in args
        )
    return {**about, "pattern": _pattern(name, args, kwargs, view)}


def _pattern(name: str, args: Any, kwargs: Any, view: Callable[[Any], View]) -> Any:
    """Where what an operator makes of constants may differ from zero."""
    if name == "mul":
        known = [p for p in (nonzero(a, view) for a in args[:2]) if p is not None]
        return known[0] & known[-1] if known else None
    if name in ("where", "masked_fill"):
        return _chosen(name, args, view)
    if name == "copy":
        other = nonzero(args[1], view)
        return other if other is None or other.shape == args[0].shape else other.expand(args[0].shape)
    inner = nonzero(args[0], view) if args and name in SAME_ENTRIES | MOVED_ENTRIES else None
    if name in ("tril", "triu") and inner is None:
        inner = torch.ones(args[0].shape, dtype=torch.bool)
    moves = inner is not None and name in MOVED_ENTRIES
    return getattr(torch.ops.aten, name)(inner, *args[1:], **kwargs) if moves else inner


def _has_taps(tensor: Any) -> bool:
    return max(tensor.shape[-2:], default=1) > 1


def taps(weights: Any, view: Callable[[Any], View]) -> tuple[Any, bool]:
    """Which taps some channels of a convolution have, as a numpy array over the kernel's axes or None for all of them.

    The second value says whether a constant that may be a mask has no values (on the meta device).
    """
    about = view(weights)
    if not about.computed or weights.dim() < 3:
        return None, False
    missing = about.without_values or about.storage.lost or (about.fixed and weights.device.type == "meta")
    lost = _has_taps(weights) and missing
    pattern = nonzero(weights, view)
    if pattern is None:
        return None, lost
    found = pattern.expand(weights.shape).flatten(0, 1).any(0).cpu().numpy()
    return (None if found.all() else found), lost


def nonzero(tensor: Any, view: Callable[[Any], View]) -> Any:
    """Where a constant tensor may differ from zero; None: everywhere, or it is not known."""
    if not isinstance(tensor, torch.Tensor):
        return None
    about = view(tensor)
    if not about.fixed:
        return about.pattern
    known = tensor.device.type != "meta" and not about.storage.lost and tensor.numel() <= MAX_COMPUTED
    return (tensor != 0).cpu() if known else None


def _chosen(name: str, args: Any, view: Callable[[Any], View]) -> Any:
    """Weights where a condition holds, and others, or one number, elsewhere."""
    condition, kept, other = args[:3] if name == "where" else (args[1], args[2], args[0])
    about = view(condition)
    if not about.fixed or about.storage.lost or condition.device.type == "meta":
        return None
    chosen = condition.cpu()
    sides = []
    for side in (kept, other):
        pattern = nonzero(side, view)
        number = isinstance(side, int | float)
        sides.append(torch.tensor(bool(side) if number else True) if pattern is None else pattern)
    return (chosen & sides[0]) | (~chosen & sides[1])
