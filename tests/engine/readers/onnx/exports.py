"""ONNX exports of PyTorch models give the figures of the models themselves.

`python -m tests.engine.readers.onnx.exports` reads all, most of an hour, nearly all of it torch.onnx.export. A row for
each model and exporter: how many layers and modules have the same name in both, and how many of these differ.
"""

from __future__ import annotations

import io
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import rfscale as rf

EXPORTERS = {"dynamo 18": (True, 18), "dynamo 20": (True, 20), "script 17": (False, 17), "script 9": (False, 9)}
TORCHVISION = """
resnet18 resnet50 resnext50_32x4d wide_resnet50_2 vgg11_bn alexnet squeezenet1_1 densenet121 googlenet inception_v3
mobilenet_v2 mobilenet_v3_small mobilenet_v3_large mnasnet0_5 shufflenet_v2_x0_5 efficientnet_b0 efficientnet_v2_s
regnet_y_400mf convnext_tiny vit_b_16 swin_t swin_v2_t maxvit_t segmentation.fcn_resnet50
segmentation.deeplabv3_resnet50 segmentation.lraspp_mobilenet_v3_large
""".split()
TIMM = """
resnet26d.bt_in1k resnetv2_50 seresnet18 gernet_s repvgg_a0 hrnet_w18_small mixnet_s ghostnet_100 tf_efficientnet_lite0
rexnet_100 cspresnet50 dla34 res2net50_26w_4s convnext_atto efficientformer_l1 mobileone_s0 fastvit_t8 poolformer_s12
""".split()
SIZES = {
    "vgg11_bn": 224,
    "alexnet": 224,
    "inception_v3": 299,
    "maxvit_t": 224,
    "vit_b_16": 224,
    "swin_t": 224,
    "swin_v2_t": 256,
    "efficientformer_l1": 224,
}


def models() -> Iterator[tuple[str, Callable[[], Any], int]]:
    """Name, factory and pixels of an edge of each model."""
    for name in TORCHVISION:
        yield name, lambda name=name: _of_torchvision(name), SIZES.get(name, 128)
    for name in TIMM:
        yield name, lambda name=name: _of_timm(name), SIZES.get(name, 128)


def _of_torchvision(name: str) -> Any:
    from rfscale.engine.readers.names.python import find

    find("torchvision.models:resnet18")  # where its compiled operators are missing, they are declared
    import torchvision

    family, _, short = name.rpartition(".")
    home = getattr(torchvision.models, family) if family else torchvision.models
    given = {"weights": None} | ({"weights_backbone": None} if family else {})
    given |= {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return getattr(home, short)(**given)


def _of_timm(name: str) -> Any:
    from rfscale.engine.readers.names.python import find

    find("timm:create_model")
    import timm

    return timm.create_model(name.partition(".")[0], pretrained=False)


def exported(module: Any, size: int, exporter: str) -> Any:
    """The model as ONNX has it."""
    import onnx
    import torch

    dynamo, opset = EXPORTERS[exporter]
    image = torch.zeros(1, 3, size, size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            return torch.onnx.export(module, (image,), dynamo=True, opset_version=opset, verbose=False).model_proto
        made = io.BytesIO()
        torch.onnx.export(module, (image,), made, dynamo=False, opset_version=opset, do_constant_folding=True)
    return onnx.load_from_string(made.getvalue())


def figures(net: rf.Network) -> dict[str, tuple[Any, ...]]:
    """Figures of each layer and module by name, and those of the outputs by number."""
    ds = rf.profile(net)
    names = ("map_size", "jump", "extent", "start", "area")
    columns = {n: np.asarray(ds[n].values).astype(float).tolist() for n in names}
    by_layer = {str(layer): tuple(columns[n][i] for n in names) for i, layer in enumerate(ds.layer.values)}
    named = by_layer | {module: by_layer[layer] for module, layer in net.modules.items() if layer in by_layer}
    return named | {f"output {i}": by_layer[name] for i, name in enumerate(net.outputs)}


def differing(module: Any, size: int, exporter: str) -> tuple[int, list[str]]:
    """How many names both have, and those whose figures differ."""
    module = module.eval()
    direct = figures(rf.load(module, example_input=(1, 3, size, size)))
    proto = exported(module, size, exporter)
    read = figures(rf.load(proto))
    shared = sorted(direct.keys() & read.keys())
    return len(shared), [n for n in shared if repr(direct[n]) != repr(read[n])]


def main() -> None:
    """Print a row for each model."""
    asked = sys.argv[1:]
    for name, make, size in models():
        if asked and name not in asked:
            continue
        for exporter in EXPORTERS if asked else list(EXPORTERS)[:: 2 if len(name) % 2 else 3]:
            start = time.perf_counter()
            try:
                shared, wrong = differing(make(), size, exporter)
                print(f"{name:28} {exporter:10} {shared:4} {len(wrong):4} {wrong[:3]}", end=" ")
            except Exception as error:
                print(f"{name:28} {exporter:10} {type(error).__name__}: {str(error).splitlines()[0][:200]}", end=" ")
            print(f"{time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
