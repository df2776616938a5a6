"""Sampling at constant places, judged by gradients of the real module."""

import itertools
import warnings

import numpy as np
import pytest

import rfscale as rf

torch = pytest.importorskip("torch")
F, nn = torch.nn.functional, torch.nn
pytestmark = pytest.mark.torch
SIZE = 8, 12


def grid(rows, columns):
    y, x = torch.meshgrid(torch.tensor(rows), torch.tensor(columns), indexing="ij")
    return torch.stack([x, y], -1)[None]


ROWS = [-1.5, -0.9, -0.5, -0.05, 0.3, 0.3, 0.77, 1.4]
COLUMNS = [2.5, 0.6, 0.1, -0.2, -0.7, -1.2]
THETA = torch.tensor([[[0.5, 0, 0.25], [0, 0.75, -0.125]]])


class Sampled(nn.Module):
    def __init__(self, places, **options):
        super().__init__()
        self.conv, self.options = nn.Conv2d(2, 3, 3, padding=1), options
        self.register_buffer("places", places)

    def forward(self, x):
        x = self.conv(x)
        places = self.places.to(x.dtype)
        if places.shape[-2:] == (2, 3):
            places = F.affine_grid(places, x.shape, align_corners=self.options["align_corners"])
        return F.grid_sample(x, places, **self.options)


def judged(module, entry):
    found = np.zeros(SIZE, bool)
    for seed in range(2):
        torch.manual_seed(seed)
        for p in module.parameters():
            p.data = torch.randn(p.shape, dtype=torch.float64)
        x = torch.randn(1, 2, *SIZE, dtype=torch.float64, requires_grad=True)
        out = module(x)[(0, slice(None), *entry)]
        (gradient,) = torch.autograd.grad((out * torch.randn_like(out)).sum(), x)
        found |= (gradient != 0).any(1)[0].numpy()
    return found


def compare(net, module):
    (name,) = net.outputs
    size = net.map_sizes()[name]
    for entry in itertools.product(*map(range, size)):
        assert np.array_equal(rf.footprint(net, name, entry, SIZE).values, judged(module, entry)), entry


OPTIONS = [
    {"mode": mode, "padding_mode": padding, "align_corners": corners}
    for mode in ("bilinear", "nearest", "bicubic")
    for padding in ("zeros", "border", "reflection")
    for corners in (False, True)
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(map(str, o.values())))
def test_rows_and_columns_at_constant_places(options):
    module = Sampled(grid(ROWS, COLUMNS), **options).eval()
    net = rf.load(module, example_input=(1, 2, *SIZE))
    assert not net.left_out
    compare(net, module.double())


@pytest.mark.parametrize("corners", [False, True])
def test_an_affine_grid_of_constants(corners):
    module = Sampled(THETA, align_corners=corners).eval()
    net = rf.load(module, example_input=(1, 2, *SIZE))
    assert not net.left_out
    compare(net, module.double())


def test_places_outside_of_the_map_hold_nothing():
    with pytest.raises(rf.InputError, match="no output depends on the image"):
        rf.load(Sampled(grid([3.0, 4.0], COLUMNS), align_corners=False).eval(), example_input=(1, 2, *SIZE))


TURNED = torch.tensor([[[0.8, -0.6, 0], [0.6, 0.8, 0]]])
NEAR = grid([0.0], [(2 * i + 1) / 12 - 1 for i in range(12)])


@pytest.mark.parametrize(
    ("places", "why"),
    [(TURNED, "entry by entry"), (NEAR, "rounding decides"), (grid([float("nan")], [0.0]), "no numbers")],
)
def test_other_places_end_the_analysis(places, why):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rf.PartlyReadWarning)
        net = rf.load(Sampled(places, align_corners=False).eval(), example_input=(1, 2, *SIZE))
    assert len(net.left_out) == 1
    assert why in next(iter(net.left_out.values()))


def test_places_that_training_changes_end_the_analysis():
    module = Sampled(grid(ROWS, COLUMNS), align_corners=False)
    del module.places
    module.places = nn.Parameter(grid(ROWS, COLUMNS))
    with pytest.warns(rf.PartlyReadWarning, match="values decide which entries it reads"):
        rf.load(module, example_input=(1, 2, *SIZE))


@pytest.mark.onnx
@pytest.mark.parametrize("options", OPTIONS[::5], ids=lambda o: "-".join(map(str, o.values())))
def test_onnx_files_sample_at_the_same_places(options, tmp_path):
    pytest.importorskip("onnx")
    module = Sampled(grid(ROWS, COLUMNS), **options).eval()
    file = str(tmp_path / "model.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (torch.zeros(1, 2, *SIZE),), file, dynamo=False, opset_version=16)
    read, found = rf.load(module, example_input=(1, 2, *SIZE)), rf.load(file)
    for entry in itertools.product(*(range(0, n, 3) for n in read.map_sizes()[read.outputs[0]])):
        both = [rf.footprint(net, net.outputs[0], entry, SIZE).values for net in (read, found)]
        assert np.array_equal(*both), entry
