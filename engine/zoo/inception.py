"""Inception, version 3.

C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna, "Rethinking the Inception Architecture for Computer Vision",
CVPR 2016, Table 1 and Figures 5 to 7. What the paper leaves open (channels inside the modules, the modules that halve
the map) is as in the authors' TensorFlow code, which torchvision follows.

Layers carry torchvision's names: `Conv2d_1a_3x3`, `maxpool1`, `Mixed_5b.branch5x5_1`, …, `fc`; `Mixed_5b` … are the
concatenations, `Mixed_5b.pool` the pool of a module. The auxiliary classifier, which serves training only, is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from rfscale.engine.zoo.blocks import Kernel, normed

CITATION = "Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016, Table 1"
ROW, COLUMN = (1, 7), (7, 1)


# a chain of a module: (name, channels, kernel) per layer
Chain = Sequence[tuple[str, int, Kernel]]


def inception_v3(*, classes: int | None = 1000, input_size: int | tuple[int, ...] = 299) -> Network:
    """Return Inception v3.

    Parameters
    ----------
    classes : int or None
        Outputs of the classifier; None leaves it out.
    input_size : int or tuple of int

    Examples
    --------
    >>> inception_v3().map_sizes()["Mixed_7c"]
    (8, 8)
    """
    b = NetworkBuilder("inception_v3", input_size=input_size)
    normed(b, "Conv2d_1a_3x3", 32, 3, 2, padding=0)
    normed(b, "Conv2d_2a_3x3", 32, 3, padding=0)
    normed(b, "Conv2d_2b_3x3", 64, 3)
    b.max_pool("maxpool1", kernel=3, stride=2)
    normed(b, "Conv2d_3b_1x1", 80)
    normed(b, "Conv2d_4a_3x3", 192, 3, padding=0)
    b.max_pool("maxpool2", kernel=3, stride=2)
    for module, pooled in (("5b", 32), ("5c", 64), ("5d", 64)):
        _squares(b, f"Mixed_{module}", pooled)
    _halve(b, "Mixed_6a", [("branch3x3", 384, 3)], _double3(64, 96))
    for module, width in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        _crosses(b, f"Mixed_{module}", width)
    _halve(
        b,
        "Mixed_7a",
        [("branch3x3_1", 192, 1), ("branch3x3_2", 320, 3)],
        [
            *(("branch7x7x3_1", 192, 1), ("branch7x7x3_2", 192, ROW), ("branch7x7x3_3", 192, COLUMN)),
            ("branch7x7x3_4", 192, 3),
        ],
    )
    for module in ("7b", "7c"):
        _fans(b, f"Mixed_{module}")
    if classes is not None:
        b.global_pool("avgpool")
        b.linear("fc", channels=classes)
    return b.build()


def _double3(reduced: int, channels: int) -> Chain:
    return [
        ("branch3x3dbl_1", reduced, 1),
        ("branch3x3dbl_2", channels, 3),
        ("branch3x3dbl_3", channels, 3),
    ]


def _chain(b: NetworkBuilder, name: str, source: str, chain: Chain, last_stride: int = 1) -> str:
    """Append the layers of one branch, each reading the one before, and return the name of the last.

    A last layer with a stride is not padded.
    """
    for i, (label, channels, kernel) in enumerate(chain, start=1):
        strided = last_stride > 1 and i == len(chain)
        source = normed(
            b,
            f"{name}.{label}",
            channels,
            kernel,
            last_stride if strided else 1,
            padding=0 if strided else None,
            inputs=source,
        )
    return source


def _pooled(b: NetworkBuilder, name: str, source: str, channels: int) -> str:
    b.avg_pool(f"{name}.pool", kernel=3, stride=1, padding=1, inputs=source)
    return normed(b, f"{name}.branch_pool", channels)


def _squares(b: NetworkBuilder, name: str, pooled: int) -> None:
    """Append the module of Figure 5; like the authors' code it keeps one 5×5."""
    source = b.last
    branches = [
        _chain(b, name, source, [("branch1x1", 64, 1)]),
        _chain(b, name, source, [("branch5x5_1", 48, 1), ("branch5x5_2", 64, 5)]),
        _chain(b, name, source, _double3(64, 96)),
        _pooled(b, name, source, pooled),
    ]
    b.concat(name, inputs=branches)


def _halve(b: NetworkBuilder, name: str, *chains: Chain) -> None:
    """Append a module whose branches all end with a stride of 2."""
    source = b.last
    branches = [_chain(b, name, source, chain, last_stride=2) for chain in chains]
    branches.append(b.max_pool(f"{name}.pool", kernel=3, stride=2, inputs=source))
    b.concat(name, inputs=branches)


def _crosses(b: NetworkBuilder, name: str, width: int) -> None:
    """Append the module of Figure 6: 1×7 and 7×1 in turn."""
    source = b.last
    kernels: tuple[Kernel, ...] = (1, COLUMN, ROW, COLUMN, ROW)
    double: Chain = [
        (f"branch7x7dbl_{i}", 192 if i == 5 else width, kernel) for i, kernel in enumerate(kernels, start=1)
    ]
    branches = [
        _chain(b, name, source, [("branch1x1", 192, 1)]),
        _chain(b, name, source, [("branch7x7_1", width, 1), ("branch7x7_2", width, ROW), ("branch7x7_3", 192, COLUMN)]),
        _chain(b, name, source, double),
        _pooled(b, name, source, 192),
    ]
    b.concat(name, inputs=branches)


def _fans(b: NetworkBuilder, name: str) -> None:
    """Append the module of Figure 7, two of whose branches fan out into a 1×3 and a 3×1."""
    source = b.last
    branches = [_chain(b, name, source, [("branch1x1", 320, 1)])]
    stems: dict[str, Chain] = {
        "branch3x3_2": [("branch3x3_1", 384, 1)],
        "branch3x3dbl_3": [("branch3x3dbl_1", 448, 1), ("branch3x3dbl_2", 384, 3)],
    }
    for label, stem in stems.items():
        before = _chain(b, name, source, stem)
        branches += [_chain(b, name, before, [(f"{label}{x}", 384, k)]) for x, k in (("a", (1, 3)), ("b", (3, 1)))]
    branches.append(_pooled(b, name, source, 192))
    b.concat(name, inputs=branches)
