"""What a batch file says: its entries, checked, and the space or network that each of them names.

A model is made and read as the verbs do it: ``{profile: timm:create_model, arg: {model_name: resnet26d}}``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.engine.network.spec import listed
from rfscale.engine.readers.reading import READING

KINDS = {
    "sweep": ("stages", "formulas"),
    "count": ("by", "where", "bins"),
    "validate": ("random", "seed", "worst", *READING),
    "profile": ("input_size", "entry", "global_ops", *READING),
}


Entry = dict[str, Any]


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
            raise InputError(f"{path}: run {i}: {error}") from None
        names.add(entry["name"])
    return [dict(e) for e in runs]


def _check(entry: object, names: set[str]) -> None:
    if not isinstance(entry, Mapping):
        raise InputError(f"{shown(entry)}; it must be a mapping such as {{name: r50, profile: resnet50}}")
    name = entry.get("name")
    if not isinstance(name, str) or not name or not name.replace("-", "").replace("_", "").isalnum():
        raise InputError(f"name is {shown(name)}; it must be letters, digits, - and _, as it names a file")
    if name in names:
        raise InputError(f"two runs are named {name!r}; names must differ")
    kinds = [k for k in KINDS if k in entry]
    if len(kinds) != 1:
        raise InputError(f"{name!r} needs one of {', '.join(KINDS)}; it has {', '.join(kinds) or 'none'}")
    for key in entry:
        if key not in ("name", kinds[0], *KINDS[kinds[0]]):
            raise InputError(f"{name!r} has no {shown(key)}; {nearest(key, ('name', *KINDS, *KINDS[kinds[0]]))}")

    _check_reading(entry, kinds[0])


def _check_reading(entry: Mapping[str, Any], kind: str) -> None:
    """Check what says how a model is made and read."""
    for key, (fits, wanted) in _READS.items():
        if key in entry and not fits(entry[key]):
            raise InputError(f"{entry['name']!r}: {key} is {shown(entry[key])}; it must be {wanted}")
        if key in entry and key in READING and not isinstance(entry[kind], str):
            raise InputError(f"{entry['name']!r}: {key} goes with the name of a network, and {kind} describes one")


def _are_whole(given: object, least: int) -> bool:
    """Whether something is a list of whole numbers."""
    return isinstance(given, list) and all(type(n) is int and n >= least for n in given) and bool(given)


_READS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "arg": (
        lambda v: isinstance(v, Mapping) and all(isinstance(k, str) and k.isidentifier() for k in v),
        "a mapping such as {weights: null}",
    ),
    "example_input": (
        lambda v: _are_whole(v, 1) or (isinstance(v, list) and bool(v) and all(_are_whole(n, 1) for n in v)),
        "batch, channels and pixels such as [1, 3, 224, 224], or a list of such lists",
    ),
    "unknown": (
        lambda v: isinstance(v, str | Mapping),
        "pointwise, everything, or {flip: pointwise}",
    ),
    "axes": (lambda v: _are_whole(v, -64), "a list of dims such as [1, 2]"),
    "image": (lambda v: isinstance(v, str), "the name of an input"),
    "input_size": (
        lambda v: v is None or _are_whole(v if isinstance(v, list) else [v], 1),
        "pixels such as 224 or [480, 640]",
    ),
}


def kind_of_entry(entry: Entry) -> str:
    """Return which of KINDS an entry is."""
    return next(k for k in KINDS if k in entry)


def options_of(entry: Entry) -> Entry:
    """Return the options of what is run; how a model is read is not among them."""
    return {key: entry[key] for key in KINDS[kind_of_entry(entry)] if key in entry and key not in READING}


def subject_of(entry: Entry, folder: Path) -> Any:
    """Return the space or network of an entry: a file beside the batch, a name, or a description."""
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
        subject = _named(entry, str(given), folder)
    if isinstance(subject, Network) and kind in ("sweep", "count"):
        raise InputError(f"{kind} needs a space, and {shown(given)} is a network")
    if not isinstance(subject, Network) and kind == "profile":
        raise InputError(f"profile needs a network, and {shown(given)} is a space")
    return subject


def _named(entry: Entry, text: str, folder: Path) -> Any:
    """Return the space or network of a name; what fails says by which keys it was made and read."""
    from rfscale.engine.readers.load import load_named
    from rfscale.engine.readers.quiet import quiet
    from rfscale.sweeps.spaces.load import space_of

    path, name = _parts(text)
    text = f"{folder / path}{name}" if (folder / path).is_file() else text
    keys = [key for key in READING if key in entry]
    reading = {key: entry[key] for key in keys if key != "arg"}
    if "example_input" in reading:
        shapes = reading["example_input"]
        reading["example_input"] = tuple(shapes) if isinstance(shapes[0], int) else [tuple(shape) for shape in shapes]
    try:
        space = space_of(text, keys)
        if space is not None:
            return space
        with quiet():
            return load_named(text, entry.get("arg", {}), reading, entry.get("input_size"))
    except InputError as error:
        # a factory's message says what to give it as Python does
        told = re.sub(r"(?<=give )\w+=…(, \w+=…)*$", lambda m: f"arg: {{{m[0].replace('=', ': ')}}}", str(error))
        raise InputError(f"{', '.join(keys)}: {told}" if keys else told) from None


def _parts(text: str) -> tuple[str, str]:
    """The file that a text may name, and the factory in it: file.py and :factory."""
    path, colon, name = text.rpartition(":") if ".py:" in text else (text, "", "")
    return path, colon + name


def entry_hash(entry: Entry, folder: Path) -> str:
    """Hash of an entry and of the file that it names."""
    found = hashlib.sha256(json.dumps(entry, sort_keys=True, default=str).encode())
    for value in entry.values():
        file = folder / _parts(value)[0] if isinstance(value, str) else folder
        if file.is_file():
            found.update(file.read_bytes())
    return found.hexdigest()[:16]
