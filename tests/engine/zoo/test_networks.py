"""The zoo against published figures: receptive fields, parameters, operations, map sizes."""

from __future__ import annotations

import csv
from functools import cache
from math import isnan

import pytest
import xarray as xr

import rfscale as rf
from docs import refresh
from rfscale.engine import InputError, Network
from rfscale.engine.zoo.registry import NETWORKS, build
from tests import ROOT

HERE = ROOT / "tests"
DOCS = HERE.parent / "docs" / "networks.md"

# TF-Slim networks: which of the zoo serves them, and how its layers are called where the end point has another name
SLIM: dict[str, tuple[str, dict[str, str]]] = {
    "alexnet_v2": ("alexnet-slim", {}),  # conv1, pool1, …
    "vgg_16": ("vgg16", {}),  # conv3/conv3_2 is our conv3_2; SAME of stride 1 is a padding of 1
    "resnet_v1_50": ("resnet50-slim", {"block": "layer"}),  # block1 is our layer1
    "mobilenet_v1": ("mobilenet-v1", {"Conv2d_": "conv", "_pointwise": "_pw"}),  # Conv2d_3_pointwise is our conv3_pw
}


# a size for networks of other axes than two, or whose maps fit together at certain sizes only
OTHER_SIZES: dict[str, tuple[int, ...]] = {
    "unet": (412, 476),
    "unet3d": (92, 100, 108),
    "wavenet": (5000,),
    "tcn": (300,),
}


def published_rows() -> list[tuple[str, str, int, int, int | None]]:
    """Return (zoo network, layer, extent, jump, padding or None) of each published end point."""
    lines = (HERE / "data" / "published_rf.csv").read_text(encoding="utf-8").splitlines()
    rows = []
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        network, renamed = SLIM[row["network"].split("[")[0]]
        layer = row["endpoint"].split("/")[-1]
        for theirs, ours in renamed.items():
            layer = layer.replace(theirs, ours)
        padding = int(row["padding"]) if row["padding"] else None
        rows.append((network, layer, int(row["rf_size"]), int(row["stride"]), padding))
    return rows


@cache
def profile_of(name: str) -> xr.Dataset:
    """Profile of a network of the zoo, interior."""
    return rf.profile(build(name))


def figure(name: str, variable: str, layer: str) -> list[float]:
    """One value per axis."""
    return [float(value) for value in profile_of(name)[variable].sel(layer=layer).values]


def test_all_published_rows_are_read() -> None:
    assert len(published_rows()) == 56


@pytest.mark.parametrize(("network", "layer", "extent", "jump", "padding"), published_rows())
def test_published_receptive_fields(network: str, layer: str, extent: int, jump: int, padding: int | None) -> None:
    assert figure(network, "extent", layer) == [extent, extent]
    assert figure(network, "jump", layer) == [jump, jump]
    if padding is not None:
        assert figure(network, "start", layer) == [-padding, -padding]


@pytest.mark.parametrize(
    ("network", "extents"),
    [
        ("resnet18", [43, 99, 211, 435]),
        ("resnet34", [59, 179, 547, 899]),
        ("resnet50", [35, 91, 267, 427]),
        ("resnet101", [35, 91, 811, 971]),
        ("resnet152", [35, 155, 1291, 1451]),
        ("resnet50-v1", [35, 99, 291, 483]),  # the article's conv2_3, conv3_4, conv4_6, conv5_3
    ],
)
def test_stages_of_residual_networks(network: str, extents: list[int]) -> None:
    for stage, extent in enumerate(extents, start=1):
        assert figure(network, "extent", f"layer{stage}") == [extent, extent]
        assert figure(network, "jump", f"layer{stage}") == [2 ** (stage + 1)] * 2


