"""Residual networks.

K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, Table 1.

Layers carry torchvision's names: `conv1`, `maxpool`, `layer1.0.conv1`, `layer1.0.downsample`, `layer1.0.add`, …,
`avgpool`, `fc`. `layer1` … `layer4` name the maps after each stage (the paper's conv2_x … conv5_x).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rfscale.engine.errors import InputError, shown
from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import whole

CITATION = "He, Zhang, Ren, Sun, Deep Residual Learning for Image Recognition, CVPR 2016, Table 1"
UNITS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
WIDTHS = (64, 128, 256, 512)
EXPANSION = 4  # output channels of a bottleneck unit over its width
STRIDE_IN = ("3x3", "1x1", "block_end")


def resnet(
    depth: int = 50,
    *,
    stride_in: str = "3x3",
    pool_padding: int | str = 1,
    classes: int | None = 1000,
    input_size: int | tuple[int, ...] = 224,
    name: str | None = None,
) -> Network:
    """Return a residual network of 18, 34, 50, 101 or 152 layers.

    Parameters
    ----------
    depth : int
        18 and 34 are made of basic units (two 3×3), the others of bottlenecks (1×1, 3×3, 1×1).
    stride_in : {"3x3", "1x1", "block_end"}
        Where a stage takes its stride of 2: in the first 3×3 of its first unit (torchvision, "v1.5"); in the first 1×1
        of its first unit (the paper's release; bottlenecks only); or in the last 3×3 of the last unit of the stage
        before (TF-Slim).
    pool_padding : int or str
        Padding of the 3×3 max pool of stride 2: 1 as in torchvision, or "same" as in TF-Slim. The paper's release pads
        it at the end only, which moves `start` by 2 pixels and leaves extents and jumps alone.
    classes : int or None
        Outputs of the classifier; None leaves it out.
    input_size : int or tuple of int
    name : str, optional

    Examples
    --------
    >>> resnet(50).map_sizes()["layer4"]
    (7, 7)
    """
    check(depth, stride_in)
    b = NetworkBuilder(name or f"resnet{depth}", input_size=input_size)
    b.conv("conv1", kernel=7, stride=2, padding=3, channels=64, bias=False)
    b.max_pool("maxpool", kernel=3, stride=2, padding=pool_padding)
    stages(b, depth, stride_in=stride_in)
    if classes is not None:
        b.global_pool("avgpool")
        b.linear("fc", channels=classes)
    return b.build()


def check(depth: int, stride_in: str) -> None:
    """Raise InputError unless there is a residual network of this depth and kind."""
    if whole(depth, "depth") not in UNITS:
        raise InputError(f"depth is {shown(depth)}; it must be one of {', '.join(map(str, UNITS))}")
    if stride_in not in STRIDE_IN:
        raise InputError(f"stride_in is {shown(stride_in)}; it must be one of {', '.join(STRIDE_IN)}")
    if stride_in == "1x1" and depth < 50:
        raise InputError(f"stride_in is '1x1', but the units of a resnet{depth} have no 1×1; use '3x3' or 'block_end'")


@dataclass(frozen=True)
class _Unit:
    """One residual unit: the shape of its convolutions."""

    width: int
    stride: int
    dilation: int
    bottleneck: bool
    project: bool
    stride_in: str

    def write(self, b: NetworkBuilder, name: str) -> str:
        """Append the unit to `b` and return the name of its sum."""
        source = b.last
        out = self.width * (EXPANSION if self.bottleneck else 1)
        spatial = {
            "kernel": 3,
            "dilation": self.dilation,
            "padding": self.dilation,
            "channels": self.width,
            "bias": False,
        }
        if self.bottleneck:
            first, second = (self.stride, 1) if self.stride_in == "1x1" else (1, self.stride)
            b.conv(f"{name}.conv1", kernel=1, stride=first, channels=self.width, bias=False)
            b.conv(f"{name}.conv2", stride=second, **spatial)
            main = b.conv(f"{name}.conv3", kernel=1, channels=out, bias=False)
        else:
            first, second = (1, self.stride) if self.stride_in == "block_end" else (self.stride, 1)
            b.conv(f"{name}.conv1", stride=first, **spatial)
            main = b.conv(f"{name}.conv2", stride=second, **spatial)
        shortcut = source
        if self.project:
            shortcut = b.conv(
                f"{name}.downsample", kernel=1, stride=self.stride, channels=out, bias=False, inputs=source
            )
        elif self.stride > 1:
            shortcut = b.max_pool(f"{name}.downsample", kernel=1, stride=self.stride, inputs=source)
        return b.add(f"{name}.add", inputs=[main, shortcut])


def stages(
    b: NetworkBuilder,
    depth: int,
    *,
    stride_in: str = "3x3",
    strides: Sequence[int] = (1, 2, 2, 2),
    dilations: Sequence[int] = (1, 1, 1, 1),
    stem_channels: int = 64,
) -> list[str]:
    """Append the four stages of a residual network to `b`, after its newest layer, and return their names.

    Parameters
    ----------
    b : NetworkBuilder
    depth : int
    stride_in : str
        As in `resnet`.
    strides : sequence of int
        Stride of each stage on entering it.
    dilations : sequence of int
        Dilation of the 3×3 layers of each stage.
    stem_channels : int
        Channels of the map that the first stage reads.

    Returns
    -------
    list of str
        `layer1` to `layer4`.
    """
    bottleneck = depth >= 50
    channels = stem_channels
    for stage, (units, width) in enumerate(zip(UNITS[depth], WIDTHS, strict=True)):
        entry_stride = strides[stage] if stride_in != "block_end" else 1
        exit_stride = strides[stage + 1] if stride_in == "block_end" and stage < 3 else 1
        out = width * (EXPANSION if bottleneck else 1)
        for i in range(units):
            stride = (entry_stride if i == 0 else 1) * (exit_stride if i == units - 1 else 1)
            project = channels != out or (i == 0 and entry_stride > 1)
            unit = _Unit(width, stride, dilations[stage], bottleneck, project, stride_in)
            unit.write(b, f"layer{stage + 1}.{i}")
            channels = out
        b.pointwise(f"layer{stage + 1}")
    return [f"layer{stage}" for stage in range(1, 5)]
