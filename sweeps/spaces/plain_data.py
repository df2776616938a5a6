"""Copies of specs, and specs as JSON: stages share their parts as a rule, which are then copied and written once."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

_SINGLE = frozenset({int, str, bool, float, type(None)})


def copied(value: Any) -> Any:
    """Return ``copy.deepcopy(value)``, of plain data in half the time.

    Examples
    --------
    >>> layers = [{"kernel": 3}]
    >>> made = copied({"a": layers, "b": layers})
    >>> made, made["a"] is made["b"], made["a"] is layers
    ({'a': [{'kernel': 3}], 'b': [{'kernel': 3}]}, True, False)
    """
    return value if type(value) in _SINGLE else _copied(value, {})


def _copied(value: Any, known: dict[int, Any]) -> Any:
    """The same of one value; `known` are copies by the number of their object, as `copy.deepcopy` keeps them."""
    kind = type(value)
    if kind is not dict and kind is not list:
        return copy.deepcopy(value, known)
    found = known.get(id(value))
    if found is not None:
        return found
    if kind is list:
        row = known[id(value)] = []
        row.extend([v if type(v) in _SINGLE else _copied(v, known) for v in value])
        return row
    made = known[id(value)] = {}
    for key, v in value.items():
        made[key if type(key) is str else copy.deepcopy(key, known)] = v if type(v) in _SINGLE else _copied(v, known)
    return made


def json_text(spec: dict[str, Any], default: Callable[[Any], Any], *, sort_keys: bool = False) -> str:
    """Return ``json.dumps(spec, default=default, sort_keys=sort_keys)`` in half the time where stages share choices.

    Examples
    --------
    >>> choices = [{"stride": 1, "kernel": 3}]
    >>> json_text({"stages": [{"name": "a", "choices": choices}]}, str, sort_keys=True)
    '{"stages": [{"choices": [{"kernel": 3, "stride": 1}], "name": "a"}]}'
    """
    encode, quoted = json.JSONEncoder(sort_keys=sort_keys, default=default).encode, json.encoder.encode_basestring_ascii
    known: dict[int, str] = {}

    def text(value: Any, levels: int) -> str:
        kind = type(value)
        if kind is str:
            return quoted(value)
        if kind is list:
            made = known.get(id(value))
            if made is None:
                made = f"[{', '.join([text(v, levels - 1) for v in value])}]" if levels else encode(value)
                known[id(value)] = made
            return made
        if kind is dict and levels and {*map(type, value)} == {str}:
            keys = sorted(value) if sort_keys else value
            return f"{{{', '.join([f'{quoted(key)}: {text(value[key], levels - 1)}' for key in keys])}}}"
        return encode(value)

    return text(spec, 3)  # the space, its stages, each stage: what is in a stage is shared