@pytest.mark.parametrize(
    ("network", "layer", "extent", "jump"),
    [
        ("stack20", "conv20", 41, 1),
        ("stack20-pool4", "conv20", 264, 16),
        ("plain5", "conv5", 11, 1),
        ("strided5", "conv5", 63, 32),
        ("dilated5", "conv5", 21, 1),
        ("vgg11", "pool5", 150, 32),
        ("vgg13", "pool5", 156, 32),
        ("vgg16", "pool5", 212, 32),
        ("vgg19", "pool5", 268, 32),
        ("alexnet", "pool5", 195, 32),
        ("aspp", "rate18", 37, 1),
        ("dorn-aspp", "layer4", 1023, 8),
        ("dorn-aspp", "rate6", 1119, 8),
        ("dorn-aspp", "rate12", 1215, 8),
        ("dorn-aspp", "aspp", 1311, 8),
        ("ssd300", "conv4_3", 92, 8),
        ("ssd300", "fc7", 420, 16),
        ("ssd300", "conv9_2", 772, 64),
        ("ssd512", "conv10_2", 1668, 256),
    ],
)
def test_known_extents(network: str, layer: str, extent: int, jump: int) -> None:
    assert figure(network, "extent", layer) == [extent, extent]
    assert figure(network, "jump", layer) == [jump, jump]


def test_context_module_has_the_receptive_fields_of_its_paper() -> None:
    """Yu and Koltun, Table 1, row "receptive field"."""
    assert profile_of("context-module").extent.sel(axis="y").values.tolist() == [3, 5, 9, 17, 33, 65, 67, 67]


def test_dilations_leave_holes_and_residual_networks_do_not() -> None:
    assert profile_of("dilated5").area.values.tolist() == [9, 25, 49, 81, 121]
    assert float(profile_of("resnet50").density.sel(layer="layer4")) == 1


def test_pyramids_double_from_level_to_level() -> None:
    for level in range(5):
        assert figure("image-pyramid", "extent", f"level{level}.conv3") == [7 * 2**level] * 2
        assert figure("image-pyramid", "jump", f"level{level}.conv3") == [2**level] * 2


def test_feature_pyramid_levels_see_the_deepest_stage() -> None:
    """A level below P5 reads two neighbours of its lateral map, which lie 32 pixels apart, and P5 itself three."""
    for level, extent in zip(range(2, 7), (483 + 32, 483 + 32, 483 + 32, 483 + 64, 483 + 64), strict=True):
        assert figure("fpn-resnet50", "extent", f"P{level}") == [extent, extent]
        assert figure("fpn-resnet50", "jump", f"P{level}") == [2**level] * 2


def test_parallel_dilations_share_only_their_centre() -> None:
    assert float(profile_of("aspp").area.sel(layer="aspp")) == 9 + 8 + 8


def test_depth_network_is_global_unless_its_encoder_is_skipped() -> None:
    assert bool(profile_of("dorn").is_global.sel(layer="ordinal"))
    skipped = rf.profile(build("dorn"), global_ops="skip")
    assert skipped.attrs["dropped"] == ["encoder.conv"]
    assert skipped.extent.sel(layer="ordinal").values.tolist() == [1311, 1311]


def test_scale_space_windows_follow_the_blur() -> None:
    net = build("sift", octaves=2)
    kernels = [net[f"octave0.gauss{i}"].params["kernel"][0] for i in range(6)]
    assert kernels == [11, 9, 11, 13, 17, 21]  # 2·ceil(3σ) + 1 of σ = 1.52, 1.23, 1.54, 1.95, 2.45, 3.09
    assert len(net.outputs) == 2 * 5
    for octave in range(4):
        assert figure("sift", "jump", f"octave{octave}.dog0") == [2**octave] * 2
    assert figure("sift", "extent", "octave0.dog4") == [1 + 10 + 8 + 10 + 12 + 16 + 20] * 2


def test_scale_space_can_start_from_the_doubled_image() -> None:
    ds = rf.profile(build("sift", octaves=2, double=True))
    assert ds.jump.sel(layer="octave0.dog0").values.tolist() == [0.5, 0.5]
    assert ds.jump.sel(layer="octave1.dog0").values.tolist() == [1, 1]


