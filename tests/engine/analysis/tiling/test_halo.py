"""Halos: tiles put together equal the whole, one period or one pixel less does not do."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.analysis.tiling.halo import halo
from rfscale.engine.analysis.tiling.tiles import Tile, tiles
from rfscale.engine.errors import InputError
from rfscale.engine.footprints.margins import next_affected
from rfscale.engine.footprints.plan import resolve
from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from tests.oracles import plain_layers
from tests.oracles import plain_sets as reference

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


# ------------------------------------------------------------------ numbers


def test_a_chain_by_hand():
    found = halo(chain({"kernel": 3, "padding": 1}, {"kernel": 5, "padding": 2}), 10)
    assert found.reach.values.tolist() == [[3, 3], [3, 3]]
    assert found.margin.values.tolist() == [[3, 3], [3, 3]]
    assert found.crop.values.tolist() == [16, 16]
    assert float(found.waste) == 256 / 100
    assert found.useful.values.tolist() == [4, 4]
    assert float(found.waste_as_crop) == 100 / 16


def test_strides_round_margins_up_to_the_period():
    found = halo(chain({"kernel": 3, "stride": 4, "padding": 1}))
    assert found.period.values.tolist() == [4, 4]
    assert found.reach.values.tolist() == [[1, 0], [1, 0]]
    assert found.margin.values.tolist() == [[4, 0], [4, 0]]


def test_the_overlap_tile_strategy_of_unpadded_unets():
    found = halo(rf.load("unet"), 384)
    assert found.crop.values.tolist() == [572, 572]  # Ronneberger et al. 2015: 572 in, 388 out


def test_zoo_figures():
    assert halo(rf.load("unet-padded")).margin.values.tolist() == [[96, 96], [96, 96]]
    assert halo(rf.load("resnet50"), layers=["layer4"]).reach.values.tolist() == [[213, 182], [213, 182]]


def test_a_map_that_a_crop_layer_cuts_needs_more_than_its_reach():
    """Affected entries lie inside the crop: reach alone would be too little."""
    net = chain(*CUT, axes=1)
    found = halo(net)
    assert (found.margin >= found.reach).all()


@pytest.mark.parametrize(
    ("network", "kw", "message"),
    [
        (rf.load("resnet18"), {}, r"layer 'fc' cannot be tiled: 'avgpool' \(global_pool\)"),
        (chain({"op": "resize", "size": 9}), {}, r"layer 'resize1' \(resize\)"),
        (chain({"op": "pad", "padding": 1, "mode": "circular"}), {}, "wraps around"),
        (chain({"op": "pad", "padding": [0, 0, 0, 1], "mode": "circular"}), {}, "wraps around"),  # at one end alone
        (
            chain({"kernel": 3}, {"op": "roll", "shift": 2}),
            {},
            r"'roll2' \(roll\) cannot be tiled: it wraps around",
        ),
        (chain({"kernel": 3, "stride": 4}), {"tile": 10}, "period 4 of network; give 8 or 12"),
        (chain({"kernel": 3}), {"layers": []}, "layers is empty"),
        (chain({"kernel": 3}), {"layers": ["conv9"]}, "no layer 'conv9'"),
    ],
)
def test_bad_input_is_one_line(network, kw, message):
    if "resize" in message:
        network = sized(network, (30, 30))
    with pytest.raises(InputError, match=message):
        halo(network, **kw)


def test_globals_can_be_skipped():
    b = NetworkBuilder("squeeze")
    x = b.conv(kernel=3, padding=1)
    g = b.global_pool()
    b.multiply(inputs=[x, g])
    net = b.build()
    with pytest.raises(InputError, match="global_pool2"):
        halo(net)
    assert halo(net, global_ops="skip").margin.values.tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("image", range(64, 69))
def test_same_padding_tiles_images_of_any_size(image):
    """What `same` pads depends on the size modulo the period 4: crops have that of the image, and the same paths."""
    net = sized(chain(*[{"kernel": 3, "stride": 2, "padding": "same"}] * 2, axes=1), (image,))
    found = list(tiles(net, image, 16))
    assert len(found) > 3
    assert {(t.crop[0].stop - t.crop[0].start - image) % 4 for t in found} == {0}
    assert not any(differs(net, (image,), t) for t in found)


def test_layers_after_those_asked_for_may_depend_on_the_size():
    layers = [{"kernel": 3, "padding": 1}, {"op": "max_pool", "kernel": 2}, {"op": "adaptive_pool", "size": 7}]
    net, without = Network.sequential(*layers, input_size=64), chain(*layers[:2])
    with pytest.raises(InputError, match="adaptive_pool"):
        list(tiles(net, 40, 16))
    assert list(tiles(net, 40, 16, layers=["max_pool2"])) == list(tiles(without, 40, 16))
    costs = rf.tile_costs(net, [16], image_size=40, layers=["max_pool2"])
    assert costs.waste.values.tolist() == rf.tile_costs(without, [16], image_size=40).waste.values.tolist()


@pytest.mark.parametrize("name", CASES)
def test_tiles_cover_every_output_once(name):
    net, image, tile = CASES[name]
    net = sized(net, image)
    sizes = net.map_sizes(image)
    times = {output: np.zeros(sizes[output], int) for output in net.outputs}
    for t in tiles(net, image, tile):
        for output, box in t.outer.items():
            times[output][box] += 1
            assert [s.stop - s.start for s in box] == [s.stop - s.start for s in t.inner[output]]
    assert all((count == 1).all() for count in times.values())


# ------------------------------------------------------------------ proof by the oracle, without torch


def paths(net: Network, output: str, entry: tuple[int, ...], size: tuple[int, ...], corner: tuple[int, ...]) -> dict:
    found = reference.path_counts(net, output, entry, size)
    return {tuple(p + c for p, c in zip(pixel, corner, strict=True)): n for pixel, n in found.items()}


def box_entries(box: tuple[slice, ...]) -> itertools.product:
    return itertools.product(*(range(s.start, s.stop) for s in box))


def differs(net: Network, image: tuple[int, ...], t: Tile, limit: int = 400) -> bool:
    """Whether some entry of a tile has other paths in the crop than in the whole image."""
    corner = tuple(s.start for s in t.crop)
    size = tuple(s.stop - s.start for s in t.crop)
    for output in t.inner:
        pairs = list(zip(box_entries(t.inner[output]), box_entries(t.outer[output]), strict=True))
        for inner, outer in random.Random(0).sample(pairs, min(limit, len(pairs))):
            if paths(net, output, inner, size, corner) != paths(net, output, outer, image, (0,) * len(image)):
                return True
    return False


SMALL = ("stack", "valid", "dilated", "pooled", "unet-wide", "aspp", "late padding", "crop", "same", "causal", "ceil")


def one_axis(net: Network) -> Network:
    """The network along its last axis."""
    spec = net.to_dict()
    ndim = len(net.axes)

    def last(value):
        if isinstance(value, list) and len(value) == 2 * ndim:
            return [value[ndim - 1], value[-1]]
        return value[-1:] if isinstance(value, list) and len(value) == ndim else value

    layers = [{k: v if k == "inputs" else last(v) for k, v in layer.items()} for layer in spec["layers"]]
    return Network.from_dict({**spec, "axes": 1, "layers": layers})


@pytest.mark.parametrize("name", SMALL)
def test_paths_of_tiles_equal_those_of_the_image(name):
    net, image, tile = CASES[name]
    net, image = sized(one_axis(net), image[-1:]), image[-1:]
    for t in tiles(net, image, tile):
        assert not differs(net, image, t), t


@pytest.mark.parametrize("name", [n for n in SMALL if n != "same"])
def test_one_period_less_has_other_paths(name):
    net = one_axis(CASES[name][0])
    found = halo(net)
    (period,), ((before, after),) = found.period.values.tolist(), found.margin.values.tolist()
    width = 4 * period
    start = (before // period + 3) * period
    image = (start + width + (after // period + 3) * period + after % period,)
    for less in (0, 1):
        margins = [before - period * (less == 0), after - period * (less == 1)]
        if min(margins) < 0:
            continue
        crop = (slice(start - margins[0], start + width + margins[1]),)
        length = crop[0].stop - crop[0].start
        inner, outer = {}, {}
        sizes, whole = net.map_sizes(length), net.map_sizes(image)
        for output in net.outputs:
            entries, pixels = scale(net, output)
            low, high = start * entries // pixels, (start + width) * entries // pixels
            off = crop[0].start * entries // pixels
            inner[output], outer[output] = (slice(low - off, min(high - off, sizes[output][0])),), (slice(low, high),)
            if inner[output][0].stop < high - off:
                break  # the entries are not even there
            assert high <= whole[output][0]
        else:
            assert differs(net, image, Tile(crop, inner, outer)), margins


def scale(net: Network, output: str) -> tuple[int, int]:
    """So many entries on so many pixels."""
    jump = reference.jump(net, output)
    assert jump is not None
    return jump[0].denominator, jump[0].numerator


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


def test_the_command(capsys):
    from types import SimpleNamespace

    from rfscale.sweeps.cli.verbs.halo import halo as verb

    verb(SimpleNamespace(obj={"command": "rfscale halo"}), "unet-padded", tile="512")
    text = capsys.readouterr().out
    assert "tiles of 512×512: run the network on 704×704, 1.89 pixels computed for each of use" in text
    with pytest.raises(InputError, match="tile is 'wide'"):
        verb(SimpleNamespace(obj={}), "unet-padded", tile="wide")


@pytest.mark.parametrize("end", ["start", "end"])
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "bilinear"])
def test_affected_entries_are_those_that_read_one(mode, end):
    """By the oracle's reads: an affected entry, also where it is copied, or one beyond the open end."""
    rng = np.random.default_rng(7)
    resampled = {"op": "upsample", "scale": 2, "mode": "bilinear"}
    layer = resampled if mode == "bilinear" else {"op": "pad", "padding": [3, 2], "mode": mode}
    net = chain(layer, axes=1)
    n = 9
    axis_map = resolve(net, (n,)).steps[0].maps[0]
    size = net.map_sizes((n,))[net.layers[0].name][0]
    for _ in range(20):
        affected = rng.random(n) < 0.3
        found = next_affected(affected, axis_map, size, end)
        for entry in range(size):
            params = net.layers[0].params
            free = plain_layers.axis_reads(net.layers[0].op, params, 0, entry, n, finite=False)
            beyond = any(t < 0 if end == "start" else t >= n for t in free)
            copies = plain_layers.axis_reads(net.layers[0].op, params, 0, entry, n, finite=True)
            assert found[entry] == (beyond or any(affected[t] for t in copies))
