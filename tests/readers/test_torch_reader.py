"""PyTorch modules: known figures, autograd through exported graphs, the same through ONNX, and bad input."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest

import engine
from engine import InputError
from tests.readers.models import module

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

KNOWN = {"resnet50": 427, "vgg16": 212, "googlenet": 379, "alexnet": 195, "mobilenet_v2": 491, "densenet121": 2071}


@pytest.mark.parametrize("name", [*KNOWN, "inception_v3"])
def test_known_extents_at_the_deepest_map(name):
    size = 299 if name == "inception_v3" else 224
    net = engine.load(f"torchvision.models:{name}", weights=None, example_input=(1, 3, size, size))
    ds = engine.profile(net)
    deepest = ds.extent.values[~ds.everything.values][-1]
    assert deepest.tolist() == [KNOWN.get(name, 1311)] * 2


def test_parameters_are_those_of_the_module_but_for_norms():
    made = module("torchvision.models:shufflenet_v2_x1_0")
    import torch

    norms = sum(p.numel() for m in made.modules() if isinstance(m, torch.nn.BatchNorm2d) for p in m.parameters())
    ds = engine.profile(engine.load(made))
    assert ds.params.sum() == sum(p.numel() for p in made.parameters()) - norms


# autograd -----------------------------------------------------------------------------------------------------------

JUDGED = """
torchvision.models:resnet18@96 torchvision.models:googlenet@96 torchvision.models:densenet121@96
torchvision.models:mobilenet_v3_small@96 torchvision.models:shufflenet_v2_x1_0@96 torchvision.models:inception_v3@107
torchvision.models:convnext_tiny@96 torchvision.models:swin_t@112 torchvision.models:efficientnet_b0@96
segmentation_models_pytorch:Unet@96 segmentation_models_pytorch:FPN@96 segmentation_models_pytorch:PAN@128
segmentation_models_pytorch:DeepLabV3Plus@128 timm:hrnet_w18_small@96 timm:regnety_002@96 timm:res2net50_26w_4s@96
timm:ghostnet_100@96 timm:fastvit_t8@96 timm:nfnet_f0@96 timm:poolformer_s12@96 timm:dla34@96 timm:mambaout_femto@96
timm:tresnet_m@96 timm:focalnet_tiny_srf@96 timm:tiny_vit_5m_224@224 timm:swinv2_tiny_window8_256@256
""".split()


def tracked(program, name):
    """The network of a program with every layer kept, and what the reader holds at each node."""
    from engine.readers.torch_reader import _GraphReader
    from engine.readers.tracking import Tracked, image_tracker
    from engine.readers.unknowns import Unknowns

    image = next(n for n in program.graph_module.graph.nodes if n.name == program.graph_signature.user_inputs[0])
    tracker, first, channels = image_tracker(tuple(image.meta["val"].shape))
    values = {image: first}
    _GraphReader(tracker, Unknowns(None, "torch")).run(program.graph_module, values)
    held = {n: v for n, v in values.items() if isinstance(v, Tracked) and v.layer >= 0}
    net = tracker.network(name, held.values(), channels)
    layers = dict.fromkeys(v.layer for v in held.values())
    return net, dict(zip(layers, net.outputs, strict=True)), held


def whole_maps(held):
    """Nodes that hold a whole map: each axis from end to end in a dim of its own, and every channel of the layer."""
    from engine.readers.layout import spatial

    def size(v):
        return int(np.prod(v.shape))

    most = {}
    for v in held.values():
        most[v.layer] = max(most.get(v.layer, 0), size(v))
    for node, v in held.items():
        parts = [dim for dim in v.dims if spatial(dim)]
        whole = all(len(d) == 1 and not d[0].inner and d[0].size == v.map[d[0].axis] for d in parts)
        if whole and len(parts) == len(v.map) and size(v) == most[v.layer]:
            yield node, v


@pytest.mark.parametrize("model", JUDGED)
def test_entries_equal_autograd_through_the_exported_graph(model):
    from engine.readers.layout import spatial
    from engine.readers.torch_reader import export
    from tests.readers.export_judge import Judge

    name, _, size = model.partition("@")
    program = export(module(name), (1, 3, int(size), int(size)))
    net, names, held = tracked(program, name)
    rng = random.Random(model)
    for mode, behind in zip(("include", "skip"), net.behind_global, strict=True):
        local = [(n, v) for n, v in whole_maps(held) if names[v.layer] not in behind]
        judge = Judge(program, mode)
        if mode == "skip" and judge.attends:
            continue  # the judge cannot tell global attention from attention in windows
        for node, v in [local[-1], *rng.sample(local, min(5, len(local)))]:
            entry = tuple(rng.randrange(n) for n in v.map)
            index = tuple(entry[spatial(d)[0].axis] if spatial(d) else slice(None) for d in v.dims)
            found = engine.footprint(net, names[v.layer], entry, net.input_size, globals=mode)
            assert set(map(tuple, np.argwhere(found.values).tolist())) == judge.footprint(node, index), (node, entry)


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
    direct = engine.load(made, example_input=(1, 3, size, size), name="model")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(made, (image,), dynamo=True, verbose=False)
    through = engine.load(program.model_proto, name="model")
    assert [(x.name, x.op) for x in through.layers] == [(x.name, x.op) for x in direct.layers]
    a, b = (engine.profile(net, input_size=size) for net in (direct, through))
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

    return engine.load(Model(), example_input=shape, **params)


def ops(net):
    return [layer.op for layer in net.layers]


def test_a_norm_of_global_statistics_is_a_branch_that_skip_looks_past():
    net = read(lambda m, x: m.norm(m.conv(x)))
    assert ops(net) == ["conv", "global_pool", "multiply"]
    assert engine.profile(net).everything.values.tolist() == [False, True, True]
    ds = engine.profile(net, globals="skip")
    assert ds.extent.values[-1].tolist() == [3, 3]
    assert net.layers[-1].name == "norm"


def test_in_place_additions_change_what_they_were_given():
    def forward(m, x):
        y = m.conv(x)
        y += x
        return m.conv(y)

    assert ops(read(forward)) == ["conv", "add", "conv"]

    def part(m, x):
        y = m.conv(x)
        y[:, :2].add_(m.conv(y)[:, :2])
        return m.conv(y)

    with pytest.raises(InputError, match="writes into a part of a tensor"):
        read(part)


def test_an_axis_reduced_alone_and_spread_again():
    net = read(lambda m, x: m.conv(x) * m.conv(x).mean(dim=3, keepdim=True))
    found = engine.footprint(net, net.outputs[0], (6, 0), net.input_size)
    assert found.values.any(axis=0).all()
    assert found.values.any(axis=1).sum() == 3


def test_other_numbers_of_axes():
    import torch

    one = engine.load(torch.nn.Conv1d(2, 3, 5, dilation=2), example_input=(1, 2, 40))
    assert one.axes == ("x",)
    assert engine.profile(one).extent.values[-1].tolist() == [9]
    three = engine.load(torch.nn.MaxPool3d(2), example_input=(1, 2, 8, 8, 8))
    assert three.axes == ("z", "y", "x")
    last = read(lambda m, x: m.conv(x.permute(0, 3, 1, 2)), shape=(1, 12, 10, 4), axes=(1, 2))
    assert last.input_size == (12, 10)


def test_unknown_operators_are_listed_all_at_once():
    import torch

    def forward(m, x):
        return torch.flip(m.conv(x), [2]) + torch.cummax(m.conv(x), 3)[0] + torch.sort(x, 2)[0]

    with pytest.raises(InputError, match=r"aten\.flip.*aten\.cummax.*unknown='pointwise'") as caught:
        read(forward)
    assert "\n" not in str(caught.value)
    net = read(lambda m, x: torch.flip(m.conv(x), [2]), unknown={"flip": "pointwise"})
    assert ops(net) == ["conv"]
    assert vars(net)["assumed"] == {"aten.flip.default": "pointwise"}
    with pytest.raises(InputError, match="unknown"):
        read(forward, unknown={"flip": "sideways"})


def test_modules_are_left_as_they_were():
    import torch

    made = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    made[0].eval()
    engine.load(made, example_input=(1, 3, 16, 16))
    assert [m.training for m in made.modules()] == [True, False, True]


def test_what_export_cannot_follow_ends_in_one_line():
    with pytest.raises(InputError, match=r"torch\.export cannot follow") as caught:
        read(lambda m, x: m.conv(x) if x.sum() > 0 else x)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="cannot be called"):
        engine.load("torchvision.models:resnet18", weights=None, no_such_argument=1)
    with pytest.raises(InputError, match="takes no parameter 'examples'"):
        engine.load(module("torchvision.models:alexnet"), examples=3)
