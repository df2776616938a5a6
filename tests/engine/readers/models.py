"""The real networks that the readers are shown to read, and the table in docs/models.md.

Run as ``python -m tests.engine.readers.models`` to write the table again (most of an hour, nearly all of it autograd;
needs torch, torchvision, timm, segmentation-models-pytorch and onnx), with names of models to write their rows again,
or with ``times`` to write all but the last column again (ten minutes).
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import numpy as np

import rfscale as rf
from rfscale.engine import InputError
from tests import ROOT

DOCS = ROOT / "docs" / "models.md"
TORCHVISION = """
resnet18 resnet50 resnext50_32x4d wide_resnet50_2 vgg16 vgg11_bn alexnet squeezenet1_0 squeezenet1_1 densenet121
inception_v3 googlenet shufflenet_v2_x1_0 mobilenet_v2 mobilenet_v3_large mobilenet_v3_small mnasnet1_0 efficientnet_b0
efficientnet_v2_s regnet_y_400mf regnet_x_400mf convnext_tiny vit_b_16 swin_t swin_v2_t maxvit_t
""".split()
SEGMENTATION = "fcn_resnet50 deeplabv3_resnet50 lraspp_mobilenet_v3_large".split()
SMP = "Unet UnetPlusPlus MAnet Linknet FPN PSPNet PAN DeepLabV3 DeepLabV3Plus UPerNet".split()
TIMM = """
resnet26d resnetv2_50 seresnet50 ecaresnet26t skresnet18 res2net50_26w_4s resnest14d darknet53 cspresnet50 cspdarknet53
dla34 hrnet_w18_small dpn68 xception41 legacy_xception inception_v4 inception_resnet_v2 nasnetalarge pnasnet5large
efficientnet_lite0 tf_efficientnet_b0 tf_efficientnetv2_b0 mixnet_s ghostnet_100 ghostnetv2_100 lcnet_100
mobilenetv4_conv_small mobileone_s0 repvgg_a0 rexnet_100 hardcorenas_a fbnetc_100 spnasnet_100 tinynet_a gernet_s
vovnet39a ese_vovnet19b_dw nfnet_f0 regnety_002 convnext_atto convnextv2_atto convmixer_768_32 poolformer_s12
edgenext_xx_small mobilevit_xxs mobilevitv2_050 efficientformer_l1 efficientformerv2_s0 fastvit_t8 repghostnet_050
inception_next_tiny focalnet_tiny_srf coatnet_nano_rw_224 maxvit_nano_rw_256 swin_tiny_patch4_window7_224
swinv2_tiny_window8_256 pvt_v2_b0 twins_svt_small levit_128s deit_tiny_patch16_224 cait_xxs24_224
xcit_nano_12_p16_224 mixer_s32_224 resmlp_12_224 gmlp_ti16_224 crossvit_tiny_240 davit_tiny hgnet_tiny hgnetv2_b0
visformer_tiny tresnet_m selecsls42b starnet_s1 rdnet_tiny nest_tiny volo_d1_224 bat_resnext26ts gcresnet33ts
lambda_resnet26t repvit_m0_9 mambaout_femto shvit_s1 efficientvit_b0 tiny_vit_5m_224 convit_tiny
tnt_s_legacy_patch16_224 beit_base_patch16_224 sequencer2d_s halonet26t eca_botnext26ts_256 efficientvit_m0
hiera_tiny_224
""".split()
MODELS = [
    *(f"torchvision.models:{n}" for n in TORCHVISION),
    *(f"torchvision.models.segmentation:{n}" for n in SEGMENTATION),
    *(f"segmentation_models_pytorch:{n}" for n in SMP),
    *(f"timm:{n}" for n in TIMM),
]


def arguments(model: str) -> dict[str, object]:
    """What the factory of a model is called with."""
    if model.startswith("timm:"):
        return {"pretrained": False}
    if model.startswith("segmentation_models"):
        return {"encoder_name": "resnet18", "encoder_weights": None}
    return {"weights": None, **({"weights_backbone": None} if "segmentation" in model else {})}


def module(model: str):
    """The PyTorch module of a model, without memory for weights where its code allows that."""
    import torch

    try:
        import torchvision
    except RuntimeError:
        from rfscale.engine.readers.torch.torchvision import declare_torchvision_operators

        declare_torchvision_operators()
        import torchvision  # noqa: F401
    from importlib import import_module

    package, _, name = model.partition(":")
    factory = getattr(import_module(package), "create_model" if package == "timm" else name)
    given = arguments(model) | ({"model_name": name} if package == "timm" else {})
    try:
        with torch.device("meta"):
            return factory(**given).eval()
    except (RuntimeError, NotImplementedError):
        return factory(**given).eval()


def default_size(model: str, made) -> int:
    """Pixels per axis that a model is made for."""
    if model.startswith("timm:"):
        return made.default_cfg.get("input_size", (3, 224, 224))[-1]
    return 299 if "inception" in model else 256 if model.startswith("segm") else 224


def row(model: str, known: str | None = None) -> dict[str, object]:
    """Read, profile and judge one model, unless what the judge says is known.

    The figures are those of the last map without a global receptive field, global_ops skipped.
    """
    from rfscale.engine.readers.torch.program.graph_reader import read_program
    from tests.engine.readers.exported import exported
    from tests.engine.readers.judged import judge_small

    made = module(model)
    size = default_size(model, made)
    program = exported(made, (1, 3, size, size))
    out: dict[str, object] = {"size": size, "nodes": sum(n.op == "call_function" for n in program.graph.nodes)}
    try:
        net = read_program(program, model)
    except InputError as error:
        return out | {"unknown": str(error)}
    out |= figures(lambda: read_program(program, model), net)
    if known is not None:
        return out | {"equal": known}
    try:
        found = judge_small(model)
    except NotImplementedError as error:
        return out | {"equal": f"– ({error})"}
    equal = found.compared - len(found.differing)
    return out | {"equal": f"{equal} of {found.compared} at {found.size}"}


def figures(read, net) -> dict[str, object]:
    """Best of five warm times of reading and profiling, and what the table shows."""
    size = None
    try:
        rf.profile(net, global_ops="skip")
    except InputError:  # branches of different jumps: one size of the image only
        size = net.input_size
    best = 9.0
    for _ in range(5):
        start = time.perf_counter()
        ds = rf.profile(read(), input_size=size, global_ops="skip")
        best = min(best, time.perf_counter() - start)
    at = np.flatnonzero(~ds.is_global.values)[-1]
    y, x = (int(v) for v in ds.extent.values[at])
    holes = ds.density.values[at] < 1
    out = {"layers": len(net), "map": str(ds.layer.values[at]), "seconds": best, "finite": size is not None}
    stride = ds.jump.values[at].max()
    return out | {
        "extent": str(y) if y == x else f"{y}×{x}",
        "stride": f"{stride:g}",
        "holes": "yes" if holes else "no",
    }


def light() -> dict[str, dict[str, object]]:
    """The nine graphs in the onnx wheel."""
    import onnx

    from rfscale.engine.readers.onnx.reader import read_onnx

    out = {}
    for path in sorted((Path(onnx.__file__).parent / "backend" / "test" / "data" / "light").glob("*.onnx")):
        net = read_onnx(str(path))
        nodes = len(onnx.load(str(path), load_external_data=False).graph.node)
        out[f"onnx: {path.stem}"] = {"size": 224, "nodes": nodes} | figures(lambda p=path: read_onnx(str(p)), net)
    return out


HEADER = """# Real networks

