"""What models write in several operators: activations by their formulas, attention that PyTorch fuses."""

from __future__ import annotations

import numpy as np
import pytest

import rfscale as rf

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def activations():
    """Name → (one operator, the same written out)."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    return {
        "SiLU": (nn.SiLU(), lambda y: y * torch.sigmoid(y)),
        "SiLU by a quotient": (nn.SiLU(), lambda y: y / (1 + torch.exp(-y))),
        "Mish": (nn.Mish(), lambda y: y * torch.tanh(F.softplus(y))),
        "GELU": (nn.GELU(), lambda y: 0.5 * y * (1 + torch.erf(y / 2**0.5))),
        "GELU by tanh": (
            nn.GELU("tanh"), lambda y: 0.5 * y * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (y + 0.044715 * y**3)))
        ),
        "hard-swish": (nn.Hardswish(), lambda y: y * F.relu6(y + 3) / 6),
        "hard-swish in place": (nn.Hardswish(), lambda y: y * F.relu6(y + 3, inplace=True).div_(6)),
        "soft sign": (nn.Softsign(), lambda y: y / (1 + y.abs())),
    }  # fmt: skip


NAMES = (
    "SiLU", "SiLU by a quotient", "Mish", "GELU", "GELU by tanh", "hard-swish", "hard-swish in place", "soft sign",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_an_activation_written_out_is_the_same(name):
    import torch
    from torch import nn

    class Model(nn.Module):
        def __init__(self, f):
            super().__init__()
            torch.manual_seed(1)
            self.a, self.b, self.c = nn.Conv2d(3, 16, 3), nn.Conv2d(16, 16, 3), nn.Conv2d(16, 8, 3)
            self.f = f

        def forward(self, x):
            return self.c(self.f(self.b(self.f(self.a(x)))))

    one, several = (Model(f).eval() for f in activations()[name])
    for options in ({}, {"activations": "even"}):
        found, expected = (rf.predicted_field(m, "c", input_size=13, **options).field for m in (several, one))
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    kept = [rf.predicted_field(m, "c", input_size=13, signs="kept", draws=100) for m in (several, one)]
    assert float(rf.compare_fields(*kept).correlation) > 0.97


@pytest.mark.parametrize(
    ("mask", "on_values"), [("no mask", False), ("a mask", False), ("causal", False), ("no mask", True)]
)
def test_attention_that_pytorch_fuses(mask, on_values):
    """scaled_dot_product_attention is its formula: with a model that asks for values of the image, too."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    shown = torch.ones(16, 16).tril().bool()
    if mask == "a mask":
        shown = torch.ones(16, 16).tril(2).triu(-3).bool()  # a band, which layers can express

    class Model(nn.Module):
        def __init__(self, fused):
            super().__init__()
            torch.manual_seed(3)
            self.fused = fused
            self.patches, self.qkv, self.out = nn.Conv1d(3, 32, 4, 4), nn.Linear(32, 96), nn.Linear(32, 32)
            self.map = nn.Identity()

        def forward(self, x):
            if on_values:
                x = x * (2.0 if bool(x.abs().sum() < 0) else 1.0)  # asks for values
            t = self.patches(x).transpose(1, 2)
            q, k, v = self.qkv(t).reshape(-1, 16, 3, 4, 8).permute(2, 0, 3, 1, 4)
            if self.fused:
                given = {"is_causal": True} if mask == "causal" else {"attn_mask": shown if mask == "a mask" else None}
                t = F.scaled_dot_product_attention(q, k, v, **given)
            else:
                scores = q @ k.transpose(-1, -2) / 8**0.5
                scores = scores if mask == "no mask" else scores + torch.zeros(16, 16).masked_fill(~shown, -torch.inf)
                t = torch.softmax(scores, -1) @ v
            return self.map(self.out(t.transpose(1, 2).reshape(-1, 16, 32)).transpose(1, 2))

    fused, plain = (rf.predicted_field(Model(f).eval(), "map", (5,), input_size=64) for f in (True, False))
    np.testing.assert_allclose(fused.field, plain.field, rtol=1e-4, atol=1e-12)
    if mask != "no mask":
        patches = fused.field.values.reshape(16, 4).sum(1)
        assert np.array_equal(patches > 0, shown[5].numpy())
