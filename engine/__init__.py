"""rfscale's engine: exact footprints of convolutional feature maps, and the formulas used instead.

Everything here loads on first use, so that ``import engine`` costs nothing. No module has the name of a public
function: importing it would put the module in the function's place.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from engine.errors import InputError
    from engine.footprints import entry_map, footprint
    from engine.formulas import FORMULAS
    from engine.loading import load
    from engine.network import Network, NetworkBuilder
    from engine.profiles import profile
    from engine.summary import output_lines
    from engine.weights import effective_field, path_weights

_HOMES = {
    "InputError": "errors",
    "entry_map": "footprints",
    "footprint": "footprints",
    "FORMULAS": "formulas",
    "load": "loading",
    "Network": "network",
    "NetworkBuilder": "network",
    "profile": "profiles",
    "output_lines": "summary",
    "effective_field": "weights",
    "path_weights": "weights",
}
__all__ = [
    "FORMULAS",
    "InputError",
    "Network",
    "NetworkBuilder",
    "__version__",
    "effective_field",
    "entry_map",
    "footprint",
    "load",
    "output_lines",
    "path_weights",
    "profile",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(f"engine.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'engine' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
