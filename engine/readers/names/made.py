"""Networks of models that Python code makes: package.module:factory, called and read."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rfscale.engine.errors import InputError, Parameter, shown
from rfscale.engine.network.network import Network
from rfscale.engine.readers.names.python import call, find
from rfscale.engine.readers.objects import library_of, model_network


def made_network(
    text: str,
    args: Mapping[str, Any],
    reading: Mapping[str, Any],
    input_size: int | Sequence[int] | None = None,
    *,
    part: Callable[[Any], Any] = lambda model: model,
    label: str = "",
) -> Network:
    """Return the network of what a Python module holds: a model, or what makes one.

    Parameters
    ----------
    text : str
        "package.module:factory" or "file.py:factory".
    args, reading : mapping
        Arguments of the factory, and options of the reader.
    input_size : int or sequence of int, optional
        Size that is going to be analysed.
    part : callable, optional
        Returns the part of the model that is meant.
    label : str
        Of that part, for the network's name.

    Raises
    ------
    InputError
        One line: what cannot be imported, called or read.
    """
    found = find(text)
    makes = callable(found) and library_of(found) is None
    if args and not makes:
        raise InputError(
            f"{text} is a {type(found).__name__} already and takes no arguments, but got {', '.join(args)}"
        )
    made = call(text, found, args) if makes else found
    if isinstance(made, Network):
        if reading:
            raise InputError((f"{text} makes an rf.Network, which takes no ", Parameter(next(iter(reading)))))
        return made
    if library_of(made) is None:
        verb = "returns" if makes else "is"
        raise InputError(
            f"{shown(text)} {verb} {shown(made)}; it must be or return a PyTorch module, a Keras model, an ONNX model "
            "or an rf.Network"
        )
    params = {"name": _name(text, args) + label, **reading}
    return read_made(made, lambda: call(text, found, args, on_meta=False) if makes else made, part, params, input_size)


def made_object(text: str, args: Mapping[str, Any]) -> Any:
    """Return what "package.module:factory" makes, or holds, with the values of its weights."""
    found = find(text)
    return call(text, found, args, on_meta=False) if callable(found) and library_of(found) is None else found


def read_made(
    model: Any,
    make: Callable[[], Any],
    part: Callable[[Any], Any],
    reading: Mapping[str, Any],
    input_size: int | Sequence[int] | None = None,
) -> Network:
    """Return the network of a model that may be on the meta device; where reading needs values, it is made with them.

    Parameters
    ----------
    model : object
    make : callable
        Makes it anew, with the values of its weights.
    part : callable
        Returns the part of a model that is meant.
    reading : mapping
        Options of the reader.
    input_size : int or sequence of int, optional
        Size that is going to be analysed.
    """
    from rfscale.engine.readers.torch.program.masks import WITHOUT_VALUES

    try:
        network = model_network(part(model), reading, input_size)
        if WITHOUT_VALUES not in network.assumed.values():  # masks of weights are read where they have values
            return network
    except InputError:
        if not _is_on_meta(model):
            raise
    return model_network(part(make()), reading, input_size)


def _is_on_meta(model: Any) -> bool:
    parameters = model.parameters() if hasattr(model, "parameters") else ()
    return any(getattr(p, "is_meta", False) for p in parameters)


def _name(text: str, args: Mapping[str, Any]) -> str:
    """Name of a factory's network: create_model(convnext_atto), for what a text says tells models apart."""
    texts = [v for v in args.values() if isinstance(v, str)]
    return text.rpartition(":")[2] + (f"({', '.join(texts)})" if texts else "")


def apart(text: str, arguments: Mapping[str, Any], reading: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return arguments of a factory and options of the reader; an option that the factory names is the factory's."""
    factory = find(text.partition("#")[0])
    try:
        named = inspect.signature(factory).parameters if callable(factory) else {}
    except (TypeError, ValueError):
        named = {}
    own = {key: value for key, value in reading.items() if key in named}
    return {**arguments, **own}, {key: value for key, value in reading.items() if key not in own}
