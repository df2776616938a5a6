"""What a batch file says: its entries, checked, and the space or network that each of them names.

A model is made and read as the verbs do it: ``{profile: timm:create_model, arg: {model_name: resnet26d}}``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rfscale.engine.errors import FactoryArguments, InputError, Parameter, Reference, nearest, shown
from rfscale.engine.network.spec import listed
from rfscale.engine.readers.options import READING_OPTIONS, are_whole, reader_parameters

KINDS = {
    "sweep": ("stages", "formulas"),
    "count": ("by", "where", "bins"),
    "validate": ("random", "seed", "worst", *READING_OPTIONS),
    "profile": ("input_size", "entry", "global_ops", *READING_OPTIONS),
}

TRUST = Parameter("trust")

Entry = dict[str, Any]


def file_wording(reference: Reference) -> str:
    """Return what a batch file calls a parameter: input_size, global_ops: skip, arg: {width: …}."""
    if reference == TRUST:  # the file may not say that it is to be trusted
        return "--trust"
    if isinstance(reference, FactoryArguments):
        return "arg: {" + ", ".join(f"{name}: …" for name in reference.names) + "}"
    name = reference.name if reference.key is None else f"{reference.name} of {reference.key}"
    value = reference.value
    if isinstance(value, Mapping):
        value = "{" + ", ".join(f"{key}: {given}" for key, given in value.items()) + "}"
    return name if value is None else f"{name}: {value}"


def read_runs(path: Path) -> list[Entry]:
    """Return the checked entries of a YAML or JSON file."""
    from rfscale.engine.files import read_mapping

    runs = listed(read_mapping(path).get("runs"))
    if not runs:
        raise InputError(f"{path}: a batch needs 'runs', a list of at least one")
    names: set[str] = set()
    for i, entry in enumerate(runs, start=1):
        try:
            _check(entry, names)
        except InputError as error:
            raise error.within(f"run {i}").within(str(path)) from None
        names.add(entry["name"])
    return [dict(e) for e in runs]


def _check(entry: object, names: set[str]) -> None:
    if not isinstance(entry, Mapping):
        raise InputError(shown(entry), remedy="it must be a mapping such as {name: r50, profile: resnet50}")
    name = entry.get("name")
    if not isinstance(name, str) or not name or not name.replace("-", "").replace("_", "").isalnum():
        raise InputError(argument="name", value=name, remedy="it must be letters, digits, - and _, as it names a file")
    if name in names:
        raise InputError(f"two runs are named {name!r}", remedy="names must differ")
    kinds = [k for k in KINDS if k in entry]
    if len(kinds) != 1:
        raise InputError(f"{name!r} needs one of {', '.join(KINDS)}; it has {', '.join(kinds) or 'none'}")
    for key in entry:
        if key not in ("name", kinds[0], *KINDS[kinds[0]]):
            known = ("name", *KINDS, *KINDS[kinds[0]])
            raise InputError(f"{name!r} has no {shown(key)}", remedy=nearest(key, known))
    try:
        _check_values(entry, kinds[0])
    except InputError as error:
        raise error.within(repr(name)) from None


def _check_values(entry: Mapping[str, Any], kind: str) -> None:
    """Check the size of the image, and what says how a model is made and read."""
    size = entry.get("input_size")
    if size is not None and not are_whole(size if isinstance(size, list) else [size], 1):
        raise InputError(argument="input_size", value=size, remedy="it must be pixels such as 224 or [480, 640]")
    for key, option in READING_OPTIONS.items():
        if key not in entry:
            continue
        if not option.fits(entry[key]):
            remedy = f"it must be {option.needs}, such as {option.file_example}"
            raise InputError(argument=key, value=entry[key], remedy=remedy)
        if not isinstance(entry[kind], str):
            raise InputError(f"goes with the name of a network, and {kind} describes one", argument=key)


def kind_of_entry(entry: Entry) -> str:
    """Return which of KINDS an entry is."""
    return next(k for k in KINDS if k in entry)


def options_of(entry: Entry) -> Entry:
    """Return the options of what is run; how a model is read is not among them."""
    return {key: entry[key] for key in KINDS[kind_of_entry(entry)] if key in entry and key not in READING_OPTIONS}


def subject_of(entry: Entry, folder: Path, trust: bool = False) -> Any:
    """Return the space or network of an entry: a file beside the batch, a name, or a description.

    Without `trust` names of Python code are refused: a batch file is data.
    """
    from rfscale.engine.network.network import Network
    from rfscale.sweeps.spaces.chains import chains
    from rfscale.sweeps.spaces.space import Space

    kind = kind_of_entry(entry)
    given = entry[kind]
    if isinstance(given, Mapping):
        if "stages" in given:
            subject: Any = Space.from_dict(given)
        elif "layers" in given:
            subject = Network.from_dict(dict(given))
        else:
            unknown = set(given) - {"kernel", "stride", "dilation", "depth"}
            if unknown:
                raise InputError(
                    f"{kind} has {shown(sorted(map(str, unknown)))}; give stages, layers, or kernel … depth"
                )
            subject = chains(**given)
    else:
        subject = _named(entry, str(given), folder, trust)
    if isinstance(subject, Network) and kind in ("sweep", "count"):
        raise InputError(f"{kind} needs a space, and {shown(given)} is a network")
    if not isinstance(subject, Network) and kind == "profile":
        raise InputError(f"profile needs a network, and {shown(given)} is a space")
    return subject


def _named(entry: Entry, text: str, folder: Path, trust: bool) -> Any:
    """Return the space or network of a name; what fails says by which keys it was made and read."""
    from rfscale.engine.readers.doors import door_of
    from rfscale.engine.readers.load import load_named
    from rfscale.engine.readers.quiet import quiet
    from rfscale.sweeps.spaces.load import find_space

    path, name = _parts(text)
    text = f"{folder / path}{name}" if (folder / path).is_file() else text
    keys = [key for key in READING_OPTIONS if key in entry]
    try:
        door = door_of(text)
        if door.kind == "python" and not trust:
            raise InputError(
                f"{text} names Python code, which a batch file may not run", remedy=("if you trust it, give ", TRUST)
            )
        space = find_space(text, [Parameter(key) for key in keys])
        if space is not None:
            return space
        with quiet():
            reading = reader_parameters(entry) | ({"trust": True} if trust and door.needs_trust else {})
            return load_named(text, entry.get("arg", {}), reading, entry.get("input_size"))
    except InputError as error:
        raise (error.within(", ".join(keys)) if keys else error) from None


def _parts(text: str) -> tuple[str, str]:
    """The file that a text may name, and the factory in it: file.py and :factory."""
    path, colon, name = text.rpartition(":") if ".py:" in text else (text, "", "")
    return path, colon + name


def entry_hash(entry: Entry, folder: Path) -> str:
    """Hash of an entry and of the file that it names."""
    found = hashlib.sha256(json.dumps(entry, sort_keys=True, default=str).encode())
    for value in entry.values():
        file = folder / _parts(value)[0] if isinstance(value, str) else folder
        with suppress(OSError):  # who reads it says so
            if file.is_file():
                found.update(file.read_bytes())
    return found.hexdigest()[:16]
