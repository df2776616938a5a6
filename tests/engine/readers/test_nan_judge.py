"""The judge of whole models: it agrees with right networks, and finds wrong ones out."""

from __future__ import annotations

import pytest

import rfscale as rf

torch = pytest.importorskip("torch")
nn = torch.nn
pytestmark = pytest.mark.torch
SHAPE = (1, 3, 20, 24)


def model(kernel=3, dilation=2):
    torch.manual_seed(0)
    padding = dilation * (kernel // 2)
    layers = nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 4, kernel, padding=padding, dilation=dilation)
    return nn.Sequential(*layers, nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(4, 2, 1))


def judged(module, network):
    from tests.engine.readers.nan_judge import judge_model

    return judge_model(module, network, SHAPE, entries=6, seed=1)


def test_right_networks_are_right():
    module = model()
    assert judged(module, rf.load(module, example_input=SHAPE)) == (6, [])


@pytest.mark.parametrize(("kernel", "dilation", "why"), [(5, 2, "does not read"), (3, 1, "reads pixels outside")])
def test_wrong_networks_are_wrong(kernel, dilation, why):
    compared, differing = judged(model(), rf.load(model(kernel, dilation), example_input=SHAPE))
    assert compared == 6
    assert any(why in reason for reason in differing)


def test_levels_one_after_another():
    class Head(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1)

        def forward(self, x):
            x = self.a(x)
            return torch.cat([x.flatten(2), self.b(x).flatten(2)], 2)

    module = Head()
    assert judged(module, rf.load(module, example_input=SHAPE)) == (6, [])


def test_masks_and_comparisons():
    """Not-a-number spreads through masked scores, and ends at a comparison; what depends on it does neither."""

    class Part(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.mask = nn.Conv2d(3, 4, 3, 2, 1), torch.full((120, 120), float("-inf"))
            self.mask.fill_diagonal_(0)
            self.last = nn.Identity()

        def forward(self, x):
            y = self.conv(x)
            t = y.flatten(2).transpose(1, 2)
            t = ((t @ t.transpose(1, 2)) + self.mask).softmax(-1) @ t
            y = t.transpose(1, 2).reshape(y.shape)
            return self.last(torch.where(y > 0, y, 0.1 * y.nan_to_num()))

    from tests.engine.readers.nan_judge import judge_model

    module = Part()
    spec = {"input_size": SHAPE[2:], "layers": [{"name": "conv", "kernel": 3, "stride": 2, "padding": 1}]}
    network = rf.Network.from_dict(spec | {"modules": {"last": "conv"}})
    assert judge_model(module, network, SHAPE, entries=4) == (4, [])
