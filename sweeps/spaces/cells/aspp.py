"""Atrous spatial pyramid pooling, and stacks of such blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

CITATION = (
    "Chen, Papandreou, Schroff, Adam: 'Rethinking Atrous Convolution for Semantic Image Segmentation', 2017, "
    "arXiv:1706.05587"
)


def aspp(
    rates: Sequence[int] = (1, 2, 3, 4, 6, 8, 12, 18),
    choose: int | Sequence[int] = (1, 2, 3, 4),
    blocks: int = 1,
    stem: int | None = None,
) -> dict[str, Any]:
    """Return the dict of stacks of blocks, each of some 3×3 convolutions of different rates side by side.

    Parameters
    ----------
    rates : sequence of int
        Rates (dilations) that a block has to choose from.
    choose : int or sequence of int
        How many of them a block may have.
    blocks : int
        Blocks one after another, each with a choice of its own: the factor ``aspp1_branches``, and so on.
    stem : int, optional
        Stride of a backbone before: so many strided 3×3 convolutions as powers of two are in it. Without it, the blocks
        read the image.

    Examples
    --------
    >>> [stage["name"] for stage in aspp([6, 12, 18], [1, 2, 3], blocks=2)["stages"]]
    ['aspp1', 'aspp2']
    """
    branches = [{"name": f"r{rate}", "kernel": 3, "dilation": rate} for rate in rates]
    stages: list[dict[str, Any]] = []
    for i in range((stem or 1).bit_length() - 1):
        stages.append({"name": f"down{i + 1}", "kernel": 3, "stride": 2})
    numbers = choose if isinstance(choose, int) else list(choose)
    for i in range(1, blocks + 1):
        stages.append({"name": f"aspp{i}", "merge": "concat", "branches": {"choose": numbers, "of": branches}})
    return {"name": "aspp", "stages": stages}