# weights and biases of convolutions and linear layers: the published totals without their batch normalisation
@pytest.mark.parametrize(
    ("network", "params", "macs"),
    [
        ("alexnet", 61_100_840, 714_188_480),
        ("vgg11", 132_863_336, None),
        ("vgg13", 133_047_848, None),
        ("vgg16", 138_357_544, 15_470_264_320),
        ("vgg19", 143_667_240, None),
        ("resnet18", 11_689_512 - 9_600, 1_814_073_344),
        ("resnet34", 21_797_672 - 17_024, None),
        ("resnet50", 25_557_032 - 53_120, 4_089_184_256),
        ("resnet50-v1", 25_557_032 - 53_120, None),
        ("resnet101", 44_549_160 - 105_344, None),
        ("resnet152", 60_192_808 - 151_424, None),
        ("mobilenet-v1", 4_231_976 - 21_888, 568_740_352),
    ],
)
def test_published_costs(network: str, params: int, macs: int | None) -> None:
    assert int(profile_of(network).params.sum()) == params
    if macs is not None:
        assert int(profile_of(network).macs.sum()) == macs


def test_cost_of_ssd_with_its_prediction_layers() -> None:
    """26,285,486 parameters for VOC, of which 512 are the scales of the normalised conv4_3."""
    assert int(rf.profile(build("ssd300", classes=21)).params.sum()) == 26_285_486 - 512


@pytest.mark.parametrize(
    ("network", "sizes"),
    [
        ("resnet50", {"conv1": 112, "maxpool": 56, "layer1": 56, "layer2": 28, "layer3": 14, "layer4": 7, "fc": 1}),
        ("resnet50-slim", {"maxpool": 56, "layer1": 28, "layer2": 14, "layer3": 7, "layer4": 7}),
        ("alexnet", {"conv1": 55, "pool1": 27, "pool2": 13, "pool5": 6, "avgpool": 6}),
        ("alexnet-slim", {"conv1": 54, "pool1": 26, "pool2": 12, "pool5": 5, "fc6": 1, "fc8": 1}),
        ("vgg16", {"pool1": 112, "pool5": 7, "avgpool": 7}),
        ("mobilenet-v1", {"conv0": 112, "conv2_pw": 56, "conv6_pw": 14, "conv13_pw": 7}),
        ("fpn-resnet101", {"P2": (200, 336), "P5": (25, 42), "P6": (13, 21)}),
        ("dorn-aspp", {"maxpool": (97, 129), "layer2": (49, 65), "aspp": (49, 65)}),
        ("dorn", {"encoder.pool": (4, 5), "encoder.fc": (1, 1), "scene": (49, 65), "ordinal": (49, 65)}),
        ("context-module", {"conv8": 64}),
        ("strided5", {"conv5": 7}),
        ("image-pyramid", {"level4.conv3": 32}),
        ("sift", {"octave3.dog0": 64}),
    ],
)
def test_map_sizes(network: str, sizes: dict[str, int | tuple[int, int]]) -> None:
    found = build(network).map_sizes()
    for layer, size in sizes.items():
        assert found[layer] == (size if isinstance(size, tuple) else (size, size)), layer


@pytest.mark.parametrize(
    ("network", "sides", "boxes", "total"),
    [
        ("ssd300", [38, 19, 10, 5, 3, 1], [4, 6, 6, 6, 4, 4], 8732),
        ("ssd512", [64, 32, 16, 8, 4, 2, 1], [4, 6, 6, 6, 6, 4, 4], 24564),
    ],
)
def test_ssd_has_the_default_boxes_of_its_paper(network: str, sides: list[int], boxes: list[int], total: int) -> None:
    net = build(network)
    sizes = net.map_sizes()
    assert [sizes[name] for name in net.outputs] == [(side, side) for side in sides]
    assert sum(side * side * n for side, n in zip(sides, boxes, strict=True)) == total


