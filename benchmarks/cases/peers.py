"""Extent of the last map of a PyTorch module, against the other packages; their answers are given beside the times.

Ours reads the module (torch.export) and profiles it. The exact extent is checked against autograd on the layers that
were read, where the image is large enough to hold it.
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import Any

import rfscale as rf
from benchmarks.cases.peer_packages import Extent, by_gradient, installed
from benchmarks.registry import Case, Contender, case


def _extent(module: Any, size: int) -> Extent:
    network = rf.load(module, example_input=(1, 3, size, size))
    profile = rf.profile(network, global_ops="skip")
    y, x = profile.extent.isel(layer=-1).values.tolist()
    return y, x


def _by_autograd(module: Any, size: int) -> Extent:
    """Bounding box of the input pixels of the middle entry, by the gradient of the layers that were read."""
    from tests.oracles.autograd import torch_footprint

    network = rf.load(module, example_input=(1, 3, size, size))
    last = network.layers[-1].name
    middle = tuple(n // 2 for n in network.map_sizes(size)[last])
    pixels = torch_footprint(network, last, middle, (size, size))
    y, x = (max(p[axis] for p in pixels) - min(p[axis] for p in pixels) + 1 for axis in (0, 1))
    return y, x


def _case(name: str, module: Any, size: int, exact: Extent, *, slow: bool = False, readme: bool = False) -> Case:
    def check(answer: Extent) -> None:
        assert answer == exact == _by_autograd(module, size)

    def verdict(answer: Extent) -> str:
        answered = f"says {answer[0]}×{answer[1]}"
        return f"{answered}, right" if answer == exact else f"**{answered}, wrong: {exact[0]}×{exact[1]}**"

    rounds = 1 if slow else 3
    others = {
        peer: Contender(
            partial(call, module, size), rounds=rounds, verdict=verdict, readme=readme and call is not by_gradient
        )
        for peer, call in installed().items()
    }
    return Case(
        f"extent of a PyTorch module: {name}",
        Contender(lambda: _extent(module, size), rounds=3, note="reading the module included"),
        check,
        others,
    )


if find_spec("torch"):
    from torch import nn

    class Branches(nn.Module):
        """A 3×3, then a 1×1 and 3×3 of dilation 6, 12 and 18 side by side, then a 1×1 on all of them."""

        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 3, padding=1)
            dilated = (nn.Conv2d(4, 4, 3, padding=d, dilation=d) for d in (6, 12, 18))
            self.branches = nn.ModuleList([nn.Conv2d(4, 4, 1), *dilated])
            self.end = nn.Conv2d(16, 4, 1)

        def forward(self, image: Any) -> Any:
            from torch import cat

            stem = self.stem(image)
            return self.end(cat([branch(stem) for branch in self.branches], 1))

    @case
    def peers_dilated() -> Case:
        layers = [nn.Conv2d(3, 3, 3, padding=2, dilation=2) for _ in range(5)]
        return _case("five 3×3 of dilation 2", nn.Sequential(*layers).eval(), 64, (21, 21), readme=True)

    @case
    def peers_aspp() -> Case:
        return _case("ASPP after a 3×3", Branches().eval(), 96, (39, 39))

    @case
    def peers_oblong() -> Case:
        layers = nn.Conv2d(3, 3, (1, 7), padding=(0, 3)), nn.Conv2d(3, 3, 3, padding=1)
        return _case("1×7, then 3×3", nn.Sequential(*layers).eval(), 64, (3, 9))

    @case
    def peers_up() -> Case:
        down, up = nn.Conv2d(3, 3, 3, stride=2, padding=1), nn.ConvTranspose2d(3, 3, 4, 2, 1)
        return _case("3×3 of stride 2, transposed 4×4", nn.Sequential(down, up).eval(), 64, (5, 5))


if find_spec("torch") and find_spec("torchvision"):

    @case
    def peers_resnet50() -> Case:
        from tests.engine.readers.judges.models import module

        module("torchvision.models:resnet50")  # makes torchvision importable where its operators are missing
        from torchvision.models import resnet50

        layers = list(resnet50(weights=None).children())[:-2]  # with initial weights, for those that use them
        return _case("ResNet-50", nn.Sequential(*layers).eval(), 512, (427, 427), slow=True, readme=True)
