"""Attributes that say where the figures of a space come from."""

from __future__ import annotations

from typing import Any

from rfscale.engine.variables import provenance
from rfscale.sweeps.spaces.network_space import NetworkSpace
from rfscale.sweeps.spaces.plain_data import json_text
from rfscale.sweeps.spaces.space import Space


def attributes(space: Space | NetworkSpace, call: str, **more: Any) -> dict[str, Any]:
    """Return the attrs of an answer: where it comes from, so that it can be made again; `more` as in `provenance`."""
    described = space.to_dict() if isinstance(space, Space) else {"name": space.name, "factors": dict(space.dims)}
    return provenance(
        call,
        space=json_text(described, str),
        space_hash=space.hash if isinstance(space, Space) else None,
        architectures=str(space.size),
        **more,
    )
