"""How near the field predicted from weights is to the measured one: the tables of docs/effective-field.md.

Run as ``python -m benchmarks.fields`` (an hour on two cores), with names of models for their rows alone, ``--images N``
for other than 1,000 of noise, and ``--faces FOLDER`` for pnet.pt, rnet.pt and onet.pt of the wheel of facenet-pytorch.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import rfscale as rf

SEED = 0
RANDOM = {  # factory: (layer, pixels)
    "torchvision:alexnet": ("features", 128), "torchvision:vgg11": ("features", 96),
    "torchvision:vgg16": ("features", 96), "torchvision:vgg11_bn": ("features", 96),
    "torchvision:resnet18": ("layer4", 128), "torchvision:resnet34": ("layer3", 128),
    "torchvision:resnet50": ("layer4", 128), "torchvision:resnext50_32x4d": ("layer3", 128),
    "torchvision:squeezenet1_0": ("features", 128), "torchvision:squeezenet1_1": ("features", 128),
    "torchvision:densenet121": ("features.denseblock3", 128), "torchvision:googlenet": ("inception4e", 128),
    "torchvision:mobilenet_v2": ("features", 128), "torchvision:mnasnet1_0": ("layers", 128),
    "torchvision:shufflenet_v2_x1_0": ("stage4", 128), "torchvision:regnet_x_400mf": ("trunk_output", 128),
    "torchvision:inception_v3": ("Mixed_6b", 160), "timm:darknet53": ("stages.3", 128),
    "timm:cspresnet50": ("stages.3", 128), "timm:repvgg_a0": ("stages", 128),
    "timm:res2net50_26w_4s": ("layer3", 128), "timm:vovnet39a": ("stages", 128),
    "timm:efficientnet_lite0": ("blocks", 128), "timm:hrnet_w18_small": ("stage3:0", 128),
}  # fmt: skip
FACES = {"pnet": ("conv3", 12), "rnet": ("dense4", 24), "onet": ("dense5", 48)}


class Row(NamedTuple):
    """One model: how near two predictions are to the field measured on noise."""

    model: str
    layer: str
    pixels: int
    images: int
    noise: float  # standard error of the measured map / its mean, both summed
    correlation: float
    std_ratio: float
    kept_correlation: float
    kept_std_ratio: float
    equal_correlation: float
    equal_std_ratio: float
    milliseconds: float
    seconds: float


def row(name: str, module: Any, layer: str, pixels: int, images: int) -> Row:
    """Measure one model, and set both predictions beside it."""
    rf.predicted_field(module, layer, input_size=pixels)  # libraries load at the first call
    begun = time.process_time()
    predicted = rf.predicted_field(module, layer, input_size=pixels)
    between = time.process_time()
    measured = rf.effective_field(module, layer, count=images, seed=SEED, input_size=pixels)
    seconds = time.process_time() - between
    found = rf.compare_fields(measured, predicted)
    kept = rf.compare_fields(measured, rf.predicted_field(module, layer, input_size=pixels, signs="kept"))
    from rfscale.engine.network.modules import module_layer

    net = rf.load(module, input_size=pixels)
    at = predicted.attrs["entry"] or [0, 0]
    equal = rf.compare_fields(measured, rf.path_counts(net, module_layer(net, layer), at, pixels))
    noise = float(measured.standard_error.sum() / measured.field.sum())
    return Row(
        name, layer, pixels, images, noise, float(found.correlation), float(found.std_ratio.prod() ** 0.5),
        float(kept.correlation), float(kept.std_ratio.prod() ** 0.5),
        float(equal.correlation), float(equal.std_ratio.prod() ** 0.5), 1e3 * (between - begun), seconds,
    )  # fmt: skip


def random_models(names: list[str]) -> Iterator[tuple[str, Any, str, int]]:
    """Models of libraries with random weights."""
    import torch

    from rfscale.engine.fields.modules import module_of

    for name, (layer, pixels) in RANDOM.items():
        if not names or name in names:
            torch.manual_seed(SEED)
            yield name, module_of(name), layer, pixels


def face_models(folder: Path) -> Iterator[tuple[str, Any, str, int]]:
    """The three networks of MTCNN, from their state dicts."""
    import torch
    from torch import nn

    p = nn.Sequential()
    c, r, m = nn.Conv2d, nn.PReLU, nn.MaxPool2d
    for name, part in {
        "conv1": c(3, 10, 3), "prelu1": r(10), "pool1": m(2, 2, ceil_mode=True), "conv2": c(10, 16, 3), "prelu2": r(16),
        "conv3": c(16, 32, 3), "prelu3": r(32), "conv4_2": c(32, 4, 1),
    }.items():  # fmt: skip
        p.add_module(name, part)
    turned = _Turned
    q, o = nn.Sequential(), nn.Sequential()
    for name, part in {
        "conv1": c(3, 28, 3), "prelu1": r(28), "pool1": m(3, 2, ceil_mode=True), "conv2": c(28, 48, 3),
        "prelu2": r(48), "pool2": m(3, 2, ceil_mode=True), "conv3": c(48, 64, 2), "prelu3": r(64), "turned": turned(),
        "dense4": nn.Linear(576, 128), "prelu4": r(128), "dense5_2": nn.Linear(128, 4),
    }.items():  # fmt: skip
        q.add_module(name, part)
    for name, part in {
        "conv1": c(3, 32, 3), "prelu1": r(32), "pool1": m(3, 2, ceil_mode=True), "conv2": c(32, 64, 3),
        "prelu2": r(64), "pool2": m(3, 2, ceil_mode=True), "conv3": c(64, 64, 3), "prelu3": r(64),
        "pool3": m(2, 2, ceil_mode=True), "conv4": c(64, 128, 2), "prelu4": r(128), "turned": turned(),
        "dense5": nn.Linear(1152, 256), "prelu5": r(256), "dense6_2": nn.Linear(256, 4),
    }.items():  # fmt: skip
        o.add_module(name, part)
    for name, module in (("pnet", p), ("rnet", q), ("onet", o)):
        state = torch.load(folder / f"{name}.pt", map_location="cpu", weights_only=True)
        own = set(module.state_dict())
        module.load_state_dict({key: value for key, value in state.items() if key in own})
        yield name, module, *FACES[name]


def _Turned() -> Any:  # noqa: N802
    from torch import nn

    class Turned(nn.Module):
        """A map as a row of values, columns first."""

        def forward(self, x: Any) -> Any:
            return x.permute(0, 3, 2, 1).contiguous().flatten(1)

    return Turned()


def line(found: Row) -> str:
    """One row of the table."""
    return (
        f"| {found.model} | {found.layer} | {found.pixels} | {found.correlation:.3f} | {found.std_ratio:.3f} | "
        f"{found.kept_correlation:.3f} | {found.kept_std_ratio:.3f} | "
        f"{found.equal_correlation:.3f} | {found.equal_std_ratio:.3f} | {found.noise:.3f} | "
        f"{found.milliseconds:.0f} ms | {found.seconds:.0f} s |"
    )


HEAD = """| model | layer | pixels | from the weights: correlation | σ ratio | signs kept: correlation | σ ratio | equal weights: correlation | σ ratio | noise | predicted in | measured in |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"""  # noqa: E501


def main() -> None:
    """Write the table, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--faces", type=Path)
    given = parser.parse_args()
    print(HEAD, flush=True)
    models = face_models(given.faces) if given.faces else random_models(given.names)
    for name, module, layer, pixels in models:
        print(line(row(name, module, layer, pixels, given.images)), flush=True)


if __name__ == "__main__":
    main()
