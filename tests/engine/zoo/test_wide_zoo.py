"""The wide zoo against published figures: receptive fields, parameters, map sizes, and its real implementations."""

from __future__ import annotations

import importlib.util
from functools import cache

import numpy as np
import pytest
import xarray as xr

import rfscale as rf
from rfscale.engine import InputError
from rfscale.engine.zoo.registry import build


@cache
def past_globals(name: str) -> xr.Dataset:
    """Interior profile of a network of the zoo, branches downstream of global ops left out."""
    return rf.profile(build(name), global_ops="skip")


# the deepest map before the classifier: extent and jump per axis, and the pixels that the first entry reaches beyond
# the border. DenseNet-121, GoogLeNet, Inception v3 and MobileNetV2 are widely published; PatchGAN is its paper's name;
# all of torchvision's and timm's were compared pixel by pixel with autograd on the real module.
@pytest.mark.parametrize(
    ("network", "layer", "extent", "jump", "before"),
    [
        ("densenet121", "features.denseblock4", 2071, 32, 1021),
        ("densenet169", "features.denseblock4", 3351, 32, 1661),
        ("googlenet", "inception5b", 379, 32, 167),
        ("inception_v3", "Mixed_7c", 1311, 32, 618),
        ("mobilenet_v2", "features.18", 491, 32, 245),
        ("mobilenet_v3_large", "features.16", 595, 32, 297),
        ("mobilenet_v3_small", "features.12", 639, 32, 319),
        ("efficientnet_b0", "features.8", 851, 32, 425),
        ("convnext_tiny", "features.7", 1688, 32, 828),
        ("hrnet_w18", "final_layer", 2847, 32, 1423),
        ("yolov5s", "model.9", 650, 32, 324),
        ("patchgan", "conv5", 70, 8, 23),
        ("unet", "bottom.conv2", 140, 16, 0),
        ("unet-padded", "bottom.conv2", 140, 16, 62),
        ("unet3d", "bottom.conv2", 68, 8, 0),
        ("deeplabv3plus", "layer4", 1003, 16, 501),
        ("deeplabv3plus", "aspp", 1579, 16, 789),
        ("segformer_b0", "block4", 303, 32, 151),
        ("wavenet", "post2", 3071, 1, 3070),
        ("tcn", "linear", 3061, 1, 3060),
    ],
)
def test_known_extents(network: str, layer: str, extent: int, jump: int, before: int) -> None:
    row = past_globals(network).sel(layer=layer)
    axes = row.sizes["axis"]
    assert row.extent.values.tolist() == [extent] * axes
    assert row.jump.values.tolist() == [jump] * axes
    assert row.start.values.tolist() == [-before] * axes


# published totals, and what of them are weights of normalisation layers and the like, which no layer here has
@pytest.mark.parametrize(
    ("network", "total", "others"),
    [
        ("densenet121", 7_978_856, 83_648),
        ("densenet161", 28_681_000, 219_936),
        ("densenet169", 14_149_480, 158_400),
        ("densenet201", 20_013_928, 229_056),
        ("googlenet", 6_624_904, 14_560),
        ("inception_v3", 27_161_264 - 3_326_696, 34_432),  # less the auxiliary classifier
        ("mobilenet_v2", 3_504_872, 34_112),
        ("mobilenet_v3_large", 5_483_032, 24_400),
        ("mobilenet_v3_small", 2_542_856, 12_112),
        ("efficientnet_b0", 5_288_548, 42_016),
        ("convnext_tiny", 28_589_128, 22_944),  # layer normalisation and layer scale
        ("swin_t", 28_288_354, 48_090),  # layer normalisation and position biases
        ("hrnet_w18", 21_299_004, 51_216),
        ("segformer_b0", 3_752_694, 7_680),
        ("deeplabv3plus", 45_674_853, 109_536),  # segmentation-models-pytorch, which spends as many on other places
        ("unet", 31_030_658, 0),
        ("unet3d", 19_069_955, 0),  # the number in the paper's Section 2
        ("patchgan", 2_768_705, 2 * (128 + 256 + 512)),
    ],
)
def test_published_parameters(network: str, total: int, others: int) -> None:
    assert int(past_globals(network).params.sum()) == total - others


@pytest.mark.parametrize(
    ("variant", "total", "fused"),
    [
        ("n", 1_872_157, 1_867_405),
        ("s", 7_235_389, 7_225_885),
        ("m", 21_190_557, 21_172_173),
        ("l", 46_563_709, 46_533_693),
        ("x", 86_749_405, 86_705_005),
    ],
)
def test_published_parameters_of_yolo(variant: str, total: int, fused: int) -> None:
    """A channel before normalisation has two weights more, and one bias more where the two are fused."""
    net = build(f"yolov5{variant}", classes=80)
    assert int(rf.profile(net).params.sum()) == total - 2 * (total - fused)


