"""What a forward may do to tensors past the operators: memory that is shared or replaced, values in Python, threads."""

from __future__ import annotations

import copy
import threading

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError
from rfscale.engine.errors import PartlyReadWarning
from tests.engine.readers.torch.trace.test_running import SHAPE, Model, check

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def data_that_is_assigned(m, x):
    y = m.b(x)
    y.data = m.a(x)
    return y * 1


def a_copy_of_python(m, x):
    return m.b(x) + copy.deepcopy(m.a(x))


def a_parameter_of_a_map(m, x):
    return m.b(x) + torch.nn.Parameter(m.a(x), requires_grad=False)


def set_to_another(m, x):
    y = m.b(x)
    y.set_(m.a(x))
    return y * 1


def a_write_through_all_dims_reversed(m, x):
    y = m.b(x)
    y.permute(3, 2, 1, 0).mT[3] = m.a(x).permute(3, 2, 1, 0).mT[3]
    return y


def a_bias_of_the_image(m, x):
    bias = x[..., 0].mean((0, 2))
    return torch.nn.functional.linear(x.permute(0, 2, 3, 1), m.a.weight[:, :, 0, 0], bias).permute(0, 3, 1, 2)


def a_mean_of_the_image(m, x):
    return torch.normal(m.a(x), 1.0)


def results_that_go_into_two_tensors(m, x):
    v, i = torch.empty_like(x), torch.empty(x.shape, dtype=torch.long)
    torch.sort(m.a(x), 1, out=(v, i))
    return m.b(v)


FOLLOWED = [
    data_that_is_assigned, a_copy_of_python, a_parameter_of_a_map, set_to_another, a_write_through_all_dims_reversed,
    a_bias_of_the_image, a_mean_of_the_image, results_that_go_into_two_tensors,
]  # fmt: skip


@pytest.mark.parametrize("forward", FOLLOWED, ids=lambda f: f.__name__)
def test_followed(forward):
    assert not check(Model(forward)).left_out


def a_write_through_strides(m, x):
    y = m.b(x)
    y.as_strided((1, 4, 2, 8), (288, 72, 8, 1)).add_(m.a(x)[:, :, :2])
    return y


def a_write_through_a_silent_view(m, x):
    y = m.b(x)[0, 0]
    torch.atleast_3d(y)[:, :, 0].add_(m.a(x)[0, 0])
    return y[None, None]


def lists_of_tensors(m, x):
    both = [m.a(x), m.b(x)]
    torch._foreach_add_(both, [m.b(x), m.a(x)])
    return both[1]


def norm_weights_of_the_image(m, x):
    return torch.nn.functional.group_norm(m.b(x), 2, weight=m.a(x)[0, :, 0, 0])


def filters_and_bias_of_the_image(m, x):
    return torch.nn.functional.conv2d(x, m.a.weight, m.a(x).mean((0, 2, 3)), padding=1)


def another_thread(m, x):
    made = []
    thread = threading.Thread(target=lambda: made.append(m.a(x)))
    thread.start()
    thread.join()
    return m.b(x) + made[0]


ENDED = [
    a_write_through_strides, a_write_through_a_silent_view, lists_of_tensors, norm_weights_of_the_image,
    filters_and_bias_of_the_image, another_thread,
]  # fmt: skip


@pytest.mark.parametrize("forward", ENDED, ids=lambda f: f.__name__)
def test_ends_where_it_cannot_be_followed(forward):
    try:
        with pytest.warns(PartlyReadWarning):
            assert rf.load(Model(forward), example_input=SHAPE).left_out
    except InputError:
        pass


def test_values_that_python_asks_for_are_noted():
    def caught(m, x):
        try:
            return m.a(x) if x.max() > 0 else x
        except Exception:
            return m.b(x)

    for forward in (caught, lambda m, x: m.a(x) if x.numpy().max() > 0 else m.b(x)):
        net = rf.load(Model(forward), example_input=SHAPE)
        assert rf.profile(net).extent.values[-1].tolist() == [3, 3]
        assert net.assumed


