"""Networks whose tiles are compared with the whole image."""

from __future__ import annotations

from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network

Case = tuple[Network, tuple[int, ...], int]  # network, image, tile


def chain(*layers: dict, axes: int = 2) -> Network:
    return Network.sequential(*layers, axes=axes)


def residual() -> Network:
    b = NetworkBuilder("residual")
    x = b.conv(kernel=7, stride=2, padding=3)
    x = b.max_pool(kernel=3, stride=2, padding=1)
    for stride in (1, 2):
        y = b.conv(kernel=3, stride=stride, padding=1, inputs=x)
        y = b.conv(kernel=3, padding=1)
        z = b.conv(kernel=1, stride=stride, inputs=x)
        x = b.add(inputs=[y, z])
    return b.build()


def unet(up: str) -> Network:
    b = NetworkBuilder(f"unet-{up}")
    skips = []
    for _ in range(2):
        skips.append(b.conv(kernel=3, padding=1))
        b.max_pool(kernel=2)
    b.conv(kernel=3, padding=1)
    for skip in reversed(skips):
        if up == "transposed":
            b.conv_transpose(kernel=2, stride=2)
        elif up == "wide":
            b.conv_transpose(kernel=3, stride=2, padding=1, output_padding=1)
        else:
            b.upsample(scale=2, mode=up)
        b.concat(inputs=[b.last, skip])
        b.conv(kernel=3, padding=1)
    return b.build()


def pyramid() -> Network:
    b = NetworkBuilder("pyramid")
    maps = [b.conv(kernel=3, stride=2, padding=1) for _ in range(3)]
    x, outputs = maps[-1], [maps[-1]]
    for fine in maps[-2::-1]:
        up = b.upsample(scale=2, inputs=x)
        x = b.add(inputs=[up, fine])
        outputs.append(b.conv(kernel=3, padding=1))
    return b.build(outputs=outputs)


def aspp() -> Network:
    b = NetworkBuilder("aspp")
    x = b.conv(kernel=3, stride=2, padding=1)
    b.concat(inputs=[b.conv(kernel=3, dilation=d, padding=d, inputs=x) for d in (1, 3, 5)])
    b.conv(kernel=1)
    return b.build()


SAME = {"kernel": 3, "padding": 1}
POOL = {"op": "max_pool", "kernel": 2}
HALVED = {"kernel": 3, "stride": 2, "padding": "same"}
REFLECT = {"op": "pad", "padding": 2, "mode": "reflect"}
CEIL = {"op": "max_pool", "kernel": 3, "stride": 2, "ceil_mode": True}
ONE_SIDED = ({"kernel": [1, 5], "padding": [0, 1, 0, 3]}, {"kernel": [4, 2], "padding": [1, 0, 2, 1]})
CUT = ({"kernel": 3, "padding": 3}, {"op": "crop", "amount": 2}, {"kernel": 5, "padding": 2})
CASES: dict[str, Case] = {
    "stack": (chain(*[SAME] * 4), (31, 45), 10),
    "valid": (chain({"kernel": 5}, {"kernel": 3, "stride": 2}, {"kernel": 3}), (41, 38), 8),
    "dilated": (chain(*[{"kernel": 3, "dilation": d, "padding": d} for d in (1, 2, 4)]), (40, 33), 12),
    "pooled": (chain(*[SAME, POOL] * 2), (61, 54), 16),
    "residual": (residual(), (111, 96), 32),
    "unet-transposed": (unet("transposed"), (80, 64), 16),
    "unet-wide": (unet("wide"), (64, 96), 16),
    "unet-nearest": (unet("nearest"), (64, 80), 16),
    "unet-bilinear": (unet("bilinear"), (64, 80), 16),
    "pyramid": (pyramid(), (96, 72), 16),
    "aspp": (aspp(), (60, 62), 16),
    "shuffle": (chain({"kernel": 5, "padding": 2}, SAME, {"op": "pixel_shuffle", "scale": 2}), (30, 28), 8),
    "lopsided": (chain(*ONE_SIDED), (30, 33), 9),
    "ceil": (chain(CEIL, SAME), (45, 50), 12),
    "late padding": (chain({"kernel": 5}, {"kernel": 3, "padding": 3}, {"kernel": 3}), (33, 30), 10),
    "crop": (chain(*CUT), (33, 30), 10),
    "reflect": (chain(REFLECT, {"kernel": 5}, SAME), (33, 30), 10),
    "same": (chain(HALVED, {"kernel": 4, "padding": "same"}, HALVED), (64, 80), 16),
    "causal": (chain(*[{"kernel": 2, "dilation": 2**n, "padding": [2**n, 0]} for n in range(4)], axes=1), (90,), 20),
    "3-D": (chain(SAME, POOL, SAME, axes=3), (20, 16, 24), 8),
    "windows": (chain(SAME, {"op": "window_attention", "window": 4}, SAME), (32, 40), 8),
}


def sized(net: Network, image: tuple[int, ...]) -> Network:
    """The network with an input size, which interior analysis of `same` paddings needs."""
    return Network.from_dict({**net.to_dict(), "input_size": list(image)})
