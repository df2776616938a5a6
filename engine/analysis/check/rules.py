"""The rules of `rfscale check`: what is looked for, from which figure on, and what helps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, SupportsIndex, overload

Level = Literal["note", "warning", "error"]
LEVELS: tuple[Level, ...] = ("note", "warning", "error")
Limits = tuple[float | None, float | None, float | None]


@dataclass(frozen=True)
class Finding:
    """One fault.

    Attributes
    ----------
    rule : str
        Name in `RULES`.
    level : {"note", "warning", "error"}
    layer : str
    value, threshold : float
        The figure, and the limit that it crossed.
    message : str
        What is there, in one line.
    remedy : str
    """

    rule: str
    level: Level
    layer: str
    value: float
    threshold: float
    message: str
    remedy: str


class Findings(list[Finding]):
    """Findings of one network, worst first; a list.

    Attributes
    ----------
    network : str
        Its name.
    layers : tuple of str
        Its layers, in depth order.
    """

    def __init__(self, findings: Iterable[Finding] = (), network: str = "", layers: Iterable[str] = ()) -> None:
        super().__init__(findings)
        self.network, self.layers = network, tuple(layers)

    def __str__(self) -> str:
        from rfscale.engine.analysis.check.formats import findings_text

        return findings_text(self, self.network or "findings")

    def _repr_html_(self) -> str:
        from rfscale.engine.display.findings import findings_html

        return findings_html(self, self.network)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Finding: ...

    @overload
    def __getitem__(self, index: slice) -> Findings: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Finding | Findings:
        picked = super().__getitem__(index)
        return Findings(picked, self.network, self.layers) if isinstance(picked, list) else picked


@dataclass(frozen=True)
class Rule:
    """One thing that is looked for: its limits for (note, warning, error), None where it never gets that bad."""

    summary: str
    figure: str
    limits: tuple[float | None, float | None, float | None]
    remedy: str
    below: bool = False  # a finding is a figure below the limit

    def level(self, value: float) -> tuple[Level, float] | None:
        """The worst level that the figure reaches, and its limit."""
        for level, limit in reversed(list(zip(LEVELS, self.limits, strict=True))):
            if limit is not None and (value < limit if self.below else value > limit):
                return level, limit
        return None


RULES: dict[str, Rule] = {
    "gridding": Rule(
        "the footprint has holes",
        "density",
        (None, 1.0, 0.5),
        "lower the dilation, or put layers of smaller, coprime dilations before it, until the density is 1",
        below=True,
    ),
    "holes_inside": Rule(
        "footprints have holes here, which later layers close",
        "density",
        (1.0, None, None),
        "none needed, unless this map is used by itself",
        below=True,
    ),
    "hdc_rule": Rule(
        "the hybrid-dilated-convolution rule errs on this run of layers",
        "M2 of the rule",
        (0.0, None, None),
        "go by the density, which is exact",
    ),
    "redundant": Rule(
        "neighbouring entries see nearly the same",
        "overlap",
        (0.98, None, None),
        "a stride or pool before this layer would save work and lose little",
    ),
    "aliasing": Rule(
        "neighbouring entries share too little while the map is thinned out",
        "overlap",
        (None, 0.25, None),
        "use a kernel larger than the stride, or blur before the stride",
        below=True,
    ),
    "patches": Rule(
        "a strided convolution cuts the map into patches that do not overlap",
        "overlap",
        (0.25, None, None),
        "meant so in patch embeddings; otherwise use a kernel larger than the stride",
        below=True,
    ),
    "beyond_input": Rule(
        "the extent is larger than the image",
        "extent / image",
        (1.0, 3.0, None),
        "fewer layers or less dilation will do for this image size, or use larger images",
    ),
    "wasted_growth": Rule(
        "layers widen footprints that already hold the whole image",
        "share of the wide layers",
        (0.0, 0.25, None),
        "replace them by 1×1 layers, or use larger images",
    ),
    "misaligned": Rule(
        "merged branches have footprints centred at different places",
        "offset in entries",
        (0.0, 0.5, None),
        "give the branches the same padding and stride offsets, odd kernels, or half-pixel upsampling",
    ),
    "jumps": Rule(
        "merged branches have different strides",
        "branches",
        (None, None, 0.0),
        "bring the branches to one stride before the merge",
    ),
    "drift": Rule(
        "footprints are not centred at the place of their entry",
        "drift in entries",
        (0.5, 0.95, None),
        "use odd kernels, or put the odd pixel of the padding on the other side in every second layer; ignore this in "
        "networks that are causal by design",
    ),
    "border_padding": Rule(
        "footprints at the corner are mostly padding",
        "padding's share of the corner entry's footprint",
        (0.75, 0.9, None),
        "use larger images or a smaller extent, or do not trust the border",
    ),
    "padded_taps": Rule(
        "much of what the layer reads is padding",
        "share of the taps that read padding",
        (0.25, 0.25, None),
        "lower the dilation, use larger images, or add a branch of global pooling beside it",
    ),
    "asymmetric": Rule(
        "the footprint is much longer along one axis",
        "ratio of the extents",
        (1.25, 2.0, None),
        "transpose some of the kernels that are not square",
    ),
    "skipped_entries": Rule(
        "the layer never reads most entries of its input, which other layers do read",
        "share of the entries",
        (0.0, 0.5, None),
        "put an average pool of the stride's size before it and drop its stride (ResNet-D's shortcut), or use a kernel "
        "of at least the stride",
    ),
    "dead_entries": Rule(
        "no layer reads some entries of this map: they are computed for nothing",
        "share of the entries",
        (None, 0.0, 0.25),
        "move the stride to a layer whose kernel is at least the stride",
    ),
    "dead_pixels": Rule(
        "some pixels of the image are in no footprint",
        "share of the pixels",
        (0.0, 0.01, 0.1),
        "use kernels of at least the stride, or pad so that the last window fits",
    ),
    "small_field": Rule(
        "a field that was given uses a small part of the footprint",
        "side of the box with 95 % of the field / extent",
        (0.3, 0.15, None),
        "fewer layers, or smaller kernels, see as much; where objects are larger than the box, train longer on them",
        below=True,
    ),
    "uneven_field": Rule(
        "a field that was given lies on every second or third pixel, …",
        "gridding: 0 even, 1 all on one residue",
        (0.25, 0.5, 0.9),
        "use dilations without a common divisor, or kernels of at least the stride",
    ),
    "checkerboard": Rule(
        "output entries of the transposed convolution have unequal numbers of taps",
        "most taps / fewest",
        (None, 1.0, None),
        "use a kernel that is a multiple of the stride, or upsample and convolve",
    ),
}
