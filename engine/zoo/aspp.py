"""Atrous spatial pyramid pooling: dilated 3×3 layers side by side, and the depth network that the article speaks of.

H. Fu, M. Gong, C. Wang, K. Batmanghelich, D. Tao, "Deep Ordinal Regression Network for Monocular Depth Estimation",
CVPR 2018, Section 3.1 and Figure 2. The paper names the parts; what it leaves open (the stem of three 3×3, the
dilations 2 and 4 of the last two stages, the widths) is as in the authors' Caffe model for KITTI. Their model for NYU
has rates 4, 8, 12.
"""

from __future__ import annotations

from collections.abc import Sequence

from rfscale.engine.errors import InputError, shown
from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import listed, whole
from rfscale.engine.zoo import resnet

CITATION = "Fu et al., Deep Ordinal Regression Network for Monocular Depth Estimation, CVPR 2018, Section 3.1"
RATES = (6, 12, 18)


def aspp(
    rates: Sequence[int] = RATES,
    *,
    channels: int = 512,
    input_channels: int = 2048,
    input_size: int | tuple[int, ...] = (49, 65),
) -> Network:
    """Return the bare head: one dilated 3×3 per rate, and their concatenation `aspp`.

    A pixel here is an entry of the map that the head reads; the defaults are the map of the KITTI model.

    Parameters
    ----------
    rates : sequence of int
        Dilations, one per branch (`rate6`, …).
    channels : int
        Channels of each branch.
    input_channels : int
        Channels of the map that the head reads.
    input_size : int or tuple of int
        Its size.

    Examples
    --------
    >>> [layer.name for layer in aspp().layers]
    ['rate6', 'rate12', 'rate18', 'aspp']
    """
    b = NetworkBuilder("aspp", input_size=input_size, input_channels=input_channels)
    b.concat("aspp", inputs=_branches(b, rates, channels))
    return b.build()


def dorn_aspp(
    rates: Sequence[int] = RATES, *, channels: int = 512, input_size: int | tuple[int, ...] = (385, 513)
) -> Network:
    """Return the dilated ResNet-101, whose last map has a jump of 8, followed by the ASPP head.

    Parameters
    ----------
    rates : sequence of int
        Dilations, one per branch (`rate6`, …).
    channels : int
        Channels of each branch.
    input_size : int or tuple of int

    Examples
    --------
    >>> dorn_aspp().map_sizes()["aspp"]
    (49, 65)
    """
    b = NetworkBuilder("dorn-aspp", input_size=input_size)
    _backbone(b)
    b.concat("aspp", inputs=_branches(b, rates, channels))
    return b.build()


def dorn(
    rates: Sequence[int] = RATES,
    *,
    channels: int = 512,
    intervals: int = 71,
    input_size: int | tuple[int, ...] = (385, 513),
) -> Network:
    """Return the whole depth network up to its ordinal outputs at an eighth of the image's size.

    Parallel to the ASPP branches are a 1×1 layer and the full-image encoder, whose receptive field is global: analyse
    with ``global_ops="skip"`` to leave it out. The final interpolation by 8 is left out.

    Parameters
    ----------
    rates : sequence of int
        Dilations, one per branch (`rate6`, …).
    channels : int
        Channels of each branch.
    intervals : int
        Depth intervals; each has two outputs.
    input_size : int or tuple of int

    Examples
    --------
    >>> dorn().map_sizes()["ordinal"]
    (49, 65)
    """
    b = NetworkBuilder("dorn", input_size=input_size)
    features = _backbone(b)
    b.avg_pool("encoder.pool", kernel=16, stride=16, ceil_mode=True)
    b.linear("encoder.fc", channels=channels)
    scene = [b.conv("encoder.conv", kernel=1, channels=channels)]
    branches = [
        b.conv("conv1x1", kernel=1, channels=channels, inputs=features),
        *_branches(b, rates, channels, features),
    ]
    scene += [b.conv(f"{branch}.mix", kernel=1, channels=channels, inputs=branch) for branch in branches]
    b.concat("scene", inputs=scene)
    b.conv("mix", kernel=1, channels=2048)
    b.conv("ordinal", kernel=1, channels=2 * whole(intervals, "intervals"))
    return b.build()


def _backbone(b: NetworkBuilder) -> str:
    """Append the dilated ResNet-101 to `b` and return the name of its last map."""
    for i, (stride, channels) in enumerate(((2, 64), (1, 64), (1, 128)), start=1):
        b.conv(f"conv1_{i}", kernel=3, stride=stride, padding=1, channels=channels, bias=False)
    b.max_pool("maxpool", kernel=3, stride=2, padding=1)
    return resnet.stages(b, 101, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), stem_channels=128)[-1]


def _branches(b: NetworkBuilder, rates: Sequence[int], channels: int, source: str | None = None) -> list[str]:
    """Append one dilated 3×3 per rate, all reading one map (by default the newest), and return their names."""
    source = source or b.last
    given = [whole(rate, "a rate") for rate in listed(rates) or ()]
    if not given or len(set(given)) < len(given):
        raise InputError(f"rates is {shown(rates)}; it must be a list of different dilations, such as [6, 12, 18]")
    return [
        b.conv(f"rate{rate}", kernel=3, dilation=rate, padding=rate, channels=channels, inputs=source) for rate in given
    ]
