"""A model with its weights: the module that a name or object stands for, and checkpoints loaded into it."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from rfscale.engine.errors import InputError, Parameter, nearest, shown
from rfscale.engine.readers.doors import door_of
from rfscale.engine.readers.names.library_names import named_model, ultralytics_model
from rfscale.engine.readers.names.python import call, find
from rfscale.engine.readers.objects import library_of
from rfscale.engine.readers.quiet import quiet

CHECKPOINT = Parameter("checkpoint")
NESTED = ("state_dict", "model_state_dict", "model", "module", "net", "ema")  # keys under which training code keeps one
PREFIXES = ("module.", "_orig_mod.", "model.")  # of keys: parallel, compiled and wrapped modules
LISTED = 3


def module_of(
    model: Any, arguments: Mapping[str, Any] | None = None, checkpoint: Any = None, *, trust: bool = False
) -> Any:
    """Return the torch module that a model is or names, with the weights of a checkpoint.

    Parameters
    ----------
    model : torch.nn.Module, str or path
        A module, or what `load` takes that makes one: package.module:factory, timm:NAME, a TorchScript file.
    arguments : mapping, optional
        Of the factory.
    checkpoint : path or mapping, optional
        A state dict, or a file of one: .safetensors, or what ``torch.load(weights_only=True)`` reads. A module given
        as an object is left as it is: a copy gets the weights.
    trust : bool
        Unpickle files that are no plain state dicts, which may run code.

    Raises
    ------
    InputError
        For what has no weights that PyTorch can run, and a checkpoint of another model.
    """
    from rfscale.engine.files import need_package

    need_package("torch", "for the effective field of a model")
    given = model
    if checkpoint is not None and (not isinstance(checkpoint, str | PathLike | Mapping) or checkpoint == ""):
        remedy = "give a state dict, or a .safetensors or .pt file of one"
        raise InputError(argument=CHECKPOINT, value=checkpoint, remedy=remedy)
    if arguments and not isinstance(model, str | PathLike):
        raise InputError(f"{type(model).__name__} is made already; arguments go with the name of what makes a model")
    if isinstance(model, str | PathLike):
        model = _named(str(model), arguments or {}, trust)
    if library_of(model) != "torch" or not hasattr(model, "named_modules"):
        raise InputError(
            f"{shown(given)} has no weights that PyTorch can run",
            remedy="give a torch.nn.Module, timm:NAME, or package.module:factory",
        )
    if any(p.is_meta for p in model.parameters()) and checkpoint is None:
        raise InputError(f"{type(model).__name__} is on the meta device, without weights", remedy="make it with them")
    if checkpoint is None:
        return model
    if model is given:
        import copy

        model = copy.deepcopy(model)
    load_checkpoint(model, checkpoint, trust=trust)
    return model


def _named(text: str, arguments: Mapping[str, Any], trust: bool) -> Any:
    """The module that a text names, with weights as its code makes them."""
    door = door_of(text)
    name, _, part = text.partition("#")
    with quiet():
        if door.kind == "name":
            model = named_model(name, arguments, on_meta=False)
        elif door.kind == "ultralytics":
            model = ultralytics_model(text, arguments, on_meta=False)
        elif door.kind == "script":
            from rfscale.engine.readers.torch.script_file import load_script

            model = load_script(text, trust=trust)
        elif door.kind == "python":
            found = find(name)
            makes = callable(found) and library_of(found) is None
            model = call(name, found, arguments, on_meta=False) if makes else found
        else:
            raise InputError(
                f"{text} has no weights that PyTorch can run", remedy="give timm:NAME or package.module:factory"
            )
    if part and library_of(model) == "torch":
        known = [path for path, _ in model.named_modules() if path]
        if part not in known:
            raise InputError(f"{text}: the model has no module {shown(part)}; {nearest(part, known)}")
        model = model.get_submodule(part)
    return model


# checkpoints ---------------------------------------------------------------------------------------------------------


def load_checkpoint(module: Any, checkpoint: Any, *, trust: bool = False) -> None:
    """Load a state dict into a module: every key of the one must be in the other, with its shape.

    Raises
    ------
    InputError
        One line: the file, and the keys or shapes that differ.
    """
    label = str(checkpoint) if isinstance(checkpoint, str | PathLike) else "the state dict"
    state = read_checkpoint(checkpoint, trust=trust) if isinstance(checkpoint, str | PathLike) else checkpoint
    state = _state_dict(state, label)
    own = module.state_dict()
    state = _without_prefix(state, set(own))
    lacking, unknown = [k for k in own if k not in state], [k for k in state if k not in own]
    if lacking or unknown:
        parts = [
            f"{len(keys)} {what} ({_listed(keys)})"
            for keys, what in ((lacking, "missing"), (unknown, "unknown"))
            if keys
        ]
        raise InputError(
            f"{label} is a checkpoint of another model than {type(module).__name__}: keys {', '.join(parts)}",
            remedy="make the model as it was trained",
        )
    for key, value in own.items():
        if tuple(state[key].shape) != tuple(value.shape):
            raise InputError(
                f"{label} is a checkpoint of another model than {type(module).__name__}: {key} is "
                f"{tuple(state[key].shape)}, not {tuple(value.shape)}",
                remedy="make the model as it was trained",
            )
    module.load_state_dict(state, assign=any(p.is_meta for p in module.parameters()))


def read_checkpoint(path: str | PathLike[str], *, trust: bool = False) -> Any:
    """Return what a checkpoint file holds; without `trust` nothing in it is run."""
    import torch

    file = Path(path)
    if not file.is_file():
        raise InputError(f"{file} is no file", remedy="give a .safetensors or .pt file of a state dict")
    if file.suffix.lower() == ".safetensors":
        from rfscale.engine.files import need_package

        need_package("safetensors", f"to read {file}")
        from safetensors.torch import load_file

        try:
            return load_file(file)
        except Exception as error:  # a file that may hold anything
            raise InputError(f"{file} is no safetensors file: {_line(error)}") from None
    try:
        return torch.load(file, map_location="cpu", weights_only=not trust)
    except Exception as error:  # a file that may hold anything
        if not trust and "weights_only" in str(error).lower():
            raise InputError(
                f"{file} holds more than tensors, and unpickling it may run code; nothing was run",
                remedy=("if you trust its maker, give ", Parameter("trust")),
            ) from None
        raise InputError(f"{file} cannot be loaded: {_line(error)}") from None


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return shown(lines[0], 120)


def _state_dict(found: Any, label: str) -> Mapping[str, Any]:
    """The state dict in what a file holds: itself, under a usual key, or of a module."""
    import torch

    for _ in range(3):
        if hasattr(found, "state_dict") and not isinstance(found, Mapping):
            found = found.state_dict()
        if isinstance(found, Mapping) and found and all(isinstance(v, torch.Tensor) for v in found.values()):
            return found
        inner = next((found[k] for k in NESTED if isinstance(found, Mapping) and k in found), None)
        if inner is None:
            break
        found = inner
    held = ", ".join(map(str, list(found)[:LISTED])) if isinstance(found, Mapping) else type(found).__name__
    raise InputError(f"{label} holds no state dict, but {held or 'nothing'}", remedy="save model.state_dict()")


def _without_prefix(state: Mapping[str, Any], own: set[str]) -> dict[str, Any]:
    """The same with the keys of the module where all of them only have a prefix of a wrapper more."""
    state = dict(state)
    for prefix in PREFIXES:
        if set(state) != own and state and all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _listed(keys: list[str]) -> str:
    return ", ".join(keys[:LISTED]) + (", …" if len(keys) > LISTED else "")
