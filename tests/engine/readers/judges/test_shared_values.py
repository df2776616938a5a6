"""Models whose parameters share memory: each has its values, and judges find the same as with values of their own."""

from __future__ import annotations

import pytest

import rfscale as rf

torch = pytest.importorskip("torch")
nn = torch.nn
pytestmark = pytest.mark.torch
SHAPE = (1, 3, 20, 24)


class Net(nn.Module):
    """Many layers of the same size; a parameter of two modules; buffers where parameters are; an own initialisation."""

    def __init__(self, dilation=1, depth=12):
        super().__init__()
        first = nn.Conv2d(3, 16, 3, 2, padding=dilation, dilation=dilation)
        self.blocks = nn.Sequential(first, *(nn.Conv2d(16, 16, 1) for _ in range(depth)))
        self.norm, self.tied, self.last = nn.BatchNorm2d(16), nn.Conv2d(16, 16, 1), nn.Conv2d(16, 16, 1)
        self.tied.weight = self.last.weight
        nn.init.trunc_normal_(self.last.weight, std=0.02)
        self.last.weight.data.clamp_(-1, 1)
        self.register_buffer("shift", torch.arange(16.0, device=self.last.weight.device).view(16, 1, 1))

    def forward(self, x):
        return self.last(self.tied(self.norm(self.blocks(x)) + self.shift))


def shared(**given):
    from tests.engine.readers.judges.shared_values import with_shared_values

    return with_shared_values(lambda: Net(**given)).eval()


def stored(module):
    return sum({v.untyped_storage().data_ptr(): v.untyped_storage().nbytes() for v in module.parameters()}.values())


def test_more_layers_take_no_more_memory():
    few, many = shared(), shared(depth=400)
    assert stored(few) == stored(many)
    assert sum(p.numel() for p in many.parameters()) > 8 * sum(p.numel() for p in few.parameters())


def test_each_parameter_has_values_of_its_own():
    module = shared()
    assert all(bool(p.isfinite().all() and (p != 0).all()) for p in module.parameters())
    weights = [layer.weight for layer in module.blocks[1:]]
    assert all(not torch.equal(a, b) for n, a in enumerate(weights) for b in weights[:n])
    assert module.tied.weight is module.last.weight
    assert module.shift.flatten().tolist() == list(range(16))


def test_a_buffer_of_values_of_parameters_is_refused():
    from tests.engine.readers.judges.shared_values import with_shared_values

    class Part(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.register_buffer("twice", 2 * self.conv.weight.data)

    with pytest.raises(RuntimeError, match="values of a parameter"):
        with_shared_values(Part)


def test_numbers_are_converted_and_converted_back():
    from tests.engine.readers.judges.shared_values import Values

    module = shared()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    values, size = Values(module), stored(module)
    for dtype, share in ((torch.bfloat16, 0.5), (torch.float64, 2), (torch.float32, 1)):
        values.use(dtype)
        assert {p.dtype for p in module.parameters()} == {module.shift.dtype} == {dtype}
        assert stored(module) == size * share
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
@pytest.mark.parametrize(("read", "is_wrong"), [(1, False), (2, True)])
def test_right_networks_are_right_and_wrong_ones_wrong(kind, read, is_wrong):
    from tests.engine.readers.judges.nan_judge import judge_model

    module, network = shared(), rf.load(Net(dilation=read), example_input=SHAPE)
    found = judge_model(module, network, SHAPE, 6, copied=False, kind=getattr(torch, kind))
    assert found.compared == 6
    assert bool(found.differing) == is_wrong


def test_a_model_that_mixes_images_is_run_on_one_at_a_time():
    """What it makes of an image that has numbers only is not a number: those of the others reached it."""
    from tests.engine.readers.judges.nan_judge import Runs, held_maps, judge_model

    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.last = nn.Conv2d(3, 4, 3, 2, 1), nn.Identity()

        def forward(self, x):
            y = self.conv(x)
            return self.last(y + 0 * y.mean(0, keepdim=True) if len(y) > 1 else y)

    module = Mixed().eval()
    network = rf.load(module, example_input=SHAPE)
    run = Runs(module, SHAPE, 0, lambda m, image: m(image))
    place = run.places(network, held_maps(lambda: rf.load(module, example_input=SHAPE))[1])[-1]
    nothing = torch.full_like(run.image, torch.nan)
    assert place.key[0] in ("", "last")
    assert not run.together(place, [run.image, nothing])
    assert judge_model(module, network, SHAPE, 6) == (6, [])
