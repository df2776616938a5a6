"""Layouts that models of libraries make of maps, reduced to what shows them, judged by pixels that are not a number."""

from __future__ import annotations

import pytest

import rfscale as rf
from tests.engine.readers.torch.trace.test_running import Model, check

torch = pytest.importorskip("torch")
nn = torch.nn
pytestmark = pytest.mark.torch
SIZE = (1, 4, 6, 8)


class Inner(nn.Module):
    """A module inside the model: what it returns is named by it."""

    def __init__(self, forward, width=4):
        super().__init__()
        self.run, self.mix, self.conv = forward, nn.Linear(width, width), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x):
        return self.run(self, x)


def ops(net):
    return [layer.op for layer in net.layers]


def with_inner(forward, inner):
    model = Model(forward)
    model.inner = Inner(inner)
    return model


def test_a_module_that_returns_windows_does_not_unite_their_entries():
    def forward(m, x):
        y = m.a(x)
        batch, width, h, w = y.shape
        windows = y.reshape(batch, width, h // 3, 3, w // 2, 2).permute(0, 2, 4, 3, 5, 1)
        windows = m.inner(windows)
        back = windows.permute(0, 5, 1, 3, 2, 4).reshape(batch, width, h, w)
        return m.b(back) + y

    net = check(with_inner(forward, lambda m, x: m.mix(x)), SIZE)
    assert "space_to_depth" not in ops(net)


def test_what_such_a_module_returns_has_its_name_where_the_model_goes_on_with_it():
    def merged(m, x):
        batch, width, h, w = x.shape
        return x.reshape(batch, width, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4).flatten(1, 3)

    model = with_inner(lambda m, x: m.more(m.inner(m.a(x))), merged)
    model.more = nn.Conv2d(16, 4, 3, padding=1)
    net = check(model, SIZE)
    assert net["inner"].op == "space_to_depth"


def test_nothing_joined_with_a_map_leaves_it_as_it_is():
    def forward(m, x):
        y = m.a(x).flatten(2)
        y = torch.cat([y[:, :, :0], y], 2)
        return m.b((y + m.b(x).flatten(2)).unflatten(2, SIZE[2:]))

    check(Model(forward), SIZE)


@pytest.mark.parametrize("kernel", [2, 4, 16])  # inside rows, half a row, two rows
def test_a_pool_along_the_rows_of_a_map_one_after_another(kernel):
    def forward(m, x):
        y = torch.nn.functional.avg_pool1d(m.a(x).flatten(2), kernel)
        h, w = (6, 8 // kernel) if kernel <= 8 else (6 * 8 // kernel, 1)
        return m.b(y.unflatten(2, (h, w)))

    check(Model(forward), SIZE)


def test_windows_that_run_from_row_to_row_are_read_where_all_of_them_are():
    def forward(m, x):
        y = m.a(x)
        rows = y.flatten(2).transpose(1, 2)
        kept = torch.nn.functional.avg_pool1d(y.flatten(2), 6).transpose(1, 2)
        out = nn.functional.scaled_dot_product_attention(rows, m.inner(kept), kept)
        return m.b(y + out.transpose(1, 2).unflatten(2, SIZE[2:]))

    check(with_inner(forward, lambda m, x: m.mix(x)), SIZE)


def test_windows_that_run_from_row_to_row_end_the_analysis_where_some_of_them_are_read():
    def forward(m, x):
        y = m.a(x)
        pooled = torch.nn.functional.avg_pool1d(y.flatten(2), 6)
        return m.b(y), m.b(pooled.unflatten(2, (2, 4))), pooled[:, :, 1], pooled.relu() + m.a(x)[:, :, 0]

    with pytest.warns(rf.PartlyReadWarning):
        net = rf.load(Model(forward), example_input=SIZE)
    assert {"place on the map" in reason for reason in net.left_out.values()} == {True}
    assert len(net.left_out) == 3
    assert rf.profile(net).sel(layer="b").extent.values.tolist() == [3, 5]


def test_channels_of_different_maps_stay_different_in_a_sum():
    def forward(m, x):
        y = torch.cat([m.a(x), m.b(x)], 1)
        return torch.pixel_shuffle(y + torch.cat([m.b(x), m.a(x)], 1), 2)

    with pytest.warns(rf.PartlyReadWarning, match="different maps"):
        rf.load(Model(forward), example_input=SIZE)


def test_lists_that_index_keep_their_values():
    def forward(m, x):
        y = m.a(x)[:, [2, 1, 0, 3]]
        y = y[:, :, [4, 2, 0]]
        y[:, :, :, [0, 7]] = m.b(x)[:, :, [1, 1, 3]][..., [3, 4]]
        return y

    net = check(Model(forward), SIZE)
    assert not net.assumed
    with torch.device("meta"):
        model = Model(forward)
    assert rf.load(model, example_input=SIZE).to_dict() == net.to_dict()


@pytest.mark.parametrize("config", [{}, {"input_size": (1, 64, 64)}])
def test_the_channels_of_an_image_whose_pixels_become_channels_first(config):
    class Stem(nn.Module):
        def __init__(self):
            super().__init__()
            channels = config.get("input_size", (3,))[0]
            self.conv, self.pretrained_cfg = nn.Conv2d(16 * channels, 4, 3, padding=1), config

        def forward(self, x):
            return self.conv(nn.functional.pixel_unshuffle(x, 4))

    net = rf.load(Stem())
    assert net.input_channels == config.get("input_size", (3,))[0]
    assert rf.profile(net).extent.values[-1].tolist() == [12, 12]


@pytest.mark.parametrize("around", [(1, 1), (2, 1), (0, 3)])
def test_repeated_entries_padded_and_added(around):
    def forward(m, x):
        y = m.a(x).repeat_interleave(2, 2).repeat_interleave(2, 3)
        padded = torch.nn.functional.pad(y, (*around, *around))
        return m.b(padded[:, :, :12, : 2 * 8] + y)

    check(Model(forward), SIZE)


def test_zeros_between_entries_and_padding_around_them():
    def forward(m, x):
        y = m.a(x)
        spread = torch.nn.functional.pad(y[:, :, :, None, :, None], (0, 1, 0, 0, 0, 1)).flatten(4, 5).flatten(2, 3)
        return m.a(torch.nn.functional.pad(spread, (2, 1, 2, 1)))

    check(Model(forward), SIZE)


def test_numbers_that_become_tensors_on_the_device_of_the_image_keep_their_values():
    def forward(m, x):
        y = m.a(x)
        kernel = torch.tensor([[3.0, 1.0], [1.0, 2.0]], device=y.device, dtype=y.dtype).expand(4, 1, 2, 2)
        y = nn.functional.conv2d(y * y.new_tensor([1, 2, 3, 4]).view(4, 1, 1), kernel, groups=4)
        return y[:, :, torch.as_tensor([3, 1, 0], device=x.device)]

    net = check(Model(forward), SIZE)
    assert not net.assumed


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("part", [slice(None), slice(1, 3)])
def test_weights_that_depend_on_the_image_are_read_by_every_entry(kernel, part):
    def forward(m, x):
        """A mixture of kernels, chosen by what a part of the image holds."""
        mixture = m.mix(m.a(x)[:, :, part, part].mean((2, 3))).softmax(1)
        weights = (mixture @ m.experts).view(4, 1, kernel, kernel)
        return nn.functional.conv2d(m.b(x), weights, padding=kernel // 2, groups=4)

    model = Model(forward)
    model.mix, model.experts = nn.Linear(4, 3), nn.Parameter(torch.rand(3, 4 * kernel**2))
    check(model, SIZE)


def test_maps_that_are_weights_of_others_are_read_whole():
    def forward(m, x):
        return nn.functional.conv2d(m.b(x), m.a(x)[:, :, 1:4, 2:5])

    check(Model(forward), SIZE)
    check(Model(lambda m, x: nn.functional.conv2d(m.b(x), m.a(x)[:, :, :1, :1])), SIZE)
    with pytest.warns(rf.PartlyReadWarning, match="near a border"):
        rf.load(Model(lambda m, x: nn.functional.conv2d(m.b(x), m.a(x)[:, :, 1:4, 2:5], padding=1)), example_input=SIZE)


def decayed(m, x):
    """Scores of queries and keys, and others of the queries alone."""
    keys, queries, values = (part.mean(2) for part in (m.a(x), m.b(x), m.a(x)))
    queries = keys * 2 + 1 if m.alike else queries
    scores = torch.einsum("bct,bcs->bts", keys, queries)
    scores = scores + torch.einsum("fts,bfs->bts", torch.rand(4, 8, 8, dtype=x.dtype), queries)
    found = torch.einsum("bts,bct->bcs", scores.softmax(1), values if not m.alike else keys)
    return (keys + found)[:, :, None]


@pytest.mark.parametrize("alike", [True, False])
def test_scores_of_the_queries_beside_those_of_two_sequences(alike):
    model = Model(decayed)
    model.alike = alike
    check(model, SIZE)


def test_one_map_asks_every_window_of_another():
    """Global context attention: the queries are those of a small map, in each window the same."""

    def forward(m, x):
        y = m.b(m.a(x))
        queries = m.b(nn.functional.max_pool2d(y, 2)[:, :, :, :2])  # 3×2 entries
        windows = y.reshape(1, 4, 2, 3, 4, 2).permute(0, 2, 4, 3, 5, 1).reshape(8, 6, 4)
        asked = queries.flatten(2).transpose(1, 2).repeat_interleave(8, 0)
        found = (asked @ windows.transpose(1, 2)).softmax(2) @ windows
        back = found.reshape(1, 2, 4, 3, 2, 4).permute(0, 5, 1, 3, 2, 4).reshape(1, 4, 6, 8)
        return m.b(back)

    check(Model(forward), SIZE)


def one_key(scores):
    return scores[:, :, 5]


def some_keys(scores):
    return scores[:, :, 2:9].mean(2)


@pytest.mark.parametrize("part", [one_key, some_keys])
def test_scores_of_some_keys_are_not_those_of_all(part):
    """Of queries and keys of one map: an entry reads itself and that key alone."""

    def forward(m, x):
        tokens = m.a(x).flatten(2).transpose(1, 2)
        return part(tokens @ tokens.transpose(1, 2)).unflatten(1, SIZE[2:])[:, None]

    with pytest.warns(rf.PartlyReadWarning, match="place on the map"):
        rf.load(Model(forward), example_input=SIZE)


def attended(m, x, own):
    """Attention with a class token and scores of relative positions, which are added where the pixels are."""
    scores = x @ x.transpose(1, 2)
    places = (x[:, 1:] @ m.bias.T).view(1, 6, 8, 6).unsqueeze(-1)
    if own:
        places = places + x[:, 1:].mean(2).view(1, 6, 8, 1, 1)
    scores[:, 1:, 1:] += places.expand(-1, -1, -1, -1, 8).flatten(1, 2).flatten(2)
    return scores.softmax(2) @ x + x


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("own", [False, True])
def test_scores_of_places_beside_a_class_token(times, own):
    def forward(m, x):
        tokens = m.a(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([m.token, tokens], 1)
        for _ in range(times):
            tokens = m.mix(attended(m, tokens, own))
        pixels = tokens[:, 1:].transpose(1, 2).unflatten(2, SIZE[2:])
        return m.b(pixels) + tokens[:, 0, :, None, None]

    model = Model(forward)
    model.token, model.bias = nn.Parameter(torch.rand(1, 1, 4)), nn.Parameter(torch.rand(6, 4))
    model.mix = nn.Linear(4, 4)
    check(model, SIZE)


@pytest.mark.parametrize(
    "part", [slice(8, 32), slice(16, 24), slice(0, 8), slice(9, 14), slice(33, 40, 3), slice(13, 14), slice(47, 48)]
)
def test_rows_one_after_another_are_cut_by_rows_or_inside_one(part):
    def forward(m, x):
        y = m.a(x).flatten(2)[:, :, part]
        rows = (part.stop - part.start) // 8 if part.start % 8 == 0 else 1
        return m.b(y.unflatten(2, (rows, -1)))

    check(Model(forward), SIZE)


def test_one_entry_of_rows_one_after_another_is_added_to_all():
    check(Model(lambda m, x: m.b(x) + m.a(x).flatten(2)[:, :, 21, None, None]), SIZE)


def test_other_cuts_of_rows_one_after_another_end_there():
    with pytest.warns(rf.PartlyReadWarning, match="several axes"):
        rf.load(Model(lambda m, x: m.a(x).flatten(2)[:, :, 4:20]), example_input=SIZE)
