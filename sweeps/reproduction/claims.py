"""What the article says: every figure and number of it as one table, in our own words.

Only facts stand here: what is claimed, where, of which layer of which network, and the number as printed. Formulas,
exact values and verdicts are computed in `rfscale.sweeps.reproduction.run`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rfscale.engine.network.network import Network


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes
    ----------
    section : str
        Where in the article, or "companions" for systems and figures of other papers set beside it.
    text : str
        What is claimed.
    network, layer : str
        Of which map; a key of `networks()`. An empty layer is the network's last.
    printed : float or None
        The number as printed; None where the article gives none.
    quantity : str
        What the number is, a key of `rfscale.sweeps.reproduction.verdicts.QUANTITIES`.
    rounding : float
        Half a unit of the last digit printed.
    target : float
        The width to be reached, for the quantity `layers_to`.
    group : str
        Claims of one group are one row of the printed table.
    """

    section: str
    text: str
    network: str
    layer: str = ""
    printed: float | None = None
    quantity: str = "width"
    rounding: float = 0.0
    target: float = 0.0
    group: str = ""


SCALES, OVERLAP = "3×3 layers of stride 1", "spatial overlap"
POOL, STACKS, RESNET = "2×2 pooling", "twenty 3×3 layers, a pool every 4", "ResNet-50"
DETECTORS, DILATED, DEPTH = "multi-scale detectors", "dilated layers", "depth estimation"
COMPANIONS = "companions"


# How pools can come "every 4 layers": c is a 3×3 layer, p a 2×2 pool of stride 2, s a 3×3 of stride 2, P a 3×3 pool of
# stride 2. `code` is what the article's own script does (spatial.py in github.com/rezasanatkar/cnn_spatial_scale): it
# counts layers from 0 and pools after those that 4 divides, but not after layer 0; so the first pool follows layer 5.
READINGS = {
    "after-4": ("pools after 4, 8, 12, 16", "ccccp" * 4 + "cccc"),
    "after-4-and-20": ("pools after 4, 8, 12, 16, 20", "ccccp" * 5),
    "code": ("pools after 5, 9, 13, 17, as its code", "c" + "ccccp" * 4 + "ccc"),
    "after-1": ("pools after 1, 5, 9, 13, 17", "cp" + "ccccp" * 4 + "ccc"),
    "before-4": ("pools before 4, 8, 12, 16, 20", "cccp" + "ccccp" * 4 + "c"),
    "first": ("pools before 1, 5, 9, 13, 17", "pcccc" * 5),
    "counted": ("four 3×3, a pool, …: 20 in all", "ccccp" * 4),
    "fourth": ("every fourth of the 20 is a pool", "cccp" * 5),
    "strided": ("every fourth has stride 2, no pools", "cccs" * 5),
    "pool3": ("3×3 pools after 4, 8, 12, 16", "ccccP" * 4 + "cccc"),
}


_TOKENS = {
    "c": ("conv", {"kernel": 3, "padding": 1}),
    "s": ("conv", {"kernel": 3, "stride": 2, "padding": 1}),
    "p": ("max_pool", {"kernel": 2, "stride": 2}),
    "P": ("max_pool", {"kernel": 3, "stride": 2, "padding": 1}),
}


_SSD_MAPS = ("conv4_3", "fc7", "conv6_2", "conv7_2", "conv8_2", "conv9_2")
_RESNET_MAPS = (("conv2_3", 35, 11), ("conv3_4", 99, 23), ("conv4_6", 291, 41), ("conv5_3", 483, 50))
_CONTEXT = (3, 5, 9, 17, 33, 65, 67)


