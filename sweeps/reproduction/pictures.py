"""The pictures of the reproduction: the article's curves with the exact values on top, and what they hide.

In all of them a line is exact, a hollow circle the article's formula, a cross the closed form, a star a printed number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rfscale.sweeps.report.pictures.network import draw_footprint, draw_path_counts
from rfscale.sweeps.report.pictures.style import (
    BLUE,
    CROSS,
    GREEN,
    GREY,
    HOLLOW,
    INK,
    ORANGE,
    PATHS,
    PURPLE,
    RED,
    SKY,
    STAR,
    box,
    figure,
    save,
)
from rfscale.sweeps.reproduction.findings import LEVELS

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from rfscale.sweeps.reproduction.verdicts import Result

Profiles = Mapping[str, "xr.Dataset"]
Printed = Mapping[tuple[str, str], "float | None"]
FIELD_LAYERS = {"dilated5": "conv5", "vgg16": "conv5_3", "resnet50-v1": "layer4"}  # whose path counts are drawn


DRAWN = (  # networks in the pictures: their profiles are part of the dataset
    *("stack20", "pooled-code", "pooled-after-4", "plain5", "strided5", "dilated5"),
    *("resnet50", "resnet50-v1", "fpn-resnet50", "ssd300", "dorn-aspp", "image-pyramid", "sift"),
)


def draw_all(
    results: Sequence[Result],
    profiles: Profiles,
    fields: Mapping[str, xr.Dataset],
    holes: xr.DataArray,
    folder: Path,
    step: Callable[[str], None],
) -> list[Path]:
    """Write every picture of the reproduction into `folder` and return their paths."""
    printed = {(r.claim.network, r.claim.layer): r.claim.printed for r in results if r.claim.quantity == "width"}
    pictures: dict[str, Callable[[], Any]] = {
        "dashboard": lambda: dashboard(profiles, holes, printed),
        "stacks": lambda: _one(stacks, profiles, printed),
        "resnet50": lambda: _one(resnet, profiles, printed),
        "dilated": lambda: _one(dilated, profiles, printed),
        "footprint-dilated5": lambda: footprint(holes, printed),
        "fpn": lambda: _one(fpn, profiles, printed),
        "path-counts": lambda: path_counts(fields),
        "systems": lambda: systems(profiles),
    }
    paths = []
    for name, draw in pictures.items():
        step(f"picture of {name}")
        paths.append(folder / f"{name}.png")
        save(draw(), paths[-1])
    return paths


def _number(printed: Printed, network: str, layer: str) -> float:
    """The number that the article prints for a map."""
    value = printed[network, layer]
    assert value is not None
    return value


def _one(draw: Callable[[Axes, Profiles, Printed], None], profiles: Profiles, printed: Printed) -> Any:
    with figure(8.4, 5.0) as (fig, axes):
        draw(axes[0, 0], profiles, printed)
    return fig


def _curve(ax: Axes, steps: Sequence[float], ds: xr.Dataset, color: str, label: str, **line: Any) -> None:
    """One network: exact as a line, both formulas as marks on top."""
    import numpy as np

    ax.plot(steps, ds.width, color=color, label=label, **line)
    ax.plot(steps, np.sqrt(ds.published_area), color=color, **HOLLOW)
    ax.plot(steps, np.sqrt(ds.closed_form_area), color=INK, **CROSS)


def _key(ax: Axes, stars: bool = True, **where: Any) -> None:
    """The legend: the curves of the axes, and what the marks mean."""
    from matplotlib.lines import Line2D

    handles, _ = ax.get_legend_handles_labels()
    marks = [
        Line2D([], [], color=GREY, label="published formula", **HOLLOW),
        Line2D([], [], color=INK, label="closed form", **CROSS),
    ]
    if stars:
        marks.append(Line2D([], [], label="number printed", **STAR))
    ax.legend(handles=[*handles, *marks], **where)


def _say(ax: Axes, text: str, at: tuple[float, float], to: tuple[float, float], color: str = INK, **how: Any) -> None:
    """Write `text` at a place and point to another, in data coordinates."""
    arrow = {"arrowstyle": "-", "color": color, "lw": 0.8, "shrinkB": 4}
    ax.annotate(text, xy=to, xytext=at, color=color, fontsize=9, arrowprops=arrow, **how)


def stacks(ax: Axes, profiles: Profiles, printed: Printed) -> None:
    """Twenty 3×3 layers without pools, and with pools placed in two ways."""
    for name, color, label in (
        ("stack20", BLUE, "20 layers of 3×3"),
        ("pooled-code", RED, "with 2×2 pools after 5, 9, 13, 17 (the article's code)"),
        ("pooled-after-4", PURPLE, "with 2×2 pools after 4, 8, 12, 16"),
    ):
        ds = profiles[name]
        ds = ds.isel(layer=[str(n).startswith("conv") for n in ds.layer.values])
        steps = list(range(1, ds.sizes["layer"] + 1))
        _curve(ax, steps, ds, color, label)
        _say(ax, f"{float(ds.width[-1]):.0f}", (20.6, float(ds.width[-1]) - 4), (20, float(ds.width[-1])), color)
    for network in ("stack20", "pooled-code"):
        value = _number(printed, network, "conv20")
        ax.plot([20], [value], **STAR)
        _say(ax, f"printed: {value:.0f}", (16.2, value + (22 if network == "stack20" else 10)), (19.9, value))
    ax.set_xticks(range(0, 21, 4))
    ax.set_xlim(0, 22.2)
    ax.set_ylim(0, 290)
    ax.set_xlabel("3×3 layer")
    ax.set_ylabel("width of the footprint, pixels")
    ax.set_title("Twenty 3×3 layers: linear without pools, exponential with them")
    _key(ax, loc="upper left")


def main_path(ds: xr.Dataset) -> xr.Dataset:
    """Return the layers of a residual network as the article counts them: convolutions and pools, no shortcuts."""
    names = [str(n) for n in ds.layer.values]
    keep = [o in ("conv", "max_pool") and "downsample" not in n for n, o in zip(names, ds.op.values, strict=True)]
    return ds.isel(layer=keep)


def resnet(ax: Axes, profiles: Profiles, printed: Printed) -> None:
    """ResNet-50 with the stride in the 1×1, as the article has it, and in the 3×3."""
    for name, color, label in (
        ("resnet50", SKY, "stride in the 3×3 (torchvision)"),
        ("resnet50-v1", BLUE, "stride in the 1×1 (the paper, the article)"),
    ):
        ds = main_path(profiles[name])
        steps = list(range(1, ds.sizes["layer"] + 1))
        _curve(ax, steps, ds, color, label)
        last = float(ds.width[-1])
        _say(ax, f"{last:.0f}", (51.2, last - 8), (50, last), color)
    for stage, position in (("layer1", 11), ("layer2", 23), ("layer3", 41), ("layer4", 50)):
        value = _number(printed, "resnet50-v1", stage)
        ax.plot([position], [value], **STAR)
        if stage != "layer4":
            _say(ax, f"{value:.0f}", (position - 3, value + 45), (position, value))
    ax.set_xlim(0, 54)
    ax.set_ylim(0, 520)
    ax.set_xlabel("layer, the pool counted")
    ax.set_ylabel("width of the footprint, pixels")
    ax.set_title("ResNet-50: the formulas are exact, and the place of the stride matters")
    _key(ax, loc="upper left")


def dilated(ax: Axes, profiles: Profiles, printed: Printed) -> None:
    """Five dilated layers beside five strided and five plain ones, on a logarithmic axis."""
    steps = range(1, 6)
    holes = profiles["dilated5"]
    _curve(ax, steps, profiles["strided5"], GREEN, "stride 2")
    _curve(ax, steps, profiles["plain5"], BLUE, "plain", ls="-.")
    ax.plot(steps, holes.extent[:, 0], "--", color=RED, label="dilation 2: extent")
    _curve(ax, steps, holes, RED, "dilation 2: √pixels", ls=(0, (1, 1.6)), lw=3.2)
    for name in ("dilated5", "strided5", "plain5"):
        ax.plot([5], [_number(printed, name, "conv5")], **STAR)
    ax.set_yscale("log")
    ticks = [3, 5, 11, 21, 63, 243]
    ax.set_yticks(ticks, [str(t) for t in ticks])
    ax.minorticks_off()
    ax.set_xticks(list(steps))
    ax.set_xlim(0.8, 6.35)
    ax.set_ylim(2.5, 330)
    for text, value, color in (
        ("243: what the\nformula makes of\ndilation 2", 243, RED),
        ("63: stride 2", 63, GREEN),
        ("21: its true extent", 21, RED),
        ("11: √121, its true\npixels; as plain", 11, RED),
    ):
        ax.text(5.17, value, text, color=color, fontsize=9, va="center", linespacing=1.25)
    ax.set_xlabel("layer (3×3)")
    ax.set_ylabel("width of the footprint, pixels (log)")
    ax.set_title("Five dilated layers see no more pixels than five plain ones")
    _key(ax, loc="upper left")


def footprint(holes: xr.DataArray, printed: Printed) -> Any:
    """The true footprint of five dilated layers, to scale in the box that the article gives it, and enlarged."""
    with figure(10.4, 5.4, 1, 2) as (fig, axes):
        claimed(axes[0, 0], holes, printed)
        enlarged(axes[0, 1], holes)
    return fig


def claimed(ax: Axes, holes: xr.DataArray, printed: Printed) -> None:
    """The claimed box with the true footprint in it."""
    side = _number(printed, "dilated5", "conv5")
    half = (side - 1) / 2
    draw_footprint(ax, holes)
    for line in list(ax.lines):
        line.remove()
    ax.set_facecolor("#FBEFE8")
    box(ax, (-half, -half), (half + 1, half + 1), RED, lw=2)
    low, high = _corners(holes)
    box(ax, low, high, INK, lw=1.2)
    ax.set_xlim(-half - 12, half + 12)
    ax.set_ylim(half + 12, -half - 12)
    ax.text(
        0, -half + 14, f"claimed: {side**2:,.0f} pixels in {side:.0f}×{side:.0f}", color=RED, ha="center", fontsize=10
    )
    size = "×".join(str(h - a) for a, h in zip(low, high, strict=True))
    ax.text(0, high[0] + 14, f"true: {int(holes.sum())} pixels in {size}", color=INK, ha="center", fontsize=10)
    ax.set_title(f"The article claims {side**2 / float(holes.sum()):.0f} times the pixels")


def enlarged(ax: Axes, holes: xr.DataArray) -> None:
    """The true footprint, pixel by pixel."""
    low, high = _corners(holes)
    draw_footprint(ax, holes)
    box(ax, low, high, INK)
    size = "×".join(str(h - a) for a, h in zip(low, high, strict=True))
    ax.set_title(f"Five dilated layers: {int(holes.sum())} pixels in {size}")


def _corners(fp: xr.DataArray) -> tuple[list[int], list[int]]:
    return [int(fp[d][0]) for d in fp.dims], [int(fp[d][-1]) + 1 for d in fp.dims]


def fpn(ax: Axes, profiles: Profiles, printed: Printed) -> None:
    """Levels of a feature pyramid before and after the top-down path, as bars centred on the entry."""
    ds = profiles["fpn-resnet50"]
    for row, level in enumerate(LEVELS):
        before, after = (ds.sel(layer=f"{kind}{level}") for kind in ("lateral", "P"))
        for one, color, height in ((after, SKY, 0.62), (before, BLUE, 0.34)):
            ax.barh(row, float(one.extent[1]), height, left=-float(one.extent[1]) / 2, color=color, zorder=2)
        narrow = float(before.width) < 60
        style: dict[str, Any] = {"color": INK, "ha": "left"} if narrow else {"color": "white", "ha": "center"}
        style |= {"va": "center", "fontsize": 9, "fontweight": "bold"}
        ax.text(32 if narrow else 0, row, f"{float(before.width):.0f}", **style)
        ax.text(float(after.extent[1]) / 2 + 7, row, f"{float(after.width):.0f}", color=INK, va="center", fontsize=9)
        value = _number(printed, "fpn-resnet50", f"lateral{level}")
        for side in (-1, 1):
            ax.plot([side * value / 2], [row], **{**STAR, "ms": 10})
    ax.set_yticks(range(4), [f"level {i}\nevery {float(ds.jump.sel(layer=f'P{i}')[1]):.0f} px" for i in LEVELS])
    ax.set_xlim(-330, 330)
    ax.set_ylim(-0.6, 4.1)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("pixels of the image, from the centre of the footprint")
    ax.set_title("FPN on ResNet-50: after the top-down path all levels see alike")
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    ax.legend(
        handles=[
            Patch(color=BLUE, label="before (exact)"),
            Patch(color=SKY, label="after: P2 … P5 (exact)"),
            Line2D([], [], label="printed 35, 99, 291, 483", **{**STAR, "ms": 10}),
        ],
        loc="upper center",
        ncols=3,
    )


def path_counts(fields: Mapping[str, xr.Dataset]) -> Any:
    """Where the paths of one entry end: three networks."""
    with figure(13.2, 4.7, 1, len(fields)) as (fig, axes):
        for ax, (name, field) in zip(axes[0], fields.items(), strict=True):
            image = draw_field(ax, name, FIELD_LAYERS[name], field)
        fig.colorbar(image, ax=list(axes[0]), shrink=0.8, label=PATHS)
    return fig


def draw_field(ax: Axes, name: str, layer: str, field: xr.Dataset) -> Any:
    """One map of path counts, with the box that holds 95 % of them."""
    weights = field.path_counts
    image = draw_path_counts(ax, weights, bar=False)
    low, high = _corners(weights)
    box(ax, low, high, GREY, lw=1)
    start, length = field.box_start.values, field.box_extent.values
    box(ax, start, start + length, SKY, lw=2)
    sees, most = ("×".join(map(str, size)) for size in ([h - a for a, h in zip(low, high, strict=True)], length))
    ax.set_title(f"{name}, {layer}: sees {sees},\n{100 * float(field.mass):.0f} % of its paths in {most}")
    return image


def systems(profiles: Profiles) -> Any:
    """Every multi-scale system that the article speaks of, by the widths of its maps."""
    lines: list[tuple[str, xr.Dataset, list[str], str]] = [
        ("VGG-16 for SSD300", profiles["ssd300"], ["conv4_3", "fc7", *(f"conv{i}_2" for i in range(6, 10))], BLUE),
        ("ResNet-50 stages", profiles["resnet50-v1"], [f"layer{i}" for i in range(1, 5)], BLUE),
        ("FPN, before top-down", profiles["fpn-resnet50"], [f"lateral{i}" for i in LEVELS], BLUE),
        ("FPN, after top-down", profiles["fpn-resnet50"], [f"P{i}" for i in (*LEVELS, 6)], BLUE),
        ("ASPP 6/12/18 on ResNet-101", profiles["dorn-aspp"], ["rate6", "rate12", "rate18"], GREEN),
        ("image pyramid, three 3×3", profiles["image-pyramid"], [f"level{i}.conv3" for i in range(5)], ORANGE),
        ("SIFT, differences of Gaussians", profiles["sift"], _dogs(profiles["sift"]), ORANGE),
    ]
    with figure(9.6, 4.6) as (fig, axes):
        ax = axes[0, 0]
        for row, (_, ds, names, color) in enumerate(reversed(lines)):
            widths = ds.width.sel(layer=names).values
            ax.plot(widths, [row] * len(widths), "-", color=color, lw=1, alpha=0.5)
            ax.plot(widths, [row] * len(widths), "o", color=color, ms=8, mec="white", mew=0.8)
        ax.set_yticks(range(len(lines)), [label for label, *_ in reversed(lines)])
        ax.set_xscale("log", base=2)
        ticks = [8, 16, 32, 64, 128, 256, 512, 1024]
        ax.set_xticks(ticks, [str(t) for t in ticks])
        ax.minorticks_off()
        ax.set_xlabel("width of the footprint, pixels of the image (log)")
        ax.set_title("After its top-down path FPN's maps are nearly of one scale; one dot is one map")
    return fig


def _dogs(ds: xr.Dataset) -> list[str]:
    return [str(n) for n in ds.layer.values if ".dog" in str(n)]


def dashboard(profiles: Profiles, holes: xr.DataArray, printed: Printed) -> Any:
    """The README's picture: four findings side by side."""
    with figure(13.6, 9.2, 2, 2) as (fig, axes):
        dilated(axes[0, 0], profiles, printed)
        enlarged(axes[0, 1], holes)
        resnet(axes[1, 0], profiles, printed)
        fpn(axes[1, 1], profiles, printed)
    return fig
