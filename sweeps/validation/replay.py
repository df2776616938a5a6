"""One architecture of a walk over a space as a network and as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import prod

import numpy as np

from rfscale.engine.network.network import Network
from rfscale.sweeps.spaces.space import Space

FORMULAS, FIGURES = ("published", "closed_form", "interval"), ("area", "overlap")


def replay(space: Space, path: Sequence[int]) -> tuple[int, Network]:
    """Return the index of an architecture that begins with some choices, and the network of its stages so far."""
    index = 0
    for stage, new in enumerate(space.introduced):
        n = prod(len(space.dims[name]) for name in new)
        index = index * n + (path[stage] if stage < len(path) else 0)
    spec = space.network(index, stages=len(path)).to_dict()
    return index, Network.from_dict({**spec, "name": f"{space.name} {index}"})


def network_text(network: Network) -> str:
    """Return a network as JSON, which `rfscale profile` reads from a file."""
    return json.dumps(network.to_dict(), default=np.ndarray.tolist)