@pytest.mark.parametrize(
    ("network", "sizes"),
    [
        ("densenet121", {"features.pool0": 56, "features.denseblock1": 56, "features.transition3.pool": 7}),
        ("googlenet", {"maxpool1": 56, "maxpool2": 28, "inception3b": 28, "inception4e": 14, "inception5b": 7}),
        ("googlenet-paper", {"inception4e": 14, "inception5b": 7}),
        ("inception_v3", {"Conv2d_2b_3x3": 147, "maxpool2": 35, "Mixed_5d": 35, "Mixed_6e": 17, "Mixed_7c": 8}),
        ("mobilenet_v2", {"features.0": 112, "features.1.conv.1": 112, "features.3.add": 56, "features.18": 7}),
        ("mobilenet_v3_large", {"features.1.add": 112, "features.6.add": 28, "features.16": 7}),
        ("efficientnet_b0", {"features.1": 112, "features.4": 14, "features.7": 7}),
        ("convnext_tiny", {"features.1": 56, "features.3": 28, "features.5": 14, "features.7": 7}),
        ("swin_t", {"features.1": 56, "features.3": 28, "features.5": 14, "features.7": 7, "head": 1}),
        ("hrnet_w18", {"conv2": 56, "stage4.2.out.0": 56, "stage4.2.out.3": 7, "final_layer": 7}),
        ("unet", {"down1.conv2": 568, "down4.conv2": 64, "bottom.conv2": 28, "up4": 56, "crop1": 392, "output": 388}),
        ("unet-padded", {"bottom.conv2": 32, "output": 512}),
        ("unet3d", {"pool3": (11, 13, 13), "output": (28, 44, 44)}),
        ("deeplabv3plus", {"layer1": 128, "layer4": 32, "aspp": 32, "decoder.conv2": 128, "output": 512}),
        ("segformer_b0", {"block1": 128, "block4": 16, "linear_pred": 128}),
        ("yolov5s", {"model.9": 20, "model.17": 80, "model.20": 40, "model.23": 20}),
        ("patchgan", {"conv3": 32, "conv5": 30}),
        ("wavenet", {"post2": (16000,)}),
        ("tcn", {"linear": (784,)}),
    ],
)
def test_map_sizes(network: str, sizes: dict[str, int | tuple[int, ...]]) -> None:
    found = build(network).map_sizes()
    for layer, size in sizes.items():
        assert found[layer] == (size if isinstance(size, tuple) else (size, size)), layer


@pytest.mark.parametrize(
    "network", ["densenet121", "googlenet", "inception_v3", "efficientnet_b0", "convnext_tiny", "swin_t", "hrnet_w18"]
)
def test_classifiers_can_be_left_out(network: str) -> None:
    backbone = build(network, classes=None)
    assert "linear" not in {layer.op for layer in backbone.layers}
    assert backbone.map_sizes()[backbone.outputs[-1]][0] in (7, 8)


# closed forms ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("blocks", "layers", "kernel"), [(3, 10, 2), (1, 1, 2), (2, 5, 2), (2, 4, 3), (1, 3, 1)])
def test_wavenet_sees_what_its_dilations_add_up_to(blocks: int, layers: int, kernel: int) -> None:
    ds = rf.profile(build("wavenet", blocks=blocks, layers=layers, kernel=kernel))
    samples = 1 + (kernel - 1) * (1 + blocks * (2**layers - 1))
    assert float(ds.area.sel(layer="post2")) == samples
    assert ds.start.sel(layer="post2").values.tolist() == [1 - samples]  # causal: no sample after its own


@pytest.mark.parametrize(("levels", "kernel"), [(8, 7), (1, 2), (4, 3), (10, 2)])
def test_tcn_sees_what_its_dilations_add_up_to(levels: int, kernel: int) -> None:
    ds = rf.profile(build("tcn", levels=levels, kernel=kernel))
    samples = 1 + 2 * (kernel - 1) * (2**levels - 1)
    assert float(ds.area.sel(layer="linear")) == samples
    assert ds.start.sel(layer="linear").values.tolist() == [1 - samples]


@pytest.mark.parametrize(("layers", "patch"), [(1, 16), (3, 70), (5, 286)])
def test_patches_of_the_paper(layers: int, patch: int) -> None:
    ds = rf.profile(build("patchgan", layers=layers))
    assert ds.extent.sel(layer=f"conv{layers + 2}").values.tolist() == [patch, patch]


