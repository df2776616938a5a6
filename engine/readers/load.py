"""A network from whatever can be one: a zoo name, a file, a Python factory, or a model itself."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from rfscale.engine.errors import EXAMPLE_INPUT, INPUT_SIZE, InputError, Parameter, nearest, shown
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import listed, whole
from rfscale.engine.readers.reading import NetworkLike, SizedReading

SPEC_SUFFIXES = (".yaml", ".yml", ".json")
WEIGHT_SUFFIXES = (".pt", ".pth", ".ckpt", ".pkl", ".bin", ".safetensors", ".h5", ".keras", ".tflite", ".pb")
WITHOUT_READER = {"zoo": "a network of the zoo", "spec": "a spec"}


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
        A zoo name ("resnet50", see `rfscale networks`), the path of a .yaml, .json, .onnx or .pt2 file,
        "package.module:factory" or "file.py:factory" for a Python function that returns a Network or a PyTorch module,
        a spec dict, a PyTorch module or exported program, an onnx.ModelProto, or a network itself.
    example_input : sequence of int, tensor, or list of these, optional
        Of models: the shape of the image, by default (1, 3, 224, 224), for ONNX what the file says; or what the model
        is called with, the image first.
    input_size : int or sequence of int, optional
        Of models only the pixels per axis of that shape; of the zoo the size that the network carries.
    unknown : {"pointwise", "everything"} or mapping, optional
        Of models: what to take operators for that are not known, see docs/reading-models.md.
    axes : sequence of int, optional
        Of models: dims of the image that are spatial; by default all after the first two.
    image : str, optional
        Of ONNX models: the input that is the image; by default the first of at least three dims.
    name : str, optional
        Of models, and where a builder of the zoo takes one: the network's name.
    trust : bool
        Of .pt2 files: load one that may run code, see docs/reading-models.md. Others are read as data.
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
    options |= {"axes": axes, "image": image, "name": name, "trust": trust or None}
    reading = {key: value for key, value in options.items() if value is not None}
    if not isinstance(source, str | PathLike):
        return _from_object(source, arguments, reading)
    text = str(source)
    kind = kind_of(text)
    if kind == "python":
        from rfscale.engine.readers.python import find

        found = find(text)
        _check_no_trust(text, reading)
        return _from_python(text, found, *_apart(found, arguments, reading))
    if kind == "zoo":
        arguments |= {key: reading.pop(key) for key in ("input_size", "name") if key in reading}
    elif kind != "spec":
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
    options = {key: value for key, value in reading.items() if value is not None and value is not False}
    arguments: Any = options.pop("arguments", {})
    if not isinstance(arguments, Mapping):
        raise InputError(f"arguments is {shown(arguments)}; it must be a mapping, such as {{'weights': None}}")
    if not _is_shape(options.get("example_input", ())):
        input_size = None
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
    kind = kind_of(text)
    if kind != "program":
        _check_no_trust(text, reading)
    if reading and kind in WITHOUT_READER:
        raise InputError(
            f"{text} is {WITHOUT_READER[kind]}", remedy=(Parameter(next(iter(reading))), " goes with models")
        )
    if kind not in ("zoo", "python") and args:
        what = "a file and takes no parameters" if kind == "spec" else "a model already and takes no arguments"
        raise InputError(f"{text} is {what}, but got {', '.join(args)}")
    try:
        if kind == "zoo":
            from rfscale.engine.zoo.registry import build

            return build(text, **args)
        if kind == "spec":
            return Network.from_file(text)
    except InputError as error:
        raise error.settled() from None
    if kind == "python":
        from rfscale.engine.readers.python import find

        return _from_python(text, find(text), args, reading, input_size)
    if kind == "onnx":
        from rfscale.engine.readers.onnx.reader import read_onnx

        return read_onnx(text, **_sized(reading, input_size))
    return _from_program(text, reading)


def kind_of(text: str) -> str:
    """Return what a text names: "zoo", "onnx", "program" (.pt2), "spec" (a file) or "python" (module:factory).

    Raises
    ------
    InputError
        For anything else, with the nearest name or what to write instead.
    """
    from rfscale.engine.zoo.registry import NETWORKS

    if text in NETWORKS:
        return "zoo"
    suffix = Path(text).suffix.lower()
    for kind, suffixes in (("onnx", (".onnx",)), ("program", (".pt2",)), ("spec", SPEC_SUFFIXES)):
        if suffix in suffixes:
            return kind
    if suffix == ".py":
        raise InputError(f"{text} is Python code; say what makes the model: {text}:NAME, a function or a class")
    if suffix in WEIGHT_SUFFIXES:
        raise InputError(
            f"{text} holds weights, not a graph that can be read; name the code that makes the model, "
            "package.module:factory, or export it to .onnx or, with torch.export.save, to .pt2"
        )
    if Path(text).is_file():
        return "spec"
    if ":" in text:
        return "python"
    package, dot, name = text.rpartition(".")
    if dot and text.replace(".", "").isidentifier():
        raise InputError(f"no network {shown(text)}; for what a Python module makes, write {package}:{name}")
    close = nearest(text, NETWORKS)
    raise InputError(
        f"no network {shown(text)}; {close}{'' if close.endswith('?') else ' in the zoo.'} Or give a .yaml, .json, "
        ".onnx or .pt2 file, or package.module:factory"
    )


def _check_no_arguments(what: str, arguments: Mapping[str, Any]) -> None:
    options = set(SizedReading.__annotations__) - {"arguments"}
    for key in arguments:
        raise InputError(f"{what} takes no parameter {shown(key)}; {nearest(key, options)}")


def _check_no_trust(what: str, reading: Mapping[str, Any]) -> None:
    if reading.get("trust"):
        raise InputError(f"{what} is no .pt2 file", remedy=("leave ", Parameter("trust"), " out"))


def _from_object(
    source: Any,
    arguments: Mapping[str, Any],
    reading: Mapping[str, Any],
    input_size: int | Sequence[int] | None = None,
) -> Network:
    """A network that is no text: one already, a spec dict, or a model."""
    if isinstance(source, Network | Mapping):
        for key in (*arguments, *reading):
            raise InputError(f"{shown(source)} is {_described(source)}; {key} goes with models")
        return source if isinstance(source, Network) else Network.from_dict(source)
    _check_no_arguments(type(source).__name__, arguments)
    _check_no_trust(type(source).__name__, reading)
    return _from_model(source, reading, input_size)


def _described(source: Network | Mapping[str, Any]) -> str:
    return "a network already" if isinstance(source, Network) else WITHOUT_READER["spec"]


def _from_model(model: Any, reading: Mapping[str, Any], input_size: int | Sequence[int] | None = None) -> Network:
    """A model object: its class says which library made it, so that neither is imported in vain."""
    libraries = {cls.__module__.partition(".")[0] for cls in type(model).__mro__}
    if "torch" in libraries:
        from rfscale.engine.readers.torch.reader import read_torch

        if "image" in reading:
            raise InputError(
                "names an input of an ONNX model; a PyTorch model has it first", argument=Parameter("image")
            )
        options = dict(reading)
        return read_torch(model, **_sized(options, options.pop("input_size", input_size), needs_shape=True))
    if "onnx" in libraries or type(model).__name__ == "ModelProto":
        from rfscale.engine.readers.onnx.reader import read_onnx

        return read_onnx(model, **_sized(reading, input_size))
    raise InputError(
        f"{shown(model)} is no network; give a zoo name, a file, a spec dict, a PyTorch module or an ONNX model"
    )


def _from_program(text: str, reading: Mapping[str, Any]) -> Network:
    """A .pt2 file of torch.export.save, which is of one size."""
    for key in ("example_input", "input_size"):
        if key in reading:
            raise InputError(
                f"{text} is of the size that it was exported with", remedy=("leave ", Parameter(key), " out")
            )
    from rfscale.engine.readers.torch.program_file import load_program

    options = dict(reading)
    program = load_program(text, trust=options.pop("trust", False))
    shapes = [
        node.meta["val"].shape for node in program.graph.nodes if node.name in program.graph_signature.user_inputs
    ]
    if any(not isinstance(n, int) for shape in shapes for n in shape):
        raise InputError(f"{text} leaves the sizes of its input open; export it without dynamic_shapes")
    return _from_model(program, {"name": Path(text).stem, **options})


def _from_python(
    text: str,
    found: Any,
    args: Mapping[str, Any],
    reading: Mapping[str, Any],
    input_size: int | Sequence[int] | None = None,
) -> Network:
    """What a module holds: a model, or what makes one."""
    from rfscale.engine.readers.python import call

    torch = sys.modules.get("torch")
    is_module = torch is not None and isinstance(found, torch.nn.Module)
    makes = callable(found) and not is_module
    if args and not makes:
        raise InputError(
            f"{text} is a {type(found).__name__} already and takes no arguments, but got {', '.join(args)}"
        )
    made = call(text, found, args) if makes else found
    if isinstance(made, Network):
        if reading:
            raise InputError((f"{text} makes an rf.Network, which takes no ", Parameter(next(iter(reading)))))
        return made
    torch = sys.modules.get("torch")  # a factory may import it when called
    is_torch = torch is not None and isinstance(made, torch.nn.Module | torch.export.ExportedProgram)
    if is_torch or type(made).__name__ == "ModelProto":
        from rfscale.engine.readers.torch.masks import WITHOUT_VALUES

        params = {"name": _label(text, args), **reading}
        network = _from_model(made, params, input_size)
        if makes and WITHOUT_VALUES in network.assumed.values():  # masks of weights are read where they have values
            network = _from_model(call(text, found, args, on_meta=False), params, input_size)
        return network
    verb = "returns" if makes else "is"
    raise InputError(
        f"{shown(text)} {verb} {shown(made)}; it must be or return a PyTorch module, an ONNX model or an rf.Network"
    )


def _label(text: str, args: Mapping[str, Any]) -> str:
    """Name of a factory's network: create_model(convnext_atto), for what a text says tells models apart."""
    texts = [v for v in args.values() if isinstance(v, str)]
    return text.rpartition(":")[2] + (f"({', '.join(texts)})" if texts else "")


