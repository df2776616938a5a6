"""The zoo beside the real implementations, as the reader reads them: every layer with weights sees the same pixels."""

from __future__ import annotations

from collections import Counter

import pytest
import xarray as xr

import rfscale as rf
from rfscale.engine.network.network import Network
from tests.engine.readers.judges.models import module

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

FIGURES = ("params", "area", "extent", "start", "jump", "overlap", "max_gap", "map_size")
TORCHVISION = """
alexnet vgg16 resnet50 densenet121 googlenet inception_v3 mobilenet_v2 mobilenet_v3_large mobilenet_v3_small
efficientnet_b0 convnext_tiny
""".split()
WEIGHTED = ("conv", "conv_transpose", "linear")


def figures(ds: xr.Dataset, leave_out: tuple[str, ...] = (), ops: tuple[str, ...] = WEIGHTED) -> Counter[str]:
    """How many layers of some kind have which figures: names and order are the implementation's own."""
    kept = [
        i
        for i, (name, op) in enumerate(zip(ds.layer.values, ds.op.values, strict=True))
        if op in ops and not any(part in name for part in leave_out)
    ]
    columns = [ds[f].values[kept].tolist() for f in FIGURES if f in ds]
    return Counter(map(str, zip(*columns, strict=True)))


def same_figures(zoo: Network, real: Network, ops: tuple[str, ...] = WEIGHTED) -> None:
    """Interior footprints, and those of the central and the first entry of every map."""
    size = zoo.input_size
    assert size == real.input_size
    for given in ({}, {"input_size": size}, {"input_size": size, "entry": (0,) * len(size)}):
        ours, theirs = (figures(rf.profile(net, global_ops="skip", **given), ops=ops) for net in (zoo, real))
        assert ours.total() > 3
        assert (ours - theirs, theirs - ours) == (Counter(), Counter()), given


@pytest.mark.parametrize("name", TORCHVISION)
def test_networks_of_torchvision(name):
    zoo = rf.load(name)
    model = f"torchvision.models:{name}"
    same_figures(zoo, rf.load(module(model), example_input=(1, 3, *zoo.input_size)))


OTHERS = {
    "hrnet_w18": ("timm:create_model", {"model_name": "hrnet_w18", "pretrained": False}),
    "segformer_b0": (
        "segmentation_models_pytorch:Segformer",
        {"encoder_name": "mit_b0", "encoder_weights": None, "classes": 150},
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_networks_of_other_libraries(name):
    zoo = rf.load(name)
    model, given = OTHERS[name]
    same_figures(zoo, rf.load(model, example_input=(1, 3, *zoo.input_size), **given))


def test_swin_away_from_borders():
    """Not its attention, which the zoo writes with pads in the place of rolls and masks; what follows has the same."""
    zoo = rf.load("swin_t", input_size=448)  # 224 leaves the last stage one window, which is the whole map
    real = rf.load(module("torchvision.models:swin_t"), example_input=(1, 3, 448, 448))
    ours, theirs = (figures(rf.profile(net, global_ops="skip"), (".attn",)) for net in (zoo, real))
    assert ours.total() == 29
    assert ours == theirs


def test_deeplab_up_to_its_decoder():
    """The decoder of segmentation-models-pytorch has one of its two separable 3×3 before the shortcut joins."""
    import segmentation_models_pytorch as smp
    import torch

    given = {"encoder_weights": None, "encoder_output_stride": 16, "decoder_atrous_rates": (6, 12, 18)}
    made = smp.DeepLabV3Plus("resnet101", **given).eval()

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.aspp = made.encoder, made.decoder.aspp[0]

        def forward(self, x):
            return self.aspp(self.encoder(x)[-1])

    real = rf.load(Encoder(), example_input=(1, 3, 512, 512))
    zoo = rf.load("deeplabv3plus")
    spec = zoo.to_dict()
    later = ("decoder", "classes", "output")
    spec["layers"] = [layer for layer in spec["layers"] if layer["name"].partition(".")[0] not in later]
    same_figures(Network.from_dict(spec), real)


WRITTEN = {"unet": 1, "unet3d": 3, "patchgan": 6, "tcn": 1, "WaveNet": 256, "YOLOv5s": 3}  # channels of the image


@pytest.mark.parametrize("name", WRITTEN)
def test_networks_that_no_library_has(name):
    from tests.engine.readers import written

    zoo = rf.load(name.lower())
    real = rf.load(getattr(written, name)(), example_input=(1, WRITTEN[name], *zoo.input_size))
    # the authors' TCN pads both ends and cuts one off again: what is equal are the sums after them
    same_figures(zoo, real, ("add",) if name == "tcn" else WEIGHTED)


def test_padded_unet():
    from tests.engine.readers import written

    same_figures(rf.load("unet-padded"), rf.load(written.unet(padding=1), example_input=(1, 1, 512, 512)))