@pytest.mark.parametrize("name", NETWORKS)
def test_entries_are_complete(name: str) -> None:
    entry = NETWORKS[name]
    net = entry.build()
    assert entry.name == name
    assert entry.summary
    assert "\n" not in entry.summary
    assert entry.citation
    assert net.input_size is not None
    assert all(output in net for output in net.outputs)
    assert Network.from_dict(net.to_dict()) == net
    if name not in ("stack", "pooled-stack", "dilated-stack", "strided-stack"):
        assert net.name == name


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_has_a_cost(name: str) -> None:
    ds = profile_of(name)
    assert not any(isnan(v) for v in ds.params.values)
    assert not any(isnan(v) for v in ds.macs.values)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_takes_an_input_size(name: str) -> None:
    size = OTHER_SIZES.get(name, (416, 480))
    assert build(name, input_size=size).input_size == size


@pytest.mark.parametrize("name", [n for n in NETWORKS if n.startswith(("resnet", "alexnet", "vgg", "mobilenet"))])
def test_classifiers_can_be_left_out(name: str) -> None:
    backbone = build(name, classes=None)
    assert "linear" not in {layer.op for layer in backbone.layers}
    assert backbone.map_sizes()[backbone.outputs[0]][0] in (5, 6, 7)


def test_parameters_reach_the_builders() -> None:
    assert [layer.op for layer in build("pooled-stack", n=4, every=2, pool_last=True).layers].count("max_pool") == 2
    assert build("stack", n=3, kernel=5).layers[0].params["kernel"] == (5, 5)
    assert build("resnet50", stride_in="1x1").layers == build("resnet50-v1").layers
    assert build("resnet18", stride_in="block_end").map_sizes()["layer4"] == (7, 7)
    assert len(build("aspp", rates=[4, 8, 12, 16])) == 5
    assert build("context-module", large=True)["conv7"].params["channels"] == 32 * 21
    assert build("mobilenet-v1", alpha=0.25)["conv0"].params["channels"] == 8


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("resnet51", {}, "no network 'resnet51' in the zoo; did you mean .*'resnet50'"),
        ("resnet50", {"stride": "1x1"}, "resnet50 has no parameter 'stride'; did you mean 'stride_in'"),
        ("resnet50", {"depth": 101}, "resnet50 has no parameter 'depth'"),
        ("resnet50", {"stride_in": "5x5"}, "stride_in is '5x5'; it must be one of 3x3, 1x1"),
        ("resnet18", {"stride_in": "1x1"}, "stride_in is '1x1', but the units of a resnet18 have no 1×1"),
        ("fpn-resnet50", {"input_size": 100}, "merges maps of different sizes"),
        ("stack", {"n": 0}, "n is 0; it must lie between 1 and"),
        ("pooled-stack", {"every": 1.5}, "every is 1.5; it must be a whole number"),
        ("aspp", {"rates": 6}, "rates is 6; it must be a list of different dilations"),
        ("aspp", {"rates": [6, 6]}, "rates is .6, 6.; it must be a list of different dilations"),
        ("mobilenet-v1", {"alpha": 0}, "alpha is 0; the width multiplier must lie above 0"),
        ("sift", {"sigma": 0.4}, "sigma is 0.4; it must lie above the blur of the image it starts from, 0.5"),
        ("sift", {"truncate": -1}, "truncate is -1; it must lie above 0"),
    ],
)
def test_bad_input_is_named(name: str, params: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(name, **params)


@pytest.mark.parametrize(("family", "depth"), [("vgg", 12), ("resnet", 60)])
def test_depths_outside_the_tables_are_refused(family: str, depth: int) -> None:
    from rfscale.engine.zoo import resnet, vgg

    with pytest.raises(InputError, match=f"depth is {depth}; it must be one of"):
        {"vgg": vgg.vgg, "resnet": resnet.resnet}[family](depth)


def test_docs_show_the_table() -> None:
    """`python docs/refresh.py docs/networks.md` writes it anew."""
    page = DOCS.read_text(encoding="utf-8")
    assert refresh.TABLE.search(page)
    assert refresh.refresh(page) == page
