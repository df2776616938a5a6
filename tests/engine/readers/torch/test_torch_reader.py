"""PyTorch modules: known figures, autograd through exported graphs, the same through ONNX, and bad input."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError
from tests.engine.readers.judges.judged import judge
from tests.engine.readers.judges.models import module

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

KNOWN = {"resnet50": 427, "vgg16": 212, "googlenet": 379, "alexnet": 195, "mobilenet_v2": 491, "densenet121": 2071}


@pytest.mark.parametrize("name", [*KNOWN, "inception_v3"])
def test_known_extents_at_the_deepest_map(name):
    size = 299 if name == "inception_v3" else 224
    net = rf.load(f"torchvision.models:{name}", weights=None, example_input=(1, 3, size, size))
    ds = rf.profile(net)
    deepest = ds.extent.values[~ds.is_global.values][-1]
    assert deepest.tolist() == [KNOWN.get(name, 1311)] * 2


def test_parameters_are_those_of_the_module_but_for_norms():
    made = module("torchvision.models:shufflenet_v2_x1_0")
    import torch

    norms = sum(p.numel() for m in made.modules() if isinstance(m, torch.nn.BatchNorm2d) for p in m.parameters())
    ds = rf.profile(rf.load(made))
    assert ds.params.sum() == sum(p.numel() for p in made.parameters()) - norms


# autograd -----------------------------------------------------------------------------------------------------------

JUDGED = """
torchvision.models:resnet18@64 torchvision.models:googlenet@64 torchvision.models:densenet121@64
torchvision.models:mobilenet_v3_small@64 torchvision.models:shufflenet_v2_x1_0@64 torchvision.models:inception_v3@107
torchvision.models:swin_t@112 segmentation_models_pytorch:Unet@64 segmentation_models_pytorch:FPN@64
segmentation_models_pytorch:PAN@128 segmentation_models_pytorch:MAnet@64 timm:regnety_002@64 timm:fastvit_t8@64
timm:poolformer_s12@64 timm:tresnet_m@64 timm:tiny_vit_5m_224@224 timm:mobilevit_xxs@64 timm:mobilevitv2_050@64
""".split()


@pytest.mark.parametrize("model", JUDGED)
def test_entries_equal_autograd_through_the_exported_graph(model):
    """A selection of those in docs/models.md, of each kind of architecture one or two."""
    name, _, size = model.partition("@")
    found = judge(name, int(size))
    assert found.compared >= 3
    assert not found.differing


@pytest.mark.parametrize("model", [*JUDGED, "torchvision.models:vit_b_16@224", "timm:maxvit_nano_rw_256@256"])
def test_running_a_model_gives_the_network_of_torch_export(model):
    from rfscale.engine.readers.torch.program.graph_reader import read_program
    from tests.engine.readers.judges.exported import exported

    name, _, size = model.partition("@")
    shape = (1, 3, int(size), int(size))
    ran = rf.load(module(name), example_input=shape, name=name)
    assert ran.to_dict() == read_program(exported(module(name), shape), name).to_dict()


INTERPOLATIONS = [
    {"mode": mode, "scale_factor": by}
    for mode in ("nearest", "nearest-exact", "bilinear", "bicubic")
    for by in (2, 1.5, 0.5, 0.7, 1.372, (1.25, 3))
]
INTERPOLATIONS += [{"mode": mode, "size": (5, 12)} for mode in ("nearest", "nearest-exact", "bilinear", "bicubic")]
INTERPOLATIONS += [{"mode": "bilinear", "scale_factor": 1.5, "align_corners": True}]
INTERPOLATIONS += [{"mode": "bicubic", "size": (5, 12), "align_corners": True}]
INTERPOLATIONS += [
    {"mode": mode, "antialias": True, **given}
    for mode in ("bilinear", "bicubic")
    for given in ({"size": (12, 12)}, {"size": (4, 3)}, {"size": (5, 9)}, {"size": (3, 7)}, {"size": (1, 2)})
]


@pytest.mark.parametrize("given", INTERPOLATIONS, ids=str)
def test_interpolation_equals_autograd(given):
    """Factors that make no whole size among them: torch places the entries by the factor, not by the sizes."""
    import torch

    net = read(lambda m, x: torch.nn.functional.interpolate(x, **given), shape=(1, 1, 9, 7))
    image = torch.ones(1, 1, 9, 7, dtype=torch.float64, requires_grad=True)
    out = torch.nn.functional.interpolate(image, **given)[0, 0]
    assert net.map_sizes()[net.outputs[0]] == tuple(out.shape)
    for entry in np.ndindex(*out.shape):
        (gradient,) = torch.autograd.grad(out[entry], image, retain_graph=True)
        found = rf.footprint(net, net.outputs[0], entry, (9, 7))
        np.testing.assert_array_equal(found.values, gradient[0, 0].abs().numpy() > 1e-9, err_msg=str(entry))


# ONNX ---------------------------------------------------------------------------------------------------------------


@pytest.mark.onnx
@pytest.mark.parametrize(
    "model",
    [
        "torchvision.models:resnet18",
        "torchvision.models:mobilenet_v3_small",
        "torchvision.models:swin_t",
        "segmentation_models_pytorch:DeepLabV3Plus",
        "timm:regnety_002",
    ],
)
def test_the_same_profile_through_onnx(model):
    import torch

    made, size = cpu_module(model), 128
    image = torch.zeros(1, 3, size, size)
    direct = rf.load(made, example_input=(1, 3, size, size), name="model")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(made, (image,), dynamo=True, verbose=False)
    through = rf.load(program.model_proto, name="model")
    assert [(x.name, x.op) for x in through.layers] == [(x.name, x.op) for x in direct.layers]
    a, b = (rf.profile(net, input_size=size) for net in (direct, through))
    for key in ("area", "extent", "start", "max_gap", "map_size", "jump", "overlap"):
        np.testing.assert_array_equal(a[key].values, b[key].values, err_msg=key)


def cpu_module(model):
    """A module with weights of its own, which the ONNX exporter wants."""
    made = module(model)
    return made.to_empty(device="cpu") if any(p.is_meta for p in made.parameters()) else made


# idioms -------------------------------------------------------------------------------------------------------------


def read(forward, shape=(1, 4, 12, 12), **params):
    """The network of a function."""
    import torch

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(4, 4, 3, padding=1)
            self.norm = torch.nn.GroupNorm(2, 4)

        def forward(self, x):
            return forward(self, x)

    return rf.load(Model(), example_input=shape, **params)


def ops(net):
    return [layer.op for layer in net.layers]


def test_a_norm_of_global_statistics_is_a_branch_that_skip_looks_past():
    net = read(lambda m, x: m.norm(m.conv(x)))
    assert ops(net) == ["conv", "global_pool", "multiply"]
    assert rf.profile(net).is_global.values.tolist() == [False, True, True]
    ds = rf.profile(net, global_ops="skip")
    assert ds.extent.values[-1].tolist() == [3, 3]
    assert net.layers[-1].name == "norm"


def test_in_place_additions_change_what_they_were_given():
    def forward(m, x):
        y = m.conv(x)
        y += x
        return m.conv(y)

    assert ops(read(forward)) == ["conv", "add", "conv"]


def test_what_an_unknown_operator_writes_into_is_unknown_in_every_view():
    def forward(m, x):
        y = m.conv(x)
        y[:, 2:].masked_scatter_(y[:, 2:] > 0, x)
        return m.conv(y), m.conv(x)

    with pytest.warns(rf.PartlyReadWarning):
        net = read(forward)
    assert ops(net) == ["conv", "conv"]


def test_an_unknown_operator_ends_the_analysis_there():
    import torch

    def forward(m, x):
        """Three branches: one whole, one up to an operator that is not known, one that meets it."""
        a, b, c = m.conv(x), m.conv(m.conv(x)), m.conv(m.conv(m.conv(x)))
        return {"a": m.conv(a), "b": m.conv(torch.argsort(b, 2).float()) + c, "c": m.conv(torch.argsort(b, 2).float())}

    with pytest.warns(rf.PartlyReadWarning, match=r"argsort: aten\.argsort\.default .*unknown='pointwise'") as said:
        net = read(forward)
    assert len(said) == 1
    assert "\n" not in str(said[0].message)
    assert said[0].filename == __file__
    whole, *others = (rf.profile(net).sel(layer=name) for name in net.outputs)
    assert whole.extent.values.tolist() == [5, 5]
    assert [other.extent.values.tolist() for other in others] == [[5, 5], [7, 7]]  # the maps before it
    assert set(ops(net)) == {"conv"}
    assert list(net.left_out) == ["argsort: aten.argsort.default", "argsort_1: aten.argsort.default"]
    assert rf.profile(net).attrs["left_out"] == [f"{what}: {reason}" for what, reason in net.left_out.items()]
    again = rf.Network.from_dict(net.to_dict())
    assert again.left_out == net.left_out
    assert again.hash == net.hash
    on = read(forward, unknown="pointwise")
    assert not on.left_out
    assert "add" in ops(on)


def test_an_unknown_operator_that_no_output_reads_does_not_matter():
    import torch

    def forward(m, x):
        torch.argsort(m.conv(x), 2)
        return m.conv(x)

    assert not read(forward).left_out


def test_what_stands_for_an_operator_of_several_outputs():
    import torch

    def forward(m, x):
        values, indices = torch.sort(m.conv(x), 3)
        return values, m.conv(indices.float())

    assert rf.profile(read(forward, unknown="everything")).is_global.sum() > 1
    assert rf.profile(read(forward, unknown="pointwise")).extent.values[-1].tolist() == [5, 5]
    layers = ["pointwise", {"op": "conv", "kernel": [1, 5], "padding": [0, 2]}]
    net = read(forward, unknown={"sort": layers})
    assert rf.profile(net).extent.values[-1].tolist() == [5, 9]
    with pytest.raises(InputError, match="it returns 2 tensors, and 1 treatments are given"):
        read(forward, unknown={"sort": layers[:1]})


def test_an_axis_reduced_alone_and_spread_again():
    net = read(lambda m, x: m.conv(x) * m.conv(x).mean(dim=3, keepdim=True))
    found = rf.footprint(net, net.outputs[0], (6, 0), net.input_size)
    assert found.values.any(axis=0).all()
    assert found.values.any(axis=1).sum() == 3


def test_recurrent_layers_see_all_along_their_axis():
    import torch

    class Rows(torch.nn.Module):
        def __init__(self, both_ways):
            super().__init__()
            self.rnn = torch.nn.LSTM(4, 6, batch_first=True, bidirectional=both_ways)
            self.conv = torch.nn.Conv2d(12 if both_ways else 6, 4, 3, padding=1)

        def forward(self, x):
            rows = x.permute(0, 2, 3, 1).flatten(0, 1)
            out, _ = self.rnn(rows)
            return self.conv(out.unflatten(0, (1, 12)).permute(0, 3, 1, 2))

    net = rf.load(Rows(True), example_input=(1, 4, 12, 10))
    found = rf.footprint(net, net.outputs[0], (6, 0), net.input_size).values
    assert found[5:8].all()
    assert not found[:5].any()
    assert not found[8:].any()
    net = rf.load(Rows(False), example_input=(1, 4, 12, 10))
    found = rf.footprint(net, net.outputs[0], (6, 4), net.input_size).values
    assert {tuple(i) for i in np.argwhere(found).tolist()} == {(y, x) for y in (5, 6, 7) for x in range(6)}
    last = rf.profile(net).isel(layer=-1)  # all before, and one entry ahead
    assert (last.extent.values.tolist(), last.start.values.tolist()) == ([3, np.inf], [-1, -np.inf])
    assert last.end.values.tolist() == [1, 1]


def test_attention_in_windows_of_distant_entries():
    def forward(m, x):
        parts = m.conv(x).unflatten(2, (4, 3)).unflatten(4, (4, 3))  # 4 windows of entries 3 apart, per axis
        return (parts - parts.mean(dim=(2, 4), keepdim=True)).flatten(4, 5).flatten(2, 3)

    net = read(forward)
    assert ops(net) == ["conv", "window_attention", "add"]
    assert (net.layers[1].params["window"], net.layers[1].params["dilation"]) == ((4, 4), (3, 3))
    found = rf.footprint(net, net.outputs[0], (4, 5), net.input_size).values
    seen = {y + d for y in (1, 4, 7, 10) for d in (-1, 0, 1)} & set(range(12))
    assert set(np.flatnonzero(found.any(axis=1)).tolist()) == seen
    assert set(np.flatnonzero(found.any(axis=0)).tolist()) == {y + d for y in (2, 5, 8, 11) for d in (-1, 0, 1)} - {12}


def test_other_numbers_of_axes():
    import torch

    one = rf.load(torch.nn.Conv1d(2, 3, 5, dilation=2), example_input=(1, 2, 40))
    assert one.axes == ("x",)
    assert rf.profile(one).extent.values[-1].tolist() == [9]
    three = rf.load(torch.nn.MaxPool3d(2), example_input=(1, 2, 8, 8, 8))
    assert three.axes == ("z", "y", "x")
    last = read(lambda m, x: m.conv(x.permute(0, 3, 1, 2)), shape=(1, 12, 10, 4), axes=(1, 2))
    assert last.input_size == (12, 10)


def test_unknown_operators_are_listed_all_at_once():
    import torch

    def forward(m, x):
        return torch.argsort(m.conv(x), 2) + torch.sort(x, 2)[0]

    with pytest.warns(rf.PartlyReadWarning, match=r"aten\.argsort.*aten\.sort.*unknown='pointwise'"):
        assert ops(read(forward)) == ["conv"]
    with pytest.raises(InputError, match=r"aten\.argsort.*aten\.sort.*unknown='pointwise'") as caught:
        read(lambda m, x: torch.argsort(x, 2) + torch.sort(x, 3)[0])  # nothing is left
    assert "\n" not in str(caught.value)
    net = read(lambda m, x: torch.argsort(m.conv(x), 2), unknown={"argsort": "pointwise"})
    assert ops(net) == ["conv"]
    assert rf.profile(net).attrs["assumed"] == ["aten.argsort.default: pointwise"]
    assert rf.footprint(net, net.outputs[0]).attrs["assumed"] == ["aten.argsort.default: pointwise"]
    with pytest.raises(InputError, match="unknown"):
        read(forward, unknown={"argsort": "sideways"})


def test_modules_are_left_as_they_were():
    import torch

    made = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    made[0].eval()
    rf.load(made, example_input=(1, 3, 16, 16))
    assert [m.training for m in made.modules()] == [True, False, True]


def test_what_cannot_be_called_so_ends_in_one_line():
    with pytest.raises(InputError, match="cannot be called"):
        rf.load("torchvision.models:resnet18", weights=None, no_such_argument=1)
    with pytest.raises(InputError, match="takes no parameter 'examples'"):
        rf.load(module("torchvision.models:alexnet"), examples=3)
