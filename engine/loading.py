"""One door for everything that can be a network: a zoo name, a file, or a Python factory."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from engine.errors import InputError, nearest, shown
from engine.network import Network

SUFFIXES = (".yaml", ".yml", ".json")


def load(source: Any, **params: Any) -> Network:
    """Return a network.

    Parameters
    ----------
    source : str, Path, dict, Network or model
        A zoo name ("resnet50", see `rfscale networks`), the path of a .yaml, .json or .onnx file,
        "package.module:factory" for a Python function that returns a Network or a PyTorch module, a spec dict, a
        PyTorch module or exported program, an onnx.ModelProto, or a network itself.
    **params
        Passed to the zoo's builder or the factory. Models take `example_input` (the shape of the image, by default
        (1, 3, 224, 224), for ONNX what the file says), `unknown`, `axes` and `name`, and ONNX also `input_size` and
        `image`: see docs/reading-models.md.

    Raises
    ------
    InputError
        One line: what was given, and the nearest name; for models, every operator that is not known.

    Examples
    --------
    >>> load("resnet50").name
    'resnet50'
    """
    if isinstance(source, Network):
        return source
    if isinstance(source, dict):
        return Network.from_dict(source)
    if not isinstance(source, str | Path):
        return _from_model(source, params)
    from engine.networks import NETWORKS, build

    text = str(source)
    if text in NETWORKS:
        return build(text, **params)
    if text.endswith(".onnx"):
        from engine.readers.onnx_reader import read_onnx

        return read_onnx(text, **_accepted(text, params, READER_PARAMS | ONNX_PARAMS))
    if text.endswith(SUFFIXES) or Path(text).is_file():
        if params:
            raise InputError(f"{text} is a file and takes no parameters, but got {', '.join(params)}")
        return Network.from_file(text)
    if ":" in text:
        return _from_factory(text, params)
    raise InputError(f"no network {shown(text)}; {nearest(text, NETWORKS)} Or give a .yaml, .json or .onnx file")


READER_PARAMS = frozenset({"example_input", "unknown", "axes", "name"})
ONNX_PARAMS = frozenset({"input_size", "image"})


def _accepted(what: str, params: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    for key in params:
        if key not in known:
            raise InputError(f"{what} takes no parameter {shown(key)}; {nearest(key, known)}")
    return params


def _from_model(model: Any, params: dict[str, Any]) -> Network:
    """A model object: its class says which library made it, so that neither is imported in vain."""
    libraries = {cls.__module__.partition(".")[0] for cls in type(model).__mro__}
    if "torch" in libraries:
        from engine.readers.torch_reader import read_torch

        return read_torch(model, **_accepted(type(model).__name__, params, READER_PARAMS))
    if "onnx" in libraries or type(model).__name__ == "ModelProto":
        from engine.readers.onnx_reader import read_onnx

        return read_onnx(model, **_accepted("an ONNX model", params, READER_PARAMS | ONNX_PARAMS))
    raise InputError(
        f"a network cannot be a {type(model).__name__}; give a zoo name, a file, a spec dict, a PyTorch module or an "
        "ONNX model"
    )


def _from_factory(text: str, params: dict[str, Any]) -> Network:
    module_name, _, attribute = text.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")  # a module beside the user, as `python -m` has it
    try:
        factory = getattr(_imported(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        extra = "; to read PyTorch models: pip install 'rfscale[torch]'" if _lacks_torch(error) else ""
        raise InputError(f"network {shown(text)} cannot be imported: {error}{extra}") from None
    reading = {key: params.pop(key) for key in READER_PARAMS & params.keys()} if _is_torch(module_name) else {}
    made = _built(factory, params) if callable(factory) and not _is_model(factory) else factory
    if isinstance(made, Network):
        return made
    if _is_model(made):
        return _from_model(made, {"name": attribute, **reading})
    raise InputError(
        f"{shown(text)} is a {type(made).__name__}; it must be or return an engine.Network or a PyTorch module"
    )
