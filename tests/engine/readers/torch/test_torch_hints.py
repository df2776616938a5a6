"""What the errors of the torch reader propose works."""

import re

import pytest

import rfscale as rf
from rfscale.engine.errors import InputError

torch = pytest.importorskip("torch")


class Skip(torch.nn.Module):
    """A U-Net of one level: odd maps do not fit together."""

    def __init__(self):
        super().__init__()
        self.down = torch.nn.Conv2d(3, 4, 3, stride=8, padding=1)
        self.up = torch.nn.ConvTranspose2d(4, 3, 8, stride=8)

    def forward(self, x):
        return x + self.up(self.down(x))


class Roots(torch.nn.Module):
    """Two operators that are not known: one keeps the shape, one does not."""

    def __init__(self, changes_shape):
        super().__init__()
        self.changes_shape = changes_shape
        self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        x = self.conv(x)
        grid = torch.zeros(1, 3, 5, 2) + x.mean()
        return torch.argsort(x, -1) if not self.changes_shape else torch.nn.functional.grid_sample(x, grid)


def test_an_odd_size_is_answered_with_the_nearest_that_fits():
    with pytest.raises(InputError, match="try 1080×1920 pixels, multiples of 8") as caught:
        rf.load(Skip(), example_input=(1, 3, 1082, 1918))
    near = [int(n) for n in re.search(r"try (\d+)×(\d+)", str(caught.value)).groups()]
    assert rf.load(Skip(), example_input=(1, 3, *near)).layers
    assert "data-dependent" not in str(caught.value)


@pytest.mark.parametrize("changes_shape", [False, True])
def test_what_is_proposed_for_unknown_operators_is_taken(changes_shape):
    shape = (1, 3, 16, 16)
    with pytest.warns(rf.PartlyReadWarning) as said:
        rf.load(Roots(changes_shape), example_input=shape)
    remedy = str(said[0].message).rpartition("; to go on")[2]
    proposed = re.findall(r"unknown='(\w+)'", remedy)
    assert ("pointwise" in proposed) != changes_shape
    for word in proposed:
        assert rf.load(Roots(changes_shape), example_input=shape, unknown=word).assumed


class Never(torch.nn.Module):
    """A forward that fails on every image, in a way that looks like a size."""

    def __init__(self):
        super().__init__()
        self.conv, self.linear = torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(7, 5)

    def forward(self, x):
        return self.linear(self.conv(x).flatten(2))


@pytest.mark.parametrize("example", [None, (1, 3, 60, 60)])
def test_so_many_sizes_are_tried_and_no_more(example):
    from rfscale.engine.readers.torch.inputs.fitting_inputs import MOST_TRIES

    model = Never()
    called = []
    model.conv.register_forward_pre_hook(lambda _, args: called.append(args[0].shape))
    with pytest.raises(InputError, match="does not run on an input of 1×3×"):
        rf.load(model, example_input=example)
    assert len(called) <= MOST_TRIES + 4  # the first candidate with and without values, and again
    assert len(set(called)) > 10
