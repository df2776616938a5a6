"""Networks of a function: all of a space together, against each by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

import rfscale as rf
from benchmarks.registry import Case, Contender, case, sized
from rfscale.engine.footprints.cache import Memory
from rfscale.engine.footprints.footprint_figures import FootprintFigures
from rfscale.engine.footprints.forward import trace

RATES = {"r1": [1, 2, 3, 4, 6, 8], "r2": [1, 2, 3, 4, 6, 8, 12], "r3": [2, 6, 12, 18, 24], "r4": [2, 4, 9, 12, 18, 24]}


def head(r1: int, r2: int, r3: int, r4: int, last: int) -> rf.Network:
    """Return a backbone of stride 8, four dilated branches beside a 1×1, and a last window."""
    b = rf.NetworkBuilder("head")
    b.conv("stem", kernel=7, stride=2, padding=3)
    b.max_pool("pool", kernel=3, stride=2, padding=1)
    x = b.conv("down", kernel=3, stride=2, padding=1)
    branches = [b.conv("point", kernel=1, inputs=x)]
    for i, r in enumerate((r1, r2, r3, r4)):
        branches.append(b.conv(f"rate{i}", kernel=3, dilation=r, padding=r, inputs=x))
    b.concat("join", inputs=branches)
    b.conv("out", kernel=last, padding=last // 2)
    return b.build()


def unet(d0: int, d1: int, d2: int, bottom: int, u2: int, u1: int, u0: int) -> rf.Network:
    """Return a U-Net of three levels, with a kernel of its own at each."""
    b, skips = rf.NetworkBuilder("unet"), []
    for i, k in enumerate((d0, d1, d2)):
        skips.append(b.conv(f"down{i}", kernel=k, padding=k // 2))
        b.max_pool(f"pool{i}", kernel=2)
    b.conv("bottom", kernel=bottom, padding=bottom // 2)
    for i, k in ((2, u2), (1, u1), (0, u0)):
        x = b.upsample(f"up{i}", scale=2)
        b.concat(f"join{i}", inputs=[x, skips[i]])
        b.conv(f"merge{i}", kernel=k, padding=k // 2)
    return b.build()


def one_by_one(space: rf.NetworkSpace) -> np.ndarray:
    """Area and extent of every network, each traced by itself; sets of networks that begin alike are shared."""
    memory, rows = Memory(), []
    for i in range(space.size):
        network = space.network(i)
        found = FootprintFigures(trace(network, memory=memory)).figures(len(network) - 1)
        rows.append((found.area, *found.extent))
        if memory.full:
            memory = Memory()
    return np.array(rows, float)


def _case(name: str, function: Any, factors: dict[str, list[int]]) -> Case:
    def space() -> rf.NetworkSpace:
        return rf.NetworkSpace(function, factors)  # anew: the figures of a space are kept beside it

    def check(answer: Any) -> None:
        ds = answer["networks"].dataset
        expected = one_by_one(space())
        np.testing.assert_array_equal(ds.area.values.ravel(), expected[:, 0])
        np.testing.assert_array_equal(ds.extent.values.reshape(-1, 2), expected[:, 1:])

    return Case(
        name,
        Contender(lambda: rf.sweep(space()), note="two fifths of it are the function, which is run for every network"),
        check,
        {"each network by itself": Contender(lambda: one_by_one(space()), rounds=2, aim=5.0)},
        items=space().size,
        unit="networks",
        rate_aim=20_000,
    )


@case
def networks_of_a_function() -> Case:
    last = sized([1, 3, 5], [3])
    return _case("networks of a function: ASPP heads of 10 layers", head, RATES | {"last": last})


@case
def unets_of_a_function() -> Case:
    names = ("d0", "d1", "d2", "bottom", "u2", "u1", "u0")
    return _case("networks of a function: U-Nets of 16 layers", unet, {n: sized([1, 3, 5], [1, 3]) for n in names})
