"""Context along time: formulas of the articles, sums by hand, and gradients of real models."""

from __future__ import annotations

import random
from fractions import Fraction
from math import ceil, floor, inf, isnan

import numpy as np
import pytest

import rfscale as rf
from tests.engine import strategies
from tests.oracles import plain_sets


def figures(found):
    return [found[name].item() for name in ("past", "lookahead", "hop", "latency", "extent")]


def line(*layers):
    return rf.Network.sequential(*layers, axes=1)


@pytest.mark.parametrize(("levels", "kernel"), [(1, 2), (4, 3), (8, 7)])
def test_a_temporal_convolutional_network(levels, kernel):
    """Two layers a level: past 2(k−1)(2^levels − 1), nothing ahead."""
    past = 2 * (kernel - 1) * (2**levels - 1)
    found = rf.context(rf.load("tcn", levels=levels, kernel=kernel), rate=100)
    assert figures(found) == [past, 0, 1, 1, past + 1]
    assert found.causal.item()
    assert found.past_ms.item() == past * 10


def test_wavenet_at_16_khz():
    """Three blocks of dilations 1, 2, …, 512, which add up to 1023, and the first layer: 3·1023 + 1 samples past."""
    found = rf.context("wavenet", rate=16000)
    assert figures(found) == [3070, 0, 1, 1, 3071]
    assert found.past_ms.item() == 191.875
    assert found.extent.attrs["units"] == "sample"
    assert found.past_ms.attrs["units"] == "ms"


def test_frames_of_25_ms_every_10_ms():
    """400 samples at a hop of 160: an entry needs 240 samples after the 160 it stands for."""
    found = rf.context(line({"kernel": 400, "stride": 160}), rate=16000)
    assert figures(found) == [0, 240, 160, 400, 400]
    assert [found[f"{name}_ms"].item() for name in ("lookahead", "hop", "latency", "extent")] == [15, 10, 25, 25]
    assert not found.causal.item()


def test_the_encoder_of_wav2vec_2():
    """Strides 5, 2·6 and kernels 10, 3·4, 2·2: a receptive field of 400 samples, 25 ms, every 320 samples, 20 ms."""
    kernels, strides = [10, 3, 3, 3, 3, 2, 2], [5, 2, 2, 2, 2, 2, 2]
    net = line(*({"kernel": k, "stride": s} for k, s in zip(kernels, strides, strict=True)))
    found = rf.context(net, rate=16000)
    assert (found.extent.item(), found.extent_ms.item(), found.hop_ms.item()) == (400, 25, 20)
    assert figures(found) == [0, 80, 320, 400, 400]


def test_padding_on_both_sides_looks_ahead_by_half():
    layers = [{"kernel": 5, "dilation": d, "padding": 2 * d} for d in (1, 2, 4)]
    assert figures(rf.context(line(*layers))) == [14, 14, 1, 15, 29]
    assert figures(rf.context(line({"kernel": 3, "padding": [4, 0]}))) == [4, -2, 1, -1, 3]  # delayed by two


def test_up_and_down_again():
    """Pooled by 4 and repeated: an entry reads its block of 4: of the first 3 lie ahead, of the last 3 past."""
    net = line({"op": "max_pool", "kernel": 4}, {"op": "upsample", "scale": 4})
    found = rf.context(net)
    assert figures(found) == [3, 3, 1, 4, 4]
    assert found.block.item() == 4
    finer = rf.context(line({"op": "upsample", "scale": 3}, {"kernel": 3, "padding": 1}))
    assert figures(finer) == [1, 1, 1 / 3, 2, 2]


def test_everything_before_is_infinite():
    before = {"op": "cumulative", "earlier": 1}
    found = rf.context(line({"kernel": 3, "padding": 1}, before), rate=8000)
    assert figures(found) == [inf, 1, 1, 2, inf]
    assert found.lookahead_ms.item() == 0.125
    assert rf.context(line(before)).causal.item()
    both = rf.context(line({"op": "cumulative", "earlier": 1, "later": 1}))
    assert figures(both) == [inf, inf, 1, inf, inf]
    everything = rf.context(line({"op": "global_pool"}))
    assert everything.lookahead.item() == inf
    assert isnan(everything.hop.item())


def test_time_is_one_axis_of_a_spectrogram():
    net = rf.Network.sequential({"kernel": [3, 5], "padding": [1, 1, 4, 0][:2] * 2})
    with pytest.raises(rf.InputError, match="has the axes y, x; say which is time, axis"):
        rf.context(net)
    with pytest.raises(rf.InputError, match="axis is 't'; give y or x"):
        rf.context(net, axis="t")
    assert figures(rf.context(net, axis="x")) == [1, 3, 1, 4, 5]


@pytest.mark.parametrize("rate", [0, -1, inf, "fast", None])
def test_rates(rate):
    net = line({"kernel": 3})
    if rate is None:
        assert "past_ms" not in rf.context(net, rate)
        return
    with pytest.raises(rf.InputError, match="give samples per second, a number above 0"):
        rf.context(net, rate)


@pytest.mark.parametrize("family", ["chain", "residual", "unet", "aspp", "inception"])
def test_random_networks_entry_by_entry(family):
    rng = random.Random(f"context {family}")
    for _ in range(10):
        net = rf.Network.from_dict(strategies.random_network(rng, family, 1))
        name = net.outputs[0]
        (hop,) = plain_sets.jump(net, name) or (Fraction(0),)
        found = rf.context(net, layers=[name])
        if hop <= 0 or isnan(found.block.item()):  # mirrored, or a global receptive field
            continue
        past, ahead, latency = [], [], []
        for o in range(2 * int(found.block.item() / hop) + 2):  # two periods
            pixels = sorted(p for (p,) in plain_sets.footprint(net, name, (o,), None))
            if pixels:
                past.append(floor(o * hop) - pixels[0])
                ahead.append(pixels[-1] + 1 - ceil((o + 1) * hop))
                latency.append(pixels[-1] + 1 - floor(o * hop))
        expected = [max(past), max(ahead), float(hop), max(latency)]
        assert figures(found)[:4] == expected, net.to_dict()


@pytest.mark.torch
def test_a_causal_model_that_pads_and_cuts():
    """Padding on both sides, the end cut off, as temporal convolutional networks are written: by its gradients."""
    import torch
    from torch import nn

    class Cut(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.n = n

        def forward(self, x):
            return x[:, :, : -self.n]

    layers = [part for d in (1, 2, 4) for part in (nn.Conv1d(1, 1, 3, padding=2 * d, dilation=d), Cut(2 * d))]
    model = nn.Sequential(*layers).double().eval()
    x = torch.rand(1, 1, 60, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(x)[0, 0, 40], x)
    read = np.flatnonzero(gradient[0, 0].numpy())
    found = rf.context(model.float(), 16000, example_input=(1, 1, 60))
    assert figures(found)[:2] == [40 - read[0], read[-1] - 40] == [14, 0]


@pytest.mark.torch
def test_a_recurrent_layer_one_way_and_both_ways():
    import torch

    class Model(torch.nn.Module):
        def __init__(self, both):
            super().__init__()
            self.conv = torch.nn.Conv1d(2, 2, 3, stride=2, padding=1)
            self.rnn = torch.nn.GRU(2, 2, batch_first=True, bidirectional=both)

        def forward(self, x):
            return self.rnn(self.conv(x).transpose(1, 2))[0]

    one, two = (rf.context(Model(both).eval(), example_input=(1, 2, 40)) for both in (False, True))
    assert figures(one)[:3] == [inf, 0, 2]
    assert figures(two)[:2] == [inf, inf]
