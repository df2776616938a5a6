"""Questions as people ask them in public, and the answers that they got or that arithmetic gives.

Networks are written from the layers that the questions name. Nothing here is taken from the code under test.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

import rfscale as rf


def line(*layers, **more):
    return rf.Network.sequential(*layers, axes=1, **more)


def up_and_down(levels, *, pool=2, ndim=2):
    """An encoder that halves its map so often, and a decoder that doubles and joins it."""
    b = rf.NetworkBuilder("up-and-down", axes=ndim)
    x, skips = b.conv("stem", kernel=3, padding=1), []
    for i in range(levels):
        skips.append(x)
        x = b.conv(f"down{i}", kernel=3, stride=pool, padding=1, inputs=x)
    for i in reversed(range(levels)):
        x = b.concat(f"cat{i}", inputs=[b.upsample(f"up{i}", scale=pool, inputs=x), skips[i]])
    return b.build()


def takes(net, size):
    return not rf.valid_sizes(net, near=size).attrs.get("not_near")


# which sizes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "smallest"),
    [
        ("inception_v3", 75),  # "input size must be at least 75x75"
        ("vgg16", 32),  # "should be no smaller than 32"
        ("alexnet", 63),  # 62 pixels leave a map of 2 for a pool of 3: ((2·2 + 3) − 1)·2 + 3 = 15, (15 − 1)·4 + 11 − 4
        ("patchgan", 24),  # a map of 3 for two kernels of 4 with padding 1, halved three times before
    ],
)
def test_how_small_an_image_may_be(network, smallest):
    assert rf.valid_sizes(network).smallest.sel(rule="fits").values.tolist() == [smallest] * 2


def test_the_shortest_sound_that_wav2vec_takes():
    """Kernels 10, 3·4, 2·2 at strides 5, 2·6: 400 samples."""
    kernels, strides = [10, 3, 3, 3, 3, 2, 2], [5, 2, 2, 2, 2, 2, 2]
    net = line(*({"kernel": k, "stride": s} for k, s in zip(kernels, strides, strict=True)))
    assert rf.valid_sizes(net).smallest.sel(rule="fits").item() == 400
    assert net.map_sizes(400)["conv7"] == (1,)


def test_some_sizes_work_and_some_do_not():
    """An encoder of stride 32: 320×480 and 640×960 run, 350×525 and 160×240 do not; 800×275 neither."""
    net = up_and_down(5)
    assert [takes(net, size) for size in [(320, 480), (640, 960)]] == [True, True]
    found = rf.valid_sizes(net, near=(350, 525)).sel(rule="divides")
    assert (found.below.values.tolist(), found.above.values.tolist()) == ([320, 512], [352, 544])
    assert not takes(net, (800, 275))
    assert not takes(net, (350, 525))
    assert rf.valid_sizes(net, near=(800, 275)).above.sel(rule="fits").values.tolist() == [800, 288]


def test_halving_that_rounds_up_does_not_help():
    """Halving with padding rounds up, and doubling must give what was halved: nothing but multiples of 32 does."""
    net = up_and_down(5)
    sizes = [n for n in range(1, 200) if takes(net, (n, n))]
    expected = []
    for n in range(1, 200):
        maps = [n]
        for _ in range(5):
            maps.append(-(-maps[-1] // 2))
        if all(2 * small == large for large, small in pairwise(maps)):
            expected.append(n)
    assert sizes == expected == list(range(32, 200, 32))


def test_the_number_of_levels_says_the_multiple():
    """'A multiple of 2 ** n, where n is the number of levels': four pools take 560×400."""
    for levels in (1, 3, 4):
        found = rf.valid_sizes(up_and_down(levels)).sel(rule="fits")
        assert set(found.valid.values) == {f"{2**levels}k from {2**levels}"}
    assert takes(up_and_down(4), (560, 400))
    assert not takes(up_and_down(5), (1024, 684))  # 'the dimensions are 64×44 and 64×43'
    assert rf.valid_sizes(up_and_down(5), (1024, 684)).above.sel(rule="fits").values.tolist() == [1024, 704]
    assert set(rf.valid_sizes(up_and_down(3, ndim=3)).valid.sel(rule="fits").values) == {"8k from 8"}


def test_images_of_80_pixels_and_a_network_made_for_256():
    """Eight halvings need 256; seven, for 128, are what 80×80 can be padded to."""
    sizes = {}
    for levels in (7, 8):
        layers = [{"kernel": 4, "stride": 2, "padding": 1}] * levels
        net = rf.Network.sequential(*layers, *[{"op": "conv_transpose", **layers[0]}] * levels)
        sizes[levels] = rf.valid_sizes(net, 80).above.sel(rule="divides").values.tolist()
    assert sizes == {7: [128, 128], 8: [256, 256]}


def test_sizes_of_the_article_of_unets():
    """572 gives 388; what is nearest to 500 and to 512."""
    assert rf.load("unet").map_sizes(572)["output"] == (388, 388)
    found = rf.valid_sizes("unet", near=(500, 512)).sel(rule="fits")
    assert found.above.values.tolist() == [508, 524]
    assert found.below.values.tolist() == [492, 508]


# where an entry lies --------------------------------------------------------------------------------------------------


def test_the_first_position_without_padding_is_pixel_2():
    """'A receptive field of 5, stride 1 and no padding: 100×100 gives 96×96, the first corresponds to (2, 2).'"""
    net = rf.Network.sequential({"kernel": 3}, {"kernel": 3, "name": "out"})
    assert net.map_sizes(100)["out"] == (96, 96)
    assert rf.where(net, "out", (0, 0), 100).centre.values.tolist() == [[2, 2]]


@pytest.mark.parametrize("entry", [0, 1, 7])
def test_the_window_of_a_face_detector(entry):
    """A cascade's first network, kernels 3, 2 (stride 2), 3, 3: cells of 12 pixels, every 2, from pixel 2·entry on."""
    layers = [{"kernel": 3}, {"op": "max_pool", "kernel": 2}, {"kernel": 3}, {"kernel": 3, "name": "cell"}]
    found = rf.where(rf.Network.sequential(*layers), "cell", (entry, entry)).isel(layer=0, axis=0)
    assert (found.start.item(), found.end.item(), found.extent.item()) == (2 * entry, 2 * entry + 11, 12)


