"""Reading a PyTorch model and profiling it, beside `torchinfo.summary` of the same module.

python -m benchmarks.reading           # all models; docs/benchmarks.md between its reading marks; a minute
python -m benchmarks.reading --small   # three models, smaller images; writes nothing

Needs torch, torchvision, timm and torchinfo. Both run on the CPU, in one process, in turns, weights in memory, since
torchinfo runs the forward for real. The first column is the first call for that model, the others the best of three.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import rfscale as rf
from benchmarks import machine as load
from benchmarks.report import DOCS, replaced
from benchmarks.results import duration
from rfscale.engine.readers.torch.torchvision import declare_torchvision_operators

TORCHVISION = """
alexnet convnext_tiny densenet121 densenet201 efficientnet_b0 efficientnet_b4 efficientnet_v2_s googlenet inception_v3
maxvit_t mnasnet0_5 mobilenet_v2 mobilenet_v3_large regnet_y_400mf resnet18 resnet50 resnet152 resnext50_32x4d
shufflenet_v2_x1_0 squeezenet1_1 swin_t swin_v2_t vgg16 vit_b_16 wide_resnet50_2 deeplabv3_resnet50 fcn_resnet50
lraspp_mobilenet_v3_large
""".split()
TIMM = """
beit_base_patch16_224 cait_xxs24_224 coatnet_0_rw_224 convit_tiny convmixer_768_32 convnextv2_tiny crossvit_15_240
cspdarknet53 cspresnet50 deit3_small_patch16_224 dla60 dpn68 edgenext_small efficientformer_l1 fastvit_t8
focalnet_tiny_srf gcresnet50t ghostnet_100 hrnet_w18 inception_next_tiny inception_resnet_v2 levit_128 mixer_s16_224
mixnet_s mobileone_s0 mobilevit_s mobilevitv2_100 nasnetalarge nf_resnet50 nfnet_f0 pit_s_224 poolformer_s12
pvt_v2_b1 regnetz_b16 repvgg_a0 res2net50_26w_4s resnest50d rexnet_100 sequencer2d_s tf_efficientnetv2_b0
tiny_vit_5m_224 tresnet_m visformer_small xception41
""".split()
REPEATS = 3
WORST = 10


class Row(NamedTuple):
    """Seconds of one model."""

    model: str
    first: float
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        """Our time over that of torchinfo."""
        return self.ours / self.theirs


def module(name: str) -> Any:
    """A model of torchvision or timm without trained weights."""
    import torchvision

    if name in TORCHVISION:
        options = {"weights": None}
        if name.startswith(("deeplab", "fcn", "lraspp")):
            options["weights_backbone"] = None
        return torchvision.models.get_model(name, **options).eval()
    import timm

    return timm.create_model(name, pretrained=False).eval()


def seconds(call: Callable[[], Any]) -> float:
    """Duration of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measured(name: str, size: int | None) -> Row:
    """Both on one model, in turns."""
    import torchinfo

    made = module(name)
    config = getattr(made, "default_cfg", {})
    shape = (1, *config["input_size"]) if config and size is None else (1, 3, size or 224, size or 224)

    def ours() -> None:
        rf.profile(rf.load(made, example_input=shape), input_size=shape[2:])

    def theirs() -> None:
        torchinfo.summary(made, input_size=shape, device="cpu", verbose=0)

    first, theirs_first = seconds(ours), seconds(theirs)
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(REPEATS)]
    return Row(name, first, min(a for a, _ in pairs), min(theirs_first, *(b for _, b in pairs)))


def table(rows: list[Row], load_before: float | None, threads: int) -> str:
    """The models that take longest beside torchinfo, and what all of them say, as Markdown."""
    worst = sorted(rows, key=lambda r: -r.ratio)[:WORST]
    lines = [
        "| model | rfscale | first call | torchinfo | rfscale over torchinfo |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for r in worst:
        lines.append(f"| {r.model} | {duration(r.ours)} | {duration(r.first)} | {duration(r.theirs)} | {r.ratio:.2f} |")
    median, faster = statistics.median(r.ratio for r in rows), sum(r.ratio < 1 for r in rows)
    lines.append(
        f"\nOf {len(rows)} models of torchvision and timm these are the slowest beside `torchinfo.summary`; "
        f"the median is {median:.2f} of its time, and {faster} of them are read and profiled in less. ResNet-50: "
        + ", ".join(f"{duration(r.ours)} and {duration(r.theirs)}" for r in rows if r.model == "resnet50")
        + f". Threads of torch: {threads}; load average at the start {load_before or 0:.2f}."
    )
    return "\n".join(lines)


def main() -> None:
    """Print a line for each model, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true")
    small = parser.parse_args().small
    warnings.simplefilter("ignore")
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        declare_torchvision_operators()
    load_before = load.average()
    names = ["resnet18", "mobilenet_v2", "squeezenet1_1"] if small else [*TORCHVISION, *TIMM]
    rows = []
    for name in names:
        rows.append(row := measured(name, 64 if small else None))
        print(
            f"{name:28} first {row.first:6.3f} s   rfscale {row.ours:6.3f} s   "
            f"torchinfo {row.theirs:6.3f} s   ratio {row.ratio:5.2f}",
            flush=True,
        )
    import torch

    text = table(rows, load_before, torch.get_num_threads())
    print(f"\n{text}")
    if not small:
        DOCS.write_text(replaced(DOCS.read_text(), text, ("<!-- reading -->", "<!-- /reading -->")))


if __name__ == "__main__":
    main()
