"""Entries beside others that hold nothing of the image, or another map, made pixels of a map.

Where the reader follows which of them hold the map, every entry of the result is judged by float64 gradients of the
model; where it does not, it makes no map of them.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import rfscale as rf

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional
pytestmark = pytest.mark.torch
SHAPE = (1, 3, 8, 8)
SIDE = 4  # of the map that a convolution makes of it


class Model(nn.Module):
    """A convolution of one channel, and what is made of its map."""

    def __init__(self, made):
        super().__init__()
        self.conv, self.made, self.last = nn.Conv2d(3, 1, 3, 2, 1), made, nn.Identity()
        with torch.no_grad():
            self.conv.weight.uniform_(0.1, 1)

    def forward(self, x):
        return self.last(self.made(self.conv(x)))


def beside(*entries):
    """Maps (1) and zeros (0) as channels."""
    return lambda y: torch.cat([y if e else torch.zeros_like(y) for e in entries], 1)


def pixels(z):
    """The channels of each pixel, side by side as pixels."""
    return z.permute(0, 2, 3, 1).flatten(2)[:, None]


def of(first, after):
    """The pixels of channels that something was done to."""
    return lambda y: pixels(after(beside(*first)(y)))


def ones(*shape):
    return torch.ones(shape, dtype=torch.float64)


def rows(y):
    """One row of the means of columns, above three rows of zeros."""
    return torch.cat([y.mean(2, keepdim=True), torch.zeros(1, 1, SIDE - 1, SIDE, dtype=y.dtype)], 2)


def unshuffled(z):
    return F.pixel_unshuffle(z, 2)[:, [0, 4]]


FOLLOWED = {
    "itself": of((1, 0), lambda z: z),
    "reversed": of((1, 0), lambda z: z.flip(1)),
    "turned by two quarters": of((1, 0), lambda z: z.rot90(2, (1, 2))),
    "rolled": of((1, 0, 0), lambda z: z.roll(1, 1)),
    "cut": of((0, 1, 0, 0), lambda z: z[:, 1:3]),
    "every second": of((0, 0, 1, 0), lambda z: z[:, ::2]),
    "split": of((0, 0, 1, 0), lambda z: z.split(2, 1)[1]),
    "one by one": of((1, 0), lambda z: torch.stack(z.unbind(1)[::-1], 1)),
    "by a list": of((1, 0), lambda z: z[:, [1, 0]]),
    "by a table": of((1, 0), lambda z: z.index_select(1, torch.tensor([1, 0]))),
    "of a dim of its own": lambda y: torch.stack([y, torch.zeros_like(y)], -1).flip(-1).flatten(-2),
    "mixed by all weights": of((1, 0), lambda z: F.conv2d(z, ones(2, 2, 3, 3), padding=1)),
    "resized along them": of((1, 0, 0, 0), lambda z: F.interpolate(z[None], size=(2, SIDE, SIDE))[0]),
    "normed in groups": of((1, 0), lambda z: F.group_norm(z, 1)),
    "softmax": of((1, 0), lambda z: z.softmax(1)),
    "folded": of((1, 0), lambda z: F.fold(F.unfold(z, 2, stride=2), (SIDE, SIDE), 2, stride=2)),
}
NOT_FOLLOWED = {
    "plus a number": of((1, 0), lambda z: z + z.mean((1, 2, 3), keepdim=True)),
    "plus a map": lambda y: pixels(beside(1, 0)(y) + F.avg_pool2d(y, 3, 1, 1)),
    "summed up": of((1, 0), lambda z: z.cumsum(1)),
    "convolved one by one": of((1, 0), lambda z: F.conv2d(z, ones(2, 1, 3, 3), padding=1, groups=2)),
    "convolved along them": of((1, 0, 0, 0), lambda z: F.conv3d(z[None], ones(1, 1, 2, 1, 1), stride=(2, 1, 1))[0]),
    "pooled along them": of((1, 0, 0, 0), lambda z: F.max_pool3d(z[None], (2, 1, 1))[0]),
    "in windows": of((1, 0, 0), lambda z: z.unfold(1, 2, 1)[..., 0]),
    "repeated": of((1, 0), lambda z: z.repeat(1, 2, 1, 1)),
    "each repeated": of((1, 0), lambda z: z.repeat_interleave(2, 1)),
    "shuffled": of((1, 0, 1, 0), lambda z: F.channel_shuffle(z, 2)),
    "half a gate": of((1, 0, 1, 0), lambda z: F.glu(z, 1)),
    "gathered": of((1, 0), lambda z: z.gather(1, torch.tensor([1, 0]).view(1, 2, 1, 1).expand(z.shape))),
    "shifted": of((1, 0), lambda z: torch.fft.fftshift(z, 1)),
    "unfolded": of((1, 0), lambda z: F.fold(F.unfold(z, 3, padding=1), (SIDE, SIDE), 3, padding=1)),
    "pixels as channels": of((1, 0), unshuffled),
    "products": of((1, 0), lambda z: torch.einsum("bchw,bc->bchw", z, ones(1, 2))),
    "a triangle": lambda y: pixels(
        y.permute(0, 2, 3, 1)[..., None].expand(-1, -1, -1, 2, 2).triu()[..., 0].permute(0, 3, 1, 2)
    ),
    "other numbers of them": lambda y: F.pixel_shuffle(beside(1, 0, 1, 0, 0, 0)(y)[:, :4], 2),
    "on an axis": lambda y: y + rows(y),
    "on another axis": lambda y: y[:, 0].mT[:, None] + beside(1, 0, 0, 0)(y.mean((2, 3))[:, :, None])[:, None, :, 0],
    "a product on an axis": lambda y: torch.einsum("bchw,bw->bchw", y, beside(1, 1, 0, 0)(y.mean((2, 3)))),
}


@pytest.mark.parametrize("made", FOLLOWED.values(), ids=FOLLOWED)
def test_which_entries_hold_the_map_is_followed(made):
    model = Model(made).eval()
    network = rf.load(model, example_input=SHAPE)
    image = torch.rand(SHAPE, dtype=torch.float64, requires_grad=True)
    out = model.double()(image)
    layer = network.outputs[0]
    assert network.map_sizes()[network[layer].name] == tuple(out.shape[2:])
    for entry in np.ndindex(*out.shape[2:]):
        (slope,) = torch.autograd.grad(out[0, :, *entry].sum(), image, retain_graph=True)
        read = (slope[0].abs().sum(0) > 0).numpy()
        assert (rf.footprint(network, layer, entry, SHAPE[2:]).values == read).all(), entry


@pytest.mark.parametrize("made", NOT_FOLLOWED.values(), ids=NOT_FOLLOWED)
def test_no_map_is_made_of_entries_that_may_hold_different_maps(made):
    model = Model(made).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rf.PartlyReadWarning)
        network = rf.load(model, example_input=SHAPE)
    size = model.double()(torch.zeros(SHAPE, dtype=torch.float64)).shape[2:]
    assert network.left_out or network.map_sizes()[network[network.outputs[0]].name] != tuple(size)


def test_an_entry_that_holds_nothing_is_a_constant():
    model = Model(lambda y: F.max_pool2d(y, 3) + beside(1, 0, 0)(y.mean((2, 3), keepdim=True))[:, 1])
    network = rf.load(model, example_input=SHAPE)
    assert rf.profile(network).sel(layer=network.outputs[0]).extent.values.tolist() == [7, 7]
