"""Models that are objects already: the class says which library made them, so that none is imported in vain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rfscale.engine.errors import EXAMPLE_INPUT, INPUT_SIZE, InputError, shown
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import listed, whole
from rfscale.engine.readers.reading import is_number, row_of_numbers

Size = int | Sequence[int] | None


def library_of(model: Any) -> str | None:
    """Return whose reader takes an object: "keras", "torch" or "onnx"; None for what is no model.

    A Keras model on the torch backend is a module of torch as well: it is read from its configuration where it has
    one that lists its layers.
    """
    if isinstance(model, type):
        return None
    libraries = {cls.__module__.partition(".")[0] for cls in type(model).__mro__}
    if libraries & {"keras", "tf_keras"} and (_lists_layers(model) or "torch" not in libraries):
        return "keras" if hasattr(model, "get_config") else None
    if "torch" in libraries and (hasattr(model, "named_modules") or hasattr(model, "graph_signature")):
        return "torch"
    return "onnx" if "onnx" in libraries or type(model).__name__ == "ModelProto" else None


def model_network(model: Any, reading: Mapping[str, Any], input_size: Size = None) -> Network:
    """Return the network of a model object.

    Parameters
    ----------
    model : object
        Of PyTorch, Keras or ONNX.
    reading : mapping
        Options of its reader.
    input_size : int or sequence of int, optional
        Size that is going to be analysed, at which it is read unless the options say another.

    Raises
    ------
    InputError
        For anything else, and as the readers.
    """
    library = library_of(model)
    if library == "torch":
        from rfscale.engine.readers.torch.reader import read_torch

        return read_torch(model, **{"input_size": input_size, **reading})
    if library == "keras":
        from rfscale.engine.readers.keras.reader import read_keras

        return read_keras(model, **{"input_size": input_size, **reading})
    if library == "onnx":
        from rfscale.engine.readers.onnx.reader import read_onnx

        return read_onnx(model, **onnx_options(reading, input_size))
    raise InputError(
        f"{shown(model)} is no network; give a zoo name, a file, a spec dict, a PyTorch module, a Keras model or an "
        "ONNX model"
    )


def fits_any_size(example: Any) -> bool:
    """Whether an example input is no more than a shape, so that the pixels of an analysis can stand for its own."""
    return example is None or is_number(example) or row_of_numbers(example) is not None


def onnx_options(reading: Mapping[str, Any], size: Size) -> dict[str, Any]:
    """Options of the reader of ONNX, for an image of `size` pixels per axis: as the shape of an example, if given."""
    out = dict(reading)
    size = out.pop("input_size", size)
    example = out.get("example_input")
    if is_number(example):
        side = int(out.pop("example_input"))
        return {**out, "input_size": side if size is None else size}
    if size is None:
        return out
    if example is None:
        return {**out, "input_size": size}
    shape = row_of_numbers(example)
    if shape is None:
        raise InputError(
            ("sets the pixels of an ", EXAMPLE_INPUT, " that is one shape"),
            argument=INPUT_SIZE, remedy="give one of the two",
        )  # fmt: skip
    axes = out.get("axes")
    sizes = [whole(n, INPUT_SIZE) for n in listed(size) or [size]]
    dims = list(range(2, len(shape))) if axes is None else [a % len(shape) for a in axes]
    sizes *= len(dims) if len(sizes) == 1 else 1
    if len(sizes) != len(dims):
        raise InputError(("but the ", EXAMPLE_INPUT, f" {shape} has {len(dims)} axes"), argument=INPUT_SIZE, value=size)
    changed = dict(zip(dims, sizes, strict=True))
    return {**out, "example_input": tuple(changed.get(d, n) for d, n in enumerate(shape))}


def _lists_layers(model: Any) -> bool:
    """Whether the configuration of a Keras model lists its layers: one whose layers are code has none, or refuses."""
    try:
        config = model.get_config()
    except Exception:  # whatever the code of a model raises
        return False
    return isinstance(config, Mapping) and isinstance(config.get("layers"), list)
