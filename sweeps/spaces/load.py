"""A space from whatever the user gives: a file, or package.module:name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rfscale.engine.errors import InputError, shown
from rfscale.engine.readers.quiet import quiet

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.network_space import NetworkSpace
    from rfscale.sweeps.spaces.space import Space


def load_space(text: str) -> Space | NetworkSpace:
    """Return the space of a file, or of a Python module or file."""
    from rfscale.sweeps.spaces.network_space import NetworkSpace
    from rfscale.sweeps.spaces.space import Space

    if ":" not in text or text.endswith((".yaml", ".yml", ".json")):
        return Space.from_file(text)
    from rfscale.engine.readers.python import find

    found = find(text, "SPACE")
    if not isinstance(found, Space | NetworkSpace):
        raise InputError(f"{text} is {shown(found)}; it must be an rf.Space or an rf.NetworkSpace")
    return found


def space_of(text: str, given: Sequence[str] = ()) -> Any:
    """Return the space that a file describes (stages) or a module holds; None where the text names something else.

    `given` are options that a space does not take.
    """
    from rfscale.engine.files import read_mapping
    from rfscale.engine.readers.load import kind_of
    from rfscale.sweeps.spaces.network_space import NetworkSpace
    from rfscale.sweeps.spaces.space import Space

    kind, space = kind_of(text), None
    if kind == "spec" and text.endswith((".yaml", ".yml", ".json")) and "stages" in read_mapping(text):
        space = Space.from_file(text)
    if kind == "python":
        from rfscale.engine.readers.python import find

        with quiet():
            space = find(text)
    if not isinstance(space, Space | NetworkSpace):
        return None
    if given:
        raise InputError(f"{text} is a space; {given[0]} goes with networks")
    return space
