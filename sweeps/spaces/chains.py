"""The space of random chains that formulas are judged on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rfscale.engine.network.spec import listed, whole
from rfscale.sweeps.spaces.space import Space


def chains(
    kernel: int | Sequence[int] = 3,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    depth: int = 4,
    name: str | None = None,
) -> Space:
    """Return the space of all chains of `depth` layers, each with a kernel, a stride and a dilation of those given.

    Examples
    --------
    >>> chains(kernel=range(1, 8), stride=range(1, 5), depth=6).size
    481890304
    """
    whole(depth, "depth", 1, 60)
    lists: dict[str, Any] = {}
    for key, given in (("kernel", kernel), ("stride", stride), ("dilation", dilation)):
        values = list(given) if isinstance(given, range) else listed(given) or [given]
        lists[key] = [whole(v, key) for v in values]
    text = " ".join(f"{k[0]}{_span(v)}" for k, v in lists.items())
    stage = {k: v if len(v) > 1 else v[0] for k, v in lists.items()}
    spec = {"name": name or f"chains {text}", "stages": [{"name": f"layer{i}", **stage} for i in range(1, depth + 1)]}
    return Space.from_dict(spec)


def _span(values: Sequence[int]) -> str:
    if len(values) > 2 and list(values) == list(range(values[0], values[-1] + 1)):
        return f"{values[0]}-{values[-1]}"
    return ",".join(map(str, values))
