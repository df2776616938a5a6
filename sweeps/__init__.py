"""Many networks: spaces of architectures, their exact figures, and exact answers about all of them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweeps.answers import best, count, pareto, sample
    from sweeps.checks import check
    from sweeps.figures import derive
    from sweeps.formula_sweeps import evaluate
    from sweeps.halos import halo
    from sweeps.inverse import design
    from sweeps.matching import match
    from sweeps.objects import object_sizes
    from sweeps.runs import run
    from sweeps.spaces.space import NetworkSpace, Space
    from sweeps.validation import chains, validate

__all__ = [
    "NetworkSpace",
    "Space",
    "best",
    "chains",
    "check",
    "count",
    "derive",
    "design",
    "evaluate",
    "halo",
    "match",
    "object_sizes",
    "pareto",
    "run",
    "sample",
    "validate",
]

_HOME = {
    "NetworkSpace": "sweeps.spaces.space",
    "Space": "sweeps.spaces.space",
    "best": "sweeps.answers",
    "chains": "sweeps.validation",
    "check": "sweeps.checks",
    "count": "sweeps.answers",
    "derive": "sweeps.figures",
    "design": "sweeps.inverse",
    "evaluate": "sweeps.formula_sweeps",
    "halo": "sweeps.halos",
    "match": "sweeps.matching",
    "object_sizes": "sweeps.objects",
    "pareto": "sweeps.answers",
    "run": "sweeps.runs",
    "sample": "sweeps.answers",
    "validate": "sweeps.validation",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: numba and xarray are slow to load.

    No module has the name of a public function: importing it would put the module in the function's place.
    """
    if name not in _HOME:
        raise AttributeError(f"module 'sweeps' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
