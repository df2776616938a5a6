"""U-Nets: levels of ever coarser maps, and back up, each level with a skip to the one of its scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rfscale.engine.errors import InputError, shown

CITATION = (
    "Ronneberger, Fischer, Brox: 'U-Net: Convolutional Networks for Biomedical Image Segmentation', MICCAI 2015, "
    "arXiv:1505.04597"
)
TRANSPOSED = "conv_transpose"


def unet(
    depth: int = 4,
    kernels: Sequence[int] = (3, 5),
    dilations: Sequence[int] = (1, 2),
    convs: int = 2,
    up: str | Sequence[str] = "nearest",
    merge: str = "concat",
    optional: bool = False,
    channels: int | None = None,
) -> dict[str, Any]:
    """Return the dict of U-Nets whose levels have convolutions of their own: e1, …, b at the bottom, …, d1.

    Parameters
    ----------
    depth : int
        Poolings, each by 2.
    kernels, dilations : sequence of int
        What the convolutions of a level have to choose from: the factors ``e1_kernel``, ``e1_dilation``, and so on.
    convs : int
        Convolutions of a level, all of its kernel and dilation.
    up : {"nearest", "bilinear", "conv_transpose"}, or a sequence of the first two
        How maps become larger: upsampling, or transposed 2×2 convolutions. Of several modes each level has the choice.
    merge : {"concat", "add"}
        How skips are merged.
    optional : bool
        Whether each level has the choice of its skip, or none: the factors ``j1_skip``, and so on.
    channels : int, optional
        Channels of the first level, twice as many on each further one: for params.

    Examples
    --------
    >>> [stage["name"] for stage in unet(1)["stages"]]
    ['e1', 'p1', 'b', 'u1', 'j1', 'd1']
    """
    from rfscale.engine.network.spec import whole  # numpy comes with it: not for `import rfscale`
    from rfscale.sweeps.spaces.graphs.wiring import MODES

    levels = range(1, whole(depth, "depth", 1, 12) + 1)
    block: dict[str, Any] = {"kernel": list(kernels), "dilation": list(dilations), "repeat": whole(convs, "convs", 1)}
    modes = [up] if isinstance(up, str) else list(up)
    if not modes or (any(mode not in MODES for mode in modes) and modes != [TRANSPOSED]):
        raise InputError(f"up is {shown(up)}; it must be {' or '.join(MODES)}, some of them, or {TRANSPOSED}")
    larger: dict[str, Any] = {"op": "upsample", "scale": 2, "mode": up if isinstance(up, str) else modes}
    if modes == [TRANSPOSED]:
        larger = {"op": TRANSPOSED, "kernel": 2, "stride": 2}
    stages: list[dict[str, Any]] = []
    for i in levels:
        stages += [{"name": f"e{i}", **block}, {"name": f"p{i}", "op": "max_pool", "kernel": 2}]
    stages.append({"name": "b", **block})
    for i in reversed(levels):
        skip = ["none", f"e{i}"] if optional else f"e{i}"
        stages += [{"name": f"u{i}", **larger}, {"name": f"j{i}", "skip": skip, "merge": merge}]
        stages.append({"name": f"d{i}", **block})
    costs = {} if channels is None else {"channels": {"base": channels, "growth": 2}}
    return {"name": "u-net", **costs, "stages": stages}