def _apart(
    factory: Any, arguments: Mapping[str, Any], reading: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of the factory, and options of the reader; an option that the factory names is the factory's."""
    try:
        named = inspect.signature(factory).parameters if callable(factory) else {}
    except (TypeError, ValueError):
        named = {}
    own = {key: value for key, value in reading.items() if key in named}
    return {**arguments, **own}, {key: value for key, value in reading.items() if key not in own}


def _is_shape(example: Any) -> bool:
    return isinstance(example, list | tuple) and all(isinstance(n, int) for n in example)


def _sized(
    reading: Mapping[str, Any], size: int | Sequence[int] | None, *, needs_shape: bool = False
) -> dict[str, Any]:
    """Parameters of a reader for an image of `size` pixels per axis; `needs_shape`: as the shape of an example."""
    out = dict(reading)
    example, axes = out.get("example_input"), out.get("axes")
    if size is None or (example is None and not needs_shape):
        return out if size is None else {"input_size": size, **out}
    sizes = [whole(n, INPUT_SIZE) for n in listed(size) or [size]]
    if example is None:
        if axes is not None:
            raise InputError(
                "says which dims of the image are spatial", argument=Parameter("axes"),
                remedy=("give ", EXAMPLE_INPUT, ", its whole shape, too"),
            )  # fmt: skip
        sizes *= 2 if len(sizes) == 1 else 1
        return {**out, "example_input": (1, 3, *sizes)}
    if not _is_shape(example):
        raise InputError(
            ("sets the pixels of an ", EXAMPLE_INPUT, " that is one shape"),
            argument=INPUT_SIZE, remedy="give one of the two",
        )  # fmt: skip
    shape = list(example)
    dims = list(range(2, len(shape))) if axes is None else [a % len(shape) for a in axes]
    sizes *= len(dims) if len(sizes) == 1 else 1
    if len(sizes) != len(dims):
        raise InputError(
            ("but the ", EXAMPLE_INPUT, f" {tuple(shape)} has {len(dims)} axes"), argument=INPUT_SIZE, value=size
        )
    for dim, n in zip(dims, sizes, strict=True):
        shape[dim] = n
    return {**{k: v for k, v in out.items() if k != "input_size"}, "example_input": tuple(shape)}
