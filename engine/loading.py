"""One door for everything that can be a network: a zoo name, a file, or a Python factory."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from engine.errors import InputError, nearest, shown
from engine.network import Network

SUFFIXES = (".yaml", ".yml", ".json")


def load(source: str | Path | Network | dict[str, Any], **params: Any) -> Network:
    """Return a network.

    Parameters
    ----------
    source : str, Path, dict or Network
        A zoo name ("resnet50", see `rfscale networks`), the path of a .yaml or .json file, "package.module:factory"
        for a Python function that returns a Network, a spec dict, or a network itself.
    **params
        Passed to the zoo's builder or the factory.

    Raises
    ------
    InputError
        One line: what was given, and the nearest name.

    Examples
    --------
    >>> load("resnet50").name
    'resnet50'
    """
    if isinstance(source, Network):
        return source
    if isinstance(source, dict):
        return Network.from_dict(source)
    from engine.networks import NETWORKS, build

    text = str(source)
    if text in NETWORKS:
        return build(text, **params)
    if text.endswith(SUFFIXES) or Path(text).is_file():
        if params:
            raise InputError(f"{text} is a file and takes no parameters, but got {', '.join(params)}")
        return Network.from_file(text)
    if ":" in text:
        return _from_factory(text, params)
    raise InputError(f"no network {shown(text)}; {nearest(text, NETWORKS)} Or give a .yaml or .json file")


def _from_factory(text: str, params: dict[str, Any]) -> Network:
    module_name, _, attribute = text.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")  # a module beside the user, as `python -m` has it
    try:
        factory = getattr(import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"network {shown(text)} cannot be imported: {error}") from None
    network = factory(**params) if callable(factory) else factory
    if not isinstance(network, Network):
        raise InputError(f"{shown(text)} is a {type(network).__name__}; it must be or return an engine.Network")
    return network
