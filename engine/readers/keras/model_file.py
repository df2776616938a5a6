"""The configuration of a Keras model: out of a .keras archive, an .h5 file, its JSON, or a live model."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rfscale.engine.errors import InputError, shown
from rfscale.engine.files import read_mapping

MAX_BYTES = 1 << 28  # of a configuration


def model_of(path: str) -> Mapping[str, Any]:
    """Return the configuration of the model in a .keras or .h5 file: its class and its layers. Nothing is run.

    Raises
    ------
    InputError
        For a file that is none, holds weights alone, or a model whose layers are code.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: {'is a folder' if Path(path).is_dir() else 'No such file or directory'}")
    if path.endswith(".json"):
        return checked(read_mapping(path), path)
    text = _from_archive(path) if zipfile.is_zipfile(path) else _from_hdf5(path)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} holds a configuration that is not JSON: {shown(str(error), 120)}") from None
    return checked(found, path)


def checked(found: Any, label: str) -> Mapping[str, Any]:
    """Return a configuration that lists layers, or raise InputError."""
    config = found.get("config") if isinstance(found, Mapping) else None
    if isinstance(config, list):  # of old Sequential models
        return {**found, "config": {"layers": config}}
    if not isinstance(config, Mapping) or not isinstance(config.get("layers"), list):
        kind = found.get("class_name") if isinstance(found, Mapping) else None
        name = shown(kind) if kind else "no model"
        raise InputError(
            f"{label} holds {name}, whose layers stand in Python code alone: its file has no list of them",
            remedy="build it in Keras and load the object (a functional model is read as it is, any other on the "
            "torch backend), or export it to .onnx",
        )
    return found


def _from_archive(path: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo("config.json")
            if info.file_size > MAX_BYTES:
                raise InputError(
                    f"{path} holds a configuration of {info.file_size} bytes; at most {MAX_BYTES} are read"
                )
            with archive.open(info) as file:
                return file.read(MAX_BYTES)
    except KeyError:
        raise InputError(f"{path} holds no config.json: it is no model of Keras") from None
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, EOFError) as error:
        raise InputError(f"{path} cannot be read: {shown(str(error), 120)}") from None


def _from_hdf5(path: str) -> bytes:
    try:
        import h5py
    except ImportError:
        raise InputError(f"{path} is an HDF5 file; to read it: pip install h5py") from None
    try:
        with h5py.File(path, "r") as file:
            text = file.attrs.get("model_config")
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise InputError(f"{path} cannot be read: {shown(str(error), 120)}") from None
    if text is None:
        raise InputError(
            f"{path} holds weights, not a model that can be read; name the code that makes the model, "
            "package.module:factory, or save the whole model to .keras"
        )
    return text if isinstance(text, bytes) else str(text).encode()