def test_unet_sees_more_at_entries_between_two_of_its_deepest_map() -> None:
    """By hand: most entries read 4 entries of the bottom map, those over the edge between two of them 5."""
    for name in ("unet", "unet-padded"):
        ds = past_globals(name)
        assert ds.extent.sel(layer="output").values.tolist() == [140 + 4 * 16] * 2
        assert int(ds.phases.sel(layer="output")) == 16 * 16
    small = rf.entry_map(build("unet", input_size=188), "output", input_size=188)
    assert small.extent.values.max() == 188


def test_unpadded_and_padded_unet_see_the_same_away_from_borders() -> None:
    bare, padded = past_globals("unet"), past_globals("unet-padded")
    names = [name for name in bare.layer.values if not name.startswith("crop")]
    assert names == padded.layer.values.tolist()
    for figure in ("extent", "jump", "area", "phases", "params"):
        assert np.array_equal(bare[figure].sel(layer=names), padded[figure]), figure


def test_interpolating_from_corner_to_corner_needs_fewer_neighbours() -> None:
    """Half-pixel centres lie between two entries at every phase; with corners aligned one of four lies on an entry."""
    corners = rf.profile(build("deeplabv3plus", align_corners=True), global_ops="skip")
    centres = past_globals("deeplabv3plus")
    assert corners.map_size.sel(layer="output").values.tolist() == [513, 513]
    assert corners.jump.sel(layer="output").values.tolist() == [1, 1]
    assert corners.extent.sel(layer="decoder.conv2").values.tolist() == [1579 + 32] * 2
    assert centres.extent.sel(layer="decoder.conv2").values.tolist() == [1579 + 32] * 2


# global branches ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "layer", "branch", "ops"),
    [
        ("mobilenet_v3_large", "features.16", "features.4.block.2.fc2", 8),
        ("mobilenet_v3_small", "features.12", "features.1.block.1.fc2", 9),
        ("efficientnet_b0", "features.8", "features.1.0.block.1.fc2", 16),
        ("deeplabv3plus", "output", "aspp.image", 1),
        ("segformer_b0", "linear_pred", "block1.0.attn.pool", 8),
    ],
)
def test_global_branches_can_be_looked_past(network: str, layer: str, branch: str, ops: int) -> None:
    whole = rf.profile(build(network))
    assert bool(whole.is_global.sel(layer=layer))
    skipped = past_globals(network)
    assert not bool(skipped.is_global.sel(layer=layer))
    assert branch in skipped.attrs["dropped"]
    assert len(skipped.attrs["dropped"]) == ops


# windows of attention -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "layer", "pixels"),
    [
        # from torchvision's swin_t by autograd in double precision, masks and all
        ((224, 224), "features.1", {(0, 0): 784, (3, 4): 3136, (28, 28): 3136, (55, 55): 784}),
        ((224, 224), "features.3", {(0, 0): 7056, (3, 4): 19600, (9, 10): 23520, (14, 14): 28224, (27, 0): 7056}),
        ((300, 260), "features.1", {(37, 32): 3136, (74, 0): 560, (74, 64): 720}),
        ((300, 260), "features.3", {(37, 0): 8736, (37, 32): 6656, (19, 16): 28224}),
        ((512, 480), "features.5", {(0, 0): 176400, (31, 0): 156240, (31, 29): 168144, (3, 4): 512 * 480}),
    ],
)
def test_shifted_windows_stop_at_the_border(
    size: tuple[int, int], layer: str, pixels: dict[tuple[int, int], int]
) -> None:
    net = build("swin_t", input_size=size)
    for entry, area in pixels.items():
        assert int(rf.footprint(net, layer, entry=entry, input_size=size).sum()) == area


def test_a_map_of_one_window_is_not_shifted() -> None:
    assert "features.5.1.attn.pad" in build("swin_t")
    assert "features.7.1.attn.pad" not in build("swin_t")
    assert build("swin_t", input_size=(224, 448))["features.7.1.attn.pad"].params["padding"] == (0, 4, 0, 0)


def test_swin_blocks_look_one_window_further_when_shifted() -> None:
    ds = past_globals("swin_t")
    assert ds.extent.sel(layer="features.1.0.attn.window").values.tolist() == [28, 28]
    assert ds.extent.sel(layer="features.1").values.tolist() == [56, 56]


