"""Attributes that say where the figures of a space come from."""

from __future__ import annotations

import json
from typing import Any

from rfscale.engine import __version__
from rfscale.sweeps.spaces.network_space import NetworkSpace
from rfscale.sweeps.spaces.space import Space


def attributes(space: Space | NetworkSpace, call: str) -> dict[str, Any]:
    """Return the attrs of an answer: where it comes from, so that it can be made again."""
    described = space.to_dict() if isinstance(space, Space) else {"name": space.name, "factors": dict(space.dims)}
    return {
        "space": json.dumps(described, default=str),
        **({"space_hash": space.hash} if isinstance(space, Space) else {}),
        "architectures": str(space.size),
        "software": f"rfscale {__version__}",
        "call": call,
    }
