"""Heads of detectors: levels of a pyramid, flattened and joined, each judged by pixels that are not a number."""

from __future__ import annotations

import numpy as np
import pytest

import rfscale as rf

torch = pytest.importorskip("torch")
nn = torch.nn
pytestmark = pytest.mark.torch

SIZE = (20, 24)
LEVELS = ((10, 12), (5, 6), (3, 3))  # of strides 2, 4, 8
LENGTHS = [h * w for h, w in LEVELS]


def conv(before, after, kernel=3, stride=1):
    return nn.Conv2d(before, after, kernel, stride, kernel // 2)


class Pyramid(nn.Module):
    """Three levels, and a head on them."""

    def __init__(self, head, width=4):
        super().__init__()
        self.downs = nn.ModuleList([conv(3, width, 3, 2), conv(width, width, 3, 2), conv(width, width, 3, 2)])
        self.heads = nn.ModuleList([conv(width, 12, 1), conv(width, 12, 3), conv(width, 12, 1)])
        self.again, self.mix = conv(4, 4), nn.Linear(12, 12)
        self.dfl = nn.Conv2d(4, 1, 1, bias=False)
        self.head = head

    def forward(self, x):
        maps = []
        for down, head in zip(self.downs, self.heads, strict=True):
            x = down(x)
            maps.append(head(x))
        return self.head(self, maps)


def joined(maps):
    return torch.cat([m.flatten(2) for m in maps], 2)


def yolo(m, maps):
    """Bins of distances, decoded with anchors and strides, beside the scores."""
    batch = maps[0].shape[0]
    raw = torch.cat([x.view(batch, 12, -1) for x in maps], 2)
    grids = [torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij") for h, w in LEVELS]
    anchors = torch.cat([torch.stack(g, 0).flatten(1) for g in grids], 1).float()
    strides = torch.cat([torch.full((1, n), float(2 << i)) for i, n in enumerate(LENGTHS)], 1)
    bins, scores = raw.split((8, 4), 1)
    bins = bins.view(batch, 2, 4, raw.shape[2]).transpose(2, 1).softmax(1)
    centre = (m.dfl(bins).view(batch, 2, raw.shape[2]) + anchors) * strides
    return torch.cat([centre, scores.sigmoid()], 1)


def retina(m, maps):
    """Three anchors at each entry, entries in a row; the levels are taken apart again, and one becomes a map."""
    rows = []
    for x in maps:
        batch, _, h, w = x.shape
        rows.append(x.view(batch, 3, 4, h, w).permute(0, 3, 4, 1, 2).reshape(batch, -1, 4))
    parts = torch.cat(rows, 1).softmax(-1).split([3 * n for n in LENGTHS], 1)
    _, second, third = parts
    (h, w), batch = LEVELS[1], maps[0].shape[0]
    back = second.reshape(batch, h, w, 3, 4).amax(3).permute(0, 3, 1, 2)
    return {"own": m.again(back), "last": third}


def in_place(m, maps):
    """Every third channel becomes a score, where it lies."""
    y = joined(maps).clone()
    y[:, 2::3].sigmoid_()
    return y * 2


def sliced(m, maps):
    """Levels by slices, with what a linear layer makes of one."""
    y, (first, second, _) = joined(maps).transpose(1, 2), LENGTHS
    return y[:, :first], y[:, first : first + second], m.mix(y[:, first + second :]).relu()


def attended(m, maps):
    """An encoder over the tokens of all levels, with tokens of its own, which reads all of them."""
    y = joined(maps).transpose(1, 2)
    y = torch.cat([y.new_zeros(y.shape[0], 2, 12), y], 1)
    y = y + nn.functional.scaled_dot_product_attention(m.mix(y)[:, None], y[:, None], y[:, None])[:, 0]
    return y[:, 2:].mean(-1), y[:, :2]


def pooled(m, maps):
    """Statistics over all entries: one for all, and entries scaled by it."""
    y = joined(maps)
    return y.amax(2), y.softmax(2)


def footprints(model, pick):
    """Pixels that some entries depend on: each pixel in turn is not a number. `pick` takes what the model returns."""
    pixels = SIZE[0] * SIZE[1]
    images = torch.rand(1, 3, *SIZE).repeat(pixels, 1, 1, 1)
    images.view(pixels, 3, -1)[torch.arange(pixels), :, torch.arange(pixels)] = torch.nan
    with torch.no_grad():
        return [entry.reshape(pixels, -1).isnan().any(1).view(SIZE).numpy() for entry in pick(model(images))]


def read(head):
    torch.manual_seed(3)
    model = Pyramid(head).eval()
    return model, rf.load(model, example_input=(1, 3, *SIZE))


def check(model, net, layers, at, pick):
    """Compare the footprints of entries of layers with what the model reads for what is picked."""
    truths = footprints(model, pick)
    assert len(truths) == len(layers)
    for layer, entry, truth in zip(layers, at, truths, strict=True):
        assert np.array_equal(rf.footprint(net, layer, entry, SIZE).values, truth), (layer, entry)


ENTRIES = [(4, 7), (2, 0), (1, 2)]
PLACES = [sum(LENGTHS[:i]) + y * LEVELS[i][1] + x for i, (y, x) in enumerate(ENTRIES)]


def test_levels_of_a_head_with_bins_and_anchors():
    model, net = read(yolo)
    assert [net.map_sizes()[name] for name in net.outputs] == list(LEVELS)
    assert [net.layers[net.index(name)].name for name in ("p1", "p2", "p3")] == list(net.outputs)
    check(model, net, net.outputs, ENTRIES, lambda out: [out[..., i] for i in PLACES])
    assert [line.split(" (")[0] for line in rf.output_lines(net)] == ["p1", "p2", "p3"]
    assert not net.left_out


def test_levels_are_taken_apart_again_and_become_maps():
    model, net = read(retina)
    h, w = LEVELS[1]
    assert net.map_sizes()[net.outputs[0]] == (h, w)
    assert net.map_sizes()[net.outputs[1]] == LEVELS[2]
    y, x = ENTRIES[2]
    last = 3 * (y * LEVELS[2][1] + x)
    check(
        model,
        net,
        net.outputs,
        [(2, 3), (y, x)],
        lambda out: [out["own"][:, :, 2, 3], out["last"][:, last : last + 3]],
    )


def test_writes_into_channels_of_all_levels():
    model, net = read(in_place)
    check(model, net, net.outputs, ENTRIES, lambda out: [out[..., i] for i in PLACES])


def test_slices_give_the_levels_back():
    model, net = read(sliced)
    assert [net.map_sizes()[name] for name in net.outputs] == list(LEVELS)
    places = [y * LEVELS[i][1] + x for i, (y, x) in enumerate(ENTRIES)]
    check(model, net, net.outputs, ENTRIES, lambda out: [out[i][:, places[i]] for i in range(3)])


def test_windows_and_one_of_everything():
    """As many windows as there are, and the whole map at their size, one after another along the batch."""

    class Windows(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.last = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 4)

        def forward(self, x):
            y = self.conv(x)
            windows = y.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).reshape(-1, 4, 4, 4)
            both = torch.cat([windows, nn.functional.interpolate(y, size=4)], 0).flatten(2).transpose(1, 2)
            return self.last(both).split([4, 1], 0)

    net = rf.load(Windows(), example_input=(1, 3, 8, 8))
    assert not net.left_out
    assert [net.map_sizes()[name] for name in net.outputs] == [(8, 8), (4, 4)]
    assert rf.footprint(net, net.outputs[0], (3, 3), (8, 8)).values.sum() == 9
    assert rf.footprint(net, net.outputs[1], (1, 2), (8, 8)).values[1:4, 3:6].all()


@pytest.mark.parametrize("head", [attended, pooled])
def test_what_reads_all_entries_reads_every_level(head):
    model, net = read(head)
    for output in net.outputs:
        size = net.map_sizes()[output]
        entry = tuple(n // 2 for n in size)
        assert rf.footprint(net, output, entry, SIZE).values.all()
    for truth in footprints(model, lambda out: [out[0][..., 0], out[1][:, 0]]):
        assert truth.all()
    assert bool(rf.profile(net).is_global.sel(layer=list(net.outputs)).all())


def test_what_decides_by_values_ends_at_the_levels():
    def best(m, maps):
        scores = joined(maps)
        return scores.amax(1).topk(5, 1)[0], m.again(maps[0][:, :4])

    torch.manual_seed(3)
    model = Pyramid(best).eval()
    with pytest.warns(rf.PartlyReadWarning, match=r"topk"):
        net = rf.load(model, example_input=(1, 3, *SIZE))
    assert [net.map_sizes()[name] for name in net.outputs] == list(LEVELS)  # what reads the first level, and the others
    assert list(net.outputs) == ["again", "heads.1", "heads.2"]
    net = rf.load(model, example_input=(1, 3, *SIZE), unknown={"topk": "everything"})
    assert bool(rf.profile(net).is_global.sel(layer=net.outputs[0]))


@pytest.mark.parametrize(
    "odd",
    [
        lambda m, maps: joined(maps) + joined([maps[1], maps[0], maps[2]]),  # other maps meet
        lambda m, maps: joined(maps).view(1, 36, -1),  # cut in the middle of a level
        lambda m, maps: nn.functional.max_pool1d(joined(maps), 3, 1, 1),  # neighbours across levels
        lambda m, maps: joined(maps)[:, :, 5:40],  # parts of levels that are no box of pixels
        lambda m, maps: joined(maps).cumsum(2),
    ],
)
def test_what_no_map_holds_is_left_out(odd):
    with pytest.warns(rf.PartlyReadWarning):
        net = rf.load(Pyramid(odd).eval(), example_input=(1, 3, *SIZE))
    assert set(net.outputs) <= {f"heads.{i}" for i in range(3)}


def test_maps_of_one_jump_along_an_axis_are_one_map():
    def halves(m, maps):
        return m.again(torch.cat([maps[0][:, :4, :5], maps[0][:, :4, 5:]], 2))

    _, net = read(halves)
    assert net.map_sizes()[net.outputs[0]] == LEVELS[0]


def test_levels_on_one_axis_are_levels():
    class Signal(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv1d(2, 4, 3, 2, 1), nn.Conv1d(4, 4, 3, 2, 1)

        def forward(self, x):
            a = self.a(x)
            return torch.cat([a, self.b(a)], 2).sigmoid()

    net = rf.load(Signal(), example_input=(1, 2, 32))
    assert [net.layers[net.index(name)].name for name in ("p1", "p2")] == list(net.outputs)
    assert [net.map_sizes()[name] for name in net.outputs] == [(16,), (8,)]
    assert rf.profile(net).extent.values.ravel().tolist() == [3, 7]
    cut = Signal()
    cut.forward, cut.whole = lambda x: (cut.whole(x)[:, :, 3:20:2], cut.whole(x)[:, :, -2]), cut.forward
    net = rf.load(cut, example_input=(1, 2, 32))
    assert [net.map_sizes()[name] for name in net.outputs] == [(7,), (2,), (1,)]
    found = [rf.footprint(net, name, (0,), 32).values.nonzero()[0].tolist() for name in net.outputs]
    assert found == [[5, 6, 7], [1, 2, 3, 4, 5, 6, 7], [21, 22, 23, 24, 25, 26, 27]]
