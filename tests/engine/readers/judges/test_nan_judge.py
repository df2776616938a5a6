"""The judge of whole models: it agrees with right networks, and finds wrong ones out."""

from __future__ import annotations

import pytest

import rfscale as rf

torch = pytest.importorskip("torch")
nn = torch.nn
pytestmark = pytest.mark.torch
SHAPE = (1, 3, 20, 24)


def model(kernel=3, dilation=2):
    torch.manual_seed(0)
    padding = dilation * (kernel // 2)
    layers = nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 4, kernel, padding=padding, dilation=dilation)
    return nn.Sequential(*layers, nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(4, 2, 1))


def judged(module, network):
    from tests.engine.readers.judges.nan_judge import judge_model

    return judge_model(module, network, SHAPE, entries=6, seed=1)


def test_right_networks_are_right():
    module = model()
    assert judged(module, rf.load(module, example_input=SHAPE)) == (6, [])


@pytest.mark.parametrize(("kernel", "dilation", "why"), [(5, 2, "does not read"), (3, 1, "reads pixels outside")])
def test_wrong_networks_are_wrong(kernel, dilation, why):
    compared, differing = judged(model(), rf.load(model(kernel, dilation), example_input=SHAPE))
    assert compared == 6
    assert any(why in reason for reason in differing)


def test_levels_one_after_another():
    class Head(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1)

        def forward(self, x):
            x = self.a(x)
            return torch.cat([x.flatten(2), self.b(x).flatten(2)], 2)

    module = Head()
    assert judged(module, rf.load(module, example_input=SHAPE)) == (6, [])


def blocks(x):
    """The four phases of a map one after another, each of them in its own order: (1, c, y, x) → (1, tokens, c)."""
    n, c, y, x_ = x.shape
    return x.reshape(n, c, y // 2, 2, x_ // 2, 2).permute(0, 3, 5, 2, 4, 1).reshape(n, y * x_, c)


class Tokens(nn.Module):
    """A convolution whose map a module returns as tokens in another order."""

    def __init__(self, dilation=1):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2, padding=dilation, dilation=dilation)
        self.order, self.last = Permuted(), nn.LayerNorm(4)

    def forward(self, x):
        return self.last(self.order(self.conv(x)))


class Permuted(nn.Module):
    def forward(self, x):
        return blocks(x)


class Windows(nn.Module):
    """A convolution whose map of 16×16 a module returns as 16 windows of 4×4."""

    def __init__(self, dilation=1):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2, padding=dilation, dilation=dilation)
        self.windows, self.last = InWindows(), nn.ReLU()

    def forward(self, x):
        return self.last(self.windows(self.conv(x)))


class InWindows(nn.Module):
    def forward(self, x):
        return x.reshape(1, 4, 4, 4, 4, 4).transpose(3, 4).reshape(1, 4, 16, 16)


@pytest.mark.parametrize(("kind", "shape"), [(Tokens, SHAPE), (Windows, (1, 3, 32, 32))])
def test_entries_are_found_where_the_model_puts_them(kind, shape):
    """Tokens in another order than their map, and windows whose shape is that of the map."""
    from tests.engine.readers.judges.nan_judge import Runs, held_maps, judge_model

    torch.manual_seed(0)
    module = kind().eval()
    network = rf.load(module, example_input=shape)
    assert list(network.outputs) == ["conv"]
    assert judge_model(module, network, shape, entries=8) == (8, [])
    run = Runs(module, shape, 0, lambda m, image: m(image))
    assert len(run.places(network, held_maps(lambda: rf.load(module, example_input=shape))[1])) == 4
    wrong = judge_model(module, rf.load(kind(dilation=3), example_input=shape), shape, entries=8)
    assert len({text.partition("):")[0] for text in wrong.differing}) == wrong.compared == 8


