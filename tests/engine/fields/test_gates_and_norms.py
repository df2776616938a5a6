"""Gates, norms of the image itself and attention in the predicted field: against measured and exact fields."""

from __future__ import annotations

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.network.modules import module_layer
from tests.engine.fields import small_models

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def models():
    """Name → (model, layer, shape); none of it trained."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Excited(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.SiLU())
            self.down, self.up = nn.Conv2d(32, 8, 1), nn.Conv2d(8, 32, 1)
            self.last = nn.Conv2d(32, 24, 3, padding=1)

        def forward(self, x):
            x = self.stem(x)
            return self.last(x * torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3), keepdim=True))))))

    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.last = nn.Conv2d(3, 64, 3, padding=1), nn.Conv2d(32, 24, 3, padding=1)

        def forward(self, x):
            return self.last(F.glu(self.stem(x), 1))

    class Windows(nn.Module):
        """Attention in windows of 4, on tokens, with a bias of positions."""

        def __init__(self, gain=1.0):
            super().__init__()
            self.patches, self.norm = nn.Conv2d(3, 64, 2, 2), nn.LayerNorm(64)
            self.qkv, self.out = nn.Linear(64, 192), nn.Linear(64, 64)
            self.bias = nn.Parameter(0.1 * torch.randn(16, 16))
            self.map = nn.Identity()
            with torch.no_grad():
                self.qkv.weight[:128] *= gain

        def forward(self, x):
            x = self.patches(x).permute(0, 2, 3, 1)
            n, h, w, c = x.shape
            t = self.norm(x).reshape(n, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
            q, k, v = self.qkv(t).chunk(3, -1)
            t = self.out(torch.softmax(q @ k.transpose(1, 2) / 8 + self.bias, -1) @ v)
            t = t.reshape(n, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)
            return self.map((x + t).permute(0, 3, 1, 2))

    def normed(norm):
        return nn.Sequential(nn.Conv2d(3, 16, 5, padding=2), norm, nn.GELU(), nn.Conv2d(16, 8, 3, padding=1))

    torch.manual_seed(5)
    image = (1, 3, 16, 16)
    return {
        "excited": (Excited(), "last", image),
        "gated": (Gated(), "last", image),
        "groups": (normed(nn.GroupNorm(4, 16)), "3", image),
        "each channel": (normed(nn.InstanceNorm2d(16, affine=True)), "3", image),
        "a layer": (normed(nn.LayerNorm((16, 16, 16))), "3", image),
        "windows": (Windows(), "map", image),
        "windows of sharp scores": (Windows(gain=2.0), "map", image),
    }


NAMES = ["excited", "gated", "groups", "each channel", "a layer", "windows", "windows of sharp scores"]


@pytest.mark.parametrize("name", NAMES)
def test_predicted_and_measured(name):
    model, layer, shape = models()[name]
    predicted = rf.predicted_field(model.eval(), layer, example_input=shape)
    measured = rf.effective_field(model, layer, count=400, example_input=shape)
    found = rf.compare_fields(measured, predicted)
    assert float(found.correlation) > 0.96
    assert np.abs(found.std_ratio - 1).max() < (0.2 if "sharp" in name else 0.06)
    assert float(predicted.field.sum()) == pytest.approx(float(measured.field.sum()), rel=0.25)
    kept = rf.predicted_field(model, layer, signs="kept", example_input=shape)
    assert float(rf.compare_fields(measured, kept).correlation) > 0.95


@pytest.mark.parametrize("name", [n for n in NAMES if n != "windows of sharp scores"])
def test_the_support_is_the_exact_footprint(name):
    model, layer, shape = models()[name]
    model = small_models.positive(model.eval()).eval()
    net = rf.load(model, example_input=shape)
    found = rf.predicted_field(model, layer, precision="double", example_input=shape)
    exact = rf.footprint(net, module_layer(net, layer), found.attrs["entry"], shape[2:])
    assert np.array_equal(found.field.values > 0, exact.values)


@pytest.mark.parametrize("n", [5, 24])
def test_what_goes_through_the_statistics_of_a_norm(n):
    """Mean squares of the exact Jacobian of a norm of n values, over normal inputs."""
    import torch
    from torch.func import jacrev, vmap

    from rfscale.engine.fields.squares.norms import through_norm

    weight = torch.linspace(0.5, 2, n, dtype=torch.float64)
    x = torch.randn((20000, n), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    exact = vmap(jacrev(lambda v: torch.nn.functional.layer_norm(v, (n,), weight, eps=0)))(x).square().mean(0)
    squares = torch.eye(n, dtype=torch.float64) * weight.square()
    found = through_norm(squares, torch.ones(n, 1, dtype=torch.float64), (1,), n)
    # the mean of 1 / s² of samples is n / (n - 3) times 1 / the variance; the shares do not depend on it
    np.testing.assert_allclose(exact.sum(1) / found.sum(1), n / (n - 3), rtol=0.05)
    share = (exact.sum(1) - exact.diagonal()) / exact.sum(1)
    np.testing.assert_allclose(share, (found.sum(1) - found.diagonal()) / found.sum(1), rtol=0.03)


def test_a_gate_of_independent_factors_is_exact():
    """One channel times the sigmoid of another, pixel by pixel: both mean squares by integration."""
    import torch
    from torch import nn

    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.out = nn.Identity()

        def forward(self, x):
            return self.out(x[:, :1] * torch.sigmoid(3 * x[:, 1:2] - 1))

    found = rf.predicted_field(Gate(), "out", (1,), precision="double", example_input=(1, 2, 3))
    z = torch.special.ndtri((torch.arange(100000, dtype=torch.float64) + 0.5) / 100000)
    opened = torch.sigmoid(3 * z - 1)
    expected = float(opened.square().mean() + (3 * opened * (1 - opened)).square().mean())
    assert found.field.values.tolist() == pytest.approx([0, expected, 0], rel=0.02)


def test_attention_of_no_scores_is_a_mean():
    """Without queries all shares are alike, and nothing goes through keys: the field is that of a linear mean."""
    import torch

    model, layer, shape = models()["windows"]
    with torch.no_grad():
        model.qkv.weight[:64] = 0
        model.qkv.bias[:64] = 0
        model.bias.zero_()
    every = rf.predicted_field(model, layer, precision="double", example_input=shape)
    with torch.no_grad():
        model.bias.fill_(7)
    same = rf.predicted_field(model, layer, precision="double", example_input=shape)
    np.testing.assert_allclose(same.field, every.field, rtol=1e-9)
    y, x = every.attrs["entry"]
    window = every.field.values[y // 4 * 8 : y // 4 * 8 + 8, x // 4 * 8 : x // 4 * 8 + 8]
    others = np.array([p.sum() for row in np.split(window, 4) for p in np.split(row, 4, 1)])
    others = np.delete(others, (y % 4) * 4 + x % 4)
    assert others.std() / others.mean() < 0.2  # patches of the window count alike, but for the spread of their norms
    with torch.no_grad():
        model.bias.zero_()
        model.bias[:, 8:] = -100  # a mask
    masked = rf.predicted_field(model, layer, precision="double", example_input=shape).field.values
    masked = masked[y // 4 * 8 + 4 : y // 4 * 8 + 8, x // 4 * 8 : x // 4 * 8 + 8]
    assert masked.sum() < 1e-6 * every.field.values.sum()


def test_scores_that_spread_too_far_are_refused():
    import torch

    model, layer, shape = models()["windows"]
    with torch.no_grad():
        model.qkv.weight[:128] *= 20
    with pytest.raises(rf.InputError, match=r"no rule for _softmax, its scores spread by .*, and above 5") as caught:
        rf.predicted_field(model, layer, example_input=shape)
    assert "\n" not in str(caught.value)


def test_what_is_assumed_is_said():
    texts = {
        "excited": "factors of a gate are independent",
        "groups": "means and spreads of the values that a norm gets",
        "windows": "scores of attention are normal",
    }
    for name, text in texts.items():
        model, layer, shape = models()[name]
        assumed = rf.predicted_field(model, layer, example_input=shape).attrs["assumed"]
        assert any(text in line for line in assumed), (name, assumed)
