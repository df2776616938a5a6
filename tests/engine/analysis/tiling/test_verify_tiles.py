"""The model itself, tiled and whole: equal to the bit with the margins of a halo, not with one period less."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.errors import InputError

pytestmark = pytest.mark.torch


def models() -> dict[str, Callable[[], Any]]:
    """Twenty small models of every way to change the size of a map or what it reads."""
    import torch
    from torch import nn

    def conv(i=2, o=2, k=3, **how):
        return nn.Conv2d(i, o, k, **{"padding": k // 2, **how})

    class Residual(nn.Module):
        def __init__(self, stride=1):
            super().__init__()
            self.a, self.b, self.c = conv(stride=stride), conv(), nn.Conv2d(2, 2, 1, stride)

        def forward(self, x):
            return (self.b(self.a(x).relu()) + self.c(x)).relu()

    class UNet(nn.Module):
        def __init__(self, up, axes=2, scale=2):
            super().__init__()
            layer = nn.Conv2d if axes == 2 else nn.Conv3d
            self.down = layer(2, 2, 3, padding=1)
            self.pool = (nn.MaxPool2d if axes == 2 else nn.MaxPool3d)(scale)
            self.deep, self.up, self.head = layer(2, 2, 3, padding=1), up, layer(4, 2, 3, padding=1)

        def forward(self, x):
            skip = self.down(x).relu()
            return self.head(torch.cat([skip, self.up(self.deep(self.pool(skip)).relu())], 1))

    class Pyramid(nn.Module):
        def __init__(self):
            super().__init__()
            self.c2, self.c3, self.p2 = conv(stride=2), conv(stride=2), conv()

        def forward(self, x):
            fine = self.c2(x).relu()
            coarse = self.c3(fine).relu()
            up = nn.functional.interpolate(coarse, scale_factor=2.0, mode="nearest")
            return {"p2": self.p2(fine + up), "p3": coarse, "levels": [up]}

    class Aspp(nn.Module):
        def __init__(self):
            super().__init__()
            self.rates = nn.ModuleList(conv(padding=d, dilation=d) for d in (1, 3, 5))

        def forward(self, x):
            return torch.cat([rate(x) for rate in self.rates], 1)

    class Causal(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.Conv1d(2, 2, 2, dilation=2**n) for n in range(4))

        def forward(self, x):
            for n, layer in enumerate(self.layers):
                x = layer(nn.functional.pad(x, (2**n, 0)))
            return x

    chain = nn.Sequential
    return {
        "stack": lambda: chain(*[conv() for _ in range(4)]),
        "dilated": lambda: chain(*[conv(padding=d, dilation=d) for d in (1, 2, 4)]),
        "strided": lambda: chain(conv(k=5, stride=2), nn.ReLU(), conv(stride=2)),
        "pooled": lambda: chain(conv(), nn.MaxPool2d(2), conv(), nn.MaxPool2d(3, 2, 1)),
        "averaged": lambda: chain(conv(), nn.AvgPool2d(2), conv()),
        "residual": lambda: chain(Residual(2), Residual()),
        "unet-transposed": lambda: UNet(nn.ConvTranspose2d(2, 2, 2, 2)),
        "unet-wide": lambda: UNet(nn.ConvTranspose2d(2, 2, 3, 2, 1, 1)),
        "unet-nearest": lambda: UNet(nn.Upsample(scale_factor=2)),
        "unet-bilinear": lambda: UNet(nn.Upsample(scale_factor=2, mode="bilinear")),
        "unet-3d": lambda: UNet(nn.Upsample(scale_factor=(2, 8, 4)), 3, (2, 8, 4)),
        "pyramid": Pyramid,
        "aspp": Aspp,
        "shuffle": lambda: chain(nn.Conv2d(2, 8, 3, padding=1), nn.PixelShuffle(2), conv()),
        "unpadded": lambda: chain(conv(padding=0), conv(k=5, padding=0), conv(padding=0)),
        "reflect": lambda: chain(conv(padding_mode="reflect"), conv()),
        "causal": Causal,
        "depthwise": lambda: chain(conv(groups=2), nn.Conv2d(2, 2, 1), conv(groups=2, stride=2)),
        "normed": lambda: chain(conv(bias=False), nn.BatchNorm2d(2, eps=0.0), nn.ReLU(), conv()),
        "lopsided": lambda: chain(nn.Conv2d(2, 2, (1, 5), padding=(0, 2)), nn.ZeroPad2d((3, 0, 1, 2)), conv()),
    }  # fmt: skip


NAMES = (
    "stack dilated strided pooled averaged residual unet-transposed unet-wide unet-nearest unet-bilinear unet-3d "
    "pyramid aspp shuffle unpadded reflect causal depthwise normed lopsided"
).split()


def whole_weights(model):
    """The model with whole numbers as weights, so that float64 rounds nothing, in whatever order it adds up."""
    import torch

    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weights in model.parameters():
            weights.copy_(torch.randint(1, 4, weights.shape, generator=generator))
    return model


def size_of(name: str) -> dict[str, Any]:
    return {"example_input": {"causal": (1, 2, 64), "unet-3d": (1, 2, 8, 16, 16)}.get(name, (1, 2, 64, 64))}


@pytest.mark.parametrize("name", NAMES)
def test_equal_to_the_bit_and_not_with_one_period_less(name):
    found = rf.verify_tiles(whole_weights(models()[name]()), 16, **size_of(name))
    assert found.difference.values.tolist() == [0.0] * found.sizes["output"]
    assert found.attrs["tiles"] == found.attrs["tiles_of_image"] > 1
    assert float(found.shorter_difference.max()) > 0
    assert (found.largest > 0).all()


def test_there_are_twenty():
    assert list(models()) == NAMES
    assert len(NAMES) == 20


@pytest.mark.parametrize("name", ["unet-bilinear", "residual", "causal"])
def test_weights_of_the_model_differ_by_rounding_alone(name):
    import torch

    torch.manual_seed(1)
    found = rf.verify_tiles(models()[name](), **size_of(name))
    assert float(found.largest.min()) > 0
    assert float((found.difference / found.largest).max()) < 1e-12
    assert float((found.shorter_difference / found.largest).max()) > 1e-6


def test_by_default_three_tiles_are_run():
    found = rf.verify_tiles(whole_weights(models()["dilated"]()), **size_of("dilated"))
    assert (found.attrs["tiles"], found.attrs["tiles_of_image"]) == (3, 9)
    assert found.difference.item() == 0
    assert found.shorter_difference.item() > 0


def test_outputs_are_compared_by_their_size():
    found = rf.verify_tiles(models()["pyramid"](), **size_of("pyramid"))
    assert [name[:2] for name in found.output.values] == ["0:", "1:", "2:"]


def test_the_size_asked_for_is_padded_to_a_valid_one():
    model = models()["unet-3d"]()
    found = rf.verify_tiles(model, (8, 16, 16), (9, 20, 30), **size_of("unet-3d"))
    assert (found.attrs["image_size"], found.attrs["tile"]) == ([10, 24, 32], [8, 16, 16])
    assert not model.training or next(model.parameters()).dtype is not None  # left as it was
    assert str(next(model.parameters()).dtype) == "torch.float32"


def test_what_is_no_map_is_named():
    import torch
    from torch import nn

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3, padding=1)

        def forward(self, x):
            return self.conv(x), torch.ones(3)

    found = rf.verify_tiles(Both(), example_input=(1, 2, 32, 32))
    assert found.attrs["not_compared"] == ["1: 3"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("unet-padded", "cannot be run at sizes of its own choice; name the PyTorch code"),
        (rf.Network.sequential({"kernel": 3}), "is no PyTorch module; give a model"),
    ],
)
def test_what_cannot_be_run(source, message):
    with pytest.raises(InputError, match=message):
        rf.verify_tiles(source)


def test_a_model_that_does_not_run():
    from torch import nn

    class Picky(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3, padding=1)

        def forward(self, x):
            if x.shape[-1] != 32:
                raise ValueError("32 pixels or nothing")
            return self.conv(x)

    with pytest.raises(InputError, match=r"does not run on an image of shape .* 32 pixels or nothing"):
        rf.verify_tiles(Picky(), example_input=(1, 2, 32, 32))


def test_an_image_that_would_fill_the_memory(monkeypatch):
    from rfscale.engine.analysis.tiling import verify_tiles as home

    monkeypatch.setattr(home, "physical_memory", lambda: 1e5)
    with pytest.raises(InputError, match=r"half of this machine's memory is 5e.04; give a smaller image_size or tile"):
        rf.verify_tiles(models()["stack"](), **size_of("stack"))


def test_a_wrong_network_is_found_out():
    """A model that does what its network does not say: the value at a place depends on the size of the image."""
    import torch
    from torch import nn

    class Sized(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3, padding=1)

        def forward(self, x):
            return self.conv(x) * x.shape[-1]

    found = rf.verify_tiles(whole_weights(Sized()), example_input=(1, 2, 64, 64))
    assert found.difference.item() > 1
    assert np.isfinite(found.largest.item())
    assert torch.is_grad_enabled()


def test_a_model_without_maps():
    from torch import nn

    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3, padding=1)

        def forward(self, x):
            return self.conv(x).flatten(2)

    with pytest.raises(InputError, match=r"returns no map of its outputs that can be compared: 1×2×\d+"):
        rf.verify_tiles(Flat(), example_input=(1, 2, 32, 32))


def test_outputs_of_another_size():
    from torch import nn

    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3, padding=1)
            self.whole = 0

        def forward(self, x):
            self.whole = max(self.whole, x.shape[-1])
            out = self.conv(x)
            return out if x.shape[-1] == self.whole else out[..., : x.shape[-1] // 2]

    with pytest.raises(InputError, match="returns other outputs of a crop than of the whole image"):
        rf.verify_tiles(Cut(), 16, example_input=(1, 2, 32, 32))