class Masked(torch.nn.Conv2d):
    """The mask of a PixelCNN, multiplied into the weights themselves."""

    def __init__(self, assigns):
        super().__init__(4, 4, 3, padding=1)
        mask = torch.ones(4, 4, 3, 3)
        mask[:, :, 2] = 0
        self.register_buffer("mask", mask)
        self.assigns = assigns

    def forward(self, x):
        if self.assigns:
            self.weight.data = self.weight.data * self.mask
        else:
            self.weight.data *= self.mask
        return super().forward(x)


@pytest.mark.parametrize("assigns", [False, True])
def test_weights_that_are_masked_in_place(assigns):
    conv = Masked(assigns)
    before = copy.deepcopy(conv.state_dict())
    pointer = conv.weight.data_ptr()
    net = rf.load(torch.nn.Sequential(conv), example_input=SHAPE)
    assert rf.profile(net).extent.values[-1].tolist() == [2, 3]
    assert not net.assumed
    assert all(torch.equal(v, before[k]) for k, v in conv.state_dict().items())
    assert conv.weight.data_ptr() == pointer
    conv(torch.rand(SHAPE)).sum().backward()


class Remembers(torch.nn.Module):
    """Writes buffers through views, keeps maps in lists, and trains a norm, in a run that asks for values."""

    def __init__(self, asks):
        super().__init__()
        self.a = torch.nn.Conv2d(4, 4, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(4)
        self.register_buffer("seen", torch.zeros(3))
        self.register_buffer("last", torch.zeros(SHAPE))
        self.kept = [[], {"maps": []}]
        self.asks = asks

    def forward(self, x):
        y = self.a(x)
        self.seen.data[1:].add_(1)
        self.last.copy_(y)
        self.kept[0].append(y)
        self.kept[1]["maps"].append(y)
        if self.asks and x.sum() > 0:
            y = torch.nn.functional.batch_norm(y, self.norm.running_mean, self.norm.running_var, training=True)
        return y + self.last


@pytest.mark.parametrize("asks", [False, True])
def test_a_module_is_left_as_it_was(asks):
    model = Remembers(asks)
    before = copy.deepcopy(model.state_dict())
    rf.load(model, example_input=SHAPE)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model.kept == [[], {"maps": []}]
    assert not any(t.is_inference() for t in model.state_dict(keep_vars=True).values())
    model(torch.rand(SHAPE)).sum().backward()
    assert all(p.grad is not None for p in model.a.parameters())


def test_hooks_of_a_module_change_what_it_returns():
    model = Model(lambda m, x: m.a(x) + m.a(x))
    model.a.register_forward_hook(lambda m, args, out: torch.nn.functional.max_pool2d(out, 2))
    net = rf.load(model, example_input=SHAPE)
    assert net.map_sizes()[net["a@0"].name] == (4, 4)
    assert len(model.a._forward_hooks) == 1


def test_threads_that_read_at_once():
    """The same module, and others: each answer is what one thread alone gets."""
    shared = torch.nn.Sequential(*(torch.nn.Conv2d(4, 4, 3, padding=1) for _ in range(4)), torch.nn.Dropout())
    right = rf.load(shared, example_input=SHAPE).layers
    found = {}

    def read(i):
        found[i] = rf.load(shared if i % 2 else copy.deepcopy(shared), example_input=SHAPE).layers

    threads = [threading.Thread(target=read, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    for _ in range(20):
        torch.nn.Sequential(torch.nn.ReLU())(torch.rand(2))  # modules that run elsewhere meanwhile
    for t in threads:
        t.join()
    assert all(found[i] == right for i in range(6))
    assert shared.training
    assert all(part.training for part in shared)
    np.testing.assert_array_equal(rf.profile(rf.load(shared, example_input=SHAPE)).extent.values[-1], [9, 9])


class Schedule:
    """An object that is no module and holds a table, as schedulers of diffusion models do."""

    def __init__(self):
        self.steps = torch.linspace(0, 1, 4)

    def scaled(self, x):
        self.steps = self.steps.to(x.device)
        return x * self.steps[2]


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_table_of_an_object_that_a_module_holds(device):
    class Scheduled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.schedule = torch.nn.Conv2d(3, 4, 3), Schedule()

        def forward(self, x):
            return self.schedule.scaled(self.conv(x))

    with torch.device(device):
        module = Scheduled()
    net = rf.load(module, example_input=(1, 3, 9, 9))
    assert not net.left_out
    assert [layer.op for layer in net.layers] == ["conv"]