CLAIMS: tuple[Claim, ...] = (
    *(
        Claim(
            SCALES,
            "n layers see (3+2(n−1))², n = 1 … 20",
            "stack20",
            f"conv{n}",
            (3 + 2 * (n - 1)) ** 2,
            "area",
            group="growth",
        )
        for n in range(1, 21)
    ),
    Claim(SCALES, "layers to see 40×40: about 20", "stack20", "", 20, "layers_to", 0.5, target=40),
    Claim(OVERLAP, "one 3×3 of stride 1: 67 % shared", "conv3-stride1", "", 0.67, "overlap", 0.005),
    Claim(OVERLAP, "one 3×3 of stride 2: 33 %", "conv3-stride2", "", 0.33, "overlap", 0.005),
    Claim(OVERLAP, "one 3×3 of stride 3: nothing", "conv3-stride3", "", 0.0, "overlap"),
    Claim(POOL, "an overlap of 2/3 before the pool …", "conv3-pool2", "conv1", 2 / 3, "overlap"),
    Claim(POOL, "… is 2/4 after it", "conv3-pool2", "pool1", 2 / 4, "overlap"),
    Claim(POOL, "a 5×7 map becomes 3×4, rounded up", "pool-of-5x7", "", 3, "map_height", group="5x7"),
    Claim(POOL, "a 5×7 map becomes 3×4, rounded up", "pool-of-5x7", "", 4, "map_width", group="5x7"),
    Claim(STACKS, "no pools", "stack20", "", 50),
    *(Claim(STACKS, text, f"pooled-{key}", "", 243) for key, (text, _) in READINGS.items()),
    Claim(RESNET, "the first 7×7, stride 2, sees 49", "resnet50-v1", "conv1", 49, "area"),
    Claim(RESNET, "… and its neighbours share 5/7", "resnet50-v1", "conv1", 5 / 7, "overlap"),
    Claim(RESNET, "the last map sees 483×483", "resnet50-v1", "layer4", 483),
    *(
        Claim(
            DETECTORS, f"{stage} is layer {position} (pool counted)", "resnet50-v1", f"layer{i}", position, "position"
        )
        for i, (stage, _, position) in enumerate(_RESNET_MAPS, start=1)
    ),
    *(
        Claim(DETECTORS, f"{stage} of ResNet-50 sees {width}×{width}", "resnet50-v1", f"layer{i}", width)
        for i, (stage, width, _) in enumerate(_RESNET_MAPS, start=1)
    ),
    Claim(DETECTORS, "SSD takes 6 maps from VGG-16", "ssd300", "", 6, "maps"),
    *(Claim(DETECTORS, f"SSD300 map {i}, {name}", "ssd300", name) for i, name in enumerate(_SSD_MAPS, start=1)),
    *(
        Claim(DETECTORS, f"FPN level {level} before the top-down", "fpn-resnet50", f"lateral{level}", width)
        for level, (_, width, _) in enumerate(_RESNET_MAPS, start=2)
    ),
    *(
        Claim(DETECTORS, f"FPN level {level} after it: P{level}", "fpn-resnet50", f"P{level}")
        for level in (2, 3, 4, 5, 6)
    ),
    Claim(DILATED, "five 3×3 of dilation 2: 243×243", "dilated5", "", 243),
    Claim(DILATED, "five 3×3 of stride 2: 63×63", "strided5", "", 63),
    Claim(DILATED, "five plain 3×3: 11×11", "plain5", "", 11),
    Claim(DILATED, "one dilated layer: S times up to 9", "dilated5", "conv1", 9, "area"),
    Claim(DILATED, "S of four plain 3×3, one of dilation 2", "plain4-dilated1", "", None, "area"),
    *(Claim(DEPTH, f"ASPP rate {rate} on dilated ResNet-101", "dorn-aspp", f"rate{rate}") for rate in (6, 12, 18)),
    Claim(DEPTH, "the three branches side by side", "dorn-aspp", "aspp"),
    Claim(COMPANIONS, "the bare ASPP head, entries of its map", "aspp", "aspp", None, "area"),
    Claim(COMPANIONS, "ResNet-50, stride in the 3×3", "resnet50", "layer4"),
    *(
        Claim(COMPANIONS, f"Yu–Koltun context module, layer {i}", "context-module", f"conv{i}", width)
        for i, width in enumerate(_CONTEXT, start=1)
    ),
    *(Claim(COMPANIONS, f"image pyramid, three 3×3 at 1/{2**i}", "image-pyramid", f"level{i}.conv3") for i in range(5)),
    *(Claim(COMPANIONS, f"SIFT, octave {i}, widest difference", "sift", f"octave{i}.dog4") for i in range(4)),
)


def networks() -> dict[str, Network]:
    """Return every network that a claim is about, by name."""
    from rfscale.engine.network.network import Network
    from rfscale.engine.readers.load import load

    three = {"kernel": 3, "padding": 1}
    out = {
        f"conv3-stride{s}": Network.sequential({"kernel": 3, "stride": s}, name=f"conv3-stride{s}") for s in (1, 2, 3)
    }
    pool = {"op": "max_pool", "name": "pool1", "kernel": 2}
    out["conv3-pool2"] = Network.sequential(three, pool, name="conv3-pool2")
    out["pool-of-5x7"] = Network.sequential({**pool, "ceil_mode": True}, name="pool-of-5x7", input_size=[5, 7])
    out |= {f"pooled-{key}": pooled(key) for key in READINGS}
    dilated = {"kernel": 3, "dilation": 2, "padding": 2}
    out["plain4-dilated1"] = Network.sequential(*[three] * 4, dilated, name="plain4-dilated1")
    zoo = sorted({claim.network for claim in CLAIMS} - set(out))
    return out | {name: load(name) for name in zoo}


def pooled(reading: str) -> Network:
    """Return the stack of 20 layers with pools as one of `READINGS` has them.

    Examples
    --------
    >>> [layer.name for layer in pooled("code").layers[4:7]]
    ['conv5', 'pool1', 'conv6']
    """
    from rfscale.engine.network.builder import NetworkBuilder

    b = NetworkBuilder(f"pooled-{reading}")
    counts = {"conv": 0, "pool": 0}
    for token in READINGS[reading][1]:
        op, params = _TOKENS[token]
        kind = op.removeprefix("max_")
        counts[kind] += 1
        getattr(b, op)(f"{kind}{counts[kind]}", **params)
    return b.build()