Written by `python -m tests.engine.readers.models`; what the columns say:

- **map** is the last feature map, in depth order, without a global receptive field when branches after global operators
  (squeeze-and-excitation, global attention) are looked past (`global_ops="skip"`); extent, stride and holes are those
  of its interior footprints. Extents marked † are finite, at the size given: branches of different jumps merge (an
  `align_corners` resize does that), so there are no interior figures.
- **nodes** is the number of operators in the exported graph, **layers** what they came to.
- **ms** is reading and profiling after the export, best of five, in one process.
- **equal to autograd** counts entries: of seeded maps, the deepest among them, a seeded entry each, whose footprint is
  pixel for pixel where the gradient of the exported graph with positive weights is not zero
  (`tests/engine/readers/judged.py`), at a small size of the image that the model takes; first with global operators,
  then with them skipped where the judge can tell them apart. The ONNX graphs of the wheel have no such column: their
  figures are those known of their architectures (`tests/engine/readers/test_onnx.py`).

| model | size | nodes | layers | unknown ops | map | extent | stride | holes | ms | equal to autograd |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def line(model: str, r: dict[str, object]) -> str:
    """One row of the table."""
    if "unknown" in r:
        listed = re.findall(r"([\w.]+) \(at ", str(r["unknown"]))
        names = ", ".join(f"`{op.removeprefix('aten.')}`" for op in listed)
        return f"| {model} | {r['size']} | {r['nodes']} | – | {names} | – | – | – | – | – | – |"
    dagger = "†" if r["finite"] else ""
    return (
        f"| {model} | {r['size']} | {r['nodes']} | {r['layers']} | 0 | `{r['map']}` | {r['extent']}{dagger} | "
        f"{r['stride']} | {r['holes']} | {1e3 * float(r['seconds']):.0f} | {r.get('equal', '–')} |"  # type: ignore[arg-type]
    )


def page(rows: dict[str, str]) -> str:
    """The whole page from the rows of its table."""
    cells = [[c.strip() for c in text.split("|")[1:-1]] for text in rows.values()]
    times = sorted(int(c[9]) for c in cells if c[9] != "–")
    pairs = [tuple(map(int, m.groups())) for c in cells if (m := re.match(r"(\d+) of (\d+)", c[10]))]
    fast = f"{sum(t < 100 for t in times) / len(times):.0%} are read and profiled within 100 ms"
    return (
        f"{HEADER}{chr(10).join(rows.values())}\n\n{len(times)} of {len(rows)} networks are read. {fast}; median "
        f"{times[len(times) // 2]} ms. {len(pairs)} were judged by autograd, on {sum(n for _, n in pairs)} entries: "
        f"all equal in {sum(equal == n for equal, n in pairs)}.\n"
    )


def main(*only: str) -> None:
    """Write docs/models.md, or the rows of some models in it again."""
    written = [text for text in DOCS.read_text().splitlines() if text.startswith("| ")][2:]
    rows = {text.split("|")[1].strip(): text for text in written} if only else {}
    again = only == ("times",)
    for model in MODELS if again else only or MODELS:
        if not model.startswith("onnx:"):
            known = rows[model].split("|")[-2].strip() if again else None
            rows[model] = line(model, row(model, known))
            print(rows[model], file=sys.stderr, flush=True)
    if not only or again or any(model.startswith("onnx:") for model in only):
        rows |= {model: line(model, r) for model, r in light().items()}
    DOCS.write_text(page(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
