"""Feature pyramids: a backbone, and a way back down from coarse maps to fine ones, with an output at each scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

CITATION = (
    "Lin, Dollár, Girshick, He, Hariharan, Belongie: 'Feature Pyramid Networks for Object Detection', CVPR 2017, "
    "arXiv:1612.03144"
)


def fpn(
    levels: int = 4,
    repeats: Sequence[int] = (1, 2, 3),
    kernels: Sequence[int] = (3,),
    up: str = "nearest",
    channels: int | None = None,
) -> dict[str, Any]:
    """Return the dict of pyramids: backbone stages c2, c3, …, and outputs p2, p3, …, at stride 4, 8, ….

    The outputs are stages as the others are: ``rf.sweep(space)["p3"]`` has the figures of that level, and ``p3.extent``
    stands for one in questions.

    Parameters
    ----------
    levels : int
        Levels of the pyramid.
    repeats : sequence of int
        How many 3×3 convolutions a stage of the backbone may have, the first of stride 2: ``c2_repeat``, and so on.
    kernels : sequence of int
        Kernels of the convolution at each output: ``p2_kernel``, and so on.
    up : {"nearest", "bilinear"}
        How maps become larger.
    channels : int, optional
        Channels of the stem, twice as many after each stride; the pyramid has four times as many: for params.

    Examples
    --------
    >>> [stage["name"] for stage in fpn(2)["stages"]]
    ['stem', 'c2', 'c3', 'm3', 'p3', 'u2', 'm2', 'p2']
    """
    from rfscale.engine.network.spec import whole  # numpy comes with it: not for `import rfscale`

    scales = range(2, whole(levels, "levels", 1, 12) + 2)
    last = scales[-1]
    own = {} if channels is None else {"channels": 4 * channels}
    stages: list[dict[str, Any]] = [{"name": "stem", "kernel": 7, "stride": 2}]
    stages += [{"name": f"c{i}", "kernel": 3, "stride": 2, "repeat": list(repeats)} for i in scales]
    for i in reversed(scales):
        if i == last:
            stages.append({"name": f"m{i}", "kernel": 1, **own})
        else:
            lateral = {"skip": f"c{i}", "through": [{"kernel": 1, **own}]}
            stages.append({"name": f"u{i}", "from": f"m{i + 1}", "op": "upsample", "scale": 2, "mode": up})
            stages.append({"name": f"m{i}", **lateral, "aligned": False})  # odd strided kernels are half an entry off
        stages.append({"name": f"p{i}", "from": f"m{i}", "kernel": list(kernels), **own})
    costs = {} if channels is None else {"channels": {"base": channels, "growth": 2}}
    return {"name": "fpn", **costs, "stages": stages}
