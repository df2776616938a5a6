"""Fields of models of torchvision and timm lie on their exact footprints, bit for bit, where weights are positive."""

from __future__ import annotations

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.network.modules import module_layer
from tests.engine.fields.small_models import positive

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

# name: (layer, pixels); layers in the middle, so that footprints end inside the image
MODELS = {
    "torchvision:alexnet": ("features.3", 96), "torchvision:vgg11": ("features.10", 96),
    "torchvision:vgg13": ("features.12", 96), "torchvision:vgg16": ("features.14", 96),
    "torchvision:vgg11_bn": ("features.14", 96), "torchvision:resnet18": ("layer2", 128),
    "torchvision:resnet34": ("layer2.1", 128), "torchvision:resnet50": ("layer2", 128),
    "torchvision:resnext50_32x4d": ("layer2", 128), "torchvision:wide_resnet50_2": ("layer1", 128),
    "torchvision:squeezenet1_0": ("features.7", 128), "torchvision:squeezenet1_1": ("features.7", 128),
    "torchvision:densenet121": ("features.denseblock1", 128), "torchvision:googlenet": ("inception3a", 128),
    "torchvision:inception_v3": ("Mixed_5c", 160), "torchvision:mobilenet_v2": ("features.6", 128),
    "torchvision:mnasnet0_5": ("layers.9", 128), "torchvision:mnasnet1_0": ("layers.9", 128),
    "torchvision:shufflenet_v2_x0_5": ("stage2", 128), "torchvision:shufflenet_v2_x1_0": ("stage2", 128),
    "torchvision:regnet_x_400mf": ("trunk_output.block2", 128),
    "torchvision:regnet_x_800mf": ("trunk_output.block2", 128),
    "timm:darknet53": ("stages.1", 128), "timm:darknet17": ("stages.2", 128), "timm:cspresnet50": ("stages.1", 128),
    "timm:cspdarknet53": ("stages.1", 128), "timm:repvgg_a0": ("stages.1", 128), "timm:repvgg_b0": ("stages.1", 128),
    "timm:res2net50_26w_4s": ("layer1", 128), "timm:vovnet39a": ("stages.0", 128), "timm:dla34": ("level2", 128),
    "timm:efficientnet_lite0": ("blocks.2", 128), "timm:hrnet_w18_small": ("layer1", 128),
    "timm:hardcorenas_a": ("blocks.0", 128), "timm:xception41": ("blocks.2", 128), "timm:gernet_s": ("stages.1", 128),
    "timm:resnet26d": ("layer2", 128), "timm:resnet10t": ("layer2", 128), "timm:resnet14t": ("layer2", 128),
    "timm:tf_mobilenetv3_small_minimal_100": ("blocks.2", 96), "timm:legacy_xception": ("block1", 128),
}  # fmt: skip

ALWAYS = (
    "torchvision:alexnet", "torchvision:squeezenet1_1", "torchvision:mobilenet_v2", "torchvision:shufflenet_v2_x0_5",
    "timm:resnet10t", "timm:vovnet39a", "timm:hrnet_w18_small", "timm:hardcorenas_a",
)  # fmt: skip  # a few seconds each; the others are minutes together
CASES = [pytest.param(name, marks=[] if name in ALWAYS else [pytest.mark.exhaustive]) for name in MODELS]

IMAGES = 2, 30, 96, 256, 512, 1024  # max-pools choose: each path of the footprint is taken on some image


@pytest.mark.parametrize("name", CASES)
def test_support_of_a_model(name):
    from rfscale.engine.fields.modules import module_of

    layer, pixels = MODELS[name]
    model = positive(module_of(name).eval())
    net = rf.load(model, input_size=pixels)
    predicted = rf.predicted_field(model, layer, input_size=pixels, precision="double")
    y, x = predicted.attrs["entry"]
    exact, beside = (rf.footprint(net, module_layer(net, layer), (y, v), pixels).values for v in (x, x + 1))
    assert np.array_equal(predicted.field.values > 0, exact)
    reached = support(model, layer, (y, x), pixels, exact)
    assert np.array_equal(reached, exact)
    # errors of one entry, in the footprint and in the field
    assert not np.array_equal(reached, beside)
    assert not np.array_equal(support(model, layer, (y, x + 1), pixels, exact), exact)


def support(model, layer, entry, pixels, exact):
    """Where the measured field is above 0 on any image, until it is `exact` or goes beyond."""
    import torch

    generator = torch.Generator().manual_seed(0)
    pools = any("MaxPool" in type(part).__name__ for part in model.modules())
    reached = np.zeros((pixels, pixels), bool)
    for count in IMAGES if pools else IMAGES[:1]:
        images = torch.rand((count, 3, pixels, pixels), generator=generator) + 0.1  # no unit is dead
        reached |= rf.effective_field(model, layer, images, entry=entry).field.values > 0
        if np.array_equal(reached, exact) or reached[~exact].any():
            break
    return reached