def test_first_and_last_pixel_of_an_output():
    """With indices from 0: stride·y + offset ∓ (size − 1)/2, for two layers of kernel 5, the first of stride 2."""
    net = line({"kernel": 5, "stride": 2, "padding": 1}, {"kernel": 5, "name": "y"})
    size, offset = 5 + 4 * 2, (2 - 1) + 2 * 2
    for y in range(4):
        found = rf.where(net, "y", y).isel(layer=0, axis=0)
        middle = 2 * y + offset
        assert (found.start.item(), found.end.item()) == (middle - (size - 1) / 2, middle + (size - 1) / 2)


def test_how_a_receptive_field_of_31_comes_about():
    """1 + 10 + 10 + 10 of three layers of kernel 11, after 'downscaled 8×'."""
    net = rf.Network.sequential(*[{"kernel": 11, "padding": 5}] * 3)
    assert rf.where(net, "conv3", (0, 0)).extent.values.tolist() == [[31, 31]]


def test_which_cell_is_responsible():
    """At stride 32 a box from 100 to 139 has its middle at 119.5: cell 4 of 0, 32, 64, 96, 128."""
    found = rf.entries_at("resnet50", (100, 100), "layer4", 448, size=40).isel(layer=0, axis=0)
    assert (found.nearest.item(), found.offset.item()) == (4, 119.5 - 128)


# context along time ---------------------------------------------------------------------------------------------------


def samples(found, *names):
    return [found[name].item() for name in names]


