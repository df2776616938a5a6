"""Tiles of real models equal the whole image to the bit; one pixel less does not."""

from __future__ import annotations

import pytest

import rfscale as rf
from rfscale.engine.analysis.tiling.halo import halo
from rfscale.engine.analysis.tiling.tiles import tiles
from rfscale.engine.network.network import Network
from tests.engine.analysis.tiling.tiled_networks import CASES, sized
from tests.oracles import plain_sets as reference

# ------------------------------------------------------------------ torch: tiled and whole, equal to the bit


def run(net: Network, image):
    """All maps of a network with random whole weights, every value kept below 251 by a remainder.

    All arithmetic is exact in float64 (whole numbers, and sixteenths after bilinear upsampling), so the order in which
    a kernel adds up does not matter; and a remainder hides nothing, as a maximum or a rectifier could.
    """
    import torch

    maps = {"input": image}
    for layer in net.layers:
        out = apply(layer, [maps[name] for name in layer.inputs])
        maps[layer.name] = torch.remainder(out, 251.0)
    return maps


def apply(layer, inputs):
    import torch
    import torch.nn.functional as F

    from tests.oracles import autograd as torch_judge

    x, op, params = inputs[0], layer.op, layer.params
    ndim, size = x.dim() - 2, tuple(x.shape[2:])
    if op in ("conv", "conv_transpose"):
        generator = torch.Generator().manual_seed(sum(map(ord, layer.name)))
        channels = (2, x.shape[1]) if op == "conv" else (x.shape[1], 2)
        weight = torch.randint(1, 7, (*channels, *params["kernel"]), generator=generator).double()
        if op == "conv":
            padded = F.pad(x, torch_judge._torch_order(torch_judge._sides(params, size)))
            return torch_judge.CONV[ndim - 1](padded, weight, stride=params["stride"], dilation=params["dilation"])
        return torch_judge.CONV_TRANSPOSE[ndim - 1](
            x,
            weight,
            stride=params["stride"],
            padding=params["padding"][:ndim],
            output_padding=params["output_padding"],
            dilation=params["dilation"],
        )
    if op == "max_pool":
        pool = torch_judge.MAX_POOL[ndim - 1]
        pads = params["padding"][:ndim]
        return pool(x, params["kernel"], params["stride"], pads, params["dilation"], ceil_mode=params["ceil_mode"])
    if op == "concat":
        return torch.cat(inputs, dim=1)
    if op == "add":
        return sum(inputs)
    if op in ("upsample", "pixel_shuffle", "pad", "crop", "window_attention"):
        return torch.cat([torch_judge._layer(op, params, [c]) for c in x.split(1, dim=1)], dim=1)
    raise ValueError(op)


def picture(size: tuple[int, ...]):
    import torch

    return torch.randint(0, 251, (1, 2, *size), generator=torch.Generator().manual_seed(7)).double()


def cut(x, box: tuple[slice, ...]):
    return x[(slice(None), slice(None), *box)]


@pytest.mark.torch
@pytest.mark.parametrize("name", [*CASES, "unet", "unet-padded"])
def test_tiled_equals_whole_to_the_bit(name):
    zoo = {"unet": (604, 572), "unet-padded": (320, 256)}
    net, image, tile = CASES[name] if name in CASES else (rf.load(name), zoo[name], 64)
    net = sized(net, image)
    x = picture(image)
    whole = run(net, x)
    for t in tiles(net, image, tile):
        maps = run(net, cut(x, t.crop))
        for output in net.outputs:
            assert cut(maps[output], t.inner[output]).equal(cut(whole[output], t.outer[output])), t


@pytest.mark.torch
@pytest.mark.parametrize("name", CASES)
def test_one_pixel_less_is_not_enough(name):
    """The pixels at the reach change outputs of the tile, those beyond it do not; so does a period less of margin."""
    net, image, _ = CASES[name]
    found = halo(sized(net, image))
    ndim = len(image)
    periods, margins, reaches = (found[v].values.tolist() for v in ("period", "margin", "reach"))
    width = [2 * p for p in periods]
    start = [-(-(m[0] + p) // p) * p for m, p in zip(margins, periods, strict=True)]
    size = tuple(s + w + m[1] + p for s, w, m, p in zip(start, width, margins, periods, strict=True))
    net = sized(net, size)
    x = picture(size)
    whole = run(net, x)

    def right(values, origin) -> bool:
        for output in net.outputs:
            per = [reference.jump(net, output)[a] for a in range(ndim)]
            low = [int(s / j) for s, j in zip(start, per, strict=True)]
            high = [int((s + w) / j) for s, j, w in zip(start, per, width, strict=True)]
            off = [int(o / j) for o, j in zip(origin, per, strict=True)]
            wanted = cut(whole[output], tuple(map(slice, low, high)))
            got = cut(values[output], tuple(slice(a - o, b - o) for a, b, o in zip(low, high, off, strict=True)))
            if got.shape != wanted.shape or not got.equal(wanted):
                return False
        return True

    for axis in range(ndim):
        for side in (0, 1):
            for beyond, expected in ((0, False), (1, True)):
                edge = start[axis] - reaches[axis][0] if side == 0 else start[axis] + width[axis] + reaches[axis][1]
                box = [slice(None)] * ndim
                box[axis] = slice(0, edge + 1 - beyond) if side == 0 else slice(edge - 1 + beyond, None)
                changed = x.clone()
                cut(changed, tuple(box)).add_(1.0)
                if reaches[axis][side] or beyond:
                    assert right(run(net, changed), [0] * ndim) == expected, (axis, side, beyond)
            if margins[axis][side] >= periods[axis]:
                low = [s - m[0] for s, m in zip(start, margins, strict=True)]
                high = [s + w + m[1] for s, w, m in zip(start, width, margins, strict=True)]
                assert right(run(net, cut(x, tuple(map(slice, low, high)))), low)
                (low if side == 0 else high)[axis] += periods[axis] * (1 if side == 0 else -1)
                assert not right(run(net, cut(x, tuple(map(slice, low, high)))), low), (axis, side)
