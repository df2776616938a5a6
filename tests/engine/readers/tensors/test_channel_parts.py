"""Channels that different layers made, cut apart again: each cut reads what the layers of its channels do."""

from __future__ import annotations

import pytest

import rfscale as rf

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
SHAPE = (1, 2, 12, 12)
THREE = [3, 4, 5]


class Beside(nn.Module):
    """Three convolutions side by side: 3 channels of 3×3, 4 of 5×5, 5 of 1×1; and what is made of them."""

    def __init__(self, made):
        super().__init__()
        self.parts = nn.ModuleList(nn.Conv2d(2, c, n, padding=n // 2) for c, n in zip(THREE, (3, 5, 1), strict=True))
        self.norm, self.dense, self.made, self.last = nn.BatchNorm2d(12), nn.Conv2d(12, 12, 1), made, nn.Identity()

    def forward(self, x):
        return [self.last(y) for y in self.made(self, torch.cat([part(x) for part in self.parts], 1))]


def judged(made):
    """Extents of what a model returns, and what speaks against its footprints."""
    from tests.engine.readers.judges.nan_judge import judge_model

    torch.manual_seed(0)
    model = Beside(made).eval()
    net = rf.load(model, example_input=SHAPE)
    data = rf.profile(net, global_ops="skip")
    extents = [int(data.sel(layer=name).extent[0]) for name in net.outputs]
    return extents, judge_model(model, net, SHAPE, 12, seed=3).differing


def gated(m, x):
    return x * torch.sigmoid(m.dense(x.mean((2, 3), keepdim=True)))


@pytest.mark.parametrize(
    ("made", "extents"),
    [
        (lambda m, x: x.split(THREE, 1), [3, 5, 1]),
        (lambda m, x: F.silu(m.norm(x)).split(THREE, 1), [3, 5, 1]),
        (lambda m, x: (x + torch.ones(12, 1, 1)).split(THREE, 1), [3, 5, 1]),
        (lambda m, x: [x[:, :2], x[:, 7:], x[:, 2:3]], [3, 1]),  # the third is the first
        (lambda m, x: x.chunk(2, 1), [5, 5]),
        (lambda m, x: gated(m, x).split(THREE, 1), [3, 5, 1]),
        (lambda m, x: (gated(m, m.norm(x)) + x).split(THREE, 1), [3, 5, 1]),
        (lambda m, x: (x * torch.sigmoid(m.dense(x))).split(THREE, 1), [5, 5, 5]),
        (lambda m, x: [y.movedim(3, 1) for y in x.movedim(1, 3).split(THREE, 3)], [3, 5, 1]),
        (lambda m, x: torch.cat([x[:, :3] * 2, x[:, 3:]], 1).split(THREE, 1), [3, 5, 1]),
    ],
)
def test_a_cut_reads_the_layers_of_its_channels(made, extents):
    assert judged(made) == (extents, [])


@pytest.mark.parametrize(
    "made",
    [
        lambda m, x: (x + x.mean(1, keepdim=True)).split(THREE, 1),
        lambda m, x: (m.norm(x) * torch.sigmoid(x).mean(1, keepdim=True)).split(THREE, 1),
        lambda m, x: (x + x.flip(1)).split(THREE, 1),
        lambda m, x: x.flip(1).split(THREE, 1),
        lambda m, x: x.roll(3, 1).split(THREE, 1),
        lambda m, x: x.softmax(1).split(THREE, 1),
        lambda m, x: x.cumsum(1).split(THREE, 1),
        lambda m, x: F.layer_norm(x.movedim(1, 3), (12,)).movedim(3, 1).split(THREE, 1),
        lambda m, x: F.group_norm(x, 2).split(THREE, 1),
        lambda m, x: F.local_response_norm(x, 3).split(THREE, 1),
        lambda m, x: F.channel_shuffle(x, 2).chunk(2, 1),
        lambda m, x: x.view(1, 2, 6, 12, 12).transpose(1, 2).reshape(1, 12, 12, 12).split(THREE, 1),
        lambda m, x: x.view(1, 3, 4, 12, 12)[:, 1:].flatten(1, 2).split([*THREE[:2], 1], 1),
        lambda m, x: x.sort(1)[0].split(THREE, 1),
        lambda m, x: F.max_pool2d(x, 3, 1, 1).split(THREE, 1),
        lambda m, x: m.dense(x).split(THREE, 1),
        lambda m, x: (x.transpose(2, 3) + x).split(THREE, 1),
    ],
)
def test_what_moves_or_reads_channels_ends_that(made):
    """A footprint may be too large then; pixels outside of it are not read."""
    _, differing = judged(made)
    assert [text for text in differing if "does not read" not in text] == []
