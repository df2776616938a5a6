"""Windows that overlap, as tensors: what reads all of one is exact, what picks entries of one ends the analysis."""

import warnings

import numpy as np
import pytest

import rfscale as rf

torch = pytest.importorskip("torch")
F, nn = torch.nn.functional, torch.nn
pytestmark = pytest.mark.torch
SIZE = 9, 11


class Windows(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.conv, self.last = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(27, 2, 1)
        self.at = forward

    def forward(self, x):
        return self.at(self, self.conv(x))


def unfolded(y, k=3):
    return F.unfold(y, k, padding=1).view(1, 3, k * k, *SIZE)


WHOLE = {
    "mean": lambda m, y: y.unfold(2, 3, 1).unfold(3, 3, 2).mean((-1, -2)),
    "weights": lambda m, y: F.linear(y.unfold(3, 3, 1), torch.ones(1, 3, dtype=y.dtype))[..., 0],
    "involution": lambda m, y: (unfolded(y) * y.mean(1, keepdim=True).sigmoid()[:, :, None]).sum(2),
    "convolution": lambda m, y: m.last(F.unfold(y, 3, padding=1).view(1, 27, *SIZE)),
    "attention": lambda m, y: torch.einsum(
        "bkyx,bckyx->bcyx", torch.einsum("bckyx,bcyx->bkyx", unfolded(y), y).softmax(1), unfolded(y)
    ),
}
ENDS = {
    "one entry": lambda m, y: y.unfold(2, 3, 1)[..., 0],
    "some entries": lambda m, y: y.unfold(2, 5, 2)[..., 1:3].sum(-1),
    "the middle of each": lambda m, y: unfolded(y)[:, :, 4],
    "some channels": lambda m, y: m.conv(F.unfold(y, 3, padding=1).view(1, 27, *SIZE)[:, :2]),
    "folded": lambda m, y: F.fold(F.unfold(y, 3, padding=1), SIZE, 3, padding=1),
    "one after another": lambda m, y: F.avg_pool2d(y.unfold(3, 4, 2).flatten(3), 3),
}


@pytest.mark.parametrize("act", WHOLE.values(), ids=WHOLE)
def test_all_of_a_window(act):
    module = Windows(act).eval()
    net = rf.load(module, example_input=(1, 2, *SIZE))
    assert not net.left_out
    module, (name,) = module.double(), net.outputs
    x = torch.randn(1, 2, *SIZE, dtype=torch.float64, requires_grad=True)
    out = module(x)
    for entry in np.ndindex(*out.shape[2:]):
        (slope,) = torch.autograd.grad((out[0, :, *entry] ** 2).sum(), x, retain_graph=True)
        assert np.array_equal(rf.footprint(net, name, entry, SIZE).values, (slope != 0).any(1)[0].numpy()), entry


@pytest.mark.parametrize("act", ENDS.values(), ids=ENDS)
def test_some_entries_of_a_window_end_the_analysis(act):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rf.PartlyReadWarning)
        net = rf.load(Windows(act).eval(), example_input=(1, 2, *SIZE))
    assert len(net.left_out) == 1
