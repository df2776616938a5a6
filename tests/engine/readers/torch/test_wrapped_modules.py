"""Modules in wrappers, with packed weights, and operators of other libraries with known names."""

from __future__ import annotations

import pytest

import rfscale as rf

torch = pytest.importorskip("torch")
nn = torch.nn
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
SHAPE = (1, 3, 16, 16)


def plain():
    torch.manual_seed(0)
    parts = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, 2)]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)).eval()


def inside(wrap):
    """A model with a wrapped part."""
    model = plain()
    return nn.Sequential(wrap(model[:4]), *model[4:])


def read(module):
    return rf.load(module, example_input=SHAPE)


def alike(net, other):
    """The same layers, whatever their names."""
    return [(x.op, x.params) for x in net.layers] == [(x.op, x.params) for x in other.layers]


WRAPPERS = {
    "compiled": torch.compile,
    "parallel": nn.DataParallel,
    "averaged": torch.optim.swa_utils.AveragedModel,
    "both": lambda m: torch.compile(nn.DataParallel(m)),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_the_module_inside_of_a_wrapper_is_read(wrap):
    assert read(wrap(plain())).to_dict() == read(plain()).to_dict()
    part = read(inside(wrap))
    assert [layer.name for layer in part.layers][:2] == ["0.0", "0.3"]
    assert alike(part, read(plain()))


def test_a_module_that_only_looks_like_a_wrapper_keeps_its_names():
    class DataParallel(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return self.module(x).relu() + 1

    assert read(DataParallel()).layers[0].name == "module"


def statically(model):
    class Quantized(nn.Module):
        def __init__(self):
            super().__init__()
            self.start, self.model = torch.ao.quantization.QuantStub(), model
            self.end = torch.ao.quantization.DeQuantStub()

        def forward(self, x):
            return self.end(self.model(self.start(x)))

    made = Quantized().eval()
    made.qconfig = torch.ao.quantization.get_default_qconfig(torch.backends.quantized.engine)
    prepared = torch.ao.quantization.prepare(made)
    prepared(torch.rand(SHAPE))
    return torch.ao.quantization.convert(prepared)


@pytest.mark.parametrize(
    "quantize", [statically, lambda m: torch.ao.quantization.quantize_dynamic(m, {nn.Linear}, dtype=torch.qint8)]
)
def test_packed_weights(quantize):
    try:
        model = quantize(plain())
    except RuntimeError as error:  # builds of torch without an engine for it
        pytest.skip(str(error))
    net = read(model)
    assert not net.left_out
    assert alike(net, read(plain()))


def test_sparse_weights():
    model = plain()
    model[7].weight = nn.Parameter(model[7].weight.detach().to_sparse_csr(), requires_grad=False)
    assert alike(read(model), read(plain()))


def test_a_module_that_is_called_for_many_images_at_once():
    class Many(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return torch.vmap(lambda image: self.conv(image[None])[0])(x)

    net = read(Many())
    assert rf.profile(net).extent.values[-1].tolist() == [3, 3]


def test_an_operator_of_another_library_is_not_taken_for_one_of_the_same_name():
    library = torch.library.Library("rfscale_test_names", "DEF")
    library.define("relu(Tensor x) -> Tensor")
    library.impl("relu", lambda x: x.flip(-1), "CPU")
    library.impl("relu", torch.empty_like, "Meta")

    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return torch.ops.rfscale_test_names.relu(self.conv(x))

    with pytest.warns(rf.PartlyReadWarning, match=r"rfscale_test_names\.relu"):
        net = read(Named())
    assert net.outputs == ("conv",)
