"""A network from whatever can be one: a zoo name, a file, a Python factory, or a model itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

from rfscale.engine.errors import InputError, Parameter, nearest, shown
from rfscale.engine.network.network import Network
from rfscale.engine.readers.doors import door_of
from rfscale.engine.readers.objects import fits_any_size, library_of, model_network
from rfscale.engine.readers.quiet import quiet
from rfscale.engine.readers.reading import NetworkLike, SizedReading, checked_options, is_number

_WITHOUT_READER = {"zoo": "a network of the zoo", "spec": "a spec"}


def load(
    source: NetworkLike,
    *,
    example_input: Any = None,
    input_size: int | Sequence[int] | None = None,
    unknown: str | Mapping[str, Any] | None = None,
    axes: Sequence[int] | None = None,
    image: str | None = None,
    name: str | None = None,
    trust: bool = False,
    **arguments: Any,
) -> Network:
    """Return a network.

    Parameters
    ----------
    source : str, path, dict, Network or model
        A zoo name ("resnet50", see `rfscale networks`), a file (.yaml, .json, .onnx, .pt2, .keras, .h5, .cfg),
        "package.module:factory" or "file.py:factory" for a Python function that returns a Network or a model, a name of
        a library such as "timm:resnet50d", with "#path" after these for a part of the model, a spec dict, a model of
        PyTorch, Keras or ONNX, or a network itself.
    example_input : int, sequence of int, tensor, or lists, tuples and dicts of these, optional
        Of models: the shape of the image, its pixels, or what the model is called with; by default what it says itself.
    input_size : int or sequence of int, optional
        Of models only the pixels per axis of that shape; of the zoo the size that the network carries.
    unknown : {"pointwise", "everything"} or mapping, optional
        Of models: what to take operators for that are not known, see docs/reading-models.md.
    axes : sequence of int, optional
        Of models: dims of the image that are spatial; by default all after the first two.
    image : str, optional
        Of models: the input that is the image; by default the first of at least three dims.
    name : str, optional
        Of models, and where a builder of the zoo takes one: the network's name.
    trust : bool
        Of .pt2 and TorchScript files: load one that may run code, see docs/reading-models.md. Others are data.
    **arguments
        Passed to the zoo's builder or the factory. An option above that a factory has a parameter for is the factory's.

    Raises
    ------
    InputError
        One line: what was given, and the nearest name; for models, every operator that is not known.

    Examples
    --------
    >>> load("resnet50").name
    'resnet50'
    """
    options = {"example_input": example_input, "input_size": input_size, "unknown": unknown}
    options |= {"axes": axes, "image": image, "name": name, "trust": None if trust is False else trust}
    reading = {key: value for key, value in options.items() if value is not None}
    if not isinstance(source, str | PathLike):
        return _from_object(source, arguments, reading)
    text = str(source)
    door = door_of(text)
    if door.kind == "python":
        from rfscale.engine.readers.names.made import apart

        arguments, reading = apart(text, arguments, reading)
    elif door.kind == "zoo":
        arguments |= {key: reading.pop(key) for key in ("input_size", "name") if key in reading}
    elif not door.takes_arguments and door.is_model:
        _check_no_arguments(text, arguments)
    return load_named(text, arguments, reading)


def as_network(
    network: NetworkLike, reading: SizedReading | Mapping[str, Any], input_size: int | Sequence[int] | None = None
) -> Network:
    """Return the network that a function of a network was given: itself, or what `load` takes.

    Parameters
    ----------
    network : Network, or what `load` takes
    reading : mapping
        The options that were given with it.
    input_size : int or sequence of int, optional
        Size that is going to be analysed: models are read at it, unless they are given other inputs than one shape.

    Raises
    ------
    InputError
        As `load`; and for options given with a network.
    TypeError
        For an option that does not exist.
    """
    if isinstance(network, Network) and not reading:
        return network
    for key in reading:
        if key not in SizedReading.__annotations__:
            raise TypeError(f"unexpected keyword argument {key!r}; {nearest(key, SizedReading.__annotations__)}")
    options = {key: value for key, value in checked_options(reading).items() if value is not False}
    arguments: Any = options.pop("arguments", {})
    if not fits_any_size(options.get("example_input")):
        input_size = None
    elif input_size is not None and is_number(options.get("example_input")):
        del options["example_input"]  # the same, of another size
    if isinstance(network, str | PathLike):
        return load_named(str(network), arguments, options, input_size)
    return _from_object(network, arguments, options, input_size)


def load_named(
    text: str,
    args: Mapping[str, Any],
    reading: Mapping[str, Any],
    input_size: int | Sequence[int] | None = None,
) -> Network:
    """Return a network by name, as `load` does, where arguments and options come apart, as on a shell.

    Parameters
    ----------
    text : str
        What `load` takes as a text.
    args, reading : mapping
        Parameters of the builder or factory, and those of the reader, which only models have.
    input_size : int or sequence of int, optional
        Size that is going to be analysed: models are read at it; other networks stay as they are.
    """
    door, reading = door_of(text), checked_options(reading)
    if reading.get("trust") and not door.needs_trust:
        _check_no_trust(text, reading)
    if reading and not door.is_model:
        raise InputError(
            f"{text} is {_WITHOUT_READER[door.kind]}", remedy=(Parameter(next(iter(reading))), " goes with models")
        )
    if args and not door.takes_arguments:
        raise InputError(f"{text} is {door.what}, but got {', '.join(args)}")
    if not door.is_model:
        return door.read(text, args, reading, input_size)
    with quiet(own_warnings=True):
        return door.read(text, args, reading, input_size)


def maker_of(text: str) -> Callable[..., Any]:
    """Return what makes the PyTorch module that a text names; an InputError where it names none."""
    make = door_of(text).make
    if make is None:
        raise InputError(
            f"{text} cannot be run at sizes of its own choice",
            remedy="name the PyTorch code that makes the model, such as file.py:factory or timm:resnet50d",
        )
    return make


def torch_model(source: Any, arguments: Mapping[str, Any], reading: Mapping[str, Any]) -> Any:
    """Return the PyTorch module that something read by `load` stands for, with the values of its weights.

    Parameters
    ----------
    source : str, path or torch.nn.Module
    arguments, reading : mapping
        As in `load_named`.

    Raises
    ------
    InputError
        For what is no module of PyTorch that can be run, such as a network of the zoo.
    """
    model = source
    if isinstance(source, str | PathLike):
        make = maker_of(str(source))
        with quiet(own_warnings=True):
            model = make(str(source), arguments, reading)
    if library_of(model) != "torch" or not hasattr(model, "forward"):
        raise InputError(f"{shown(source)} is no PyTorch module", remedy="give a model, or what makes one")
    return model


def kind_of(text: str) -> str:
    """Return what a text names, the kind of a `Door`: "zoo", "onnx", "spec" (a file), "python" (module:factory), ….

    Raises
    ------
    InputError
        For anything else, with the nearest name or what to write instead.
    """
    return door_of(text).kind


def _check_no_arguments(what: str, arguments: Mapping[str, Any]) -> None:
    options = set(SizedReading.__annotations__) - {"arguments"}
    for key in arguments:
        raise InputError(f"{what} takes no parameter {shown(key)}; {nearest(key, options)}")


def _check_no_trust(what: str, reading: Mapping[str, Any]) -> None:
    if reading.get("trust"):
        raise InputError(f"{what} is no file that may run code", remedy=("leave ", Parameter("trust"), " out"))


def _from_object(
    source: Any,
    arguments: Mapping[str, Any],
    reading: Mapping[str, Any],
    input_size: int | Sequence[int] | None = None,
) -> Network:
    """A network that is no text: one already, a spec dict, or a model."""
    reading = checked_options(reading)
    if isinstance(source, Network | Mapping):
        for key in (*arguments, *reading):
            raise InputError(f"{shown(source)} is {_described(source)}; {key} goes with models")
        return source if isinstance(source, Network) else Network.from_dict(source)
    _check_no_arguments(type(source).__name__, arguments)
    _check_no_trust(type(source).__name__, reading)
    with quiet(prints=True, own_warnings=True):
        return model_network(source, reading, input_size)


def _described(source: Network | Mapping[str, Any]) -> str:
    return "a network already" if isinstance(source, Network) else _WITHOUT_READER["spec"]
