"""What a reader says of a tensor fits the tensor: shapes by running the module, pixels by its gradient."""

from __future__ import annotations

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

SIZE = (12, 6)


def judged(module, size=SIZE, seed=0, dims=(-2, -1)):
    """Compare the map's size and seeded entries of the output with autograd, by positive weights."""
    import torch

    net = rf.load(module, example_input=(1, 1, *size))
    torch.manual_seed(seed)
    module = module.double().eval()
    for p in module.parameters():
        torch.nn.init.uniform_(p, 0.5, 1.0)
    image = torch.rand(1, 1, *size, dtype=torch.float64, requires_grad=True)
    out = module(image)
    (name,) = net.outputs
    shape = net.map_sizes()[name]
    assert tuple(out.shape[d] for d in dims) == shape
    rng = np.random.default_rng(seed)
    for _ in range(3):
        entry = tuple(int(rng.integers(n)) for n in shape)
        index = [slice(None)] * out.ndim
        for d, i in zip(dims, entry, strict=True):
            index[d] = i
        (gradient,) = torch.autograd.grad((out[tuple(index)] ** 3).sum(), image, retain_graph=True)
        found = rf.footprint(net, name, entry, size)
        np.testing.assert_array_equal(found.values, (gradient[0, 0].abs() > 1e-12).numpy())
    return net


@pytest.mark.parametrize("what", ["no running statistics", "training"])
def test_statistics_of_the_batch_are_over_the_whole_map(what):
    from tests.engine.readers.torch import shapes

    net = judged(shapes.After(2, shapes.NORMS[what]))
    assert rf.footprint(net, net.outputs[0], (5, 4), SIZE).sum() == SIZE[0] * SIZE[1]


@pytest.mark.parametrize(
    "kind", "type_as to zeros_like full_like new_zeros new_tensor expand_as view_as fill_ zero_ copy_".split()
)
def test_constants_of_a_maps_type_or_shape_do_not_depend_on_it(kind):
    from tests.engine.readers.torch import shapes

    assert kind in shapes.CONSTANTS
    net = judged(shapes.After(2, lambda y: y + shapes.constant_like(y, kind)))
    assert rf.footprint(net, net.outputs[0], (5, 4), SIZE).sum() == 9


@pytest.mark.parametrize(
    "what",
    [
        "mean of blocks",
        "sum of blocks",
        "blocks that keep their dims",
        "pixel shuffle",
        "pixel shuffle, channels last",
        "pixel unshuffle",
        "rows of blocks",
        "a block less its mean",
        "a block less its mean, unsqueezed",
    ],
)
def test_outputs_made_by_views_are_layers_of_their_shape(what):
    from tests.engine.readers.torch import shapes

    judged(shapes.After(8, shapes.RESHAPED[what]), dims=(1, 2) if "last" in what else (-2, -1))


@pytest.mark.parametrize("what", ["max of blocks", "max of blocks by axis"])
def test_maxima_of_blocks_read_what_means_do(what):
    """The gradient of a maximum goes to one entry, so that autograd cannot judge it."""
    from tests.engine.readers.torch import shapes

    nets = [rf.load(shapes.After(8, shapes.RESHAPED[w]), example_input=(1, 1, *SIZE)) for w in (what, "mean of blocks")]
    assert nets[0].map_sizes()[nets[0].outputs[0]] == (6, 2)
    for entry in np.ndindex(6, 2):
        one, other = (rf.footprint(n, n.outputs[0], entry, SIZE).values for n in nets)
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("seed", range(12))
def test_masked_convolutions_read_the_mask(seed):
    from tests.engine.readers.torch import shapes

    rng = np.random.default_rng(seed)
    mask = rng.random((3, int(rng.integers(1, 5)))) < 0.5
    mask[rng.integers(3), 0] = True
    stride, dilation = int(rng.integers(1, 3)), int(rng.integers(1, 3))
    given = {"stride": stride, "dilation": dilation, "padding": int(rng.integers(0, 3))}
    judged(shapes.MaskedConv(mask, **given), (11, 12), seed=seed)


def test_a_mask_without_values_is_noted():
    from tests.engine.readers.torch import shapes

    net = rf.load(shapes.MaskedConv(np.eye(3), padding=1).to("meta"), example_input=(1, 1, 8, 8))
    assert any("was not read" in line for line in rf.profile(net).attrs["assumed"])


def test_a_factorys_masks_are_read():
    net = rf.load("tests.engine.readers.torch.shapes:masked_diagonal", example_input=(1, 1, 8, 8))
    assert not net.assumed
    assert rf.footprint(net, net.outputs[0], (4, 4), (8, 8)).sum() == 3


def test_a_handler_that_errs_is_refused_with_its_operator_and_module(monkeypatch):
    import torch

    from rfscale.engine.readers.torch.registry import ATEN
    from rfscale.engine.readers.torch.trace import recorder
    from tests.engine.readers.torch import shapes

    monkeypatch.setattr(recorder, "operator", recorder.operator.__wrapped__)  # without what it keeps
    monkeypatch.setitem(ATEN, "relu", lambda k, x: type(x)(x.layer, x.map, x.dims[:-1]))
    with pytest.warns(
        rf.PartlyReadWarning, match=r"relu: aten\.relu\.default \(it was read as a tensor of 1×2×12"
    ) as caught:
        rf.load(shapes.After(2, torch.nn.ReLU()), example_input=(1, 1, *SIZE))
    assert "\n" not in str(caught[0].message)


def test_unknown_nodes_by_name():
    import torch

    class Two(torch.nn.Module):
        def forward(self, x):
            return torch.special.bessel_j0(torch.special.bessel_j0(x) * 2)

    with pytest.raises(InputError, match="bessel_j0") as caught:
        rf.load(Two(), example_input=(1, 1, 8, 8))
    assert "and 1 more" not in str(caught.value)  # the second reads what is not known
    layer = {"op": "conv", "kernel": 3, "padding": 1}
    names = {"special_bessel_j0": layer, "special_bessel_j0_1": {**layer, "kernel": 5, "padding": 2}}
    net = rf.load(Two(), example_input=(1, 1, 8, 8), unknown=names)
    assert rf.profile(net).extent.values[-1].tolist() == [7, 7]
