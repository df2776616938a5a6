"""How near the field predicted from weights is to the measured one: the tables of docs/effective-field.md.

python -m benchmarks.fields rows.jsonl                  # all rows at random weights on 1,000 images of noise
python -m benchmarks.fields rows.jsonl --faces FOLDER   # pnet.pt, rnet.pt, onet.pt of the wheel of facenet-pytorch too
python -m benchmarks.fields rows.jsonl --train          # networks of benchmarks/trained.py, trained on the spot
python -m benchmarks.fields rows.jsonl --write          # the tables of docs/effective-field.md, of the rows there are

A row is a line of the file as soon as it is known, and the sums over images are kept beside it: the same command goes
on where it was stopped, and with ``--again`` it sets predictions of other code beside the same measurements. ``--images
N`` for other numbers of images; names of models for their rows alone. About half an hour of one core. The last row of a
model counts, and a row of fewer images than asked for is measured anew.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from itertools import chain
from math import isnan, nan
from pathlib import Path
from typing import Any, NamedTuple

import rfscale as rf
from benchmarks.report import ROOT, replaced

SEED = 0
PAGE = ROOT / "docs" / "effective-field.md"
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
GATED = {  # gates, norms of the image itself, attention: factory: (layer, pixels, its arguments)
    "timm:seresnet50": ("layer3", 128, {}), "timm:efficientnet_b0": ("blocks.4", 128, {}),
    "timm:mobilenetv3_small_100": ("blocks.4", 128, {}), "timm:mobilenetv3_large_100": ("blocks.4", 128, {}),
    "timm:resnetv2_50x1_bit": ("stages.2", 128, {}), "timm:convnext_atto": ("stages.2", 128, {"ls_init_value": 1.0}),
    "timm:convnext_tiny": ("stages.2", 96, {}), "timm:gmlp_s16_224": ("map", 96, {"img_size": 96}),
    "timm:deit_tiny_patch16_224": ("map", 96, {"img_size": 96}),
    "timm:swin_tiny_patch4_window7_224": ("layers.2", 112, {"img_size": 112}),
    "timm:deit_tiny_patch16_224, queries and keys × 4": ("map", 96, {"img_size": 96}),
    "timm:deit_tiny_patch16_224, queries and keys × 7": ("map", 96, {"img_size": 96}),
}  # fmt: skip
DRAWS = {"plain": 64, "gated": 64, "trained": 512}  # with the signs kept; of small networks more cost little
FACES = {"pnet": ("conv3", 12), "rnet": ("dense4", 24), "onet": ("dense5", 48)}


class Row(NamedTuple):
    """One model: how near two predictions are to the field measured on noise; NaN where there is none."""

    model: str
    layer: str
    pixels: int
    group: str
    images: int
    noise: float  # standard error of the measured map / its mean, both summed
    correlation: float
    std_ratio: float
    kept_correlation: float
    kept_std_ratio: float
    equal_correlation: float
    equal_std_ratio: float
    milliseconds: float
    seconds: float  # NaN where measuring was stopped in between


class Model(NamedTuple):
    """What a row is of."""

    name: str
    group: str
    module: Any
    layer: str
    pixels: int


def row(of: Model, images: int, state: Path, seconds: float = nan) -> Row:
    """Measure one model, and set the predictions beside it; `seconds` that it took before, if the sums are there."""
    module, layer, pixels = of.module, of.layer, of.pixels
    rf.predicted_field(module, layer, input_size=pixels)  # libraries load at the first call
    begun = time.process_time()
    predicted = rf.predicted_field(module, layer, input_size=pixels)
    milliseconds = 1e3 * (time.process_time() - begun)
    resumed, begun = state.exists(), time.process_time()
    measured = rf.effective_field(module, layer, count=images, seed=SEED, input_size=pixels, resume=state)
    seconds = seconds if resumed else time.process_time() - begun
    kept = rf.predicted_field(module, layer, input_size=pixels, signs="kept", draws=DRAWS[of.group])
    noise = float(measured.standard_error.sum() / measured.field.sum())
    near = [*_near(measured, predicted), *_near(measured, kept), *_near(measured, _equal(of, predicted.attrs["entry"]))]
    return Row(of.name, layer, pixels, of.group, images, noise, *near, milliseconds, seconds)


def _near(measured: Any, other: Any) -> tuple[float, float]:
    if other is None:
        return nan, nan
    found = rf.compare_fields(measured, other)
    return float(found.correlation), float(found.std_ratio.prod() ** 0.5)


def _equal(of: Model, entry: list[int]) -> Any:
    """Path counts; None where the network cannot be read up to the layer."""
    from rfscale.engine.network.modules import module_layer

    try:
        net = rf.load(of.module, input_size=of.pixels)
        return rf.path_counts(net, module_layer(net, of.layer), entry or [0, 0], of.pixels)
    except rf.InputError:
        return None


def random_models(names: list[str], done: set[str]) -> Iterator[Model]:
    """Models of libraries with random weights."""
    import torch

    from rfscale.engine.fields.modules import module_of

    plain = {name: (layer, pixels, {}) for name, (layer, pixels) in RANDOM.items()}
    for group, rows in (("plain", plain), ("gated", GATED)):
        for name, (layer, pixels, arguments) in rows.items():
            if name in done or (names and name not in names):
                continue
            torch.manual_seed(SEED)
            factory, _, gain = name.partition(", queries and keys × ")
            module = module_of(factory, arguments).eval()
            if gain:
                with torch.no_grad():
                    for block in module.blocks:
                        block.attn.qkv.weight[: 2 * module.embed_dim] *= float(gain)
            yield Model(name, group, _TokenMap(module) if layer == "map" else module, layer, pixels)


def trained_here(names: list[str], done: set[str], beside: Callable[[str, str], Path]) -> Iterator[Model]:
    """Networks that are trained on the spot; their weights are kept beside the rows."""
    import torch

    from benchmarks.trained import KINDS, SIDE, trained

    for name, kind in KINDS.items():
        if name in done or (names and name not in names):
            continue
        file = beside(name, ".pt")
        if file.exists():
            module = kind.make()
            module.load_state_dict(torch.load(file, weights_only=True))
        else:
            module, right = trained(kind)
            torch.save(module.state_dict(), file)
            print(f"{name}: trained, {right:.0%} right", flush=True)
        yield Model(name, "trained", module.eval(), kind.layer, SIDE)


def _TokenMap(model: Any) -> Any:  # noqa: N802
    from torch import nn

    class TokenMap(nn.Module):
        """The tokens of the last block as a map, without those that are no pixels."""

        def __init__(self) -> None:
            super().__init__()
            self.model, self.map = model, nn.Identity()

        def forward(self, x: Any) -> Any:
            tokens = self.model.forward_features(x)[:, getattr(self.model, "num_prefix_tokens", 0) :]
            side = int(tokens.shape[1] ** 0.5)
            return self.map(tokens.transpose(1, 2).reshape(len(tokens), -1, side, side))

    return TokenMap()


def face_models(folder: Path) -> Iterator[Model]:
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
        yield Model(name, "trained", module, *FACES[name])


def _Turned() -> Any:  # noqa: N802
    from torch import nn

    class Turned(nn.Module):
        """A map as a row of values, columns first."""

        def forward(self, x: Any) -> Any:
            return x.permute(0, 3, 2, 1).contiguous().flatten(1)

    return Turned()


def line(found: Row) -> str:
    """One row of the table."""
    near = found[6:12]
    shown = " | ".join("" if isnan(v) else f"{v:.3f}" for v in (*near, found.noise))
    seconds = "" if isnan(found.seconds) else f"{found.seconds:.0f} s"
    return (
        f"| {found.model} | {found.layer} | {found.pixels} | {found.images} | {shown} | {found.milliseconds:.0f} ms | "
        f"{seconds} |"
    )


HEAD = """| model | layer | pixels | images | from the weights: correlation | σ ratio | signs kept: correlation | σ ratio | equal weights: correlation | σ ratio | noise | predicted in | measured in |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"""  # noqa: E501
MARKS = {group: (f"<!-- {group} -->", f"<!-- /{group} -->") for group in ("plain", "gated", "trained")}


def rows_of(file: Path) -> list[Row]:
    """The rows that a file has; a last line that a stop cut off is none."""
    found: dict[str, Row] = {}
    for text in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        try:
            one = Row(**json.loads(text))
        except json.JSONDecodeError:
            continue
        found[one.model] = one
    return list(found.values())


def table(rows: list[Row], group: str) -> str:
    """The Markdown table of one group."""
    return "\n".join([HEAD, *(line(r) for r in rows if r.group == group)])


def main() -> None:
    """Add the rows that a file lacks, and print or write its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--faces", type=Path)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_intermixed_args()
    if given.write:
        text, rows = PAGE.read_text(encoding="utf-8"), rows_of(given.file)
        for group, marks in MARKS.items():
            if any(r.group == group for r in rows):
                text = replaced(text, table(rows, group), marks)
        PAGE.write_text(text, encoding="utf-8")
        return
    known = {r.model: r for r in rows_of(given.file) if r.images >= given.images}
    done = set() if given.again else set(known)

    def beside(name: str, suffix: str) -> Path:
        return given.file.with_name(f"{given.file.stem}-{''.join(c if c.isalnum() else '-' for c in name)}{suffix}")

    for of in chain(
        (m for m in (face_models(given.faces) if given.faces else ()) if m.name not in done),
        trained_here(given.names, done, beside) if given.train else (),
        random_models(given.names, done),
    ):
        found = row(of, given.images, beside(of.name, ".npz"), known[of.name].seconds if of.name in known else nan)
        with given.file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(found._asdict(), ensure_ascii=False) + "\n")
        print(line(found), flush=True)


if __name__ == "__main__":
    main()
