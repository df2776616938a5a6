"""Spaces of networks that are no chains: functions from factor values to a network, for `rf.NetworkSpace`.

Run it for a table of the ASPP heads whose footprints have no holes::

    python examples/aspp_space.py
"""

from __future__ import annotations

import rfscale as rf


def aspp(stride: int, small: int, step: int, pooling: bool) -> rf.Network:
    """Return a small backbone at `stride`, and an ASPP head with rates small, small + step, small + 2*step."""
    b = rf.NetworkBuilder(f"aspp-{stride}-{small}-{step}")
    x = b.conv("stem", kernel=7, stride=2, padding=3)
    x = b.max_pool("pool", kernel=3, stride=2, padding=1)
    for i in range(4, stride.bit_length() + 1):
        x = b.conv(f"down{i}", kernel=3, stride=2, padding=1)
    branches = [b.conv("point", kernel=1, inputs=x)]
    for i in range(3):
        rate = small + i * step
        branches.append(b.conv(f"rate{i}", kernel=3, dilation=rate, padding=rate, inputs=x))
    if pooling:
        branches.append(b.avg_pool("local", kernel=5, stride=1, padding=2, inputs=x))
    b.concat("aspp", inputs=branches)
    b.conv("out", kernel=3, padding=1)
    return b.build()


def unet(depth: int, kernel: int, bottleneck: int, mode: str) -> rf.Network:
    """Return a U-Net: `depth` levels down and up again, and a dilated convolution at the bottom."""
    b = rf.NetworkBuilder(f"unet-{depth}-{kernel}-{bottleneck}-{mode}")
    same = kernel // 2
    skips = []
    for level in range(depth):
        x = b.conv(f"down{level}", kernel=kernel, padding=same)
        skips.append(x)
        x = b.max_pool(f"pool{level}", kernel=2)
    x = b.conv("bottom", kernel=3, dilation=bottleneck, padding=bottleneck)
    for level in reversed(range(depth)):
        x = b.upsample(f"up{level}", scale=2, mode=mode, inputs=x)
        x = b.concat(f"join{level}", inputs=[x, skips[level]])
        x = b.conv(f"merge{level}", kernel=kernel, padding=same, inputs=x)
    return b.build()


ASPP = rf.NetworkSpace(aspp, {"stride": [8, 16], "small": [1, 2, 3, 6], "step": [1, 2, 4, 6], "pooling": [False, True]})
UNET = rf.NetworkSpace(
    unet, {"depth": [1, 2, 3, 4], "kernel": [3, 5], "bottleneck": [1, 2, 4], "mode": ["nearest", "bilinear"]}
)

if __name__ == "__main__":
    figures = rf.sweep(ASPP)["networks"].dataset
    print(figures.where(figures.density == 1, drop=True)[["area", "density"]].to_dataframe().dropna())