# bad input ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("unet", {"input_size": 512}, r"input_size is 512, but this network needs 60 \+ 16·m .* is \[508, 508\]"),
        ("unet", {"input_size": 172}, r"m ≥ 8; the nearest is \[188, 188\]"),
        ("unet-padded", {"input_size": (100, 96)}, r"needs 16·m; the nearest is \[96, 96\]"),
        ("unet3d", {"input_size": (64, 64)}, "input_size is .64, 64.; give one number, or one for each of the 3 axes"),
        ("deeplabv3plus", {"output_stride": 32}, "output_stride is 32; it must be one of 16, 8"),
        ("deeplabv3plus", {"input_size": 100}, "merges maps of different sizes"),
        ("hrnet_w18", {"input_size": 100}, "merges maps of different sizes"),
        ("mobilenet_v2", {"alpha": 0}, "alpha is 0; the width multiplier must lie above 0"),
        ("patchgan", {"layers": 0}, "layers is 0; it must lie between 1 and 20"),
        ("wavenet", {"layers": 2.5}, "layers is 2.5; it must be a whole number"),
        ("tcn", {"levels": 30}, "levels is 30; it must lie between 1 and 24"),
        ("tcn", {"kernel": 0}, "kernel is 0; it must lie between 1 and"),
    ],
)
def test_bad_input_is_named(name: str, params: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(name, **params)


def test_variants_outside_the_tables_are_refused() -> None:
    from rfscale.engine.zoo import densenet, yolo

    with pytest.raises(InputError, match="depth is 120; it must be one of 121, 161, 169, 201"):
        densenet.densenet(120)
    with pytest.raises(InputError, match="variant is 'xs'"):
        yolo.yolov5("xs")


@pytest.mark.parametrize(
    ("alpha", "first", "last"), [(1.0, 32, 1280), (0.75, 24, 1280), (0.35, 16, 1280), (1.4, 48, 1792)]
)
def test_widths_are_rounded_as_published(alpha: float, first: int, last: int) -> None:
    net = build("mobilenet_v2", alpha=alpha)
    assert net["features.0"].params["channels"] == first
    assert net["features.18"].params["channels"] == last


# the real implementations -------------------------------------------------------------------------------------------

TORCHVISION = (
    *("densenet121", "densenet161", "densenet169", "densenet201", "googlenet", "inception_v3", "mobilenet_v2"),
    *("mobilenet_v3_large", "mobilenet_v3_small", "efficientnet_b0", "convnext_tiny", "swin_t"),
)


@pytest.mark.torch
@pytest.mark.parametrize("name", TORCHVISION)
def test_layers_are_those_of_torchvision(name: str) -> None:
    """Each convolution and linear layer under its name: kernel, stride, dilation, padding, groups, parameters."""
    torch = pytest.importorskip("torch")
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    models = _torchvision_models(torch)
    with torch.device("meta"):
        # the two old ones warn unless they get how to fill the weights, which no one reads
        given = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        model = getattr(models, name)(weights=None, **given)
    net = build(name)
    params = past_globals(name).params
    expected = {_short(torch, model, n): m for n, m in model.named_modules() if _weighted(torch, m)}
    expected = {n: m for n, m in expected.items() if not n.startswith(("aux", "AuxLogits"))}
    layers = {layer.name: layer for layer in net.layers if layer.op in ("conv", "linear")}
    assert layers.keys() == expected.keys()
    for layer, module in expected.items():
        assert int(params.sel(layer=layer)) == sum(p.numel() for p in module.parameters()), layer
        if isinstance(module, torch.nn.Conv2d):
            given = layers[layer].params
            for ours, theirs in (("kernel", "kernel_size"), ("stride", "stride"), ("dilation", "dilation")):
                assert given[ours] == getattr(module, theirs), (layer, ours)
            assert given["padding"] == module.padding * 2, layer
            assert given.get("groups", 1) == module.groups, layer


def _weighted(torch, module) -> bool:
    return isinstance(module, torch.nn.Conv2d | torch.nn.Linear)


def _short(torch, model, name: str) -> str:
    """Leave out the last part of a name where the module around it holds one convolution, its norm and activation."""
    around, _, own = name.rpartition(".")
    if own not in ("0", "conv") or not around:
        return name
    siblings = list(model.get_submodule(around).children())
    plain = all(not list(s.children()) and "Pool" not in type(s).__name__ for s in siblings)
    return around if plain and sum(_weighted(torch, s) for s in siblings) == 1 else name


def _torchvision_models(torch):
    """Import torchvision.models, also where its compiled operators are missing."""
    import sys

    try:
        import torchvision
    except RuntimeError:  # "operator torchvision::nms does not exist": declare it, and import again
        for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision

        torchvision.kept = library
    return torchvision.models
