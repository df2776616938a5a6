"""Darknet configurations, judged by plain sets that are composed along one axis as Darknet's own code counts."""

import pytest

import rfscale as rf
from tests.engine.readers.darknet import darknet_files as files
from tests.engine.readers.darknet.darknet_files import conv, maxpool, net, route, section


def composed(text, size):
    """By name of a section: for each entry along one axis, the pixels that it reads."""
    sections = []
    for line in text.splitlines():
        if line.startswith("["):
            sections.append({"kind": line.strip("[]")})
        elif line:
            key, _, value = line.partition("=")
            sections[-1][key] = value
    maps, names = [], {}
    for number, s in enumerate(sections[1:]):
        last = maps[-1] if maps else [{p} for p in range(size)]
        kernel, stride = int(s.get("size", 1)), int(s.get("stride", 1))
        if s["kind"] == "convolutional":
            pad = kernel // 2 if s.get("pad") == "1" else 0
            made = windows(last, kernel, stride, -pad, (len(last) + 2 * pad - kernel) // stride + 1)
        elif s["kind"] == "maxpool":
            made = windows(last, kernel, stride, -((kernel - 1) // 2), (len(last) - 1) // stride + 1)
        elif s["kind"] == "upsample":
            made = [reads for reads in last for _ in range(stride)]
        elif s["kind"] == "reorg":
            made = windows(last, stride, stride, 0, len(last) // stride)
        elif s["kind"] in ("route", "shortcut"):
            chosen = [int(n) for n in s.get("layers", s.get("from")).split(",")]
            parts = [maps[n] for n in chosen] + ([last] if s["kind"] == "shortcut" else [])
            made = [set().union(*(part[o] for part in parts)) for o in range(len(parts[0]))]
        else:
            made = last
        maps.append(made)
        names[f"{'conv' if s['kind'] == 'convolutional' else s['kind']}{number}"] = made
    return names


def windows(last, kernel, stride, start, length):
    return [
        set().union(*(last[i] for k in range(kernel) if 0 <= (i := o * stride + start + k) < len(last)))
        for o in range(length)
    ]


@pytest.fixture
def written(tmp_path):
    def write(text, name="net.cfg"):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


@pytest.mark.parametrize("name", ["yolov3", "yolov3_tiny", "yolov4_tiny", "yolov4_backbone", "yolov2"])
def test_every_layer_reads_what_darknet_reads(written, name):
    text = getattr(files, name)(128)
    network = rf.load(written(text))
    wanted, compared = composed(text, 128), 0
    for entry in ("center", (0, 0)):
        profile = rf.profile(network, input_size=128, entry=entry)
        for layer in map(str, profile.layer.values):
            if layer not in wanted:
                continue
            reads = wanted[layer]
            assert profile.map_size.sel(layer=layer).values.tolist() == [len(reads)] * 2, layer
            pixels = reads[len(reads) // 2 if entry == "center" else 0]
            assert profile.extent.sel(layer=layer).values.tolist() == [max(pixels) - min(pixels) + 1] * 2, layer
            assert profile.start.sel(layer=layer).values.tolist() == [min(pixels)] * 2, layer
            compared += 1
    assert compared > 2 * 15


def test_the_outputs_are_the_heads(written):
    network = rf.load(written(files.yolov3()))
    assert network.input_size == (416, 416)
    assert network.outputs == ("yolo82", "yolo94", "yolo106")
    assert network.name == "net"
    jumps = rf.profile(network).jump.sel(layer=list(network.outputs)).values
    assert jumps.tolist() == [[32, 32], [16, 16], [8, 8]]
    assert rf.load(written(files.yolov3()), input_size=(320, 608)).input_size == (320, 608)


def test_groups_strides_and_squeezing(written):
    text = net(64) + conv(8, stride=2, groups=1) + conv(8, groups=8, dilation=2)
    text += section("avgpool") + conv(8, 1) + section("scale_channels", **{"from": -3})
    text += section("convolutional", filters=8, size=3, stride_x=2, stride_y=1, pad=1)
    network = rf.load(written(text))
    profile = rf.profile(network, global_ops="skip")
    assert profile.jump.values[-1].tolist() == [2, 4]
    assert profile.extent.sel(layer="conv1").values.tolist() == [11, 11]
    assert profile.extent.values[-1].tolist() == [15, 15]


def test_softmax_is_over_a_whole_map_or_over_the_channels_of_each_entry(written):
    each = rf.load(written(net(32) + conv(8) + section("softmax", spatial=1)))
    assert rf.profile(each).extent.values[-1].tolist() == [3, 3]
    whole = rf.load(written(net(32) + conv(8) + section("softmax", groups=1)))
    assert rf.footprint(whole, whole.outputs[0], (0, 0), (32, 32)).values.all()


def test_blocks_of_pixels_are_noted(written):
    assert "reorg" in str(rf.load(written(files.yolov2())).assumed)


def test_what_is_not_known_ends_the_network(written):
    text = net(64) + conv(8) + section("lstm", output=4) + conv(8)
    with pytest.warns(rf.PartlyReadWarning, match="lstm1"):
        network = rf.load(written(text))
    assert network.outputs == ("conv0",)
    assert "lstm" in str(network.left_out)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"its first section must be \[net\]"),
        ("[convolutional]\nsize=3\n", r"its first section must be \[net\]"),
        ("[net]\nwidth=x\n[maxpool]\n", "its width is 'x', no whole number"),
        ("[net]\nwidth=0\n[maxpool]\n", "is empty"),
        ("[net]\nwidth\n", "line 2 is 'width', not key=value"),
        (net(32) + conv(8, size=0), "its numbers do not fit"),
        (net(32) + route(7), "reads the section 7, which is not before it"),
    ],
)
def test_wrong_files_are_one_line(written, text, message):
    with pytest.raises(rf.InputError, match=message) as caught:
        rf.load(written(text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (maxpool() + section("shortcut", **{"from": -2}), "adds maps of different sizes"),
        (section("route", layers="-1", groups=3), "8 channels are no 3 parts"),
        (conv(10**10), "too large"),
        (section("maxpool", size=2, maxpool_depth=1), "it pools channels"),
        (conv(8, antialiasing=1), "it is smoothed"),
    ],
)
def test_sections_that_cannot_be_read_say_why(written, text, message):
    with pytest.warns(rf.PartlyReadWarning, match=message):
        network = rf.load(written(net(32) + conv(8) + text))
    assert network.left_out


def test_options_that_do_not_fit(written):
    path = written(net(32) + conv(8))
    assert rf.load(path, example_input=(1, 1, 40, 48)).input_size == (40, 48)
    assert rf.load(path, example_input=40).input_size == (40, 40)
    with pytest.raises(rf.InputError, match="leave axes out"):
        rf.load(path, axes=(1, 2))
    with pytest.raises(rf.InputError, match="give a shape such as"):
        rf.load(path, example_input=(40, 48))
    with pytest.raises(rf.InputError, match="No such file"):
        rf.load("nowhere.cfg")
