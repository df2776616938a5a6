"""How readers call the handler of an operator: what breaks it, what it returns, and tensors that are several maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rfscale.engine.errors import InputError, shown
from rfscale.engine.readers.tensors.layout import UnreadableError, check_fit
from rfscale.engine.readers.tensors.rearranged import Rearranged
from rfscale.engine.readers.tensors.sequences import applied
from rfscale.engine.readers.tensors.tracking import Joined, Tracked, Tracker, single_maps

_MISFITS = (KeyError, ValueError, IndexError, TypeError, AttributeError, ZeroDivisionError, OverflowError)


def guarded(handler: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """Run the handler of an operator: with a tracker, and the operator's arguments.

    An argument that is several maps one after another is taken apart, and the handler run for each map.

    Raises
    ------
    UnreadableError
        Of the handler; and where a node breaks the rules of its operator.
    """
    joined = bool(given) and isinstance(given[0], Tracker) and given[0].holds_joined
    try:
        return applied(handler, *given, **named) if joined else handler(*given, **named)
    except InputError:
        raise
    except _MISFITS as error:
        raise _broken(error) from None


@contextmanager
def rules_kept() -> Iterator[None]:
    """Raise UnreadableError where a node breaks the rules of its operator: where what reads it fails."""
    try:
        yield
    except InputError:
        raise
    except _MISFITS as error:
        raise _broken(error) from None


def _broken(error: Exception) -> UnreadableError:
    reason = shown(" ".join(str(error).split()), 200)
    return UnreadableError(f"its inputs or attributes are not those of the operator ({type(error).__name__}: {reason})")


def check_result(out: Any, shapes: Any) -> None:
    """Hold what a handler returns against the shapes that the model says; shapes that are not known pass.

    Raises
    ------
    UnreadableError
        Where a tensor does not fit its shape or its layer's map.
    """
    several = isinstance(shapes, list)
    tensors = (out if isinstance(out, list | tuple) else [out]) if several else [out]
    for tensor, shape in zip(tensors, shapes if several else [shapes], strict=False):
        if shape is None or not isinstance(tensor, Tracked):
            continue
        if not isinstance(tensor, Joined | Rearranged):
            check_fit(tensor.dims, tensor.map, shape)
            continue
        if tensor.shape != tuple(shape):
            raise UnreadableError(f"it was read as a tensor of the shape {tensor.shape}, not {tuple(shape)}")
        if isinstance(tensor, Rearranged):
            continue
        for part, n in zip(tensor.parts, tensor.lengths, strict=True):
            if isinstance(part, Tracked):
                check_fit(part.dims, part.map, (*shape[: tensor.dim], n, *shape[tensor.dim + 1 :]))


def check_dependence(tracker: Tracker, values: Sequence[Any], out: Any) -> None:
    """Hold what a handler returns against what the operator was given: it reads all of it.

    Raises
    ------
    UnreadableError
        Where a tensor that the operator was given is not among what the result depends on.
    """
    wanted = {t.layer for t in values if isinstance(t, Tracked) and not isinstance(t, Joined)} - tracker.masked.keys()
    wanted -= {layer for layer, _ in tracker.turned}
    if len(wanted) < 2:
        return
    made = [t for v in (out if isinstance(out, list | tuple) else [out]) for t in single_maps(v)]
    todo = [t.layer for t in made]
    if not any(isinstance(t, Rearranged) for t in made):
        todo += [layer for t in made for dim in t.dims for f in dim for layer in f.extra if layer >= 0]
    met: set[int] = set()
    while todo and wanted:
        layer = todo.pop()
        if layer not in met:
            met.add(layer)
            wanted.discard(layer)
            todo += tracker.drafts[layer].sources if layer > min(wanted, default=layer) else ()
    if wanted:
        raise UnreadableError("one of its inputs depends on the image and is not read")