def test_entries_without_a_place_of_their_own_are_not_judged():
    """Extra tokens, and an axis of which the tensor holds a part."""

    class Part(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.some, self.tokens = nn.Conv2d(3, 4, 3, 2, 1), nn.Identity(), nn.Identity()

        def forward(self, x):
            y = self.conv(x)
            tokens = torch.cat([torch.zeros(1, 1, 4), y.flatten(2).transpose(1, 2)], 1)
            return self.some(y.mean(2)), self.tokens(tokens)

    from tests.engine.readers.judges.nan_judge import Runs, held_maps

    module = Part()
    network = rf.load(module, example_input=SHAPE)
    places = Runs(module, SHAPE, 0, lambda m, image: m(image)).places(
        network, held_maps(lambda: rf.load(module, example_input=SHAPE))[1]
    )
    assert {place.key for place in places if place.layer == "conv"} == {("conv", 0, "")}


def test_masks_and_comparisons():
    """Not-a-number spreads through masked scores, and ends at a comparison; what depends on it does neither."""

    class Part(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.mask = nn.Conv2d(3, 4, 3, 2, 1), torch.full((120, 120), float("-inf"))
            self.mask.fill_diagonal_(0)
            self.last = nn.Identity()

        def forward(self, x):
            y = self.conv(x)
            t = y.flatten(2).transpose(1, 2)
            t = ((t @ t.transpose(1, 2)) + self.mask).softmax(-1) @ t
            y = t.transpose(1, 2).reshape(y.shape)
            return self.last(torch.where(y > 0, y, 0.1 * y.nan_to_num()))

    from tests.engine.readers.judges.nan_judge import judge_model

    module = Part()
    spec = {"input_size": SHAPE[2:], "layers": [{"name": "conv", "kernel": 3, "stride": 2, "padding": 1}]}
    network = rf.Network.from_dict(spec | {"modules": {"last": "conv"}})
    assert judge_model(module, network, SHAPE, entries=4) == (4, [])


class Kept(nn.Module):
    """A convolution over frames that starts with the last ones of the run before; the model clears them at its end."""

    def __init__(self):
        super().__init__()
        self.conv, self.first, self.last = nn.Conv2d(3, 4, 3, 2, 1), nn.Identity(), nn.Identity()
        self.before, self.all = None, []

    def forward(self, x):
        x = self.conv(x)
        self.all.append(x)
        x = self.first(torch.cat([x, *([] if self.before is None else [self.before])], 2))
        self.before = x
        x = self.last(x + sum(self.all))
        self.before, self.all = None, []
        return x


class OfBytes(nn.Module):
    """Whole numbers on the way: what is made of them has torch's default type."""

    def __init__(self):
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 2, 3)

    def forward(self, x):
        return self.last(self.conv(x).sigmoid().mul(255).byte() / 255.0)


@pytest.mark.parametrize("kind", [Kept, OfBytes])
def test_what_a_run_leaves_does_not_reach_the_next_and_numbers_have_one_type(kind):
    torch.manual_seed(0)
    module = kind().eval()
    assert judged(module, rf.load(module, example_input=SHAPE)) == (6, [])
    assert not vars(module).get("all")
    assert torch.get_default_dtype() == torch.float32


class OfColours(nn.Module):
    def __init__(self, kernel=3):
        super().__init__()
        self.table, self.conv = nn.Embedding(20, 4), nn.Conv1d(4, 4, kernel, padding=kernel // 2)

    def forward(self, ids):
        return self.conv(self.table(ids).transpose(1, 2))


def test_an_image_of_whole_numbers_is_judged_by_changes():
    from tests.engine.readers.judges.nan_judge import held_maps, judge_model

    def read(module):
        return held_maps(lambda: rf.load(module, example_input={"ids": torch.zeros(1, 30).long()}, image="ids"))

    module = OfColours()
    network, held = read(module)
    assert judge_model(module, network, (1, 30), entries=6, held=held, numbers=20) == (6, [])
    for kernel, why in ((5, "does not read"), (1, "reads pixels outside")):
        network, held = read(OfColours(kernel))
        wrong = judge_model(module, network, (1, 30), entries=6, held=held, numbers=20)
        assert any(why in reason for reason in wrong.differing)
