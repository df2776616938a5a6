"""Fields side by side, and over the layers of a model."""

from __future__ import annotations

import numpy as np
import pytest

import rfscale as rf
from tests.engine.fields import small_models

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def test_three_fields_in_one_frame():
    model, layer, shape = small_models.models()["branches"]
    found = rf.all_fields(model, layer, "noise", count=40, example_input=shape)
    assert found.kind.values.tolist() == ["structure", "weights", "measured"]
    net = rf.load(model, example_input=shape)
    at = found.attrs["entry"]
    assert np.array_equal(found.footprint, rf.footprint(net, "join", at, shape[2:]))
    parts = {
        "structure": rf.path_counts(net, "join", at, shape[2:]),
        "weights": rf.predicted_field(model, layer, example_input=shape).field,
        "measured": rf.effective_field(model, layer, count=40, example_input=shape).field,
    }
    for kind, part in parts.items():
        one = rf.field_figures(part, footprint=found.footprint)
        np.testing.assert_allclose(found.mass.sel(kind=kind), one.mass, rtol=1e-9)
        np.testing.assert_allclose(found["std"].sel(kind=kind), one["std"])
        assert found.correlation.sel(kind=kind) == rf.compare_fields(parts["measured"], part).correlation
    assert float(found.outside_mass.max()) == 0
    given = rf.all_fields(model, layer, np.ones((2, 3, 24, 20), np.float32))  # of their own size
    assert given.attrs["input_size"] == [24, 20]
    assert rf.all_fields(model, layer, example_input=shape).kind.values.tolist() == ["structure", "weights"]


def test_what_cannot_be_predicted_is_left_out():
    import torch

    class Divided(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(3, 4, 3)
            self.out = torch.nn.Identity()

        def forward(self, x):
            return self.out(self.a(x) / (1 + torch.exp(self.b(x))))

    found = rf.all_fields(Divided(), "out", "noise", count=5, example_input=(1, 3, 9, 9))
    assert found.kind.values.tolist() == ["structure", "measured"]
    assert "no rule for div" in found.attrs["left_out"]


def test_a_layer_that_is_no_module_is_found_by_its_module():
    """A layer of the network that is read, of which a module returns the map."""
    model, _, shape = small_models.models()["residual"]
    net = rf.load(model, example_input=shape)
    (name,) = [layer.name for layer in net.layers if layer.op == "add"]
    module = next(m for m, of in net.modules.items() if of == name)
    by_layer = rf.predicted_field(model, name, example_input=shape)
    assert np.array_equal(by_layer.field, rf.predicted_field(model, module, example_input=shape).field)


def test_the_effective_profile_in_depth_order():
    model, _, shape = small_models.models()["chain"]
    found = rf.field_profile(model, images="noise", count=20, example_input=shape)
    assert found.layer.values.tolist() == ["0", "2", "4"]
    exact = rf.profile(rf.load(model, example_input=shape), shape[2:])
    np.testing.assert_array_equal(found.extent, exact.extent)
    assert (found["std"].diff("layer") > 0).all()
    assert (found.box_extent <= found.extent).all()
    last = rf.field_figures(rf.predicted_field(model, "4", example_input=shape), [0.95])
    np.testing.assert_allclose(found["std"].sel(kind="weights", layer="4"), last["std"])
    with pytest.raises(rf.InputError, match="has no layer 'x'"):
        rf.field_profile(model, ["x"], example_input=shape)
