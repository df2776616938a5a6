"""The predicted field with the signs of weights kept: against the mean over all that chance may decide."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import rfscale as rf

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def chain(last):
    """Two layers of two channels, each with a rectifier, and one of one channel; weights that add up."""
    import torch
    from torch import nn

    torch.manual_seed(4)
    model = nn.Sequential(nn.Conv1d(1, 2, 2), nn.ReLU(), nn.Conv1d(2, 2, 2), last, nn.Conv1d(2, 1, 1)).double()
    for part in model[::2]:
        nn.init.uniform_(part.weight, 0.2, 1.0)
    return model


def over_all_slopes(model, slopes):
    """Expected squares of the image's three pixels: rectifiers of 0 or 1, and of the second layer the given slopes."""
    import torch

    first, second, third = (model[n].weight.detach() for n in (0, 2, 4))
    expected, number = np.zeros(3), 0
    for outer in slopes:
        for inner in itertools.product((0.0, 1.0), repeat=4):
            number += 1
            image = torch.zeros(3, dtype=torch.float64)
            for d, i, c, j in itertools.product(range(2), repeat=4):
                image[i + j] += third[0, d, 0] * outer[d] * second[d, c, i] * inner[2 * c + i] * first[c, 0, j]
            expected += image.square().numpy()
    return expected / number


@pytest.mark.parametrize("choice", ["a rectifier", "a leaky one"])
def test_chance_after_two_layers_is_exact_in_the_mean(choice):
    """Squares alone, and means with variances beside them, leave out what gradients of neighbours have in common."""
    from torch import nn

    slope = 0.0 if choice == "a rectifier" else 0.3
    model = chain(nn.LeakyReLU(slope) if slope else nn.ReLU())
    expected = over_all_slopes(model, list(itertools.product((slope, 1.0), repeat=2)))
    options = {"activations": "even", "precision": "double", "example_input": (1, 1, 3)}
    found = rf.predicted_field(model, "4", (0,), signs="kept", draws=3000, **options)
    assert (found.standard_error / found.field).max() < 0.03
    assert (np.abs(found.field - expected) < 4 * found.standard_error).all()
    random = rf.predicted_field(model, "4", (0,), **options).field
    assert (np.abs(random - expected) > 8 * found.standard_error).any()


def test_taps_of_a_max_pool_exclude_each_other():
    """Weights that cancel in a window: one tap alone passes a gradient, so nothing cancels."""
    import torch
    from torch import nn

    model = nn.Sequential(nn.Conv1d(1, 1, 1), nn.MaxPool1d(2), nn.Conv1d(1, 1, 2)).double()
    with torch.no_grad():
        model[0].weight.fill_(1)
        model[2].weight.copy_(torch.tensor([[[2.0, -1.0]]]))
    found = rf.predicted_field(model, "2", (0,), signs="kept", draws=2000, example_input=(1, 1, 4))
    assert (np.abs(found.field - np.array([2, 2, 0.5, 0.5])) < 4 * found.standard_error + 1e-9).all()
    at_the_border = nn.Sequential(nn.MaxPool1d(3, 2, 1)).double()  # the first window has two taps
    found = rf.predicted_field(at_the_border, "0", (0,), signs="kept", draws=500, example_input=(1, 1, 5))
    assert found.field.values[2:].tolist() == [0, 0, 0]
    assert float(found.field.sum()) == pytest.approx(1)
    assert found.field.values[:2] == pytest.approx([0.5, 0.5], abs=0.1)


def test_a_skip_beside_a_rectifier_is_drawn():
    """Where two ways meet again, what a slope varies adds up with the skip, and must not be left to squares."""
    import torch
    from torch import nn

    class Skip(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu, self.mix = nn.ReLU(), nn.Conv1d(1, 1, 2, bias=False)

        def forward(self, x):
            y = self.mix(x)
            return self.relu(y) + y

    model = Skip().double()
    with torch.no_grad():
        model.mix.weight.fill_(1)
    found = rf.predicted_field(model, "", (0,), signs="kept", draws=2000, example_input=(1, 1, 2))
    assert (np.abs(found.field - 2.5) < 4 * found.standard_error + 1e-9).all()  # (1 + 4) / 2


@pytest.mark.parametrize("parts", ["chunk", "itself"])
def test_a_sum_of_parts_of_one_tensor_is_drawn(parts):
    """A slope after the sum goes back to both parts: their gradients are alike, and add up at the image."""
    import torch
    from torch import nn

    class Parts(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu, self.mix = nn.ReLU(), nn.Conv1d(1, 2 if parts == "chunk" else 1, 1, bias=False)

        def forward(self, x):
            y = self.mix(x)
            a, b = y.chunk(2, 1) if parts == "chunk" else (y, y)
            return self.relu(a + b)

    model = Parts().double()
    with torch.no_grad():
        model.mix.weight.fill_(1)
    found = rf.predicted_field(model, "", (0,), signs="kept", draws=2000, example_input=(1, 1, 1))
    assert (np.abs(found.field - 2) < 4 * found.standard_error + 1e-9).all()  # (0 + 4) / 2


def test_draws_are_the_same_ones_and_more_of_them_are_nearer():
    from tests.engine.fields import small_models

    model, layer, shape = small_models.models()["residual"]
    few, again, many = (
        rf.predicted_field(model, layer, signs="kept", draws=n, example_input=shape) for n in (20, 20, 320)
    )
    assert np.array_equal(few.field, again.field)
    assert float(many.standard_error.sum()) < 0.5 * float(few.standard_error.sum())
    measured = rf.effective_field(model, layer, count=300, example_input=shape)
    assert float(rf.compare_fields(measured, many).correlation) > 0.97
    with pytest.raises(rf.InputError, match="draws is 0"):
        rf.predicted_field(model, layer, signs="kept", draws=0, example_input=shape)


def test_a_network_trained_on_small_squares(monkeypatch):
    """Filters that training has made add up: squares of weights are wrong, the weights themselves are not."""
    from tests import ROOT

    monkeypatch.syspath_prepend(ROOT / "examples")
    from trained_fields import FIELD, network, train

    model = network()
    assert train(model, side=3, steps=150) > 0.85
    measured = rf.effective_field(model, "14", count=600, input_size=FIELD)
    kept, random = (rf.predicted_field(model, "14", input_size=FIELD, signs=s) for s in ("kept", "random"))
    near, far = (rf.compare_fields(measured, p) for p in (kept, random))
    assert float(near.correlation) > 0.97
    assert np.abs(near.std_ratio - 1).max() < 0.1
    assert float(far.correlation) < 0.9
