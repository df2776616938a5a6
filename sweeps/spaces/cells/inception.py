"""Inception blocks: windows of different sizes side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

CITATION = (
    "Szegedy et al.: 'Going Deeper with Convolutions', CVPR 2015; "
    "Szegedy, Vanhoucke, Ioffe, Shlens, Wojna: 'Rethinking the Inception Architecture for Computer Vision', CVPR 2016"
)


def inception(
    kernels: Sequence[int] = (1, 3, 5), pool: bool = True, choose: int | Sequence[int] = (1, 2, 3, 4), blocks: int = 3
) -> dict[str, Any]:
    """Return the dict of stacks of blocks, each of some square windows and a 3×3 max-pooling side by side.

    Blocks of later versions, whose windows are 1×7 and 7×1, or 1×3 beside 3×1, are branches as well (docs/spaces.md).

    Parameters
    ----------
    kernels : sequence of int
        Windows that a block has to choose from, each after a 1×1.
    pool : bool
        Whether a 3×3 max-pooling of stride 1 is one of them.
    choose : int or sequence of int
        How many branches a block may have.
    blocks : int
        Blocks one after another; each has the factor ``block1_branches``, and so on.

    Examples
    --------
    >>> [branch["name"] for branch in inception()["stages"][-1]["branches"]["of"]]
    ['k1', 'k3', 'k5', 'pool']
    """
    of = [{"name": f"k{k}", "layers": [{"kernel": 1}, {"kernel": k}]} for k in kernels]
    if pool:
        of.append({"name": "pool", "layers": [{"op": "max_pool", "kernel": 3, "stride": 1}, {"kernel": 1}]})
    numbers = choose if isinstance(choose, int) else list(choose)
    stages: list[dict[str, Any]] = [{"name": "stem", "kernel": 7, "stride": 2}]
    stages.append({"name": "pool", "op": "max_pool", "kernel": 3, "stride": 2})
    for i in range(1, blocks + 1):
        stages.append({"name": f"block{i}", "merge": "concat", "branches": {"choose": numbers, "of": of}})
    return {"name": "inception", "stages": stages}
