"""A space from whatever the user gives: a file, or package.module:name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rfscale.engine.errors import InputError, Text
from rfscale.engine.readers.quiet import quiet

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.network_space import NetworkSpace
    from rfscale.sweeps.spaces.space import Space

SUFFIXES = (".yaml", ".yml", ".json")


def load_space(text: str) -> Space | NetworkSpace:
    """Return the space of a file, or of a Python module or file."""
    if ":" in text and not text.endswith(SUFFIXES):
        found = _python_object(text, "SPACE")
        space = _as_space(found)
        if space is None:
            raise InputError(argument=text, value=found, remedy="it must be an rf.Space or an rf.NetworkSpace")
        return space
    from rfscale.sweeps.spaces.space import Space

    return Space.from_file(text)


def find_space(text: str, options: Sequence[Text] = ()) -> Space | NetworkSpace | None:
    """Return the space that a file describes (stages) or a module holds; None where the text names something else.

    `options` are those given that a space does not take.
    """
    from rfscale.engine.files import read_mapping
    from rfscale.engine.readers.load import kind_of

    kind, space = kind_of(text), None
    if kind == "spec" and text.endswith(SUFFIXES) and "stages" in read_mapping(text):
        space = load_space(text)
    elif kind == "python":
        space = _as_space(_python_object(text, "network"))
    if space is not None and options:
        first = options[0] if isinstance(options[0], tuple) else (options[0],)
        raise InputError(f"{text} is a space", remedy=(*first, " goes with networks"))
    return space


def _python_object(text: str, what: str) -> Any:
    from rfscale.engine.readers.names.python import find

    with quiet():
        return find(text, what)


def _as_space(found: Any) -> Space | NetworkSpace | None:
    from rfscale.sweeps.spaces.network_space import NetworkSpace
    from rfscale.sweeps.spaces.space import Space

    return found if isinstance(found, Space | NetworkSpace) else None
