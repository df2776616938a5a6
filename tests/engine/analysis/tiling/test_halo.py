"""Margins of tiles: by hand, and by the oracle of paths."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.analysis.tiling.halo import halo
from rfscale.engine.analysis.tiling.tiles import Tile, tiles
from rfscale.engine.errors import InputError
from rfscale.engine.footprints.margins import next_wanted
from rfscale.engine.footprints.plan import resolve
from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from tests.engine.analysis.tiling.tiled_networks import CASES, CUT, chain, sized
from tests.oracles import plain_layers
from tests.oracles import plain_sets as reference

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


def test_entries_that_read_nothing_need_no_margin():
    net = chain({"kernel": 3, "padding": 1}, {"kernel": 1, "stride": 8, "block": 4, "padding": [1, 0]}, axes=1)
    assert halo(net).margin.values.tolist() == [[0, 0]]


def test_a_slice_that_ends_behind_the_image_cuts_nothing():
    def at(stop):
        net = chain({"kernel": 3, "padding": 1}, {"op": "slice", "stop": stop}, {"kernel": 3, "padding": 1}, axes=1)
        return [tile.crop for tile in tiles(net, image_size=64, tile=16)]

    assert at(64) == at(1000) == at(None)
    with pytest.raises(InputError, match=r"'slice2' .* ends at a fixed entry"):
        at(63)


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
        (chain({"kernel": 3}, {"op": "slice", "stop": 9}), {}, "'slice2' .* ends at a fixed entry .* a stop below 0"),
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


COPIED_AT_ONE_END = (
    [{"kernel": 5, "padding": 2}, {"op": "pad", "padding": [2, 0], "mode": "replicate"}],
    [{"kernel": 9, "padding": 4}, {"op": "pad", "padding": [3, 1], "mode": "reflect"}, {"kernel": 2}],
    [
        {"op": "avg_pool", "kernel": 3, "stride": 1, "dilation": 3, "padding": 1},
        {"op": "max_pool", "kernel": 1, "stride": 3},
        {"op": "pad", "padding": [0, 3], "mode": "replicate"},
    ],
)


@pytest.mark.parametrize("layers", COPIED_AT_ONE_END)
def test_entries_copied_at_the_border_lie_in_the_crops_of_small_tiles(layers):
    """An entry that a border copies lies farther inside than what margins count on: crops there are longer."""
    net = chain(*layers, axes=1)
    (period,) = halo(net).period.values.tolist()
    for image in range(9 * period, 11 * period + 1):
        for tile in range(period, 5 * period, period):
            found = list(tiles(net, image, tile))
            assert not any(differs(net, (image,), t) for t in found), (image, tile)
            costs = rf.tile_costs(net, [tile], image_size=image)
            assert float(costs.waste[0]) == sum(t.crop[0].stop - t.crop[0].start for t in found) / image


def test_a_crop_that_the_network_does_not_take_says_so():
    net = chain({"op": "slice", "start": 3}, {"op": "pad", "padding": [0, 3]}, axes=1)
    with pytest.raises(InputError, match=r"crop of a tile at the border, 2 pixels: .*'slice1'.*; give a larger tile"):
        list(tiles(net, 20, 2))


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
def test_what_an_entry_wants_is_the_most_of_what_it_reads(mode, end):
    """By the oracle's reads: also of what is copied, and more than all there is of one beyond the open end."""
    rng = np.random.default_rng(7)
    resampled = {"op": "upsample", "scale": 2, "mode": "bilinear"}
    layer = resampled if mode == "bilinear" else {"op": "pad", "padding": [3, 2], "mode": mode}
    net = chain(layer, axes=1)
    n = 9
    axis_map = resolve(net, (n,)).steps[0].maps[0]
    size = net.map_sizes((n,))[net.layers[0].name][0]
    for _ in range(20):
        wanted = rng.integers(1, 6, n)
        found = next_wanted(wanted, axis_map, size, end, 6)
        for entry in range(size):
            params = net.layers[0].params
            free = plain_layers.axis_reads(net.layers[0].op, params, 0, entry, n, finite=False)
            beyond = any(t < 0 if end == "start" else t >= n for t in free)
            copies = plain_layers.axis_reads(net.layers[0].op, params, 0, entry, n, finite=True)
            assert found[entry] == (6 if beyond else max((wanted[t] for t in copies), default=0))
