"""One door for everything that can be a network: a zoo name, a file, or a Python factory."""

from __future__ import annotations

import inspect
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
        raise InputError(f"network {shown(text)} cannot be imported: {error}{_install_hint(error)}") from None
    torch = sys.modules.get("torch")
    is_module = torch is not None and isinstance(factory, torch.nn.Module)
    reading = _for_reader(factory, params)
    made = _built(text, factory, params) if callable(factory) and not is_module else factory
    if isinstance(made, Network) and not reading:
        return made
    torch = sys.modules.get("torch")  # a factory may import it when called
    if torch is not None and isinstance(made, torch.nn.Module | torch.export.ExportedProgram):
        return _from_model(made, {"name": attribute, **reading})
    if isinstance(made, Network):
        raise InputError(f"{shown(text)} returns a Network and takes no parameter {shown(next(iter(reading)))}")
    raise InputError(
        f"{shown(text)} is a {type(made).__name__}; it must be or return an engine.Network or a PyTorch module"
    )


def _imported(module_name: str) -> Any:
    try:
        return import_module(module_name)
    except RuntimeError as error:  # torchvision without its compiled operators
        if "torchvision::" not in str(error):
            raise
        from engine.readers.torch_reader import declare_torchvision_operators

        declare_torchvision_operators()
        return import_module(module_name)


def _install_hint(error: Exception) -> str:
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    hints = {
        "torch": "'rfscale[torch]'",
        "torchvision": "'rfscale[torch]' torchvision",
        "timm": "'rfscale[torch]' timm",
    }
    return f"; to read its models: pip install {hints[missing]}" if missing in hints else ""


def _for_reader(factory: Any, params: dict[str, Any]) -> dict[str, Any]:
    """Take the parameters of the reader out of those of the factory; what the factory names is the factory's."""
    try:
        named = inspect.signature(factory).parameters if callable(factory) else {}
    except (TypeError, ValueError):
        named = {}
    return {key: params.pop(key) for key in sorted(READER_PARAMS & params.keys()) if key not in named}


def _built(text: str, factory: Any, params: dict[str, Any]) -> Any:
    """What a factory makes: PyTorch modules without memory for weights where their code allows that."""
    torch = sys.modules.get("torch")
    if torch is not None:
        try:
            with torch.device("meta"):
                return factory(**params)
        except (RuntimeError, NotImplementedError, TypeError):  # it looks at its weights while it makes them
            pass
    try:
        return factory(**params)
    except TypeError as error:
        raise InputError(f"{text} cannot be called so: {error}") from error