@pytest.mark.parametrize(("kernel", "extent", "ms"), [(2, 3070, 139.2), (3, 6139, 278.4)])
def test_the_receptive_field_of_a_vocoder(kernel, extent, ms):
    """Thirty layers in three stacks at 22,050 Hz: 'receptive field (samples / ms): 6139 / 278'."""
    dilated = [{"kernel": kernel, "dilation": 2**i, "padding": [(kernel - 1) * 2**i, 0]} for i in range(10)]
    found = rf.context(line(*dilated * 3), rate=22050)
    assert samples(found, "extent", "lookahead") == [extent, 0]
    assert round(found.extent_ms.item(), 1) == ms


def test_frames_of_a_speaker_model():
    """Frames of 61.9375 ms every 16.875 ms: 991 and 270 samples at 16 kHz."""
    pool = {"op": "max_pool", "kernel": 3}
    net = line({"kernel": 251, "stride": 10}, pool, {"kernel": 5}, pool, {"kernel": 5}, pool)
    found = rf.context(net, rate=16000)
    assert samples(found, "extent", "extent_ms", "hop", "hop_ms") == [991, 61.9375, 270, 16.875]


def test_the_lookahead_of_a_causal_denoiser():
    """Five kernels of 8 at stride 4 on sound that is sampled four times as often: 37 ms, every 16 ms."""
    net = line({"op": "upsample", "scale": 4}, *[{"kernel": 8, "stride": 4}] * 5)
    found = rf.context(net, rate=16000)
    length = 1
    for _ in range(5):
        length = (length - 1) * 4 + 8
    assert samples(found, "latency", "hop", "hop_ms") == [-(-length // 4), 256, 16] == [597, 256, 16]
    assert round(found.latency_ms.item()) == 37


def test_the_frames_left_and_right_of_a_time_delay_network():
    """Contexts {−2…2}, {−2, 0, 2}, {−3, 0, 3}: seven frames on either side, fifteen in all; of 10 ms each."""
    layers = [{"kernel": k, "dilation": d, "padding": d * (k // 2)} for k, d in ((5, 1), (3, 2), (3, 3), (1, 1))]
    found = rf.context(line(*layers), rate=100)
    assert samples(found, "past", "lookahead", "extent", "lookahead_ms") == [7, 7, 15, 70]


def test_a_future_context_of_250_ms():
    """Frames every 10 ms, halved three times, so 80 ms apart; padded so that the future counts three frames of 80."""
    layers = [{"kernel": 2, "stride": 2}] * 3 + [{"kernel": 9, "padding": [5, 3]}]
    found = rf.context(line(*layers), rate=100)
    assert samples(found, "hop_ms", "past_ms", "lookahead_ms") == [80, 5 * 80, 3 * 80]


# two networks side by side --------------------------------------------------------------------------------------------


def test_does_the_dilated_variant_have_the_same_receptive_field():
    """Strides of the last two stages turned into dilations: the stride falls from 32 to 8, the extent stays."""

    def net(dilated):
        layers = [{"kernel": 3, "padding": 1, "stride": 2}] * 3
        for i in (1, 2):
            rate = 2 ** (i - 1) if dilated else 1
            layers.append({"kernel": 3, "padding": rate, "dilation": rate, "stride": 1 if dilated else 2})
        return rf.Network.sequential(
            *layers, {"kernel": 3, "padding": 4 if dilated else 1, "dilation": 4 if dilated else 1}
        )

    found = rf.compare(net(False), net(True)).isel(layer=-1, axis=0)
    assert found.jump.values.tolist() == [32, 8]
    assert found.extent.values.tolist() == [1 + 2 * (1 + 2 + 4 + 8 + 16 + 32)] * 2
    assert "jump" in found.differs.item()
    assert "extent" not in found.differs.item()


def test_three_layers_of_3_and_one_of_7():
    """The same 7 pixels; 27·C² weights and 49·C²."""
    three = rf.Network.sequential(*[{"kernel": 3, "padding": 1, "channels": 3, "bias": False}] * 3)
    one = rf.Network.sequential({"kernel": 7, "padding": 3, "channels": 3, "bias": False, "name": "conv"})
    found = rf.compare(three, one)
    last = found.isel(layer=found.is_output.values)
    assert last.extent.values.tolist() == [[[7, 7], [7, 7]]]
    assert found.total_params.values.tolist() == [27 * 9, 49 * 9]
