"""What tiles cost, and the tile within limits: held against tiles that are cut and counted."""

from __future__ import annotations

from math import isnan, prod

import pytest

import rfscale as rf
from rfscale.engine.analysis.tiling.tile_costs import padded_size
from rfscale.engine.errors import InputError
from rfscale.engine.network.network import Network

UNET_3D = Network.sequential(
    {"kernel": 3, "padding": 1, "channels": 4},
    {"op": "max_pool", "kernel": [2, 8, 4]},
    {"kernel": 3, "padding": 1, "channels": 8},
    {"op": "upsample", "scale": [2, 8, 4]},
    {"op": "concat", "inputs": ["conv1", "upsample4"]},
    {"kernel": 3, "padding": 1, "channels": 2},
    axes=3,
)


def test_the_image_of_the_volume_is_padded_per_axis():
    assert padded_size(UNET_3D, (45, 101, 83)) == (46, 104, 84)
    found = rf.halo(UNET_3D, image_size=(45, 101, 83))
    assert found.pad_to.values.tolist() == [46, 104, 84]
    assert found.valid.values.tolist() == ["2k from 2", "8k from 8", "4k from 4"]


def test_waste_of_an_image_is_that_of_its_tiles():
    image = (45, 101, 83)
    found = rf.tile_costs(UNET_3D, [(16, 32, 24), (46, 104, 84)], image_size=image)
    for option in range(2):
        one = found.isel(option=option)
        cut = list(rf.tiles(UNET_3D, (46, 104, 84), one.tile.values.tolist()))
        sizes = [tuple(s.stop - s.start for s in t.crop) for t in cut]
        assert int(one.tiles) == len(cut)
        assert float(one.waste) == sum(map(prod, sizes)) / prod(image)
        assert one.crop.values.tolist() == [max(size[a] for size in sizes) for a in range(3)]


def test_tiles_without_entries_are_not_counted():
    """One output ends before the last row of tiles, the other before the last column: nothing is left of the corner."""
    net = Network.sequential(
        {"name": "stem", "kernel": 3, "padding": 1},
        {"name": "rows", "kernel": [5, 1]},
        {"name": "columns", "kernel": [1, 5], "inputs": "stem"},
    )
    found = rf.tile_costs(net, [4], image_size=12).isel(option=0)
    sizes = [tuple(s.stop - s.start for s in tile.crop) for tile in rf.tiles(net, 12, 4)]
    assert int(found.tiles) == len(sizes) == 3 * 3 - 1
    assert float(found.waste) == sum(map(prod, sizes)) / 144
    assert found.crop.values.tolist() == [max(size[a] for size in sizes) for a in range(2)]


def test_without_an_image_it_is_the_waste_of_a_tile_inside():
    found = rf.tile_costs("unet-padded", [512])
    halo = rf.halo("unet-padded", 512)
    assert float(found.waste[0]) == float(halo.waste)
    assert found.crop[0].values.tolist() == halo.crop.values.tolist()
    assert found.waste.attrs == {"units": "1", "long_name": "pixels computed for each pixel of use"}


def test_listed_tiles_are_multiples_of_the_period_and_end_at_the_image():
    found = rf.tile_costs(UNET_3D, image_size=(45, 101, 83))
    assert (found.tile.values % [2, 8, 4] == 0).all()
    assert found.tile[-1].values.tolist() == [46, 104, 84]
    assert int(found.tiles[-1]) == 1
    assert len({tuple(t) for t in found.tile.values.tolist()}) == found.sizes["option"]


@pytest.mark.parametrize("image", [None, (900, 1100)])
@pytest.mark.parametrize("waste", [3.0, 1.5, 1.2])
def test_the_smallest_tile_that_keeps_a_waste(waste, image):
    tile = rf.choose_tile("unet-padded", waste=waste, image_size=image)
    less = [t - 16 for t in tile]
    found = rf.tile_costs("unet-padded", [tile, less], image_size=image)
    assert float(found.waste[0]) <= waste < float(found.waste[1])


@pytest.mark.parametrize("memory", [1e8, 1e9, 8e9])
def test_the_largest_tile_that_fits_a_memory(memory):
    tile = rf.choose_tile("unet-padded", memory=memory)
    found = rf.tile_costs("unet-padded", [tile, [t + 16 for t in tile]])
    assert float(found.memory[0]) <= memory < float(found.memory[1])


def test_half_the_bytes_allow_a_larger_tile():
    small, large = (rf.choose_tile("unet-padded", memory=1e9, dtype=d) for d in ("float32", "float16"))
    assert large > small
    values = [float(rf.tile_costs("unet-padded", [512], dtype=d).memory[0]) for d in ("float32", "float16")]
    assert values[0] == 2 * values[1]


def test_a_memory_for_the_whole_image_takes_one_tile():
    assert rf.choose_tile("unet-padded", memory=1e12, image_size=1000) == (1008, 1008)
    found = rf.choose_tile("resnet50", memory=1e12, image_size=(1000, 700), layers=["layer4"])  # no multiples of 32
    assert found == (1024, 704)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({}, "needs a limit; give waste or memory"),
        ({"waste": 1.0}, "waste is 1.0; it must be more than 1"),
        ({"memory": -1}, "memory is -1; it must be more than 0"),
        ({"memory": 1000}, r"memory is 1000; the nearest is a tile of 16×16: waste 169, \d\d,\d{3},\d{3} bytes"),
        ({"memory": 1e9, "waste": 1.1}, "waste is 1.1; with the memory given, the nearest is a tile of 784×784: waste"),
        ({"waste": 1.5, "dtype": "float12"}, "dtype is 'float12'"),
    ],
)
def test_limits_that_cannot_be_kept(limits, message):
    with pytest.raises(InputError, match=message):
        rf.choose_tile("unet-padded", **limits)


def test_without_channels_there_is_no_memory():
    net = Network.sequential({"kernel": 3, "padding": 1})
    assert isnan(float(rf.tile_costs(net, [8]).memory[0]))
    with pytest.raises(InputError, match="the memory of network is not known"):
        rf.choose_tile(net, memory=1e9)


def test_an_image_larger_than_any_valid_size():
    net = Network.from_dict(
        {"input_size": 8, "layers": [{"kernel": 3, "padding": 1}, {"op": "linear", "channels": 2, "inputs": ["conv1"]}]}
    )
    with pytest.raises(InputError, match="no image of 9×9 pixels or more fits network"):
        padded_size(net, (9, 9))
